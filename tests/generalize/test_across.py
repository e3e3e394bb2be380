"""Corpora never met: which clips are taught, which are tested, and whose difference is real."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from evaluate_metrics.bench.result import EvaluationError
from evaluate_metrics.generalize import across, across_tables
from evaluate_metrics.generalize.across import generalize_across, shared_classes
from evaluate_metrics.generalize.clips import ACTED, Scored, mapped_heads
from evaluate_metrics.generalize.result import Heard, Truth
from evaluate_metrics.generalize.zero_shot import compare_answers


def heard_corpus(name, rng):
    """Sixty clips of six speakers that features tell apart, one of them without any."""
    kind = ACTED[name]
    classes = list(kind.CLASSES)
    label = rng.integers(0, len(classes), 60)
    features = rng.normal(size=(60, 4)) + 2 * np.array([hash_of(classes[i]) for i in label])
    features[0] = np.nan
    scores = {emotion: rng.normal(size=60) for emotion in mapped_heads([kind])}
    scored = Scored(scores, np.full(60, "scored"), [""] * 60, np.ones(60))
    speaker = np.repeat(list("abcdef"), 10)
    truth = Truth(classes, label, speaker, np.zeros(60, int), [], 300, 7)
    return Heard(kind, truth, scored, {"made": features}, {"model": {"model": "tiny"}})


def hash_of(name):
    """A place in space for a class, the same in every corpus."""
    from dataset_scripts.corpora.coarse import CLASS_SPELLINGS, common_class

    place = list(CLASS_SPELLINGS).index(common_class(name))
    return np.array([place % 2, place // 2 % 2, place // 4 % 2, place // 8])


@pytest.fixture
def two(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    heard = {name: heard_corpus(name, rng) for name in ("emodb", "nemo")}
    monkeypatch.setattr(across, "hear", lambda *args, **how: heard)
    return heard, generalize_across(dict.fromkeys(heard, tmp_path))


def test_a_classifier_is_taught_all_other_corpora_and_none_of_the_one_tested(two):
    heard, result = two
    assert result["classes"] == ["anger", "fear", "happiness", "neutral", "sadness"]
    common = {"emodb": heard["emodb"], "nemo": heard["nemo"]}
    parts = {}
    for name, of in common.items():
        names = [across.common_class(c) for c in of.truth.classes]
        words = np.array([names[i] for i in of.truth.label])
        rows = np.flatnonzero(np.isin(words, result["classes"])
                              & ~np.isnan(of.features["made"]).any(axis=1))  # fmt: skip
        parts[name] = (of.features["made"][rows], words[rows])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    said = model.fit(*parts["emodb"]).predict(parts["nemo"][0])
    row = result["rows"]["nemo"][1]
    assert row["protocol"] == "taught emodb"
    assert row["uar"] == pytest.approx(balanced_accuracy_score(parts["nemo"][1], said), abs=1e-12)
    assert row["outcomes"].get("decode_error", 0) <= 1
    assert row["answers"] == len(said)


def test_the_model_answers_of_the_shared_classes_alone(two):
    heard, result = two
    row = result["rows"]["emodb"][0]
    kind, truth, scored = heard["emodb"][:3]
    names = [c for c in kind.CLASSES if c in result["classes"]]
    rows = [i for i, c in enumerate(truth.label) if truth.classes[c] in names]
    said = [
        max(names, key=lambda c: max(scored.scores[emotion][i] for emotion in kind.CLASSES[c]))
        for i in rows
    ]
    acted = [truth.classes[truth.label[i]] for i in rows]
    assert row["uar"] == pytest.approx(balanced_accuracy_score(acted, said), abs=1e-12)
    assert result["chance"] == 1 / 5


def test_two_systems_are_compared_on_the_same_resamples_of_speakers():
    rng = np.random.default_rng(1)
    truth, a, b = (rng.integers(0, 3, 60) for _ in range(3))
    speakers = np.repeat(list("abcdef"), 10)
    found = compare_answers(a, b, truth, speakers.tolist(), 3, n_resamples=200, seed=5)
    drawn = np.random.default_rng(5).multinomial(6, np.full(6, 1 / 6), 200)
    differences = []
    for counts in drawn:
        rows = np.concatenate([
            np.tile(np.flatnonzero(speakers == name), n)
            for name, n in zip("abcdef", counts, strict=True)
        ])  # fmt: skip
        one, other = (balanced_accuracy_score(truth[rows], said[rows]) for said in (a, b))
        differences.append(one - other)
    error = np.std(differences) * np.sqrt(6 / 5)
    expected = balanced_accuracy_score(truth, a) - balanced_accuracy_score(truth, b)
    assert found.difference == pytest.approx(expected, abs=1e-12)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(expected) / error, 5), abs=1e-9)
    assert found.high == pytest.approx(expected + stats.t.ppf(0.975, 5) * error, abs=1e-9)


def test_a_corpus_that_the_model_was_trained_on_is_marked_with_a_footnote(two):
    _, result = two
    result["corpora"] = {name: {"corpus": {}} for name in result["rows"]}
    assert list(across_tables.across_sections(result)[0].headers[1:3]) == ["emodb", "nemo"]
    result["rows"]["emodb"][0]["protocol"] = "4 speakers not in its training"
    table = across_tables.across_sections(result)[0]
    assert list(table.headers[1:3]) == ["emodb*", "nemo"]
    assert "* tiny was trained on other clips of emodb; here: 4 speakers" in table.notes[0]


def test_corpora_without_two_common_classes_are_refused():
    with pytest.raises(EvaluationError, match=r"fewer than two classes .*a: anger, calm; b: anger"):
        shared_classes({"a": ["angry", "calm"], "b": ["anger", "boredom"]})
    with pytest.raises(EvaluationError, match="needs two"):
        shared_classes({"a": ["angry", "calm"]})


def test_a_corpus_without_a_figure_has_no_part_in_the_mean(two):
    _, result = two
    result["corpora"] = {name: {"corpus": {"title": name}} for name in result["rows"]}
    first = result["rows"]["emodb"][0]
    for nothing in (None, float("nan")):  # as JSON has it, and as it was measured
        result["rows"]["nemo"][0]["uar"] = nothing
        line = across_tables.across_sections(result)[0].rows[0].cells
        assert line[-1] == f"{100 * first['uar']:.1f}¹"
        notes = across_tables.across_sections(result)[0].notes
        assert "¹ over 1 of 2 corpora" in notes
