"""Servers in processes of their own: a port that nobody else takes, and waiting without a race."""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_S = 300
"""The longest wait of a test where nothing else runs. A process that has ended fails it at once."""
LOGS: list[Path] = []
"""Of the processes that are running; a test that fails shows their ends."""


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port of this machine that nobody else is given while it is waited for, or started anew.

    The socket is bound and never listens: a server that sets `SO_REUSEADDR`, as asyncio's do, may
    take the port, and the kernel gives it to no other.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def started(
    command: list[str], url: str, log: Path, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers; it is killed in the end, if not before.

    Args:
        command: Program and arguments.
        url: Of a page that is there once the server is ready.
        log: File for what it prints.
        options: For `subprocess.Popen`.
    """
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, **options
        )
    LOGS.append(log)
    try:

        def ready() -> bool:
            assert process.poll() is None, f"the server ended: {log.read_text()[-3000:]}"
            return answers(url)

        wait_until(ready, "an answer", log)
        yield process
    finally:
        process.kill()
        process.wait()
        LOGS.remove(log)


def patience_s() -> float:
    """The longest wait now: with four processes for each core everything takes four times as long.

    The load is a mean over a minute, so what has just begun is not in it: twice for that.
    """
    return 2 * PATIENCE_S * _crowd()


def wait_until(condition: Callable[[], Any], what: str, log: Path | None = None) -> None:
    """Waits for something to be so; a second in which others use the machine is not a whole one.

    Args:
        condition: Is true once it is so.
        what: What is waited for.
        log: Of a process that should make it so; a failure shows its end.
    """
    waited_s, before = 0.0, time.monotonic()
    while not condition():
        said = log.read_text("utf-8", "replace")[-3000:] if log else ""
        assert waited_s < PATIENCE_S, f"waited {PATIENCE_S} s of this machine for {what}\n{said}"
        time.sleep(0.05)
        now = time.monotonic()
        waited_s, before = waited_s + (now - before) / _crowd(), now


def _crowd() -> float:
    """How many processes there are for each core, at least one."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def answers(url: str) -> bool:
    """Whether there is a page; an error of the server is raised."""
    try:
        with urllib.request.urlopen(url, timeout=patience_s()):
            return True
    except urllib.error.HTTPError:
        raise  # it answers, and not with a page
    except OSError:
        return False
