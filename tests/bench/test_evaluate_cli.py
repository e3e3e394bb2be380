"""`emonet-voice evaluate` at the command line, on a small Bench that was built."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest import mock

import pytest
from pyarrow import parquet

from dataset_scripts.building.build import build
from emonet_voice.cli import app as cli
from evaluate_metrics.bench import reader
from evaluate_metrics.bench.plots import result as plots
from evaluate_metrics.bench.predictions import described
from evaluate_metrics.bench.reader import iter_audio, read_bench
from evaluate_metrics.bench.result import EvaluationError, read_result
from evaluate_metrics.bench.scoring import score_bench
from modeling_empathic.scoring import loading as score_model
from tests.support.evaluation_maker import heard, with_outcome, write
from tests.support.places import REPOSITORY
from tests.support.raw_release_maker import make_raw_release, rewrite
from tests.support.scoring_fakes import fake_loader


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Three clips of each category."""
    folder = tmp_path_factory.mktemp("bench")
    raw = make_raw_release(folder / "raw", 1 / 100, seconds=0.1, sounds=2)
    build(raw, folder / "bench", assert_counts=False)
    return folder / "bench"


@pytest.fixture(scope="module")
def labels(bench):
    return read_bench(bench)


@pytest.fixture
def mine(labels, tmp_path, monkeypatch):
    """A prediction file in the working directory."""
    monkeypatch.chdir(tmp_path)
    return write(heard(labels), tmp_path / "mine.parquet", model="me/mine", scale="0-10")


class Ran(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self):
        return self.stdout + self.stderr


def run(*arguments, width=80, command="evaluate"):
    out, err = io.StringIO(), io.StringIO()
    wide = mock.patch.dict(os.environ, COLUMNS=str(width))
    with redirect_stdout(out), redirect_stderr(err), wide:
        code = cli.run([command, *map(str, arguments)])
    return Ran(code, out.getvalue(), err.getvalue())


FAST = ("--resamples", 20)


# --- reading the Bench ----------------------------------------------------------------------------


def test_the_bench_is_read_without_its_audio(bench, labels):
    assert len(labels) == 120
    assert labels.column_names[:3] == ["clip_id", "emotion", "mean_0_10"]
    assert not {"audio", "agreement"} & set(labels.column_names)
    stored = parquet.read_table(bench / "data", columns=["clip_id", "mean_0_10", "n_raters"])
    expected = {row["clip_id"]: row for row in stored.to_pylist()}
    for row in labels.select(["clip_id", "mean_0_10", "n_raters"]).to_pylist():
        assert expected[row["clip_id"]] == row
    about = described(labels)
    assert (about["source"], about["config"]) == ("bench", "default")
    assert about["revision"].startswith("sha256:")


@pytest.mark.parametrize(("config", "n"), [("default", 120), ("all", 126), ("unanimous", 47)])
def test_each_configuration_has_its_clips_with_their_bytes(bench, config, n):
    import hashlib

    assert len(read_bench(bench, config)) == n
    clips = list(iter_audio(bench, config))
    assert len(clips) == n
    assert all(hashlib.sha256(audio).hexdigest() == clip_id for clip_id, audio in clips)


def test_a_sound_that_is_judged_for_two_emotions_comes_once(tmp_path):
    def same_audio(rows):
        rows[1]["audioId"] = rows[0]["audioId"]

    raw = make_raw_release(tmp_path / "raw", 1 / 300, seconds=0.1, sounds=2)
    rewrite(raw, same_audio)
    build(raw, tmp_path / "bench", assert_counts=False)
    assert len(read_bench(tmp_path / "bench", "all")) == 42
    assert len(list(iter_audio(tmp_path / "bench", "all"))) == 41


def test_what_is_no_bench_is_refused(bench, tmp_path):
    with pytest.raises(EvaluationError, match="unknown configuration 'ratings'; choose default"):
        read_bench(bench, "ratings")
    with pytest.raises(EvaluationError, match="a revision is for a Bench on the Hub"):
        read_bench(bench, revision="v1")
    with pytest.raises(EvaluationError, match="cannot read the Bench"):
        read_bench(tmp_path)


def test_a_machine_without_shared_memory_is_one_line(bench, monkeypatch):
    import datasets

    def full(*_: object, **__: object) -> None:
        raise RuntimeError("unable to resize file </torch_1> to the right size: No space left")

    monkeypatch.setattr(datasets, "load_dataset", full)
    with pytest.raises(EvaluationError, match=r"cannot read the Bench .*No space left"):
        read_bench(bench)


# --- the command ----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_the_terminal(bench, mine, width):
    result = run(mine, "--bench", bench, *FAST, width=width)
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= width
    for text in ("me/mine", "Table 5", "Table 6", "Teasing", "always 0"):
        assert text in result.stdout


def test_json_has_the_result_and_the_published_figures(bench, mine):
    result = json.loads(run(mine, "--bench", bench, *FAST, "--json", "--system", "X").stdout)
    assert (result["system"], result["bench"]["rows"]) == ("X", 120)
    assert result["published"]["table6"]["GPT-4o Audio"]["Pleasure/Ecstasy"] is None
    assert len(result["published"]["table5"]) == 7


def test_the_result_is_written_as_it_is_shown(bench, mine, tmp_path):
    done = run(mine, "--bench", bench, *FAST, "--output", tmp_path / "r.json", "--markdown")
    assert done.stdout.startswith("### ")
    assert "Written to" in done.stderr
    result = read_result(tmp_path / "r.json")
    assert f"| {result.metric.outcomes.scored:,} |" in done.stdout
    assert result.predictions.provenance["model"] == "me/mine"


def test_the_difference_of_two_files_is_shown(bench, labels, mine, tmp_path):
    other = write(heard(labels, noise=9, seed=4), tmp_path / "other.parquet")
    result = run(mine, "--bench", bench, "--vs", other, *FAST)
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "A is me/mine, B is other: 120 rows that both scored" in text
    assert "p (Holm)" in text
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_pictures_get_the_result_pairs_and_alphas(bench, labels, mine, monkeypatch):
    drawn = {}

    def plot_all(result, pairs, alphas, folder):
        drawn.update(result=result, pairs=pairs, alphas=alphas)
        return [folder / "emotions.png"]

    monkeypatch.setattr(plots, "plot_all", plot_all)
    done = run(mine, "--bench", bench, *FAST, "--plots", "drawn")
    assert "Written to drawn/emotions.png" in done.stderr
    assert drawn["result"].system == "me/mine"
    assert sum(len(p) for p, _ in drawn["pairs"].values()) == len(labels)
    assert set(drawn["alphas"]) == set(drawn["pairs"])


def test_results_become_a_leaderboard(bench, labels, mine, tmp_path):
    refusing = with_outcome(heard(labels), lambda row: row["emotion"] == "Awe", "refused")
    for file in (mine, write(refusing, tmp_path / "other.parquet", model="me/other")):
        run(file, "--bench", bench, *FAST, "--output", file.with_suffix(".json"))
    board = tmp_path / "board"
    result = run("mine.json", "other.json", "--output", board, command="leaderboard")
    assert result.exit_code == 0, result.output
    systems = parquet.read_table(board / "leaderboard.parquet")["system"].to_pylist()
    assert {"me/mine", "me/other"} <= set(systems)
    (tmp_path / "broken.json").write_text("{}")
    result = run("mine.json", "broken.json", "--output", board, command="leaderboard")
    assert result.exit_code == 1
    assert "left out: broken.json is no result of" in result.stderr
    written = (board / "leaderboard.json").read_bytes()
    before = run("mine.json", "broken.json", "--leaderboard", tmp_path / "same")
    assert before.exit_code == 1
    new = "is now `emonet-voice leaderboard RESULTS --output DIR`"
    assert new in before.stderr and new not in result.stderr
    assert (tmp_path / "same" / "leaderboard.json").read_bytes() == written
    shown = run("mine.json", "--output", board, "--json", command="leaderboard")
    assert json.loads(shown.stdout) == json.loads((board / "leaderboard.json").read_text())


def test_a_leaderboard_of_a_bench_compares_all_pairs_and_a_plan_says_what_they_can_find(
    bench, labels, mine, tmp_path
):
    other = write(heard(labels, noise=40, seed=4), tmp_path / "other.parquet", model="me/other")
    planned = run(mine, "--bench", bench, "--vs", other, *FAST, "--plan", "--output", "mine.json",
                  "--seconds-a-clip", 0.5)  # fmt: skip
    assert "What a comparison can find" in planned.stdout
    assert max(map(len, planned.stdout.splitlines())) <= 80
    run(other, "--bench", bench, *FAST, "--output", "other.json")
    done = run("mine.json", "other.json", "--bench", bench, "--scores", mine, "--scores", other,
               "--output", "board", command="leaderboard")  # fmt: skip
    assert done.exit_code == 0, done.output
    rows = json.loads((tmp_path / "board" / "leaderboard.json").read_text())["rows"]
    ranks = {row["system"]: row["rank_spearman_low"] for row in rows if not row["published"]}
    assert ranks == {"me/mine": 1, "me/other": 2}
    assert "* me/mine" in done.stdout and "0.50" in done.stdout
    assert (tmp_path / "board" / "huggingface.js" / "PULL_REQUEST.md").is_file()
    alone = run("mine.json", "--bench", bench, "--output", "board", command="leaderboard")
    assert (alone.exit_code, "--bench and --scores go together" in alone.stderr) == (2, True)


def test_the_old_spelling_of_leaderboard_is_not_in_the_help():
    assert "--leaderboard" not in run("--help").stdout
    assert "leaderboard" in run("--help", command="leaderboard").stdout


def test_a_comparison_that_does_not_fit_is_named_and_the_code_is_0(bench, labels, mine, tmp_path):
    other = write(heard(labels, noise=9, seed=4), tmp_path / "other.parquet")
    run(mine, "--bench", bench, "--vs", other, *FAST, "--output", "mine.json")
    result = run("mine.json", "--output", "board", command="leaderboard")
    assert result.exit_code == 0
    assert "left out: mine.json: its comparison is with 'other'" in result.stderr


def test_a_stop_while_the_bench_is_read_ends_with_130_and_no_traceback(bench, mine, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(reader, "read_bench", stop)
    assert run(mine, "--bench", bench).exit_code == 130


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine.parquet"], "--bench is missing"),
        (["--bench", "{bench}"], "give one file of predictions, or --model; there are 0"),
        (["mine.parquet", "mine.parquet", "--bench", "{bench}"], "there are 2"),
        (["mine.parquet", "--bench", "nowhere"], "nowhere: no such folder, and not a Hub id"),
        (["gone.csv", "--bench", "{bench}"], "gone.csv: no such file"),
        (["mine.parquet", "--bench", "{bench}", "--config", "x"], "unknown configuration 'x'"),
        (["mine.parquet", "--bench", "{bench}", "--scale", "0-4"], "said to be 0-10 and 0-4"),
        (["mine.parquet", "--bench", "{bench}", "--output", "r.txt"], "choose a .json file"),
        (["mine.parquet", "--bench", "{bench}", "--json", "--markdown"], "choose --json or"),
        (["mine.parquet", "--bench", "{bench}", "--model", "x/y"], "PREDICTIONS or --model"),
        (["--leaderboard", "b"], "--leaderboard takes results of --output"),
        (["mine.parquet", "--leaderboard", "b"], "there is no result to merge"),
        (["--model", "nowhere", "--bench", "{bench}"], "no such folder, and not a Hub id"),
    ],
)
def test_what_a_user_gets_wrong_is_said_and_the_code_is_2(bench, mine, arguments, message):
    result = run(*(argument.format(bench=bench) for argument in arguments))
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
    assert "Traceback" not in result.output


# --- scoring first --------------------------------------------------------------------------------


@pytest.fixture
def fake_model(monkeypatch):
    monkeypatch.setattr(score_model, "load_model", fake_loader())


def test_a_model_scores_the_clips_first_and_its_file_stays(bench, mine, fake_model, tmp_path):
    done = run("--model", "me/fake", "--bench", bench, *FAST, "--output", "r.json")
    assert done.exit_code == 0, done.output
    assert "Scores are in fake-bench-default.parquet" in done.stderr
    result = read_result(tmp_path / "r.json")
    assert result.join.matched == 9  # three heads
    assert result.metric.outcomes.unmapped == 111
    assert len(parquet.read_table("fake-bench-default.parquet")) == 120
    assert not list(tmp_path.glob(".*"))
    again = run("fake-bench-default.parquet", "--bench", bench, *FAST, "--output", "s.json")
    assert again.exit_code == 0
    assert read_result(tmp_path / "s.json").to_json()["metric"] == result.to_json()["metric"]


def test_only_the_next_few_clips_are_on_disk(bench, tmp_path):
    seen = []
    loaded = fake_loader()("me/fake", heads=[])
    n_failed = score_bench(
        loaded, bench, tmp_path / "s.parquet",
        on_clips=lambda n: seen.append(len(list(tmp_path.glob(".s.parquet.clips/*")))),
    )  # fmt: skip
    assert n_failed == 0
    assert max(seen) < 40 < 120


def test_a_run_that_was_stopped_goes_on(bench, mine, monkeypatch, tmp_path):
    arguments = ("--model", "me/fake", "--bench", bench, *FAST)
    monkeypatch.setattr(score_model, "load_model", fake_loader())
    run(*arguments, "--scores", "whole.parquet")
    monkeypatch.setattr(score_model, "load_model", fake_loader(stop_at=5))
    stopped = run(*arguments, "--scores", "part.parquet")
    assert stopped.exit_code == 130
    assert "run the same command to go on" in stopped.output
    assert (tmp_path / "part.parquet.partial").exists()
    assert not (tmp_path / "part.parquet").exists()
    loaded = fake_loader()("me/fake", heads=[])
    monkeypatch.setattr(score_model, "load_model", lambda *_, **__: loaded)
    assert run(*arguments, "--scores", "part.parquet").exit_code == 0
    assert sum(loaded[0].batches) == 120 - 4 * 8
    whole, part = (parquet.read_table(f"{name}.parquet") for name in ("whole", "part"))
    assert whole.drop_columns("path").equals(part.drop_columns("path"))
    assert not list(tmp_path.glob(".*"))


def test_scores_of_another_model_are_not_gone_on_with(bench, mine, monkeypatch):
    monkeypatch.setattr(score_model, "load_model", fake_loader())
    arguments = ("--model", "me/fake", "--bench", bench, *FAST, "--scores", "s.parquet")
    assert run(*arguments).exit_code == 0
    arguments = ("--model", "me/else", *arguments[2:])
    result = run(*arguments)
    assert result.exit_code == 2
    text = " ".join(result.output.replace("│", " ").split())
    assert "model me/fake, now me/else" in text
    assert "s.parquet has scores" in text and "choose another file" in text


def test_help_shows_examples_without_heavy_imports():
    code = (
        "import sys; sys.argv = ['emonet-voice']\n"
        "import typer\n"
        "from typer.testing import CliRunner\n"
        "from emonet_voice.cli.evaluate import evaluate\n"
        "app = typer.Typer(); app.command()(evaluate)\n"
        "result = CliRunner().invoke(app, ['--help'])\n"
        "assert result.exit_code == 0 and 'Example' in result.output, result.output\n"
        "heavy = {'datasets', 'pyarrow', 'torch', 'transformers', 'librosa', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
