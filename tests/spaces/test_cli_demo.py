"""`emonet-voice demo`: the Spaces' own tests start them; here, what is started."""

import os
from pathlib import Path

import pytest

from emonet_voice.cli import demo as cli_demo
from emonet_voice.cli.app import run
from emonet_voice.hub.repositories import project_folder

PORT = "GRADIO_SERVER_PORT"


@pytest.fixture
def started(monkeypatch):
    """What would replace this process: its folder, its program, its variables."""
    process = {}

    def execv(program, arguments):
        process.update(program=arguments[-1], folder=str(Path.cwd()), port=os.environ.get(PORT))

    monkeypatch.setenv("EMONET_MODEL_FOLDER", "")
    monkeypatch.setenv(PORT, "1")
    monkeypatch.chdir(Path.cwd())
    monkeypatch.setattr(os, "execv", execv)
    return process


@pytest.mark.parametrize("space", cli_demo.SPACES)
def test_every_space_is_started_in_its_own_folder(space, started):
    assert run(["demo", space, "--port", "7999"]) == 0
    assert started["folder"] == str(project_folder("spaces") / cli_demo.SPACES[space])
    assert "app.py" in started["program"] and started["port"] == "7999"


def test_an_unknown_space_is_named_with_the_choices(capsys):
    assert run(["demo", "radio"]) == 2
    assert "'radio'; choose from voice, annotation, leaderboard" in capsys.readouterr().err
