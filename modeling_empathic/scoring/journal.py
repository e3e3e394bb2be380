"""A score file being written, so that a run can be killed at any moment and go on later.

While a run lasts, finished groups of clips are appended to a journal, `<output>.partial`: its
first line is the provenance, every other line one group, each behind its CRC-32 (journals of older
versions have none). Appending is all that ever happens to it, so a killed run can at worst leave a
last line that is cut off, which the next run drops. Of a line that a disk or somebody has damaged,
the clips are scored again.
The output itself is written once, at the end, under a temporary name, and renamed into place.
"""

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import pyarrow as pa

from modeling_empathic.report.files import is_open_as, lock
from modeling_empathic.taxonomy import UserError

from .aggregates import Row
from .differences import differences
from .file import check_output, meta_path, read_provenance, read_scores, score_schema, write_scores
from .listing import ScoringError
from .names import PATHS_FROM
from .prepared import THIS_TIME

CHUNK_ROWS = 4096
ON_WINDOWS = os.name == "nt"


def journal_path(path: Path) -> Path:
    """Where a run that is not finished keeps its rows."""
    return path.with_name(path.name + ".partial")


class ScoreFile:
    """A score file being written, or gone on with.

    Clips in it are known by path and SHA-256. Failed clips are kept like scored ones: they are
    tried again only when their bytes change, or where the failure was a passing one. Rows of clips
    that this run does not name stay, in front.

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
            self.done: dict[str, str | None] = {}
            columns = [self._finished[name].to_pylist() for name in ("path", "clip_id", "error")]
            self._note(zip(*columns, strict=True))
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
        self._note((row[0], row[1], row[-1]) for row in rows)

    def finish(self, order: Sequence[str], parts: Iterable[pa.Table] = ()) -> pa.Table:
        """Writes the output, all clips in the order of the inputs, and removes the journal.

        Args:
            order: Paths of this run's clips.
            parts: Rows that were kept elsewhere than in the journal, with the columns of `schema`.

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
        for part in parts:
            pieces.append(part)
            where |= _spans(part["path"].to_pylist(), n_rows)
            n_rows += len(part)
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
            try:
                empty = next(self._groups(), None) is None
            except FileNotFoundError:  # its folder was deleted
                empty = False
            self._let_go(remove=empty)

    def _let_go(self, *, remove: bool) -> None:
        # Removed while it is locked: once it is not, it may be the next run's.
        if remove and not ON_WINDOWS:
            journal_path(self.path).unlink(missing_ok=True)
        self._journal.close()
        if remove and ON_WINDOWS:  # which removes closed files only
            journal_path(self.path).unlink(missing_ok=True)

    def _note(self, clips: Iterable[tuple[str, str | None, str | None]]) -> None:
        """Counts clips as done, but for those that could not be read this time only."""
        for path, clip_id, error in clips:
            if error is None or not error.startswith(THIS_TIME):
                self.done[path] = clip_id
            else:
                self.done.pop(path, None)

    def _recover(self) -> None:
        """Takes over what an unfinished run left, but for lines that are not whole."""
        first = self._first_line()
        header = _whole_line(first)
        if not isinstance(header, dict):
            if first.endswith(b"\n"):  # no kill does this; what follows may be hours of work
                raise ScoringError(
                    f"{journal_path(self.path)} is damaged in its first line, which says how its "
                    "scores were made; mend it, or overwrite (delete) it"
                )
            self._journal.truncate(0)
            self._write_line(self.provenance)
            return
        self._go_on_with(header)
        for rows in self._groups():
            self._note((row[0], row[1], row[-1]) for row in rows)
        self._journal.truncate(self._end_of_lines)

    def _groups(self) -> Iterator[list[list[Any]]]:
        with journal_path(self.path).open("rb") as lines:
            self._end_of_lines = len(lines.readline())
            for line in lines:
                if line.endswith(b"\n"):
                    self._end_of_lines += len(line)
                rows = _whole_line(line)
                if isinstance(rows, list):
                    yield rows

    def _write_line(self, value: Any) -> None:
        text = json.dumps(value).encode()
        line = b"%08x %s\n" % (zlib.crc32(text), text)
        if not is_open_as(self._journal.fileno(), journal_path(self.path)):
            raise ScoringError(
                f"{self.path}: its folder, or its journal, was deleted while this run wrote to it"
            )
        while line:  # opened to append: at the end
            line = line[self._journal.write(line) or 0 :]
        os.fsync(self._journal.fileno())

    def _table(self, rows: list[list[Any]]) -> pa.Table:
        columns = zip(*rows, strict=True)
        arrays = [pa.array(c, f.type) for c, f in zip(columns, self.schema, strict=True)]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _first_line(self) -> bytes:
        with journal_path(self.path).open("rb") as lines:
            return lines.readline()

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
    """The value of a journal line, `None` if it was cut off or damaged."""
    if not line.endswith(b"\n"):
        return None
    with suppress(ValueError, RecursionError):
        if line[:1] in (b"{", b"["):  # of an older version
            return json.loads(line)
        text = line[9:-1]
        return json.loads(text) if line[:9] == b"%08x " % zlib.crc32(text) else None
    return None


def _spans(paths: Sequence[str], offset: int) -> dict[str, list[int]]:
    """Row numbers of each clip, clips in order of their first row."""
    where: dict[str, list[int]] = {}
    for i, path in enumerate(paths, offset):
        where.setdefault(path, []).append(i)
    return where


def _open_journal(path: Path) -> FileIO:
    """Opens the journal of an output for this run alone."""
    journal = journal_path(path)
    while True:
        # No buffer: on a full disk it would be written once more when the file is closed.
        file = journal.open("ab", buffering=0)
        try:
            lock(file.fileno(), path)
        except UserError:
            file.close()  # the other run's: not ours to tidy up
            raise
        if is_open_as(file.fileno(), journal):
            return file
        file.close()  # between opening and locking, another run ended and removed it
