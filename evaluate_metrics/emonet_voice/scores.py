"""MAE, RMSE, Pearson's r and Spearman's ρ of predictions against references (paper section 4).

Rows where either side is missing (None, NaN or infinite) are left out, and `n` says how many were
left. A statistic that cannot be computed from them is NaN with a reason: never an exception, never
a zero.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

SCALES = {"0-10": 1.0, "0-4": 2.5, "0-1": 10.0, "0-2": 5.0}
"""Factor from each scale to 0 to 10: language models; EmpathicInsight-Voice; Hume; raters."""


Floats = NDArray[np.float64]


class MetricError(ValueError):
    """Inputs that make no sense: unequal lengths, an unknown name, a value off its scale."""


class Score(NamedTuple):
    """A statistic of some rows.

    Attributes:
        value: NaN where it is undefined.
        n: Rows it rests on: those with a prediction and a reference.
        reason: Why `value` is NaN, else empty.
    """

    value: float
    n: int
    reason: str = ""


def to_0_10(values: ArrayLike, scale: str) -> Floats:
    """Values of a declared scale on the paper's scale of 0 to 10, `(rows,)` float64, not clipped.

    Raises:
        MetricError: Unknown scale, or not one number (or None) a row.

    Example:
        >>> to_0_10([0, 1, 2], "0-2"), to_0_10([4.0, None], "0-4")
        (array([ 0.,  5., 10.]), array([10., nan]))
    """
    if scale not in SCALES:
        raise MetricError(f"scale {scale!r} is not one of {', '.join(SCALES)}")
    return numbers(values) * SCALES[scale]


def numbers(values: ArrayLike) -> Floats:
    """One number a row, `(rows,)` float64, NaN where it is missing (None, NaN or infinite).

    Tensors of torch are read whatever their type or device, and without their gradients.

    Raises:
        MetricError: Something that is no number, or more than one a row.

    Example:
        >>> numbers([1, None, float("inf")])
        array([ 1., nan, nan])
    """
    try:
        array = np.array(_without_gradients(values), dtype=float)
    except (TypeError, ValueError, RuntimeError) as error:
        raise MetricError(f"one number a row is needed: {error}") from error
    if array.ndim != 1:
        raise MetricError(f"one number a row is needed, not an array of shape {array.shape}")
    array[np.isinf(array)] = np.nan
    return array


def _without_gradients(values: Any) -> Any:
    if hasattr(values, "detach"):
        return values.detach().cpu().double().numpy()
    if isinstance(values, list | tuple):
        return [_without_gradients(v) if hasattr(v, "detach") else v for v in values]
    return values


def constant(values: Floats) -> Any:
    """Whether the values do not vary, or by no more than the rounding of single precision.

    Scores are computed in single precision: what differs by its last bit alone is one and the same
    score, and its ranks would be noise.

    Args:
        values: `(..., rows)`, at least one, none of them NaN.

    Returns:
        `(...)`.

    Example:
        >>> bool(constant(np.array([3, np.nextafter(3, 4)]))), bool(constant(np.array([3, 3.001])))
        (True, False)
    """
    spread = values.max(axis=-1) - values.min(axis=-1)
    return spread <= np.finfo(np.float32).eps * np.abs(values).max(axis=-1)


def mae(predictions: ArrayLike, references: ArrayLike) -> Score:
    """Mean absolute error, Σ |pᵢ - rᵢ| / n. Lower is better, 0 is best.

    Willmott & Matsuura (2005), Climate Research 30, 79-82.

    Example:
        >>> mae([1, 2, 9], [1, 5, None])
        Score(value=1.5, n=2, reason='')
    """
    p, r = _pairs(predictions, references)
    if not len(p):
        return Score(np.nan, 0, _NO_ROWS)
    return Score(float(np.abs(p - r).mean()), len(p))


def rmse(predictions: ArrayLike, references: ArrayLike) -> Score:
    """Root mean squared error, √(Σ (pᵢ - rᵢ)² / n). Lower is better, 0 is best.

    Willmott & Matsuura (2005), Climate Research 30, 79-82.

    Example:
        >>> rmse([1, 2, 3], [1, 2, 9]).value == 12**0.5
        True
    """
    p, r = _pairs(predictions, references)
    if not len(p):
        return Score(np.nan, 0, _NO_ROWS)
    return Score(float(np.sqrt(np.square(p - r).mean())), len(p))


def pearson(predictions: ArrayLike, references: ArrayLike) -> Score:
    """Pearson's r, Σ (pᵢ - p̄)(rᵢ - r̄) / √(Σ (pᵢ - p̄)² Σ (rᵢ - r̄)²). Higher is better, at most 1.

    Pearson (1895), Proceedings of the Royal Society of London 58, 240-242.

    Example:
        >>> round(pearson([1, 2, 3], [1, 3, 2]).value, 9)
        0.5
        >>> pearson([5, 5, 5], [1, 3, 2])
        Score(value=nan, n=3, reason='the predictions do not vary')
    """
    p, r = _pairs(predictions, references)
    reason = _why_undefined(p, r)
    return Score(np.nan if reason else _correlation(p, r), len(p), reason)


def spearman(predictions: ArrayLike, references: ArrayLike) -> Score:
    """Spearman's ρ, Pearson's r of the average ranks. Higher is better, at most 1.

    Spearman (1904), American Journal of Psychology 15, 72-101; average ranks for ties: Kendall
    (1945), Biometrika 33, 239-251.

    Example:
        >>> spearman([1, 2, 30], [1, 4, 9]).value
        1.0
        >>> spearman([1], [1]).reason
        '1 row; at least two are needed'
    """
    p, r = _pairs(predictions, references)
    reason = _why_undefined(p, r)
    value = np.nan if reason else _correlation(average_ranks(p), average_ranks(r))
    return Score(value, len(p), reason)


STATISTICS = {"mae": mae, "rmse": rmse, "pearson": pearson, "spearman": spearman}


def average_ranks(values: ArrayLike) -> Floats:
    """Ranks from 1, equal values sharing the mean of theirs; `(rows,)` without NaN.

    Kendall (1945), Biometrika 33, 239-251.

    Example:
        >>> average_ranks([10, 20, 20, 5])
        array([2. , 3.5, 3.5, 1. ])
    """
    _, codes, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[codes]


def same_length(**columns: Sequence[object] | Floats | None) -> None:
    """Refuses columns of unequal length; those that are None are not looked at.

    Raises:
        MetricError: With every length.
    """
    lengths = {name: len(column) for name, column in columns.items() if column is not None}
    if len(set(lengths.values())) > 1:
        counted = ", ".join(f"{n} {name}" for name, n in lengths.items())
        raise MetricError(f"columns of unequal length: {counted}")


_NO_ROWS = "no row has both a prediction and a reference"


def _pairs(predictions: ArrayLike, references: ArrayLike) -> tuple[Floats, Floats]:
    p, r = numbers(predictions), numbers(references)
    same_length(predictions=p, references=r)
    both = ~(np.isnan(p) | np.isnan(r))
    return p[both], r[both]


def _why_undefined(p: Floats, r: Floats) -> str:
    if len(p) < 2:
        return "1 row; at least two are needed" if len(p) else _NO_ROWS
    still = [name for name, values in (("predictions", p), ("references", r)) if constant(values)]
    if not still:
        return ""
    exactly = p.min() == p.max() or r.min() == r.max()
    return f"the {' and the '.join(still)} do not vary{'' if exactly else ' but for rounding'}"


def _correlation(p: Floats, r: Floats) -> float:
    p, r = p - p.mean(), r - r.mean()
    # Squares of tiny differences would vanish.
    p, r = p / np.abs(p).max(), r / np.abs(r).max()
    return float(np.clip(p @ r / np.sqrt((p @ p) * (r @ r)), -1, 1))
