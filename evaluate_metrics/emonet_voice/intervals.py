"""Percentile bootstrap intervals of every statistic.

The 95 % interval goes from the 2.5th to the 97.5th percentile of the statistic in resamples
(Efron & Tibshirani 1993, "An introduction to the bootstrap", chapter 13). `resampling.py` says what
is drawn. With few groups (fewer than some fifty) any such interval is too narrow; the project's
`benchmarks/metric.py` measures by how much.
"""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .aggregate import rows_by_emotion
from .resampling import Resampled, resample
from .scores import STATISTICS

LEVEL = 0.95


class Interval(NamedTuple):
    """An interval of a statistic.

    Attributes:
        low: NaN where the interval is undefined.
        high: NaN where it is undefined.
        n_undefined: Resamples in which the statistic has no value; the interval is over the others.
        reason: Why it is undefined, else empty.
    """

    low: float
    high: float
    n_undefined: int = 0
    reason: str = ""


def percentile_interval(resampled: np.ndarray) -> Interval:
    """The middle 95 % of a statistic's values in resamples, `(resamples,)`, NaN where undefined.

    Example:
        >>> percentile_interval(np.array([5.0] * 90 + [7.0] * 10 + [np.nan]))
        Interval(low=5.0, high=7.0, n_undefined=1, reason='')
    """
    defined = resampled[~np.isnan(resampled)]
    n_undefined = len(resampled) - len(defined)
    if not defined.size:
        return Interval(np.nan, np.nan, n_undefined, "no resample has a value")
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), n_undefined)


def intervals(
    predictions: np.ndarray,
    references: np.ndarray,
    emotions: Sequence[str] | None = None,
    groups: Sequence[Hashable] | None = None,
    *,
    n_resamples: int = 1000,
    seed: int = 42,
) -> dict[str, Any]:
    """Intervals of everything that `aggregate.aggregate` returns, under the same names.

    Args:
        predictions: `(rows,)`; rows with NaN on either side are left out.
        references: `(rows,)`.
        emotions: The name of each row's emotion.
        groups: What to draw together; without any, rows are drawn, within their emotions.
        n_resamples: 0 for no intervals.
        seed: Of the draws.

    Returns:
        `low`, `high`, `n_undefined` and `reason` of each statistic, and under `bootstrap` the
        level, what was drawn (`unit`), how many there are (`n_units`), `n_resamples` and `seed`.

    Example:
        >>> bounds = intervals(np.arange(9.0), np.array([0.0, 0, 5, 0, 5, 5, 10, 5, 10]))
        >>> 0 < bounds["pearson"]["low"] < 0.87 < bounds["pearson"]["high"] <= 1
        True
        >>> bounds["bootstrap"]["unit"], bounds["bootstrap"]["n_units"]
        ('row', 9)
    """
    held = ~(np.isnan(predictions) | np.isnan(references))
    kept = np.flatnonzero(held).tolist()
    drawn = resample(
        predictions[kept],
        references[kept],
        None if emotions is None else [emotions[row] for row in kept],
        None if groups is None else [groups[row] for row in kept],
        n_resamples=n_resamples,
        seed=seed,
    )
    return {
        **_of_part(drawn.pooled, "", drawn),
        **{f"macro_{name}": part for name, part in _of_part(drawn.macro, "", drawn).items()},
        "per_emotion": {
            emotion: _of_part(drawn.per_emotion.get(emotion), emotion, drawn)
            for emotion in rows_by_emotion(emotions)
        },
        "bootstrap": {
            "level": LEVEL,
            "unit": drawn.unit,
            "n_units": drawn.n_units[""],
            "n_resamples": n_resamples,
            "seed": seed,
        },
    }


def _of_part(values: np.ndarray | None, part: str, drawn: Resampled) -> dict[str, dict[str, Any]]:
    """Intervals of the first system's four statistics, `(systems, 4, resamples)`."""
    if values is None or drawn.n_units[part] < 2:
        reason = f"fewer than two {drawn.unit}s to draw from"
        undefined = Interval(np.nan, np.nan, 0, reason)._asdict()
        return {name: dict(undefined) for name in STATISTICS}
    return {name: percentile_interval(values[0, i])._asdict() for i, name in enumerate(STATISTICS)}
