"""For any two emotions: how often a model's scores tell clips of the one from clips of the other.

The paper names one such figure, 63 % for sadness against distress (abstract; section 5, "Annotation
Ambiguity Predicts Model Performance"). It states neither the rule behind it nor the model, so what
follows is our rule, and 0.63 something to compare with, not to reproduce.

A clip counts as A or B by the emotion it was made for. What separates is the score of A minus the
score of B: both heads have a say, so a clip that is sad and distressed goes to the stronger of the
two, and whatever raises all scores of a clip (a loud voice, a generous model) cancels. Heads differ
in their base rate: hence a threshold, which is learnt on other clips than those it is tried on.
"""

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from evaluate_metrics.bench.figures import Interval
from evaluate_metrics.bench.result import Discrimination, EmotionPair, MeanSeparation
from evaluate_metrics.emonet_voice import MetricError, percentile_interval
from evaluate_metrics.emonet_voice.resampling import missing
from evaluate_metrics.emonet_voice.scores import numbers, same_length
from modeling_empathic.taxonomy import resolve

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
STATISTICS = ("accuracy", "balanced_accuracy", "auc")
FLOOR = 0.5
"""Of AUC and balanced accuracy; the floor of plain accuracy is the share of the larger side."""
PAPER = ("Sadness", "Distress"), 0.63
"""Abstract and section 5."""

_CHUNK = 512  # clips of A compared with all of B at once


def discrimination(
    scores: Mapping[str, ArrayLike],
    targets: Sequence[str],
    groups: Sequence[Hashable] | None = None,
    *,
    n_folds: int = 5,
    n_resamples: int = 1000,
    seed: int = 42,
) -> Discrimination:
    """Accuracy and AUC of every pair of emotions, with 95 % bootstrap intervals.

    - `auc`: P(d of a clip of A > d of a clip of B) + P(equal) / 2, with d the score of A minus the
      score of B (Hanley & McNeil 1982, Radiology 143, 29-36). The same if A and B change places.
    - `balanced_accuracy`: the mean of the shares of A and of B that are judged right. A clip counts
      as A above the threshold with the best balanced accuracy on the other `n_folds - 1` folds.
    - `accuracy`: the share of both together judged right by the same thresholds.

    The resamples of the intervals hold what each clip was judged to be, so that the accuracies'
    intervals know nothing of how much the thresholds themselves would vary.

    Args:
        scores: `(clips,)` of each emotion, all on one scale; NaN or None where there is none.
        targets: The emotion that each clip was made for; clips of others than those in `scores`
            are left out.
        groups: What stays together in folds and resamples, such as a voice; None or `""` for a
            clip that stands for itself. Without groups both are stratified by emotion.
        n_folds: An emotion needs as many clips.
        n_resamples: 0 for no intervals.
        seed: Of folds and resamples. The order of the clips does not matter.

    Raises:
        MetricError: Columns of unequal length, fewer than two emotions or folds.

    Example:
        >>> targets = ["Awe"] * 6 + ["Pain"] * 6
        >>> scores = {"Awe": [3, 2, 4, 3, 2, 0] + [1] * 6, "Pain": [1] * 6 + [2, 3, 3, 2, 0, 4]}
        >>> pair = discrimination(scores, targets, n_resamples=50).pairs[0]
        >>> pair.a, pair.b, round(pair.auc, 3), round(pair.balanced_accuracy, 3)
        ('Awe', 'Pain', 0.917, 0.833)
    """
    columns = {name: numbers(values) for name, values in scores.items()}
    same_length(targets=targets, groups=groups, **columns)
    if len(columns) < 2 or n_folds < 2:
        raise MetricError(f"{len(columns)} emotions, {n_folds} folds; at least two are needed")
    matrix = np.stack(list(columns.values()))
    target = np.array(targets, dtype=object)
    # Names and values decide about folds and draws, never the order in which clips came.
    names = np.unique(target.astype(str), return_inverse=True)[1]
    kept = np.flatnonzero(np.isin(target.astype(str), list(columns)))
    kept = kept[np.lexsort((*matrix[:, kept], names[kept]))].tolist()
    matrix, target = matrix[:, kept], target[kept]
    units, strata = _units(target, None if groups is None else [groups[row] for row in kept])
    rng = np.random.default_rng(seed)
    folds = _folds(strata, n_folds, rng)[units]
    counts = _counts(strata, n_resamples, rng)[units]
    stratum = np.repeat(np.arange(len(strata)), [len(of) for of in strata])
    stratum[[unit for of in strata for unit in of]] = stratum.copy()
    rows_of = {name: np.flatnonzero(target == name) for name in columns}
    place = {name: i for i, name in enumerate(columns)}

    def units_of(rows: Ints) -> tuple[int, int]:
        """Units of some clips, and strata that they are drawn from."""
        held = np.unique(units[rows])
        return len(held), len(np.unique(stratum[held]))

    def pair(a: str, b: str) -> tuple[EmotionPair, Floats]:
        rows = np.concatenate([rows_of[a], rows_of[b]])
        values = matrix[place[a], rows] - matrix[place[b], rows]
        scored = ~np.isnan(values)
        rows, values, of_a = rows[scored], values[scored], target[rows[scored]] == a
        n_a, n_b = int(of_a.sum()), int((~of_a).sum())
        reason = _why_undefined({a: n_a, b: n_b}, of_a, folds[rows], n_folds)
        drawn = np.full((len(STATISTICS), counts.shape[1]), np.nan)
        if not reason:
            right = _judged_right(values, of_a, folds[rows])
            drawn = _statistics(values, of_a, right, counts[rows])
        sizes: dict[str, Any] = {"n_a": n_a, "n_b": n_b, "n_missing": int((~scored).sum())}
        summary = _summary(drawn, *units_of(rows))
        return EmotionPair(a=a, b=b, **sizes, **summary, reason=reason), drawn

    pairs = [pair(a, b) for a, b in combinations(columns, 2)]
    defined = [drawn for described, drawn in pairs if not described.reason]
    nothing = np.full((len(STATISTICS), counts.shape[1]), np.nan)
    mean = _summary(
        np.mean(defined, axis=0) if defined else nothing, *units_of(np.arange(len(units)))
    )
    return Discrimination(
        emotions=tuple(columns),
        clips={name: len(rows) for name, rows in rows_of.items()},
        mean=MeanSeparation(**mean, pairs=len(defined)),
        pairs=tuple(described for described, _ in pairs),
        floor=FLOOR,
        folds=n_folds,
        unit="clip" if len(units) == units.max(initial=-1) + 1 else "group",
        n_resamples=n_resamples,
        seed=seed,
    )


def find_pair(pairs: Sequence[EmotionPair], a: str, b: str) -> EmotionPair:
    """The pair of two emotions, in any spelling and either order.

    Raises:
        MetricError: There is no such pair.

    Example:
        >>> scores = {"Sadness": [1, 2, 3], "Distress": [3, 2, 1]}
        >>> pairs = discrimination(scores, ["Sadness"] * 3, n_resamples=0).pairs
        >>> find_pair(pairs, "distress", "sadness").n_a
        3
    """
    wanted = {resolve(a), resolve(b)}
    for pair in pairs:
        if {pair.a, pair.b} == wanted:
            return pair
    raise MetricError(f"{a!r} and {b!r} are no pair of these emotions")


def _units(
    targets: npt.NDArray[np.object_], groups: Sequence[Hashable] | None
) -> tuple[Ints, list[list[int]]]:
    """The unit of each clip, a clip or a group, and the units that are drawn among each other."""
    seen: dict[Hashable, int] = {}
    strata: dict[str, list[int]] = {}
    units = np.empty(len(targets), dtype=int)
    for row, target in enumerate(targets):
        group = None if groups is None else groups[row]
        alone = missing(group)
        key = row if alone else str(group)
        if key not in seen:
            seen[key] = len(seen)
            # A group may hold several emotions, so that groups cannot be drawn by emotion.
            strata.setdefault(str(target) if alone else "", []).append(seen[key])
        units[row] = seen[key]
    return units, list(strata.values())


def _folds(strata: list[list[int]], n_folds: int, rng: np.random.Generator) -> Ints:
    folds = np.empty(sum(map(len, strata)), dtype=int)
    for units in strata:
        folds[units] = rng.permutation(len(units)) % n_folds
    return folds


def _counts(strata: list[list[int]], n_resamples: int, rng: np.random.Generator) -> Floats:
    """How often each unit is in the sample itself and in each resample, `(units, 1 + n)`."""
    counts = np.ones((sum(map(len, strata)), 1 + n_resamples), dtype=np.float32)
    for units in strata:
        n = len(units)
        counts[units, 1:] = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples).T
    return counts


def _why_undefined(sizes: dict[str, int], of_a: Bools, folds: Ints, k: int) -> str:
    few = [f"{n} of {name}" for name, n in sizes.items() if n < k]
    if few:
        return f"{k} clips with both scores are needed; there are {' and '.join(few)}"
    for name, side in zip(sizes, (of_a, ~of_a), strict=True):
        if len(np.unique(folds[side])) < 2:
            return f"all clips of {name} are in one fold: too few groups"
    return ""


def _judged_right(values: Floats, of_a: Bools, folds: Ints) -> Bools:
    """Whether each clip is judged right by the threshold of the other folds, `(clips,)`."""
    right = np.empty(len(values), dtype=bool)
    for fold in np.unique(folds):
        held = folds == fold
        threshold = _best_threshold(values[~held], of_a[~held])
        right[held] = (values[held] > threshold) == of_a[held]
    return right


def _best_threshold(values: Floats, of_a: Bools) -> float:
    """Halfway between the two neighbours where balanced accuracy is best; infinite at the ends.

    Of several best places the middle one, which favours neither side.
    """
    levels, codes = np.unique(values, return_inverse=True)
    a = np.bincount(codes[of_a], minlength=len(levels))
    b = np.bincount(codes[~of_a], minlength=len(levels))
    # Whole numbers: balanced accuracy of each cut, up to a factor and a constant.
    gain = np.append(0, np.cumsum(b * a.sum() - a * b.sum()))
    best = np.flatnonzero(gain == gain.max())
    cut = best[len(best) // 2]
    ends = np.concatenate([[-np.inf], levels, [np.inf]])
    return float((ends[cut] + ends[cut + 1]) / 2)


def _statistics(values: Floats, of_a: Bools, right: Bools, counts: Floats) -> Floats:
    """The three statistics of each column of `counts`, `(3, columns)`, NaN where undefined."""
    sides = np.stack([of_a, of_a & right, ~of_a, ~of_a & right]).astype(np.float32)
    n_a, right_a, n_b, right_b = (sides @ counts).astype(float)
    b, counts_b, wins = values[~of_a], counts[~of_a], np.zeros(counts.shape[1])
    for rows in np.array_split(np.flatnonzero(of_a), 1 + of_a.sum() // _CHUNK):
        a = values[rows, None]
        beaten = ((a > b) + (a == b) * np.float32(0.5)) @ counts_b
        wins += np.einsum("rc,rc->c", counts[rows], beaten)
    with np.errstate(invalid="ignore", divide="ignore"):
        balanced = (right_a / n_a + right_b / n_b) / 2
        return np.stack([(right_a + right_b) / (n_a + n_b), balanced, wins / (n_a * n_b)])


def _summary(drawn: Floats, n_units: int, n_strata: int) -> dict[str, Any]:
    """The sample's own values, in the first column, and intervals from the others."""
    values = {name: float(drawn[i, 0]) for i, name in enumerate(STATISTICS)}
    intervals = {
        name: Interval(**percentile_interval(resampled, n_units, n_strata, (0, 1))._asdict())
        for name, resampled in zip(STATISTICS, drawn[:, 1:], strict=True)
    }
    return values | {"intervals": intervals}
