"""The four statistics against scipy, scikit-learn and plain loops; ties, holes, nothing at all."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from evaluate_metrics.emonet_voice import (
    SCALES,
    MetricError,
    average_ranks,
    mae,
    pearson,
    rmse,
    spearman,
    to_0_10,
)

STATISTICS = (mae, rmse, pearson, spearman)
CORRELATIONS = (pearson, spearman)
RATING = st.sampled_from([0.0, 2.5, 10 / 3, 5.0, 20 / 3, 7.5, 10.0])
# A grid: affine maps keep ties, and no difference is so small that squares lose it.
VALUE = st.integers(0, 1000).map(lambda i: i / 100) | RATING
HOLES = st.none() | st.just(float("nan"))


def rows(prediction=VALUE, reference=RATING, min_size=0):
    """Lists of `(prediction, reference)`."""
    return st.lists(st.tuples(prediction, reference), min_size=min_size, max_size=40)


def columns(pairs):
    return [p for p, _ in pairs], [r for _, r in pairs]


def same(first: float, second: float) -> bool:
    both = math.isnan(first) and math.isnan(second)
    return both or math.isclose(first, second, rel_tol=1e-9, abs_tol=1e-9)


def values(predictions, references):
    return [statistic(predictions, references).value for statistic in STATISTICS]


# --- A second implementation, by its definition ---------------------------------------------------


def naive_ranks(column):
    return [
        Fraction(sum(w < v for w in column) * 2 + sum(w == v for w in column) + 1, 2)
        for v in column
    ]


def naive_correlation(p, r):
    """Exact until the last step."""
    p, r = [Fraction(v) for v in p], [Fraction(v) for v in r]
    mean_p, mean_r = sum(p) / len(p), sum(r) / len(r)
    shared = sum((a - mean_p) * (b - mean_r) for a, b in zip(p, r, strict=True))
    spread = sum((a - mean_p) ** 2 for a in p) * sum((b - mean_r) ** 2 for b in r)
    return float(shared) / math.sqrt(spread) if spread else math.nan


def naive(pairs):
    kept = [
        (p, r)
        for p, r in pairs
        if not any(v is None or math.isnan(v) or math.isinf(v) for v in (p, r))
    ]
    p, r = columns(kept)
    if not kept:
        return [math.nan] * 4
    errors = [abs(a - b) for a, b in kept]
    correlations = [math.nan, math.nan]
    if len(kept) > 1:
        correlations = [
            naive_correlation(p, r),
            naive_correlation(naive_ranks(p), naive_ranks(r)),
        ]
    mean_square = math.fsum(e * e for e in errors) / len(errors)
    return [math.fsum(errors) / len(errors), math.sqrt(mean_square), *correlations]


# --- Against other implementations ----------------------------------------------------------------


@given(rows(VALUE | HOLES, RATING | HOLES))
def test_statistics_equal_plain_loops_with_ties_and_holes(pairs):
    assert all(map(same, values(*columns(pairs)), naive(pairs)))


@given(rows(min_size=2))
def test_statistics_equal_scipy_and_scikit_learn(pairs):
    p, r = columns(pairs)
    assume(len(set(p)) > 1 and len(set(r)) > 1)
    expected = [
        mean_absolute_error(r, p),
        root_mean_squared_error(r, p),
        scipy_stats.pearsonr(p, r).statistic,
        scipy_stats.spearmanr(p, r).statistic,
    ]
    assert values(p, r) == pytest.approx(expected, abs=1e-9)


def test_spearman_with_holes_equals_scipy_leaving_them_out():
    rng = np.random.default_rng(0)
    p, r = rng.integers(0, 11, 300).astype(float), rng.choice([0, 2.5, 5, 10], 300)
    p[::7], r[::11] = np.nan, np.nan
    expected = scipy_stats.spearmanr(p, r, nan_policy="omit").statistic
    assert spearman(p, r).value == pytest.approx(expected, abs=1e-12)


@given(st.lists(VALUE, max_size=40))
def test_average_ranks_equal_scipy(column):
    assert average_ranks(column).tolist() == scipy_stats.rankdata(column).tolist()


# --- Properties -----------------------------------------------------------------------------------


@given(rows(VALUE | HOLES, RATING | HOLES), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    assert all(map(same, values(*columns(pairs)), values(*columns(shuffled))))


@given(rows())
def test_predictions_and_references_can_change_places(pairs):
    p, r = columns(pairs)
    assert all(map(same, values(p, r), values(r, p)))


@given(rows(), st.integers(1, 8), st.integers(-50, 50))
def test_errors_scale_and_correlations_do_not(pairs, factor, shift):
    p, r = (np.array(column) for column in columns(pairs))
    before, after = values(p, r), values(factor * p + shift, factor * r + shift)
    scaled = [factor * before[0], factor * before[1], *before[2:]]
    assert after == pytest.approx(scaled, abs=1e-7, nan_ok=True)


@given(rows())
def test_correlations_change_sign_with_one_side(pairs):
    p, r = (np.array(column) for column in columns(pairs))
    for correlation in CORRELATIONS:
        assert same(correlation(-p, r).value, -correlation(p, r).value)


@given(rows())
def test_spearman_only_sees_order(pairs):
    p, r = (np.array(column) for column in columns(pairs))
    assert same(spearman(np.exp(p), r).value, spearman(p, r).value)


@given(rows(min_size=1))
def test_rmse_is_at_least_mae_and_correlations_stay_within_one(pairs):
    absolute, squared, *correlations = values(*columns(pairs))
    assert squared >= absolute - 1e-12
    assert all(math.isnan(value) or abs(value) <= 1 for value in correlations)


@given(rows(min_size=1))
def test_perfect_predictions_have_no_error_and_full_correlation(pairs):
    _, r = columns(pairs)
    absolute, squared, *correlations = values(r, r)
    assert absolute == squared == 0
    assert all(math.isnan(value) or math.isclose(value, 1) for value in correlations)


# --- Nothing to compute ---------------------------------------------------------------------------


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("column", [[], [None], [math.nan, math.inf]])
def test_without_rows_every_statistic_is_nan_with_a_reason(statistic, column):
    result = statistic(column, [1.0] * len(column))
    assert math.isnan(result.value)
    assert result[1:] == (0, "no row has both a prediction and a reference")


def test_one_row_has_an_error_and_no_correlation():
    assert [mae([3], [5]), rmse([3], [5])] == [(2.0, 1, ""), (2.0, 1, "")]
    for correlation in CORRELATIONS:
        result = correlation([3], [5])
        assert math.isnan(result.value)
        assert result[1:] == (1, "1 row; at least two are needed")


@pytest.mark.parametrize("correlation", CORRELATIONS)
@pytest.mark.parametrize(
    ("p", "r", "reason"),
    [
        ([0.1, 0.1, 0.1], [1, 2, 3], "the predictions do not vary"),
        ([1, 2, 3], [0.1, 0.1, 0.1], "the references do not vary"),
        ([3, np.nextafter(3, 4), 3], [1, 2, 3], "the predictions do not vary but for rounding"),
        (
            [1, 2, 3],
            [*np.float32([3, np.nextafter(np.float32(3), np.float32(4)), 3])],
            "the references do not vary but for rounding",
        ),
        ([2, 2, 3], [5, 5, None], "the predictions and the references do not vary"),
    ],
)
def test_constants_have_no_correlation_and_it_is_said_which_side(correlation, p, r, reason):
    result = correlation(p, r)
    assert math.isnan(result.value)
    assert result.reason == reason


def test_values_that_hardly_vary_keep_their_correlation():
    tiny = np.array([0, 1e-200, 2e-200, 4e-200])
    expected = pearson([0, 1, 2, 4], [0, 1, 2, 3]).value
    assert pearson(tiny, [0, 1, 2, 3]).value == pytest.approx(expected)


def test_n_counts_the_rows_with_both_sides():
    assert mae([1, None, 3, 4], [1, 2, None, 4]).n == 2


# --- Inputs that make no sense --------------------------------------------------------------------


def test_columns_of_unequal_length_are_refused_with_their_lengths():
    with pytest.raises(MetricError, match="3 predictions, 2 references"):
        mae([1, 2, 3], [1, 2])


@pytest.mark.parametrize("column", [["high"], [[1, 2], [3, 4]], 5.0, [{}]])
def test_what_is_not_one_number_a_row_is_refused(column):
    with pytest.raises(MetricError, match="one number a row"):
        mae(column, [1])


@pytest.mark.parametrize(("scale", "top"), [("0-10", 10), ("0-4", 4), ("0-1", 1), ("0-2", 2)])
def test_every_scale_ends_at_ten(scale, top):
    assert to_0_10([0, top / 2, top, None], scale).tolist()[:3] == [0, 5, 10]


def test_an_unknown_scale_is_refused_with_the_known_ones():
    with pytest.raises(MetricError, match="'0-5' is not one of " + ", ".join(SCALES)):
        to_0_10([1], "0-5")


def test_tensors_of_any_type_are_read_without_their_gradients():
    torch = pytest.importorskip("torch")
    numbers, ratings = torch.tensor([0.5, 2.0, 3.5]), [0.0, 5.0, 10.0]
    expected = values(numbers.tolist(), ratings)
    for predictions in (
        numbers.clone().requires_grad_(),
        numbers.bfloat16().requires_grad_(),
        list(numbers.clone().requires_grad_().unbind()),
    ):
        assert values(predictions, ratings) == expected
        assert values(ratings, predictions)[:2] == expected[:2]
