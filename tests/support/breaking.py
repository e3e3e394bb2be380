"""What happens to a disk under a command: full, read-only, no longer ours, gone; and to its clock.

Everything happens inside the fork: a limit on the size of files stands for a full disk (writing
then fails half-way in Python, Arrow, Rust and SQLite alike), and a superuser gives up the right to
write where permissions forbid it.
"""

import ctypes
import json
import os
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.killing import EVERY, Ended, again, fresh, in_fork, spread, tree
from tests.support.writers import Command

SIZES = (0, 100, 3_000, 20_000)
"""Bytes that a file can have on the full disk."""


def break_everything(
    command: Command, place: Path, well: Ended, whole: dict[str, str], most: int | None
) -> tuple[dict[str, int], list[str]]:
    """Every fault at every step, or at so many; how many of each kind, and what was found wrong.

    Args:
        command: What comes to harm.
        place: Where it writes.
        well: How it ended without harm.
        whole: What it wrote then.
        most: Faults of each kind.
    """
    steps = well.placed or well.steps
    most = steps if most is None else most
    largest = max((path.stat().st_size for path in place.rglob("*") if path.is_file()), default=1)
    sizes = sorted({*SIZES, largest - 1})
    sizes = sizes if most >= steps else sizes[len(sizes) - min(most, len(sizes)) :]
    faults: dict[str, list[tuple[Any, int | None, Callable[[], Any]]]] = {
        "full disk": [(size, None, lambda size=size: fill(size)) for size in sizes],
        "read-only folder": [("start", None, lambda: forbid(place))] * bool(most),
        "permission lost": [(at, at, lambda: forbid(place)) for at in spread(steps, most)],
        "folder deleted": [
            (at, at, lambda: shutil.rmtree(place, ignore_errors=True)) for at in spread(steps, most)
        ],
        "clock backwards": [("start", None, run_backwards)] * bool(most),
    }
    states = states_of(command, place)
    wrong = []
    for kind, trials in faults.items():
        for where, at, happens in trials:
            if line := fault(
                command, place, whole, states, at, happens, bad=kind != "clock backwards"
            ):
                wrong.append(f"{kind} at {where}: {line}")
    return {kind: len(trials) for kind, trials in faults.items()}, wrong


def fault(
    command: Command,
    place: Path,
    whole: dict[str, str],
    states: set[tuple[str, str]],
    at: int | None,
    happens: Callable[[], Any],
    *,
    bad: bool,
) -> str:
    """Runs with a fault, then without; what is wrong, or ""."""
    fresh(command, place)
    before = tree(place, command.changing)

    def work() -> None:
        if at is None:
            happens()
        command.run(place)

    ended = in_fork(work, at, happens)
    allow(place)
    left = tree(place, command.changing)
    problem = badly_said(ended)
    if ended.how == "whole" and left != whole:
        problem = problem or f"exit code 0 without {sorted(whole.items() - left.items())[:3]}"
    if not bad and ended.how != "whole":
        problem = problem or f"{ended.how}: {ended.said[-300:]}"
    half = [
        item[0]
        for item in left.items() - states
        if ended.how != "partial" and not Path(item[0]).name.startswith(".")
    ]
    if half:
        problem = problem or f"half under a final name: {half}"
    place.mkdir(exist_ok=True)
    if not left and before:
        command.prepare(place)
    return problem or again(command, place, whole)


def states_of(command: Command, place: Path) -> set[tuple[str, str]]:
    """Every content that every file has at a step of a run that comes to no harm."""
    fresh(command, place)
    seen = place.with_name("states.json")
    states = set(tree(place, command.changing).items())

    def look() -> None:
        states.update(tree(place, command.changing).items())
        seen.write_text(json.dumps(sorted(states)))

    in_fork(lambda: command.run(place), EVERY, look)
    return {(name, digest) for name, digest in json.loads(seen.read_text())} | set(
        tree(place, command.changing).items()
    )


def badly_said(ended: Ended) -> str:
    """What is wrong with how a command that could not go on said so."""
    if "Traceback" in ended.said or "Exception ignored" in ended.said:
        return f"a traceback: {ended.said[-700:]}"
    lines = [line for line in ended.said.splitlines() if line.startswith("error: ")]
    if ended.how == "refused" and len(lines) != 1:
        return f"not one line: {ended.said[-300:]!r}"
    return (
        ""
        if ended.how in ("whole", "refused", "partial")
        else f"{ended.how}: {ended.said[-300:]!r}"
    )


def fill(n_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


def forbid(folder: Path) -> None:
    """Nothing below a folder can be written any more, by a superuser neither."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.geteuid() == 0:
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        data = (ctypes.c_uint32 * 6)()
        libc = ctypes.CDLL(None)
        libc.capget(header, data)
        for number in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            data[0] &= ~(1 << number)
        libc.capset(header, data)


def allow(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")) if folder.is_dir() else ():
        path.chmod(0o755 if path.is_dir() else 0o644)


def run_backwards() -> None:
    """Every look at the clock finds it an hour earlier."""
    now = time.time()

    def earlier() -> float:
        nonlocal now
        now -= 3600
        return now

    time.time = earlier
    time.time_ns = lambda: int(earlier() * 1e9)
