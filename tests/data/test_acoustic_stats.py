"""Which emotions sound different: the statistics against scipy's and pingouin's, and by hand."""

import math
import re

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_scripts.stats.acoustics import differences
from dataset_scripts.stats.acoustics_plot import plot
from dataset_scripts.stats.acoustics_tables import as_markdown, as_text
from modeling_empathic.report.statistics import holm
from modeling_empathic.taxonomy import EMOTION_NAMES

ANGER, AWE, LONG = EMOTION_NAMES[31], EMOTION_NAMES[11], EMOTION_NAMES[38]


@st.composite
def clips(draw):
    """Values with many ties, and an emotion for each."""
    sizes = draw(st.lists(st.integers(5, 12), min_size=2, max_size=4))
    emotions = [f"e{i}" for i, size in enumerate(sizes) for _ in range(size)]
    n = len(emotions)
    values = draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))
    return np.array(values, float), emotions


def groups(values, emotions):
    emotions = np.array(emotions)
    return {name: values[emotions == name] for name in sorted(set(emotions))}


@settings(max_examples=60)
@given(clips())
def test_kruskal_wallis_is_scipys_and_epsilon_squared_the_ranks_share_of_variance(data):
    values, emotions = data
    test = differences({"x": values}, emotions, n_resamples=0).features[0]
    if len(set(values)) == 1:
        assert test.reason == "constant" and math.isnan(test.h)
        return
    expected = scipy.stats.kruskal(*groups(values, emotions).values())
    assert test.h == pytest.approx(expected.statistic, abs=1e-9)
    assert test.p == pytest.approx(expected.pvalue, abs=1e-12)
    ranks = scipy.stats.rankdata(values)
    between = sum(
        len(own) * (own.mean() - ranks.mean()) ** 2 for own in groups(ranks, emotions).values()
    )
    total = ((ranks - ranks.mean()) ** 2).sum()
    assert test.epsilon_squared == pytest.approx(between / total, abs=1e-9)


@settings(max_examples=60)
@given(clips())
def test_cliffs_delta_counts_pairs_and_its_p_value_is_scipys(data):
    values, emotions = data
    if len(set(values)) == 1:
        return
    for effect in differences({"x": values}, emotions, n_resamples=0).effects:
        own = np.array(emotions) == effect.emotion
        pairs = [np.sign(a - b) for a in values[own] for b in values[~own]]
        assert effect.delta == pytest.approx(np.mean(pairs), abs=1e-9)
        expected = scipy.stats.mannwhitneyu(values[own], values[~own], method="asymptotic")
        assert effect.p == pytest.approx(expected.pvalue, abs=1e-9)
        assert (effect.n, effect.n_rest) == (own.sum(), (~own).sum())


def test_the_interval_is_that_of_a_plain_bootstrap_of_clips_within_emotions():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0.8, 1, 40), rng.normal(0, 1, 60)]).round(1)
    emotions = ["a"] * 40 + ["b"] * 60
    effect = differences({"x": values}, emotions, n_resamples=4000).effects[0]

    def delta(own, rest):
        return np.sign(own[:, None] - rest).mean()

    drawn = [delta(rng.choice(values[:40], 40), rng.choice(values[40:], 60)) for _ in range(4000)]
    expected = np.percentile(drawn, [2.5, 97.5])
    assert (effect.low, effect.high) == pytest.approx(expected, abs=0.02)


def test_about_every_twentieth_interval_misses_where_emotions_do_not_differ():
    rng = np.random.default_rng(1)
    features = {f"x{i}": rng.normal(size=90) for i in range(200)}
    result = differences(features, ["a"] * 30 + ["b"] * 60, n_resamples=200)
    missed = [not effect.low <= 0 <= effect.high for effect in result.effects]
    assert 0.01 < np.mean(missed) < 0.1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holms_correction_is_pingouins(p):
    import pingouin

    expected = pingouin.multicomp(p, method="holm")[1]
    assert holm(np.array(p)) == pytest.approx(expected, abs=1e-12)


def test_p_values_are_corrected_over_all_tests_that_could_be_made():
    rng = np.random.default_rng(0)
    features = {"x": rng.normal(size=20), "still": np.ones(20), "y": rng.normal(size=20)}
    result = differences(features, ["a"] * 10 + ["b"] * 10, n_resamples=0)
    every = np.array([row.p for row in (*result.features, *result.effects)])
    corrected = [row.p_holm for row in (*result.features, *result.effects)]
    assert result.n_tests == 6 == np.isfinite(every).sum()
    assert np.array_equal(corrected, holm(every), equal_nan=True)


def test_values_that_are_missing_are_counted_and_left_out():
    rng = np.random.default_rng(0)
    values, emotions = rng.normal(size=30), ["a"] * 15 + ["b"] * 15
    holed = values.copy()
    holed[[0, 20]] = np.nan, np.inf
    keep = np.isfinite(holed)
    result = differences({"x": holed}, emotions, n_resamples=0)
    without = differences({"x": values[keep]}, np.array(emotions)[keep].tolist(), n_resamples=0)
    assert result.features[0]._replace(n_missing=0) == without.features[0]
    assert result.features[0].n_missing == 2
    assert str(result.effects) == str(without.effects)  # NaN is not equal to itself


@pytest.mark.parametrize(
    ("values", "emotions", "reason"),
    [
        ([2.0] * 10, ["a"] * 5 + ["b"] * 5, "constant"),
        ([math.nan] * 10, ["a"] * 5 + ["b"] * 5, "no values"),
        (range(10), ["a"] * 10, "values of one emotion only"),
        ([*range(9), math.nan], ["a"] * 9 + ["b"], "values of one emotion only"),
    ],
)
def test_what_cannot_be_said_is_nan_with_a_reason(values, emotions, reason):
    result = differences({"x": list(values)}, emotions)
    for row in (*result.features, *result.effects):
        assert row.reason == reason
        assert math.isnan(row.p) and math.isnan(row.p_holm)
    assert result.n_tests == 0
    assert reason in as_text(result)


@pytest.mark.filterwarnings("error")
def test_an_emotion_of_four_clips_has_no_effect_size_but_counts_among_the_others():
    values = np.arange(24.0)
    result = differences({"x": values}, ["a"] * 10 + ["b"] * 4 + ["c"] * 10, n_resamples=50)
    few = result.effects[1]
    assert (few.n, few.n_rest, few.reason) == (4, 20, "fewer than 5 clips")
    assert math.isnan(few.delta) and math.isnan(few.low)
    assert result.effects[0].n_rest == 14 and not math.isnan(result.features[0].h)
    assert "no effect size: b x." in " ".join(as_text(result).split())


def test_the_same_seed_gives_the_same_intervals_and_another_others():
    rng = np.random.default_rng(0)
    values, emotions = {"x": rng.normal(size=40)}, ["a"] * 20 + ["b"] * 20
    first = differences(values, emotions, n_resamples=100)
    assert differences(values, emotions, n_resamples=100) == first
    assert differences(values, emotions, n_resamples=100, seed=1) != first


def test_of_a_table_the_acoustic_columns_count():
    values = [1.0, None, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    table = pa.table(
        {"clip_id": ["c"] * 11, "acoustics_level_dbfs": pa.array(values, pa.float32())}
    )
    result = differences(table, ["a"] * 6 + ["b"] * 5)
    assert [(row.feature, row.n, row.n_missing) for row in result.features] == [
        ("level_dbfs", 10, 1)
    ]


def test_emotions_come_in_the_papers_order_and_other_labels_after_them():
    result = differences({"x": range(20)}, ["zest"] * 5 + [ANGER] * 5 + [AWE] * 5 + ["ardour"] * 5)
    assert [effect.emotion for effect in result.effects] == [AWE, ANGER, "ardour", "zest"]


@pytest.mark.parametrize(
    ("features", "emotions", "message"),
    [
        ({"x": [1.0, 2]}, ["a"] * 3, "x has 2 values for 3 clips"),
        ({"x": [1.0, 2]}, ["a", None], "clip 1: None is not the name of an emotion"),
        ({}, ["a"], "0 features of 1 clips"),
        (pa.table({"x": [1.0]}), ["a"], "0 features of 1 clips"),
        ({"x": []}, [], "1 features of 0 clips"),
    ],
)
def test_input_that_makes_no_sense_is_refused(features, emotions, message):
    with pytest.raises(ValueError, match=message):
        differences(features, emotions)


@pytest.fixture(scope="module")
def example():
    rng = np.random.default_rng(0)
    emotions = [ANGER] * 30 + [AWE] * 30 + [LONG] * 30
    strong = rng.normal(size=90) + np.repeat([2, 0, -2], 30)
    features = {"mfcc_3": rng.normal(size=90), "f0_median_hz": strong, "level_dbfs": np.zeros(90)}
    features["mfcc_3"][:2] = np.nan
    return differences(features, emotions, n_resamples=200)


def test_the_tables_have_the_strongest_feature_first_and_what_is_undefined_last(example):
    lines = as_text(example).splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["f0_median_hz", "mfcc_3", "level_dbfs"]
    assert re.search(r"90 +0\.\d{3} +<0\.001 +Anger \+0\.\d\d +Intoxication -0\.\d\d$", lines[2])
    assert re.search(r"90 +NaN +NaN +constant$", lines[4])
    assert max(map(len, lines)) <= 80
    assert "left out: mfcc_3 2." in " ".join(" ".join(lines).split())


def test_markdown_has_units_and_intervals_and_escapes_what_it_prints(example):
    rows = as_markdown(example).splitlines()
    pattern = (
        r"\| f0\\_median\\_hz \| Hz \| 90 \| .* \| Anger \+0\.\d\d \\\[\+0\.\d\d, \+0\.\d\d\\\] \|"
    )
    assert re.match(pattern, rows[2])
    nasty = differences({"a|b\n<i>": range(10)}, ["x|y"] * 5 + ["`z`\x1b"] * 5, n_resamples=10)
    row = as_markdown(nasty).splitlines()[2]
    assert row.count("|") - row.count("\\|") == 8
    assert "\x1b" not in row and "\\<i\\>" in row and "\\`z\\`" in row


def test_the_picture_names_emotions_and_features_and_is_the_same_twice(example, tmp_path):
    for name, start in (("map.png", b"\x89PNG"), ("map.svg", b"<?xml")):
        plot(example, tmp_path / name)
        first = (tmp_path / name).read_bytes()
        plot(example, tmp_path / name)
        assert first.startswith(start) and (tmp_path / name).read_bytes() == first
    text = (tmp_path / "map.svg").read_text()
    for word in ("Anger", "Awe", "Intoxication", "f0_median_hz", "mfcc_3", "Cliff"):
        assert word in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.png", "map.svg"]


def test_a_picture_of_nothing_but_undefined_values_is_drawn_and_another_suffix_is_not(tmp_path):
    result = differences({"x": [1.0] * 10}, ["a"] * 5 + ["b"] * 5)
    plot(result, tmp_path / "map.png")
    with pytest.raises(ValueError, match=r"map\.gif: choose a name that ends in \.png or \.svg"):
        plot(result, tmp_path / "map.gif")
