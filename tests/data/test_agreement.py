"""α, kappa and agreement types, against independent implementations and by hand."""

from fractions import Fraction
from itertools import combinations, groupby

import krippendorff
import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from sklearn.metrics import cohen_kappa_score

from dataset_scripts.agreement import (
    MATRICES,
    OVERALL,
    RatedItems,
    StatsError,
    agreement_counts,
    alpha_alternatives,
    alpha_by_emotion,
    cronbach_alpha,
    krippendorff_alpha,
    pairwise_kappa,
    rating_matrix,
    weighted_kappa,
)
from dataset_scripts.annotations import Protocol, Rating, simulate, summarise
from dataset_scripts.intraclass import intraclass
from modeling_empathic.report.statistics import outer_quantiles

SIX = {f"human-{i}": "fm"[i % 2] for i in range(1, 7)}
SCORE = st.sampled_from([0.0, 1.0, 2.0])
SCORE_OR_HOLE = st.sampled_from([0.0, 1.0, 2.0, np.nan])


def matrices(cell=SCORE, columns=(2, 5), rows=(2, 30)):
    def of_width(width):
        row = st.lists(cell, min_size=width, max_size=width)
        return st.lists(row, min_size=rows[0], max_size=rows[1]).map(np.array)

    return st.integers(*columns).flatmap(of_width)


def rated(n_items=300, agreement=0.3, seed=0, emotions=("Awe",)) -> RatedItems:
    """Items played through the protocol; raters hear a common signal of that share and noise."""
    rng = np.random.default_rng(seed)
    signal = {f"{e}#{i}": rng.normal() for e in emotions for i in range(n_items)}

    def perceive(item: str, rater: str) -> int:
        heard = agreement**0.5 * signal[item] + (1 - agreement) ** 0.5 * rng.normal()
        return int(heard > -0.33) + int(heard > 0.3)

    played = simulate(signal, Protocol(SIX), rng, perceive)
    groups = groupby(played, key=lambda pair: pair[0])
    return RatedItems.of(
        [(item.split("#")[0], [rating for _, rating in group]) for item, group in groups]
    )


# --- Cronbach's α ---------------------------------------------------------------------------------


def test_alpha_equals_the_textbook_formula_by_hand():
    matrix = np.array([[1, 2, 0], [2, 2, 1], [0, 1, 0], [2, 2, 2]])
    # Variances 11/12, 1/4 and 11/12; of the sums 3, 5, 1, 6 it is 59/12: 3/2 (1 - 25/59).
    assert cronbach_alpha(matrix).value == pytest.approx(float(Fraction(51, 59)), abs=1e-9)


@given(matrices())
def test_alpha_equals_pingouin_on_full_matrices(matrix):
    assume(matrix.sum(axis=1).var() > 0)
    expected, _ = pingouin.cronbach_alpha(pd.DataFrame(matrix))
    assert cronbach_alpha(matrix, n_resamples=0).value == pytest.approx(expected, abs=1e-9)


def test_alpha_equals_pingouin_on_continuous_scores_far_from_zero():
    rng = np.random.default_rng(0)
    matrix = 1e4 + rng.normal(size=(50, 1)) + rng.normal(size=(50, 4))
    expected, _ = pingouin.cronbach_alpha(pd.DataFrame(matrix))
    assert cronbach_alpha(matrix, n_resamples=0).value == pytest.approx(expected, abs=1e-9)


@given(matrices(SCORE_OR_HOLE, rows=(4, 40)))
def test_alpha_equals_pingouin_pairwise_where_every_pair_of_columns_shares_items(matrix):
    covariance = pd.DataFrame(matrix).cov()
    assume(not covariance.isna().any().any() and abs(covariance.to_numpy().sum()) > 1e-6)
    expected, _ = pingouin.cronbach_alpha(pd.DataFrame(matrix), nan_policy="pairwise")
    assert cronbach_alpha(matrix, n_resamples=0).value == pytest.approx(expected, abs=1e-9)


def test_pingouin_counts_pairs_of_columns_that_share_one_item_as_not_related_at_all():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(60, 1)) + rng.normal(size=(60, 3))
    matrix[1:30, 0] = matrix[30:, 2] = np.nan  # these two share the first row alone
    frame = pd.DataFrame(matrix)
    theirs, _ = pingouin.cronbach_alpha(frame, nan_policy="pairwise")
    variance, known = np.diag(frame.cov()).mean(), frame.cov()[0][1] + frame.cov()[1][2]
    for shared, alpha in ((known / 3, theirs), (known / 2, cronbach_alpha(matrix).value)):
        assert 3 * shared / (variance + 2 * shared) == pytest.approx(alpha, abs=1e-9)


def test_pairs_of_columns_that_share_nothing_are_left_out_of_the_mean():
    rng = np.random.default_rng(0)
    matrix = rng.integers(0, 3, (60, 3)).astype(float)
    matrix[:30, 0] = matrix[30:, 2] = np.nan
    frame = pd.DataFrame(matrix)
    variance = np.diag(frame.cov()).mean()
    shared = np.mean([frame.cov()[0][1], frame.cov()[1][2]])
    expected = 3 * shared / (variance + 2 * shared)
    assert cronbach_alpha(matrix).value == pytest.approx(expected, abs=1e-9)


# --- its bootstrap --------------------------------------------------------------------------------


@given(matrices(SCORE_OR_HOLE), st.permutations(range(30)))
def test_neither_alpha_nor_its_interval_depends_on_the_order_of_the_items(matrix, order):
    shuffled = matrix[[i for i in order if i < len(matrix)]]
    left, right = (cronbach_alpha(m, n_resamples=20) for m in (matrix, shuffled))
    np.testing.assert_equal(left, right)


@pytest.mark.parametrize("n", [4, 11, 30, 300])
def test_few_items_have_their_ends_where_students_t_has_them(n):
    expected = scipy_stats.norm.cdf(scipy_stats.t.ppf([0.025, 0.975], n - 1) * (n / (n - 1)) ** 0.5)
    assert outer_quantiles(n) == pytest.approx(expected, abs=1e-4)


def test_of_six_items_the_interval_of_alpha_covers_what_is_true():
    rng = np.random.default_rng(0)
    covered = []
    for seed in range(300):
        # Of a variance of 1.5 two ratings share 1: r is 2/3 and α 4/5.
        scores = rng.normal(size=6)[:, None] + rng.normal(0, 0.5**0.5, (6, 2))
        estimate = cronbach_alpha(scores, n_resamples=200, seed=seed)
        covered.append(estimate.low <= 0.8 <= estimate.high)
    assert np.mean(covered) > 0.94  # 0.91 between the plain percentiles


@pytest.mark.parametrize("n_columns", [2, 3])
def test_the_interval_is_that_of_a_loop_that_resamples_items(n_columns):
    scores = rating_matrix(rated(120), "seats")[:, :n_columns]
    estimate = cronbach_alpha(scores, n_resamples=60, seed=3)
    rows, counts = np.unique(np.nan_to_num(scores, nan=9), axis=0, return_counts=True)
    rows[rows == 9] = np.nan
    draws = np.random.default_rng(3).multinomial(120, counts / 120, size=60)
    loop = [
        pingouin.cronbach_alpha(pd.DataFrame(np.repeat(rows, draw, axis=0)))[0] for draw in draws
    ]
    outer = scipy_stats.norm.cdf(scipy_stats.t.ppf([0.025, 0.975], 119) * np.sqrt(120 / 119))
    assert estimate[2:4] == pytest.approx(np.quantile(loop, outer), abs=1e-5)


def test_the_interval_agrees_with_scipys_bootstrap_over_items():
    scores = rating_matrix(rated(300), "first_two")

    def alpha(first, second, axis):
        variances = first.var(axis=axis) + second.var(axis=axis)
        return 2 * (1 - variances / (first + second).var(axis=axis))

    expected = scipy_stats.bootstrap(
        tuple(scores.T), alpha, paired=True, vectorized=True, method="percentile",
        n_resamples=4_000, rng=0, batch=500,
    ).confidence_interval  # fmt: skip
    estimate = cronbach_alpha(scores, n_resamples=4_000)
    assert estimate[2:4] == pytest.approx(tuple(expected), abs=0.012)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    scores = rating_matrix(rated(), "first_two")
    assert cronbach_alpha(scores) == cronbach_alpha(scores)
    assert cronbach_alpha(scores, seed=1)[2:4] != cronbach_alpha(scores)[2:4]


def test_resamples_without_a_value_are_counted_and_left_out():
    matrix = np.array([[0, 0], [0, 0], [0, 0], [2, 1]])
    estimate = cronbach_alpha(matrix, n_resamples=2_000)
    # Every resample without the last item is constant: (3/4)^4 of them, all with it once in pairs.
    constant = (3 / 4) ** 4 + (1 / 4) ** 4
    assert estimate.n_undefined / 2_000 == pytest.approx(constant, abs=0.03)
    assert [estimate.low, estimate.high] == pytest.approx([estimate.value] * 2)


# --- what is undefined ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matrix", "n", "reason"),
    [
        (np.empty((0, 2)), 0, "0 items with enough ratings; at least two are needed"),
        (np.array([[1, 2]]), 1, "1 item with enough ratings; at least two are needed"),
        (np.full((5, 3), 0.1), 5, "the scores do not vary"),
        (np.array([[0, 2], [2, 0], [1, 1]]), 3, "the columns cancel each other out"),
        (np.array([[0.1, 1.0], [0.3, 0.8], [0.7, 0.4]]), 3, "the columns cancel each other out"),
        (np.array([[0, np.nan], [1, np.nan], [np.nan, 2]]), 3, "no two columns share two items"),
        (np.array([[0.0], [1.0]]), 2, "no two columns share two items"),
        (np.full((4, 2), np.nan), 4, "no two columns share two items"),
    ],
)
def test_an_undefined_alpha_is_nan_with_a_reason(matrix, n, reason):
    estimate = cronbach_alpha(matrix)
    assert np.isnan([estimate.value, estimate.low, estimate.high]).all()
    assert (estimate.n, estimate.reason) == (n, reason)


def test_one_constant_column_is_defined_and_zero():
    assert cronbach_alpha(np.array([[1, 0], [1, 2], [1, 1]])).value == 0


@given(matrices(SCORE_OR_HOLE, columns=(1, 4), rows=(1, 6)))
def test_whatever_the_holes_alpha_is_a_number_or_nan_with_a_reason(matrix):
    estimate = cronbach_alpha(matrix, n_resamples=5)
    assert np.isnan(estimate.value) == bool(estimate.reason)
    assert not np.isinf(estimate.value)


# --- the matrices ---------------------------------------------------------------------------------


def test_the_four_matrices_by_hand():
    items = RatedItems.of(
        [
            ("Awe", [Rating("c", 2), Rating("a", 1)]),
            ("Awe", [Rating("a", 0), Rating("b", 1), Rating("c", 2)]),
            ("Awe", [Rating("b", 2)]),
        ]
    )
    nan = np.nan
    expected = {
        "first_two": [[2, 1], [0, 1]],
        "complete": [[0, 1, 2]],
        "seats": [[2, 1, nan], [0, 1, 2]],
        "raters": [[1, nan, 2], [0, 1, 2]],
    }
    assert tuple(expected) == MATRICES
    for name, matrix in expected.items():
        np.testing.assert_array_equal(rating_matrix(items, name), matrix)
    with pytest.raises(StatsError, match="matrix 'all' is not one of first_two, complete"):
        rating_matrix(items, "all")


def test_alpha_comes_for_every_emotion_and_over_all_items():
    items = rated(60, emotions=("Awe", "Anger"))
    alphas = alpha_by_emotion(items, n_resamples=10)
    assert list(alphas) == ["Awe", "Anger", OVERALL]
    assert alphas["Awe"] == cronbach_alpha(
        rating_matrix(items[items.emotions == "Awe"]), n_resamples=10
    )
    assert (alphas["Anger"].n, alphas[OVERALL].n) == (60, 120)


def test_one_call_shows_how_alpha_moves_with_the_matrix():
    alternatives = alpha_alternatives(rated(400), n_resamples=0)
    assert list(alternatives) == [*MATRICES, "krippendorff"]
    values = [alphas[OVERALL].value for alphas in alternatives.values()]
    assert len(set(np.round(values, 3))) == len(values)
    assert alternatives["complete"][OVERALL].n < alternatives["first_two"][OVERALL].n == 400


def test_only_the_first_two_ratings_are_free_of_the_protocols_selection():
    """Of raters who guess, α must be zero; the third seat depends on the first two scores."""
    alphas = [alpha_alternatives(rated(3_000, 0.0, s), n_resamples=0) for s in (1, 2)]
    for name, bound in (("first_two", 0.06), ("krippendorff", 0.2)):
        assert abs(np.mean([alpha[name][OVERALL].value for alpha in alphas])) < bound
    assert np.mean([alpha["krippendorff"][OVERALL].value for alpha in alphas]) < -0.02


def test_intervals_of_alpha_cannot_be_as_narrow_as_table_10s():
    """The argument of the module's docstring, in numbers."""
    pairs = (4_538 * 1 + 7_719 * 3 + 343 * 6) / 12_600
    floor = 1.96 * 2 / (pairs * 300) ** 0.5
    assert (round(pairs, 2), round(floor, 3)) == (2.36, 0.147)
    for matrix in MATRICES:
        estimate = cronbach_alpha(rating_matrix(rated(300, 0.0), matrix), n_resamples=300)
        assert (estimate.high - estimate.low) / 2 > 0.147


# --- Krippendorff's α, kappa, types ---------------------------------------------------------------


def naive_krippendorff(scores: np.ndarray) -> float:
    """Ordinal α from its definition: disagreement within items over disagreement among all."""
    items = [row[~np.isnan(row)] for row in scores]
    items = [item for item in items if len(item) > 1]
    values = np.concatenate(items)
    n = [np.sum(values == score) for score in range(3)]

    def distance(a, b):
        low, high = int(min(a, b)), int(max(a, b))
        return (sum(n[low : high + 1]) - (n[low] + n[high]) / 2) ** 2

    within = sum(
        2 * distance(a, b) / (len(item) - 1) for item in items for a, b in combinations(item, 2)
    ) / len(values)
    among = sum(2 * distance(a, b) for a, b in combinations(values, 2))
    return 1 - within / (among / (len(values) * (len(values) - 1)))


@given(matrices(SCORE_OR_HOLE, columns=(2, 4), rows=(2, 12)))
def test_krippendorffs_alpha_equals_its_definition(scores):
    estimate = krippendorff_alpha(scores)
    paired = scores[(~np.isnan(scores)).sum(axis=1) > 1]
    assert estimate.n == len(paired)
    if len(np.unique(paired[~np.isnan(paired)])) < 2:
        assert np.isnan(estimate.value)
        assert estimate.reason
    else:
        assert estimate.value == pytest.approx(naive_krippendorff(scores), abs=1e-9)


def test_one_item_has_an_alpha_and_no_interval():
    of_one = krippendorff_alpha(np.array([[0, 1.0], [2.0, np.nan]]))
    assert (of_one.value, of_one.n) == (0, 1) and np.isnan([of_one.low, of_one.high]).all()


def test_krippendorffs_alpha_takes_ratings_in_any_seat():
    scores = rated(100).scores
    shuffled = np.random.default_rng(0).permuted(scores, axis=1)
    assert krippendorff_alpha(shuffled) == krippendorff_alpha(scores)
    direct = krippendorff.alpha(scores.T, level_of_measurement="ordinal")
    assert krippendorff_alpha(scores).value == pytest.approx(direct, abs=1e-12)


@given(st.lists(st.tuples(SCORE, SCORE), min_size=1, max_size=40), st.booleans())
def test_kappa_equals_scikit_learn(pairs, squared):
    first, second = np.array(pairs).T
    assume(len(np.unique(pairs)) > 1)
    weights = "quadratic" if squared else "linear"
    expected = cohen_kappa_score(first, second, weights=weights, labels=[0, 1, 2])
    assert weighted_kappa(first, second, weights).value == pytest.approx(expected, abs=1e-9)


def test_undefined_kappas_say_why():
    nothing, same = np.array([]), np.ones(4)
    assert weighted_kappa(nothing, nothing, "linear").reason == "the two raters share no item"
    estimate = weighted_kappa(same, same, "quadratic")
    assert np.isnan(estimate.value)
    assert estimate[1::4] == (4, "both raters gave one and the same score")
    with pytest.raises(ValueError, match="weights 'cubic' is not one of linear, quadratic"):
        weighted_kappa(same, same, "cubic")


def test_pairwise_kappa_rests_on_the_items_that_two_raters_share():
    items = rated(200)
    kappas = pairwise_kappa(items)
    assert len(kappas) == 15
    for (a, b), both in kappas.items():
        codes = [items.names.index(name) for name in (a, b)]
        rows = [row for row in items.raters if set(codes) <= set(row)]
        assert both["linear"].n == both["quadratic"].n == len(rows)


def test_agreement_types_are_counted_as_summarise_names_them():
    rng = np.random.default_rng(0)
    ratings = [
        [Rating(f"r{i}", int(score)) for i, score in enumerate(rng.integers(0, 3, n))]
        for n in rng.integers(2, 5, 300)
    ]
    emotions = rng.choice(["Awe", "Anger"], 300)
    counts = agreement_counts(RatedItems.of(zip(emotions, ratings, strict=True)))
    for emotion in ("Awe", "Anger", OVERALL):
        kinds = [
            summarise(r).agreement
            for e, r in zip(emotions, ratings, strict=True)
            if emotion in (e, OVERALL)
        ]
        assert counts[emotion] == {kind: kinds.count(kind) for kind in set(kinds)}


@pytest.mark.parametrize(
    "coefficient", [krippendorff_alpha, lambda s, **how: intraclass(s, **how).single]
)
def test_of_four_clips_the_interval_of_agreement_covers_what_is_true(coefficient):
    def rated(n, rng):
        truth = rng.integers(0, 3, n)[:, None]
        return np.where(rng.random((n, 3)) < 0.7, truth, rng.integers(0, 3, (n, 3))).astype(float)

    rng = np.random.default_rng(0)
    true = coefficient(rated(100_000, rng), n_resamples=0).value
    found = [coefficient(rated(4, rng), n_resamples=200, seed=seed) for seed in range(200)]
    covered = [of.low <= true <= of.high for of in found if of.low == of.low]
    assert np.mean(covered) > 0.8  # 0.67 between percentiles of these few clips alone
    assert all(of.high <= 1 for of in found if of.high == of.high)
