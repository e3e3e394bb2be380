"""The score file's three formats: rows and their provenance as Parquet, JSONL or CSV.

All three hold the same float32 values: text formats are written with as many digits as it takes
to read them back exactly.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modeling_empathic.report.files import replacing, write_json

from .clips import Row, ScoringError
from .cuts import SEPARATE

FORMATS = (".parquet", ".jsonl", ".csv")
METADATA_KEY = b"emonet_voice"


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


def score_schema(provenance: dict[str, Any]) -> pa.Schema:
    """Columns of a score file, with the provenance as its metadata."""
    columns = [("path", pa.string()), ("clip_id", pa.string())]
    columns += [("channel", pa.int64())] * (provenance.get("channels") == SEPARATE)
    columns += [(name, pa.float64()) for name in ("start_s", "end_s", "duration_s")]
    columns += [(name, pa.float32()) for name in provenance["heads"]]
    columns += [(name, pa.string()) for name in ("quality", "outcome", "error")]
    return pa.schema(columns, {METADATA_KEY: json.dumps(provenance, sort_keys=True)})


def meta_path(path: Path) -> Path:
    """Where the provenance of a JSONL or CSV file lies."""
    return path.with_name(path.name + ".meta.json")


def read_scores(path: Path) -> pa.Table:
    """Reads a score file of any of the three formats, its provenance in the schema's metadata.

    Raises:
        ScoringError: Not a score file, or a CSV or JSONL file without its `.meta.json`.
    """
    schema = score_schema(read_provenance(path))
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            from pyarrow import parquet

            table = parquet.read_table(path)
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

            table = arrow_json.read_json(
                path, parse_options=arrow_json.ParseOptions(explicit_schema=schema)
            )
        if "quality" not in table.column_names:  # written before scores were judged
            nothing = pa.nulls(len(table), pa.string())
            table = table.append_column("quality", nothing)
        return table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, KeyError) as error:
        raise ScoringError(f"{path} is not a whole score file: {error}") from error


def stored_provenance(path: Path) -> dict[str, Any]:
    """What a file of one of the formats says of how it was made; nothing if it does not say."""
    try:
        if path.suffix.lower() == ".parquet":
            from pyarrow import parquet

            provenance = json.loads((parquet.read_schema(path).metadata or {})[METADATA_KEY])
        else:
            provenance = json.loads(meta_path(path).read_bytes())
    except (pa.ArrowInvalid, KeyError, ValueError, FileNotFoundError):
        return {}
    return provenance if isinstance(provenance, dict) else {}


def read_provenance(path: Path) -> dict[str, Any]:
    """Model, revision, heads and the rest of what a score file was made with.

    Raises:
        ScoringError: The file has no provenance, so it is not one of ours.
    """
    provenance = stored_provenance(path)
    if not isinstance(provenance.get("heads"), list):
        raise ScoringError(
            f"{path} exists and is not a score file with its provenance; choose another "
            "file, or overwrite (delete) it"
        )
    return provenance


def write_scores(table: pa.Table, path: Path) -> None:
    """Writes rows and provenance (from the schema's metadata), each file in one step."""
    suffix = path.suffix.lower()
    if suffix != ".parquet":
        # First, so that there never is an output without its provenance.
        provenance = json.loads(table.schema.metadata[METADATA_KEY])
        write_json(meta_path(path), provenance)
    with replacing(path) as temporary:
        if suffix == ".parquet":
            from pyarrow import parquet

            parquet.write_table(table, temporary, compression="zstd", row_group_size=2**16)
        elif suffix == ".csv":
            from pyarrow import csv

            csv.write_csv(table, temporary, csv.WriteOptions(quoting_style="needed"))
        else:
            with temporary.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(json_line(row) + "\n" for row in rows_of(table))


def rows_of(table: pa.Table) -> Iterator[Row]:
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
