"""Results of anyone become one table and what the Hub reads."""

import json
import math

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCardData, parse_eval_result_entries
from huggingface_hub.repocard_data import model_index_to_eval_results
from pyarrow import parquet

from evaluate_metrics.bench.result import EvaluationError
from evaluate_metrics.leaderboard.hub_files import TASKS, eval_yaml, write_hub_files
from evaluate_metrics.leaderboard.merge import PAPER, merge, write_leaderboard
from evaluate_metrics.leaderboard.table import COLUMNS
from evaluate_metrics.published import published_table6
from modeling_empathic.report.files import write_json
from tests.support.board_maker import HOSTILE
from tests.support.places import REPOSITORY
from tests.support.results import BENCH, JOIN, METRICS, SMALL, result

STORED = REPOSITORY / "tests" / "bench" / "data" / "result_format_1.json"


@pytest.fixture
def store(tmp_path):
    """Writes results as `evaluate` does and returns their files."""

    def write(*results):
        files = [tmp_path / f"{i}.json" for i in range(len(results))]
        for file, one in zip(files, results, strict=True):
            write_json(file, one)
        return files

    return write


def row_of(table, system, **wanted):
    rows = [row for row in table["rows"] if row["system"] == system]
    rows = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    assert len(rows) == 1
    return rows[0]


def test_a_row_has_the_figures_intervals_counts_and_best_floor_of_its_result(store):
    row = row_of(merge(store(result())), SMALL)
    one = METRICS["good"]
    assert row["macro_spearman"] == one["macro_spearman"]
    assert row["mae_high"] == one["intervals"]["mae"]["high"]
    floors = [*one["floors"].values(), METRICS["bad"]]
    assert row["mae_floor"] == min(floor["mae"] for floor in floors)
    assert row["spearman_floor"] == np.nanmax([floor["spearman"] for floor in floors])
    assert (row["used"], row["refused"], row["revision"]) == (60, 0, "a" * 40)
    assert set(row) == {*COLUMNS, "floors", "ceiling", "spearman_by_emotion"}


def test_a_row_has_the_figures_by_emotion_their_intervals_and_why_there_are_none(store):
    table = merge(store(result("shy", "all of one refused")))
    cells, metric = row_of(table, "shy")["spearman_by_emotion"], METRICS["all of one refused"]
    ends = metric["intervals"]["per_emotion"]["Awe"]["spearman"]
    assert cells["Awe"] == {
        "value": metric["per_emotion"]["Awe"]["spearman"],
        "low": ends["low"],
        "high": ends["high"],
        "why": "",
    }
    assert cells["Pain"] == {"value": None, "low": None, "high": None, "why": "20 refused"}
    paper = row_of(table, "GPT-4o Audio")["spearman_by_emotion"]
    assert paper["Teasing"]["value"] == published_table6()["GPT-4o Audio"]["Teasing"]
    assert (paper["Pleasure/Ecstasy"]["value"], paper["Pleasure/Ecstasy"]["why"]) == (
        None,
        "NaN in the paper",
    )


def test_an_emotion_that_is_none_of_ours_has_no_cell(store):
    def add(one):
        for by_emotion in (one["metric"], one["metric"]["intervals"]):
            by_emotion["per_emotion"]["<b>"] = by_emotion["per_emotion"]["Awe"]

    row = row_of(merge(store(damaged(add))), SMALL)
    assert row["emotions"] == 4
    assert set(row["spearman_by_emotion"]) == {"Awe", "Pain", "Anger"}


def test_systems_on_one_benchmark_are_ranked_pooled_and_macro(store):
    table = merge(store(result("worse", "bad"), result("better"), result("alike")))
    ranks = [(r["system"], r["rank_spearman"]) for r in table["rows"] if not r["published"]]
    assert ranks == [("alike", 1), ("better", 1), ("worse", 3)]
    assert row_of(table, "worse")["rank_macro_spearman"] == 3


@pytest.mark.parametrize(
    "bench", [{"revision": "c" * 40}, {"revision": None}, {"config": "unanimous"}, {"rows": 50}]
)
def test_results_on_another_benchmark_are_never_in_the_same_rank(store, bench):
    table = merge(store(result("x"), result("y", "bad", bench=bench)), published=False)
    assert [row["rank_spearman"] for row in table["rows"]] == [1, 1]
    assert [b["systems"] for b in table["benchmarks"]] == [1, 1]
    assert len({row["benchmark"] for row in table["rows"]}) == 2


def test_an_unknown_revision_is_marked(store):
    table = merge(store(result(bench={"revision": None})), published=False)
    assert [b["revision_known"] for b in table["benchmarks"]] == [False]
    assert "unknown revision" in table["rows"][0]["benchmark"]


def test_the_newest_of_a_systems_results_counts_whatever_their_order_or_time_zone(store):
    old = result("x", "bad", "2026-11-01T10:00:00+02:00")
    new = result("x", "good", "2026-11-01T09:00:00+00:00")
    for files in (store(old, new), store(new, old)):
        row = row_of(merge(files), "x")
        assert row["macro_spearman"] == METRICS["good"]["macro_spearman"]
        assert row["older_results"] == 1 and row["time"] == "2026-11-01T09:00:00+00:00"


def test_a_result_that_lacks_clips_has_a_row_and_no_rank(store):
    part = result("part") | {"join": JOIN | {"matched": 50, "without_prediction": 10}}
    table = merge(store(part, result("whole", "bad")))
    assert row_of(table, "part")["rank_spearman"] is None
    assert row_of(table, "part")["unranked"] == "10 rows of the benchmark have no answer"
    assert row_of(table, "whole")["rank_spearman"] == 1


def test_refusals_are_counted_and_stay_refusals(store):
    row = row_of(merge(store(result("shy", "refusing"))), "shy")
    assert (row["refused"], row["scored"], row["transport_error"]) == (6, 54, 0)
    assert row["refusal_rate"] == row["failure_rate"] == pytest.approx(0.1)


def test_published_systems_are_marked_ranked_by_themselves_and_have_no_intervals(store):
    table = merge(store(result()))
    published = [row for row in table["rows"] if row["published"]]
    assert len(published) == 7 and {row["benchmark"] for row in published} == {PAPER}
    assert all(math.isnan(row["spearman_low"]) and row["used"] is None for row in published)
    # The paper's Small leads pooled and its Large by the mean of emotions.
    first = {name: next(row["system"] for row in published if row[f"rank_{name}"] == 1)
             for name in ("spearman", "macro_spearman")}  # fmt: skip
    assert first["spearman"].endswith("Small") and first["macro_spearman"].endswith("Large")
    hume = row_of(table, "Hume Voice")
    assert hume["emotions_left_out"] == 15 and math.isnan(hume["refusal_rate"])
    assert not [row for row in merge(store(result()), published=False)["rows"] if row["published"]]


def damaged(change):
    one = json.loads(json.dumps(result()))
    change(one)
    return one


@pytest.mark.parametrize(
    "change, error",
    [
        (
            lambda r: r.update(kind="generalize"),
            "kind is 'generalize'; a leaderboard takes 'bench'",
        ),
        (lambda r: r.pop("metric"), "metric is missing"),
        (lambda r: r.pop("system"), "system is missing"),
        (lambda r: r.update(system=""), "system is empty"),
        (lambda r: r.update(system=None), "system is None, not a text"),
        (lambda r: r["bench"].pop("rows"), "bench.rows is missing"),
        (lambda r: r.update(system=["x"]), r"system is \['x'\], not a text"),
        (lambda r: r.update(system="a\x1b[2Jb"), r"system is 'a\\x1b\[2Jb', not a text"),
        (lambda r: r.update(system="x" * 201), "system has 201 characters; at most 200"),
        (lambda r: r["made"].update(time="yesterday"), "'yesterday' is no ISO 8601 time"),
        (lambda r: r["made"].update(time="0001-01-01T00:00+05:00"), "is no ISO 8601 time"),
        (lambda r: r["bench"].update(rows=-1), "bench.rows is -1, not a count"),
        (lambda r: r["bench"].update(rows=True), "bench.rows is True, not a count"),
        (lambda r: r["bench"].update(revision=7), "bench.revision is 7, not a text"),
        (lambda r: r["metric"].update(mae="0.1"), "metric.mae is '0.1', not a number"),
        (
            lambda r: r["metric"].update(spearman=1.5),
            "metric.spearman is 1.5, not a number from -1 to 1",
        ),
        (lambda r: r["metric"]["intervals"].pop("mae"), "metric.intervals.mae is missing"),
        (lambda r: r["metric"]["floors"].update(odd=3), "odd is 3, not a table"),
        (lambda r: r["metric"]["outcomes"].update(refused=1), "do not add up to their 60 rows"),
        (
            lambda r: r["metric"]["per_emotion"]["Awe"].update(spearman="x"),
            "metric.per_emotion.Awe.spearman is 'x', not a number",
        ),
        (
            lambda r: r["metric"]["per_emotion"]["Awe"].update(spearman=7),
            "metric.per_emotion.Awe.spearman is 7.0, not a number from -1 to 1",
        ),
        (
            lambda r: r["metric"]["per_emotion"].update({"a\x1b": {}}),
            "a name in metric.per_emotion",
        ),
        (
            lambda r: r["metric"]["intervals"]["pearson"].update(low=-1.1),
            "metric.intervals.pearson.low is -1.1, not a number from -1 to 1",
        ),
        (lambda r: r["join"].update(matched=10**400), "join.matched is 1000.*, not a count"),
        (
            lambda r: r["predictions"]["provenance"].update(model="a\x1b"),
            r"predictions.provenance.model is 'a\\x1b', not a text",
        ),
    ],
)
def test_a_file_with_a_wrong_field_is_named_and_the_others_are_merged(store, change, error):
    files = store(damaged(change), result("fine"))
    table = merge(files)
    assert row_of(table, "fine")["rank_spearman"] == 1
    assert [one["file"] for one in table["rejected"]] == ["0.json"]
    with pytest.raises(EvaluationError, match=error):
        merge(files[:1])


def compared(change=lambda comparison: None):
    """The stored comparison of Small with `other`, and the result it is of."""
    stored = json.loads(STORED.read_text())
    change(stored["comparison"])
    return stored


def other_of(stored):
    """A result of the other system, as far as the comparison tells."""
    one = json.loads(json.dumps(stored)) | {"system": "other"}
    del one["comparison"]
    outcomes = one["metric"]["outcomes"]
    outcomes.update(used=24, scored=24, refused=0)
    return one


def test_a_comparison_of_two_systems_in_the_table_is_in_it(store):
    stored = compared()
    table = merge(store(stored, other_of(stored)), published=False)
    (pair,) = table["comparisons"]
    assert (pair["a"], pair["b"]) == ("Small", "other") and table["comparisons_left_out"] == []
    assert pair["benchmark"] == table["rows"][0]["benchmark"]
    assert pair["comparison"] == stored["comparison"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda c: c.update(system="nobody"), "is with 'nobody', which is not in the table"),
        (lambda c: c.update(system=HOSTILE), "is with '<img src=x"),
        (lambda c: c["rows"].update(common=3), "is not of the rows in the table"),
        (lambda c: c["spearman"].update(a=0.9), "is of other results than the table"),
        (lambda c: c["spearman"].update(difference=None), "contradicts itself: spearman has"),
        (lambda c: c["macro_mae"].update(difference=0.5, p=0.0), "contradicts itself: macro_mae"),
    ],
)
def test_a_comparison_that_does_not_fit_is_named_and_its_result_stays(store, change, error):
    stored = compared(change)
    table = merge(store(stored, other_of(stored)), published=False)
    assert table["comparisons"] == [] and len(table["rows"]) == 2 and table["rejected"] == []
    (left_out,) = table["comparisons_left_out"]
    assert left_out["error"].startswith(f"0.json: its comparison {error}")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda c: c["rows"].update(only_a=10**400), "comparison.rows.only_a is 1000"),
        (lambda c: c["mae"].update(low=-1e9), "comparison.mae.low is -1000000000.0, not a number"),
        (lambda c: c.pop("bootstrap"), "comparison.bootstrap is missing"),
        (lambda c: c.update(per_emotion=[1]), r"comparison.per_emotion is \[1\], not a table"),
    ],
)
def test_a_comparison_with_a_wrong_field_is_named_by_file_and_field(store, change, error):
    with pytest.raises(EvaluationError, match=f"0.json: {error}"):
        merge(store(compared(change)))


def test_files_that_are_no_json_or_not_there_are_named(tmp_path, store):
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "text.json").write_text("hello")
    (tmp_path / "folder.json").mkdir()
    bad = [tmp_path / name for name in ("deep.json", "text.json", "folder.json", "none.json")]
    table = merge([*bad, *store(result())])
    assert [one["file"] for one in table["rejected"]] == [path.name for path in bad]
    with pytest.raises(EvaluationError, match="no files were given"):
        merge([])


def test_the_written_table_reads_back_and_has_no_nan(tmp_path, store):
    table = merge(store(result(), result("shy", "refusing")))
    files = write_leaderboard(table, tmp_path / "board")
    stored = json.loads((tmp_path / "board" / "leaderboard.json").read_text())
    assert [row["system"] for row in stored["rows"]] == [row["system"] for row in table["rows"]]
    assert row_of(stored, "Hume Voice")["mae_low"] is None
    frame = parquet.read_table(tmp_path / "board" / "leaderboard.parquet")
    assert tuple(frame.column_names) == COLUMNS
    assert frame.to_pylist() == [{n: row[n] for n in COLUMNS} for row in stored["rows"]]
    assert files[-1].name == "leaderboard.json" and all(file.is_file() for file in files)
    assert not list((tmp_path / "board").rglob("*.tmp"))


def entries_of(folder, model=SMALL):
    place = folder / "models" / model.replace("/", "--")
    return yaml.safe_load((place / ".eval_results" / "emonet-voice-bench.yaml").read_text())


def test_entries_are_what_huggingface_hub_reads_back(tmp_path, store):
    write_hub_files(merge(store(result())), tmp_path)
    entries = parse_eval_result_entries(entries_of(tmp_path))
    assert {entry.task_id: entry.value for entry in entries} == {
        name: round(METRICS["good"][name], 4) for name in TASKS
    }
    entry = entries[0]
    assert (entry.dataset_id, entry.dataset_revision) == (BENCH["source"], BENCH["revision"])
    assert entry.date == "2026-11-01T10:00:00+00:00"
    assert entry.notes.startswith(f"model revision {'a' * 40}; 95 % interval 0.")
    assert entry.notes.endswith("60 of 60 rows")


def test_every_task_of_an_entry_is_in_the_data_sets_eval_yaml(tmp_path, store):
    files = store(*(result(bench={"config": c}) for c in ("default", "all", "unanimous")))
    write_hub_files(merge(files), tmp_path)
    stored = yaml.safe_load((tmp_path / "dataset" / "eval.yaml").read_text())
    assert stored == eval_yaml()
    tasks = {task["id"]: task["config"] for task in stored["tasks"]}
    assert {entry["dataset"]["task_id"] for entry in entries_of(tmp_path)} == set(tasks)
    assert tasks["unanimous_macro_spearman"] == "unanimous" and tasks["spearman"] == "default"
    assert {"name", "description", "evaluation_framework", "tasks"} == set(stored)


def test_the_model_index_is_one_that_a_model_card_takes(tmp_path, store):
    write_hub_files(merge(store(result())), tmp_path)
    place = tmp_path / "models" / SMALL.replace("/", "--") / "model-index.yaml"
    stored = yaml.safe_load(place.read_text())
    name, results = model_index_to_eval_results(stored["model-index"])
    assert name == "Empathic-Insight-Voice-Small"
    values = {one.metric_name: one.metric_value for one in results}
    assert values["Mean absolute error, pooled over clips"] == round(METRICS["good"]["mae"], 4)
    card = ModelCardData(model_name=name, eval_results=results)
    assert card.to_dict()["model-index"] == stored["model-index"]


@pytest.mark.parametrize(
    "odd",
    [
        {"model": "../../../etc"}, {"model": "/etc/passwd"}, {"model": "no-owner"},
        {"model": "a/b/c"}, {"model": "a/.."}, {"model": "a/b--c"}, {"model": None},
        {"revision": "main"}, {"revision": None}, {"revision": "sha256:" + "a" * 64},
        {"bench": {"revision": None}}, {"bench": {"source": "../bench"}},
        {"bench": {"config": "../x"}},
    ],
)  # fmt: skip
def test_what_is_not_pinned_on_the_hub_makes_no_entry_and_no_path(tmp_path, store, odd):
    out = tmp_path / "x" / "hub"
    files = write_hub_files(merge(store(result(**odd))), out)
    assert files == [out / "dataset" / "eval.yaml"]
    assert [path for path in (tmp_path / "x").rglob("*") if path.is_file()] == files


def test_a_result_that_lacks_clips_makes_no_entry(tmp_path, store):
    part = result() | {"join": JOIN | {"matched": 50, "without_prediction": 10}}
    assert len(write_hub_files(merge(store(part)), tmp_path)) == 1


def test_a_task_has_one_entry_the_newest_under_whatever_name_it_was_run(tmp_path, store):
    old = result("Small, bfloat16", "bad", "2026-10-01T10:00:00Z", model=SMALL)
    other = result("Small, old data", "bad", "2026-09-01T10:00:00Z", {"revision": "c" * 40})
    other["predictions"]["provenance"]["model"] = SMALL
    write_hub_files(merge(store(result(), old, other)), tmp_path)
    entries = entries_of(tmp_path)
    assert len(entries) == len(TASKS)
    assert entries[0]["value"] == round(METRICS["good"]["spearman"], 4)


def test_an_undefined_figure_is_no_entry(tmp_path, store):
    one = result()
    one["metric"] = one["metric"] | {"spearman": math.nan}
    write_hub_files(merge(store(one)), tmp_path)
    tasks = [entry["dataset"]["task_id"] for entry in entries_of(tmp_path)]
    assert tasks == ["macro_spearman", "pearson", "macro_pearson"]


def test_entries_of_a_model_that_left_the_table_are_removed_and_nothing_else(tmp_path, store):
    write_hub_files(merge(store(result(), result("org/other"))), tmp_path)
    note = tmp_path / "models" / "org--other" / "note.txt"
    note.write_text("mine")
    write_hub_files(merge(store(result())), tmp_path)
    assert [path for path in note.parent.rglob("*") if path.is_file()] == [note]
    assert entries_of(tmp_path)


def test_the_same_results_make_the_same_files(tmp_path, store):
    files = store(result(), result("shy", "refusing"))
    for name, order in (("a", files), ("b", files[::-1])):
        write_leaderboard(merge(order), tmp_path / name)
    for file in ("leaderboard.json", "leaderboard.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
