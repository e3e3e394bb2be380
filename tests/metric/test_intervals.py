"""Bootstrap intervals: every resample against scipy on the repeated rows, and what must hold."""

import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from evaluate_metrics.emonet_voice import (
    STATISTICS,
    MetricError,
    intervals,
    percentile_interval,
    resample,
    resampling,
    studentised,
    weighted,
)
from evaluate_metrics.emonet_voice.student import quantile, two_sided_p

NAMES = list(STATISTICS)
MACROS = [f"macro_{name}" for name in NAMES]


def made(n=60, seed=0, ties=True, emotions=3, groups=None):
    """Predictions, references with many ties, emotion names and groups."""
    rng = np.random.default_rng(seed)
    heard = rng.normal(size=n)
    references = np.digitize(heard + rng.normal(size=n), [-1, 0, 1]) * 10 / 3
    predictions = np.clip(5 + 2 * heard + rng.normal(size=n), 0, 10)
    names = [f"emotion {i % emotions}" for i in range(n)]
    groups = None if groups is None else [f"voice {i}" for i in rng.integers(groups, size=n)]
    return np.round(predictions) if ties else predictions, references, names, groups


def shuffled(seed, *columns):
    order = np.random.default_rng(seed).permutation(len(columns[0]))
    return [None if column is None else [column[i] for i in order] for column in columns]


def ends(result: dict, names=NAMES) -> list[float]:
    return [result[name][end] for name in names for end in ("low", "high")]


# --- Every resample, exactly ----------------------------------------------------------------------


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("groups", [None, 7])
def test_statistics_of_each_resample_equal_those_of_the_repeated_rows(monkeypatch, ties, groups):
    p, r, names, groups = made(40, ties=ties, groups=groups)
    draws, columns = [], []
    draw, make_part = resampling._draw, resampling.make_part
    monkeypatch.setattr(resampling, "_draw", lambda *a: draws.append(draw(*a)) or draws[-1])
    monkeypatch.setattr(resampling, "make_part", lambda *a: columns.append(a) or make_part(*a))
    result = resample(p, r, names, groups, n_resamples=30)
    parts = [result.pooled, *result.per_emotion.values()]
    for (systems, r, rows), values in zip(columns, parts, strict=True):
        for i, counts in enumerate(draws[0].T[:30]):
            again = [np.repeat(column[rows], counts[rows]) for column in (systems[0], r)]
            expected = [statistic(*again).value for statistic in STATISTICS.values()]
            assert values[0, :, i] == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("chunk", [3, 100])
@settings(max_examples=50)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=2, max_size=90))
def test_ranks_from_counts_equal_scipys_ranks_of_the_repeated_rows(chunk, rows):
    counts, p, r = (np.array(column) for column in zip(*rows, strict=True))
    order = np.argsort(r, kind="stable")
    counts, p, r = counts[order], p[order].astype(float), r[order].astype(float)
    with mock.patch.object(weighted, "_CHUNK", chunk):
        part = weighted.make_part(p[None], r, slice(None))
    value = weighted.weighted_statistics(counts[:, None], part)[0, 3, 0]
    p, r = np.repeat(p, counts), np.repeat(r, counts)
    if len({*p}) > 1 and len({*r}) > 1:
        assert value == pytest.approx(scipy_stats.spearmanr(p, r).statistic, abs=1e-12)
    else:
        assert math.isnan(value)


@pytest.mark.parametrize(("name", "column"), [("mae", 0), ("rmse", 1), ("spearman", 3)])
def test_intervals_equal_scipys_bootstrap_but_for_chance(name, column):
    p, r, _, _ = made(200)
    result = scipy_stats.bootstrap(
        (p, r),
        lambda p, r: STATISTICS[name](p, r).value,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=2000,
        rng=1,
    )
    low, high = result.confidence_interval
    actual = percentile_interval(resample(p, r, n_resamples=4000).pooled[0, column], 200)
    assert actual[:2] == pytest.approx((low, high), abs=0.08 * (high - low))


def test_macro_is_the_mean_over_emotions_in_every_resample():
    result = resample(*made()[:3], n_resamples=50)
    assert result.macro == pytest.approx(np.mean([*result.per_emotion.values()], axis=0), abs=1e-12)


# --- What is drawn --------------------------------------------------------------------------------


def test_by_row_an_emotion_keeps_its_number_of_rows():
    units = resampling._Units(np.array([5, 1, 20]), np.arange(26))
    counts = resampling._draw(units, np.random.default_rng(0), 100)
    parts = np.split(counts, [5, 6])
    assert [{*part.sum(axis=0).tolist()} for part in parts] == [{5}, {1}, {20}]


def test_rows_of_a_group_are_drawn_together_and_rows_without_one_alone():
    groups = np.array([0, 1, 0, -1, -1, 1])
    units = resampling._units(groups, np.zeros(6, dtype=int))
    counts = resampling._draw(units, np.random.default_rng(0), 200)
    assert (counts[[0, 1]] == counts[[2, 5]]).all()
    assert (counts[3] != counts[4]).any()
    assert {*([0.5, 0.5, 0.5, 1, 1, 0.5] @ counts).tolist()} == {4}


@pytest.mark.parametrize("nothing", [None, "", math.nan])
def test_groups_that_name_nothing_are_no_groups(nothing):
    p, r, names, _ = made()
    result = intervals(p, r, names, [nothing] * len(p), n_resamples=50)
    assert result == intervals(p, r, names, n_resamples=50)


def test_copies_in_one_group_add_nothing_and_as_rows_they_pretend_to():
    p, r, _, _ = made(80)
    low, high = ends(intervals(p, r, n_resamples=2000), ["pearson"])
    p, r, groups = np.tile(p, 4), np.tile(r, 4), [*range(80)] * 4
    grouped = ends(intervals(p, r, groups=groups, n_resamples=2000), ["pearson"])
    assert grouped == pytest.approx([low, high], abs=0.1 * (high - low))
    alone = ends(intervals(p, r, n_resamples=2000), ["pearson"])
    assert alone[1] - alone[0] == pytest.approx((high - low) / 2, rel=0.15)


def test_systems_on_the_same_rows_are_resampled_alike():
    p, r, names, _ = made()
    both = resample(np.stack([p, p + 1]), r, names, n_resamples=50).pooled
    assert both[0, 2:] == pytest.approx(both[1, 2:], abs=1e-12)
    assert (np.abs(both[0, 0] - both[1, 0]) <= 1 + 1e-9).all()


# --- Properties -----------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.integers(0, 99), st.sampled_from([None, 5]), st.booleans())
def test_the_order_of_the_rows_does_not_matter(seed, groups, ties):
    columns = made(30, seed, ties, groups=groups)
    first = resample(*columns, n_resamples=40)
    second = resample(*shuffled(seed, *columns), n_resamples=40)
    assert second.pooled == pytest.approx(first.pooled, abs=1e-9, nan_ok=True)
    for name, values in first.per_emotion.items():
        assert second.per_emotion[name] == pytest.approx(values, abs=1e-9, nan_ok=True)


@settings(max_examples=25)
@given(st.integers(0, 99), st.integers(1, 9), st.integers(-20, 20))
def test_error_intervals_scale_and_correlation_intervals_do_not(seed, factor, shift):
    p, r, names, _ = made(30, seed)
    before = ends(intervals(p, r, names, n_resamples=40), NAMES + MACROS)
    p, r = factor * p + shift, factor * r + shift
    after = ends(intervals(p, r, names, n_resamples=40), NAMES + MACROS)
    factors = np.array(([factor] * 4 + [1] * 4) * 2)
    assert after == pytest.approx(factors * before, abs=1e-7)


@settings(max_examples=25)
@given(st.integers(0, 99), st.integers(20, 80), st.booleans())
def test_an_interval_brackets_its_statistic(seed, n, ties):
    p, r, names, _ = made(n, seed, ties, emotions=2)
    result = intervals(p, r, names, n_resamples=200)
    for name, statistic in STATISTICS.items():
        assert result[name]["low"] <= statistic(p, r).value <= result[name]["high"]
    for emotion, of_emotion in result["per_emotion"].items():
        rows = [i for i, name in enumerate(names) if name == emotion]
        for name, statistic in STATISTICS.items():
            value = statistic(p[rows], r[rows]).value
            assert of_emotion[name]["low"] <= value <= of_emotion[name]["high"]


def test_a_seed_gives_the_same_intervals_on_any_number_of_threads(monkeypatch):
    columns = made(300)
    monkeypatch.setattr(resampling, "_WIDTH", 16)
    first = resample(*columns, n_resamples=100).pooled
    monkeypatch.setattr(resampling.os, "cpu_count", lambda: 1)
    assert (resample(*columns, n_resamples=100).pooled == first).all()
    assert (resample(*columns, n_resamples=100, seed=43).pooled != first).any()


# --- Few units ------------------------------------------------------------------------------------


@pytest.mark.parametrize("df", [1, 2, 3, 4, 9, 10, 29, 30, 299, 9_999])
def test_students_t_is_that_of_scipy(df):
    for t in (-3.0, 0.0, 0.01, 0.7, 2.0, 40.0):
        expected = 2 * scipy_stats.t.sf(abs(t), df)
        assert two_sided_p(t, df) == pytest.approx(expected, abs=1e-12)
    assert quantile(df) == pytest.approx(scipy_stats.t.ppf(0.975, df), rel=1e-9)
    assert math.isnan(two_sided_p(math.nan, df))


def test_beyond_ten_thousand_degrees_of_freedom_t_is_normal():
    assert quantile(500_000) == pytest.approx(scipy_stats.norm.ppf(0.975), abs=3e-4)


def test_percentiles_of_normal_resamples_are_students_t_with_the_unbiased_error():
    # Resamples of a mean of n values have its standard error times sqrt((n - 1) / n).
    n = 11
    resampled = scipy_stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000) * np.sqrt((n - 1) / n)
    result = percentile_interval(resampled, n)
    assert result.high == pytest.approx(scipy_stats.t.ppf(0.975, n - 1), rel=1e-3)
    assert result.low == pytest.approx(-result.high)
    interval, p = studentised(2.0, 2.0 + resampled, n)
    half = scipy_stats.t.ppf(0.975, n - 1)
    assert interval[:2] == pytest.approx((2 - half, 2 + half), rel=1e-3)
    assert p == pytest.approx(2 * scipy_stats.t.sf(2, n - 1), rel=1e-3)


@settings(max_examples=50)
@given(st.floats(-1, 1), st.integers(0, 99), st.integers(2, 40))
def test_p_is_below_five_percent_exactly_where_the_interval_leaves_out_zero(value, seed, n):
    resampled = np.random.default_rng(seed).normal(value, 0.2, 100)
    interval, p = studentised(value, resampled, n)
    assert (p < 0.05) == (interval.low > 0 or interval.high < 0)


def test_every_stratum_costs_a_degree_of_freedom():
    values = np.random.default_rng(0).normal(size=5000)
    one, two = (percentile_interval(values, 12, strata) for strata in (1, 6))
    assert two.high - two.low > 1.1 * (one.high - one.low)
    assert percentile_interval(values, 3, 3).reason == "fewer than two units to draw from"


def test_intervals_of_a_mean_of_ten_groups_hold_it():
    rng = np.random.default_rng(0)
    inside = []
    for seed in range(300):
        level = np.repeat(rng.normal(size=10), 4)
        errors = 5 + level + 0.5 * rng.normal(size=40)
        groups = np.repeat(np.arange(10), 4).tolist()
        result = intervals(errors, np.zeros(40), groups=groups, n_resamples=400, seed=seed)["mae"]
        inside.append(result["low"] <= 5 <= result["high"])
    assert 0.91 < np.mean(inside) < 0.99  # percentiles alone: 0.89


# --- Nothing to draw ------------------------------------------------------------------------------


def test_no_rows_and_no_resamples_give_undefined_intervals():
    nothing = np.array([])
    assert intervals(nothing, nothing)["mae"]["reason"] == "fewer than two rows to draw from"
    p, r, names, _ = made()
    result = intervals(p, r, names, n_resamples=0)["macro_mae"]
    assert result["reason"] == "no resample has a value"


def test_a_single_row_or_group_has_no_interval_instead_of_an_empty_one():
    p, r, names, _ = made(20, emotions=1)
    result = intervals(np.append(p, 3), np.append(r, 5), [*names, "rare"], n_resamples=50)
    assert result["per_emotion"]["rare"]["mae"]["reason"] == "fewer than two rows to draw from"
    result = intervals(p, r, groups=["the voice"] * 20, n_resamples=50)
    assert result["mae"]["reason"] == "fewer than two groups to draw from"
    assert math.isnan(result["mae"]["low"])


def test_an_emotion_without_rows_has_undefined_intervals():
    result = intervals(np.array([1, 2, np.nan]), np.array([1.0, 3, 5]), ["a", "a", "b"])
    assert result["per_emotion"]["b"]["mae"]["reason"] == "fewer than two rows to draw from"


def test_resamples_in_which_nothing_varies_are_counted_and_left_out():
    p, r = np.array([1.0, 2, 2]), np.array([0.0, 5, 10])
    result = intervals(p, r, n_resamples=1000)
    share = result["pearson"]["n_undefined"] / 1000
    # All three draws among the two equal predictions, or all three of the other one.
    assert share == pytest.approx((8 + 1) / 27, abs=0.05)
    assert result["mae"]["n_undefined"] == 0


def test_constant_predictions_have_error_intervals_and_no_correlation_intervals():
    _, r, _, _ = made()
    result = intervals(np.full(len(r), 5.0), r, n_resamples=100)
    assert result["mae"]["low"] < result["mae"]["high"]
    assert result["spearman"]["reason"] == "no resample has a value"


def test_rows_with_missing_values_are_refused_where_they_cannot_be_left_out():
    with pytest.raises(MetricError, match="missing values"):
        resample(np.array([1, np.nan]), np.array([1.0, 2]))
    with pytest.raises(MetricError, match="n_resamples is -1"):
        resample(np.array([1.0]), np.array([1.0]), n_resamples=-1)


def test_predictions_that_vary_by_rounding_alone_have_no_correlation_in_any_resample():
    predictions = np.full(30, 3.0)
    predictions[::3] = np.nextafter(3.0, 4.0)
    ratings = np.tile([0.0, 5.0, 10.0], 10)
    result = intervals(predictions, ratings, n_resamples=20)
    assert result["spearman"]["n_undefined"] == result["pearson"]["n_undefined"] == 20
    assert result["mae"]["n_undefined"] == 0


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 11, 12_000])
def test_units_that_all_differ_alike_prove_no_more_than_a_sign_test(n):
    tested = studentised(0.5, np.full(100, 0.5), n)
    exact = scipy_stats.binomtest(n, n).pvalue
    assert tested.p == pytest.approx(exact, abs=1e-300)
    assert math.isnan(tested.interval.low) == (exact >= 0.05)
    assert ("differ alike" in tested.interval.reason) == (exact >= 0.05)
    assert studentised(0.0, np.zeros(100), n).p == 1
