"""The four statistics pooled over all rows, of every emotion, and macro: their mean over emotions.

Pooled (probably the paper's Table 5) and macro (the mean of Table 6) are different questions. A
system that knows only which emotions are common does well on the first and has no value on the
second; the paper's Small and Large change places between the two tables.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .scores import STATISTICS, Score


def rows_by_emotion(emotions: Sequence[str] | None) -> dict[str, np.ndarray]:
    """Row numbers of each emotion, in order of first appearance.

    Example:
        >>> rows_by_emotion(["Awe", "Pain", "Awe"])
        {'Awe': array([0, 2]), 'Pain': array([1])}
    """
    place: dict[str, int] = {}
    names = [] if emotions is None else emotions
    codes = np.array([place.setdefault(str(name), len(place)) for name in names], dtype=int)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(place)))
    return dict(zip(place, np.split(order, ends[:-1]), strict=True)) if place else {}


def aggregate(
    predictions: np.ndarray, references: np.ndarray, parts: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Every statistic: pooled, macro and by emotion.

    Args:
        predictions: `(rows,)` on 0 to 10, NaN where there is none.
        references: `(rows,)` on 0 to 10, NaN where there is none.
        parts: The rows of each emotion, from [`rows_by_emotion`]; `{}` for pooled ones only.

    Returns:
        `mae`, `rmse`, `pearson`, `spearman`; `macro_...` of each, the unweighted mean over the
        emotions where it is defined; `per_emotion`: the four and `n`, the rows they rest on, of
        each emotion; `undefined`: reasons, under the same names.

    Example:
        >>> figures = aggregate(np.array([1.0, 2, 5, 5]), np.array([0.0, 5, 0, 10]),
        ...                   rows_by_emotion(["Awe", "Awe", "Pain", "Pain"]))
        >>> figures["mae"], figures["per_emotion"]["Awe"]["mae"], figures["macro_mae"]
        (3.5, 2.0, 3.5)
        >>> figures["macro_pearson"], figures["undefined"]["macro_pearson"]
        (1.0, '1 of 2 emotions left out: Pain')
    """
    pooled = _all_four(predictions, references)
    by_emotion = {
        emotion: _all_four(predictions[rows], references[rows]) for emotion, rows in parts.items()
    }
    macro = {
        f"macro_{name}": mean_defined([scores[name].value for scores in by_emotion.values()])
        for name in STATISTICS
    }
    return {
        **{name: score.value for name, score in pooled.items()},
        **macro,
        "per_emotion": {
            emotion: {**{name: score.value for name, score in scores.items()}, "n": scores["mae"].n}
            for emotion, scores in by_emotion.items()
        },
        "undefined": _reasons(pooled, by_emotion),
    }


def _all_four(predictions: np.ndarray, references: np.ndarray) -> dict[str, Score]:
    return {name: statistic(predictions, references) for name, statistic in STATISTICS.items()}


def _reasons(pooled: dict[str, Score], by_emotion: dict[str, dict[str, Score]]) -> dict[str, Any]:
    reasons: dict[str, Any] = {name: score.reason for name, score in pooled.items() if score.reason}
    for name in STATISTICS:
        left_out = [emotion for emotion, scores in by_emotion.items() if scores[name].reason]
        if not by_emotion:
            reasons[f"macro_{name}"] = "no emotions were given"
        elif left_out:
            counted = f"{len(left_out)} of {len(by_emotion)} emotions left out"
            reasons[f"macro_{name}"] = f"{counted}: {', '.join(left_out)}"
    per_emotion = {
        emotion: {name: score.reason for name, score in scores.items() if score.reason}
        for emotion, scores in by_emotion.items()
    }
    per_emotion = {emotion: why for emotion, why in per_emotion.items() if why}
    return reasons | ({"per_emotion": per_emotion} if per_emotion else {})


def mean_defined(values: Sequence[float]) -> float:
    """Mean of what is not NaN; NaN where there is nothing.

    Example:
        >>> mean_defined([1.0, float("nan"), 3.0])
        2.0
    """
    array = np.asarray(values, dtype=float)
    defined = array[~np.isnan(array)]
    return float(defined.mean()) if defined.size else float("nan")
