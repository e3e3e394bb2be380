"""How well raters predict each other: closed forms, scipy on the pairs, and what is undefined."""

import math
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dataset_scripts.agreement import RatedItems
from dataset_scripts.ceiling import HOW, STATISTICS, _interval, ceiling, pairs
from evaluate_metrics.emonet_voice import percentile_interval

RATINGS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), min_size=1, max_size=12)


def rated(rows, emotions=None):
    """Clips with the given ratings."""
    scores = np.full((len(rows), max(map(len, rows))), np.nan)
    for i, row in enumerate(rows):
        scores[i, : len(row)] = row
    names = emotions or ["Awe"] * len(rows)
    return RatedItems(np.array(names, dtype=object), scores, np.where(scores >= 0, 0, -1), ())


def simulated(n, share, n_raters, seed=0):
    """Raters who say what the clip is in a share of cases, and guess in the others."""
    rng = np.random.default_rng(seed)
    truth, guesses = rng.integers(0, 3, n), rng.integers(0, 3, (n, n_raters))
    return np.where(rng.random((n, n_raters)) < share, truth[:, None], guesses).tolist()


# --- Values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_two_raters_of_known_agreement_have_the_ceiling_of_its_formula(share):
    of = ceiling(rated(simulated(60_000, share, 2)), n_resamples=0)
    r = share**2  # both say what the clip is; scores 0, 1, 2 are equally frequent
    assert of["one_rater"]["spearman"] == pytest.approx(r, abs=0.015)
    assert of["split_half"]["pearson"] == pytest.approx(r, abs=0.015)
    assert of["one_rater"]["mae"] == pytest.approx(5 * (1 - r) * 8 / 9, abs=0.04)
    if share:  # Spearman-Brown
        assert of["perfect"]["pearson"] == pytest.approx(math.sqrt(2 * r / (1 + r)), abs=0.015)


def test_of_three_raters_one_faces_the_mean_of_two():
    of = ceiling(rated(simulated(60_000, 0.7, 3)), n_resamples=0)
    r = 0.7**2
    assert of["one_rater"]["pearson"] == pytest.approx(r * math.sqrt(2 / (1 + r)), abs=0.015)
    assert of["perfect"]["pearson"] == pytest.approx(math.sqrt(3 * r / (1 + 2 * r)), abs=0.015)


@settings(max_examples=60, deadline=None)
@given(RATINGS)
def test_figures_are_those_of_scipy_on_all_pairs_with_equal_weight_of_clips(rows):
    kept = [row for row in rows if len(row) > 1]
    result = ceiling(rated(rows), n_resamples=0)["one_rater"]
    assert (result["clips"], result["left_out"]) == (len(kept), len(rows) - len(kept))
    one, others = [], []
    for row in kept:
        for i in range(len(row)):  # twelve is a multiple of 2, 3 and 4
            one += [5 * row[i]] * (12 // len(row))
            rest = row[:i] + row[i + 1 :]
            others += [5 * sum(rest) / len(rest)] * (12 // len(row))
    if len({*one}) < 2 or len({*others}) < 2:
        assert math.isnan(result["spearman"]) and result["undefined"]["spearman"]
        return
    one, others = np.array(one, dtype=float), np.array(others, dtype=float)
    expected = {
        "mae": np.abs(one - others).mean(),
        "rmse": np.sqrt(((one - others) ** 2).mean()),
        "pearson": stats.pearsonr(one, others).statistic,
        "spearman": stats.spearmanr(one, others.round(9)).statistic,
    }
    assert {name: result[name] for name in STATISTICS} == pytest.approx(expected, abs=1e-9)


def test_perfect_is_one_minus_error_by_variance():
    rows = [[0, 1], [2, 2, 1], [1, 0], [2, 1, 2, 2], [0, 0]]
    means = [5 * np.mean(row) for row in rows]
    error = np.mean([25 * np.var(row, ddof=1) / len(row) for row in rows])
    result = ceiling(rated(rows), n_resamples=0)["perfect"]
    expected = math.sqrt(1 - error / np.var(means, ddof=1))
    assert result["pearson"] == pytest.approx(expected, abs=1e-12)
    assert result["rmse"] == pytest.approx(math.sqrt(error), abs=1e-12)


@pytest.mark.parametrize("ratings", [[0, 2], [0, 1, 2], [0, 0, 1, 2], [0, 1, 1, 2, 2]])
def test_halves_are_all_the_ways_to_part_the_raters(ratings):
    expected = {}
    orders = [*permutations(ratings)]
    for order in orders:
        half = len(order) // 2
        pair = tuple(float(np.mean(side)) for side in (order[:half], order[half:]))
        for ordered in (pair, pair[::-1]):
            expected[ordered] = expected.get(ordered, 0) + Fraction(1, 2 * len(orders))
    assert pairs(ratings, "split_half") == pytest.approx({k: float(v) for k, v in expected.items()})


# --- Intervals ------------------------------------------------------------------------------------


def test_intervals_are_about_as_wide_as_the_spread_of_made_benches():
    drawn = [ceiling(rated(simulated(150, 0.7, 3, s)), n_resamples=0) for s in range(200)]
    result = ceiling(rated(simulated(150, 0.7, 3, 999)), n_resamples=500)
    for how, name in (("one_rater", "spearman"), ("split_half", "mae"), ("perfect", "pearson")):
        interval = result[how]["intervals"][name]
        spread = np.std([of[how][name] for of in drawn])
        assert interval["high"] - interval["low"] == pytest.approx(3.92 * spread, rel=0.3)
        assert interval["low"] < result[how][name] < interval["high"]


def test_the_order_of_clips_and_raters_does_not_matter():
    rows = simulated(40, 0.6, 3)
    names = ["Awe", "Pain"] * 20
    order = np.random.default_rng(0).permutation(40).tolist()
    mixed = rated([rows[i][::-1] for i in order], [names[i] for i in order])
    a, b = ceiling(rated(rows, names), n_resamples=50), ceiling(mixed, n_resamples=50)
    for how in HOW:
        assert b[how]["intervals"]["macro_mae"] == a[how]["intervals"]["macro_mae"]
        pain = a[how]["per_emotion"]["Pain"]
        assert b[how]["per_emotion"]["Pain"] == pytest.approx(pain, nan_ok=True)


def test_macro_is_the_mean_of_emotions_and_each_is_that_of_its_clips_alone():
    rows, names = simulated(90, 0.6, 2), ["Awe", "Pain", "Fear"] * 30
    result = ceiling(rated(rows, names), n_resamples=0)["one_rater"]
    alone = ceiling(rated(rows[::3]), n_resamples=0)["one_rater"]
    assert result["per_emotion"]["Awe"]["spearman"] == pytest.approx(alone["spearman"])
    each = [of["spearman"] for of in result["per_emotion"].values()]
    assert result["macro_spearman"] == pytest.approx(np.mean(each))


# --- Undefined ------------------------------------------------------------------------------------


def test_clips_with_one_rating_are_counted_and_without_others_nothing_is_defined():
    result = ceiling(rated([[1], [2]]), n_resamples=20)
    for how in HOW:
        assert (result[how]["clips"], result[how]["left_out"]) == (0, 2)
        assert all(math.isnan(result[how][name]) for name in STATISTICS)
        assert result[how]["undefined"]["mae"] == "no clip has two ratings"
        assert result[how]["undefined"]["per_emotion"]["Awe"]["mae"] == "no clip has two ratings"


def test_ratings_that_do_not_vary_have_an_error_and_no_correlation():
    rows, names = [[1, 1]] * 5 + [[0, 2], [1, 1], [2, 2]], ["Awe"] * 5 + ["Pain"] * 3
    result = ceiling(rated(rows, names), n_resamples=20)["one_rater"]
    assert result["per_emotion"]["Awe"]["mae"] == 0
    assert math.isnan(result["per_emotion"]["Awe"]["spearman"])
    assert result["undefined"]["macro_spearman"] == "1 of 2 emotions left out: Awe"
    assert result["undefined"]["per_emotion"] == {
        "Awe": dict.fromkeys(("pearson", "spearman"), "the ratings do not vary")
    }


def test_clips_that_differ_no_more_than_raters_do_have_no_perfect_system():
    result = ceiling(rated([[0, 2], [2, 0], [1, 1]]), n_resamples=20)["perfect"]
    assert math.isnan(result["pearson"])
    assert result["undefined"]["pearson"] == "clips differ no more than raters do"


def test_a_single_clip_has_no_interval_of_its_error():
    of = ceiling(rated([[0, 2]]), n_resamples=50)["one_rater"]
    assert of["mae"] == 10
    assert math.isnan(of["intervals"]["mae"]["low"])
    assert of["intervals"]["mae"]["reason"] == "fewer than two clips to draw from"


@pytest.mark.parametrize("n, strata", [(2, 1), (4, 1), (11, 3), (19, 1), (300, 40)])
def test_intervals_of_few_clips_are_those_of_the_metric(n, strata):
    values = np.append(np.random.default_rng(n).normal(0.6, 0.2, 500), np.nan)
    found = _interval(np.append(0.6, values), "spearman", n, strata)
    expected = percentile_interval(values, n, strata, (-1.0, 1.0))
    assert (found["low"], found["high"]) == pytest.approx(expected[:2], abs=1e-3)
    assert found["n_undefined"] == 1 and not found["reason"]
