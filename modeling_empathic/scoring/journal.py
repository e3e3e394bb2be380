"""A score file being written, so that a run can be killed at any moment and go on later.

While a run lasts, finished groups of clips are appended to a journal, `<output>.partial`: its
first line is the provenance, every other line one group. Appending is all that ever happens to
it, so a killed run can at worst leave a last line that is cut off, which the next run drops.
The output itself is written once, at the end, under a temporary name, and renamed into place.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from modeling_empathic.report.files import lock
from modeling_empathic.taxonomy import UserError

from .clips import Row, ScoringError
from .differences import differences
from .file import check_output, meta_path, read_provenance, read_scores, score_schema, write_scores
from .names import PATHS_FROM

CHUNK_ROWS = 4096
ON_WINDOWS = os.name == "nt"


def journal_path(path: Path) -> Path:
    """Where a run that is not finished keeps its rows."""
    return path.with_name(path.name + ".partial")


class ScoreFile:
    """A score file being written, or gone on with.

    Clips in it are known by path and SHA-256. Failed clips are kept like scored ones: they are
    tried again only when their bytes change. Rows of clips that this run does not name stay, in
    front.

    Args:
        path: The output; its suffix picks the format.
        provenance: What the scores depend on; see `loading.describe`.
        overwrite: Delete the output and its journal, and start again.

    Attributes:
        done: SHA-256 (`None` where the file could not be read) of the clips it has, by path.

    Raises:
        ScoringError: The file there has another provenance or none.
        UserError: Another run is writing it.
    """

    def __init__(self, path: Path, provenance: dict[str, Any], *, overwrite: bool = False):
        check_output(path)
        self.path = path
        self.provenance = json.loads(json.dumps(provenance))
        self._journal = _open_journal(path)
        try:
            if overwrite:
                self._journal.truncate(0)
                for old in (path, meta_path(path)):
                    old.unlink(missing_ok=True)
            if path.exists():
                self._go_on_with(read_provenance(path))
                self._finished = read_scores(path)
            elif isinstance(header := _whole_line(self._first_line()), dict):
                self._go_on_with(header)
            self.schema = score_schema(self.provenance)
            if not path.exists():
                self._finished = self.schema.empty_table()
            clips = zip(*(self._finished[c].to_pylist() for c in ("path", "clip_id")), strict=True)
            self.done: dict[str, str | None] = dict(clips)
            self._recover()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "ScoreFile":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def append(self, group: Sequence[list[Row]]) -> None:
        """Makes a group of clips durable; it is kept from here on, whatever happens."""
        rows = [[row[name] for name in self.schema.names] for clip in group for row in clip]
        self._write_line(rows)
        self.done.update((row[0], row[1]) for row in rows)

    def finish(self, order: Sequence[str]) -> pa.Table:
        """Writes the output, all clips in the order of the inputs, and removes the journal.

        Args:
            order: Paths of this run's clips.

        Returns:
            The rows of these clips, in this order; the output may hold more.
        """
        pieces, n_rows = [self._finished], len(self._finished)
        where = _spans(self._finished["path"].to_pylist(), 0)
        waiting: list[list[Any]] = []
        for rows in self._groups():
            where |= _spans([row[0] for row in rows], n_rows)  # the later group has newer bytes
            n_rows += len(rows)
            waiting += rows
            if len(waiting) >= CHUNK_ROWS:
                pieces.append(self._table(waiting))
                waiting = []
        if waiting:
            pieces.append(self._table(waiting))
        named = set(order)
        others = [i for path in where if path not in named for i in where[path]]
        indices = others + [i for path in order for i in where[path]]
        table = pa.concat_tables(pieces)
        if len(pieces) > 1 or indices != list(range(n_rows)):
            table = table.take(pa.array(indices, pa.int64())).combine_chunks()
            write_scores(table, self.path)
        self._let_go(remove=True)
        return table.slice(len(others))

    def close(self) -> None:
        """Lets go of the file; a journal without a single group is not left behind."""
        if not self._journal.closed:
            self._let_go(remove=next(self._groups(), None) is None)

    def _let_go(self, *, remove: bool) -> None:
        # Removed while it is locked: once it is not, it may be the next run's.
        if remove and not ON_WINDOWS:
            journal_path(self.path).unlink(missing_ok=True)
        self._journal.close()
        if remove and ON_WINDOWS:  # which removes closed files only
            journal_path(self.path).unlink(missing_ok=True)

    def _recover(self) -> None:
        """Takes over what an unfinished run left, up to the first line that is not whole."""
        header = _whole_line(self._first_line())
        if not isinstance(header, dict):
            self._journal.truncate(0)
            self._write_line(self.provenance)
            return
        self._go_on_with(header)
        for rows in self._groups():
            self.done.update((row[0], row[1]) for row in rows)
        self._journal.truncate(self._end_of_groups)

    def _groups(self) -> Iterator[list[list[Any]]]:
        self._journal.seek(0)
        self._end_of_groups = len(self._journal.readline())
        for line in self._journal:
            rows = _whole_line(line)
            if rows is None:
                return
            self._end_of_groups += len(line)
            yield rows

    def _write_line(self, value: Any) -> None:
        self._journal.write(json.dumps(value).encode() + b"\n")  # opened to append: at the end
        self._journal.flush()
        os.fsync(self._journal.fileno())

    def _table(self, rows: list[list[Any]]) -> pa.Table:
        columns = zip(*rows, strict=True)
        arrays = [pa.array(c, f.type) for c, f in zip(columns, self.schema, strict=True)]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _first_line(self) -> bytes:
        self._journal.seek(0)
        return self._journal.readline()

    def _go_on_with(self, old: dict[str, Any]) -> None:
        """Takes over from where names start in what there is; refuses all other differences."""
        self.provenance.pop(PATHS_FROM, None)
        self.provenance |= {PATHS_FROM: old[PATHS_FROM]} if PATHS_FROM in old else {}
        if other := differences(old, self.provenance):
            raise ScoringError(
                f"{self.path} has scores made differently: {'; '.join(other)}. To go on with it, "
                "use what it was made with; or choose another file, or overwrite (delete) it"
            )


def _whole_line(line: bytes) -> Any:
    """The value of a journal line, `None` if the line was cut off."""
    with suppress(ValueError):
        return json.loads(line) if line.endswith(b"\n") else None
    return None


def _spans(paths: Sequence[str], offset: int) -> dict[str, list[int]]:
    """Row numbers of each clip, clips in order of their first row."""
    where: dict[str, list[int]] = {}
    for i, path in enumerate(paths, offset):
        where.setdefault(path, []).append(i)
    return where


def _open_journal(path: Path) -> IO[bytes]:
    """Opens the journal of an output for this run alone."""
    journal = journal_path(path)
    while True:
        file = journal.open("a+b")
        try:
            lock(file, path)
        except UserError:
            file.close()  # the other run's: not ours to tidy up
            raise
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), journal.stat()):
                return file
        file.close()  # between opening and locking, another run ended and removed it
