"""The help of every command is for people."""

import re
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from emonet_voice.cli.app import run
from emonet_voice.cli.commands import app
from emonet_voice.cli.demo import PROGRAM
from tests.support.command import run_command


def paths(command, path=()):
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from paths(inner, (*path, name))


@pytest.mark.parametrize("path", list(paths(get_command(app))), ids=" ".join)
def test_no_type_and_no_double_bracket_is_in_it(path):
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "100"}).output
    usage = next(line for line in shown.splitlines() if "Usage:" in line)
    assert not re.search(r"<\w+>|\[\[|\]\]", shown), shown
    assert re.search(r"Usage: .+ \[OPTIONS\]( \[?[A-Z|]+(\.\.\.)?\]?| COMMAND \.\.\.)*\s*$", usage)
    assert "--help" in shown


def command_of(path):
    command = get_command(app)
    for name in path:
        command = command.commands[name]
    return command


@pytest.mark.parametrize("path", list(paths(get_command(app))), ids=" ".join)
def test_every_word_of_ours_is_shown_as_it_is_written(path):
    # Help is read as Markdown: outside of backticks it would take the underscores of a pattern.
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "2000"}).output.split()
    for param in command_of(path).params:
        written = (param.help or "").replace("`", "").split()
        assert [word for word in written if word not in shown] == []


@pytest.mark.parametrize("path", list(paths(get_command(app))), ids=" ".join)
def test_every_example_is_one_line_that_can_be_pasted_whatever_the_width(path):
    wide, narrow = (
        CliRunner()
        .invoke(app, [*path, "--help"], env={"COLUMNS": width})
        .output.partition(" Examples:\n")[2]
        for width in ("300", "60")
    )
    assert wide == narrow
    assert wide
    for line in filter(None, wide.splitlines()):
        assert re.match(r"   (emonet-voice|accelerate launch|find|ffmpeg|arecord) ", line)
        assert not line.endswith(" ") and "`" not in line


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (("big", "plan", "--clips", "many"), "--clips many: it must be a valid integer"),
        (("big", "plan", "--clips", "0"), "--clips 0: it must be greater than or equal to 1"),
        (("big", "segment", "--pause", "31"), "--pause 31: it must be less than or equal to 30"),
        (("collect", "--rate", "-1"), "--rate -1: it must be greater than or equal to 0.01"),
        (("demo", "--port", "99999"), "--port 99999: it must be less than or equal to 65535"),
        (("train", "heads", "--folds", "0"), "--folds 0: it must be greater than or equal to 1"),
    ],
)
def test_a_number_that_cannot_be_is_named_with_its_option(given, wanted):
    assert run_command(*given) == (2, "", f"error: {wanted}\n")


def test_a_file_that_is_not_there_is_told_without_arrows_words(tmp_path):
    given = ("big", "generate", tmp_path / "no.parquet", tmp_path / "out")
    assert run_command(*given)[2] == f"error: plan={tmp_path}/no.parquet is no file\n"


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("big a", "annotate"),
        ("demo me", "metric"),
        ("score --device open", "openvino"),
        ("score --model la", "large"),
        ("collect csv", "csv-import"),
    ],
)
def test_a_shell_completes_commands_and_known_values(typed, completed):
    words = f"emonet-voice {typed}"
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    asked["_EMONET_VOICE_COMPLETE"] = "complete_bash"
    done = CliRunner().invoke(app, env=asked, prog_name="emonet-voice")
    assert done.output.split() == [completed]


def test_ctrl_c_within_what_numba_compiled_is_no_traceback(monkeypatch):
    cause = KeyboardInterrupt()

    def stopped(arguments):
        raise SystemError("a function returned a result with an exception set") from cause

    monkeypatch.setattr("emonet_voice.cli.commands.run", stopped)
    assert run([]) == 130
    cause = ValueError()
    with pytest.raises(SystemError):
        run([])


def test_ctrl_c_while_a_space_imports_prints_nothing():
    begin = PROGRAM.split("import runpy")[0]
    done = subprocess.run(
        [sys.executable, "-c", begin + "raise KeyboardInterrupt"], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("", "") and done.returncode != 0
    done = subprocess.run(
        [sys.executable, "-c", begin + "raise ValueError('no')"], capture_output=True, text=True
    )
    assert "ValueError: no" in done.stderr
