"""Student's t, in the finite sums that it is for a whole number of degrees of freedom.

Abramowitz & Stegun (1964), "Handbook of mathematical functions", 26.7.3 and 26.7.4. scipy has it
too, and is not needed here for this alone.
"""

import math
from functools import cache

import numpy as np

_LARGE = 10_000  # beyond, t is the normal distribution to four digits


def two_sided_p(t: float, df: int) -> float:
    """The probability of a value as far from 0 as `t`, or farther.

    Args:
        t: Student's t.
        df: Degrees of freedom, at least 1.

    Returns:
        0 to 1, exact to 1e-12 up to 10,000 degrees of freedom, which stand for all more; NaN for a
        `t` of NaN.

    Example:
        >>> round(two_sided_p(2.228, 10), 4), two_sided_p(0.0, 3)
        (0.05, 1.0)
    """
    if math.isnan(t):
        return math.nan
    df = min(df, _LARGE)
    angle = math.atan2(abs(t), math.sqrt(df))
    square, odd = math.cos(angle) ** 2, df % 2
    steps = np.arange(1, (df - 1 - odd) // 2 + 1)
    # The terms fall: 1/2, 1·3/2·4, ... of cos², cos⁴, ...; for odd df 2/3, 2·4/3·5, ...
    factors = (2 * steps - 1 + odd) / (2 * steps + odd) * square
    total = 1 + float(np.cumprod(factors).sum())
    if not odd:
        within = math.sin(angle) * total
    else:
        series = math.sin(angle) * math.cos(angle) * total if df > 1 else 0.0
        within = 2 / math.pi * (angle + series)
    return min(1.0, max(0.0, 1 - within))


@cache
def quantile(df: int, level: float = 0.95) -> float:
    """The t that a share `level` of all values is nearer to 0 than.

    Example:
        >>> round(quantile(10), 3), round(quantile(1), 2), round(quantile(100_000), 2)
        (2.228, 12.71, 1.96)
    """
    low, high = 0.0, 1e6
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided_p(middle, df) > 1 - level else (low, middle)
    return high
