"""What trained heads reach on clips that did not teach them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..report.statistics import resampled_interval, student
from .folds import TEST, TRAIN
from .labels import LabelledClips, LabelMap

N_RESAMPLES = 1000
BLOCKS = 50


def measure(
    labelled: LabelledClips, predicted: dict[str, np.ndarray], folds: np.ndarray, seed: int = 0
) -> dict[str, Any]:
    """Errors and correlations of each head, and how often the right class has the highest score.

    Args:
        labelled: Clips and targets.
        predicted: Head -> `(clips,)` scores of clips when they were tested, NaN elsewhere.
        folds: Of `make_folds`.
        seed: Of the resampling.

    Returns:
        `clips`, `speakers`, `by_speaker` (whether no speaker that is tested was in the training),
        and by head `n`, `mae`, `floor_mae` (of the training clips' median) and `spearman` with its
        interval, undefined where targets or scores do not vary; with classes also `accuracy`, `uar`
        (unweighted average recall) and `confusion`. Intervals of 95 % come from resampled speakers,
        or clips where speakers are not known; those of `spearman` from leaving them out.
    """
    tested = (folds == TEST).any(axis=0)
    speakers = None if labelled.speakers is None else np.asarray(labelled.speakers)
    groups = np.asarray(labelled.names) if speakers is None else speakers
    groups = np.unique(groups, return_inverse=True)[1]  # numbers are sorted faster, for each head
    heads = {}
    for name, scores in predicted.items():
        target = labelled.targets[name]
        rows = np.flatnonzero(~np.isnan(target) & ~np.isnan(scores))
        floor = _median_floor(target, folds, rows)
        heads[name] = {
            "n": len(rows),
            "mae": float(np.abs(scores[rows] - target[rows]).mean()) if len(rows) else np.nan,
            "floor_mae": floor,
            "spearman": spearman(scores[rows], target[rows]),
            "spearman_interval": spearman_interval(scores[rows], target[rows], groups[rows]),
        }
    measured: dict[str, Any] = {
        "clips": int(tested.sum()),
        "speakers": None if speakers is None else len(set(speakers[tested])),
        "by_speaker": speakers is not None
        and not any(
            np.isin(speakers[fold == TEST], speakers[fold != TEST]).any() for fold in folds
        ),
        "heads": heads,
    }
    if labelled.classes and labelled.label_map and tested.any():
        measured |= _classes(labelled, predicted, seed)
    return measured


def class_scores(
    predicted: dict[str, np.ndarray],
    label_map: LabelMap,
    scales: Mapping[str, tuple[float, float]] | None = None,
) -> tuple[dict[str, str], np.ndarray]:
    """What each class is told by: the highest score of the heads that it has most of.

    A class that has none of the heads (neutral, say) is what is left where no other class reaches
    half of its own target. Classes that mean the same cannot be told apart and are one.

    Args:
        predicted: Head -> `(clips,)` scores.
        label_map: Class -> head -> target.
        scales: Of heads: absent and most; `None` for 0 and 4.

    Returns:
        Class -> its name in the measurement, and `(clips, names)` scores by sorted name.

    Example:
        >>> scores = {"Anger": np.array([3.0, 0.4]), "Awe": np.array([1.0, 0.9])}
        >>> names, found = class_scores(scores, {"angry": {"Anger": 4}, "calm": {"Anger": 0}})
        >>> [sorted(names.values())[at] for at in found.argmax(axis=1)]
        ['angry', 'calm']
    """
    absent = {name: low for name, (low, _) in (scales or {}).items()}
    meanings: dict[frozenset[tuple[str, float]], list[str]] = {}
    for word in sorted(label_map):
        meant = label_map[word].items()
        has = frozenset((name, value) for name, value in meant if value > absent.get(name, 0.0))
        meanings.setdefault(has, []).append(word)
    tops = {has: max(value for _, value in has) for has in meanings if has}
    half = 0.5 * min(tops.values(), default=0.0)
    columns = {}
    for has, words in meanings.items():
        if has:
            names = [name for name, value in has if value == tops[has]]
            column = np.max([predicted[name] for name in names], axis=0)
        else:
            column = np.full(len(next(iter(predicted.values()))), half)
        columns["/".join(words)] = column
    named = {word: "/".join(words) for words in meanings.values() for word in words}
    return named, np.stack([columns[name] for name in sorted(columns)], axis=1)


def _classes(
    labelled: LabelledClips, predicted: dict[str, np.ndarray], seed: int
) -> dict[str, Any]:
    assert labelled.classes is not None
    assert labelled.label_map is not None
    named, scores = class_scores(predicted, labelled.label_map, labelled.scales)
    classes = sorted(set(named.values()))
    tested = ~np.isnan(np.stack(list(predicted.values()))).any(axis=0)
    rows = np.flatnonzero(tested & ~np.isnan(scores).any(axis=1))
    truth = np.array([classes.index(named[labelled.classes[row]]) for row in rows])
    said = scores[rows].argmax(axis=1)
    groups = np.array(labelled.speakers or labelled.names)[rows]
    return {"classes": classes} | recalls(truth, said, groups, len(classes), seed)


def recalls(
    truth: np.ndarray, said: np.ndarray, groups: np.ndarray, n_classes: int, seed: int = 0
) -> dict[str, Any]:
    """Accuracy and unweighted average recall, with 95 % intervals from resampled groups.

    Example:
        >>> found = recalls(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array(list("aab")), 2)
        >>> round(found["accuracy"], 3), found["uar"], found["confusion"]
        (0.667, 0.75, [[1, 1], [0, 1]])
    """
    names, group = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), n_classes, n_classes))
    np.add.at(counts, (group, truth, said), 1)

    def both(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        right = np.diagonal(confusion, axis1=-2, axis2=-1)
        of_class = confusion.sum(axis=-1)
        recall = np.divide(right, of_class, out=np.full(right.shape, np.nan), where=of_class > 0)
        return right.sum(axis=-1) / confusion.sum(axis=(-2, -1)), np.nanmean(recall, axis=-1)

    accuracy, uar = both(counts.sum(axis=0))
    drawn = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), N_RESAMPLES
    )
    again = both(np.tensordot(drawn, counts, 1))
    ends = [list(resampled_interval(values, len(names), (0, 1))) for values in again]
    return {
        "accuracy": float(accuracy), "accuracy_interval": ends[0],
        "uar": float(uar), "uar_interval": ends[1],
        "floor_accuracy": float(counts.sum(axis=(0, 2)).max() / counts.sum()),
        "confusion": counts.sum(axis=0).astype(int).tolist(),
    }  # fmt: skip


def _median_floor(target: np.ndarray, folds: np.ndarray, rows: np.ndarray) -> float:
    """The error of saying the median of the clips that teach."""
    errors = np.full(len(target), np.nan)
    for fold in folds:
        tested = fold == TEST
        taught = target[(fold == TRAIN) & ~np.isnan(target)]
        if tested.any() and len(taught):
            errors[tested] = np.abs(target[tested] - np.median(taught))
    known = errors[rows][~np.isnan(errors[rows])]
    return float(known.mean()) if len(known) else float("nan")


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Rank correlation; NaN where one of them does not vary.

    Example:
        >>> round(spearman(np.array([1.0, 2.0, 3.0, 9.0]), np.array([0.0, 0.0, 1.0, 2.0])), 3)
        0.949
    """
    if len(first) < 2 or len(set(first)) < 2 or len(set(second)) < 2:
        return float("nan")
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def spearman_interval(first: np.ndarray, second: np.ndarray, groups: np.ndarray) -> list[float]:
    """The 95 % interval of a rank correlation whose clips are not independent within a group.

    Groups, or as many of them together as make `BLOCKS`, are left out one after the other
    (delete-a-group jackknife: Shao & Tu 1995, "The jackknife and bootstrap", section 2.3), and t
    has as many degrees of freedom as there are blocks, less one. Ranks are those among all clips,
    not of what is left each time.

    Args:
        first: `(clips,)`.
        second: `(clips,)`.
        groups: Of each clip, such as its speaker.

    Returns:
        Low and high; NaN of one group, or where a value is undefined.

    Example:
        >>> values = np.arange(12.0)
        >>> spearman_interval(values, values, np.repeat(list("abcd"), 3))
        [1.0, 1.0]
    """
    block = np.unique(groups, return_inverse=True)[1] % BLOCKS
    n = len(np.unique(block))
    if n < 2 or len(set(first)) < 2 or len(set(second)) < 2:
        return [np.nan, np.nan]
    x, y = (ranks - ranks.mean() for ranks in (_ranks(first), _ranks(second)))
    rho = float(x @ y / np.sqrt((x @ x) * (y @ y)))
    of = np.stack([np.bincount(block, v) for v in (np.ones(len(x)), x, y, x * x, y * y, x * y)])
    count, x, y, xx, yy, xy = of.sum(axis=1, keepdims=True) - of
    spread_x, spread_y = xx - x * x / count, yy - y * y / count
    if min((spread_x / of[3].sum()).min(), (spread_y / of[4].sum()).min()) < 1e-9:
        return [np.nan, np.nan]  # what is left does not vary
    left = (xy - x * y / count) / np.sqrt(spread_x * spread_y)
    half = student(n - 1) * float(left.std()) * (n - 1) ** 0.5
    return [max(rho - half, -1.0), min(rho + half, 1.0)]


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
