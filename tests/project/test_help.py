"""The help of every command is for people."""

import re

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from emonet_voice.cli.commands import app


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


@pytest.mark.parametrize("path", list(paths(get_command(app))), ids=" ".join)
def test_every_example_is_one_line_that_can_be_pasted_whatever_the_width(path):
    wide, narrow = (
        CliRunner()
        .invoke(app, [*path, "--help"], env={"COLUMNS": width})
        .output.partition(" Examples:\n")[2]
        for width in ("300", "60")
    )
    assert wide == narrow
    assert wide or path in (("big",), ("bench",), ("train",))
    for line in filter(None, wide.splitlines()):
        assert re.match(r"   (emonet-voice|accelerate launch|find|ffmpeg|arecord) ", line)
        assert not line.endswith(" ") and "`" not in line
