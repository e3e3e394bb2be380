"""The made Benches that time and coverage are measured on, and how coverage is counted."""

import numpy as np
import pytest

from benchmarks.metric import RATERS, coverage, made, metric_table, population, summary
from evaluate_metrics.emonet_voice import STATISTICS


def test_a_made_bench_looks_like_bench():
    p, r, names, groups = made(np.random.default_rng(0), 42, 300)
    assert len(p) == len(r) == len(names) == len(groups) == 12_600
    assert (len({*names}), len({*groups})) == (42, 300)
    assert p.min() >= 0 and p.max() <= 10
    of_two, of_three, of_four = ({10 * k / (2 * n) for k in range(2 * n + 1)} for n in RATERS)
    assert {*r.round(6)} == {round(value, 6) for value in of_two | of_three | of_four}


def test_predictions_correlate_by_as_much_as_their_emotion_allows():
    p, r, _, _ = made(np.random.default_rng(0), 3, 20_000)
    result = [np.corrcoef(p[i : i + 20_000], r[i : i + 20_000])[0, 1] for i in (0, 20_000, 40_000)]
    assert result[0] == pytest.approx(0, abs=0.03)
    assert 0.2 < result[1] < 0.35
    assert 0.5 < result[2] < 0.7


def test_groups_share_something_and_do_not_change_what_a_row_is():
    p, r, _, groups = made(np.random.default_rng(0), 2, 100_000, n_groups=1000)
    q, s, _, _ = made(np.random.default_rng(1), 2, 100_000)
    assert np.quantile(p, [0.1, 0.5, 0.9]) == pytest.approx(
        np.quantile(q, [0.1, 0.5, 0.9]), abs=0.2
    )
    assert r.mean() == pytest.approx(s.mean(), abs=0.2)
    means = r[:100_000].reshape(100, 1000).mean(axis=0)
    assert means.var() > 3 * r[:100_000].var() / 100
    assert groups[0] == groups[1000] == groups[100_000] != groups[1]


def test_uneven_groups_are_uneven_and_two_systems_are_equally_good():
    p, r, _, groups = made(np.random.default_rng(0), 1, 30_000, 11, uneven=True, systems=2)
    assert 0.25 < groups.count("group 0") / len(groups) < 0.35
    assert len({*groups}) == 11
    p, r, _, _ = made(np.random.default_rng(0), 3, 30_000, systems=2)
    errors = np.abs(p - r).mean(axis=1)
    assert errors[0] == pytest.approx(errors[1], abs=0.05) and (p[0] != p[1]).mean() > 0.9


def test_coverage_is_the_share_of_intervals_that_hold_the_truth():
    truth = np.array([[1.0, 1, 1, 1], [2, 2, 2, 2]])
    ends = np.tile([0.0, 3.0], (10, 2, 4, 1))
    ends[:4, 1, 2] = 2.5, 3.0
    estimates = truth + np.tile([[[-1.0]], [[1.0]]], (5, 2, 4))
    found = np.zeros((10, 2, 4, 2))
    found[:3, :, 1, 0] = 1
    result = summary(truth, estimates, ends, ends - 1.5, found)
    assert [of["coverage"] for of in result.values()] == [1, 1, 0.8, 1]
    assert [of["lowest"] for of in result.values()] == [1, 1, 0.6, 1]
    assert result["mae"]["coverage_alone"] == 0.5
    assert (result["rmse"]["false"], result["rmse"]["false_alone"]) == (0.3, 0)
    assert result["mae"]["width"] == pytest.approx(3 / 3.92)
    assert result["mae"]["bias"] == 0


@pytest.mark.parametrize("n_groups", [None, 100])
def test_intervals_of_a_few_made_benches_hold_the_population(n_groups):
    rows = coverage(population(5000), n_groups, n_benches=8, n_resamples=60)
    for name in STATISTICS:
        assert 0.85 < rows["emotion"][name]["coverage"] < 1
        assert 0.8 < rows["emotion"][name]["width"] < 1.6
        assert rows["emotion"][name]["false"] < 0.3


def test_the_tables_show_what_has_been_run():
    machine = {"date": "", "commit": "", "cpu": "x", "cores": 2, "cpu_flags": [], "memory_gb": 1}
    machine |= {"gpu": None, "python": "", "torch": "", "transformers": ""}
    row = {"size": "bench", "ties": False}
    rows = [
        row | {"how": "naive", "seconds": [90.0], "measured_on": 5},
        row | {"how": "group", "seconds": [2.0, 1.0, 3.0], "before_mb": 100.0, "peak_mb": 1234.0},
    ]
    table = metric_table({"time": {"machine": machine, "rows": rows}})
    assert "scipy in a loop | continuous | 90 s, from 5 resamples |" in table
    assert "300 groups of 42 | continuous | 2.00 s [1.00–3.00] | 1,234 MB (100) |" in table
    assert "width" not in table
    figures = {"coverage": 0.95, "error": 0.01, "lowest": 0.9, "bias": 0.0, "width": 1.0}
    figures |= {"coverage_alone": 0.88, "false": 0.05, "false_alone": 0.1}
    part = dict.fromkeys(STATISTICS, figures)
    rows = [{"n_groups": 11, "uneven": False, "benches": 400, "resamples": 400}
            | dict.fromkeys(("pooled", "macro", "emotion"), part)]  # fmt: skip
    table = metric_table({"coverage": {"machine": machine, "rows": rows}})
    assert "| 11 groups | … alone | 0.880 | 0.880 |" in table
    assert "| 11 groups | pooled | 0.950 ± 0.010 | 0.950 ± 0.010 |" in table
