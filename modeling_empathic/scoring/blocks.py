"""Many inputs as blocks of clips, each of which one worker scores and keeps as a whole.

    files, also at addresses   `CLIPS_A_BLOCK` of them
    Parquet                    a row group; the audio as `datasets` stores it: {bytes, path}
    WebDataset                 a tar; every member with a suffix of audio

A clip of a Parquet file is called `FILE#ROW`, one of a tar `FILE#MEMBER`. Addresses (`hf://…`,
`s3://…`) are opened by fsspec. Nothing is unpacked to disk; all of it may be a stranger's, and what
cannot be read becomes a row that says so.
"""

import errno
import hashlib
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from modeling_empathic.audio import AudioError
from modeling_empathic.report.archives import members
from modeling_empathic.taxonomy import UserError

from .listing import AUDIO_SUFFIXES, AnyPath, ScoringError
from .names import path_text
from .reading import Held

PARQUET, TAR = ".parquet", ".tar"
SUFFIXES = (*AUDIO_SUFFIXES, PARQUET, TAR)
GROUPS_A_BLOCK = 8
"""Groups of a batch of clips: a block of files has the same batches as one run over all."""
ROWS_AT_ONCE = 64
MOST_BYTES = 2**30  # of a member of a tar
_NOT_READ = (OSError, ValueError, EOFError, KeyError)  # pyarrow's errors are of these


@dataclass(frozen=True)
class Block:
    """Clips that are scored together.

    Attributes:
        paths: Files with a clip each, absolute, or the one Parquet file or tar.
        names: What rows call these.
        digest: SHA-256 of what its scores depend on: names, sizes and dates of its files, model.
        row_group: Of a Parquet file; -1 where its footer cannot be read.
        first_row: Number of that group's first row in the file.
        n_clips: None for a tar, which nobody has read yet.
    """

    paths: tuple[str, ...]
    names: tuple[str, ...]
    digest: str
    row_group: int = 0
    first_row: int = 0
    n_clips: int | None = None

    def as_json(self) -> str:
        """As text, for [`from_json`]."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Block":
        """The block that was made text."""
        fields = json.loads(text)
        return cls(**fields | {key: tuple(fields[key]) for key in ("paths", "names")})


def list_address(address: str, suffixes: tuple[str, ...]) -> list[str]:
    """What an address names: a file, all files below a folder, or those of a pattern; sorted.

    Raises:
        ScoringError: Nothing is there, it may not be read, or its file system is not installed.
    """
    system, path = _system(address)
    try:
        with _as_oserror():
            if any(sign in path for sign in "*?["):
                found = system.glob(path)
            elif system.isfile(path):
                return [address]
            else:
                found = system.find(path)
    except _NOT_READ as error:
        raise ScoringError(f"{address}: {_said(error)}") from error
    if not found and not system.exists(path):
        raise ScoringError(f"no such file or folder: {address}")
    wanted = [file for file in sorted(found) if PurePosixPath(file).suffix.lower() in suffixes]
    return [system.unstrip_protocol(file) for file in wanted]


def plan_blocks(
    paths: Sequence[str],
    name_of: Callable[[AnyPath], str],
    made_by: Any,
    batch_size: int,
) -> list[Block]:
    """The blocks of inputs, in their order.

    Args:
        paths: As `find_audio` lists them.
        name_of: Their names in the score file.
        made_by: What else the rows depend on, as JSON can say it.
        batch_size: Clips that are scored in one group.

    Raises:
        ScoringError: A Parquet file without a column of audio.
    """
    made_by = hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()
    blocks: list[Block] = []
    waiting: list[tuple[str, str, Any]] = []

    def block(files: Sequence[tuple[str, str, Any]], **more: Any) -> None:
        key = json.dumps([made_by, [file[1:] for file in files], more])
        where, names, _ = zip(*files, strict=True)
        blocks.append(Block(where, names, hashlib.sha256(key.encode()).hexdigest(), **more))

    def close() -> None:
        if waiting:
            block(waiting, n_clips=len(waiting))
            waiting.clear()

    for path in paths:
        where = path if "://" in path else os.path.abspath(path)  # noqa: PTH100 - no links resolved
        file = (where, name_of(path), _stamp(where))
        suffix = PurePosixPath(path).suffix.lower()
        if suffix == TAR:
            close()
            block([file])
        elif suffix == PARQUET:
            close()
            first = 0
            for group, n_rows in enumerate(_row_groups(where)):
                number = -1 if n_rows is None else group
                block([file], row_group=number, first_row=first, n_clips=n_rows or 1)
                first += n_rows or 0
        else:
            waiting.append(file)
            if len(waiting) == GROUPS_A_BLOCK * batch_size:
                close()
    close()
    return blocks


def clips_of(block: Block) -> Iterator[tuple[AnyPath, str]]:
    """The clips of a block, and their names, read as they are asked for.

    Raises:
        ScoringError: A disk or a network failed in the middle of a Parquet file or a tar; what
            comes after that is not lost, the same run goes on with it.
    """
    suffix = PurePosixPath(block.paths[0]).suffix.lower()
    if suffix not in (PARQUET, TAR):
        for path, name in zip(block.paths, block.names, strict=True):
            yield (Held(name, partial(_read, path)) if "://" in path else path), name
        return
    inside = _rows(block) if suffix == PARQUET else _members(block)
    number = 0
    try:
        with _as_oserror():
            for name, content in inside:
                yield Held(name, content if callable(content) else partial(bytes, content)), name
                number += 1
    except (*_NOT_READ, tarfile.TarError) as error:
        passing = isinstance(error, OSError) and (error.errno or isinstance(error, TimeoutError))
        if passing and not isinstance(error, FileNotFoundError | PermissionError):
            again = "the same run goes on from there"
            raise ScoringError(f"{block.paths[0]}: {_said(error)}; {again}") from error
        # What came before is whole; what follows is not known, not even how much it is.
        name = f"{block.names[0]}#{block.first_row + number} and on"
        yield Held(name, partial(_refuse, f"the file is damaged here: {_said(error)}")), name


def _rows(block: Block) -> Iterator[tuple[str, bytes | Callable[[], bytes]]]:
    from pyarrow import parquet

    with _open(block.paths[0]) as file, closing(parquet.ParquetFile(file)) as table:
        column = audio_column(table.schema_arrow)
        batches = table.iter_batches(ROWS_AT_ONCE, [block.row_group], columns=[column])
        number = block.first_row
        for batch in batches:
            for audio in batch.column(column).to_pylist():
                content = (audio or {}).get("bytes")
                missing = partial(_refuse, "no bytes of audio in this row")
                yield f"{block.names[0]}#{number}", missing if content is None else content
                number += 1


def _members(block: Block) -> Iterator[tuple[str, bytes | Callable[[], bytes]]]:
    seen: dict[str, int] = {}
    with _open(block.paths[0]) as file:
        for archive, member in members(file, "r|*"):
            inner = PurePosixPath(member.name)
            if inner.suffix.lower() not in AUDIO_SUFFIXES or inner.name.startswith("."):
                continue
            if member.isdir():
                continue
            times = seen[member.name] = seen.get(member.name, 0) + 1
            name = f"{block.names[0]}#{path_text(member.name)}" + f" ({times})" * (times > 1)
            if not member.isreg() or member.size > MOST_BYTES:
                yield name, partial(_refuse, "a member that is no file, or of more than 1 GB")
                continue
            stream = archive.extractfile(member)
            yield name, stream.read() if stream else b""


def audio_column(schema: Any) -> str:
    """The column whose values have bytes, `audio` if there are several.

    Raises:
        KeyError: None has.
    """
    import pyarrow as pa

    found = [
        field.name
        for field in schema
        if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
    ]
    if not found:
        raise KeyError(
            f"no column of audio, which is {{bytes, path}}, in {', '.join(schema.names)}"
        )
    return "audio" if "audio" in found else str(found[0])


def _row_groups(path: str) -> list[int | None]:
    """Rows of each row group of a Parquet file; one None where it cannot be read."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with _as_oserror(), _open(path) as file, closing(parquet.ParquetFile(file)) as table:
            audio_column(table.schema_arrow)
            about = table.metadata
            return [about.row_group(i).num_rows for i in range(about.num_row_groups)]
    except KeyError as error:
        raise ScoringError(f"{path}: {error.args[0]}") from None
    except (OSError, pa.ArrowException):
        return [None]


def _open(path: str) -> Any:
    if "://" not in path:
        return Path(path).open("rb")
    system, inner = _system(path)
    return system.open(inner, "rb")


def _read(address: str) -> bytes:
    """The bytes at an address; what a network does wrong, another run may have better luck with."""
    try:
        with _as_oserror(), _open(address) as file:
            content: bytes = file.read()
            return content
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        raise OSError(error.errno or errno.EIO, _said(error)) from error


@contextmanager
def _as_oserror() -> Iterator[None]:
    """File systems raise what their clients do (botocore, httpx): none of Python's own errors."""
    try:
        yield
    except (*_NOT_READ, tarfile.TarError, UserError, MemoryError):
        raise
    except Exception as error:
        if type(error).__module__ == "builtins":
            raise  # a fault of the program, and no client's
        raise OSError(errno.EIO, _said(error)) from error


def _refuse(reason: str) -> bytes:
    raise AudioError(reason)


def _stamp(path: str) -> list[Any]:
    """Size and date of a file, by which a run knows whether it is another; empty if unknown."""
    try:
        if "://" not in path:
            about = Path(path).stat()
            return [about.st_size, about.st_mtime_ns]
        system, inner = _system(path)
        with _as_oserror():
            info = system.info(inner)
    except OSError:
        return []
    keys = ("size", "ETag", "etag", "blob_id", "last_commit", "LastModified", "mtime", "updated")
    return [str(info[key]) for key in keys if info.get(key)]


def _system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it."""
    import fsspec

    if "@" in urlsplit(address).netloc:  # it would stand in the score file
        host = urlsplit(address).netloc.rpartition("@")[2]
        raise ScoringError(f"an address at {host} has a user or password in it; leave that out")
    try:
        system, path = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise ScoringError(f"{address}: {error}") from None
    return system, path


def _said(error: BaseException) -> str:
    lines = (getattr(error, "strerror", None) or str(error)).splitlines() or [type(error).__name__]
    return path_text(lines[0][:300])
