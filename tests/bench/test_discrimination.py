"""How well scores tell two emotions apart: against scikit-learn and a naive second writing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate_metrics.bench.discrimination import (
    _best_threshold,
    _statistics,
    discrimination,
    find_pair,
)
from evaluate_metrics.bench.plots.discrimination import plot_discrimination
from evaluate_metrics.emonet_voice import MetricError
from modeling_empathic.report.figures import two_digits

NAMES = ("Sadness", "Distress", "Anger")


def made(shift=1.0, n=60, seed=0, digits=None, names=NAMES):
    """Scores in which each emotion's own is higher by `shift` on its clips."""
    rng = np.random.default_rng(seed)
    targets = [name for name in names for _ in range(n)]
    scores = {name: rng.normal(size=len(targets)) for name in names}
    for name in names:
        scores[name] += shift * (np.array(targets) == name)
        if digits is not None:
            scores[name] = scores[name].round(digits)
    return scores, targets


def values(scores, targets, a, b):
    rows = [i for i, target in enumerate(targets) if target in (a, b)]
    difference = np.asarray(scores[a])[rows] - np.asarray(scores[b])[rows]
    return difference, np.array([targets[i] == a for i in rows])


@pytest.mark.parametrize("digits", [None, 0])
def test_auc_is_that_of_scikit_learn_with_and_without_ties(digits):
    from sklearn.metrics import roc_auc_score

    scores, targets = made(0.7, digits=digits)
    for pair in discrimination(scores, targets, n_resamples=0).pairs:
        difference, of_a = values(scores, targets, pair["a"], pair["b"])
        assert pair["auc"] == pytest.approx(roc_auc_score(of_a, difference), abs=1e-12)


def test_every_statistic_of_a_resample_is_that_of_the_clips_it_holds():
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

    rng = np.random.default_rng(1)
    of_a, right = rng.random(40) < 0.4, rng.random(40) < 0.7
    difference = rng.normal(size=40).round(1)
    counts = rng.multinomial(40, np.full(40, 1 / 40), size=20).T.astype(np.float32)
    result = _statistics(difference, of_a, right, counts)
    told_a = right == of_a
    for column in range(20):
        drawn = np.repeat(np.arange(40), counts[:, column].astype(int))
        expected = [
            accuracy_score(of_a[drawn], told_a[drawn]),
            balanced_accuracy_score(of_a[drawn], told_a[drawn]),
            roc_auc_score(of_a[drawn], difference[drawn]),
        ]
        assert result[:, column] == pytest.approx(expected, abs=1e-6)


def naive_gain(difference, of_a, threshold):
    told_a = difference > threshold
    return (told_a[of_a].mean() + (~told_a[~of_a]).mean()) / 2


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=30).filter(
        lambda rows: len({of_a for _, of_a in rows}) == 2
    )
)
def test_no_threshold_beats_the_best_one(rows):
    difference = np.array([value for value, _ in rows], dtype=float)
    of_a = np.array([side for _, side in rows])
    best = naive_gain(difference, of_a, _best_threshold(difference, of_a))
    tried = [naive_gain(difference, of_a, t) for t in np.arange(-6, 6.5, 0.5)]
    assert best == pytest.approx(max(tried))


def test_of_several_best_thresholds_the_middle_one_counts():
    of_a = np.array([False, True] * 3)
    assert _best_threshold(np.arange(6.0), of_a) == 2.5


def test_a_threshold_is_tried_on_clips_it_was_not_learnt_from():
    held_out, in_sample = [], []
    for seed in range(20):
        scores, targets = made(0.0, seed=seed, names=NAMES[:2])
        result = discrimination(scores, targets, n_resamples=0)
        held_out.append(result.mean["balanced_accuracy"])
        difference, of_a = values(scores, targets, *NAMES[:2])
        in_sample.append(naive_gain(difference, of_a, _best_threshold(difference, of_a)))
    # Nothing is to be found: only who looks at the answers finds something.
    assert np.mean(held_out) < 0.51 and np.mean(in_sample) > 0.53


def test_a_perfect_model_is_perfect_and_an_inverted_one_is_worse_than_chance():
    for shift, accuracy, auc in ((50, 1.0, 1.0), (-50, 0.5, 0.0)):
        scores, targets = made(shift)
        for pair in discrimination(scores, targets, n_resamples=0).pairs:
            assert pair["auc"] == auc
            assert pair["balanced_accuracy"] <= accuracy
    assert all(p["accuracy"] == 1 for p in discrimination(*made(50), n_resamples=0).pairs)


def test_a_constant_model_is_at_the_floor():
    targets = ["Sadness"] * 30 + ["Distress"] * 30
    result = discrimination({"Sadness": [1.0] * 60, "Distress": [2.0] * 60}, targets)
    pair = result.pairs[0]
    assert (pair["auc"], pair["balanced_accuracy"]) == (result.floor, result.floor)
    # Every resample has thirty clips of each, or else the share told right would vary.
    for interval in pair.intervals.values():
        assert interval.low == interval.high == 0.5


def test_what_raises_every_score_of_a_clip_does_not_matter():
    scores, targets = made(0.8)
    louder = np.random.default_rng(5).integers(0, 4, len(targets)) * 0.25
    raised = {name: np.round(column * 16) / 16 + louder for name, column in scores.items()}
    exact = {name: np.round(column * 16) / 16 for name, column in scores.items()}
    plain, moved = (discrimination(s, targets, n_resamples=0).pairs for s in (exact, raised))
    assert [p["auc"] for p in plain] == [p["auc"] for p in moved]


def test_the_order_of_clips_does_not_matter():
    scores, targets = made(0.8, digits=2)
    order = np.random.default_rng(3).permutation(len(targets))
    shuffled = {name: column[order] for name, column in scores.items()}
    again = discrimination(shuffled, [targets[i] for i in order], n_resamples=20)
    assert again == discrimination(scores, targets, n_resamples=20)


def test_auc_and_sizes_survive_a_change_of_places():
    scores, targets = made(0.8)
    forth = find_pair(discrimination(scores, targets, n_resamples=0).pairs, "anger", "sadness")
    turned = dict(reversed(scores.items()))
    back = find_pair(discrimination(turned, targets, n_resamples=0).pairs, "Sadness", "Anger")
    assert forth["auc"] == pytest.approx(back["auc"]) and forth["a"] == back["b"]


def test_intervals_bracket_the_value_and_repeat_with_the_seed():
    scores, targets = made(0.8)
    first, again, other = (
        discrimination(scores, targets, n_resamples=200, seed=seed).pairs for seed in (1, 1, 2)
    )
    assert first == again != other
    for pair in first:
        for name, interval in pair.intervals.items():
            assert interval.low < pair[name] < interval.high


def test_the_width_of_an_interval_is_the_spread_over_new_clips():
    result = [discrimination(*made(0.8, seed=s), n_resamples=200).pairs[0] for s in range(60)]
    spread = np.std([pair["auc"] for pair in result])
    widths = [pair.intervals["auc"].high - pair.intervals["auc"].low for pair in result]
    assert np.mean(widths) / (2 * 1.96) == pytest.approx(spread, rel=0.35)


def test_clips_that_resemble_each_other_widen_the_interval_when_drawn_by_group():
    rng = np.random.default_rng(2)
    targets = ["Sadness"] * 200 + ["Distress"] * 200
    groups = [f"voice {i // 10}" for i in range(400)]
    by_voice = np.repeat(rng.normal(size=40), 10)
    scores = {"Sadness": by_voice + 0.1 * rng.normal(size=400), "Distress": np.zeros(400)}
    widths = []
    for label in (None, groups):
        result = discrimination(scores, targets, label, n_resamples=300)
        interval = result.pairs[0]["intervals"]["auc"]
        widths.append(interval.high - interval.low)
        assert result.unit == ("clip" if label is None else "group")
    assert widths[1] > 2 * widths[0]


def test_a_voice_is_in_one_fold():
    # A voice's clips share a value that says their emotion, and nothing carries over to others.
    targets = ["Sadness", "Distress"] * 60
    groups = [f"voice {i // 2}" for i in range(120)]
    scores = {"Sadness": np.arange(120.0) // 2 + np.tile([0.1, 0], 60), "Distress": np.zeros(120)}
    pair = discrimination(scores, targets, groups, n_resamples=0).pairs[0]
    assert pair["balanced_accuracy"] == pytest.approx(0.5, abs=0.05)


def test_clips_without_both_scores_are_counted_and_left_out():
    scores, targets = made(0.8)
    scores["Anger"][:7] = np.nan
    result = discrimination(scores, targets, n_resamples=0)
    assert find_pair(result.pairs, "Sadness", "Anger").n_missing == 7
    assert find_pair(result.pairs, "Sadness", "Anger").n_a == 53
    assert find_pair(result.pairs, "Sadness", "Distress").n_missing == 0


def test_too_few_clips_or_groups_are_nan_with_a_reason():
    scores, targets = made(0.8, n=10)
    scores["Anger"][:] = np.nan
    result = discrimination(scores, targets, n_resamples=10)
    pair = find_pair(result.pairs, "Anger", "Sadness")
    assert np.isnan(pair["auc"]) and np.isnan(pair.intervals["auc"].low)
    assert (
        pair.reason == "5 clips with both scores are needed; there are 0 of Sadness and 0 of Anger"
    )
    assert result.mean.pairs == 1 and not np.isnan(result.mean["auc"])
    scores, targets = made(0.8, n=10)
    result = discrimination(scores, targets, targets, n_resamples=10)
    assert result.pairs[0].reason == "all clips of Sadness are in one fold: too few groups"
    assert np.isnan(result.mean["auc"])


def test_clips_of_other_categories_are_left_out():
    scores, targets = made(0.8)
    more = {name: np.append(column, [9, 9]) for name, column in scores.items()}
    with_others = discrimination(more, [*targets, "Arousal", "Authenticity"], n_resamples=0)
    assert with_others == discrimination(scores, targets, n_resamples=0)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(MetricError, match="columns of unequal length: 2 targets, 1 Awe"):
        discrimination({"Awe": [1], "Pain": [1]}, ["Awe", "Pain"])
    with pytest.raises(MetricError, match="1 emotions, 5 folds; at least two are needed"):
        discrimination({"Awe": [1]}, ["Awe"])
    with pytest.raises(MetricError, match="'Awe' and 'Pain' are no pair of these emotions"):
        find_pair([], "Awe", "Pain")


def test_the_picture_names_emotions_in_the_papers_order_and_the_papers_pair(tmp_path):
    scores, targets = made(0.5)
    result = discrimination(scores, targets, n_resamples=50)
    plot_discrimination(result, tmp_path / "pairs.svg")
    text = (tmp_path / "pairs.svg").read_text()
    assert text.index(">Distress<") < text.index(">Sadness<") < text.index(">Anger<")
    rate = two_digits(find_pair(result.pairs, "Sadness", "Distress")["balanced_accuracy"])
    assert f"Sadness / Distress  {rate}" in text and "(paper: 0.63)" in text


def test_a_picture_without_any_value_is_drawn(tmp_path):
    result = discrimination({"Awe": [1.0], "Pain": [1.0]}, ["Awe"])
    plot_discrimination(result, tmp_path / "pairs.png")
    assert (tmp_path / "pairs.png").read_bytes().startswith(b"\x89PNG")
