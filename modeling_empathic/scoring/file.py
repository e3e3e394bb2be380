"""The score file's three formats: rows and their provenance as Parquet, JSONL or CSV.

All three hold the same float32 values: text formats are written with as many digits as it takes
to read them back exactly. A SHA-256 tells a whole file from one that was cut or changed: that of
its pages, columns and provenance in a Parquet file, that of the file in a text's `.meta.json`.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from modeling_empathic.report.files import check_lines, read_json, replacing, write_json
from modeling_empathic.report.packed import read_table
from modeling_empathic.taxonomy import UserError

from .aggregates import Row
from .cuts import SEPARATE
from .listing import ScoringError

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = (".parquet", ".jsonl", ".csv")
METADATA_KEY = b"emonet_voice"
DIGEST_KEY = b"emonet_voice_sha256"
WHOLE = "whole_file_sha256"  # in a `.meta.json`: of the file, and of the one before it


def check_output(path: Path) -> None:
    """Refuses an output that could not be written, before any work is done.

    Raises:
        ScoringError: An unknown suffix, a folder, or a folder above that does not exist.
    """
    if path.suffix.lower() not in FORMATS:
        raise ScoringError(f"{path}: choose a name that ends in {', '.join(FORMATS)}")
    if path.is_dir():
        raise ScoringError(f"{path} is a folder")
    if not path.parent.is_dir():
        raise ScoringError(f"{path}: there is no folder {path.parent}")


def score_schema(provenance: dict[str, Any]) -> "pa.Schema":
    """Columns of a score file, with the provenance as its metadata."""
    import pyarrow as pa

    columns = [("path", pa.string()), ("clip_id", pa.string())]
    columns += [("channel", pa.int64())] * (provenance.get("channels") == SEPARATE)
    columns += [("speaker", pa.string())] * ("speakers" in provenance)
    columns += [(name, pa.float64()) for name in ("start_s", "end_s", "duration_s")]
    columns += [(name, pa.float32()) for name in provenance["heads"]]
    columns += [(name, pa.string()) for name in ("quality", "outcome", "error")]
    return pa.schema(columns, {METADATA_KEY: json.dumps(provenance, sort_keys=True)})


def meta_path(path: Path) -> Path:
    """Where the provenance of a JSONL or CSV file lies."""
    return path.with_name(path.name + ".meta.json")


def read_scores(path: Path) -> "pa.Table":
    """Reads a score file of any of the three formats, its provenance in the schema's metadata.

    Raises:
        ScoringError: Not a score file, a CSV or JSONL file without its `.meta.json`, or a file
            that was cut or changed since it was written.
    """
    import pyarrow as pa

    schema = score_schema(read_provenance(path))
    check_whole(path)
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            table = read_table(path)
        elif suffix == ".csv":
            from pyarrow import csv

            convert = csv.ConvertOptions(
                column_types=schema, null_values=[""], strings_can_be_null=True
            )
            parse = csv.ParseOptions(newlines_in_values=True)
            table = csv.read_csv(path, convert_options=convert, parse_options=parse)
        elif path.stat().st_size == 0:
            table = schema.empty_table()
        else:
            from pyarrow import json as arrow_json

            check_lines(path)
            table = arrow_json.read_json(
                path, parse_options=arrow_json.ParseOptions(explicit_schema=schema)
            )
            # The reader makes every column that it was asked for, whether the file has it or not.
            with path.open("rb") as lines:
                first = json.loads(next(filter(bytes.strip, lines), b"{}"))
            table = table.select([name for name in table.column_names if name in first])
        if "quality" not in table.column_names:  # written before scores were judged
            nothing = pa.nulls(len(table), pa.string())
            table = table.append_column("quality", nothing)
        if missing := [name for name in schema.names if name not in table.column_names]:
            raise ScoringError(
                f"{path} is not a whole score file: it has no column {missing[0]}, which "
                f"{_beside(path)} says that it has"
            )
        table = table.select(schema.names).cast(schema)
        table.validate(full=True)
    except (pa.ArrowException, KeyError, OSError, UnicodeDecodeError) as error:
        raise ScoringError(f"{path} is not a whole score file: {error}") from error
    for name in ("path", "outcome"):
        if table[name].null_count:
            raise ScoringError(f"{path} is not a whole score file: a row has no {name}")
    return table


def check_whole(path: Path) -> None:
    """Refuses a file of [`write_scores`] that was cut or changed since.

    One of an older version, which has no SHA-256, is read with a warning.

    Raises:
        ScoringError: It is not as it was written.
    """
    import pyarrow as pa

    if path.suffix.lower() == ".parquet":
        from pyarrow import parquet

        try:
            metadata = parquet.read_metadata(path).metadata or {}
            actual = _digest(path) if DIGEST_KEY in metadata else ""
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise ScoringError(f"{path} is not a whole Parquet file: {error}") from None
        if METADATA_KEY not in metadata:
            return  # somebody else's
        expected = [metadata[DIGEST_KEY].decode(errors="replace")] if DIGEST_KEY in metadata else []
        advice = "make it again"
    else:
        stored = _meta(path)
        if not stored:
            return
        expected = stored.get(WHOLE, [])
        if not isinstance(expected, list):
            raise ScoringError(f"{meta_path(path)}: {WHOLE} is {expected!r:.60}, no list")
        advice = f"make it again or, if you changed it, take {WHOLE} out of {meta_path(path).name}"
        actual = _digest(path)
    if not expected:
        warnings.warn(
            f"{path} is of an older version: nothing tells whether all of it is there",
            stacklevel=3,
        )
    elif actual not in expected:
        raise ScoringError(f"{path} was cut or changed since it was written: {advice}")


def _digest(path: Path) -> str:
    """SHA-256 of a text file; of a Parquet file's pages, without what describes them."""
    with path.open("rb") as file:
        if path.suffix.lower() != ".parquet":
            return hashlib.file_digest(file, "sha256").hexdigest()
        from pyarrow import parquet

        metadata = parquet.read_metadata(path)
        n_bytes = path.stat().st_size - metadata.serialized_size - 8
        return _pages_digest(file, n_bytes, parquet.read_schema(path), metadata.num_rows)


def _pages_digest(file: IO[bytes], n_bytes: int, schema: "pa.Schema", n_rows: int) -> str:
    """Of the first bytes of a Parquet file, its pages, and of what the others must say."""
    provenance = (schema.metadata or {}).get(METADATA_KEY, b"")
    columns = [(field.name, str(field.type)) for field in schema]
    digest = hashlib.sha256(json.dumps([columns, n_rows]).encode() + provenance)
    while n_bytes > 0 and (block := file.read(min(n_bytes, 2**20))):
        digest.update(block)
        n_bytes -= len(block)
    return digest.hexdigest()


def _meta(path: Path) -> dict[str, Any]:
    """The JSON beside a text file; nothing where there is none.

    Raises:
        ScoringError: There is one, and it cannot be read.
    """
    beside = meta_path(path)
    if not (beside.exists() or beside.is_symlink()):
        return {}
    try:
        return read_json(beside)
    except UserError as error:
        raise ScoringError(f"{error}; it says what {path.name} holds") from None


def _beside(path: Path) -> str:
    """Where a file of one of the formats says what it holds, for messages."""
    return "its metadata" if path.suffix.lower() == ".parquet" else meta_path(path).name


def stored_provenance(path: Path) -> dict[str, Any]:
    """What a file of one of the formats says of how it was made; nothing if it does not say.

    Raises:
        ScoringError: It has a `.meta.json` that cannot be read.
    """
    import pyarrow as pa

    if path.suffix.lower() != ".parquet":
        return {key: value for key, value in _meta(path).items() if key != WHOLE}
    from pyarrow import parquet

    try:
        provenance = json.loads((parquet.read_schema(path).metadata or {})[METADATA_KEY])
    except (pa.ArrowException, KeyError, ValueError, OSError, RecursionError):
        return {}
    return provenance if isinstance(provenance, dict) else {}


def read_provenance(path: Path) -> dict[str, Any]:
    """Model, revision, heads and the rest of what a score file was made with.

    Raises:
        ScoringError: The file has no provenance, so it is not one of ours; or its `.meta.json`
            cannot be read, or names no heads.
    """
    provenance = stored_provenance(path)
    if not _are_names(provenance.get("heads"), provenance):
        if path.suffix.lower() != ".parquet" and meta_path(path).exists():
            raise ScoringError(
                f"{meta_path(path)}: heads is {provenance.get('heads')!r:.60}, no list of names; "
                f"what {path.name} holds cannot be told without"
            )
        raise ScoringError(
            f"{path} exists and is not a score file with its provenance; choose another "
            "file, or overwrite (delete) it"
        )
    return provenance


def _are_names(heads: Any, provenance: dict[str, Any]) -> bool:
    """Whether these can be columns of a score file, each once."""
    if not (isinstance(heads, list) and all(isinstance(name, str) for name in heads)):
        return False
    try:
        names = score_schema(provenance).names
    except UnicodeEncodeError:  # half a character
        return False
    return len(set(names)) == len(names)


def write_scores(table: "pa.Table", path: Path) -> None:
    """Writes rows and provenance (from the schema's metadata), each file in one step."""
    suffix = path.suffix.lower()
    with replacing(path) as temporary:
        if suffix == ".parquet":
            _write_parquet(table, temporary)
            return
        if suffix == ".csv":
            from pyarrow import csv

            csv.write_csv(table, temporary, csv.WriteOptions(quoting_style="needed"))
        else:
            with temporary.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(json_line(row) + "\n" for row in rows_of(table))
        # Before the file itself, so that there never is one without its provenance. A kill between
        # the two leaves the file that was there before: whole, too.
        whole = list(dict.fromkeys(map(_digest, [temporary, *([path] if path.exists() else [])])))
        provenance = json.loads(table.schema.metadata[METADATA_KEY])
        write_json(meta_path(path), {**provenance, WHOLE: whole})


def _write_parquet(table: "pa.Table", path: Path) -> None:
    from pyarrow import parquet

    with (
        path.open("w+b") as file,
        parquet.ParquetWriter(file, table.schema, compression="zstd") as writer,
    ):
        writer.write_table(table, row_group_size=2**16)
        # All pages are written here; what follows describes them, and has their digest.
        file.flush()
        n_bytes = file.tell()
        file.seek(0)
        digest = _pages_digest(file, n_bytes, table.schema, len(table))
        file.seek(n_bytes)
        writer.add_key_value_metadata({DIGEST_KEY: digest})


def rows_of(table: "pa.Table") -> Iterator[Row]:
    """Rows as dictionaries, a few thousand at a time."""
    for chunk in table.to_batches(max_chunksize=4096):
        yield from chunk.to_pylist()


def json_line(row: Row) -> str:
    """One row as JSON; scores with the digits that a float32 has (0.1, not 0.10000000149)."""
    seconds = ("start_s", "end_s", "duration_s")
    return json.dumps(
        {
            name: float(str(np.float32(value)))
            if isinstance(value, float) and name not in seconds
            else value
            for name, value in row.items()
        },
        ensure_ascii=False,
    )
