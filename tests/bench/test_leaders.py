"""Who really leads: all pairs corrected together, rank intervals, and who cannot be told apart."""

from dataclasses import replace

import pyarrow as pa
import pytest

from evaluate_metrics.bench.evaluation import evaluate, write_result
from evaluate_metrics.bench.predictions import described, read_predictions
from evaluate_metrics.leaderboard.leaders import Compared, mark_ranks, rank_intervals
from evaluate_metrics.leaderboard.merge import merge
from evaluate_metrics.leaderboard.printed import sections
from modeling_empathic.report.tables import as_markdown
from tests.support.evaluation_maker import FEW, heard, made_bench, write


def test_holm_is_over_all_pairs_and_what_is_not_tested_is_not_known():
    pairs = {("a", "b"): Compared(0.1, 0.03), ("a", "c"): Compared(0.2, 0.03)}
    assert rank_intervals("abc", pairs) == dict.fromkeys("abc", (1, 3))  # 0.06 corrected
    alone = rank_intervals("abc", {("b", "a"): Compared(-0.1, 0.03)})
    assert alone == {"a": (1, 2), "b": (2, 3), "c": (1, 3)}


def test_systems_that_chance_may_have_ordered_share_the_first_rank(tmp_path):
    bench = made_bench(FEW, clips=60)
    files, scores = [], []
    for name, noise, seed in (("one", 2, 1), ("two", 2, 2), ("bad", 9, 3)):
        scores.append(write(heard(bench, noise, seed), tmp_path / f"{name}.parquet", model=name))
        said = read_predictions(scores[-1], "0-10")
        said = said._replace(provenance=said.provenance | {"seconds_a_clip": 0.25})
        result = evaluate(said, bench, system=name, n_resamples=0)
        assert result.predictions.sha256 == described(said.rows)["sha256"]
        files.append(tmp_path / f"{name}.json")
        write_result(replace(result, bench=replace(result.bench, revision=None)), files[-1])
    scores.append(write(heard(bench, 5, 9), tmp_path / "newer.parquet", model="newer"))
    table = merge(files, published=False, scores=scores, bench=bench)
    of_no_result = "newer.parquet is of no result in the table on this Bench"
    assert [out["error"] for out in table["comparisons_left_out"]] == [of_no_result]
    ranks = {row["system"]: (row["rank_spearman_low"], row["rank_spearman_high"])
             for row in table["rows"]}  # fmt: skip
    assert ranks == {"one": (1, 2), "two": (1, 2), "bad": (3, 3)}
    assert len(table["comparisons"]) == 3
    shown = as_markdown(sections(table))
    assert shown.count("\\* ") >= 2
    assert "0.25" in shown and "1–2" in shown


def test_without_a_comparison_ranks_have_no_interval(tmp_path):
    bench = made_bench(FEW)
    predictions = read_predictions(write(heard(bench), tmp_path / "a.parquet"), "0-10")
    write_result(evaluate(predictions, bench, system="a", n_resamples=0), tmp_path / "a.json")
    table = merge([tmp_path / "a.json"])
    assert {row["rank_spearman_low"] for row in table["rows"]} == {None}
    assert "No two systems were compared" in as_markdown(sections(table))


@pytest.mark.parametrize("value", ["a lot", -1, True, None, float("inf")])
def test_a_cost_that_is_no_number_is_unknown(tmp_path, value):
    bench = made_bench(FEW)
    predictions = read_predictions(write(heard(bench), tmp_path / "a.parquet"), "0-10")
    predictions = predictions._replace(provenance={"usd_a_clip": value})
    write_result(evaluate(predictions, bench, system="a", n_resamples=0), tmp_path / "a.json")
    (row,) = merge([tmp_path / "a.json"], published=False)["rows"]
    assert row["usd_a_clip"] != row["usd_a_clip"]


def test_what_the_hub_needs_is_ready_to_send_and_only_open_models_are_in_it(tmp_path):
    from evaluate_metrics.leaderboard.pull_requests import write_pull_requests

    row = {"benchmark": "b", "spearman": 0.4, "macro_spearman": 0.3, "rows": 10, "scored": 9,
           "model": "someone/open", "revision": "a" * 40, "bench_source": "laion/bench",
           "bench_revision": "b" * 40, "bench_config": "default",
           "without_prediction": 0}  # fmt: skip
    table = {"rows": [row, row | {"model": None, "revision": None}]}
    files = write_pull_requests(table, tmp_path)
    assert [file.relative_to(tmp_path).parts[:-1] for file in files] == [
        ("huggingface.js",), ("models", "someone--open"),
    ]  # fmt: skip
    text = files[1].read_text()
    assert "--create-pr" in text and "0.400 pooled" in text and "1 of 10 rows" in text
    assert "packages/tasks/src/eval.ts" in files[0].read_text()


def test_the_interval_of_a_rank_holds_the_rank_where_tests_on_common_rows_disagree():
    rows = [{"system": "a", "rank_spearman": 1, "rank_macro_spearman": 1},
            {"system": "b", "rank_spearman": 2, "rank_macro_spearman": 2}]  # fmt: skip
    behind = {name: {"difference": -0.2, "p": 1e-6} for name in ("spearman", "macro_spearman")}
    mark_ranks(rows, [{"a": "a", "b": "b", "comparison": behind}])
    ends = [(row["rank_spearman_low"], row["rank_spearman_high"]) for row in rows]
    assert ends == [(1, 2), (1, 2)]  # a refused what b scored, and nobody knows who is better


def test_a_table_says_rows_floor_and_what_its_intervals_are_of(tmp_path):
    bench = made_bench(FEW, clips=20)
    bench = bench.append_column("voice", pa.array([f"v{n % 7}" for n in range(60)]))
    said = read_predictions(write(heard(bench), tmp_path / "a.parquet"), "0-10")
    write_result(evaluate(said, bench, system="a", n_resamples=20), tmp_path / "a.json")
    table = merge([tmp_path / "a.json"], published=False)
    (row,) = table["rows"]
    assert row["resampled"] == "7 voices"
    shown = as_markdown(sections(table))
    assert "bootstrap of 7 voices" in shown and "| 60 |" in shown
    (floor,) = (line for line in shown.splitlines() if "best without hearing" in line)
    assert f"{row['mae_floor']:.3f}" in floor
