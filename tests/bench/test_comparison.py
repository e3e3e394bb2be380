"""Differences of two systems: paired, on common rows only, corrected for many emotions."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from evaluate_metrics.bench.comparison import compare
from evaluate_metrics.bench.comparison_tables import sections
from evaluate_metrics.bench.figures import ComparedRows
from evaluate_metrics.bench.plan import detectable, plan, power_of, units_needed
from evaluate_metrics.bench.result import EvaluationError
from evaluate_metrics.emonet_voice import STATISTICS, resample, studentised
from modeling_empathic.report.statistics import holm
from modeling_empathic.report.tables import as_text
from tests.support.evaluation_maker import FEW, heard, made_bench, of, with_outcome

P_VALUES = st.lists(st.floats(0, 1) | st.just(math.nan), min_size=1, max_size=45)


def naive_holm(p_values):
    """As Holm (1979) words it: reject in order while p <= alpha / (tests left)."""
    tested = sorted(p for p in p_values if not math.isnan(p))
    adjusted = {}
    for i, p in enumerate(tested):
        before = [q * (len(tested) - j) for j, q in enumerate(tested[: i + 1])]
        adjusted[p] = min(1.0, max(before))
    return [math.nan if math.isnan(p) else adjusted[p] for p in p_values]


@given(P_VALUES)
def test_holm_is_the_step_down_procedure(p_values):
    np.testing.assert_allclose(holm(p_values), naive_holm(p_values), rtol=1e-12)


@pytest.mark.slow  # the import alone
@given(st.lists(st.floats(0, 1), min_size=1, max_size=45))
def test_holm_is_that_of_statsmodels(p_values):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    expected = multitest.multipletests(p_values, method="holm")[1]
    np.testing.assert_allclose(holm(p_values), expected, rtol=1e-12)


@given(P_VALUES)
def test_holm_only_raises_p_values_and_keeps_their_order(p_values):
    corrected = holm(p_values)
    for p, q in zip(p_values, corrected, strict=True):
        assert math.isnan(p) == math.isnan(q)
        assert math.isnan(p) or p <= q <= 1
    known = [(p, q) for p, q in zip(p_values, corrected, strict=True) if not math.isnan(p)]
    assert [q for _, q in sorted(known)] == sorted(q for _, q in known)


def test_without_a_difference_p_values_are_uniform():
    rng = np.random.default_rng(0)
    p_values = []

    def pearson(p, r):
        return np.corrcoef(p, r)[0, 1]

    for seed in range(200):
        r = rng.normal(size=60)
        systems = np.stack([r + rng.normal(size=60), r + rng.normal(size=60)])
        drawn = resample(systems, r, n_resamples=199, seed=seed).pooled[:, 2]
        value = pearson(systems[0], r) - pearson(systems[1], r)
        p_values.append(studentised(value, drawn[0] - drawn[1], 60).p)
    below = np.mean(np.array(p_values) <= 0.1)
    assert 0.05 < below < 0.16  # 0.1 expected, 0.06 to 0.14 by chance


def test_a_system_does_not_differ_from_itself():
    bench = made_bench()
    same = of(heard(bench))
    result = compare(same, same, bench, n_resamples=50)
    for name in STATISTICS:
        for of_one in (result[name], result[f"macro_{name}"]):
            assert (of_one.difference, of_one.low, of_one.high) == (0, 0, 0)
            assert of_one.p == 1
    assert {row.spearman.p_holm for row in result.per_emotion.values()} == {1}


def test_the_better_system_is_found_and_the_worse_one_mirrors_it():
    bench = made_bench(clips=60)
    good, bad = of(heard(bench, noise=1.5)), of(heard(bench, noise=8, seed=2))
    result, mirrored = compare(good, bad, bench, 500), compare(bad, good, bench, 500)
    assert result.spearman.low > 0 > result.mae.high
    assert result.spearman.p < 0.05
    for name in STATISTICS:
        assert result[name].difference == pytest.approx(-mirrored[name].difference)
    for row in result.per_emotion.values():
        assert row.spearman.p <= row.spearman.p_holm
        assert row.n == 60


def test_pairing_narrows_the_interval_of_systems_that_err_alike():
    bench = made_bench(clips=60)
    rows = heard(bench)
    shifted = pa.array(np.clip(rows["score"].to_numpy() + 0.3, 0, 10))
    alike = rows.set_column(2, "score", shifted)
    close = compare(of(alike), of(rows), bench, 300).mae
    far = compare(of(heard(bench, seed=9)), of(rows), bench, 300).mae
    assert close.high - close.low < 0.5 * (far.high - far.low)


def test_only_rows_that_both_scored_take_part():
    bench = made_bench()
    clips = bench["clip_id"].to_pylist()
    a = with_outcome(heard(bench), lambda row: row["clip_id"] in clips[:3], "refused")
    b = heard(bench, seed=3).filter(pa.compute.is_in(a["clip_id"], pa.array(clips[:50])))
    result = compare(of(a), of(b), bench, n_resamples=20)
    assert result.rows == ComparedRows(common=47, only_a=10, only_b=3)
    held = [row for row in bench.to_pylist() if row["clip_id"] in clips[3:50]]
    score = {(r["clip_id"], r["emotion"]): r["score"] for r in a.to_pylist()}
    errors = [abs(score[r["clip_id"], r["emotion"]] - r["mean_0_10"]) for r in held]
    assert result.mae.a == pytest.approx(np.mean(errors))


def test_other_scales_are_brought_together():
    bench = made_bench()
    rows = heard(bench)
    quarter = rows.set_column(2, "score", pa.array(rows["score"].to_numpy() / 2.5))
    result = compare(of(quarter, "0-4"), of(rows), bench, n_resamples=20)
    assert result.mae.difference == pytest.approx(0, abs=1e-12)


def test_what_is_undefined_for_one_has_no_difference_and_is_no_test():
    bench = made_bench()
    constant = heard(bench)
    fives = [
        5.0 if name == "Awe" else score
        for name, score in zip(
            constant["emotion"].to_pylist(), constant["score"].to_pylist(), strict=True
        )
    ]
    constant = constant.set_column(2, "score", pa.array(fives))
    result = compare(of(constant), of(heard(bench, seed=5)), bench, n_resamples=100)
    awe = result.per_emotion["Awe"].spearman
    assert all(
        math.isnan(getattr(awe, key)) for key in ("a", "difference", "low", "high", "p", "p_holm")
    )
    others = [result.per_emotion[name].spearman for name in FEW if name != "Awe"]
    smaller = min(others, key=lambda row: row.p)
    assert smaller.p_holm == pytest.approx(min(1, 2 * smaller.p))
    text = as_text(sections(result, "a", "b", 80), 80)
    assert "n/a¹" in text
    assert "¹ undefined for at least one of the two" in text


def test_few_voices_are_counted_and_said_and_p_is_not_bounded_by_resamples():
    bench = made_bench(clips=60)
    voices = pa.array([f"voice {i % 11}" for i in range(len(bench))])
    bench = bench.append_column("voice", voices)
    result = compare(of(heard(bench, noise=0.5)), of(heard(bench, 9, seed=2)), bench, 99)
    assert (result.bootstrap.unit, result.bootstrap.n_units) == ("group", 11)
    assert result.per_emotion["Awe"].mae.p_holm < 0.001
    text = " ".join(as_text(sections(result, "a", "b", 80), 80).split())
    assert "99 resamples of the 11 groups: so few that the intervals are widened" in text


def test_intervals_of_two_groups_stay_on_the_scale():
    bench = made_bench(clips=20)
    bench = bench.append_column("group", pa.array(["a", "b"] * 30))
    result = compare(of(heard(bench)), of(heard(bench, 9, seed=2)), bench, 50)
    for name, most in (("mae", 10), ("spearman", 2)):
        assert -most <= result[name].low <= result[name].high <= most


def test_no_common_row_is_an_error():
    bench = made_bench()
    none = with_outcome(heard(bench), lambda row: True, "refused")
    with pytest.raises(EvaluationError, match="no row that both systems scored"):
        compare(of(none), of(heard(bench)), bench)


def test_a_plan_has_the_standard_error_that_the_resamples_have():
    bench = made_bench(FEW, clips=6)
    lone = made_bench(("Pain",), clips=1)  # drawn every time, and so no degree of freedom
    lone = lone.set_column(0, "clip_id", pa.array(["lone"]))
    bench = pa.concat_tables([bench, lone]).replace_schema_metadata(bench.schema.metadata)
    names = (*FEW, "Pain")
    a, b = (of(heard(bench, noise, seed, names)) for noise, seed in ((3.0, 1), (3.0, 2)))
    compared = compare(a, b, bench)
    assert compared.bootstrap.n_units == 18 and len(compared.per_emotion) == 4
    references = bench["mean_0_10"].to_numpy()
    systems = np.stack(
        [np.array(columns) for columns in (scores_on(a, bench), scores_on(b, bench))]
    )
    drawn = resample(systems, references, bench["emotion"].to_pylist())
    spread = (drawn.pooled[0, 3] - drawn.pooled[1, 3]).std() * (18 / 15) ** 0.5
    (of_rho,) = (p for p in plan(compared) if p.figure == "spearman")
    assert of_rho.standard_error == pytest.approx(spread, rel=1e-9)


def scores_on(said, bench):
    """The scores of a Bench's rows, in its order."""
    by = {(r["clip_id"], r["emotion"]): r["score"] for r in said.rows.to_pylist()}
    keys = zip(bench["clip_id"].to_pylist(), bench["emotion"].to_pylist(), strict=True)
    return [by[key] for key in keys]


def test_a_plan_is_not_made_better_by_where_a_statistic_ends():
    bench = made_bench(FEW, clips=3)
    bench = bench.append_column("voice", pa.array(["a"] * 5 + ["b"] * 4))
    a, b = (of(heard(bench, 6.0, seed, FEW)) for seed in (1, 2))
    compared = compare(a, b, bench)
    ends = compared.spearman
    assert ends.low == -2 or ends.high == 2  # two voices: t is 12.7
    half = max(ends.high - ends.difference, ends.difference - ends.low)
    (of_rho,) = (p for p in plan(compared) if p.figure == "spearman")
    assert of_rho.standard_error == pytest.approx(half / 12.7062, rel=1e-4)


@pytest.mark.parametrize("df", [3, 4, 10, 50, 10_000])
@pytest.mark.parametrize("effect", [0.5, 2.0, 3.0, 5.0])
def test_power_is_that_of_the_noncentral_t(df, effect):
    exact = scipy_stats.nct.sf(scipy_stats.t.ppf(0.975, df), df, effect)
    assert power_of(effect, 1.0, df) == pytest.approx(exact, abs=0.015)


@pytest.mark.parametrize("df", [4, 10, 50])
@pytest.mark.parametrize("power", [0.8, 0.9])
def test_the_smallest_difference_that_is_found_is_found_so_often(df, power):
    rng = np.random.default_rng(df)
    true = detectable(1.0, df, power)
    found = rng.normal(true, 1, 20_000) / np.sqrt(rng.chisquare(df, 20_000) / df)
    assert np.mean(found > scipy_stats.t.ppf(0.975, df)) == pytest.approx(power, abs=0.02)


@pytest.mark.parametrize("units, strata", [(6, 1), (11, 1), (120, 40)])
@pytest.mark.parametrize("difference", [0.02, 0.1, 0.5])
def test_as_many_units_as_are_needed_have_the_power_and_one_less_has_not(units, strata, difference):
    n = units_needed(difference, 0.1, units, strata)
    error, df = 0.1 * (units / n) ** 0.5, n - strata
    assert detectable(error, df) <= difference
    assert n == strata + 1 or detectable(0.1 * (units / (n - 1)) ** 0.5, df - 1) > difference
    power = scipy_stats.nct.sf(scipy_stats.t.ppf(0.975, df), df, difference / error)
    assert power > (0.78 if df > 2 else 0.6)
