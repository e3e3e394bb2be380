"""Writing so that a reader, or the next run, has a whole file or none; one lock for all."""

import hashlib
import json
import math
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ..taxonomy import UserError

try:
    import fcntl
except ImportError:  # Windows: two runs at one output are not kept apart
    fcntl = None  # type: ignore[assignment]

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def is_hub_id(source: str) -> bool:
    """Whether a source can be `owner/name` on the Hub, and so no path.

    Example:
        >>> is_hub_id("laion/emonet-voice-bench"), is_hub_id("./bench"), is_hub_id("a/b/c")
        (True, False, False)
    """
    return _HUB_ID.fullmatch(source) is not None


@contextmanager
def replacing(path: str | os.PathLike[str], *, shared: bool = False) -> Iterator[Path]:
    """A temporary path that takes the place of `path`, whole and on disk, if nothing fails.

    Args:
        path: The file to write or to replace. The temporary one lies beside it, hidden, with the
            same suffix, since writers choose a format by that.
        shared: Whether others may be writing the same file now: the last one wins. What a killed
            run leaves behind then stays.

    Yields:
        Where to write.

    Example:
        >>> from tempfile import mkdtemp
        >>> file = Path(mkdtemp(), "a.txt")
        >>> with replacing(file) as temporary:
        ...     _ = temporary.write_text("whole")
        >>> file.read_text()
        'whole'
    """
    path = Path(path)
    mine = f".{os.getpid()}-{threading.get_ident()}" if shared else ""
    temporary = path.with_name(f".{path.name}{mine}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def as_json(value: Any, indent: int = 2) -> str:
    r"""A value as JSON; what is undefined (NaN) or infinite is null.

    Example:
        >>> as_json({"alpha": float("nan")})
        '{\n  "alpha": null\n}'
    """
    return json.dumps(_without_nan(value), indent=indent, ensure_ascii=False, allow_nan=False)


def write_json(path: str | os.PathLike[str], value: Any, indent: int = 2) -> None:
    """Writes a value as [`as_json`] does, with a line end, replacing the file in one step."""
    with replacing(path) as temporary:
        temporary.write_text(as_json(value, indent) + "\n", "utf-8")


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def lock(file: IO[bytes] | int, what: object, *, on_wait: Callable[[], None] | None = None) -> None:
    """Keeps a second run away from what is written; the system lifts it when a run is killed.

    Args:
        file: Open file, or its number, that stands for the output; closing it ends the lock.
        what: The output, for the message.
        on_wait: Called where another run has it, before this one waits for that to end.

    Raises:
        UserError: Another run has it, and this one is not to wait.
    """
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if on_wait is None:
            raise UserError(f"another run is writing {what}") from None
        on_wait()
        fcntl.flock(file, fcntl.LOCK_EX)


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder, as [`lock`] does that of a file."""
    if fcntl is None:  # and a folder cannot be opened either
        yield
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        lock(number, folder.name)
        yield
    finally:
        os.close(number)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
