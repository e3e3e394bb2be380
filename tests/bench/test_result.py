"""The result of an evaluation as JSON: what was stored once is read for ever, and checked."""

import json
import math

import pytest

from evaluate_metrics.bench import result
from evaluate_metrics.bench.evaluation import write_result
from evaluate_metrics.bench.figures import FIGURES
from evaluate_metrics.bench.result import EvaluationError, Result, read_result
from evaluate_metrics.bench.tables import sections
from modeling_empathic.report.tables import as_markdown
from tests.support.places import REPOSITORY

STORED = REPOSITORY / "tests" / "bench" / "data" / "result_format_1.json"  # written by 0.1


@pytest.fixture
def content():
    return json.loads(STORED.read_text())


def test_a_file_that_the_first_version_wrote_is_read_and_written_the_same(tmp_path, content):
    stored = read_result(STORED)
    write_result(stored, tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == content
    assert stored.metric.mae == content["metric"]["mae"]
    assert math.isnan(stored.metric.per_emotion["Awe"].spearman)
    assert stored.comparison.per_emotion["Anger"].mae.p_holm == pytest.approx(0.5714285714)
    assert stored.discrimination.pairs[0].reason.startswith("5 clips with both scores are needed")
    assert "| Small |" in as_markdown(sections(stored))


def test_the_format_is_the_one_that_is_read():
    assert result.FORMAT == 1
    assert tuple(FIGURES[:4]) == ("mae", "rmse", "pearson", "spearman")


def test_keys_of_a_later_version_are_not_read_and_nothing_else_changes(content):
    later = content | {"new": 1, "metric": content["metric"] | {"new": {}}}
    assert Result.from_json(later).to_json() == content


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        ("metric.intervals.macro_mae.high", 11, "is 11.0, not a number from 0 to 10"),
        ("metric.floors.constant_5.in_sample", 1, "is 1, not true or false"),
        ("metric.outcomes.refusal_rate", 2, "is 2.0, not a number from 0 to 1"),
        ("join.without_prediction_clips", "abc", "is 'abc', not a list"),
        ("discrimination.pairs", {}, "is {}, not a list"),
        ("discrimination.mean.auc", "x", "is 'x', not a number"),
        ("bench.config", " x", "is ' x', not a text that can be printed"),
        ("baselines.rater_mean.note", None, "is None, not a text"),
        ("metric.headline.used", 1.5, "is 1.5, not a count"),
        ("metric.headline.used", 2**60, "not a count"),
        ("comparison.bootstrap.n_resamples", True, "is True, not a count"),
        ("metric.spearman", float("inf"), "is inf, not a number"),
    ],
)
def test_a_wrong_field_is_named_with_its_file_and_value(tmp_path, content, path, value, error):
    *tables, name = path.split(".")
    table = content
    for key in tables:
        table = table[key]
    table[name] = value
    (tmp_path / "other.json").write_text(json.dumps(content))
    with pytest.raises(EvaluationError) as raised:
        read_result(tmp_path / "other.json")
    assert str(raised.value).startswith(f"other.json: {path} ") and error in str(raised.value)
