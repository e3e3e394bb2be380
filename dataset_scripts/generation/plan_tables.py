"""A plan in tables: Table 2's shape, what is balanced, and what it is expected to take."""

from typing import Any

from modeling_empathic.report.tables import Section, plain

from .factors import CHALLENGE, CLIP_S, FACTORIAL, LANGUAGES, STRATA, TOTAL_HOURS
from .plan import Summary

# Assumptions, not measurements; `estimate` names each beside its result.
AUDIO_TOKENS_S = 20
"""OpenAI's audio tokens for a second of speech."""
AUDIO_USD, TEXT_USD = 64.0, 2.5
"""List price of a million tokens, audio out and text in, of gpt-audio in 2026."""
CHARS_A_TOKEN = 4
FLAC_SHARE = 0.55
"""Of 16-bit WAV."""
WAV_BYTES_S = 2 * 24_000


def shape(summary: Summary) -> dict[str, dict[str, Any]]:
    """Clips and expected hours of each line of Table 2.

    Args:
        summary: Of a plan.

    Returns:
        By its name: `clips`, `hours`, and `table_2_hours`, the paper's.
    """
    strata = summary.counts["strata"]
    lines: dict[str, dict[str, Any]] = {}

    def add(name: str, wanted: Any) -> None:
        clips = sum(n for key, n in strata.items() if wanted(*key))
        paper = sum(s.hours for s in STRATA if wanted(s.part, s.language, s.accent))
        hours = round(clips * CLIP_S / 3600, 3)
        lines[name] = {"clips": clips, "hours": hours, "table_2_hours": paper}

    for language, name in LANGUAGES.items():
        add(name, lambda part, of, _, language=language: (part, of) == (FACTORIAL, language))
    add("Acting challenge (en+de)", lambda part, *_: part == CHALLENGE)
    add("Total", lambda *_: True)
    for stratum in STRATA:
        if (stratum.part, stratum.language) == (FACTORIAL, "en"):
            key = tuple(stratum[:3])
            name = f"English, {stratum.accent}" if stratum.accent else "English, no accent"
            add(name, lambda *of, key=key: of == key)
    return lines


def estimate(summary: Summary) -> dict[str, dict[str, Any]]:
    """What a plan is expected to take, each figure with what it assumes."""
    seconds = summary.n_clips * CLIP_S
    audio = seconds * AUDIO_TOKENS_S / 1e6 * AUDIO_USD
    prompts = summary.prompt_chars / CHARS_A_TOKEN / 1e6 * TEXT_USD
    wav = seconds * WAV_BYTES_S
    return {
        "audio": {"value": f"{seconds / 3600:,.3f} h", "assumes": f"{CLIP_S} s a clip (Table 3)"},
        "as WAV": {"value": _size(wav), "assumes": "24 kHz, mono, 16 bits"},
        "as FLAC": {
            "value": _size(FLAC_SHARE * wav),
            "assumes": f"{100 * FLAC_SHARE:.0f} % of WAV",
        },
        "OpenAI, audio": {
            "value": f"{audio:,.2f} USD",
            "assumes": f"{AUDIO_TOKENS_S} tokens/s, {AUDIO_USD:g} USD a million",
        },
        "OpenAI, prompts": {
            "value": f"{prompts:,.2f} USD",
            "assumes": f"{CHARS_A_TOKEN} characters a token, {TEXT_USD:g} USD a million",
        },
        "espeak-ng": {"value": "0.00 USD", "assumes": "one's own processor"},
    }


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"


def tables(summary: Summary) -> list[Section]:
    """What is printed of a plan."""
    rows = [
        [name, f"{line['clips']:,}", f"{line['hours']:,.3f}", f"{line['table_2_hours']:,g}"]
        for name, line in shape(summary).items()
    ]
    balance = []
    for name in ("target_emotion", "voice", "sex", "topic", "target_intensity"):
        counts = summary.counts[name]
        each = f"{min(counts.values()):,} to {max(counts.values()):,}"
        balance.append([name, f"{len(counts)}", each])
    costs = [[name, line["value"], line["assumes"]] for name, line in estimate(summary).items()]
    hours = summary.n_clips * CLIP_S / 3600
    speech = f"{hours:,.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"
    return [
        plain(
            "Shape of Table 2",
            ["", "clips", "expected hours", "paper's hours"],
            rows,
            f"Expected: {speech} of speech, at {CLIP_S} s a clip. "
            f"The paper has {TOTAL_HOURS:,.0f} hours.",
        ),
        plain("Balance", ["", "values", "clips of each"], balance),
        plain(
            "Expected",
            ["", "", "assumed"],
            costs,
            "Assumptions, not offers: look up the price list, and try a small plan first.",
        )._replace(text_last=1),
    ]
