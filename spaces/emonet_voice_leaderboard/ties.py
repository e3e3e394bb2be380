"""Which systems can be told from the first one, and how that is known."""

from typing import Any, NamedTuple

from board import Board, on

LEAST_P = 0.05
PAIRED, OVERLAP, UNKNOWN = "paired", "overlap", "unknown"


class Tie(NamedTuple):
    """Whether a system can be told from the first by pooled ρ.

    Attributes:
        tied: It cannot; False where it can, or where nothing says so.
        how: `PAIRED` (a paired bootstrap, p after Holm), `OVERLAP` (only the intervals of each
            alone, which says less), or `UNKNOWN` (no intervals).
        p: Of the paired bootstrap; None where the table has the ranks that chance allows, which
            rest on the tests of all pairs.
    """

    tied: bool
    how: str
    p: float | None = None


def ties(board: Board, benchmark: str) -> dict[str, Tie]:
    """Every ranked system but the first against the first.

    Args:
        board: Of `board.load`.
        benchmark: Whose systems.
    """
    ranked = {label: row for label, row in on(board, benchmark).items() if row["rank_spearman"]}
    if not ranked:
        return {}
    first = min(ranked, key=lambda label: ranked[label]["rank_spearman"])
    paired = {label: p for label in ranked if (p := _p(board, first, label)) is not None}
    corrected = holm(paired)
    return {
        label: _tie(ranked[first], row, corrected.get(label))
        for label, row in ranked.items()
        if label != first
    }


def _tie(first: dict[str, Any], row: dict[str, Any], p: float | None) -> Tie:
    lowest = row.get("rank_spearman_low")  # of tables that have the ranks that chance allows
    if lowest is not None and (lowest > 1 or p is not None):
        return Tie(lowest == 1, PAIRED)
    return _by_intervals(first, row) if p is None else Tie(p >= LEAST_P, PAIRED, p)


def holm(p: dict[str, float]) -> dict[str, float]:
    """Holm's step-down correction of several p values.

    Example:
        >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
        {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    corrected: dict[str, float] = {}
    worst = 0.0
    for number, label in enumerate(sorted(p, key=p.__getitem__)):
        worst = max(worst, min(1.0, (len(p) - number) * p[label]))
        corrected[label] = worst
    return corrected


def _p(board: Board, first: str, other: str) -> float | None:
    stored = board.comparisons.get((first, other)) or board.comparisons.get((other, first))
    if stored is None:
        return None
    p = stored["spearman"].p
    return None if p != p else p


def _by_intervals(first: dict[str, Any], row: dict[str, Any]) -> Tie:
    ends = [of[f"spearman_{end}"] for of in (first, row) for end in ("low", "high")]
    if None in ends:
        return Tie(first["spearman"] == row["spearman"], UNKNOWN)
    return Tie(ends[3] >= ends[0] and ends[2] <= ends[1], OVERLAP)
