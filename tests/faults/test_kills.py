"""Killed at any step that touches the disk, a command loses nothing and leaves nothing behind."""

import json
import subprocess
import sys

import pytest

from tests.support.killing import COMMANDS
from tests.support.places import REPOSITORY

pytest.importorskip("fcntl")
QUICK = {"score": 3, "build": 4, "convert": 3, "stage": 4, "train": 2, "generate": 4, "big": 5}
"""Kills of each command where all of them would take too long."""


def kill(command, folder, *options):
    program = [sys.executable, "-m", "tests.support.killing", command, folder, *options]
    done = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_killed_command_run_again_ends_in_the_same_files_and_no_others(command, tmp_path):
    found = kill(command, tmp_path / "place", "--most", str(QUICK[command]))
    assert found["wrong"] == []
    assert found["kills"] == QUICK[command] < found["steps"]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_at_every_single_step_it_is_the_same(command, tmp_path):
    found = kill(command, tmp_path / "place")
    assert found["wrong"] == []
    assert found["kills"] == found["steps"] > 5
