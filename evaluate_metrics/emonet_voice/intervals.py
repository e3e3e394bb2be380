"""Bootstrap intervals of every statistic, for few groups as for many.

A percentile interval goes from the 2.5th to the 97.5th percentile of the statistic in resamples.
With n units it is too narrow twice: resamples of n vary by (n - 1) / n too little, and the normal
distribution is not Student's t. Eleven voices: 88 % where 95 % is written. So the percentiles are
moved outwards, to those of a normal distribution at t √(n / (n - 1)), t being Student's with n - 1
degrees of freedom: with eleven units the 1st and the 99th, with 300 the 2.4th and the 97.6th
(Hesterberg 2015, "What teachers should know about the bootstrap", The American Statistician 69,
371-386, section 4.1.2). No percentile of resamples is beyond the units' own range, though, and of
four speakers 82 % were covered where 95 % is written: of fewer than `FEW_UNITS` the interval also
holds the mean of the resamples ± t standard errors, which of a normal distribution is the same. For
a difference of two systems [`studentised`] does the same with standard errors. The project's
`benchmarks/metric.py` measures what all of them cover.
"""

from collections.abc import Hashable, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from .aggregate import rows_by_emotion
from .resampling import Resampled, resample
from .scores import STATISTICS
from .student import quantile, two_sided_p

LEVEL = 0.95
FEW_UNITS = 20
"""With fewer, what an interval covers was seen to depend on the data; tables say so."""
RANGES = {"mae": (0.0, 10.0), "rmse": (0.0, 10.0), "pearson": (-1.0, 1.0)}
RANGES["spearman"] = RANGES["pearson"]
_ROUNDING = 1e-9


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


def percentile_interval(
    resampled: np.ndarray,
    n_units: int,
    n_strata: int = 1,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """The 95 % interval of a statistic from its values in resamples, NaN where undefined.

    Args:
        resampled: `(resamples,)`.
        n_units: How many units were drawn: rows, groups, speakers.
        n_strata: In how many parts that keep their size; each takes a degree of freedom.
        within: The least and the greatest value that the statistic can have.

    Example:
        >>> values = np.append(np.arange(1001.0), np.nan)
        >>> some, many = (percentile_interval(values, n_units=n) for n in (20, 100_000))
        >>> round(some.low), round(some.high), round(many.low), round(many.high), many.n_undefined
        (16, 984, 25, 975, 1)
        >>> percentile_interval(np.array([0.4, 0.5, 0.6]), n_units=2, within=(0, 1))[:2]
        (0.0, 1.0)
    """
    defined = resampled[~np.isnan(resampled)]
    n_undefined = len(resampled) - len(defined)
    if n_units <= n_strata:
        return Interval(np.nan, np.nan, n_undefined, "fewer than two units to draw from")
    if not defined.size:
        return Interval(np.nan, np.nan, n_undefined, "no resample has a value")
    df = n_units - n_strata
    tail = NormalDist().cdf(-quantile(df, LEVEL) * np.sqrt(n_units / df))
    low, high = map(float, np.quantile(defined, [tail, 1 - tail]))
    if n_units < FEW_UNITS:
        half = float(defined.std() * np.sqrt(n_units / df)) * quantile(df, LEVEL)
        middle = float(defined.mean())
        low = min(low, max(middle - half, within[0]))
        high = max(high, min(middle + half, within[1]))
    return Interval(float(low), float(high), n_undefined)


class Tested(NamedTuple):
    """A difference's interval, and the two-sided p value of none.

    Attributes:
        interval: NaN where it is undefined.
        p: Below 0.05 exactly where 0 is outside the interval, if there is one; NaN where it is
            undefined.
    """

    interval: Interval
    p: float


def studentised(value: float, resampled: np.ndarray, n_units: int, n_strata: int = 1) -> Tested:
    """The 95 % interval of a difference and its p value, by Student's t.

    The standard error is the standard deviation over resamples, times √(n / (n - 1)). Unlike a
    share of resamples, p is not bounded by how many there are, and some forty can be corrected.
    Where all units differ alike there is no error to speak of, and p is a sign test's: 2^-df. That
    of five units or fewer proves nothing, and there is no interval.
    Cameron & Miller (2015), "A practitioner's guide to cluster-robust inference", Journal of Human
    Resources 50, 317-372, section VI.

    Args:
        value: The difference itself.
        resampled: `(resamples,)` of it, NaN where undefined.
        n_units: How many units were drawn.
        n_strata: In how many parts that keep their size.

    Example:
        >>> resampled = np.random.default_rng(0).normal(0.3, 0.1, 1000)
        >>> tested = studentised(0.3, resampled, n_units=11)
        >>> round(tested.interval.low, 1), round(tested.interval.high, 1), round(tested.p, 2)
        (0.1, 0.5, 0.02)
    """
    defined = resampled[~np.isnan(resampled)]
    n_undefined, df = len(resampled) - len(defined), n_units - n_strata
    reason = "fewer than two units to draw from" if df < 1 else ""
    reason = reason or ("no resample has a value" if not defined.size else "")
    if reason or np.isnan(value):
        return Tested(Interval(np.nan, np.nan, n_undefined, reason), np.nan)
    error = float(defined.std() * np.sqrt(n_units / df))
    half = quantile(df, LEVEL) * error
    if error > _ROUNDING:
        p = two_sided_p(value / error, df)
    else:  # the same in every resample
        p = 1.0 if abs(value) <= _ROUNDING else 0.5**df
        if 1 - LEVEL <= p < 1:
            few = f"all {n_units} units differ alike: too few to say more"
            return Tested(Interval(np.nan, np.nan, n_undefined, few), p)
    return Tested(Interval(value - half, value + half, n_undefined), p)


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
    return {
        name: percentile_interval(values[0, i], *drawn.units(part), RANGES[name])._asdict()
        for i, name in enumerate(STATISTICS)
    }
