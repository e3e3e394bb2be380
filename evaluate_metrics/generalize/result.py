"""From synthetic to acted speech: the paper's Table 7 for any model, on EmoDB or RAVDESS.

One row a system and protocol: the model by the rule of section 4.2 (`zero_shot.py`), if asked for
also on z-scores against its own reference clips, and classifiers that are taught the corpus
(`supervised.py`). Floors and the paper's rows stand beside them.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evaluate_metrics.bench.predictions import EvaluationError
from evaluate_metrics.generalize.clips import (
    ACTED,
    Scored,
    heard_speakers,
    open_corpus,
    score_clips,
)
from evaluate_metrics.generalize.supervised import (
    N_RANDOM,
    Splits,
    acoustic_features,
    classify,
    fold_splits,
    random_splits,
    state_features,
)
from evaluate_metrics.generalize.zero_shot import (
    OF_CLASSES,
    OVERALL,
    THRESHOLD,
    Calls,
    call_classes,
    rates,
)
from evaluate_metrics.published import published_table7

Progress = Callable[[str, int], Callable[[], None]]
"""Told what begins and of how many steps it is; returns what to call after each."""

NO_CALLS = "one answer a clip: nothing is called present"
NO_ANSWER = "calls every class present: no single answer"


class Truth(NamedTuple):
    """What is known of the clips before anyone hears them.

    Attributes:
        classes: Names.
        label: `(clips,)`, the number of each clip's class.
        speaker: `(clips,)` of strings.
        n_resamples: Of the intervals.
        seed: Of the intervals and of random splits.
    """

    classes: list[str]
    label: np.ndarray
    speaker: np.ndarray
    n_resamples: int
    seed: int


def generalize(
    root: str | Path,
    corpus: str,
    model: str | None = None,
    *,
    revision: str | None = None,
    device: str = "auto",
    baseline: bool = False,
    supervised: str | Path | None = None,
    states_cache: Path | None = None,
    acoustic: bool = False,
    n_resamples: int = 1000,
    seed: int = 42,
    progress: Progress = lambda verb, total: lambda: None,
) -> dict[str, Any]:
    """Measures how well a model's emotions tell a corpus's classes apart.

    Where the model's `training.json` names speakers of this corpus (`training.<corpus>_speakers`),
    it comes twice: on the other speakers, and on all of them, which is no test.

    Args:
        root: The corpus in its own files, or what `emonet-voice bench build` made of it.
        corpus: `"emodb"` or `"ravdess"`.
        model: Folder or Hub id; None for Nano.
        revision: Of a model on the Hub.
        device: As `emonet-voice score` takes it.
        baseline: Also rows on z-scores against the model's `reference_scores.json`.
        supervised: A Whisper checkpoint whose states are classified.
        states_cache: An `.npz` file to keep these states in.
        acoustic: Also classify acoustic features.
        n_resamples: Of the intervals.
        seed: Of the intervals and the random splits.
        progress: See [`Progress`].

    Returns:
        A JSON-able dictionary: `corpus`, `model`, `rule`, `rows`, `floors`, `published`. A row has
        `system`, `protocol`, `clips`, `outcomes` and what [`zero_shot.rates`] returns, by class
        name; shares are 0 to 1, undefined ones NaN with a reason in `undefined`.

    Raises:
        EvaluationError: A corpus, encoder or cache that cannot be used, a model without reference.
        RawReleaseError: A folder that is not the corpus.
        ScoringError: A model that cannot be loaded.
    """
    from modeling_empathic import __version__
    from modeling_empathic.reference_scores import read_reference, z_scores
    from modeling_empathic.scoring.loading import NANO, load_model

    source = model or str(NANO)
    with open_corpus(root, corpus) as clips:
        kind = ACTED[corpus]
        truth = Truth(
            list(kind.CLASSES),
            np.array([clip.label for clip in clips], dtype=int),
            np.array([clip.speaker for clip in clips]),
            n_resamples,
            seed,
        )
        mapped = [name for names in kind.CLASSES.values() for name in names]
        loaded, extractor, provenance = load_model(
            model, revision=revision, heads=mapped, device=device, dtype="auto"
        )
        reference = read_reference(source, revision) if baseline else None
        if baseline and reference is None:
            raise EvaluationError(
                f"{provenance['model']} has no reference_scores.json, which z-scores need; "
                "examples/make_reference.py makes one"
            )
        scored = score_clips(clips, loaded, extractor, progress("Scoring", len(clips)))
        if not (scored.outcomes == "scored").any():
            raise EvaluationError(f"{root}: not one of {len(clips)} clips could be decoded")
        del loaded
        heard = set(heard_speakers(source, corpus, revision)) & set(truth.speaker.tolist())
        parts = _parts(truth.speaker, heard)
        name = str(provenance["model"])
        rows = _model_rows(name, scored.scores, scored, kind.CLASSES, truth, parts, {})
        if reference is not None:
            known = {clip_id[:16] for clip_id in reference.clip_ids}
            inside = np.array([clip_id[:16] in known for clip_id in scored.clip_ids])
            about = {"clips": reference.clips, "n_clips": reference.n_clips}
            rows += _model_rows(
                f"{name}, z-scores", z_scores(scored.scores, reference), scored, kind.CLASSES,
                truth, parts, {"reference": about}, inside,
            )  # fmt: skip
        folds = np.array([clip.fold for clip in clips])
        features: dict[str, np.ndarray] = {}
        if supervised is not None:
            advance = progress("Encoding", len(clips))
            features |= state_features(clips, supervised, states_cache, advance)
        if acoustic:
            features |= acoustic_features(clips, progress("Measuring", len(clips)))
        advance = progress("Learning", len(features) * (len(set(folds)) + N_RANDOM + bool(heard)))
        for system, table in features.items():
            protocols = _protocols(kind.FOLDS, folds, truth, heard, ~np.isnan(table).all(axis=1))
            for protocol, (splits, used) in protocols.items():
                tested = classify(table[used], truth.label[used], splits, advance)
                answers = np.flatnonzero(used)[tested.rows]
                wanted = np.isin(truth.speaker, np.unique(truth.speaker[answers]))
                outcomes = Counter(np.where(used, "scored", "decode_error")[wanted].tolist())
                rows.append(
                    _row(
                        system,
                        protocol,
                        Calls(None, tested.said),
                        truth,
                        answers,
                        outcomes,
                        {"top1_of_splits": tested.top1},
                    )
                )
        published = kind.PUBLISHED["clips"]
    return {
        "format": 1,
        "kind": "generalization",
        "made": {"time": datetime.now(UTC).isoformat(timespec="seconds"), "package": __version__},
        "corpus": {
            "name": corpus,
            "source": Path(root).resolve().name,
            "clips": len(truth.label),
            "published_clips": published,
            "speakers": sorted(set(truth.speaker.tolist())),
            "classes": {
                name: int((truth.label == number).sum())
                for number, name in enumerate(truth.classes)
            },
            "median_duration_s": float(np.nanmedian(scored.duration_s)),
        },
        "model": provenance,
        "rule": (
            f"softmax over {len(mapped)} mapped emotions on the heads' own scale, 0 to 4 (the "
            f"paper names none); a class is present above {THRESHOLD} / {len(mapped)}"
        ),
        "rows": rows,
        "floors": [row for part in parts.items() for row in _floors(truth, scored, *part)],
        "published": published_rows(corpus),
    }


def published_rows(corpus: str) -> list[dict[str, Any]]:
    """Table 7 on a corpus: hit rates of the paper's model, accuracies of supervised ones.

    Example:
        >>> [row["overall"] or row["top1"] for row in published_rows("emodb")]
        [0.706, 0.849, 0.982, 0.99]
    """
    rows = []
    for row in published_table7():
        if row["data"].lower() != corpus:
            continue
        cells = [v for k, v in row.items() if k not in ("model", "data", "overall") and v == v]
        # The corpora spell a class differently, but both are in alphabetical order.
        names = list(ACTED[corpus].CLASSES) if cells else []
        per_class = {n: round(v / 100, 4) for n, v in zip(names, cells, strict=True)}
        figure = round(row["overall"] / 100, 4)
        hits = {"overall": figure, "top1": None} if cells else {"overall": None, "top1": figure}
        rows.append({"system": row["model"], **hits, "per_class": per_class})
    return rows


def _parts(speaker: np.ndarray, heard: set[str]) -> dict[str, np.ndarray]:
    """Protocol -> which clips it is about."""
    everyone = np.ones(len(speaker), bool)
    if not heard:
        return {"zero-shot": everyone}
    new, n = ~np.isin(speaker, sorted(heard)), len(set(speaker.tolist()))
    every = {f"all {n} speakers, {len(heard)} of them from its training": everyone}
    unheard = {f"{n - len(heard)} speakers not in its training": new} if new.any() else {}
    return unheard | every


def _model_rows(
    system: str,
    scores: Mapping[str, np.ndarray],
    scored: Scored,
    classes: Mapping[str, Sequence[str]],
    truth: Truth,
    parts: Mapping[str, np.ndarray],
    more: dict[str, Any],
    inside: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    rows = []
    for protocol, part in parts.items():
        used = np.flatnonzero(part & (scored.outcomes == "scored"))
        calls = call_classes({name: values[used] for name, values in scores.items()}, classes)
        outcomes = Counter(scored.outcomes[part].tolist())
        # Never silently: a clip that is in the reference helps to judge itself.
        shared = {} if inside is None else {"clips_in_reference": int(inside[used].sum())}
        rows.append(_row(system, protocol, calls, truth, used, outcomes, more | shared))
    return rows


def _row(
    system: str,
    protocol: str,
    calls: Calls,
    truth: Truth,
    used: np.ndarray,
    outcomes: Mapping[str, int],
    more: dict[str, Any],
) -> dict[str, Any]:
    """A row of the result; `used` are the clips answered, in the order of the calls."""
    found = rates(
        calls,
        truth.label[used],
        truth.speaker[used],
        len(truth.classes),
        n_resamples=truth.n_resamples,
        seed=truth.seed,
    )
    for part in (found, found["intervals"]):
        part["per_class"] = dict(zip(truth.classes, part["per_class"], strict=True))
    undefined: dict[str, str] = {}
    if calls.present is None:
        undefined |= dict.fromkeys((*OVERALL[:4], *OF_CLASSES[:2]), NO_CALLS)
    if calls.top is None:
        undefined |= dict.fromkeys((*OVERALL[4:], *OF_CLASSES[2:]), NO_ANSWER)
    return {
        "system": system,
        "protocol": protocol,
        "clips": len(np.unique(used)),
        "answers": len(used),
        "speakers": sorted(set(truth.speaker[used].tolist())),
        "outcomes": dict(outcomes),
        **found,
        "undefined": undefined,
        **more,
    }


def _floors(truth: Truth, scored: Scored, protocol: str, part: np.ndarray) -> list[dict[str, Any]]:
    """The most frequent class for every clip, and every class for every clip."""
    used = np.flatnonzero(part & (scored.outcomes == "scored"))
    n_classes = len(truth.classes)
    common = int(np.bincount(truth.label[used], minlength=n_classes).argmax())
    always = Calls(
        np.tile(np.arange(n_classes) == common, (len(used), 1)), np.full(len(used), common)
    )
    every = Calls(np.ones((len(used), n_classes), bool), None)
    outcomes = {"scored": len(used)}
    return [
        _row(f"always {truth.classes[common]}", protocol, always, truth, used, outcomes, {}),
        _row("every class present", protocol, every, truth, used, outcomes, {}),
    ]


def _protocols(
    folds_in_words: str, folds: np.ndarray, truth: Truth, heard: set[str], usable: np.ndarray
) -> dict[str, tuple[Splits, np.ndarray]]:
    """Protocol -> its splits, of the rows that are usable, and which these are."""
    rows = np.flatnonzero(usable)
    found = {
        folds_in_words: (fold_splits(folds[rows]), usable),
        f"random 80/20, {N_RANDOM} times": (random_splits(len(rows), truth.seed), usable),
    }
    taught = np.isin(truth.speaker[rows], sorted(heard))
    if taught.any() and not taught.all():
        split = (np.flatnonzero(taught), np.flatnonzero(~taught))
        found[f"taught the model's {len(heard)} speakers"] = ([split], usable)
    return found
