"""What tests of several hypotheses share."""

from collections.abc import Sequence

import numpy as np


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
