"""Writing so that a reader, or the next run, has a whole file or none; one lock for all."""

import errno
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ..taxonomy import UserError

try:
    import fcntl
except ImportError:  # Windows: two runs at one output are not kept apart
    fcntl = None  # type: ignore[assignment]

LARGEST_JSON = 16 * 2**20
"""Bytes of a JSON file that is read: unpacked it takes twenty times as much."""
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # in JSON's escapes; two make a whole one
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def is_hub_id(source: str) -> bool:
    """Whether a source can be `owner/name` on the Hub, and so no path.

    Example:
        >>> is_hub_id("laion/emonet-voice-bench"), is_hub_id("./bench"), is_hub_id("a/b/c")
        (True, False, False)
    """
    return _HUB_ID.fullmatch(source) is not None


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path that takes the place of `path`, whole and on disk, if nothing fails.

    Of two writers at once the second waits for the first, so the last one wins; what a killed one
    left is written over.

    Args:
        path: The file to write or to replace. The temporary one lies beside it, hidden, with the
            same suffix, since writers choose a format by that. It is there already, and empty.

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
    temporary = path.with_name(f".{path.name}.tmp{path.suffix}")
    with _held(temporary, path, on_wait=lambda: None), naming(path):
        os.truncate(temporary, 0)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Says of a full disk what could not be written: the system itself does not."""
    try:
        yield
    except OSError as error:
        if (
            error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            or error.filename is not None
        ):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


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
        # Half a character, of a file's name, say, becomes JSON's own escape of it.
        temporary.write_text(as_json(value, indent) + "\n", "utf-8", "backslashreplace")


def read_json(path: str | os.PathLike[str], most: int = LARGEST_JSON) -> dict[str, Any]:
    r"""The object that a JSON file holds, whoever wrote it; a byte order mark is no part of it.

    Args:
        path: Of the file.
        most: Bytes that it may have.

    Raises:
        UserError: There is no such file, or it is no object in UTF-8, has a key twice, a number
            that JSON has not (NaN, Infinity), or more than `most` bytes.

    Example:
        >>> from tempfile import mkdtemp
        >>> file = Path(mkdtemp(), "a.json")
        >>> _ = file.write_text('{"seed": 1, "seed": 2}')
        >>> read_json(file)
        Traceback (most recent call last):
        modeling_empathic.taxonomy.UserError: a.json cannot be read as JSON: 'seed' is there twice
    """
    path = Path(path)
    try:
        if not path.is_file() and path.exists():
            raise ValueError("it is no regular file")  # opening a pipe would wait for ever
        if path.stat().st_size > most:
            raise ValueError(f"more than {most >> 20} MiB")
        text = path.read_text("utf-8-sig")
        content = json.loads(text, object_pairs_hook=as_object, parse_constant=_no_number)
        if not isinstance(content, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path.name} cannot be read as JSON: {reason!s:.200}") from None
    return content


def json_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and object of each line of a JSON Lines file; empty lines count, and have none.

    Raises:
        UserError: A line is no object, has a key twice or half a character; names the line.
    """
    path = Path(path)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    content = json.loads(line.decode("utf-8-sig"), object_pairs_hook=as_object)
                except (ValueError, RecursionError) as error:
                    raise UserError(f"{path.name}, line {number} is no JSON: {error}") from None
                if not isinstance(content, dict):
                    raise UserError(f"{path.name}, line {number} is no object: {content!r:.60}")
                if _HALF.search(line) and not _is_text(content):
                    raise UserError(f"{path.name}, line {number} holds half a character")
                yield number, content


def check_lines(path: str | os.PathLike[str]) -> None:
    """Refuses what [`json_lines`] does: Arrow's reader crashes of a `null`, and takes any of two.

    Raises:
        UserError: Names the line.
    """
    for _ in json_lines(path):
        pass


def _is_text(content: dict[str, Any]) -> bool:
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, for `json.loads(..., object_pairs_hook=as_object)`: no key is there twice.

    Raises:
        ValueError: One is: nobody knows which of the two is meant.

    Example:
        >>> as_object([("Awe", 1), ("Awe", 4)])
        Traceback (most recent call last):
        ValueError: 'Awe' is there twice
    """
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"{key!r:.60} is there twice")
        content[key] = value
    return content


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


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
def locked(
    output: str | os.PathLike[str], *, on_wait: Callable[[], None] | None = None
) -> Iterator[None]:
    """Keeps a second run away from an output, file or folder, until the block ends.

    Held on `.NAME.lock` beside the output, which goes at the end. What a killed run leaves of it
    holds nobody up, and goes with the next run.

    Args:
        output: Need not be there; the folder that it is to be in must.
        on_wait: As of [`lock`].

    Raises:
        UserError: Another run has it, and this one is not to wait.

    Example:
        >>> from tempfile import mkdtemp
        >>> output = Path(mkdtemp(), "scores.parquet")
        >>> with locked(output), locked(output):
        ...     pass
        Traceback (most recent call last):
        modeling_empathic.taxonomy.UserError: another run is writing scores.parquet
    """
    output = Path(output)
    with _held(output.with_name(f".{output.name}.lock"), output.name, on_wait=on_wait):
        yield


@contextmanager
def _held(path: Path, what: object, *, on_wait: Callable[[], None] | None) -> Iterator[None]:
    """Makes a file that is this run's alone and, if it is still there at the end, removes it."""
    if fcntl is None:
        path.touch()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
        return
    while True:
        number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            lock(number, what, on_wait=on_wait)
            if is_open_as(number, path):
                break
        except BaseException:
            os.close(number)
            raise
        os.close(number)  # between opening and locking, another run ended and removed it
    try:
        yield
    finally:
        # Removed while it is locked: once it is not, it may be the next run's.
        if is_open_as(number, path):
            path.unlink()
        os.close(number)


def is_open_as(number: int, path: Path) -> bool:
    """Whether an open file is still the one of this path, which others may remove or replace."""
    try:
        return os.path.samestat(os.fstat(number), path.stat())
    except FileNotFoundError:
        return False


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
