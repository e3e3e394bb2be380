"""What a run of `big generate` has done so far, appended clip by clip, for the next run to go on.

Its first line says what the audio depends on; every other line is one row of the plan: its number,
and what became of it, behind a CRC-32. A killed run can at worst leave a last line that is cut off.
Lines that are not whole are spoken again, and rows for which the engine gave nothing. In memory
there are eight bytes a row of the plan: where its line begins.
"""

import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from modeling_empathic.report.files import naming

from .speaking import OUTCOMES, TRANSPORT_ERROR, Spoken


class Journal:
    """The journal of a run over a plan of `n_rows`.

    Args:
        path: File to append to; it is made if it is not there.
        about: What the audio depends on.
        n_rows: Of the plan.

    Attributes:
        about: What the file says; another than the argument where an older run was different.
        n_done: Rows that it has.
    """

    def __init__(self, path: Path, about: dict[str, Any], n_rows: int):
        self.path = path
        self._starts = np.full(n_rows, -1, np.int64)
        self.n_done = 0
        # No buffer: on a full disk it would be written once more when the file is closed.
        self._file = path.open("ab", buffering=0)
        self._lines = path.open("rb")
        first = self._lines.readline()
        header = _value(first)
        if not isinstance(header, dict):
            self._file.truncate(0)
            self._end = 0
            self._write(about)
            self.sync()
            header = json.loads(json.dumps(about))
        else:
            self._recover(len(first))
        self.about = header

    def __contains__(self, number: int) -> bool:
        return bool(self._starts[number] >= 0)

    def __getitem__(self, number: int) -> Spoken:
        self._lines.seek(self._starts[number])
        return Spoken(*_value(self._lines.readline())[1])

    def add(self, number: int, spoken: Spoken, *, durable: bool = True) -> None:
        """Appends what became of a row; it is kept from here on, whatever happens."""
        start = self._end
        self._write([number, list(spoken)])
        if durable:
            self.sync()
        self.n_done += number not in self
        self._starts[number] = start

    def sync(self) -> None:
        """Waits until all is on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file, which stays."""
        self._file.close()
        self._lines.close()

    def _recover(self, start: int) -> None:
        for line in self._lines:
            if not line.endswith(b"\n"):
                break
            number = self._number(_value(line))
            if number is not None:
                self._starts[number] = start
            start += len(line)
        self._file.truncate(start)
        self._end = start
        self.n_done = int((self._starts >= 0).sum())

    def _number(self, value: Any) -> int | None:
        """Of the row that a line says the end of; None where it says something else."""
        match value:
            case [int(number), [str(outcome), *rest]] if (
                0 <= number < len(self._starts) and len(rest) == len(Spoken._fields) - 1
            ):
                return number if outcome in OUTCOMES and outcome != TRANSPORT_ERROR else None
        return None

    def _write(self, value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False).encode()
        line = b"%08x %s\n" % (zlib.crc32(text), text)
        try:
            left = line
            with naming(self.path):
                while left:
                    left = left[self._file.write(left) or 0 :]
        except OSError:
            self._file.truncate(self._end)  # half a line on a full disk would spoil the next
            raise
        self._end += len(line)


def _value(line: bytes) -> Any:
    """What a line holds, None where it was cut off or damaged."""
    if not line.endswith(b"\n") or line[:9] != b"%08x " % zlib.crc32(line[9:-1]):
        return None
    try:
        return json.loads(line[9:-1])
    except (ValueError, RecursionError):
        return None
