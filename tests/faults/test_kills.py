"""Killed at any step that touches the disk, a command loses nothing and leaves nothing behind."""

import json
import subprocess
import sys

import pytest

from tests.support.killing import COMMANDS
from tests.support.places import REPOSITORY

pytest.importorskip("fcntl")
QUICK = {
    **{"score": (3, 1), "build": (4, 1), "stage": (4, 1), "generate": (4, 1), "big": (5, 1)},
    **{"collect": (3, 1), "annotation": (6, 0), "convert": (3, 0), "train": (2, 0)},
}
"""Kills of each command, and faults of each kind, where all of them would take too long."""


def kill(command, folder, *options):
    program = [sys.executable, "-m", "tests.support.killing", command, folder, *options]
    done = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("command", QUICK)
def test_killed_or_its_disk_broken_a_command_run_again_ends_in_the_same_files(command, tmp_path):
    kills, faults = QUICK[command]
    found = kill(command, tmp_path / "place", "--most", str(kills), "--faults", str(faults))
    assert found["wrong"] == []
    assert found["kills"] == kills < found["steps"]
    assert set(found["faults"].values()) == {faults}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_at_every_single_step_it_is_the_same(command, tmp_path):
    found = kill(command, tmp_path / "place", "--faults", "6")
    assert found["wrong"] == []
    assert found["kills"] == found["steps"] > 5
