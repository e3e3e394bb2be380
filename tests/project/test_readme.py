"""What the README shows works as it stands there."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from dataset_scripts.building.build import build
from emonet_voice.hub.local.server import LocalHub
from tests.support.places import REPOSITORY
from tests.support.raw_release_maker import make_raw_release

README = (REPOSITORY / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def hub_environment(tmp_path_factory):
    """Variables of a client of a Hub that has Bench, a three-hundredth of it, under its name."""
    folder = tmp_path_factory.mktemp("hub")
    raw = make_raw_release(folder / "raw", 1 / 300, seconds=0.1, sounds=2)
    build(raw, folder / "built", assert_counts=False)
    with LocalHub(folder / "store") as hub:
        hub.add("laion/emonet-voice-bench", folder / "built")
        yield {**os.environ, **hub.environment(folder / "home")}


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.split("\n")[0][:40])
def test_the_python_blocks_run_and_print(block, hub_environment):
    done = subprocess.run(
        [sys.executable, "-c", block],
        cwd=REPOSITORY, capture_output=True, text=True, env=hub_environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()


COMMANDS = (
    *("score", "convert", "bench build", "bench stats", "evaluate", "leaderboard", "collect"),
    *("generalize", "demo", "publish rehearse", "train heads"),
)


def test_every_command_and_option_shown_exists():
    """The models named there cannot be had offline: the options are checked against --help."""
    from typer.main import get_command
    from typer.testing import CliRunner

    from emonet_voice.cli.app import app

    lines = [
        shlex.split(line.replace("\\\n", " "), comments=True)
        for block in SHELL
        for line in re.split(r"(?<!\\)\n", block)
        if "emonet-voice" in line
    ]
    shown = set()
    for line in lines:
        words = line[line.index("emonet-voice") + 1 :]
        path, inner = [], get_command(app)
        while words and (inner := getattr(inner, "commands", {}).get(words[0])):
            path.append(words.pop(0))
        assert path, f"no command {words[0]}"
        shown.add(" ".join(path))
        help_ = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200"})
        for option in (word for word in words if word.startswith("--")):
            assert option in help_.output, f"{path} has no {option}"
    assert shown >= set(COMMANDS)


def test_model_data_and_metric_are_shown_in_python():
    for name in ("pipeline(", "EmpathicInsightModel", "load_dataset(", "compute("):
        assert any(name in block for block in PYTHON), name


def test_the_citation_is_that_of_the_cards():
    assert (REPOSITORY / "cards" / "citation.md.jinja").read_text() in README


def test_every_file_linked_is_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (REPOSITORY / target).exists(), target


def test_the_make_targets_shown_exist():
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"make (demo|test|nano|clips|bench)\b", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
