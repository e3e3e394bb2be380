"""Further figures of scores against raters: formula, source and example of each.

Scores and references are on the paper's scale from 0 to 10; single ratings too, as 0, 5 and 10.
Rows with NaN must be left out before. Undefined is NaN, never zero.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from evaluate_metrics.emonet_voice.scores import average_ranks

LEVELS = (0.0, 5.0, 10.0)
"""The experts' 0, 1 and 2 on the paper's scale."""


class ErrorParts(NamedTuple):
    """What a root mean squared error is made of; their squares add up to its square.

    Attributes:
        bias: Mean score less mean rating: too high, or with a minus too low.
        scale_error: Standard deviation of the scores less that of the ratings: too wide, too
            narrow.
        correlation_error: √(2 σ_p σ_r (1 - r)): what remains where mean and spread are right.
    """

    bias: float
    scale_error: float
    correlation_error: float


def ccc(predictions: np.ndarray, references: np.ndarray) -> float:
    """Lin's concordance correlation, 2 σ_pr / (σ_p² + σ_r² + (p̄ - r̄)²). At most 1, the best.

    Unlike Pearson's r it falls where the scores are shifted or stretched. Variances are of the
    sample, divided by n. Lin (1989), "A concordance correlation coefficient to evaluate
    reproducibility", Biometrics 45, 255-268.

    Example:
        >>> round(ccc(np.array([1.0, 2, 3]), np.array([2.0, 3, 4])), 4)
        0.5714
    """
    if len(predictions) < 2:
        return np.nan
    p, r = _centred(predictions), _centred(references)
    below = (p @ p + r @ r) / len(p) + (predictions.mean() - references.mean()) ** 2
    return float(2 * (p @ r) / len(p) / below) if below > 0 else np.nan


def error_parts(predictions: np.ndarray, references: np.ndarray) -> ErrorParts:
    """RMSE² = (p̄ - r̄)² + (σ_p - σ_r)² + 2 σ_p σ_r (1 - r), each as a root, the first two signed.

    Theil (1966), "Applied economic forecasting", chapter 2; Gupta et al. (2009), Journal of
    Hydrology 377, 80-91.

    Example:
        >>> parts = error_parts(np.array([2.0, 4, 6]), np.array([1.0, 2, 3]))
        >>> [round(part, 4) for part in parts]
        [2.0, 0.8165, 0.0]
    """
    if not len(predictions):
        return ErrorParts(np.nan, np.nan, np.nan)
    p, r = _centred(predictions), _centred(references)
    spread_p, spread_r = float(p.std()), float(r.std())
    rest = max(2 * (spread_p * spread_r - float(p @ r) / len(p)), 0.0)  # NaN stays NaN
    bias = float(predictions.mean() - references.mean())
    # Of scores on one line with the ratings rounding leaves a trace that is no error.
    rest = 0.0 if rest < 1e-12 * max(spread_p * spread_r, 1e-300) else rest
    return ErrorParts(bias, spread_p - spread_r, float(np.sqrt(rest)))


def _centred(values: np.ndarray) -> np.ndarray:
    """Less their mean; exactly zero where all are equal, which the mean of ten 0.3 is not."""
    from_first: np.ndarray = values - values[0]
    return np.asarray(from_first - from_first.mean())


def concordance(predictions: np.ndarray, ratings: np.ndarray) -> float:
    """Of two ratings that differ, how often the clip rated higher has the higher score.

    Every single rating counts with its clip's score; equal scores count half. 0.5 is chance. Over
    two levels this is the area under the ROC curve. Harrell et al. (1982), "Evaluating the yield of
    medical tests", JAMA 247, 2543-2546.

    Args:
        predictions: `(clips,)`.
        ratings: `(clips, seats)`, 0, 5 or 10; NaN where there is none.

    Example:
        >>> concordance(np.array([1.0, 2, 3]), np.array([[0, 0], [5, 0], [5, 10.0]]))
        0.9090909090909091
    """
    scores, given = _single(predictions, ratings)
    right = pairs = 0.0
    for low, high in combinations(LEVELS, 2):
        below, above = scores[given == low], scores[given == high]
        if len(below) and len(above):
            ranks = average_ranks(np.concatenate([below, above]))[len(below) :]
            right += float(ranks.sum()) - len(above) * (len(above) + 1) / 2
            pairs += len(below) * len(above)
    return right / pairs if pairs else np.nan


def quadratic_kappa(predictions: np.ndarray, ratings: np.ndarray) -> float:
    """Cohen's κ with quadratic weights, of scores as 0, 1 or 2 and every single rating.

    A score goes to the nearest level, one half way to the lower. 0 is chance, 1 is best; the same
    figure of two raters is what it is to be read against. Cohen (1968), "Weighted kappa",
    Psychological Bulletin 70, 213-220.

    Example:
        >>> round(quadratic_kappa(np.array([0.0, 6, 9]), np.array([[0], [5], [5.0]])), 4)
        0.6667
    """
    scores, given = _single(predictions, ratings)
    if not len(scores):
        return np.nan
    said, heard = np.ceil(scores / 5 - 0.5).clip(0, 2), given / 5
    shares = np.stack([np.bincount(of.astype(int), minlength=3) / len(of) for of in (said, heard)])
    distance = np.subtract.outer(np.arange(3), np.arange(3)) ** 2
    expected = shares[0] @ distance @ shares[1]
    return float(1 - np.mean((said - heard) ** 2) / expected) if expected > 0 else np.nan


def rating_distance(predictions: np.ndarray, ratings: np.ndarray) -> float:
    """How far a score is from the raters' whole distribution (soft labels). 0 is best, 10 worst.

    The mean over clips of the earth mover's distance between the score and the clip's ratings, each
    of equal weight: for one score the mean distance from it to a rating. No score can reach 0
    where raters disagree. Rubner et al. (2000), "The earth mover's distance as a metric for image
    retrieval", International Journal of Computer Vision 40, 99-121.

    Example:
        >>> rating_distance(np.array([5.0, 2.0]), np.array([[0, 10.0], [0, np.nan]]))
        3.5
    """
    rated = (~np.isnan(ratings)).any(axis=1)
    if not rated.any():
        return np.nan
    distances = np.abs(predictions[rated, None] - ratings[rated])
    return float(np.nanmean(distances, axis=1).mean())


def _single(predictions: np.ndarray, ratings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A clip's score once for each of its ratings, and the rating."""
    clips, seats = np.nonzero(~np.isnan(ratings))
    return predictions[clips], ratings[clips, seats]
