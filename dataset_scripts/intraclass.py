"""Intraclass correlation of raters who differ from clip to clip.

ICC(1) of Shrout & Fleiss (1979), "Intraclass correlations: uses in assessing rater reliability",
Psychological Bulletin 86, 420-428, their case 1: every clip has raters of its own, as in Bench,
where two to four of six people rated each. With unequal numbers of raters the mean number is
Donner's (1986), International Statistical Review 54, 67-82.
"""

from typing import NamedTuple

import numpy as np

from dataset_scripts.agreement import Estimate, RatedItems, with_interval


class Intraclass(NamedTuple):
    """How alike ratings of one clip are.

    Attributes:
        single: ICC(1,1), of one rating.
        mean: ICC(1,k), of the mean of a clip's ratings.
    """

    single: Estimate
    mean: Estimate


def intraclass(scores: np.ndarray, *, n_resamples: int = 1000, seed: int = 42) -> Intraclass:
    """ICC(1,1) and ICC(1,k) of `(items, seats)` scores, NaN where there is none.

    With MSB and MSW the mean squares between and within clips and k₀ = (T - Σ nᵢ² / T) / (N - 1)
    raters a clip: ICC(1,1) = (MSB - MSW) / (MSB + (k₀ - 1) MSW), ICC(1,k) = (MSB - MSW) / MSB.
    Negative where raters of a clip differ more than clips do. Clips with one rating are left out.

    Args:
        scores: On any interval scale.
        n_resamples: Bootstrap samples over clips; 0 for no intervals.
        seed: Of the bootstrap. The order of the clips does not matter.

    Example:
        >>> of = intraclass(np.array([[9, 8], [6, 7], [2, 3.0]]), n_resamples=0)
        >>> round(of.single.value, 4), round(of.mean.value, 4)
        (0.9478, 0.9732)
    """
    scores = np.asarray(scores, dtype=float)
    held = ~np.isnan(scores)
    scores, held = scores[held.sum(axis=1) > 1], held[held.sum(axis=1) > 1]
    n = held.sum(axis=1)
    if len(n) < 2:
        nothing = Estimate(
            np.nan, len(n), reason=f"{len(n)} clips with two ratings; two are needed"
        )
        return Intraclass(nothing, nothing)
    filled = np.where(held, scores - scores[held].min(), 0.0)  # where the scale begins is no matter
    means = filled.sum(axis=1) / n
    within = (np.where(held, filled - means[:, None], 0.0) ** 2).sum(axis=1)
    # Sums that say it all; of equal clips one line, so that their order cannot matter.
    lines, times = np.unique(np.stack([n, n * means, n * means**2, within], 1), axis=0,
                             return_counts=True)  # fmt: skip
    # Rounding leaves a trace of a variance that is none.
    least = 1e-12 * float((filled**2).sum() / n.sum())
    value = _of_sums(lines, times[None], least)[:, 0]
    drawn = np.random.default_rng(seed).multinomial(len(n), times / len(n), n_resamples)
    resampled = _of_sums(lines, drawn, least)
    reasons = ("the scores do not vary", "the clips' means do not vary")
    return Intraclass(
        *(
            Estimate(np.nan, len(n), reason=reasons[0] if np.isnan(value).all() else reason)
            if np.isnan(one)
            else with_interval(float(one), len(n), drawn_again)
            for one, drawn_again, reason in zip(value, resampled, reasons, strict=True)
        )
    )


def intraclass_by_emotion(
    items: RatedItems, *, n_resamples: int = 1000, seed: int = 42
) -> dict[str, Intraclass]:
    """Of every emotion, and of all items under `"Overall"`.

    Example:
        >>> from dataset_scripts.annotations import Rating
        >>> items = RatedItems.of([("Awe", [Rating("a", 2), Rating("b", 2)]),
        ...                        ("Awe", [Rating("a", 0), Rating("b", 1)])])
        >>> round(intraclass_by_emotion(items, n_resamples=0)["Overall"].single.value, 3)
        0.8
    """
    return {
        name: intraclass(part.scores, n_resamples=n_resamples, seed=seed)
        for name, part in items.groups().items()
    }


def _of_sums(lines: np.ndarray, times: np.ndarray, least: float) -> np.ndarray:
    """ICC(1,1) and ICC(1,k), `(2, resamples)`, of distinct clips that occur so many times.

    A variance of `least` is none.
    """
    clips = times.sum(axis=1)
    total, scores, squares, within = (times @ lines).T
    with np.errstate(invalid="ignore", divide="ignore"):
        raters = (total - (times @ lines[:, 0] ** 2) / total) / (clips - 1)
        between = (squares - scores**2 / total) / (clips - 1)
        inside = within / (total - clips)
        vary = between + inside > least
        single = (between - inside) / (between + (raters - 1) * inside)
        mean = np.where(between > least, (between - inside) / between, np.nan)
        return np.where(vary, [single, mean], np.nan)
