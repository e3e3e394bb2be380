"""From synthetic to acted speech: the paper's Table 7 for any model, on any corpus of classes.

One row a system and protocol: the model by the rule of section 4.2 (`zero_shot.py`), if asked for
also on z-scores against its own reference clips, and classifiers that are taught the corpus
(`supervised.py`). Floors and the paper's rows stand beside them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from dataset_scripts.corpora.corpus import ActedCorpus
from dataset_scripts.corpora.folder import UNKNOWN, FolderCorpus
from evaluate_metrics.bench.result import EvaluationError
from evaluate_metrics.generalize.clips import (
    Progress,
    Scored,
    corpus_kind,
    mapped_heads,
    met_speakers,
    open_corpus,
    score_clips,
)
from evaluate_metrics.generalize.published_rows import published_rows
from evaluate_metrics.generalize.schema import OF_CLASSES, OVERALL, Result, Row
from evaluate_metrics.generalize.supervised import (
    N_RANDOM,
    Splits,
    acoustic_features,
    classify,
    fold_splits,
    random_splits,
    state_features,
)
from evaluate_metrics.generalize.zero_shot import NOT_TAUGHT, THRESHOLD, Calls, call_classes, rates
from modeling_empathic.reference_scores import Reference, read_reference, z_scores

_REASONS = 5  # of failures, by name
NO_CALLS = "one answer a clip: nothing is called present"
NO_ANSWER = "calls every class present: no single answer"


class Truth(NamedTuple):
    """What is known of the clips before anyone hears them.

    Attributes:
        classes: Names.
        label: `(clips,)`, the number of each clip's class.
        speaker: `(clips,)` of strings.
        fold: `(clips,)`, speaker-independent.
        heard: Speakers that the model was trained on.
        n_resamples: Of the intervals.
        seed: Of the intervals and of random splits.
    """

    classes: list[str]
    label: np.ndarray
    speaker: np.ndarray
    fold: np.ndarray
    heard: list[str]
    n_resamples: int
    seed: int


class Heard(NamedTuple):
    """A corpus as the systems heard it.

    Attributes:
        kind: The corpus.
        truth: What is known of its clips.
        scored: The model's scores of them.
        features: System that can be taught -> `(clips, features)`, NaN where a clip has none.
        result: All figures on this corpus alone.
    """

    kind: type[ActedCorpus]
    truth: Truth
    scored: Scored
    features: dict[str, np.ndarray]
    result: Result


def generalize(
    root: str | Path,
    corpus: str,
    model: str | None = None,
    *,
    labels: str | Path | None = None,
    classes: Mapping[str, str] | None = None,
    split: str | None = None,
    config: str | None = None,
    **how: Any,
) -> Result:
    """Measures how well a model's emotions tell a corpus's classes apart.

    Where the model's `training.json` names speakers of this corpus (`training.<corpus>_speakers`),
    it comes twice: on the other speakers, and on all of them, which is no test.

    Args:
        root: The corpus in its own files, or what `emonet-voice bench build` made of it.
        corpus: `"emodb"`, `"nemo"`, `"ravdess"`, or any name for one of anybody's.
        model: Short name, folder or Hub id; None for Nano.
        labels: The folder's table or a pattern (see `dataset_scripts.corpora.folder`).
        classes: What its labels mean, where they are no words for a class.
        split: Of a data set; by default all.
        config: Of a data set.
        **how: As [`hear`] takes it.

    Returns:
        The result, which JSON can hold.

    Raises:
        EvaluationError: A corpus, encoder or cache that cannot be used, a model without reference.
        RawReleaseError: A folder that is not the corpus.
        ScoringError: A model that cannot be loaded.
    """
    kind = corpus_kind(corpus, root, labels, classes, split, config)
    return hear({corpus: (kind, root)}, model, **how)[corpus].result


def hear(
    corpora: Mapping[str, tuple[type[ActedCorpus], str | Path]],
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
) -> dict[str, Heard]:
    """Gives every corpus to every system, the model loaded once.

    Args:
        corpora: Name -> what `corpus_kind` says it is, and its folder.
        model: Short name, folder or Hub id; None for Nano.
        revision: Of a model on the Hub.
        device: As `emonet-voice score` takes it; also of the encoder that is classified.
        baseline: Also rows on z-scores against the model's `reference_scores.json`.
        supervised: A Whisper checkpoint whose states are classified.
        states_cache: An `.npz` file to keep these states in.
        acoustic: Also classify acoustic features.
        n_resamples: Of the intervals.
        seed: Of the intervals and the random splits.
        progress: See [`Progress`].

    Returns:
        By name, in the same order. Raises what [`generalize`] raises.
    """
    from modeling_empathic.scoring.loading import load_model
    from modeling_empathic.scoring.short_names import locate

    for name, (kind, _) in corpora.items() if supervised is not None or acoustic else ():
        if issubclass(kind, FolderCorpus) and len({r["speaker"] for r in kind.ROWS.values()}) < 2:
            raise EvaluationError(
                f"{name} has one speaker, or none is known: what is taught (supervised, acoustic) "
                "is tested on speakers that it did not hear; say who speaks, or leave it out"
            )
    source = locate(model)
    heads = mapped_heads(kind for kind, _ in corpora.values())
    reference = _reference(source, revision) if baseline else None
    loaded, extractor, provenance = load_model(
        source, revision=revision, heads=heads, device=device, dtype="auto"
    )
    heard = {}
    for name, (kind, root) in corpora.items():
        with open_corpus(root, kind, progress) as clips:
            scored = score_clips(clips, loaded, extractor, progress("Scoring", len(clips)))
            if not (scored.outcomes == "scored").any():
                raise EvaluationError(f"{root}: not one of {len(clips)} clips could be decoded")
            features: dict[str, np.ndarray] = {}
            if supervised is not None:
                advance = progress("Encoding", len(clips))
                features |= state_features(clips, supervised, states_cache, advance, device)
            if acoustic:
                features |= acoustic_features(clips, progress("Measuring", len(clips)))
        truth = Truth(
            list(kind.CLASSES),
            np.array([clip.label for clip in clips], dtype=int),
            np.array([clip.speaker for clip in clips]),
            np.array([clip.fold for clip in clips]),
            met_speakers(clips, kind, source, name, revision),
            n_resamples,
            seed,
        )
        n_splits = len(set(truth.fold)) + N_RANDOM + bool(truth.heard)
        advance = progress("Learning", len(features) * n_splits)
        system = str(provenance["model"])
        rows = list(model_rows(system, scored, kind.CLASSES, truth))
        if reference is not None:
            z_name = f"{system}, z-scores"
            rows += model_rows(z_name, scored, kind.CLASSES, truth, reference)
        for taught, table in features.items():
            rows += _taught_rows(taught, table, kind.FOLDS, truth, advance)
        result = _result(name, root, kind, truth, scored, rows, provenance)
        heard[name] = Heard(kind, truth, scored, features, result)
    return heard


def made_now() -> dict[str, str]:
    """When a result is made, and by which version."""
    from modeling_empathic import __version__

    return {"time": datetime.now(UTC).isoformat(timespec="seconds"), "package": __version__}


def _result(
    corpus: str,
    root: str | Path,
    kind: type[ActedCorpus],
    truth: Truth,
    scored: Scored,
    rows: list[Row],
    provenance: dict[str, Any],
) -> Result:
    mapped = mapped_heads([kind])
    return {
        "format": 1,
        "kind": "generalization",
        "made": made_now(),
        "corpus": {
            "name": corpus,
            "title": kind.CARD["pretty_name"],
            "source": Path(root).resolve().name,
            "clips": len(truth.label),
            "published_clips": kind.PUBLISHED.get("clips", len(truth.label)),
            "speakers": sorted(set(truth.speaker.tolist())),
            "classes": {
                name: int((truth.label == number).sum())
                for number, name in enumerate(truth.classes)
            },
            "median_duration_s": float(np.nanmedian(scored.duration_s)),
            "not_as_said": _not_as_said(kind, root, scored.failed),
        },
        "model": provenance,
        "rule": (
            f"softmax over {len(mapped)} mapped emotions on the heads' own scale, 0 to 4 (the "
            f"paper names none); a class is present above {THRESHOLD} / {len(mapped)}"
        ),
        "rows": rows,
        "floors": list(_floors(scored, truth)),
        "published": published_rows(corpus),
    }


def _not_as_said(
    kind: type[ActedCorpus], root: str | Path, failed: Mapping[str, int]
) -> dict[str, int]:
    """What was left out of a folder of anybody's, and why clips of any corpus failed."""
    counts = dict(kind.ignored(root)) if issubclass(kind, FolderCorpus) else {}
    reasons = Counter(failed).most_common()
    counts |= {f"failed: {why:.100}": n for why, n in reasons[:_REASONS]}
    if rest := sum(n for _, n in reasons[_REASONS:]):
        counts["failed for other reasons"] = rest
    return counts


def _reference(source: str, revision: str | None) -> Reference:
    reference = read_reference(source, revision)
    if reference is None:
        name = Path(source).name if Path(source).is_dir() else source
        raise EvaluationError(
            f"{name} has no reference_scores.json, which z-scores need; "
            "examples/make_reference.py makes one"
        )
    return reference


def protocols_of(scored: Scored, truth: Truth) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each protocol of a model, which clips it is about, and the rows of those with scores."""
    everyone = np.ones(len(truth.speaker), bool)
    n_heard, n = len(truth.heard), len(set(truth.speaker.tolist()))
    parts = {NOT_TAUGHT: everyone}
    if n_heard:
        new = ~np.isin(truth.speaker, truth.heard)
        speakers = "1 speaker" if n - n_heard == 1 else f"{n - n_heard} speakers"
        unheard = {f"{speakers} not in its training": new} if new.any() else {}
        whole = f"all {n} speakers, {n_heard} of them from its training"
        if UNKNOWN in truth.heard:
            whole = "all clips, some by speakers from its training"
        parts = unheard | {whole: everyone}
    for protocol, part in parts.items():
        yield protocol, part, np.flatnonzero(part & (scored.outcomes == "scored"))


def model_rows(
    system: str,
    scored: Scored,
    classes: Mapping[str, Sequence[str]],
    truth: Truth,
    reference: Reference | None = None,
) -> Iterator[Row]:
    """A model by the paper's rule; with a reference, on z-scores against its clips."""
    scores = scored.scores if reference is None else z_scores(scored.scores, reference)
    for protocol, part, used in protocols_of(scored, truth):
        calls = call_classes({name: values[used] for name, values in scores.items()}, classes)
        row = make_row(system, protocol, calls, truth, used, scored.outcomes[part])
        if reference is not None:
            row["reference"] = {"clips": reference.clips, "n_clips": reference.n_clips}
            # Never silently: a clip that is in the reference helps to judge itself.
            known = {clip_id[:16] for clip_id in reference.clip_ids}
            row["clips_in_reference"] = sum(scored.clip_ids[i][:16] in known for i in used)
        yield row


def _taught_rows(
    system: str, features: np.ndarray, folds: str, truth: Truth, advance: Callable[[], None]
) -> Iterator[Row]:
    """A classifier that is taught features of the corpus, NaN where a clip has none."""
    usable = ~np.isnan(features).all(axis=1)
    outcomes = np.where(usable, "scored", "decode_error")
    rows = np.flatnonzero(usable)
    for protocol, splits in _protocols(folds, truth, rows).items():
        tested = classify(features[rows], truth.label[rows], splits, advance)
        answered = rows[tested.rows]
        part = np.isin(truth.speaker, truth.speaker[answered])
        row = make_row(system, protocol, Calls(None, tested.said), truth, answered, outcomes[part])
        row["top1_of_splits"] = tested.top1
        yield row


def _protocols(folds: str, truth: Truth, rows: np.ndarray) -> dict[str, Splits]:
    """Protocol of a classifier -> its splits of these rows."""
    protocols = {
        folds: fold_splits(truth.fold[rows]),
        f"random 80/20, {N_RANDOM} times": random_splits(len(rows), truth.seed),
    }
    taught = np.isin(truth.speaker[rows], truth.heard)
    if taught.any() and not taught.all():
        split = (np.flatnonzero(taught), np.flatnonzero(~taught))
        protocols[f"taught the model's {len(truth.heard)} speakers"] = [split]
    return protocols


def _floors(scored: Scored, truth: Truth) -> Iterator[Row]:
    """The most frequent class for every clip, and every class for every clip."""
    n_classes = len(truth.classes)
    for protocol, _, used in protocols_of(scored, truth):
        outcomes = scored.outcomes[used]
        common = int(np.bincount(truth.label[used], minlength=n_classes).argmax())
        top = np.full(len(used), common)
        always = Calls(np.eye(n_classes, dtype=bool)[top], top)
        yield make_row(f"always {truth.classes[common]}", protocol, always, truth, used, outcomes)
        every = Calls(np.ones((len(used), n_classes), bool), None)
        yield make_row("every class present", protocol, every, truth, used, outcomes)


def make_row(
    system: str,
    protocol: str,
    calls: Calls,
    truth: Truth,
    used: np.ndarray,
    outcomes: np.ndarray,
) -> Row:
    """A row of the result.

    Args:
        system: Its name.
        protocol: In words.
        calls: What the system says.
        truth: Of all clips.
        used: Numbers of the clips answered, in the order of the calls.
        outcomes: Of every clip that it is about.
    """
    measured = rates(
        calls,
        truth.label[used],
        truth.speaker[used],
        len(truth.classes),
        n_resamples=truth.n_resamples,
        seed=truth.seed,
    )
    undefined: dict[str, str] = {}
    if calls.present is None:
        undefined |= dict.fromkeys((*OVERALL[:4], *OF_CLASSES[:3]), NO_CALLS)
    if calls.top is None:
        undefined |= dict.fromkeys((*OVERALL[4:], *OF_CLASSES[3:]), NO_ANSWER)
    intervals = measured["intervals"]
    by_class = dict(zip(truth.classes, intervals["per_class"], strict=True))
    row = {
        "system": system,
        "protocol": protocol,
        "clips": len(np.unique(used)),
        "answers": len(used),
        "speakers": sorted(set(truth.speaker[used].tolist())),
        "outcomes": dict(Counter(outcomes.tolist())),
        **measured,
        "per_class": dict(zip(truth.classes, measured["per_class"], strict=True)),
        "intervals": {**intervals, "per_class": by_class},
        "undefined": undefined,
    }
    return cast(Row, row)  # mypy cannot know that no optional key comes from `measured`
