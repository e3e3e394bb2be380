"""Arithmetic that results share: the mean over a clip's windows, tests of several hypotheses."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


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
