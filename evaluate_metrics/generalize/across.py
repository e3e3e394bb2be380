"""Several corpora in one table, on the classes that all of them have.

The model answers as on one corpus, of the shared classes alone. What can be taught is taught all
other corpora and tested on the one left out, so that neither its voices nor its room, language or
sentences were met: leave one corpus out (Schuller et al. 2010, "Cross-corpus acoustic emotion
recognition", IEEE Transactions on Affective Computing 1, 119-131). Intervals are by speaker; every
two systems are compared on the clips that both answered, corrected after Holm on each corpus.
"""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dataset_scripts.corpora.coarse import common_class
from dataset_scripts.corpora.corpus import ActedCorpus
from evaluate_metrics.bench.result import EvaluationError
from evaluate_metrics.generalize.clips import corpus_kind
from evaluate_metrics.generalize.result import (
    Heard,
    Progress,
    Truth,
    hear,
    made_now,
    make_row,
    protocols_of,
)
from evaluate_metrics.generalize.schema import AcrossResult, ComparedRows, Row
from evaluate_metrics.generalize.supervised import classify
from evaluate_metrics.generalize.zero_shot import Calls, call_classes, compare_answers
from modeling_empathic.report.statistics import holm


class _Shared(NamedTuple):
    """A corpus's clips of the shared classes.

    Attributes:
        heard: The corpus.
        own: Its own names of the shared classes, in their common order.
        rows: `(clips,)` numbers of these clips among all.
        label: `(clips,)` number of each's shared class.
    """

    heard: Heard
    own: list[str]
    rows: np.ndarray
    label: np.ndarray


class _Said(NamedTuple):
    """A system's answers: which of a corpus's clips, and the shared class of each."""

    rows: np.ndarray
    answers: np.ndarray


def generalize_across(
    corpora: Mapping[str, str | Path],
    model: str | None = None,
    *,
    classes: Mapping[str, str] | None = None,
    split: str | None = None,
    config: str | None = None,
    **how: Any,
) -> AcrossResult:
    """Measures every system on corpora not taught to it, and each corpus as `generalize` does.

    Args:
        corpora: Name -> folder, two or more; see `generalize`.
        model: Short name, folder or Hub id; None for Nano.
        classes: What labels of those that are anybody's mean, where they are no words for a class.
        split: Of those that are data sets; by default all.
        config: Of those that are data sets.
        **how: As `result.hear` takes it.

    Raises:
        EvaluationError: One corpus, or fewer than two classes that all have; as `generalize`.
    """
    kinds = {
        name: (corpus_kind(name, root, None, classes, split, config), root)
        for name, root in corpora.items()
    }
    return measure_across(kinds, model, **how)


def measure_across(
    kinds: Mapping[str, tuple[type[ActedCorpus], str | Path]],
    model: str | None = None,
    *,
    progress: Progress = lambda verb, total: lambda: None,
    **how: Any,
) -> AcrossResult:
    """[`generalize_across`] of corpora that have been read, by `corpus_kind`, and their folders."""
    shared_names = shared_classes({name: list(kind.CLASSES) for name, (kind, _) in kinds.items()})
    heard = hear(kinds, model, progress=progress, **how)
    shared = {name: _share(of, shared_names) for name, of in heard.items()}
    empty = [name for name, of in shared.items() if not len(of.rows)]
    if empty:
        raise EvaluationError(f"{empty[0]} has no clip of the classes {', '.join(shared_names)}")
    systems = list(next(iter(heard.values())).features)
    advance = progress("Learning", len(systems) * len(shared))
    rows: dict[str, list[Row]] = {}
    comparisons: dict[str, list[ComparedRows]] = {}
    for name, of in shared.items():
        truth = of.heard.truth._replace(classes=shared_names, label=_labels(of))
        said = {}
        rows[name] = []
        system = str(of.heard.result["model"]["model"])
        # Speakers of its training are no corpus never met; where it met all, the row says so.
        protocol, part, used = next(protocols_of(of.heard.scored, truth))
        said[system] = _zero_shot(of, np.intersect1d(used, of.rows))
        rows[name].append(_row(system, protocol, said[system], truth, of.rows[part[of.rows]]))
        others = [other for key, other in shared.items() if key != name]
        for system in systems:
            said[system] = _taught(of, others, system)
            advance()
            protocol = f"taught {', '.join(key for key in shared if key != name)}"
            rows[name].append(_row(system, protocol, said[system], truth, of.rows))
        comparisons[name] = _compared(said, truth)
    first = next(iter(heard.values())).result
    return {
        "format": 1,
        "kind": "generalization-across",
        "made": made_now(),
        "model": first["model"],
        "classes": shared_names,
        "chance": 1 / len(shared_names),
        "rows": rows,
        "comparisons": comparisons,
        "corpora": {name: of.result for name, of in heard.items()},
    }


def shared_classes(classes: Mapping[str, list[str]]) -> list[str]:
    """Common names of the classes that all corpora have, in alphabetical order.

    Raises:
        EvaluationError: One corpus, or fewer than two such classes.

    Example:
        >>> shared_classes({"a": ["angry", "calm", "sad"], "b": ["anger", "boredom", "sadness"]})
        ['anger', 'sadness']
    """
    if len(classes) < 2:
        raise EvaluationError("a table over corpora needs two of them")
    common = {name: {common_class(label) for label in of} for name, of in classes.items()}
    shared = sorted(set.intersection(*common.values()))
    if len(shared) < 2:
        own = "; ".join(f"{name}: {', '.join(sorted(of))}" for name, of in common.items())
        raise EvaluationError(f"the corpora share fewer than two classes ({own})")
    return shared


def _share(heard: Heard, classes: list[str]) -> _Shared:
    by_common = {common_class(name): i for i, name in enumerate(heard.truth.classes)}
    own = [heard.truth.classes[by_common[name]] for name in classes]
    place = np.full(len(heard.truth.classes), -1)
    place[[by_common[name] for name in classes]] = range(len(classes))
    label = place[heard.truth.label]
    rows = np.flatnonzero(label >= 0)
    return _Shared(heard, own, rows, label[rows])


def _labels(of: _Shared) -> np.ndarray:
    """`(all clips,)` of shared classes; -1 for the others, which no row is about."""
    label = np.full(len(of.heard.truth.label), -1)
    label[of.rows] = of.label
    return label


def _zero_shot(of: _Shared, used: np.ndarray) -> _Said:
    classes = {name: of.heard.kind.CLASSES[name] for name in of.own}
    scores = {name: values[used] for name, values in of.heard.scored.scores.items()}
    top = call_classes(scores, classes).top
    return _Said(used, np.zeros(0, int) if top is None else top)


def _taught(of: _Shared, others: list[_Shared], system: str) -> _Said:
    """A classifier's answers on one corpus that is taught the others."""
    parts = [*others, of]
    features = np.concatenate([part.heard.features[system][part.rows] for part in parts])
    labels = np.concatenate([part.label for part in parts])
    usable = ~np.isnan(features).all(axis=1)
    n = len(labels) - len(of.rows)
    train, test = (np.flatnonzero(usable[:n]), n + np.flatnonzero(usable[n:]))
    answers = classify(features, labels, [(train, test)])
    return _Said(of.rows[answers.rows - n], answers.said)


def _row(system: str, protocol: str, said: _Said, truth: Truth, about: np.ndarray) -> Row:
    outcomes = np.where(np.isin(about, said.rows), "scored", "decode_error")
    return make_row(system, protocol, Calls(None, said.answers), truth, said.rows, outcomes)


def _compared(said: Mapping[str, _Said], truth: Truth) -> list[ComparedRows]:
    """Every two systems on the clips that both answered."""
    found: list[ComparedRows] = []
    for a, b in combinations(said, 2):
        rows, in_a, in_b = np.intersect1d(said[a].rows, said[b].rows, return_indices=True)
        tested = compare_answers(
            said[a].answers[in_a],
            said[b].answers[in_b],
            truth.label[rows],
            truth.speaker[rows].tolist(),
            len(truth.classes),
            n_resamples=truth.n_resamples,
            seed=truth.seed,
        )
        found.append({"a": a, "b": b, "clips": len(rows), **tested._asdict(), "p_holm": np.nan})  # type: ignore[typeddict-item]
    for pair, p in zip(found, holm([pair["p"] for pair in found]), strict=True):
        pair["p_holm"] = p
    return found
