"""The lines of tables as clips: which file each names, and which part of it.

Files are named by a path of another machine, without the suffix, or with umlauts in two characters.
"""

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from ..report.files import sha256
from ..scoring.listing import AUDIO_SUFFIXES
from .parts import Part, PartError, Times, channel_of, counts_from_zero
from .tables import LabelsError, called, column, file_columns, plain, read_table

NO_FILE = "no such file"
_LOOKED_AT = 50  # lines
_OF_MELD = ("dialogueid", "utteranceid")  # dia0_utt1.mp4, which no column says


class Line(NamedTuple):
    """What a line of a table says of a clip.

    Attributes:
        where: Table and line, for messages.
        name: The file as the line calls it.
        part: The file and what of it; None where there is a fault.
        cells: By column.
        fault: Why this is no clip; `""` if it is one.
    """

    where: str
    name: str
    part: Part | None
    cells: Mapping[str, str]
    fault: str = ""

    @property
    def told(self) -> str:
        """What is wrong with it, for people."""
        return f"{self.where}: {self.fault}: {self.name!r:.200}"


def read_lines(
    tables: Sequence[Path], root: Path, *, links: bool = False
) -> tuple[list[str], list[Line]]:
    """The columns of all tables, and their lines.

    Args:
        tables: Of [`tables_of`], or named by somebody.
        root: Folder of the recordings.
        links: Whether a link may lead out of it.

    Raises:
        LabelsError: A table that cannot be read or has no column of files, a line without one, or
            one whose file is elsewhere or may be one of several.
    """
    files, columns, found = Files(root, links=links), dict[str, None](), list[Line]()
    for table in tables:
        names, lines = read_table(table)
        beside = table.parent.resolve()
        columns |= dict.fromkeys(names)
        by_name = {plain(name): name for name in names}
        given = file_columns(names)
        of_meld = {*_OF_MELD} <= {*by_name} and given == [by_name["utteranceid"]]
        file = None if of_meld else _file_column(given, lines, files, beside)
        if not of_meld and file is None:
            raise LabelsError(
                f"{table} has no column file; it has {', '.join(names):.300} ({called('file')})"
            )
        times = Times.of(names)
        side = column(names, "channel")
        from_zero = side is not None and counts_from_zero(cells[side] for _, cells in lines)
        for number, cells in lines:
            where = f"{table.name}, line {number}"
            name = cells[file] if file else _meld_name(cells, by_name)
            if not name:
                raise LabelsError(f"{where}: no {file}")
            try:
                path = files.find(name, beside)
            except LabelsError as error:
                raise LabelsError(f"{where}: {error}") from None
            part, fault = None, "" if path else NO_FILE
            try:
                if path:
                    channel = channel_of(cells[side], from_zero) if side else None
                    part = Part(path, *times.read(cells), channel)
            except PartError as error:
                fault = str(error)
            found.append(Line(where, name, part, cells, fault))
    return list(columns), found


def _file_column(
    given: Sequence[str],
    lines: Sequence[tuple[int, Mapping[str, str]]],
    files: "Files",
    beside: Path,
) -> str | None:
    """The first column that names a file which is there: not every id or name is one."""
    if len(given) > 1:
        for name in given:
            for _, cells in lines[:_LOOKED_AT]:
                with suppress(LabelsError):
                    if cells[name] and files.find(cells[name], beside):
                        return name
    return given[0] if given else None


def _meld_name(cells: Mapping[str, str], by_name: Mapping[str, str]) -> str:
    dialogue, utterance = (cells[by_name[name]] for name in _OF_MELD)
    return f"dia{dialogue}_utt{utterance}" if dialogue and utterance else ""


class Files:
    """The files below a folder, found by what a table calls them.

    A name is a path below the folder, or the end of one (`a.wav` of `wav/a.wav`), or ends in one
    (`C:/mine/wav/a.wav`), in any case and Unicode form; of audio the suffix may be missing.

    Args:
        root: The folder.
        links: Whether a link may lead out of it.
    """

    def __init__(self, root: Path, *, links: bool = False):
        self.root, self._links = root.resolve(), links
        self._by_name: dict[str, list[tuple[tuple[str, ...], Path]]] | None = None

    def find(self, name: str, beside: Path | None = None) -> Path | None:
        """The file, or None where there is none.

        Args:
            name: As a table has it.
            beside: The table's folder, resolved, where files are looked for first.

        Raises:
            LabelsError: A name that no file can have, one of several files, or of one elsewhere.
        """
        try:
            written = self.root / name
            near = (beside or self.root) / name
            if near.is_relative_to(self.root) and near.is_file():
                written = near
            elif not written.is_file():
                written = self._elsewhere(name) or written
            path, there = written.resolve(), written.is_file()
        except (ValueError, RuntimeError, OSError) as error:  # a NUL, links in a circle, too long
            raise LabelsError(f"{name[:80]!r} is no file's name ({str(error)[:80]})") from None
        inside = written.is_relative_to(self.root) and ".." not in written.parts
        if there and not (path.is_relative_to(self.root) or (self._links and inside)):
            raise LabelsError(f"{name!r} leads out of the folder {self.root}")
        return (written if self._links and inside else path) if there else None

    def _elsewhere(self, name: str) -> Path | None:
        windows = "\\" in name
        pure = PureWindowsPath(name) if windows else PurePosixPath(name)
        parts = _key(part for part in pure.parts if part not in (pure.anchor, "..", "."))
        if not parts:
            return None
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for path in sorted(self.root.rglob("*")):
                if path.is_file():
                    key = _key(path.relative_to(self.root).parts)
                    self._by_name[key[-1]].append((key, path))
                    if path.suffix.lower() in AUDIO_SUFFIXES:
                        stem = _key([path.stem])[0]
                        self._by_name[stem].append(((*key[:-1], stem), path))
        found: dict[int, list[Path]] = {}
        for key, path in self._by_name.get(parts[-1], ()):
            n = min(len(key), len(parts))
            if key[-n:] == parts[-n:]:  # one ends in the other
                found.setdefault(n, []).append(path)
        best = found[max(found)] if found else []
        if len(best) > 1:
            both = " or ".join(str(path.relative_to(self.root)) for path in best[:2])
            raise LabelsError(f"{name!r} may be {both}: write its whole path")
        return best[0] if best else None


def _key(parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", part).casefold() for part in parts)


def copies(files: Sequence[str], of: Sequence[str]) -> list[int]:
    """Places of files that hold the same bytes as an earlier one that is of somebody else.

    Args:
        files: Of which only those are read whole that have the size and the start of another.
        of: Whose each is.
    """
    alike: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for place, file in enumerate(files):
        with Path(file).open("rb") as stream:
            start = hashlib.sha256(stream.read(2**16)).digest()
        alike[Path(file).stat().st_size, start].append(place)
    found = []
    for places in alike.values():
        first: dict[str, str] = {}
        for place in places if len({of[place] for place in places}) > 1 else ():
            if first.setdefault(sha256(files[place]), of[place]) != of[place]:
                found.append(place)
    return sorted(found)
