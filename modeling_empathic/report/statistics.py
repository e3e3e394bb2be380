"""Arithmetic that results share: means over windows, several tests, intervals of few units."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

FEW_UNITS = 20


def holm(p_values: Sequence[float] | np.ndarray) -> list[float]:
    """Holm's step-down correction (Holm 1979); NaN stays NaN and is no test.

    The smallest of m p values is multiplied by m, the next by m - 1, and so on; none may become
    smaller than the one before it, or larger than 1.

    Example:
        >>> holm([0.01, 0.04, float("nan"), 0.03])
        [0.03, 0.06, nan, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]  # NaN is sorted last
    factors = np.arange(len(order), 0, -1)
    corrected = np.full(len(p), np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return [float(value) for value in corrected]


def window_mean(scores: ArrayLike, lengths_s: ArrayLike) -> np.ndarray:
    """A clip's scores: the mean over its windows, each as heavy as it is long.

    Args:
        scores: `(windows,)` or `(windows, heads)`.
        lengths_s: `(windows,)`, in seconds.

    Returns:
        `()` or `(heads,)`.

    Example:
        >>> float(window_mean([1.0, 4.0], [30.0, 15.0]))
        2.0
    """
    weights = np.asarray(lengths_s, dtype=float)
    mean: np.ndarray = np.average(np.asarray(scores, dtype=float), axis=0, weights=weights)
    return mean


def outer_quantiles(n: int, strata: int = 1) -> tuple[float, float]:
    """Which quantiles of resamples of `n` items are a 95 % interval: farther out where n is small.

    Resamples vary by (n - 1) / n too little, and the normal distribution is not Student's t: with
    eleven clips 88 % are covered between 2.5 % and 97.5 % (Hesterberg 2015, The American
    Statistician 69, 371-386). Each stratum takes a degree of
    freedom.

    Example:
        >>> [round(100 * outer_quantiles(n)[0], 2) for n in (11, 30, 10_000)]
        [0.97, 1.88, 2.5]
    """
    df = max(n - strata, 1)
    tail = NormalDist().cdf(-student(df) * (n / df) ** 0.5)
    return tail, 1 - tail


def resampled_interval(
    resampled: np.ndarray,
    n: int,
    within: tuple[float, float] = (-np.inf, np.inf),
    strata: int = 1,
) -> tuple[float, float]:
    """The 95 % interval of a statistic from its values in resamples of `n` units.

    No value of a resample is beyond the units' own range, so of fewer than `FEW_UNITS` it also
    holds their mean ± t standard errors. The metric's `percentile_interval` does the same.

    Args:
        resampled: `(resamples,)`, NaN where undefined.
        n: How many units were drawn: speakers, raters, clips.
        within: The least and the greatest value that the statistic can have.
        strata: In how many parts that keep their size.

    Returns:
        Low and high; NaN of no more units than strata, or where no resample has a value.

    Example:
        >>> low, high = resampled_interval(np.array([0.8, 0.85, 0.9]), 4, within=(0, 1))
        >>> round(low, 2), round(high, 2)
        (0.7, 1.0)
    """
    defined = resampled[~np.isnan(resampled)]
    df = n - strata
    if df < 1 or not defined.size:
        return np.nan, np.nan
    low, high = map(float, np.quantile(defined, outer_quantiles(n, strata)))
    if n < FEW_UNITS:
        middle = float(defined.mean())
        half = float(defined.std()) * (n / df) ** 0.5 * student(df)
        low = min(low, max(middle - half, within[0]))
        high = max(high, min(middle + half, within[1]))
    return low, high


def student(df: int) -> float:
    """The 97.5th percentile of Student's t: exact below 3, else Abramowitz & Stegun 26.7.5.

    Example:
        >>> round(student(10), 3)
        2.228
    """
    if df < 3:
        return (12.7062, 4.3027)[df - 1]
    z = NormalDist().inv_cdf(0.975)
    terms = (
        (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )  # fmt: skip
    return z + float(sum(term / df**power for power, term in enumerate(terms, 1)))
