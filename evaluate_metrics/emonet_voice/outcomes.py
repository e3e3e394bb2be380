"""What became of every row a system was asked for: a score, or one of five kinds of failure.

A failure is never a zero, and the kinds are never merged: a system that declines, a label that
nobody mapped and a request that got lost say different things about it. (The paper's Table 5 has
one "refusal" column; the seven emotions that GPT-4o "refused" are those with a slash in their
name, which looks like a failed join of labels.)
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from .scores import MetricError

OUTCOMES = (
    "scored",  # the system gave a score
    "refused",  # it declined to judge the clip
    "unmapped",  # it answered, with labels that do not cover the emotion
    "parse_error",  # it answered, and the answer could not be read
    "transport_error",  # no answer arrived
    "decode_error",  # the clip itself could not be read
)


def check_outcomes(outcomes: Sequence[str] | None, n_rows: int) -> list[str]:
    """The outcome of every row; all are `scored` where none are given.

    Raises:
        MetricError: A name that is not one of [`OUTCOMES`].

    Example:
        >>> check_outcomes(None, 2)
        ['scored', 'scored']
    """
    if outcomes is None:
        return ["scored"] * n_rows
    for row, outcome in enumerate(outcomes, 1):
        if outcome not in OUTCOMES:
            raise MetricError(
                f"outcome {outcome!r} (row {row}) is not one of {', '.join(OUTCOMES)}"
            )
    return [str(outcome) for outcome in outcomes]


def count_outcomes(outcomes: Iterable[str]) -> dict[str, int]:
    """Rows of each outcome, those without any included.

    Example:
        >>> count_outcomes(["scored", "refused", "scored"])["refused"]
        1
    """
    counts = Counter(outcomes)
    return {name: counts[name] for name in OUTCOMES}


def outcome_rates(counts: dict[str, int]) -> dict[str, float]:
    """Shares of all rows: `refusal_rate`, refused alone, and `failure_rate`, all but scored.

    Table 5's "refusal" is best compared with `failure_rate`: it does not tell them apart. NaN
    without rows.

    Example:
        >>> outcome_rates(count_outcomes(["scored", "refused", "unmapped", "scored"]))
        {'refusal_rate': 0.25, 'failure_rate': 0.5}
    """
    rows = sum(counts.values())
    if not rows:
        return {"refusal_rate": float("nan"), "failure_rate": float("nan")}
    return {
        "refusal_rate": counts["refused"] / rows,
        "failure_rate": (rows - counts["scored"]) / rows,
    }
