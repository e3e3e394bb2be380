"""What `leaderboard.json` has, for those who write it and for the Space, which has this file too.

`rows` are flat, as in `leaderboard.parquet`, and beside their `COLUMNS` each has `floors` and
`ceiling` (name -> figures) and `spearman_by_emotion` (emotion -> [`Cell`]). `comparisons` are
[`Pair`]s of systems.
"""

from dataclasses import dataclass
from typing import Any

from evaluate_metrics.bench.figures import FIGURES, Comparison, Figures
from evaluate_metrics.bench.typed_json import (
    Correlation,
    Count,
    FieldError,
    Share,
    decode,
    decode_of,
    encode,
)
from evaluate_metrics.emonet_voice.outcomes import OUTCOMES

RANKED_BY = ("spearman", "macro_spearman")
"""Pooled (so, probably, Table 5) and the mean of Table 6: Small leads the one, Large the other."""
TEXTS = ("system", "model", "revision", "time", "package", "benchmark", "bench_source",
         "bench_revision", "bench_config", "resampled", "file", "unranked")  # fmt: skip
COUNTS = ("bench_rows", "rows", "used", "without_prediction", *OUTCOMES, "emotions",
          "emotions_left_out", "older_results",
          *(f"rank_{name}{end}" for name in RANKED_BY
            for end in ("", "_low", "_high")))  # fmt: skip
RATES = ("refusal_rate", "failure_rate")
COSTS = ("seconds_a_clip", "usd_a_clip")
"""As whoever ran the system says (`evaluate --seconds-a-clip`, `--usd-a-clip`)."""
_ENDS = ("", "_low", "_high", "_floor")
COLUMNS = ("published", *TEXTS, *COUNTS, *RATES, *COSTS,
           *(f"{name}{end}" for name in FIGURES for end in _ENDS))  # fmt: skip
"""Of a row. Texts, counts and ranks are None where unknown, figures NaN (null).

`rank_spearman` is the place among the figures, `rank_spearman_low` to `rank_spearman_high` the
places that the system may have once chance is allowed for (`leaders`): a row whose `_low` is 1
cannot be told from the first. They are None where no pair of the benchmark was compared.
`resampled` says what the intervals are of: "11 voices".
"""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Spearman's ρ of an emotion and its 95 % interval; `why` it is NaN, else `""`."""

    value: Correlation
    low: Correlation
    high: Correlation
    why: str


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two systems on one benchmark, and what `emonet-voice evaluate --vs` says of them."""

    benchmark: str
    a: str
    b: str
    comparison: Comparison


_KINDS: dict[str, Any] = {
    **dict.fromkeys(COLUMNS, float),
    **dict.fromkeys(TEXTS, str | None),
    **dict.fromkeys(COUNTS, Count | None),
    **dict.fromkeys(RATES, Share),
    "published": bool,
    "system": str,
    "benchmark": str,
    "floors": dict[str, Figures],
    "ceiling": dict[str, Figures],
    "spearman_by_emotion": dict[str, Cell],
}


def checked_rows(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table that comes from anybody; what is undefined is None.

    Raises:
        FieldError: There are none, or one has a field of another type; with its number.
    """
    rows = table.get("rows")
    if not isinstance(rows, list) or not rows:
        raise FieldError("there are no rows")
    checked = []
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise FieldError(f"row {number} is {row!r:.80}, not a table")
        row = {"floors": {}, "ceiling": {}, "spearman_by_emotion": {}} | row
        checked.append({
            name: encode(decode_of(row, name, kind, f"row {number}: {name}"))
            for name, kind in _KINDS.items()
        })  # fmt: skip
    return checked


def checked_pairs(table: dict[str, Any]) -> tuple[Pair, ...]:
    """The comparisons of a table that comes from anybody.

    Raises:
        FieldError: A field of another type or off its scale.
    """
    pairs: tuple[Pair, ...] = decode(tuple[Pair, ...], table.get("comparisons", []), "comparisons")
    return pairs
