"""Two runs at one output: one writes it whole, the other waits or says so in one line."""

import os
import threading
import time

import pytest

from modeling_empathic.report.files import locked, replacing
from tests.support.killing import COMMANDS, in_fork, tree

pytest.importorskip("fcntl")


@pytest.mark.parametrize("name", ["build", "convert", "stage"])
def test_a_command_at_an_output_that_another_run_writes_says_so_and_touches_nothing(
    name, tmp_path, capsys
):
    (tmp_path / "inputs").mkdir()
    command = COMMANDS[name](tmp_path / "inputs")
    folder = tmp_path / "work"
    folder.mkdir()
    output = folder / {"build": "bench", "convert": "model", "stage": "staged"}[name]
    with locked(output), pytest.raises(SystemExit) as ended:
        command.run(folder)
    assert ended.value.code == 2
    assert f"another run is writing {output.name}" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_of_two_who_replace_a_file_the_second_waits_and_both_are_whole(tmp_path):
    file = tmp_path / "a.txt"
    seen = []

    def write(text: str, pause_s: float) -> None:
        with replacing(file) as temporary, temporary.open("w") as stream:
            for letter in text:
                stream.write(letter)
                stream.flush()
                time.sleep(pause_s)
        seen.append(file.read_text())

    writers = [threading.Thread(target=write, args=(letter * 20, 0.002)) for letter in "abcdef"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(seen) == 6 and all(len(text) == 20 and len(set(text)) == 1 for text in seen)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_a_killed_writer_left_is_taken_over(tmp_path):
    file = tmp_path / "a.txt"

    def write(text: str) -> None:
        with locked(file), replacing(file) as temporary:
            temporary.write_text(text)

    write("old")
    for step in range(3):  # fsync, replace, and unlink of the lock
        ended = in_fork(lambda: write("new and longer"), step)
        assert ended.how == "killed" and file.read_text() in ("old", "new and longer")
    write("new")
    assert tree(tmp_path).keys() == {"a.txt"} and file.read_text() == "new"


def test_a_failure_leaves_the_old_file_and_no_temporary_one(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(OSError, match="full"), replacing(file) as temporary:
        temporary.write_text("half")
        raise OSError("the disk is full")
    assert tree(tmp_path).keys() == {"a.txt"} and file.read_text() == "old"


def test_the_lock_is_nobodys_once_its_run_was_killed(tmp_path):
    def hold() -> None:
        with locked(tmp_path / "x"):
            os.fsync(0)

    ended = in_fork(hold, 0)
    assert ended.how == "killed" and (tmp_path / ".x.lock").exists()
    with locked(tmp_path / "x"):
        pass
    assert list(tmp_path.iterdir()) == []
