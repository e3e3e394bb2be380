"""One clip: spoken by an engine, checked, asked for again where it must be, and kept as FLAC."""

import hashlib
import io
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from modeling_empathic.report.files import replacing
from modeling_empathic.report.tables import printable

from .engines import Engine, NoAnswerError, RefusedError
from .hearing import FASTEST_CHARS_S, LONGEST_S, RATE, NotAudioError, UnusableError, hear

SPOKEN, REJECTED, REFUSED = "spoken", "rejected", "refused"
DECODE_ERROR, TRANSPORT_ERROR = "decode_error", "transport_error"
OUTCOMES = {
    SPOKEN: "there is a clip",
    REJECTED: "audio came, but at every try it failed a check",
    DECODE_ERROR: "what came was no audio",
    REFUSED: "the engine will not speak this",
    TRANSPORT_ERROR: "the engine gave nothing; the next run asks again",
}
CLIPS_SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "path": pa.string(),
        "sha256": pa.string(),
        "duration_s": pa.float64(),
        "sampling_rate": pa.int32(),
        "outcome": pa.string(),
        "reason": pa.string(),
        "attempts": pa.int32(),
        "engine": pa.string(),
        "engine_voice": pa.string(),
        "voice": pa.string(),
        "language": pa.string(),
        "accent": pa.string(),
        "sex": pa.string(),
        "topic": pa.string(),
        "challenge": pa.string(),
        "text_id": pa.string(),
        "text": pa.string(),
        "target_emotion": pa.string(),
        "target_intensity": pa.float32(),
        "part": pa.string(),
        "prompt_id": pa.string(),
        "seed": pa.int64(),
        "words_found": pa.float32(),
    }
)
"""Columns of `clips.parquet`. `accent` is what the engine attempted; the plan has what was asked.
Where there is no clip, `path` and `sha256` are empty, and duration and rate are 0."""
_KINDS = {
    UnusableError: REJECTED,
    NotAudioError: DECODE_ERROR,
    RefusedError: REFUSED,
    NoAnswerError: TRANSPORT_ERROR,
}


class Spoken(NamedTuple):
    """What became of a row.

    Attributes:
        outcome: Of `OUTCOMES`.
        reason: Why tries failed, in their order; also of a clip that came at a later one.
        attempts: Tries that were made.
        sha256: Of the file, with duration and rate; empty and zero where there is none.
        duration_s: Of the clip.
        accent: That the engine attempted.
        engine_voice: The engine's own name of the voice.
        seed: Of the last try.
        words_found: Share of the text's words in the engine's transcript, None without one.
    """

    outcome: str
    reason: str
    attempts: int
    sha256: str
    duration_s: float
    accent: str
    engine_voice: str
    seed: int
    words_found: float | None


def audio_path(clip_id: str) -> str:
    """Where a clip lies in the folder of the corpus.

    Example:
        >>> audio_path("3fa8c2")
        'audio/3f/3fa8c2.flac'
    """
    return f"audio/{clip_id[:2]}/{clip_id}.flac"


def speak_row(row: Mapping[str, Any], engine: Engine, out: Path, attempts: int) -> Spoken:
    """Speaks a row of a plan and writes its file, whole or not at all.

    Args:
        row: Of a plan.
        engine: What speaks.
        out: Folder of the corpus.
        attempts: Tries at most; each has a seed of its own.

    Raises:
        EngineError: The engine cannot go on at all.
        OSError: The file cannot be written, for a full disk or the like: no fault of the clip.
    """
    path = out / audio_path(row["id"])
    reasons: list[str] = []
    outcome = TRANSPORT_ERROR
    for attempt in range(attempts):
        seed = (row["seed"] + attempt) % 2**31
        try:
            _check_text(row["text"])
            speech = engine({**row, "seed": seed})
            heard = hear(speech, row["text"])
        except tuple(_KINDS) as error:
            outcome = next(name for kind, name in _KINDS.items() if isinstance(error, kind))
            # A program and a service may say anything; a table of ours commands no terminal.
            reasons.append(printable(" ".join(str(error).split())))
            if outcome == REFUSED:
                break
            continue
        sound = to_flac(heard.samples)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(sound)
        digest = hashlib.sha256(sound).hexdigest()
        seconds = len(heard.samples) / RATE
        return Spoken(
            SPOKEN, _told(reasons), attempt + 1, digest, seconds,
            speech.accent, speech.voice, seed, heard.words_found,
        )  # fmt: skip
    path.unlink(missing_ok=True)  # of an earlier run that was killed, or that had more luck
    return Spoken(outcome, _told(reasons), len(reasons), "", 0.0, "", "", seed, None)


def _check_text(text: str) -> None:
    """Before anybody is asked, and paid: an engine may take hours, and all memory, to speak it."""
    most = int(FASTEST_CHARS_S * LONGEST_S)
    if len(text) > most:
        raise RefusedError(f"{len(text):,} characters; {LONGEST_S:g} s hold {most:,}")
    # To a synthesiser they may be commands (U+0001 is one of eSpeak's) or the end (U+0000).
    odd = next((c for c in text if unicodedata.category(c) == "Cc" and c not in "\t\n\r"), None)
    if odd is not None:
        raise RefusedError(f"a control character in the text: U+{ord(odd):04X}")


def to_flac(samples: np.ndarray) -> bytes:
    """Mono samples at 24 kHz as FLAC of 16 bits; the same samples give the same bytes."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def _told(reasons: list[str]) -> str:
    """Each reason once, with the tries it was given at where there are several."""
    tries: dict[str, list[str]] = {}
    for number, reason in enumerate(reasons, 1):
        tries.setdefault(reason, []).append(str(number))
    if len(tries) == 1 and len(reasons) == 1:
        return reasons[0]
    return "; ".join(f"try {', '.join(numbers)}: {reason}" for reason, numbers in tries.items())
