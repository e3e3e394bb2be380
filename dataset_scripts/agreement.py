"""How far raters agree: Cronbach's and Krippendorff's α, weighted kappa, agreement types.

**Which matrix?** Cronbach's α is defined for a full matrix, items x raters. Here every item was
rated by two to four of six people, and the paper (Table 10) does not say how it filled the rest.
[`MATRICES`] has four readings:

- `first_two` (default): the first two ratings of each item. The only one without holes that keeps
  all 300 items of a category, as Table 10 does, and that no score has selected: a third rater comes
  where the first two found the emotion (section 3.3), so later columns see other items than these.
  Which of the two comes first is arbitrary and hardly matters. "First" is the stored order; where a
  release lists raters by name and not by time, it is any two.
- `complete`: the first three ratings of the items that have three. No holes, selected items.
- `seats`: the first four ratings, every covariance from the items that have both.
- `raters`: one column a rater, every covariance from the items that both rated. Pairs of raters who
  share fewer than two items are left out of the mean. Without such a pair this is what
  `pingouin.cronbach_alpha` gives with its default `nan_policy="pairwise"`; with one, pingouin
  counts its covariance as 0, which draws α towards 0. With "listwise" nothing is left: no item was
  rated by all six.

**Which of them is the paper's?** By its intervals, none. Near zero α of k columns is k times the
mean correlation of two ratings. 300 items with Table 4's 2.36 pairs of raters each give that mean a
standard error of 0.038 at best, so that a 95 % interval of any α cannot be narrower than ±0.147
(k = 2). Table 10 prints ±0.091 on average. That fits coefficients of a single rating (k = 1), such
as Krippendorff's α; it does not prove them. Compare Table 10 with both.

Undefined statistics are NaN with a reason, never an exception and never zero.

Sources: Cronbach (1951), Psychometrika 16, 297-334. Krippendorff (2011), "Computing Krippendorff's
alpha-reliability". Cohen (1968), Psychological Bulletin 70, 213-220. Efron & Tibshirani (1993), "An
introduction to the bootstrap", chapter 13 (percentile intervals).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np

from dataset_scripts.annotations import SCORES, Rating, agreement_type
from modeling_empathic.report.statistics import resampled_interval
from modeling_empathic.taxonomy import UserError

MATRICES = ("first_two", "complete", "seats", "raters")
OVERALL = "Overall"


class StatsError(UserError):
    """Ratings that make no sense, or a question that these modules do not answer."""


class Estimate(NamedTuple):
    """A statistic with the interval of its bootstrap (`resampled_interval`), if it has one.

    Attributes:
        value: NaN where it is undefined.
        n: Items (of kappa: items that both raters rated) that it rests on.
        low: Lower end of the 95 % interval, or NaN.
        high: Upper end, or NaN.
        n_undefined: Resamples without a value; the interval is over the others.
        reason: Why `value` is NaN, else empty.
    """

    value: float
    n: int
    low: float = float("nan")
    high: float = float("nan")
    n_undefined: int = 0
    reason: str = ""


@dataclass(frozen=True)
class RatedItems:
    """The ratings of many items as arrays.

    Attributes:
        emotions: Of each item, `(items,)` strings.
        scores: `(items, seats)` float64; NaN where an item has fewer ratings. In the stored order.
        raters: `(items, seats)` indices into `names`; -1 where there is no rating.
        names: Raters' names.
    """

    emotions: np.ndarray
    scores: np.ndarray
    raters: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, items: Iterable[tuple[str, Sequence[Rating]]]) -> "RatedItems":
        """From `(emotion, ratings)` pairs.

        Example:
            >>> RatedItems.of([("Awe", [Rating("a", 2), Rating("b", 0)])]).scores
            array([[2., 0.]])
        """
        pairs = list(items)
        names = tuple(sorted({rating.rater for _, ratings in pairs for rating in ratings}))
        width = max((len(ratings) for _, ratings in pairs), default=0)
        scores = np.full((len(pairs), width), np.nan)
        raters = np.full((len(pairs), width), -1)
        for i, (_, ratings) in enumerate(pairs):
            for seat, rating in enumerate(ratings):
                scores[i, seat], raters[i, seat] = rating.score, names.index(rating.rater)
        return cls(np.array([emotion for emotion, _ in pairs], dtype=object), scores, raters, names)

    def __getitem__(self, keep: np.ndarray) -> "RatedItems":
        return RatedItems(self.emotions[keep], self.scores[keep], self.raters[keep], self.names)

    def groups(self) -> dict[str, "RatedItems"]:
        """The items of each emotion, in order of appearance, then all under `"Overall"`."""
        parts = {name: self[self.emotions == name] for name in dict.fromkeys(self.emotions)}
        return {**parts, OVERALL: self}


def rating_matrix(items: RatedItems, matrix: str = "first_two") -> np.ndarray:
    """One of the four matrices above, `(items, columns)` with NaN for holes.

    Items with fewer ratings than the matrix needs are left out: three for `complete`, else two.

    Raises:
        StatsError: `matrix` is none of [`MATRICES`].
    """
    if matrix not in MATRICES:
        raise StatsError(f"matrix {matrix!r} is not one of {', '.join(MATRICES)}")
    needed = 3 if matrix == "complete" else 2
    n_ratings = (~np.isnan(items.scores)).sum(axis=1)
    items = items[n_ratings >= needed]
    if matrix == "raters":
        pivot = np.full((len(items.scores), len(items.names)), np.nan)
        rows, seats = np.nonzero(items.raters >= 0)
        pivot[rows, items.raters[rows, seats]] = items.scores[rows, seats]
        return pivot
    return items.scores[:, : 4 if matrix == "seats" else needed]


def cronbach_alpha(matrix: np.ndarray, *, n_resamples: int = 1000, seed: int = 42) -> Estimate:
    """Cronbach's α of `(items, columns)` with a 95 % bootstrap interval over items.

    α = k c / (v + (k - 1) c), with v the mean variance of the k columns and c the mean covariance
    of their pairs; on a full matrix this is k/(k - 1) (1 - Σ variances / variance of the sum). Each
    covariance rests on the items that have both values; pairs of columns that share fewer than two
    items are left out of the mean, and so are columns with fewer than two values.

    Args:
        matrix: Scores; NaN where there is none.
        n_resamples: Bootstrap samples; 0 for no interval.
        seed: Of the bootstrap. The order of the items does not matter.

    Example:
        >>> ratings = np.array([[0, 0], [1, 2], [2, 1], [2, 2.0]])
        >>> estimate = cronbach_alpha(ratings)
        >>> round(estimate.value, 4), estimate.n
        (0.7778, 4)
        >>> cronbach_alpha(np.ones((9, 2))).reason
        'the scores do not vary'
    """
    rows, counts, n = _distinct_rows(np.asarray(matrix, dtype=float))
    value = float(_alphas(rows, counts[None])[0])
    if np.isnan(value):
        return Estimate(value, n, reason=_why_undefined(rows, counts))
    # Items with the same scores are exchangeable: to resample items is to draw the counts of the
    # distinct rows from a multinomial, and of two ratings there are only nine.
    drawn = np.random.default_rng(seed).multinomial(n, counts / n, size=n_resamples)
    return with_interval(value, n, _alphas(rows, drawn))


def _distinct_rows(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Distinct rows, how often each occurs, and how many rows there are."""
    # NaN is not equal to itself, so `unique` would keep every row with a hole.
    rows, counts = np.unique(np.nan_to_num(matrix, nan=np.inf), axis=0, return_counts=True)
    return np.where(np.isinf(rows), np.nan, rows), counts, len(matrix)


def _alphas(rows: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """α for `(resamples, rows)` counts of the `(rows, columns)` distinct rows; NaN if undefined."""
    if rows.size == 0:
        return np.full(len(counts), np.nan)
    # Differences from a value that occurs: a constant column has a variance of exactly zero.
    held = ~np.isnan(rows)
    first = rows[held.argmax(axis=0), np.arange(rows.shape[1])]
    centred = np.where(held, rows - first, 0.0)

    def covariance(i: int, j: int) -> np.ndarray:
        both = held[:, i] & held[:, j]
        x, y = np.where(both, centred[:, [i, j]].T, 0.0)
        n, sum_x, sum_y, sum_xy = (counts @ np.stack([both, x, y, x * y], axis=1)).T
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(n > 1, (sum_xy - sum_x * sum_y / n) / (n - 1), np.nan)

    columns = range(rows.shape[1])
    variances = np.stack([covariance(i, i) for i in columns])
    pairs = list(combinations(columns, 2))
    covariances = np.stack([covariance(i, j) for i, j in pairs]) if pairs else variances[:0]
    k = (~np.isnan(variances)).sum(axis=0)
    variance, shared = _mean_defined(variances), _mean_defined(covariances)
    below = variance + (k - 1) * shared
    with np.errstate(invalid="ignore", divide="ignore"):
        # Columns that cancel each other out leave only rounding below the line.
        return np.where(np.abs(below) > 1e-12 * variance, k * shared / below, np.nan)


def _mean_defined(values: np.ndarray) -> np.ndarray:
    """Mean down each column of what is not NaN; NaN where there is nothing."""
    n = (~np.isnan(values)).sum(axis=0)
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = np.nansum(values, axis=0) / n
        return mean


def _why_undefined(rows: np.ndarray, counts: np.ndarray) -> str:
    if counts.sum() < 2:
        items = "item" if counts.sum() == 1 else "items"
        return f"{counts.sum()} {items} with enough ratings; at least two are needed"
    held = ~np.isnan(rows)
    shared = (held * counts[:, None]).T @ held
    if not (np.triu(shared, 1) > 1).any():
        return "no two columns share two items"
    lowest = np.where(held, rows, np.inf).min(axis=0)
    vary = (lowest < np.where(held, rows, -np.inf).max(axis=0)).any()
    return "the columns cancel each other out" if vary else "the scores do not vary"


def krippendorff_alpha(scores: np.ndarray, *, n_resamples: int = 1000, seed: int = 42) -> Estimate:
    """Krippendorff's ordinal α of `(items, seats)` scores 0, 1, 2 with NaN where there is none.

    All ratings of an item count, in any order; items with fewer than two are left out. 1 -
    observed / expected disagreement, where two scores disagree by the square of how many ratings
    lie between them, each end counted half (Krippendorff 2011). The 95 % interval is from a
    bootstrap over items, in which the distances of the scores are measured anew; one item has none.

    Args:
        scores: NaN where there is none.
        n_resamples: Bootstrap samples; 0 for no interval.
        seed: Of the bootstrap. Neither items nor seats have an order.

    Example:
        >>> estimate = krippendorff_alpha(np.array([[0, 0], [1, 2], [2, 1], [2, 2.0]]))
        >>> round(estimate.value, 3), estimate.low <= estimate.value <= estimate.high
        (0.562, True)
    """
    counts = np.stack([(scores == score).sum(axis=1) for score in SCORES], axis=1)
    counts = counts[counts.sum(axis=1) > 1]
    n = len(counts)
    if not n:
        return Estimate(float("nan"), 0, reason="no item has two ratings")
    if (counts.sum(axis=0) > 0).sum() < 2:
        return Estimate(float("nan"), n, reason="the scores do not vary")
    rows, times = np.unique(counts, axis=0, return_counts=True)
    value = float(_krippendorff(rows, times[None])[0])
    if n == 1:  # drawn again and again it would look certain
        return Estimate(value, n)
    drawn = np.random.default_rng(seed).multinomial(n, times / n, size=n_resamples)
    return with_interval(value, n, _krippendorff(rows, drawn))


def _krippendorff(rows: np.ndarray, times: np.ndarray) -> np.ndarray:
    """α where the distinct `(rows, scores)` counts occur `(resamples, rows)` times."""
    sizes = rows.sum(axis=1)
    pairs = rows[:, :, None] * rows[:, None, :] - rows[:, :, None] * np.eye(len(SCORES))
    observed = np.einsum("br,rij->bij", times, pairs / (sizes - 1)[:, None, None])
    totals = times @ rows
    middles = np.cumsum(totals, axis=1) - totals / 2  # ratings up to the middle of a score's own
    distance = (middles[:, :, None] - middles[:, None, :]) ** 2
    chance = totals[:, :, None] * totals[:, None, :]
    expected = (chance * distance).sum(axis=(1, 2)) / (totals.sum(axis=1) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        alphas: np.ndarray = 1 - (observed * distance).sum(axis=(1, 2)) / expected
    # One score alone has no chance of disagreement; rounding must not make one of it.
    return np.where((totals > 0).sum(axis=1) > 1, alphas, np.nan)


def with_interval(value: float, n: int, resampled: np.ndarray) -> Estimate:
    """A coefficient, at most 1, with its resamples' 95 % interval; NaN among these is counted."""
    low, high = resampled_interval(resampled, n, within=(-np.inf, 1.0))
    return Estimate(value, n, low, high, int(np.isnan(resampled).sum()))


def alpha_by_emotion(
    items: RatedItems, matrix: str = "first_two", *, n_resamples: int = 1000, seed: int = 42
) -> dict[str, Estimate]:
    """Cronbach's α of every emotion and `"Overall"`, all items pooled: Table 10.

    Args:
        items: The data set's ratings.
        matrix: One of [`MATRICES`], or `"krippendorff"` for Krippendorff's α.
        n_resamples: Bootstrap samples; 0 for no intervals.
        seed: Of each emotion's bootstrap, the same for all, so that none depends on another.
    """
    if matrix == "krippendorff":
        return {
            name: krippendorff_alpha(part.scores, n_resamples=n_resamples, seed=seed)
            for name, part in items.groups().items()
        }
    return {
        name: cronbach_alpha(rating_matrix(part, matrix), n_resamples=n_resamples, seed=seed)
        for name, part in items.groups().items()
    }


def alpha_alternatives(
    items: RatedItems, *, n_resamples: int = 1000, seed: int = 42
) -> dict[str, dict[str, Estimate]]:
    """How α moves with the matrix: [`alpha_by_emotion`] of all four, and Krippendorff's."""
    return {
        matrix: alpha_by_emotion(items, matrix, n_resamples=n_resamples, seed=seed)
        for matrix in (*MATRICES, "krippendorff")
    }


def weighted_kappa(
    first: np.ndarray, second: np.ndarray, weights: Literal["linear", "quadratic"]
) -> Estimate:
    """Cohen's weighted kappa of two raters' scores 0, 1, 2 of the same items.

    1 - Σ w observed / Σ w expected with w the distance of the two scores or its square, expected
    from the raters' own distributions (Cohen 1968).

    Args:
        first: `(items,)`, without NaN.
        second: `(items,)`, without NaN.
        weights: `"linear"` or `"quadratic"`.

    Raises:
        ValueError: Unknown weights.

    Example:
        >>> kappa = weighted_kappa(np.array([0, 1, 2, 2]), np.array([0, 2, 2, 1]), "linear")
        >>> round(kappa.value, 4), kappa.n  # 1 - (1/2) / (7/8)
        (0.4286, 4)
    """
    powers = {"linear": 1, "quadratic": 2}
    if weights not in powers:
        raise ValueError(f"weights {weights!r} is not one of {', '.join(powers)}")
    if not len(first):
        return Estimate(float("nan"), 0, reason="the two raters share no item")
    table = np.array([[((first == a) & (second == b)).mean() for b in SCORES] for a in SCORES])
    distance = np.abs(np.subtract.outer(SCORES, SCORES)) ** powers[weights]
    expected = (distance * np.outer(table.sum(axis=1), table.sum(axis=0))).sum()
    if expected == 0:
        return Estimate(float("nan"), len(first), reason="both raters gave one and the same score")
    return Estimate(float(1 - (distance * table).sum() / expected), len(first))


def pairwise_kappa(items: RatedItems) -> dict[tuple[str, str], dict[str, Estimate]]:
    """Linearly and quadratically weighted kappa of every two raters over the items they share."""
    pivot = rating_matrix(items, "raters")
    kappas = {}
    for i, j in combinations(range(len(items.names)), 2):
        shared = pivot[~np.isnan(pivot[:, [i, j]]).any(axis=1)]
        kappas[items.names[i], items.names[j]] = {
            "linear": weighted_kappa(shared[:, i], shared[:, j], "linear"),
            "quadratic": weighted_kappa(shared[:, i], shared[:, j], "quadratic"),
        }
    return kappas


def agreement_counts(items: RatedItems) -> dict[str, dict[str, int]]:
    """Items of each agreement type (Figure 1), by emotion and `"Overall"`.

    Types that do not occur are left out.

    Example:
        >>> agreement_counts(RatedItems.of([("Awe", [Rating("a", 2), Rating("b", 0)])]))["Awe"]
        {'1:1': 1}
    """
    counts = {}
    for name, part in items.groups().items():
        n_raters = (~np.isnan(part.scores)).sum(axis=1)
        n_present = (part.scores > 0).sum(axis=1)
        types, n = np.unique(np.stack([n_present, n_raters], 1), axis=0, return_counts=True)
        counts[name] = {
            agreement_type(int(present), int(raters)): int(count)
            for (present, raters), count in zip(types, n, strict=True)
        }
    return counts
