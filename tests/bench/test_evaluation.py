"""Predictions meet the benchmark: by clip and emotion, failures counted, nothing made up."""

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from scipy import stats

from dataset_scripts.ceiling import ceiling
from dataset_scripts.stats.bench import read_ratings
from evaluate_metrics.bench.comparison import compare
from evaluate_metrics.bench.evaluation import evaluate, join, pairs, write_result
from evaluate_metrics.bench.predictions import read_predictions
from evaluate_metrics.bench.reader import read_bench
from evaluate_metrics.bench.result import EvaluationError, read_result
from evaluate_metrics.bench.tables import sections
from evaluate_metrics.emonet_voice import OUTCOMES
from evaluate_metrics.published import published_table5, published_table6, published_table7
from modeling_empathic.report.tables import as_markdown, as_text
from modeling_empathic.scoring.file import score_schema, write_scores
from modeling_empathic.taxonomy import EMOTION_NAMES, EMOTIONS, UserError
from tests.support.evaluation_maker import (
    FEW,
    SLASHED,
    heard,
    made_bench,
    of,
    with_outcome,
    with_ratings,
    write,
)
from tests.support.places import SHARED

BENCH = made_bench()
CLIPS = BENCH["clip_id"].to_pylist()
HEARD = heard(BENCH)


def evaluated(rows, bench=BENCH, **options):
    return evaluate(of(rows), bench, system="mine", **{"n_resamples": 20, **options})


# --- the join -------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_the_order_of_rows_does_not_matter(seed):
    mixed = np.random.default_rng(seed).permutation(len(HEARD))
    a, b = evaluated(HEARD, n_resamples=0), evaluated(HEARD.take(mixed), n_resamples=0)
    assert a.metric.per_emotion == b.metric.per_emotion
    assert a.join == b.join


def test_each_row_gets_the_score_of_its_own_emotion():
    result = join(of(HEARD), BENCH)
    score = {(r["clip_id"], r["emotion"]): r["score"] for r in HEARD.to_pylist()}
    expected = [score[r["clip_id"], r["emotion"]] for r in BENCH.to_pylist()]
    assert result.scores.tolist() == expected
    assert result.account.matched == len(BENCH) == 60


def test_the_same_audio_under_two_emotions_is_two_rows():
    bench = BENCH.set_column(0, "clip_id", pa.array([f"{i % 20:064x}" for i in range(60)]))
    result = evaluated(heard(bench.slice(0, 20)), bench)
    assert result.bench.clips == 20
    assert result.metric.outcomes.used == 60


def test_figures_are_those_of_scipy():
    metric = evaluated(HEARD).metric
    for name, (p, r) in pairs(of(HEARD), BENCH).items():
        result = metric.per_emotion[name]
        assert result["spearman"] == pytest.approx(stats.spearmanr(p, r).statistic)
        assert result["pearson"] == pytest.approx(stats.pearsonr(p, r).statistic)
        assert result["mae"] == pytest.approx(np.abs(p - r).mean())
    assert metric.macro_spearman == pytest.approx(
        np.mean([metric.per_emotion[name].spearman for name in FEW])
    )


def test_clips_that_the_file_does_not_have_are_counted_named_and_left_out():
    part = HEARD.filter(pa.compute.is_in(HEARD["clip_id"], pa.array(CLIPS[25:])))
    result = evaluated(part)
    account = result.join
    assert (account.matched, account.without_prediction) == (35, 25)
    assert list(account.without_prediction_clips) == CLIPS[:20]
    assert result.metric.outcomes.rows == 35
    assert "Anger" not in result.metric.per_emotion
    text = " ".join(as_text(sections(result, 80), 80).split())
    assert "without prediction 25 left out" in text
    assert f"Clips without prediction: 25 ({CLIPS[0][:12]}…" in text
    assert "and 5 more)" in text
    assert "no row of it has a prediction" in text


def test_clips_that_the_benchmark_does_not_have_are_counted_and_named():
    result = evaluated(HEARD, BENCH.slice(2))
    assert result.join.unknown_clips == 2
    assert list(result.join.unknown_clips_first) == CLIPS[:2]


def test_no_common_clip_is_an_error_that_shows_an_id_of_each():
    with pytest.raises(EvaluationError, match=f"'abc' there, '{CLIPS[0]}' here"):
        join(of(HEARD.slice(0, 1).set_column(0, "clip_id", pa.array(["abc"]))), BENCH)


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", OUTCOMES[1:])
def test_a_failure_is_counted_as_what_it_is_and_is_no_zero(outcome):
    failed = with_outcome(HEARD, lambda row: row["clip_id"] in CLIPS[:5], outcome)
    without = BENCH.slice(5)
    metric, expected = evaluated(failed).metric, evaluated(HEARD, without).metric
    assert {name: metric.outcomes[name] for name in OUTCOMES} == {
        **dict.fromkeys(OUTCOMES, 0), "scored": 55, outcome: 5,
    }  # fmt: skip
    for name in ("mae", "rmse", "pearson", "spearman", "macro_mae", "macro_spearman"):
        assert metric[name] == pytest.approx(expected[name])


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"voice": ["v1", "v2", "v3"], "group": ["g"] * 3}, ("voice", 3)),
        ({"voice": [None] * 3, "group": ["g1", "g2", "g1"]}, ("group", 2)),
        ({"group": ["g1", "g2", "g3"]}, ("group", 3)),
        ({"voice": [None, "", None]}, (None, 60)),
        ({}, (None, 60)),
    ],
)
def test_what_is_resampled_together_is_a_voice_else_a_group_else_a_row(columns, expected):
    bench = BENCH
    for name, values in columns.items():
        bench = bench.append_column(name, pa.array(values * 20, pa.string()))
    result = evaluated(HEARD, bench)
    grouped_by, n_units = expected
    assert result.bench.grouped_by == grouped_by
    assert result.metric.intervals.bootstrap["n_units"] == n_units
    text = " ".join(as_text(sections(result, 80), 80).split())
    assert f"resamples of the {n_units} {grouped_by or 'row'}s" in text
    assert ("so few that" in text) == (n_units < 20)


def test_what_the_metric_refuses_is_a_mistake_of_the_user():
    off = BENCH.set_column(2, "mean_0_10", pa.array([11.0] * len(BENCH)))
    with pytest.raises(EvaluationError, match=r"reference 11 .* is off the declared"):
        evaluated(HEARD, off)


def test_a_figure_without_an_interval_says_why():
    single = made_bench(clips=1)
    text = as_text(sections(evaluated(heard(single), single), 80), 80)
    assert "no interval: fewer than two rows to draw from" in text


def test_rows_without_a_score_are_in_no_pair_and_no_floor():
    part = HEARD.filter(pa.compute.not_equal(HEARD["emotion"], "Awe"))
    part = with_outcome(part, lambda row: row["clip_id"] == CLIPS[0], "refused")
    result = {name: len(p) for name, (p, _) in pairs(of(part), BENCH).items()}
    assert result == {"Anger": 19, "Pleasure/Ecstasy": 20}
    assert evaluated(part).baselines["rater_mean"].n == 39
    assert compare(of(part), of(HEARD), BENCH, 10).rows.common == 39


def test_only_failures_give_no_figures_but_reasons():
    result = evaluated(with_outcome(HEARD, lambda row: True, "refused"))
    assert math.isnan(result.metric.mae)
    assert result.metric.outcomes.refusal_rate == 1
    text = as_text(sections(result, 80), 80)
    assert "n/a¹" in text
    assert "¹ no row has both a prediction and a reference" in text
    assert "all rows refused" in text


@pytest.fixture(scope="module")
def gpt(tmp_path_factory):
    """A stored answer of a language model whose labels were joined by their short names.

    Two clips of each emotion were refused; the seven names with a slash were lost in the join.
    """
    bench = made_bench(EMOTION_NAMES, clips=4)
    clips = bench["clip_id"].to_pylist()
    rows = with_outcome(heard(bench), lambda row: int(row["clip_id"], 16) % 4 < 2, "refused")
    lost = pa.compute.is_in(rows["emotion"], pa.array(SLASHED))
    assert len(SLASHED) == 7
    rows = rows.filter(pa.compute.invert(lost))
    file = write(rows, tmp_path_factory.mktemp("gpt") / "gpt.parquet", model="fake/gpt-4o")
    assert len(clips) == 160
    return evaluate(read_predictions(file), bench, system="GPT-4o (fake)", n_resamples=20)


def test_labels_that_a_join_drops_are_unmapped_and_refusals_stay_refusals(gpt):
    outcomes = gpt.metric.outcomes
    assert (outcomes.unmapped, outcomes.refused, outcomes.scored) == (28, 66, 66)
    assert outcomes.refusal_rate == 66 / 160
    assert gpt.join.unmapped_emotions == dict.fromkeys(SLASHED, 4)
    for name, result in gpt.metric.per_emotion.items():
        expected = {"unmapped": 4} if name in SLASHED else {"refused": 2, "scored": 2}
        assert {key: n for key, n in result.outcomes.items() if n} == expected
        assert math.isnan(result.spearman) >= (name in SLASHED)


def test_the_tables_say_which_emotions_are_unmapped(gpt):
    text = " ".join(as_text(sections(gpt, 80), 80).split())
    assert "28 rows are not in the file, which has other emotions of their clips" in text
    assert "all rows unmapped" in text
    card = as_markdown(sections(gpt))
    names = [emotion.bench_label for emotion in EMOTIONS if emotion.name in SLASHED]
    assert f"| unmapped | 28 | 17.5 % | {', '.join(names)} |" in card
    assert "| refused | 66 | 41.2 % |  |" in card


def test_an_emotion_that_the_file_never_answers_is_unmapped_for_unknown_clips_too():
    targets = HEARD.filter(pa.array([
        (row["clip_id"], row["emotion"]) in {(b["clip_id"], b["emotion"]) for b in
                                             BENCH.to_pylist() if b["emotion"] not in SLASHED}
        for row in HEARD.to_pylist()
    ]))  # fmt: skip
    account = evaluated(targets)
    assert account.join.without_prediction == 0
    assert account.metric.outcomes.unmapped == 20


# --- ceiling --------------------------------------------------------------------------------------


def test_the_ceiling_is_of_the_rows_that_the_system_scored_and_stands_in_every_table(tmp_path):
    bench = with_ratings(BENCH)
    part = with_outcome(HEARD, lambda row: row["clip_id"] in CLIPS[:5], "refused")
    result = evaluated(part, bench)
    assert list(result.ceiling) == ["one_rater", "split_half", "perfect"]
    one = result.ceiling["one_rater"]
    assert (one.clips, one.left_out) == (55, 0)
    expected = ceiling(read_ratings(bench.slice(5)), n_resamples=0)["one_rater"]
    assert one.spearman == pytest.approx(expected["spearman"])
    for width in (80, 120):
        text = as_text(sections(result, width), width)
        assert max(map(len, text.splitlines())) <= width
        assert text.count("Ceiling: the raters") == 2
        assert "55 clips of these rows, intervals by clip" in " ".join(text.split())
        (awe,) = (line for line in text.splitlines() if line.startswith("Awe "))
        assert f"{one.per_emotion['Awe'].spearman:.3f}" in awe
    card = as_markdown(sections(result))
    assert f"| one rater, others' mean (ceiling) |  |  | {one.spearman:.3f} \\[" in card
    write_result(result, tmp_path / "result.json")
    assert read_result(tmp_path / "result.json").to_json() == result.to_json()


def test_a_bench_without_single_ratings_says_that_it_has_no_ceiling():
    result = evaluated(HEARD)
    assert "ceiling" not in result.to_json()
    assert "No ceiling: the benchmark has no single ratings." in as_text(sections(result, 80), 80)


def test_a_header_of_two_lines_is_shown_as_two():
    text = as_text(sections(evaluated(HEARD), 140), 140)
    assert "�" not in text


# --- both kinds of files --------------------------------------------------------------------------


def test_a_score_file_and_the_same_predictions_give_the_same_numbers(tmp_path):
    wide = {}
    for row in HEARD.to_pylist():
        start = {"path": row["clip_id"], "clip_id": row["clip_id"], "start_s": 0.0, "end_s": 9.0}
        wide.setdefault(row["clip_id"], start | {"outcome": "scored"})[row["emotion"]] = (
            row["score"] / 2.5
        )
    schema = score_schema({"heads": list(EMOTION_NAMES), "model": "tiny"})
    write_scores(pa.Table.from_pylist(list(wide.values()), schema), tmp_path / "scores.parquet")
    scores = read_predictions(tmp_path / "scores.parquet")
    quarters = np.float32(HEARD["score"].to_numpy() / 2.5).astype(float)
    rows = HEARD.set_column(2, "score", pa.array(quarters))
    mine = read_predictions(write(rows, tmp_path / "mine.parquet", scale="0-4"))
    a, b = (evaluate(part, BENCH, system="x", n_resamples=50) for part in (scores, mine))
    one, other = a.to_json(), b.to_json()
    assert one["metric"] == other["metric"]
    assert one["discrimination"] == other["discrimination"]
    assert a.metric.spearman == pytest.approx(evaluated(HEARD).metric.spearman, abs=1e-3)


def test_a_result_survives_its_file(tmp_path, gpt):
    write_result(gpt, tmp_path / "gpt.json")
    assert "NaN" not in (tmp_path / "gpt.json").read_text()
    result = read_result(tmp_path / "gpt.json")
    assert result.to_json() == gpt.to_json()
    assert math.isnan(result.metric.per_emotion[SLASHED[0]].mae)
    assert result.bench.revision is None
    assert as_markdown(sections(result)) == as_markdown(sections(gpt))
    for text, message in (("{", "is not JSON"), ("[]", "is no result of")):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(EvaluationError, match=message):
            read_result(tmp_path / "other.json")


# --- published figures and tables -----------------------------------------------------------------


def test_published_figures_are_those_of_the_paper(shared):
    def numbers(table):
        rows = (SHARED / "tables" / table).read_text().splitlines()
        return [[float(cell) for cell in row.split(",")[1:8] if cell] for row in rows[1:]]

    ours = [list(row.values())[1:] for row in published_table5()]
    assert ours == numbers("table5_benchmark.csv")
    columns = published_table6().values()
    ours = [[value for value in row if value == value] for row in
            zip(*(column.values() for column in columns), strict=True)]  # fmt: skip
    assert ours == numbers("table6_spearman_by_emotion.csv")
    assert len(published_table7()) == 8


def test_published_tables_have_every_emotion_once():
    for by_emotion in published_table6().values():
        assert sorted(by_emotion) == sorted(EMOTION_NAMES)


@pytest.mark.parametrize("width", [80, 120])
def test_every_line_fits_the_terminal(gpt, width):
    text = as_text(sections(replace(gpt, system="a system with a name " * 4), width), width)
    assert max(map(len, text.splitlines())) <= width
    for name in ("Table 5", "Table 6", "Macro", "Floors", "Published", "always 5", "other way"):
        assert name in text


def test_published_and_floor_rows_are_marked_and_have_no_intervals(gpt):
    card = as_markdown(sections(gpt))
    assert "| Gemini 2.0 Flash (published) |  | 0.01 % | 0.355 | 0.350 | 3.608 | 4.453 |" in card
    assert "| always 5 (floor) |" in card
    own = next(line for line in card.splitlines() if line.startswith("| GPT-4o (fake) |"))
    assert own.count(" \\[") == 4


def test_markdown_has_tables_of_one_width_and_escapes_names(gpt):
    card = as_markdown(sections(replace(gpt, system="a|b*[x]\x1b")))
    assert "\x1b" not in card
    assert "a\\|b\\*\\[x\\]�" in card
    for block in card.split("\n\n"):
        lines = [line.replace("\\|", "") for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_what_is_not_the_published_task_is_said(gpt):
    text = " ".join(as_text(sections(gpt, 80), 80).split())
    whole = "12,600 files by Table 9, or the 12,000 of the 40 emotions; the paper does not say."
    assert f"are of the whole Bench: {whole} This system's are of 66" in text
    assert "fit 2 systems and cannot be those of 5: pooled is our reading" in text
    assert "rank Small and Large the other way round: ρ 0.418 and 0.415 in Table 5, 0.429" in text


@pytest.mark.parametrize("read", [read_bench, read_ratings])
def test_a_corpus_of_classes_is_no_bench_and_the_line_says_what_to_use(tmp_path, read):
    (tmp_path / "data").mkdir()
    parquet.write_table(pa.table({"clip_id": ["a"], "label": [0]}), tmp_path / "data" / "x.parquet")
    with pytest.raises(UserError, match="a corpus of classes, not a Bench with ratings: use gener"):
        read(tmp_path)
