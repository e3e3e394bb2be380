"""Hours of what is packed, by everything that is known of a clip: the paper's Table 2 for any data.

Durations are summed up in whole milliseconds, so that the sums do not depend on the order in which
clips come, nor on how often more of them are added.
"""

from collections.abc import Mapping
from typing import Any

from dataset_scripts.generation.factors import (
    ACCENT_HOURS,
    CHALLENGE,
    FACTORIAL,
    LANGUAGES,
    STRATA,
)
from modeling_empathic.report.tables import Section, plain
from modeling_empathic.taxonomy import EMOTION_NAMES

from .clips import Row

BY = {
    "configuration": "Playtime by language",
    "language": "Languages, all parts together",
    "accent": "English accents",
    "voice": "Voices",
    "voice_gender": "Voices' sex",
    "emotion": "Emotions asked for",
    "engine": "Engines",
    "annotator": "Annotators",
}
"""What is told apart, and what its table is called."""
TITLES = {
    "en": "English (en)",
    "de": "German (de)",
    "es": "Spanish (es)",
    "fr": "French (fr)",
    "acting_challenge": "Acting challenge (en+de)",
    "other": "Other or unknown",
}
UNKNOWN = ""
PAPER: dict[str, dict[str, float]] = {
    "configuration": {
        **{
            language: sum(s.hours for s in STRATA if (s.part, s.language) == (FACTORIAL, language))
            for language in LANGUAGES
        },
        CHALLENGE: sum(s.hours for s in STRATA if s.part == CHALLENGE),
    },
    "accent": dict(ACCENT_HOURS),
}
"""Hours in Table 2, by what it tells apart."""


class Statistics:
    """Clips and milliseconds by each of `BY`.

    Args:
        before: Of what was packed before, as [`as_dict`] gives it.
    """

    def __init__(self, before: Mapping[str, Any] | None = None):
        self._sums: dict[str, dict[str, list[int]]] = {
            by: {name: list(pair) for name, pair in (before or {}).get(by, {}).items()} for by in BY
        }

    def add(self, row: Row, configuration: str) -> None:
        """Counts a clip."""
        emotion = row["emotion"]
        values: dict[str, Any] = {**row, "configuration": configuration}
        values["emotion"] = None if emotion is None else EMOTION_NAMES[emotion]
        for by in BY:
            if by == "accent" and configuration != "en":
                continue  # Table 2 has those of English
            self._count(by, values[by], 1, row["duration_s"])

    def move(self, by: str, old: str | None, new: str | None, duration_s: float) -> None:
        """Counts a clip that was counted at `old` at `new` instead."""
        self._count(by, old, -1, duration_s)
        self._count(by, new, 1, duration_s)

    def _count(self, by: str, value: str | None, n: int, duration_s: float) -> None:
        name = value or UNKNOWN
        pair = self._sums[by].setdefault(name, [0, 0])
        pair[0] += n
        pair[1] += n * round(1000 * duration_s)
        if not pair[0]:
            del self._sums[by][name]

    def as_dict(self) -> dict[str, dict[str, list[int]]]:
        """`{by: {value: [clips, milliseconds]}}`, values in order; `""` is unknown."""
        return {by: dict(sorted(sums.items())) for by, sums in self._sums.items()}


def hours(pair: list[int]) -> float:
    """Hours of a pair of clips and milliseconds."""
    return pair[1] / 3_600_000


def sections(statistics: Mapping[str, Mapping[str, list[int]]]) -> list[Section]:
    """Table 2 and the further ones, those in which nothing is known left out.

    Example:
        >>> [one] = sections({"configuration": {"de": [2, 7_200_000]}})
        >>> one.rows[0].cells
        ['German (de)', '2', '2.000', '100.0 %', '15.1 %']
    """
    found = []
    for by, title in BY.items():
        sums = statistics.get(by, {})
        if not set(sums) - {UNKNOWN} or (by == "language" and sums == statistics["configuration"]):
            continue  # nothing is known, or the languages are the configurations, shown before
        order = [name for name in TITLES if name in sums] if by == "configuration" else [*sums]
        order.sort(key=lambda name: name == UNKNOWN)  # to the end
        n, total = (sum(pair[i] for pair in sums.values()) for i in (0, 1))
        rows = [[_title(name, by), *_cells(sums[name], total)] for name in order]
        if len(rows) > 1:
            rows.append(["all", *_cells([n, total], total)])
        headers = ["", "clips", "hours", "share"]
        if paper := PAPER.get(by):
            headers.append("Table 2")
            of_all = sum(paper.values())
            shares = [100 * paper.get(name, 0) / of_all for name in order]
            for row, share in zip(rows, [*shares, sum(shares)], strict=False):
                row.append(f"{share:.1f} %")
        found.append(plain(title, headers, rows))
    return found


def _cells(pair: list[int], total: int) -> list[str]:
    return [f"{pair[0]:,}", f"{hours(pair):,.3f}", f"{100 * pair[1] / max(total, 1):.1f} %"]


def _title(name: str, by: str) -> str:
    if name == UNKNOWN:
        return "none specified" if by == "accent" else "unknown"
    return TITLES.get(name, name) if by == "configuration" else name
