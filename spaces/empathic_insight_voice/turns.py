"""Whose turn it is on the machine: bars first, everything else between them, nothing unwanted."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PATIENCE_S = 0.5
_CHANGED = threading.Condition()
_quick = 0


class Stopped(Exception):  # noqa: N818 - not an error: somebody wished it
    """Work that nobody waits for any more."""


@contextmanager
def until_stopped() -> Iterator[None]:
    """What is stopped ends here, without a word."""
    with suppress(Stopped):
        yield


@contextmanager
def quick() -> Iterator[None]:
    """While it lasts, those who `give_way` wait."""
    global _quick
    with _CHANGED:
        _quick += 1
    try:
        yield
    finally:
        with _CHANGED:
            _quick -= 1
            _CHANGED.notify_all()


def give_way() -> None:
    """Waits while somebody is `quick`, but not for long: a crowd must not stop the others."""
    with _CHANGED:
        _CHANGED.wait_for(lambda: not _quick, timeout=PATIENCE_S)
