"""A folder of clips on its way to the corpus: `clips.parquet` and the audio that it lists.

    OUT/clips.parquet            a row a clip, those that failed too
    OUT/audio/<id[:2]>/<id>.flac 24 kHz mono

`big generate` makes such a folder of what engines speak, `big segment` of recordings; what comes
after reads both alike.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from modeling_empathic.report.files import replacing
from modeling_empathic.report.packed import read_table
from modeling_empathic.taxonomy import UserError

CLIPS = "clips.parquet"
SPOKEN = "spoken"
SAMPLING_RATE = 24_000  # paper, 3.2
_TEXT, _NUMBER, _WHOLE = pa.string(), pa.float64(), pa.int64()
COLUMNS: dict[str, pa.DataType] = {
    "id": _TEXT,
    "path": _TEXT,
    "sha256": _TEXT,
    "duration_s": _NUMBER,
    "sampling_rate": _WHOLE,
    "outcome": _TEXT,
    "reason": _TEXT,
    "attempts": _WHOLE,
    "engine": _TEXT,
    "voice": _TEXT,
    "language": _TEXT,
    "accent": _TEXT,
    "sex": _TEXT,
    "topic": _TEXT,
    "text": _TEXT,
    "target_emotion": _TEXT,
    "target_intensity": _NUMBER,
    "part": _TEXT,
    "seed": _WHOLE,
    "prompt_id": _TEXT,
    "source_file": _TEXT,
    "source_sha256": _TEXT,
    "start_s": _NUMBER,
    "end_s": _NUMBER,
}
"""What is read; of a clip that an engine spoke the last four are unknown, of a segment the text."""
_NEEDED = ("id", "path", "sha256", "outcome")
Row = dict[str, Any]


class PackingError(UserError):
    """A folder, an archive or a file that cannot be worked with; the message says which and why."""


def read_clips(folder: str | Path) -> pa.Table:
    """The clips of a folder, with all of `COLUMNS`; a column that is not there is empty.

    Raises:
        PackingError: No clips.parquet, one that cannot be read, or an id that is empty or there
            twice.
    """
    file = Path(folder) / CLIPS
    try:
        stored = read_table(file)
        refuse_twice(stored.column_names)
        arrays = [
            stored[name].cast(kind) if name in stored.column_names else pa.nulls(len(stored), kind)
            for name, kind in COLUMNS.items()
        ]
    except FileNotFoundError:
        raise PackingError(
            f"{folder} has no {CLIPS}: name a folder that `big generate` or `big segment` made"
        ) from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PackingError(f"{file} cannot be read: {str(error).splitlines()[0]}") from None
    missing = [name for name in _NEEDED if name not in stored.column_names]
    if missing:
        raise PackingError(f"{file} has no column {missing[0]}")
    table = pa.table(arrays, names=list(COLUMNS))
    check_ids(table["id"], file)
    return table


def check_ids(ids: pa.ChunkedArray, file: Path) -> None:
    """Refuses a table whose rows are not of one clip each.

    Raises:
        PackingError: An id that is empty or there twice.
    """
    seen: set[str] = set()
    for one in ids.to_pylist():
        if not one:
            raise PackingError(f"{file}: a clip has no id")
        if one in seen:
            raise PackingError(f"{file}: the id {one!r} stands twice")
        seen.add(one)


def spoken(clips: pa.Table) -> pa.Table:
    """Those of the clips that there is audio of."""
    import pyarrow.compute as pc

    return clips.filter(pc.equal(clips["outcome"], SPOKEN))


def rows_of(table: pa.Table) -> Iterator[Row]:
    """Rows as dictionaries, a few thousand at a time."""
    for batch in table.to_batches(max_chunksize=4_096):
        yield from batch.to_pylist()


def refuse_twice(names: Iterable[str]) -> None:
    """Of two columns or keys of one name nobody knows which is meant.

    Raises:
        ValueError: A name stands there twice.
    """
    for name, n in Counter(names).items():
        if n > 1:
            raise ValueError(f"{name!r:.60} stands in it {n} times")


def write_table(rows: list[Row], schema: pa.Schema, file: Path) -> None:
    """Rows as Parquet, in one step."""
    with replacing(file) as temporary:
        parquet.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)


def audio_file(folder: Path, path: str | None) -> Path:
    """The file of a clip, which a table that came from somebody else names.

    Raises:
        PackingError: A path that leads out of the folder, by `..`, from the root or by a link.

    Example:
        >>> audio_file(Path("out"), "../../etc/passwd")
        Traceback (most recent call last):
        dataset_scripts.packing.clips.PackingError: '../../etc/passwd' leads out of the folder
    """
    relative = PurePosixPath(path or "..")
    file = folder / relative
    inside = not relative.is_absolute() and ".." not in relative.parts
    try:
        inside = inside and file.resolve().is_relative_to(folder.resolve())
    except (ValueError, RuntimeError, OSError):  # a NUL in it, or links that lead to each other
        inside = False
    if not inside:
        raise PackingError(f"{path!r} leads out of the folder")
    return file
