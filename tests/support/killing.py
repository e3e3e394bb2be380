"""Kills a command at each step that touches the disk, then runs it again and compares.

    python -m tests.support.killing COMMAND FOLDER [--most N] [--faults N] [--writers N]

What is heavy is imported once; each trial is a fork, which dies by SIGKILL just before its n-th
rename, fsync, unlink, rmdir or SQL statement; or whose disk is full, read-only or gone from there
on (`breaking`); or which has a second writer beside it. Prints a JSON line with what was tried and
what was found wrong.
"""

import argparse
import hashlib
import importlib
import json
import os
import select
import shutil
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tests.support.writers import COMMANDS, Command

STEPS = ("rename", "replace", "fsync", "unlink", "rmdir")
EVERY = -1
WAIT_S = 5.0
"""How long a writer stands still for a second one, which may itself be waiting for the first."""


class Ended(NamedTuple):
    """How a fork ended.

    Attributes:
        how: whole, partial (exit code 1), refused (exit code 2), failed or killed.
        steps: Made, or where it was killed.
        placed: Those up to the last rename: what happens later, happens to what is whole.
        said: On stderr.
    """

    how: str
    steps: int
    placed: int
    said: str


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_fork(
    work: Callable[[], Any], at: int | None = None, happens: Callable[[], Any] = die
) -> Ended:
    """Runs it in a fork to which something happens just before its n-th step, or `EVERY` one."""
    (out, steps_end), (errors, errors_end) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        os.close(errors)
        os.dup2(errors_end, 2)
        os.close(errors_end)
        code = _work(work, at, happens, steps_end)
        os._exit(code)
    os.close(steps_end)
    os.close(errors_end)
    with os.fdopen(errors) as pipe:
        said = pipe.read()
    with os.fdopen(out) as pipe:
        steps = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return Ended("killed", at or 0, 0, said)
    done, placed = map(int, steps.split() or (0, 0))
    how = {0: "whole", 1: "partial", 2: "refused"}.get(os.WEXITSTATUS(status), "failed")
    return Ended(how, done, placed, said)


def _work(
    work: Callable[[], Any], at: int | None, happens: Callable[[], Any], steps_end: int
) -> int:
    done = placed = 0

    def step(name: str) -> None:
        nonlocal done, placed
        done += 1
        placed = done if name in ("rename", "replace") else placed
        if at in (done - 1, EVERY):
            happens()

    def before(name: str) -> Callable[..., Any]:
        function = getattr(os, name)

        def stepping(*arguments: Any, **options: Any) -> Any:
            step(name)
            return function(*arguments, **options)

        return stepping

    for name in STEPS:
        setattr(os, name, before(name))
    connect = sqlite3.connect

    def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
        db = connect(*arguments, **options)
        db.set_trace_callback(lambda _: step("SQL"))
        return db

    sqlite3.connect = connected
    code = 0
    try:
        # After a fork torch makes its pool of threads anew; two that ask at once find none.
        torch.set_num_threads(1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        work()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - of a fork, which must end here
        traceback.print_exc()
        code = 3
    sys.stderr.flush()
    os.write(steps_end, f"{done} {placed}".encode())
    return code


def tree(folder: Path, changing: tuple[str, ...] = ()) -> dict[str, str]:
    """SHA-256 of every file below a folder, hidden and temporary ones too."""
    return {
        path.relative_to(folder).as_posix(): (
            "" if path.name in changing else hashlib.sha256(path.read_bytes()).hexdigest()
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def again(command: Command, folder: Path, whole: dict[str, str]) -> str:
    """Runs a command that came to harm once more; what is wrong then, or ""."""
    ended = in_fork(lambda: command.run(folder))
    found = tree(folder, command.changing)
    if ended.how != "whole" and found != whole:  # one may say that all is there already
        return f"the next run {ended.how}: {ended.said[-300:]}"
    if found != whole:
        names = sorted({name for name, _ in set(found.items()) ^ set(whole.items())})
        return f"other than uninterrupted: {names}"
    return ""


def fresh(command: Command, folder: Path) -> None:
    """The folder as the command finds it first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command.prepare(folder)


def trial(command: Command, folder: Path, at: int, whole: dict[str, str]) -> str:
    """Kills at one step and runs again; what is wrong then, or ""."""
    fresh(command, folder)
    ended = in_fork(lambda: command.run(folder), at)
    wrong = "" if ended.how == "killed" else f"not killed but {ended.how}"
    wrong = wrong or again(command, folder, whole)
    return wrong and f"step {at}: {wrong}"


def two_writers(command: Command, folder: Path, at: int, whole: dict[str, str]) -> str:
    """Runs it a second time while the first stands before its n-th step; what is wrong, or "".

    One of them at least writes all of it; the other does too, or says in a line why not.
    """
    fresh(command, folder)
    (go, start), (said, say) = os.pipe(), os.pipe()
    second = os.fork()
    if second == 0:
        os.close(start)
        if os.read(go, 1):
            os.write(say, json.dumps(in_fork(lambda: command.run(folder))).encode())
        os._exit(0)
    os.close(go)
    os.close(say)

    def happens() -> None:
        os.write(start, b"!")
        select.select([said], [], [], WAIT_S)

    first = in_fork(lambda: command.run(folder), at, happens)
    os.close(start)
    with os.fdopen(said) as pipe:
        told = pipe.read()
    os.waitpid(second, 0)
    both = [first, Ended(*json.loads(told))] if told else [first]
    found = tree(folder, command.changing)
    wrong = "" if len(both) == 2 else f"no second: {first.how}"
    for which, ended in zip(("first", "second"), both, strict=False):
        if ended.how not in ("whole", "refused") or "Traceback" in ended.said:
            wrong = wrong or f"the {which} {ended.how}: {ended.said[-300:]}"
    if not wrong and all(ended.how != "whole" for ended in both):
        wrong = f"neither wrote it: {[ended.said[-200:] for ended in both]}"
    if not wrong and found != whole:
        names = sorted({name for name, _ in set(found.items()) ^ set(whole.items())})
        wrong = f"other than that of one: {names}"
    return wrong and f"two writers, step {at}: {wrong}"


def import_what_it_imports(command: Command, folder: Path) -> Ended:
    """Runs a command in a fork, then imports here what it did, so that no later fork has to."""
    imported = folder.with_name("imported.txt")

    def run() -> None:
        command.run(folder)
        imported.write_text("\n".join(sys.modules))

    ended = in_fork(run)
    for name in imported.read_text().split() if imported.exists() else ():
        with suppress(Exception):  # a name that its library made up
            importlib.import_module(name)
    return ended


def spread(n: int, most: int) -> list[int]:
    """So many of the first `n` numbers, evenly."""
    most = min(n, most)
    return sorted({number * (n - 1) // max(most - 1, 1) for number in range(most)})


def try_all(
    name: str, folder: Path, most: int | None, n_faults: int | None, n_writers: int
) -> dict[str, Any]:
    """Kills at every step of a command, or at so many evenly spread ones; faults; two writers.

    Returns:
        `steps` of an uninterrupted run, `kills`, `faults` by kind, `writers` (times that two were
        at work), and `wrong`: a line each.
    """
    from tests.support.breaking import break_everything

    (folder / "inputs").mkdir(parents=True)
    command = COMMANDS[name](folder / "inputs")
    place = folder / "work"  # always the same: some outputs name their folder
    fresh(command, place)
    ended = import_what_it_imports(command, place)
    if ended.how != "whole":
        raise RuntimeError(f"{name} {ended.how} without being killed: {ended.said}")
    whole, steps = tree(place, command.changing), ended.steps
    points = spread(steps, steps if most is None else most)
    wrong = [line for at in points if (line := trial(command, place, at, whole))]
    faults, more = break_everything(command, place, ended, whole, n_faults)
    offsets = spread(steps, n_writers) if n_writers else []
    more += [line for at in offsets if (line := two_writers(command, place, at, whole))]
    return {
        "command": name, "steps": steps, "kills": len(points), "faults": faults,
        "writers": len(offsets), "wrong": wrong + more,
    }  # fmt: skip


def main() -> None:
    """Entry point of `python -m tests.support.killing`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int)
    parser.add_argument("--faults", type=int, help="Of each kind.")
    parser.add_argument("--writers", type=int, default=0, help="Offsets of a second one.")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # threads do not survive a fork
    found = try_all(
        arguments.command, arguments.folder, arguments.most, arguments.faults, arguments.writers
    )
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
