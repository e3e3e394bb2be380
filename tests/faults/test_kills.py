"""Killed at any step that touches the disk, or not alone, a command loses and leaves nothing."""

import json
import subprocess
import sys

import pytest

from tests.support.killing import COMMANDS
from tests.support.places import REPOSITORY

pytest.importorskip("fcntl")
QUICK = {
    **{"score": (3, 1, 1), "build": (4, 1, 2), "stage": (4, 1, 1), "generate": (4, 1, 1)},
    **{"big": (5, 1, 1), "collect": (3, 1, 1), "annotation": (6, 0, 0), "convert": (3, 0, 1)},
    **{"train": (2, 0, 1)},
}
"""Kills of each command, faults of each kind and second writers, where all would take too long."""


def kill(command, folder, *options):
    program = [sys.executable, "-m", "tests.support.killing", command, folder, *options]
    done = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("command", QUICK)
def test_killed_broken_or_beside_another_writer_a_command_ends_in_the_same_files(command, tmp_path):
    kills, faults, writers = map(str, QUICK[command])
    options = ["--most", kills, "--faults", faults, "--writers", writers]
    found = kill(command, tmp_path / "place", *options)
    assert found["wrong"] == []
    assert found["kills"] == int(kills) < found["steps"]
    assert set(found["faults"].values()) == {int(faults)}
    assert found["writers"] == int(writers)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_at_every_single_step_it_is_the_same(command, tmp_path):
    writers = "0" if command == "annotation" else "6"  # a Space has one server
    found = kill(command, tmp_path / "place", "--faults", "6", "--writers", writers)
    assert found["wrong"] == []
    assert found["kills"] == found["steps"] > 5
