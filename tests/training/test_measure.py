"""Which class a clip is said to be, whatever the classes mean and are called."""

import numpy as np
import pytest

from emonet_voice.training_card import figures
from evaluate_metrics.emonet_voice.intervals import percentile_interval
from modeling_empathic.report.statistics import resampled_interval
from modeling_empathic.report.tables import as_markdown
from modeling_empathic.training.labels import LabelledClips, with_classes
from modeling_empathic.training.measure import (
    class_scores,
    measure,
    recalls,
    spearman,
    spearman_interval,
)
from modeling_empathic.training.record import TrainingError
from modeling_empathic.training.settings import enough_epochs

RNG = np.random.default_rng(0)
MAP = {"angry": {"Anger": 4.0}, "sad": {"Sadness": 4.0}, "calm": {}}


def said(predicted, label_map):
    named, scores = class_scores(predicted, label_map)
    return [sorted(set(named.values()))[at] for at in scores.argmax(axis=1)]


@pytest.mark.parametrize("name", ["aaa", "neutral", "zzz"])
@pytest.mark.parametrize("meaning", [{}, {"Anger": 0.0, "Sadness": 0.0}])
def test_a_class_without_heads_is_the_nearest_target_whatever_its_name(name, meaning):
    predicted = {head: RNG.uniform(-1, 5, 200) for head in ("Anger", "Sadness")}
    label_map = {"angry": {"Anger": 4.0}, "sad": {"Sadness": 4.0}, name: meaning}
    found = said(predicted, label_map)
    targets = {"angry": (4, 0), "sad": (0, 4), name: (0, 0)}
    for anger, sadness, word in zip(*predicted.values(), found, strict=True):
        distance = {w: (anger - a) ** 2 + (sadness - s) ** 2 for w, (a, s) in targets.items()}
        assert distance[word] == min(distance.values())


def test_words_that_mean_the_same_are_one_class():
    clips = LabelledClips(list("abcd"), list("abcd"), {}, {}, "made", "")
    meant = {"happy": {"Elation": 3.0}, "joyful": {"Elation": 3.0}, "cross": {"Anger": 3.0}}
    labelled = with_classes(clips, ["happy", "joyful", "cross", "cross"], meant)
    scores = {"Elation": np.array([3.0, 3.0, 0.0, 0.0]), "Anger": np.array([0.0, 0.0, 3.0, 3.0])}
    found = measure(labelled, scores, np.full((1, 4), 2))
    assert found["classes"] == ["cross", "happy/joyful"]
    assert (found["accuracy"], found["uar"]) == (1, 1)


def test_a_map_that_means_nothing_is_refused_before_anything_is_read():
    clips = LabelledClips(["a"], ["a"], {}, {}, "made", "")
    with pytest.raises(TrainingError, match="names no head"):
        with_classes(clips, ["calm"], {"calm": {}})


def test_all_words_without_a_meaning_are_named_at_once():
    clips = LabelledClips(list("abc"), list("abc"), {}, {}, "made", "")
    with pytest.raises(TrainingError, match="'happy', 'neutral' is the name of no head"):
        with_classes(clips, ["happy", "anger", "neutral"], None)
    with pytest.raises(TrainingError, match="'glad', 'odd' is not in the label map"):
        with_classes(clips, ["glad", "odd", "sad"], MAP)


def test_a_word_that_is_a_head_needs_no_place_in_the_label_map():
    clips = LabelledClips(list("abc"), list("abc"), {}, {}, "made", "")
    taught = with_classes(clips, ["anger", "sad", "Shame"], {"sad": {"Sadness": 4.0}})
    assert taught.label_map == {
        "Shame": {"Shame": 4.0}, "anger": {"Anger": 4.0}, "sad": {"Sadness": 4.0}
    }  # fmt: skip
    assert taught.targets["Anger"].tolist() == [4, 0, 0]


@pytest.mark.parametrize("n_clips", [1, 40, 535, 5_000, 1_600_000])
def test_few_clips_get_as_many_steps_as_some_hundreds(n_clips):
    steps = -(-0.6 * n_clips // 32) * enough_epochs(n_clips, 32)
    assert steps >= 500 or enough_epochs(n_clips, 32) >= 500
    assert enough_epochs(n_clips, 32) >= 40


@pytest.mark.parametrize("n", [2, 3, 4, 11, 19, 20, 300])
def test_intervals_of_few_groups_are_those_of_the_metric(n):
    values = np.append(np.random.default_rng(n).normal(0.8, 0.05, 500), np.nan)
    expected = percentile_interval(values, n, within=(0.0, 1.0))[:2]
    assert resampled_interval(values, n, (0, 1)) == pytest.approx(expected, abs=3e-4)


def test_of_one_speaker_recall_has_no_interval():
    found = recalls(np.array([0, 1]), np.array([0, 1]), np.array(["a", "a"]), 2)
    assert np.isnan(found["uar_interval"]).all() and found["uar"] == 1


def test_of_four_speakers_the_interval_covers_what_is_true():
    rng, covered = np.random.default_rng(0), []
    for seed in range(150):
        skill = rng.normal(0.7, 0.1, 4).clip(0, 1)  # of each speaker, 0.7 on the whole
        groups = np.repeat(np.arange(4), 60)
        truth = np.tile(np.arange(3), 80)
        right = rng.random(240) < skill[groups]
        said = np.where(right, truth, (truth + 1) % 3)
        low, high = recalls(truth, said, groups, 3, seed)["uar_interval"]
        covered.append(low <= 0.7 <= high)
    assert np.mean(covered) > 0.89


@pytest.mark.parametrize("fold, apart", [([0, 0, 1, 2], True), ([0, 2, 1, 2], False)])
def test_heads_that_heard_a_tested_speaker_are_never_said_to_be_of_other_speakers(fold, apart):
    clips = LabelledClips([], ["a", "b", "c", "d"], {"Awe": np.arange(4.0)}, {"Awe": (0, 4)},
                          "made", "", speakers=["s", "s", "t", "u"])  # fmt: skip
    measured = measure(clips, {"Awe": np.full(4, np.nan)}, np.array([fold]))
    assert measured["by_speaker"] is apart and measured["speakers"] == (1 if apart else 2)


def test_the_card_has_the_floor_of_recall_and_names_classes_that_nobody_tested():
    confusion = [[2, 1], [0, 0], [1, 3]]
    measured = {"clips": 7, "speakers": 2, "by_speaker": False, "heads": {}, "accuracy": 0.7,
                "accuracy_interval": [0.1, 0.9], "uar": 0.7, "uar_interval": [0.2, 0.9],
                "floor_accuracy": 4 / 7, "confusion": confusion,
                "classes": ["anger", "fear", "sadness"]}  # fmt: skip
    shown = as_markdown(figures({"measured": measured}))
    assert "| unweighted average recall of any constant | 0.500 |" in shown
    assert "No clip tested, and no part of the recall: fear." in shown
    assert "whom the heads may know from training" in shown
    assert "Intervals from resampled speakers" in shown


def test_scores_that_only_know_speakers_are_no_better_than_chance():
    rng, found, naive = np.random.default_rng(0), [], []
    for _ in range(150):
        speaker = np.repeat(np.arange(6), 30)  # each with a level of its own, of either
        said, target = (rng.normal(size=6)[speaker] + rng.normal(size=180) for _ in range(2))
        low, high = spearman_interval(said, target, speaker)
        found.append(low > 0)
        naive.append(spearman(said, target) > 1.96 / 180**0.5)
        assert -1 <= low <= high <= 1
    assert np.mean(found) < 0.08 and np.mean(naive) > 0.15


@pytest.mark.parametrize("n_groups", [4, 60, 180])
def test_the_interval_of_a_rank_correlation_covers_what_is_true(n_groups):
    rng, covered = np.random.default_rng(1), []
    true = 6 / np.pi * np.arcsin(0.6 / 2)  # of a normal pair with r = 0.6
    for _ in range(100):
        first = rng.normal(size=180)
        second = 0.6 * first + 0.8 * rng.normal(size=180)
        low, high = spearman_interval(first, second, np.arange(180) % n_groups)
        covered.append(low <= true <= high)
    assert np.mean(covered) > 0.88


def test_the_card_says_of_a_head_whether_speakers_could_have_made_its_correlation():
    of = {"n": 100, "mae": 1.0, "floor_mae": 1.1, "spearman": 0.3}
    heads = {"Awe": of | {"spearman_interval": [0.1, 0.5]},
             "Pain": of | {"spearman_interval": [-0.1, 0.7]}, "Fear": of}  # fmt: skip
    measured = {"clips": 100, "speakers": 4, "by_speaker": True, "heads": heads}
    shown = as_markdown(figures({"measured": measured}))
    assert "No better than chance: Pain." in shown and "0.100 to 0.500" in shown
    assert "its interval is by speakers" in shown


def test_a_correlation_that_rests_on_one_speaker_has_no_interval():
    one = np.array([0.0, 1, 2, 0, 0, 0, 0, 0, 0])
    assert np.isnan(spearman_interval(one, one, np.repeat(list("abc"), 3))).all()
    assert np.isnan(spearman_interval(one, one, np.repeat("a", 9))).all()
