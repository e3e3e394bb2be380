"""Parquet shards as the Hub likes them, each whole under its name or not there at all.

Written as `Dataset.push_to_hub` writes: typed by the `huggingface` metadata, audio uncompressed, a
page index, and content-defined chunks, so that a new upload after a change of labels sends little.
"""

import io
import json
import os
from pathlib import Path
from typing import Any

from datasets import Features
from datasets.arrow_writer import get_parquet_column_options
from datasets.config import DEFAULT_CDC_OPTIONS
from pyarrow import parquet

from dataset_scripts.corpora.clips import Acoustics, Row, to_table
from modeling_empathic.report.files import sha256

ROWS_A_GROUP = 100  # as in the raw release; one row of a group costs reading all of it
BYTES_A_GROUP = 32_000_000


class ShardWriter:
    """A shard being written, a row group in memory at a time.

    The bytes depend on the rows alone: a row group ends after 100 rows (or `rows_a_group`) or
    32 MB of audio.

    Args:
        path: Name of the finished shard; until then it is `.<name>.tmp` beside it.
        features: Columns, those of `acoustics` included.
        acoustics: Features to measure on each row group's audio.
        rows_a_group: Rows of a full row group.
    """

    def __init__(
        self,
        path: Path,
        features: Features,
        acoustics: Acoustics | None = None,
        rows_a_group: int = ROWS_A_GROUP,
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.features, self.acoustics = path, features, acoustics
        self.rows_a_group = rows_a_group
        self.n_rows = self.arrow_bytes = self._waiting_bytes = 0
        self._waiting: list[Row] = []
        self._temporary = path.with_name(f".{path.name}.tmp")
        schema = features.arrow_schema
        self._sink = _Sink(self._temporary)
        self._writer = parquet.ParquetWriter(
            self._sink,
            schema,
            write_page_index=True,
            use_content_defined_chunking=DEFAULT_CDC_OPTIONS,
            **get_parquet_column_options(features, schema),
        )
        chunking = {"content_defined_chunking": json.dumps(DEFAULT_CDC_OPTIONS)}
        self._writer.add_key_value_metadata(chunking)

    @property
    def n_added(self) -> int:
        """Rows that were taken so far."""
        return self.n_rows + len(self._waiting)

    def add(self, row: Row) -> None:
        """Takes a row; every so often the rows so far become a row group."""
        self._waiting.append(row)
        self._waiting_bytes += len(row["audio"]["bytes"]) if "audio" in row else 0
        if len(self._waiting) >= self.rows_a_group or self._waiting_bytes >= BYTES_A_GROUP:
            self._flush()

    def finish(self) -> dict[str, Any]:
        """Gives the shard its name; returns its rows, bytes, size in Arrow and SHA-256."""
        try:
            if self._waiting:
                self._flush()
            self._writer.close()
            self._sink.close()
            self._sink.check()
            with self._temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            self._temporary.replace(self.path)
        except OSError:
            self.abandon()  # what lies on a full disk is in the way of whoever frees it
            raise
        return {
            "rows": self.n_rows,
            "bytes": self.path.stat().st_size,
            "arrow_bytes": self.arrow_bytes,
            "sha256": sha256(self.path),
        }

    def abandon(self) -> None:
        """Lets go of a shard that will not be finished."""
        try:
            self._writer.close()
            self._sink.close()
        finally:  # a full disk lets nothing be closed
            self._temporary.unlink(missing_ok=True)

    def _flush(self) -> None:
        rows = self._waiting
        if self.acoustics:
            measured = self.acoustics.measure([row["audio"]["bytes"] for row in rows])
            for row, values in zip(rows, measured, strict=True):
                for name in self.acoustics.names:
                    row[f"acoustics_{name}"] = values.get(name, float("nan"))
        table = to_table(rows, self.features)
        self._writer.write_table(table, row_group_size=len(rows))
        self._sink.check()
        self.n_rows += len(rows)
        self.arrow_bytes += table.nbytes
        self._waiting, self._waiting_bytes = [], 0


class _Sink(io.RawIOBase):
    """A file that keeps what went wrong in writing it, for when it is asked.

    Arrow ends the whole process where a page that is chunked by content cannot be written, be it
    only that the disk is full.
    """

    def __init__(self, path: Path):
        self._file = path.open("wb")
        self._error: OSError | None = None
        self._path = path

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        if self._error is None:
            try:
                self._file.write(content)
            except OSError as error:
                self._error = OSError(error.errno, error.strerror, str(self._path))
        return len(memoryview(content).cast("B"))

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        if not self.closed:
            try:
                self._file.close()
            except OSError as error:
                self._error = self._error or error
            super().close()

    def check(self) -> None:
        if self._error is not None:
            raise self._error
