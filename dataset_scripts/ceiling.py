"""How well raters predict each other: what a system's figures are to be read against.

Three questions, all of the same clips, on the scale from 0 to 10:

- `one_rater`: a rater against the mean of the clip's other raters. A system is better than a rater
  if it is above that; it may be, since what many say is steadier than what one does.
- `split_half`: the mean of one half of a clip's raters against that of the other, over all splits;
  of an odd number one half has a rater more.
- `perfect`: what a system would reach that knows what all possible raters say on average. Pearson's
  r is √reliability, with reliability = 1 - e / v: v is the variance of the clips' means, e their
  mean error variance s² / n; RMSE is √e. Undefined where clips differ no more than by such errors.
  MAE and Spearman's ρ have no such formula.

Each clip counts once, whatever the number of its raters: its pairs share the weight. Clips with one
rating are left out and counted. Intervals are of a bootstrap over clips, within emotions. A third
rater who comes only where two found the emotion (paper, section 3.3) is part of the target of a
system, and so of the ceiling: it is that of this design, and no property of people.

Spearman (1904), American Journal of Psychology 15, 72-101 (correction for attenuation); Lord &
Novick (1968), "Statistical theories of mental test scores", chapter 3; Krippendorff's and
Cronbach's α of the same ratings are in `agreement`.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from dataset_scripts.agreement import RatedItems
from modeling_empathic.report.statistics import resampled_interval

RANGES = {"mae": (0.0, 10.0), "rmse": (0.0, 10.0), "pearson": (-1.0, 1.0), "spearman": (-1.0, 1.0)}
STATISTICS = tuple(RANGES)
HOW = ("one_rater", "split_half", "perfect")
TO_0_10 = 5.0
Pair = tuple[float, float]


def ceiling(items: RatedItems, *, n_resamples: int = 1000, seed: int = 42) -> dict[str, Any]:
    """Every figure of `HOW`, pooled, macro and by emotion.

    Args:
        items: Ratings 0, 1, 2 of clips.
        n_resamples: Of the bootstrap; 0 for no intervals.
        seed: Of it. The order of clips and of a clip's raters does not matter.

    Returns:
        Of each of `HOW` what `evaluate_metrics.emonet_voice.compute` has of a system: the four
        `STATISTICS`, `macro_...`, `per_emotion` with `n` clips, `intervals`, `undefined`; and
        `clips` that count, `left_out` for want of a second rating. NaN where undefined.

    Example:
        >>> scores = np.array([[0, 0, np.nan], [2, 2, 1], [1, 2, np.nan], [0, 1, np.nan]])
        >>> rated = RatedItems(np.array(["Awe"] * 4, dtype=object), scores, scores, ())
        >>> of = ceiling(rated, n_resamples=0)
        >>> round(of["one_rater"]["mae"], 3), round(of["one_rater"]["spearman"], 3)
        (3.333, 0.513)
        >>> round(of["perfect"]["pearson"], 3)
        0.872
    """
    n_raters = (~np.isnan(items.scores)).sum(axis=1)
    kept = items[n_raters > 1]
    # A clip is the multiset of its ratings: to draw clips is to draw how often each occurs.
    scores = np.sort(kept.scores, axis=1)  # NaN last
    filled = np.where(np.isnan(scores), -1, scores)
    types, codes = np.unique(filled, axis=0, return_inverse=True)
    ratings = [row[row >= 0] * TO_0_10 for row in types]
    names = sorted({*map(str, items.emotions)})
    draws = {}
    seeds = np.random.SeedSequence(seed).spawn(len(names))
    for name, of_emotion in zip(names, seeds, strict=True):
        rows = np.ravel(codes)[kept.emotions.astype(str) == name]
        counts = np.bincount(rows, minlength=len(types))
        n = int(counts.sum())
        drawn = np.zeros((n_resamples, len(types)), dtype=int)
        if n:
            drawn = np.random.default_rng(of_emotion).multinomial(n, counts / n, size=n_resamples)
        draws[name] = np.concatenate([counts[None], drawn])  # the clips themselves come first
    account = {"clips": len(kept.scores), "left_out": int((n_raters < 2).sum())}
    bootstrap = {"level": 0.95, "unit": "clip", "n_units": len(kept.scores)}
    bootstrap |= {"n_resamples": n_resamples, "seed": seed}
    return {how: _figures(how, ratings, draws, bootstrap) | account for how in HOW}


def pairs(ratings: Sequence[float], how: str) -> dict[Pair, float]:
    """The two sides of every comparison within a clip, and their weights, which add up to 1.

    Example:
        >>> pairs([0, 5], "one_rater")
        {(0.0, 5.0): 0.5, (5.0, 0.0): 0.5}
        >>> pairs([0, 0, 10], "split_half")[0.0, 5.0]  # two of the three splits, either way
        0.333...
    """
    n = len(ratings)
    found: dict[Pair, float] = {}
    sides = [(i,) for i in range(n)] if how == "one_rater" else [*combinations(range(n), n // 2)]
    both_ways = how == "split_half"
    for side in sides:
        rest = [value for i, value in enumerate(ratings) if i not in side]
        pair = float(np.mean([ratings[i] for i in side])), float(np.mean(rest))
        for ordered in (pair, pair[::-1]) if both_ways else (pair,):
            weight = 1 / (len(sides) * (1 + both_ways))
            found[ordered] = found.get(ordered, 0.0) + weight
    return found


def _figures(
    how: str, ratings: list[np.ndarray], draws: dict[str, np.ndarray], bootstrap: dict[str, Any]
) -> dict[str, Any]:
    statistics = _perfect(ratings) if how == "perfect" else _compared(ratings, how)
    by_emotion = {name: statistics(counts) for name, counts in draws.items()}
    n = {name: int(counts[0].sum()) for name, counts in draws.items()}
    pooled = statistics(sum(draws.values(), np.zeros((bootstrap["n_resamples"] + 1, len(ratings)))))
    macro = _mean_defined(np.array([*by_emotion.values()])) if by_emotion else pooled * np.nan
    why = {"": _why(how, ratings, sum(n.values()))}
    why |= {name: _why(how, ratings, n[name]) for name in draws}
    parts = {"": pooled, "macro_": macro}
    units = bootstrap["n_units"], max(1, sum(of > 1 for of in n.values()))
    out = {
        name: [emotion for emotion, of in by_emotion.items() if np.isnan(of[i, 0])]
        for i, name in enumerate(STATISTICS)
    }
    left = {
        f"macro_{name}": f"{len(who)} of {len(n)} emotions left out: {', '.join(who)}"
        for name, who in out.items()
        if who
    }
    return {
        **{prefix + name: float(of[i, 0]) for prefix, of in parts.items()
           for i, name in enumerate(STATISTICS)},
        "per_emotion": {
            emotion: {name: float(of[i, 0]) for i, name in enumerate(STATISTICS)}
            | {"n": n[emotion]}
            for emotion, of in by_emotion.items()
        },
        "intervals": {
            **{prefix + name: _interval(of[i], name, *units) for prefix, of in parts.items()
               for i, name in enumerate(STATISTICS)},
            "per_emotion": {
                emotion: {name: _interval(of[i], name, n[emotion])
                          for i, name in enumerate(STATISTICS)}
                for emotion, of in by_emotion.items()
            },
            "bootstrap": bootstrap,
        },
        "undefined": {
            **{name: why[""][name] for i, name in enumerate(STATISTICS) if np.isnan(pooled[i, 0])},
            **left,
            "per_emotion": {
                emotion: reasons
                for emotion, of in by_emotion.items()
                if (reasons := {name: why[emotion][name] for i, name in enumerate(STATISTICS)
                                if np.isnan(of[i, 0])})
            },
        },
    }  # fmt: skip


def _compared(ratings: list[np.ndarray], how: str) -> Any:
    """The function from `(draws, types)` counts to `(4, draws)` statistics of two sides."""
    weights = [pairs(of.tolist(), how) for of in ratings]
    ones, others = (np.array(sorted({p[i] for of in weights for p in of})) for i in (0, 1))
    table = np.zeros((len(ratings), len(ones), len(others)))
    for row, of in zip(table, weights, strict=True):
        for (one, other), weight in of.items():
            row[np.searchsorted(ones, one), np.searchsorted(others, other)] = weight
    error = ones[:, None] - others

    def statistics(counts: np.ndarray) -> np.ndarray:
        n = counts.sum(axis=1)
        joint = np.einsum("dt,tab->dab", counts, table)
        margins = joint.sum(axis=2), joint.sum(axis=1)
        ranks = [np.cumsum(margin, axis=1) - margin / 2 for margin in margins]
        with np.errstate(invalid="ignore", divide="ignore"):
            mae = np.einsum("dab,ab->d", joint, np.abs(error)) / n
            rmse = np.sqrt(np.einsum("dab,ab->d", joint, error**2) / n)
        values = [np.broadcast_to(side, m.shape) for side, m in zip((ones, others), margins,
                                                                    strict=True)]  # fmt: skip
        return np.stack([mae, rmse, _correlation(joint, *values), _correlation(joint, *ranks)])

    return statistics


def _correlation(joint: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r of the levels `(draws, a)` and `(draws, b)` with weights `(draws, a, b)`."""
    n, of_x, of_y = joint.sum(axis=(1, 2)), joint.sum(axis=2), joint.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = x - (np.sum(of_x * x, axis=1) / n)[:, None]
        y = y - (np.sum(of_y * y, axis=1) / n)[:, None]
        spread = np.sum(of_x * x * x, axis=1) * np.sum(of_y * y * y, axis=1)
        r = np.einsum("dab,da,db->d", joint, x, y) / np.sqrt(spread)
    vary = ((of_x > 0).sum(axis=1) > 1) & ((of_y > 0).sum(axis=1) > 1)
    return np.asarray(np.where(vary, np.clip(r, -1, 1), np.nan))


def _perfect(ratings: list[np.ndarray]) -> Any:
    means = np.array([of.mean() for of in ratings])
    errors = np.array([of.var(ddof=1) / len(of) for of in ratings])

    def statistics(counts: np.ndarray) -> np.ndarray:
        n = counts.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            error, middle = counts @ errors / n, counts @ means / n
            variance = np.einsum("dt,dt->d", counts, (means - middle[:, None]) ** 2) / (n - 1)
            reliability = 1 - error / variance
            r = np.where(reliability > 0, np.sqrt(np.maximum(reliability, 0)), np.nan)
        nothing = np.full(len(n), np.nan)
        return np.stack([nothing, np.sqrt(error), r, nothing])

    return statistics


def _why(how: str, ratings: list[np.ndarray], n: int) -> dict[str, str]:
    """The reason of each statistic, should it be undefined."""
    if not n:
        return dict.fromkeys(STATISTICS, "no clip has two ratings")
    if how != "perfect":
        return dict.fromkeys(STATISTICS, "the ratings do not vary")
    unknown = dict.fromkeys(STATISTICS, "no formula is known")
    return unknown | {"pearson": "clips differ no more than raters do"}


def _interval(values: np.ndarray, name: str, n: int, strata: int = 1) -> dict[str, Any]:
    """The 95 % interval of what is defined, of so many clips; the first value is the figure."""
    drawn = values[1:]
    low, high = resampled_interval(drawn, n, RANGES[name], strata)
    reason = ""
    if np.isnan(values[0]) or np.isnan(low):
        low = high = np.nan
        few = n <= strata
        reason = "fewer than two clips to draw from" if few else "no resample has a value"
    return {"low": low, "high": high, "n_undefined": int(np.isnan(drawn).sum()), "reason": reason}


def _mean_defined(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is not NaN."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = np.where(defined, values, 0).sum(axis=0) / defined.sum(axis=0)
    return mean
