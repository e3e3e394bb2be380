"""Figures beyond the paper's four: each against an independent computation, to 1e-9."""

import json
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from dataset_scripts.intraclass import intraclass
from evaluate_metrics.bench.comparison import compare
from evaluate_metrics.bench.details import details
from evaluate_metrics.bench.details_tables import sections
from evaluate_metrics.bench.evaluation import evaluate
from evaluate_metrics.bench.further import (
    ccc,
    concordance,
    error_parts,
    quadratic_kappa,
    rating_distance,
)
from evaluate_metrics.bench.plan import detectable, plan, power_of, section
from evaluate_metrics.bench.result import Result
from modeling_empathic.report.tables import as_text
from tests.support.evaluation_maker import FEW, heard, made_bench, of, with_ratings


def made(seed, n=40):
    """Scores on 0 to 10 and two to four ratings of each clip, with ties among both."""
    rng = np.random.default_rng(seed)
    ratings = 5.0 * rng.integers(0, 3, (n, 4))
    ratings[np.arange(4) >= rng.integers(2, 5, n)[:, None]] = np.nan
    return np.round(rng.uniform(0, 10, n), 1), ratings


@pytest.mark.parametrize("seed", range(5))
def test_concordance_correlation_is_lins_from_moments(seed):
    p, ratings = made(seed)
    r = np.nanmean(ratings, axis=1)
    cov = np.cov(p, r, bias=True)
    expected = 2 * cov[0, 1] / (cov[0, 0] + cov[1, 1] + (p.mean() - r.mean()) ** 2)
    assert ccc(p, r) == pytest.approx(expected, abs=1e-9)
    assert ccc(p, p) == pytest.approx(1, abs=1e-12)
    for constant in (1.0, 0.3, 1 / 3):  # the mean of ten 0.3 is not 0.3
        assert np.isnan(ccc(np.full(10, constant), np.full(10, constant)))
        assert ccc(np.full(10, constant), r[:10]) == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_parts_of_an_error_add_up_to_it(seed):
    p, ratings = made(seed)
    r = np.nanmean(ratings, axis=1)
    parts = error_parts(p, r)
    assert sum(part**2 for part in parts) == pytest.approx(np.mean((p - r) ** 2), abs=1e-9)
    assert parts.bias == pytest.approx(np.mean(p - r), abs=1e-9)
    rest = np.sqrt(2 * np.std(p) * np.std(r) * (1 - stats.pearsonr(p, r)[0]))
    assert parts.correlation_error == pytest.approx(rest, abs=1e-9)
    assert np.isnan(error_parts(np.array([1.0, np.nan]), np.array([1.0, 2.0]))).all()


@pytest.mark.parametrize("seed", range(5))
def test_ordinal_figures_are_counted_over_single_ratings(seed):
    p, ratings = made(seed)
    single = [(p[i], r) for i in range(len(p)) for r in ratings[i] if r == r]
    right = pairs = 0.0
    for (score, a), (other, b) in combinations(single, 2):
        if a != b:
            pairs += 1
            right += 0.5 if score == other else float((score > other) == (a > b))
    assert concordance(p, ratings) == pytest.approx(right / pairs, abs=1e-9)
    levels = [min(range(3), key=lambda level: (abs(level * 5 - score), level))
              for score, _ in single]  # fmt: skip
    kappa = cohen_kappa_score(levels, [int(r / 5) for _, r in single], weights="quadratic")
    assert quadratic_kappa(p, ratings) == pytest.approx(kappa, abs=1e-9)


def test_over_two_levels_concordance_is_the_area_under_the_curve():
    rng = np.random.default_rng(0)
    p, r = rng.normal(size=50), 10.0 * rng.integers(0, 2, 50)
    assert concordance(p, r[:, None]) == pytest.approx(roc_auc_score(r > 0, p), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_soft_labels_are_met_by_the_earth_movers_distance(seed):
    p, ratings = made(seed)
    each = [stats.wasserstein_distance([score], row[~np.isnan(row)])
            for score, row in zip(p, ratings, strict=True)]  # fmt: skip
    assert rating_distance(p, ratings) == pytest.approx(np.mean(each), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(2, 4), min_size=3, max_size=12), st.integers(0, 99))
def test_icc_is_that_of_the_one_way_analysis_of_variance(sizes, seed):
    rng = np.random.default_rng(seed)
    groups = [rng.integers(0, 3, n).astype(float) for n in sizes]
    scores = np.full((len(groups), 4), np.nan)
    for row, group in zip(scores, groups, strict=True):
        row[: len(group)] = group
    found = intraclass(scores, n_resamples=0)
    within = sum(((group - group.mean()) ** 2).sum() for group in groups)
    between = np.ptp([group.mean() for group in groups])
    if within == 0 or between == 0:
        return  # scipy's F is infinite, or nothing varies
    f = stats.f_oneway(*groups).statistic
    total = sum(sizes)
    raters = (total - sum(n * n for n in sizes) / total) / (len(sizes) - 1)
    assert found.single.value == pytest.approx((f - 1) / (f + raters - 1), abs=1e-9)
    assert found.mean.value == pytest.approx(1 - 1 / f, abs=1e-9)


@pytest.mark.parametrize(("shift", "factor"), [(0, 1), (1e6, 1), (0, 1e-7)])
def test_icc_does_not_depend_on_the_scale_and_is_undefined_only_where_it_is(shift, factor):
    example = np.array([[9, 8], [6, 7], [2, 3.0]]) * factor + shift
    assert intraclass(example, n_resamples=0).single.value == pytest.approx(18 / 18.991, abs=1e-4)
    same_means = intraclass(np.array([[0, 1], [1, 0.0]]) * factor + shift, n_resamples=9)
    assert same_means.single.value == pytest.approx(-1)  # MSB is 0: -MSW / MSW
    assert np.isnan(same_means.mean.value) and "means do not vary" in same_means.mean.reason
    nothing = intraclass(np.full((4, 2), 0.3) * factor + shift)
    assert np.isnan(nothing.single.value) and nothing.single.reason == "the scores do not vary"


def test_icc_has_an_interval_over_clips_whatever_their_order():
    _, ratings = made(3)
    one, other = intraclass(ratings), intraclass(ratings[::-1])
    assert one == other
    assert one.single.low < one.single.value < one.single.high


def test_a_result_has_figures_by_group_and_error_against_disagreement():
    bench = with_ratings(made_bench(FEW, clips=30))
    voices = [f"v{i % 3}" for i in range(len(bench))]
    bench = bench.append_column("voice", pa.array(voices))
    result = evaluate(of(heard(bench)), bench, system="made", n_resamples=0)
    found = result.details
    assert set(found.by) == {"voice", "raters", "agreement"}
    rows = [i for i, voice in enumerate(voices) if voice == "v1"]
    alone = details(np.where(np.isin(np.arange(90), rows), 5.0, np.nan), bench)
    assert found.by["voice"]["v1"].n == len(rows) == alone.pooled.n
    assert sum(group.n for group in found.by["agreement"].values()) == 90
    spread = np.array([np.std([5 * r["score"] for r in of]) for of in bench["ratings"].to_pylist()])
    joined = found.disagreement
    assert joined.n_agreed == int((spread == 0).sum())
    assert found.pooled.rmse == pytest.approx(result.metric.rmse, abs=1e-12)
    written = json.loads(json.dumps(result.to_json()))
    assert Result.from_json(written).to_json()["details"] == written["details"]
    text = as_text(sections(found, 80), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "By voice" in text and "Error against disagreement" in text


def test_a_planned_comparison_finds_its_smallest_difference_with_the_power_it_says():
    rng = np.random.default_rng(0)
    n, true = 12, detectable(1 / np.sqrt(12), 11)
    samples = rng.normal(true, 1, (4000, n))
    t = samples.mean(axis=1) / (samples.std(axis=1, ddof=1) / np.sqrt(n))
    assert np.mean(t > stats.t.ppf(0.975, 11)) == pytest.approx(0.8, abs=0.04)
    assert power_of(true, 1 / np.sqrt(12), 11) == pytest.approx(0.8, abs=0.002)
    expected = stats.t.ppf(0.975, 11) + stats.t.ppf(0.9, 11)
    assert detectable(1.0, 11, 0.9) == pytest.approx(expected, abs=1e-9)


def test_a_plan_says_how_many_rows_a_difference_takes():
    bench = made_bench(FEW, clips=30)
    pilot = compare(of(heard(bench)), of(heard(bench, seed=2)), bench, 200)
    plans = {one.figure: one for one in plan(pilot)}
    rho = plans["spearman"]
    assert rho.detectable["80%"] < rho.detectable["90%"]
    ratio = rho.needed["0.01"] / rho.needed["0.02"]
    assert ratio == pytest.approx(4, rel=0.01)
    assert plans["mae"].needed.keys() == {"0.1", "0.2", "0.5"}
    assert max(map(len, as_text([section(list(plans.values()), "row")], 80).splitlines())) <= 80
