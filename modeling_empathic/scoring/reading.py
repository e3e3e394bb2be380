"""A clip's bytes, read from one open file, and a bound on what is decoded at once."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from modeling_empathic.audio import AudioError


@dataclass(frozen=True)
class Held:
    """A clip that is no file here: in a Parquet file or an archive, or at an address.

    Attributes:
        name: What rows call it, where a path is asked for.
        read: Gives its bytes, in the thread that decodes; what it raises becomes the clip's row.
    """

    name: str
    read: Callable[[], bytes]

    def __fspath__(self) -> str:
        return self.name

    __str__ = __fspath__


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[tuple[BinaryIO, str]]:
    """A clip's file, open at its start, and the SHA-256 of what is read from it.

    Opened once, so that a file which is replaced meanwhile cannot lend its scores to the old one's
    id; one that is written to is an error.

    Raises:
        AudioError: Not a regular file, or it changed before the end of the block.
        OSError: It cannot be read.
    """
    if isinstance(path, Held):
        content = path.read()
        yield BytesIO(content), hashlib.sha256(content).hexdigest()
        return
    if "\0" in str(path):
        raise AudioError("no path: it holds a null character")
    if not os.path.lexists(path) and "://" in str(path):
        raise AudioError("addresses are not read: download the file, give its path")
    if Path(path).exists() and not Path(path).is_file():
        raise AudioError("not a regular file")  # to open a FIFO would block for ever
    with Path(path).open("rb") as file:
        before = os.fstat(file.fileno())
        clip_id = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        yield file, clip_id
        after = os.fstat(file.fileno())
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise AudioError("the file was written to while it was read")


class Budget:
    """What may wait at once, in numbers of four bytes, over all threads.

    A thread that would exceed it waits, unless its clip is the one that everybody waits for: so the
    largest clip is read, but never two of that kind.

    Args:
        samples: Of all clips together.
    """

    def __init__(self, samples: float) -> None:
        self._samples = samples
        self._held: dict[int, int] = {}
        self._turn = 0
        self._changed = threading.Condition()

    def reserve(self, number: int, samples: int) -> None:
        """Counts samples of the clip with this number, perhaps after a while."""
        with self._changed:
            self._changed.wait_for(
                lambda: number <= self._turn or sum(self._held.values()) + samples <= self._samples
            )
            self._held[number] = self._held.get(number, 0) + samples

    def turn(self, number: int) -> None:
        """The clip that is waited for; those before it are done with."""
        with self._changed:
            self._turn = number
            self._held = {held: n for held, n in self._held.items() if held >= number}
            self._changed.notify_all()

    def close(self) -> None:
        """Lets everybody go on, since nobody waits for the results."""
        with self._changed:
            self._samples = float("inf")
            self._changed.notify_all()
