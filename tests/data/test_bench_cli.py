"""`emonet-voice bench build` at the command line: what is printed, and which code is returned."""

import json
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emonet_voice.cli import app
from emonet_voice.cli.bench import bench
from tests.support.places import REPOSITORY
from tests.support.raw_release_maker import make_raw_release


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    return make_raw_release(tmp_path_factory.mktemp("raw"), 1 / 300, seconds=0.1, sounds=2)


def run(*arguments):
    with StringIO() as stream, redirect_stdout(stream), redirect_stderr(stream):
        code = app.run(["bench", *map(str, arguments)])
        return code, " ".join(stream.getvalue().split())


def test_it_builds_and_then_has_nothing_to_do(raw, tmp_path):
    code, output = run("build", raw, tmp_path / "out", "--no-assert")
    assert code == 0
    said = r"42 clips, 112 ratings, 16 unanimous in presence; \d files, 0\.\d MB\. Written to "
    assert re.match(said, output)
    code, output = run("build", raw, tmp_path / "out", "--no-assert")
    assert code == 0
    assert "Nothing to do: every checksum holds in" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope", "out"], "nope: no such folder, and not a Hub id (owner/name)"),
        (["{raw}", "out"], "not the published corpus: clips 42"),
        (["{raw}", "out"], "and 37 more; --no-assert builds it anyway"),
        (["{raw}", "out", "--corpus", "big"], "unknown corpus 'big'; choose from bench, emodb"),
        (["{raw}", "out", "--revision", "v1"], "a revision is for a source on the Hub"),
        (["{raw}"], "Missing argument 'OUT'"),
        (["{raw}", "{raw}"], "exists and has no manifest.json"),
    ],
)
def test_what_a_user_gets_wrong_is_said_and_the_code_is_2(
    raw, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    code, output = run("build", *(argument.format(raw=raw) for argument in arguments))
    assert code == 2
    assert message in output
    assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []


def test_help_shows_examples_without_heavy_imports():
    code = (
        "import sys; sys.argv = ['emonet-voice']\n"
        "from typer.testing import CliRunner\n"
        "from emonet_voice.cli.bench import bench\n"
        "result = CliRunner().invoke(bench, ['build', '--help'])\n"
        "assert result.exit_code == 0 and 'Example' in result.output, result.output\n"
        "heavy = {'datasets', 'pyarrow', 'torch', 'transformers', 'librosa', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    root = REPOSITORY
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


@pytest.fixture(scope="module")
def built(raw, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("built") / "bench"
    assert run("build", raw, out, "--no-assert")[0] == 0
    return out


def test_stats_show_the_papers_tables_and_what_is_unknown(built):
    code, output = run("stats", built)
    assert code == 0
    for title in ("Table 3", "Table 4", "Table 9", "Table 10"):
        assert title in output
    assert "Clips 42" in output
    assert "Language unknown" in output  # languages and voices: the release has no such columns


def test_stats_as_json_have_every_category(built):
    result = CliRunner().invoke(bench, ["stats", str(built), "--json"])
    result = json.loads(result.stdout)
    assert result["clips"] == 42
    assert 0.05 < result["mean_duration_s"] < 0.3
    assert len(result["alpha"]) == 43  # and Overall


def test_stats_draw_the_figure_as_picture_and_drawing(built, tmp_path):
    files = [tmp_path / "figure.png", tmp_path / "figure.svg"]
    code, _ = run("stats", built, *(word for file in files for word in ("--plot", file)))
    assert code == 0
    assert files[0].read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in files[1].read_bytes()


def test_stats_as_markdown_are_tables(built):
    result = CliRunner().invoke(bench, ["stats", str(built), "--markdown"])
    assert result.stdout.startswith("### ")
    assert "| Teasing | 0.0 | 0.0 |" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        (["{built}", "--matrix", "all"], "'all' is not one of first_two"),
        (["{built}", "--plot", "a.txt"], "ends in .png or .svg"),
        (["{built}", "--json", "--markdown"], "choose --json or --markdown"),
    ],
)
def test_stats_say_what_is_wrong(built, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, output = run("stats", *(argument.format(built=built) for argument in arguments))
    assert code == 2
    assert message in output
    assert "Traceback" not in output


@pytest.fixture(scope="module")
def heard(tmp_path_factory) -> Path:
    """A corpus of two clips a category, built with acoustic features."""
    folder = tmp_path_factory.mktemp("heard")
    raw = make_raw_release(folder / "raw", 1 / 150, seconds=0.4, sounds=6)
    code, output = run("build", raw, folder / "out", "--no-assert", "--acoustics")
    assert code == 0, output
    return folder / "out"


def test_acoustics_become_columns_and_statistics(heard):
    code, output = run("stats", heard, "--acoustics")
    assert code == 0
    assert "f0_median_hz" in output
    result = CliRunner().invoke(bench, ["stats", str(heard), "--acoustics", "--json"])
    result = json.loads(result.stdout)
    assert {row["n"] for row in result["features"] if row["feature"] == "level_dbfs"} == {84}
    assert len(result["effects"]) == 42 * len(result["features"])


def test_acoustics_are_drawn(heard, tmp_path):
    code, _ = run("stats", heard, "--acoustics", "--plot", tmp_path / "sound.png")
    assert code == 0
    assert (tmp_path / "sound.png").read_bytes().startswith(b"\x89PNG")


def test_acoustics_that_were_not_built_are_asked_for(built):
    code, output = run("stats", built, "--acoustics")
    assert code == 2
    assert "build with acoustics" in output
