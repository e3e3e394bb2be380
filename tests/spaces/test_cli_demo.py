"""`emonet-voice demo`: the Spaces' own tests start them; here, what is started."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emonet_voice.cli import demo as cli_demo
from emonet_voice.cli.app import run
from emonet_voice.hub.repositories import project_folder
from modeling_empathic import NANO

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


def test_the_space_gets_the_folder_of_the_model_that_is_named(started, model_folder, monkeypatch):
    monkeypatch.chdir(model_folder.parent)
    assert run(["demo", "--model", model_folder.name]) == 0
    assert os.environ["EMONET_MODEL_FOLDER"] == str(model_folder)
    assert run(["demo", "--model", "nano"]) == 0
    assert os.environ["EMONET_MODEL_FOLDER"] == str(NANO)


def test_a_model_that_was_taught_classes_is_refused(started, model_folder, tmp_path, capsys):
    folder = shutil.copytree(model_folder, tmp_path / "mine")
    config = json.loads((folder / "config.json").read_text())
    config["problem_type"] = "single_label_classification"
    (folder / "config.json").write_text(json.dumps(config))
    assert run(["demo", "--model", str(folder)]) == 2
    assert "was taught classes" in capsys.readouterr().err and not started


def test_only_the_space_voice_has_a_model(started, capsys):
    assert run(["demo", "leaderboard", "--model", "small"]) == 2
    assert "--model is for the Space voice, not for leaderboard" in capsys.readouterr().err


def test_advice_to_change_the_program_is_not_shown(tmp_path):
    (tmp_path / "app.py").write_text(
        "import gradio, numba\n"  # which looks for every builtin function, print too
        "with gradio.Blocks() as demo: pass\n"
        "demo.launch(prevent_thread_lock=True, ssr_mode=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", cli_demo.PROGRAM],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("* Running on local URL:  http://127.0.0.1:")
    assert done.stdout.count("\n") == 1
