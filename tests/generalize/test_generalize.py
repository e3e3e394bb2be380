"""The paper's section 4.2 on coarse classes: the rule, its rates, intervals, and whole results."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn import metrics

from dataset_scripts.building.build import build
from dataset_scripts.corpora.raw_release import RawReleaseError
from evaluate_metrics.bench.result import EvaluationError
from evaluate_metrics.generalize.clips import (
    ACTED,
    CorpusClip,
    corpus_kind,
    met_speakers,
    open_corpus,
    score_clips,
)
from evaluate_metrics.generalize.published_rows import published_rows
from evaluate_metrics.generalize.result import generalize, protocols_of
from evaluate_metrics.generalize.tables import as_markdown, as_text
from evaluate_metrics.generalize.zero_shot import Calls, call_classes, rates
from modeling_empathic import NANO
from modeling_empathic.report.files import write_json
from modeling_empathic.taxonomy import EMODB_CLASSES, RAVDESS_CLASSES
from tests.support.generalize_maker import emodb_folder, forty_heads, ravdess_folder
from tests.support.scoring_fakes import write_clip

MAPPED = [name for names in EMODB_CLASSES.values() for name in names]
score_tables = arrays(float, (5, len(MAPPED)), elements=st.floats(-1, 5, width=32))


def by_name(values):
    return dict(zip(MAPPED, values.T, strict=True))


@given(score_tables)
def test_the_rule_is_the_papers_clip_by_clip(values):
    calls = call_classes(by_name(values), EMODB_CLASSES)
    for clip in range(len(values)):
        raised = {name: math.exp(values[clip, i]) for i, name in enumerate(MAPPED)}
        total = sum(raised.values())
        for number, names in enumerate(EMODB_CLASSES.values()):
            largest = max(raised[name] / total for name in names)
            if abs(largest - 1.5 / 37) > 1e-12:
                assert calls.present[clip, number] == (largest > 1.5 / 37)


@given(score_tables)
def test_the_top_class_has_the_highest_emotion(values):
    top = call_classes(by_name(values), EMODB_CLASSES).top
    names = list(EMODB_CLASSES.values())
    for clip, number in enumerate(top):
        mine = max(values[clip, MAPPED.index(name)] for name in names[number])
        assert mine == pytest.approx(values[clip].max(), abs=1e-6)


@given(score_tables, st.floats(-3, 3))
def test_raising_all_scores_alike_changes_no_answer(values, shift):
    values = np.round(values, 2)  # differences that survive the addition
    one, other = (call_classes(by_name(v), EMODB_CLASSES) for v in (values, values + shift))
    assert (one.present == other.present).all()


def test_emotions_that_no_class_has_take_no_part():
    scores = {name: np.zeros(1) for name in MAPPED}
    calls = call_classes(scores | {"Sexual Lust": np.array([9.0])}, EMODB_CLASSES)
    assert not calls.present.any()


def test_a_missing_or_undefined_emotion_is_named():
    scores = {name: np.zeros(1) for name in MAPPED}
    with pytest.raises(EvaluationError, match="no scores of Fear, Distress"):
        call_classes({k: v for k, v in scores.items() if k not in ("Fear", "Distress")},
                     EMODB_CLASSES)  # fmt: skip
    with pytest.raises(EvaluationError, match="scores of Fear are not all numbers"):
        call_classes(scores | {"Fear": np.array([np.nan])}, EMODB_CLASSES)


@st.composite
def answers(draw):
    n = draw(st.integers(4, 40))
    truth = draw(arrays(int, n, elements=st.integers(0, 3)))
    said = draw(arrays(int, n, elements=st.integers(0, 3)))
    present = draw(arrays(bool, (n, 4)))
    speakers = draw(st.lists(st.sampled_from("abcde"), min_size=n, max_size=n))
    return truth, said, present, speakers


@settings(max_examples=40)
@given(answers())
def test_one_answer_a_clip_agrees_with_scikit_learn(made):
    truth, said, present, speakers = made
    measured = rates(Calls(present, said), truth, speakers, 4, n_resamples=0)
    there = np.unique(truth)
    assert measured["top1"] == pytest.approx(metrics.accuracy_score(truth, said))
    recall = metrics.recall_score(truth, said, labels=there, average="macro", zero_division=0)
    assert measured["uar"] == pytest.approx(recall)
    f1 = metrics.f1_score(truth, said, labels=there, average="macro", zero_division=0)
    assert measured["macro_f1"] == pytest.approx(f1)
    matrix = metrics.confusion_matrix(truth, said, labels=range(4))
    assert measured["confusion"] == matrix.tolist()


def test_uar_is_balanced_accuracy():
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 3, 50), rng.integers(0, 3, 50)
    measured = rates(Calls(None, said), truth, ["a"] * 50, 3, n_resamples=0)
    assert measured["uar"] == pytest.approx(metrics.balanced_accuracy_score(truth, said))


@given(answers())
def test_calls_are_counted_as_a_loop_counts_them(made):
    truth, said, present, speakers = made
    measured = rates(Calls(present, said), truth, speakers, 4, n_resamples=0)
    n = len(truth)
    hits = sum(bool(present[i, truth[i]]) for i in range(n))
    wrong = sum(bool(present[i, c]) for i in range(n) for c in range(4) if c != truth[i])
    assert measured["overall"] == pytest.approx(hits / n)
    assert measured["false_alarm_rate"] == pytest.approx(wrong / (3 * n))
    assert measured["classes_a_clip"] == pytest.approx((hits + wrong) / n)
    shuffled = np.mean([present[i, truth[j]] for i in range(n) for j in range(n)])
    assert measured["overall_shuffled"] == pytest.approx(shuffled)
    for c, row in enumerate(measured["per_class"]):
        own = [bool(present[i, c]) for i in range(n) if truth[i] == c]
        others = [bool(present[i, c]) for i in range(n) if truth[i] != c]
        assert row["n"] == len(own)
        every = own + others
        for name, calls in (
            ("hit_rate", own),
            ("false_alarms", others),
            ("hit_rate_shuffled", every),
        ):
            assert row[name] == pytest.approx(np.mean(calls) if calls else np.nan, nan_ok=True)


def test_intervals_are_those_of_a_loop_over_whole_speakers():
    rng = np.random.default_rng(1)
    speakers = np.repeat(list("abcdef"), 10)
    truth, said = rng.integers(0, 3, 60), rng.integers(0, 3, 60)
    measured = rates(Calls(None, said), truth, speakers, 3, n_resamples=200, seed=7)
    drawn = np.random.default_rng(7).multinomial(6, np.full(6, 1 / 6), 200)
    uar = []
    for counts in drawn:
        rows = [
            i
            for letter, count in zip("abcdef", counts, strict=True)
            for i in np.flatnonzero(speakers == letter).tolist() * count
        ]
        uar.append(metrics.balanced_accuracy_score(truth[rows], said[rows]))
    interval = measured["intervals"]["uar"]
    outer = stats.norm.cdf(stats.t.ppf([0.025, 0.975], 5) * np.sqrt(6 / 5))
    low, high = np.quantile(uar, outer)
    half = stats.t.ppf(0.975, 5) * np.std(uar) * np.sqrt(6 / 5)
    low, high = min(low, np.mean(uar) - half), max(high, np.mean(uar) + half)
    assert (interval["low"], interval["high"]) == pytest.approx((low, high))
    assert measured["bootstrap"]["n_units"] == 6


@settings(max_examples=40)
@given(answers(), st.randoms(use_true_random=False))
def test_the_order_of_the_clips_does_not_matter(made, random):
    truth, said, present, speakers = made
    order = random.sample(range(len(truth)), len(truth))
    one = rates(Calls(present, said), truth, speakers, 4, n_resamples=50)
    shuffled = Calls(present[order], said[order])
    other = rates(shuffled, truth[order], [speakers[i] for i in order], 4, n_resamples=50)
    np.testing.assert_equal(other, one)


def test_of_three_speakers_the_interval_covers_the_unweighted_average_recall():
    rng = np.random.default_rng(0)
    truth, speaker = np.tile([0, 1], 300), np.repeat(list("abc"), 200)
    covered = []
    for seed in range(120):
        skill = rng.normal(0.5, 0.15, 3).clip(0, 1)[np.repeat(range(3), 200)]
        said = np.where(rng.random(600) < skill, truth, 1 - truth)
        of = rates(Calls(None, said), truth, speaker, 2, n_resamples=100, seed=seed)["intervals"]
        covered.append(of["uar"]["low"] <= 0.5 <= of["uar"]["high"])
        assert 0 <= of["uar"]["low"] <= of["uar"]["high"] <= 1
    assert np.mean(covered) > 0.9  # 0.7 where none is beyond the best and the worst speaker


def test_one_speaker_gives_no_interval_and_the_reason():
    measured = rates(Calls(None, np.array([0, 1])), np.array([0, 1]), ["a", "a"], 2)
    interval = measured["intervals"]["top1"]
    assert math.isnan(interval["low"])
    assert interval["reason"] == "fewer than two speakers to draw from"


@pytest.mark.parametrize("corpus", ["emodb", "ravdess"])
def test_the_papers_overall_is_the_share_of_all_clips_not_the_mean_of_classes(corpus):
    row = published_rows(corpus)[0]
    counts = {name: ACTED[corpus].PUBLISHED[f"label: {name}"] for name in row["per_class"]}
    share = sum(row["per_class"][c] * n for c, n in counts.items()) / sum(counts.values())
    assert share == pytest.approx(row["overall"], abs=0.001)
    assert abs(np.mean(list(row["per_class"].values())) - row["overall"]) > 0.003


@pytest.fixture(scope="module")
def nano_like(tmp_path_factory):
    return forty_heads(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def emodb(tmp_path_factory):
    return emodb_folder(tmp_path_factory.mktemp("corpora") / "emodb")


@pytest.fixture(scope="module")
def result(nano_like, emodb):
    return generalize(emodb, "emodb", str(nano_like), n_resamples=20)


def test_a_model_that_never_heard_the_corpus_is_zero_shot(result):
    (row,) = result["rows"]
    assert (row["system"], row["protocol"], row["clips"]) == ("tiny", "not taught here", 12)
    assert list(row["per_class"]) == list(EMODB_CLASSES)
    assert row["outcomes"] == {"scored": 12}
    assert result["corpus"]["published_clips"] == 535


def test_floors_say_always_and_everything(result):
    always, every = result["floors"]
    assert always["system"] == "always anger"
    assert always["top1"] == always["overall"] == pytest.approx(6 / 12)
    assert always["classes_a_clip"] == 1
    assert (every["overall"], every["false_alarm_rate"], every["classes_a_clip"]) == (1, 1, 7)
    assert math.isnan(every["top1"])
    assert every["undefined"]["top1"] == "calls every class present: no single answer"


def test_the_same_corpus_built_as_parquet_gives_the_same_figures(
    nano_like, emodb, result, tmp_path
):
    build(emodb, tmp_path / "built", corpus="emodb", assert_counts=False)
    again = generalize(tmp_path / "built", "emodb", str(nano_like), n_resamples=20)
    np.testing.assert_equal(again["rows"], result["rows"])


@pytest.fixture
def quick_acoustics(monkeypatch):
    """Features that take no time."""
    from modeling_empathic.acoustics import FEATURES
    from modeling_empathic.acoustics_files import Outcome

    rng = np.random.default_rng(0)

    def measure(paths):
        for path in paths:
            yield Outcome(path, dict(zip(FEATURES, rng.normal(size=len(FEATURES)), strict=True)))

    monkeypatch.setattr("modeling_empathic.acoustics_files.acoustics_files", measure)


def test_ravdess_has_eight_classes_and_its_own_folds(nano_like, tmp_path, quick_acoustics):
    root = ravdess_folder(tmp_path / "raw")
    result = generalize(root, "ravdess", str(nano_like), acoustic=True, n_resamples=10)
    assert list(result["rows"][0]["per_class"]) == list(RAVDESS_CLASSES)
    protocols = [row["protocol"] for row in result["rows"]]
    assert protocols == ["not taught here", "six folds of four speakers", "random 80/20, 10 times"]
    folds = result["rows"][1]
    assert folds["answers"] == folds["clips"] == result["corpus"]["clips"]
    assert folds["undefined"]["overall"] == "one answer a clip: nothing is called present"


def test_a_clip_that_fails_is_counted_and_left_out(nano_like, tmp_path):
    root = emodb_folder(tmp_path / "emodb")
    (root / "03a01Wa.wav").write_bytes(b"no audio")
    result = generalize(root, "emodb", str(nano_like), n_resamples=0)
    assert result["rows"][0]["outcomes"] == {"scored": 11, "decode_error": 1}
    assert result["rows"][0]["answers"] == sum(map(sum, result["rows"][0]["confusion"])) == 11
    assert "1 clips failed and are left out" in " ".join(as_text(result).split())


def test_a_clips_score_is_the_mean_of_its_windows_weighted_by_their_length(nano_like, tmp_path):
    from modeling_empathic.scoring.clips import score_files
    from modeling_empathic.scoring.loading import load_model

    path = str(write_clip(tmp_path / "long.wav", seconds=36))
    model, extractor, _ = load_model(
        str(nano_like), revision=None, heads=["Anger"], device="cpu", dtype="auto"
    )
    first, rest = score_files([path], model, extractor)
    clip = CorpusClip(path, "long.wav", 0, "03", 0)
    scored = score_clips([clip], model, extractor, lambda: None)
    assert first["Anger"] != rest["Anger"]
    assert scored.scores["Anger"][0] == pytest.approx((5 * first["Anger"] + rest["Anger"]) / 6)
    assert scored.duration_s[0] == 36


def test_speakers_of_the_training_are_told_apart(emodb, tmp_path, quick_acoustics):
    folder = forty_heads(tmp_path / "tiny")
    (folder / "training.json").write_text(json.dumps({"training": {"emodb_speakers": ["03"]}}))
    result = generalize(emodb, "emodb", str(folder), acoustic=True, n_resamples=0)
    unheard, everyone, *_, same_split = result["rows"]
    assert unheard["protocol"] == "3 speakers not in its training"
    assert "03" not in unheard["speakers"]
    assert everyone["protocol"] == "all 4 speakers, 1 of them from its training"
    assert same_split["protocol"] == "taught the model's 1 speakers"
    assert same_split["speakers"] == unheard["speakers"]
    lines = as_text(result).splitlines()
    assert any(line.startswith("tiny¹") for line in lines)  # not a name of five lines
    assert "¹ 3 speakers not in its training" in lines
    for mark in "¹²":  # rows of equal figures share a line, so that place alone says nothing
        assert any(line.startswith(f"   by chance{mark}") for line in lines)


def test_a_copy_of_a_corpus_of_the_training_is_known_by_its_files_names(tmp_path):
    names = {"03a01Wa": "ann", "12a01Wa": "bob", "12a02Fa": "bob", "08a01Fa": "eve", "x": "zoe"}
    lines = ["file,label,speaker"]
    for name, speaker in names.items():
        (tmp_path / f"{name}.wav").touch()
        lines.append(f"{name}.wav,{'anger' if 'W' in name else 'happy'},{speaker}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    kind = corpus_kind("mine", tmp_path)
    with open_corpus(tmp_path, kind) as clips:
        assert met_speakers(clips, kind, str(NANO), "mine") == ["ann", "eve"]


def test_speakers_whom_nobody_knows_are_not_counted():
    truth = SimpleNamespace(speaker=np.array(["unknown"] * 2), heard=["unknown"])
    scored = SimpleNamespace(outcomes=np.array(["scored"] * 2))
    (protocol, _, used), *others = protocols_of(scored, truth)
    assert protocol == "all clips, some by speakers from its training" and not others
    assert used.tolist() == [0, 1]


def test_clips_that_are_in_the_reference_are_counted_beside_the_row(emodb, tmp_path):
    from modeling_empathic.reference_scores import FILE_NAME, make_reference, write_reference

    folder = forty_heads(tmp_path / "tiny")
    with pytest.raises(EvaluationError, match=r"has no reference_scores\.json"):
        generalize(emodb, "emodb", str(folder), baseline=True)
    from dataset_scripts.building.manifest import sha256

    known = [sha256(emodb / name) for name in ("03a01Wa.wav", "08a01Wa.wav")]
    scores = {name: [0.0, 1.0] for name in MAPPED}
    write_reference(
        make_reference(scores, clips="Two.", model="m", revision="r", clip_ids=known),
        folder / FILE_NAME,
    )
    result = generalize(emodb, "emodb", str(folder), baseline=True, n_resamples=0)
    z = result["rows"][1]
    assert (z["system"], z["clips_in_reference"]) == ("tiny, z-scores", 2)
    assert z["reference"] == {"clips": "Two.", "n_clips": 2}
    assert "2 of 12 clips are among the reference clips" in " ".join(as_text(result).split())


def test_tables_fit_80_columns_and_survive_being_stored(result, tmp_path):
    write_json(tmp_path / "result.json", result)
    stored = json.loads((tmp_path / "result.json").read_text())
    for table in (result, stored):
        text = as_text(table)
        assert max(map(len, text.splitlines())) <= 80
        assert "every class present" in text
        assert "paper: HuBERT" in text
    assert as_markdown(stored) == as_markdown(result)


def test_another_corpus_or_a_built_one_of_another_kind_is_named(emodb, tmp_path):
    with pytest.raises(EvaluationError, match="unknown corpus 'iemocap'; choose from emodb, nemo"):
        generalize(emodb, "iemocap")
    build(emodb, tmp_path / "built", corpus="emodb", assert_counts=False)
    with (
        pytest.raises(EvaluationError, match="classes are not those of RAVDESS"),
        open_corpus(tmp_path / "built", ACTED["ravdess"]),
    ):
        pass
    with (
        pytest.raises(RawReleaseError, match="no such folder"),
        open_corpus("nowhere", ACTED["emodb"]),
    ):
        pass


@pytest.mark.real
@pytest.mark.slow
def test_nano_on_held_out_speakers_is_what_its_training_measured(shared):
    from modeling_empathic import NANO

    measured = json.loads((NANO / "training.json").read_text())["measured"]["emodb_test_speakers"]
    row = generalize(shared / "data" / "emodb", "emodb", n_resamples=0)["rows"][0]
    assert row["protocol"] == "4 speakers not in its training"
    assert row["clips"] == measured["clips"]
    pairs = {"top1": "top1", "uar": "uar", "macro_f1": "macro_f1", "overall": "lenient_hit_rate"}
    for ours, theirs in pairs.items():
        assert row[ours] == pytest.approx(measured[theirs], abs=0.01)


def test_a_class_that_one_speaker_has_is_not_certain():
    truth = np.array([0, 1, 0, 1, 0, 1, 2, 2])
    speakers = list("aabbccaa")
    measured = rates(Calls(None, np.array([0, 1, 0, 0, 0, 1, 2, 2])), truth, speakers, 3)
    of = measured["intervals"]["per_class"]
    assert (
        np.isnan(of[2]["recall"]["low"]) and "fewer than two speakers" in of[2]["recall"]["reason"]
    )
    assert of[1]["recall"]["low"] < of[1]["recall"]["high"]
