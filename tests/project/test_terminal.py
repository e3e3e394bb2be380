"""What a stranger's file says is shown in the terminal and never acted upon."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.table import Table

from dataset_scripts.building.build import build
from emonet_voice.cli.terminal import Terminal, echo
from evaluate_metrics.bench.reader import read_bench
from tests.support.command import run_command
from tests.support.evaluation_maker import heard, write
from tests.support.places import REPOSITORY
from tests.support.raw_release_maker import make_raw_release

EVIL = "evil\x1b[2J\x1b]0;title\x07\r\x9b31m"
CLIP = REPOSITORY / "examples" / "clips" / "de_anger.flac"


def acted_upon(text: str) -> set[str]:
    return {char for char in text if not char.isprintable()} - {"\n"}


@pytest.mark.parametrize("width", [10, 80])
def test_names_lose_their_escape_codes_and_our_own_colours_stay(width):
    table = Table("file")
    table.add_row(EVIL)
    for renderable in (EVIL, table):
        file = io.StringIO()
        Terminal(file=file, width=width, color_system="standard", force_terminal=True).print(
            renderable, style="bold red"
        )
        shown = file.getvalue()
        assert "\x1b[1;31m" in shown
        assert not acted_upon(re.sub(r"\x1b\[[\d;]*m", "", shown))


def test_lines_are_kept_as_lines(capsys):
    echo(f"one\n{EVIL}", err=True)
    assert (
        capsys.readouterr().err
        == "one\n" + "".join(char if char.isprintable() else "�" for char in EVIL) + "\n"
    )


def test_no_command_writes_past_it():
    for path in (REPOSITORY / "emonet_voice" / "cli").glob("*.py"):
        if path.name != "terminal.py":
            assert not re.search(r"\bConsole\(", path.read_text("utf-8")), path


@pytest.fixture
def folder(tmp_path):
    """Clips whose names clear the screen, one of them no audio."""
    (tmp_path / f"{EVIL}.flac").write_bytes(CLIP.read_bytes())
    (tmp_path / f"{EVIL}.wav").write_bytes(b"not audio")
    return tmp_path


def test_score_names_clips_and_errors(folder, tmp_path):
    _, out, err = run_command("score", folder, "--output", tmp_path / "scores.parquet")
    assert "".join(out.split()).count(r"evil\x1b[2J") == 2
    assert not acted_upon(out + err)
    for line in run_command("score", folder, "--json", "--quiet")[1].splitlines():
        assert Path(json.loads(line)["path"]).name.startswith(r"evil\x1b[2J\x1b]0;title\x07")


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", f"{EVIL}.wav"],
        ["score", CLIP, "--heads", EVIL],
        ["score", CLIP, "--model", EVIL],
        ["evaluate", f"{EVIL}.parquet", "--bench", EVIL],
        ["leaderboard", f"{EVIL}.json", "--output", "board"],
        ["generalize", "--corpus", EVIL, "--root", "."],
        ["bench", "stats", EVIL],
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_error_names_the_bad_value(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run_command(*arguments)
    assert code == 2 and "evil" in err
    assert not acted_upon(out + err)


def test_evaluate_names_a_system_and_its_files(tmp_path):
    raw = make_raw_release(tmp_path / "raw", 1 / 300, seconds=0.1, sounds=2)
    build(raw, tmp_path / "bench", assert_counts=False)
    rows = heard(read_bench(tmp_path / "bench"))
    file = write(rows, tmp_path / "mine.parquet", model=EVIL, scale="0-10")
    output = tmp_path / f"{EVIL}.json"
    _, out, err = run_command(
        "evaluate", file, "--bench", tmp_path / "bench", "--vs", file, "--resamples", 20,
        "--output", output,
    )  # fmt: skip
    assert "evil�" in out and "Written to" in err
    assert not acted_upon(out + err)
