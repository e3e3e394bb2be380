"""Whose turn it is on the machine: bars first, everything else between them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 0.5
_CHANGED = threading.Condition()
_quick = 0


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
