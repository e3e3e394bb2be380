"""Baselines that cost nothing: what a system must beat before its numbers say that it listens.

The constants are the metric's own `floors`. Here are two that learn from the benchmark itself, by
cross-validation, so that no clip is seen before it is judged: the mean rating of its emotion, and a
ridge regression on acoustic features. Five folds; a voice, where it is known, is in one fold, so
that nobody is recognised; else a clip is. As far as that allows, folds are alike in emotions and
ratings. Otherwise the mean of the other folds is low where a fold is high, and the correlation of a
predictor that knows nothing falls below 0.

Hoerl & Kennard (1970), "Ridge regression", Technometrics 12, 55-67. Stone (1974), "Cross-validatory
choice", J. R. Stat. Soc. B 36, 111-147.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from evaluate_metrics.bench.figures import Baseline
from evaluate_metrics.bench.typed_json import decode
from evaluate_metrics.emonet_voice import aggregate, rows_by_emotion
from evaluate_metrics.emonet_voice.scores import numbers

N_FOLDS = 5
MIN_CLIPS = 20
"""An emotion with fewer rated clips has no regression: 22 slopes of so few are noise."""
PENALTIES = np.logspace(-1, 5, 13)
"""Of standardised features: from next to none to all slopes at zero."""
PREFIX = "acoustics_"
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_SAME_WITHIN = "within an emotion it does not tell clips apart"
_FOR_MEAN, _FOR_RIDGE = (2, 2), (MIN_CLIPS, 3)  # rated clips, folds that have some


def folds(bench: pa.Table, *, seed: int = 42) -> Ints:
    """The fold of each row, `(rows,)` integers below `N_FOLDS`: all rows of a voice in one.

    Args:
        bench: `clip_id`, `emotion`, `mean_0_10`, one row a clip and emotion; `voice` if known.
        seed: Of the order among equals.

    Example:
        >>> table = pa.table({"clip_id": list("abcde"), "emotion": ["Awe"] * 5,
        ...                   "mean_0_10": [0.0, 0, 5, 5, 10]})
        >>> sorted(folds(table).tolist())
        [0, 1, 2, 3, 4]
    """
    clips = bench["clip_id"].to_pylist()
    voices = bench["voice"].to_pylist() if "voice" in bench.column_names else [None] * len(clips)
    names, units = np.unique(
        [f"voice {v}" if v else f"clip {c}" for v, c in zip(voices, clips, strict=True)],
        return_inverse=True,
    )
    emotions = np.unique(bench["emotion"].to_pylist(), return_inverse=True)[1]
    first = np.full(len(names), len(emotions))
    np.minimum.at(first, units, emotions)
    ratings = _floats(bench, "mean_0_10")
    sums, n = (np.bincount(units, x, len(names)) for x in (np.nan_to_num(ratings), ratings >= 0))
    means = (sums / np.maximum(n, 1)).round(9)
    chance = np.random.default_rng(seed).permutation(len(names))
    fold = np.empty(len(names), dtype=int)
    fold[np.lexsort((chance, means, first))] = np.arange(len(names)) % N_FOLDS
    return fold[units]


def rater_mean_by_emotion(bench: pa.Table, *, seed: int = 42) -> Floats:
    """Each row's emotion as raters see it in the other folds: their mean, `(rows,)` on 0 to 10.

    NaN for an emotion whose rated clips are all in one fold. See [`folds`] for the arguments.

    Example:
        >>> table = pa.table({"clip_id": list("abcde"), "emotion": ["Awe"] * 5,
        ...                   "mean_0_10": [0.0, 0, 0, 0, 10]})
        >>> rater_mean_by_emotion(table)
        array([2.5, 2.5, 2.5, 2.5, 0. ])
    """
    ratings, fold = _floats(bench, "mean_0_10"), folds(bench, seed=seed)
    predictions = np.full(len(ratings), np.nan)
    for rows in rows_by_emotion(bench["emotion"].to_pylist()).values():
        if not _too_few(ratings[rows], fold[rows], *_FOR_MEAN):
            for held in np.unique(fold[rows]):
                others = ratings[rows[fold[rows] != held]]
                predictions[rows[fold[rows] == held]] = others[~np.isnan(others)].mean()
    return predictions


def acoustic_ridge(bench: pa.Table, *, seed: int = 42) -> Floats | None:
    """Ratings predicted from pitch, level, tempo and timbre: a ridge regression per emotion.

    Within the training folds: missing features take their median, all are standardised, and the
    penalty is the one with the smallest squared error when each of these folds is held out in turn.

    Args:
        bench: As of [`folds`], with the columns `acoustics_*` of `bench build --acoustics`.
        seed: Of the folds.

    Returns:
        `(rows,)` on 0 to 10; NaN for emotions with fewer than `MIN_CLIPS` rated clips, or rated
        clips in fewer than three folds. None if there are no such columns.

    Example:
        >>> pitch = np.arange(60.0)
        >>> table = pa.table({"clip_id": [f"{i}" for i in range(60)], "emotion": ["Awe"] * 60,
        ...                   "mean_0_10": pitch / 6, "acoustics_f0_median_hz": pitch})
        >>> bool(np.abs(acoustic_ridge(table) - pitch / 6).max() < 0.1)
        True
    """
    features = _features(bench)
    if not features.shape[1]:
        return None
    ratings, fold = _floats(bench, "mean_0_10"), folds(bench, seed=seed)
    predictions = np.full(len(ratings), np.nan)
    for rows in rows_by_emotion(bench["emotion"].to_pylist()).values():
        if not _too_few(ratings[rows], fold[rows], *_FOR_RIDGE):
            predictions[rows] = _cross_validated(features[rows], ratings[rows], fold[rows])
    return np.asarray(np.clip(predictions, 0, 10))


def baselines(
    bench: pa.Table, used_rows: npt.NDArray[np.bool_], *, seed: int = 42
) -> dict[str, Baseline]:
    """The statistics of both baselines on the rows that a system is judged by.

    They learn from all rated rows of the benchmark, whichever of them the system scored.

    Args:
        bench: As of [`acoustic_ridge`]; without features there is no `acoustic_ridge`.
        used_rows: `(rows,)` whether each row counts.
        seed: Of the folds.

    Returns:
        `rater_mean`, and `acoustic_ridge` where there are features. `rater_mean` has no correlation
        within an emotion, where it says the same of every clip but for the fold.

    Example:
        >>> table = pa.table({"clip_id": list("abcde"), "emotion": ["Awe"] * 5,
        ...                   "mean_0_10": [0.0, 0, 0, 0, 10]})
        >>> learnt = baselines(table, np.full(5, True))
        >>> list(learnt), learnt["rater_mean"].mae
        (['rater_mean'], 4.0)
    """
    used = np.asarray(used_rows, dtype=bool)
    names, ratings = bench["emotion"].to_pylist(), _floats(bench, "mean_0_10")
    fold, parts = folds(bench, seed=seed), rows_by_emotion(names)
    used_parts = rows_by_emotion([name for name, kept in zip(names, used, strict=True) if kept])

    def statistics(name: str, predictions: Floats, needed: tuple[int, int], note: str) -> Baseline:
        figures = aggregate(predictions[used], ratings[used], used_parts)
        if name == "rater_mean":
            for figure in ("pearson", "spearman"):
                figures[f"macro_{figure}"] = np.nan
                figures["undefined"][f"macro_{figure}"] = _SAME_WITHIN
                for scores in figures["per_emotion"].values():
                    scores[figure] = np.nan
        reasons = {emotion: _too_few(ratings[parts[emotion]], fold[parts[emotion]], *needed)
                   for emotion in used_parts}  # fmt: skip
        account = {
            "n": int((used & ~np.isnan(predictions) & ~np.isnan(ratings)).sum()),
            "left_out": {emotion: reason for emotion, reason in reasons.items() if reason},
            "note": note,
        }
        baseline: Baseline = decode(Baseline, figures | account, name)
        return baseline

    voices = bench["voice"].to_pylist() if "voice" in bench.column_names else []
    how = f"{N_FOLDS} folds by {'voice' if any(voices) else 'clip'}"
    mean_note = f"mean rating of the emotion in the other folds; {how}"
    mean = rater_mean_by_emotion(bench, seed=seed)
    learnt = {"rater_mean": statistics("rater_mean", mean, _FOR_MEAN, mean_note)}
    ridge = acoustic_ridge(bench, seed=seed)
    if ridge is not None:
        features = _features(bench)
        n_missing = int(np.isnan(features).sum())
        ridge_note = (
            f"ridge regression per emotion on {features.shape[1]} acoustic features; {how}; "
            f"{n_missing:,} of {features.size:,} values missing, replaced by medians"
        )
        learnt["acoustic_ridge"] = statistics("acoustic_ridge", ridge, _FOR_RIDGE, ridge_note)
    return learnt


def _too_few(ratings: Floats, fold: Ints, min_clips: int, min_folds: int) -> str:
    """Why nothing can be learnt about an emotion, or `""`."""
    rated = fold[~np.isnan(ratings)]
    n_folds = len(np.unique(rated))
    if len(rated) < min_clips:
        return f"{len(rated)} rated clips; at least {min_clips} are needed"
    if n_folds < min_folds:
        return f"rated clips in {n_folds} of {N_FOLDS} folds; at least {min_folds} are needed"
    return ""


def _cross_validated(features: Floats, ratings: Floats, fold: Ints) -> Floats:
    """Predictions for one emotion, `(rows,)`, each from the other folds."""
    predictions = np.empty(len(ratings))
    rated = ~np.isnan(ratings)
    for held in np.unique(fold):
        train, test = rated & (fold != held), fold == held
        errors = np.zeros(len(PENALTIES))
        for inner in np.unique(fold[train]):
            fit, check = train & (fold != inner), train & (fold == inner)
            tried = _ridge(features[fit], ratings[fit], features[check], PENALTIES)
            errors += np.square(tried - ratings[check]).sum(axis=1)
        best = PENALTIES[[errors.argmin()]]
        predictions[test] = _ridge(features[train], ratings[train], features[test], best)[0]
    return predictions


def _ridge(features: Floats, ratings: Floats, others: Floats, penalties: Floats) -> Floats:
    """Fits `(rows, features)` and predicts for others, `(penalties, others)`."""
    features = np.where(np.isnan(features).all(axis=0), 0, features)
    middle = np.nanmedian(features, axis=0)
    features, others = (np.where(np.isnan(x), middle, x) for x in (features, others))
    # Not the standard deviation: of equal numbers it may be a rounding error above 0.
    varies = features.max(axis=0) > features.min(axis=0)
    center, spread = features.mean(axis=0), np.where(varies, features.std(axis=0), 1)
    u, s, axes = np.linalg.svd((features - center) / spread, full_matrices=False)
    shrunk = s / (s * s + penalties[:, None]) * (u.T @ (ratings - ratings.mean()))
    return np.asarray(ratings.mean() + shrunk @ axes @ ((others - center) / spread).T)


def _features(bench: pa.Table) -> Floats:
    """The acoustic features, `(rows, features)`, NaN where missing or infinite."""
    columns = [_floats(bench, name) for name in bench.column_names if name.startswith(PREFIX)]
    return np.stack(columns, axis=1) if columns else np.empty((len(bench), 0))


def _floats(bench: pa.Table, name: str) -> Floats:
    return numbers(bench[name].to_pylist())
