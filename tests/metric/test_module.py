"""`evaluate.load`: from the folder, from a Hub, offline from the cache; batches, ranks, combine.

Importing `evaluate` takes seconds, so that two processes do all of it, neither of which can import
this package: one that reaches a local Hub, one offline with the cache that the first has filled.
"""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import evaluate_metrics.emonet_voice as core
from tests.support.local_hub_fixture import ClientError

FOLDER = Path(core.__file__).parent
DOOR = FOLDER / "emonet_voice.py"
REPOSITORY = "laion/emonet_voice"
ROWS = {
    "predictions": [0.5, 3.5, None, 2.0, 1.0, 4.5, 0.0, 3.0],
    "references": [0, 2, 1, 1, 0, 2, 2, 1],
    "emotions": ["Pleasure/Ecstasy", "Awe"] * 4,
    "outcomes": ["scored", "scored", "refused", "scored", "scored", "scored", "unmapped", "scored"],
    "groups": ["a", "b", None, "a", "b", "c", "c", ""],
}
SETTINGS = {"scale": "0-4", "reference_scale": "0-2", "n_resamples": 50, "seed": 1}
OTHER = """
import datasets
import evaluate

class Other(evaluate.Metric):
    def _info(self):
        value = datasets.Value("float64")
        return evaluate.MetricInfo(
            description="", citation="", inputs_description="",
            features=datasets.Features({"predictions": value, "references": value}),
        )

    def _compute(self, predictions, references):
        return {"other": sum(predictions) - sum(references)}
"""


def part(start, stop, columns=tuple(ROWS)):
    return {name: ROWS[name][start:stop] for name in columns}


@pytest.fixture(scope="module")
def expected() -> dict:
    """What the core says; NaN as text, so that results can be compared."""
    return plain(core.compute(**ROWS, **SETTINGS))


def plain(result):
    return json.loads(json.dumps(result), parse_constant=str)


@pytest.fixture(scope="module")
def client(local_hub, hub_user, tmp_path_factory):
    """A process that reaches a Hub with the metric."""
    root = tmp_path_factory.mktemp("metric")
    ignored = shutil.ignore_patterns("__pycache__")
    space = shutil.copytree(FOLDER, root / "space", ignore=ignored)
    local_hub.add(REPOSITORY, space, "space")
    hub_user.start("import evaluate")
    return hub_user


@pytest.fixture(scope="module")
def offline(client, offline_user):
    """A process with the same cache that reaches nothing; both import at the same time."""
    offline_user.start("import evaluate")
    client.wait()
    client("metric = evaluate.load(path)", path=str(FOLDER))
    offline_user.wait()
    return offline_user


@pytest.fixture(scope="module")
def metric(client, offline):
    """The first process, with `metric` loaded from the folder."""
    return client


# --- Three ways to load it ------------------------------------------------------------------------


def test_the_folder_loads_and_gives_the_cores_numbers(metric, expected):
    result = metric("result = metric.compute(**rows, **settings)", rows=ROWS, settings=SETTINGS)
    assert plain(result) == expected


def test_the_hub_id_and_then_the_cache_offline_give_the_same_numbers(metric, offline, expected):
    code = "result = evaluate.load(repository).compute(**rows, **settings)"
    given = {"repository": REPOSITORY, "rows": ROWS, "settings": SETTINGS}
    assert plain(metric(code, **given)) == expected
    before = len(metric.hub.requests)
    assert plain(offline(code, **given)) == expected
    assert metric.hub.requests[before:] == []


def test_the_folder_loads_offline(offline, expected):
    code = "metric = evaluate.load(path)\nresult = metric.compute(**rows, **settings)"
    result = offline(code, path=str(FOLDER), rows=ROWS, settings=SETTINGS)
    assert plain(result) == expected


def test_the_example_that_users_see_runs(metric):
    failed = metric(
        "import doctest\n"
        "text = evaluate.load(repository).inputs_description\n"
        "scope = {'evaluate': evaluate}\n"
        "example = doctest.DocTestParser().get_doctest(text, scope, 'x', None, 0)\n"
        "result = [len(example.examples), doctest.DocTestRunner().run(example).failed]",
        repository=REPOSITORY,
    )
    assert failed == [3, 0]


# --- Batches, ranks, combine ----------------------------------------------------------------------


def test_batches_and_single_rows_add_up(metric, expected):
    result = metric(
        "metric.add_batch(**first)\n"
        "metric.add_batch(**second)\n"
        "metric.add(**last)\n"
        "result = metric.compute(**settings)",
        first=part(0, 3),
        second=part(3, 7),
        last={
            {"predictions": "prediction", "references": "reference"}.get(name, name): column[7]
            for name, column in ROWS.items()
        },
        settings=SETTINGS,
    )
    assert plain(result) == expected


def test_nothing_is_left_over_for_the_next_computation(metric, expected):
    metric("metric.compute(predictions=[1], references=[2])")
    result = metric("result = metric.compute(**rows, **settings)", rows=ROWS, settings=SETTINGS)
    assert plain(result) == expected


def test_predictions_and_references_are_enough(metric):
    columns = {"predictions": [1, 2, 4], "references": [0, 5, 10]}
    expected = plain(core.compute(**columns))
    assert plain(metric("result = metric.compute(**columns)", columns=columns)) == expected
    result = metric(
        "import numpy, torch\n"
        "p, r = columns.values()\n"
        "result = metric.compute(predictions=numpy.array(p), references=torch.tensor(r))"
    )
    assert plain(result) == expected


def test_two_processes_share_the_rows_and_the_first_has_the_result(
    metric, offline, tmp_path, expected
):
    code = (
        "ranked = evaluate.load(path, num_process=2, process_id=rank, experiment_id='x',"
        " cache_dir=cache)\n"
        "ranked.add_batch(**rows)\n"
        "result = ranked.compute(**settings)"
    )
    given = {"path": str(FOLDER), "cache": str(tmp_path), "settings": SETTINGS}
    offline.start(code, rank=1, rows=part(5, 8), **given)
    assert plain(metric(code, rank=0, rows=part(0, 5), **given)) == expected
    assert offline.wait() is None


def test_it_combines_with_other_metrics_and_with_itself(metric, tmp_path, expected):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "other.py").write_text(OTHER)
    columns = {"predictions": [1, 2, 4], "references": [0, 5, 10]}
    result = metric(
        "both = evaluate.combine([path, other])\n"
        "result = [both.compute(**columns)]\n"
        "both.add_batch(**columns, emotions=['Awe', 'Awe', 'Pain'], outcomes=None, groups=None)\n"
        "result.append(both.compute())\n"
        "same = evaluate.combine({'one': metric, 'two': evaluate.load(path)})\n"
        "result.append(same.compute(**rows, **settings))",
        path=str(FOLDER),
        other=str(tmp_path / "other"),
        columns=columns,
        rows=ROWS,
        settings=SETTINGS,
    )
    assert plain(result[0]) == plain(core.compute(**columns) | {"other": -8})
    assert plain(result[1]) == plain(
        core.compute(**columns, emotions=["Awe", "Awe", "Pain"]) | {"other": -8}
    )
    assert plain(result[2]) == {
        f"{prefix}_{key}": value for prefix in ("one", "two") for key, value in expected.items()
    }


# --- Mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"predictions": [1]}, "predictions and references are both needed"),
        ({"predictions": [1], "references": [1], "emotions": ["Angre"]}, "nearest: Anger, "),
        ({"emotions": ["a"]}, "predictions and references are both needed"),
        ({"predictions": [1, 2], "references": [1]}, "2 predictions, 1 references"),
        ({"predictions": [1], "references": [1], "outcomes": ["x"]}, "'x' (row 1) is not one of"),
        ({"predictions": [1], "references": [1], "scale": "0-5"}, "scale '0-5' is not one of"),
        ({"predictions": [1], "references": [1], "average": "x"}, "unexpected keyword"),
    ],
)
def test_a_mistake_is_named_and_the_metric_still_works(metric, given, message, expected):
    with pytest.raises(ClientError) as error:
        metric("metric.compute(**given)", given=given)
    assert message in str(error.value)
    result = metric("result = metric.compute(**rows, **settings)", rows=ROWS, settings=SETTINGS)
    assert plain(result) == expected


def test_a_batch_without_emotions_beside_one_with_them_is_refused(metric):
    metric("metric.add_batch(predictions=[1], references=[1])")
    with pytest.raises(ClientError, match="emotion '' "):
        metric("metric.compute(predictions=[1], references=[1], emotions=['Awe'])")


# --- What ships -----------------------------------------------------------------------------------


def test_the_door_imports_every_file_so_that_evaluate_fetches_it(metric):
    result = metric(
        "from evaluate.loading import get_imports\n"
        "result = [list(row[:3]) for row in get_imports(path)]",
        path=str(DOOR),
    )
    siblings = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "emonet_voice"}
    assert {name for kind, name, _ in result if kind == "internal"} == siblings
    assert {name for kind, name, _ in result if kind == "library"} == {"datasets", "evaluate"}
    assert {kind for kind, _, _ in result} == {"internal", "library"}


def test_compute_hides_no_keyword():
    tree = ast.parse(DOOR.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    (function,) = [node for node in functions if node.name == "_compute"]
    assert function.args.kwarg is None


def test_the_core_needs_nothing_but_numpy():
    code = (
        "import sys, evaluate_metrics.emonet_voice as core\n"
        "core.compute([1, 2], [1, 2], ['Awe', 'Awe'])\n"
        "heavy = {'evaluate', 'datasets', 'scipy', 'pandas', 'pyarrow', 'torch', 'transformers'}\n"
        "sys.exit(str(heavy & {*sys.modules}) if heavy & {*sys.modules} else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=FOLDER.parents[1])


def test_the_public_names_are_these():
    assert core.__all__ == sorted(core.__all__, key=lambda name: (not name.isupper(), name))
    assert {*core.__all__} == {
        *("FEW_UNITS", "OUTCOMES", "SCALES", "STATISTICS"),
        *("Interval", "MetricError", "Resampled", "Score", "Tested", "studentised"),
        *("aggregate", "average_ranks", "check_outcomes", "compute", "count_outcomes", "floors"),
        *("intervals", "mae", "outcome_rates", "pearson", "percentile_interval", "resample"),
        *("rmse", "rows_by_emotion", "spearman", "to_0_10"),
    }
