"""Parquet files of strangers: ten kilobytes of one can say "four gigabytes"."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

FREE_BYTES = 2**28
RATIO = 200
"""What is unpacked may be so large, and so many times the size of the file: columns that repeat a
word a million times shrink by less."""
BATCH_ROWS = 2**16


def read_table(path: Path, lists: tuple[str, ...] = ()) -> "pa.Table":
    """Reads a Parquet file, unless it unpacks to more than a table of its size has.

    A text that stands in many rows is stored once, and so is a number that does; none is copied
    before it is known how large that gets. Text inside lists and structures, which none of our
    tables has, is not read, nor are lists, one of which can be any number of rows long.

    Args:
        path: A file.
        lists: Columns whose lists of numbers are read all the same, of a file made here.

    Raises:
        pyarrow.ArrowException: It unpacks to too much, or is no Parquet file.
        OSError: It is damaged, or cannot be opened.

    Example:
        >>> import tempfile, pyarrow as pa
        >>> from pyarrow import parquet
        >>> file = Path(tempfile.mkdtemp(), "bomb.parquet")
        >>> bomb = pa.DictionaryArray.from_arrays([0] * 10**3, ["x" * 10**6])  # 1 GB
        >>> parquet.write_table(pa.table({"label": bomb}), file, compression="zstd")
        >>> file.stat().st_size < 10**4
        True
        >>> read_table(file)
        Traceback (most recent call last):
        pyarrow.lib.ArrowInvalid: it would unpack to more than 268 MB
    """
    import pyarrow as pa
    from pyarrow import parquet

    about = parquet.read_metadata(path)
    most = most_bytes(path, about)
    leaves = [about.schema.column(i) for i in range(len(about.schema.names))]
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    with parquet.ParquetFile(path, read_dictionary=texts) as opened:
        schema = opened.schema_arrow
        inner = {text.partition(".")[0] for text in texts if text not in schema.names}
        repeats = (leaf.path for leaf in leaves if leaf.max_repetition_level)
        inner |= {path.partition(".")[0] for path in repeats} - {*lists}
        kept = [name for name in schema.names if name not in inner] if inner else None
        batches, size = [], 0
        # What a file says of its sizes need not be so: page after page, they are added up.
        for batch in opened.iter_batches(BATCH_ROWS, columns=kept):
            batch.validate(full=True)  # a text that is none is noticed here, and not by its user
            size += sum(map(_unpacked, batch.columns))
            _refuse_over(most, size)
            batches.append(batch)
        table = pa.Table.from_batches(batches) if batches else opened.read(columns=kept)
    for number, field in enumerate(table.schema):
        if _is_packed(field.type):
            values = table.column(number).cast(field.type.value_type)
            table = table.set_column(number, field.name, values)
    return table


def most_bytes(path: Path, about: "parquet.FileMetaData") -> int:
    """What a Parquet file may unpack to, asked before anything of it is.

    Args:
        path: Of the file.
        about: Its metadata.

    Raises:
        pyarrow.ArrowException: It says itself that it is more.
    """
    most = FREE_BYTES + RATIO * path.stat().st_size
    # What describes single columns is not asked for: where it is damaged, Arrow ends the process.
    groups = [about.row_group(i).total_byte_size for i in range(about.num_row_groups)]
    _refuse_over(most, max(sum(groups), 8 * about.num_rows))
    return most


def refuse_bomb(batch: "pa.RecordBatch") -> None:
    """Refuses rows whose texts, read as dictionaries, would unpack to more than any few rows have.

    Raises:
        pyarrow.ArrowInvalid: They would.
    """
    _refuse_over(FREE_BYTES, sum(map(_unpacked, batch.columns)))


def _is_packed(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_dictionary(kind))


def _unpacked(column: "pa.Array") -> int:
    """Bytes of a column, each text of it counted in every row that it stands in."""
    import pyarrow.compute as pc

    if not _is_packed(column.type):
        return int(column.nbytes)
    lengths = pc.cast(pc.binary_length(column.dictionary), "int64")
    return 8 * len(column) + (pc.sum(lengths.take(column.indices)).as_py() or 0)


def _refuse_over(most: int, size: int) -> None:
    import pyarrow as pa

    if size > most:
        raise pa.ArrowInvalid(f"it would unpack to more than {most // 10**6} MB")
