"""Clips of a folder and what its tables say of them, or the folders that they lie in."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ..scoring.listing import find_audio
from .data_set import FILE, SPEAKER, Read
from .lines import read_lines
from .parts import unpack
from .settings import TrainingError
from .tables import SUFFIXES, tables_of
from .tables import column as column_for

LABEL = "label"


def read_folder(path: Path) -> Read:
    """What tables say, or folders that are called as their clips' words."""
    root = path.parent if path.is_file() else path
    tables = [path] if path.is_file() else tables_of(root)
    if not tables:
        return _read_class_folders(root)
    _, lines = read_lines(tables, root, links=True)
    rows, parts = [], []
    called: dict[tuple[str, ...], dict[str, str]] = {}  # of each table
    for line in lines:
        if line.part is None:
            raise TrainingError(f"{line.told} in {root}")
        own = tuple(line.cells)
        if own not in called:
            called[own] = _called(own, several=len(tables) > 1)
        what = line.part.what
        row = {called[own].get(name, name): cell for name, cell in line.cells.items()}
        rows.append(row | {FILE: f"{line.name}, {what}" if what else line.name})
        parts.append(line.part)
    columns = dict.fromkeys(name for row in rows for name in row)
    rows = [dict.fromkeys(columns, "") | row for row in rows] if len(tables) > 1 else rows
    folder = TemporaryDirectory(prefix="emonet-voice-")
    clips, faults = unpack(parts, Path(folder.name))
    mark = fingerprint_files([*tables, *dict.fromkeys(part.path for part in parts)])
    notes = [f"{why}: {n:,} clips" for why, n in Counter(faults.values()).items()]
    return Read(rows, [str(clip) for clip in clips], mark, notes, folder)


def _called(names: Sequence[str], several: bool) -> dict[str, str]:
    """A table's names for columns -> ours; those of classes where several tables differ."""
    ours = {"file": FILE, SPEAKER: SPEAKER} | ({LABEL: LABEL} if several else {})
    found = {column_for(names, what): name for what, name in ours.items()}
    return {theirs: name for theirs, name in found.items() if theirs is not None}


def _read_class_folders(root: Path) -> Read:
    """Clips in folders of their words, as `datasets` reads them, too."""
    clips = [Path(clip) for clip in find_audio([root], listed=True)]
    words = {clip.parent.name for clip in clips if clip.parent != root}
    if len(words) < 2 or any(clip.parent == root for clip in clips):
        tables = (p for p in root.glob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        others = sorted(table.name for table in tables)
        raise TrainingError(
            f"{root}: {len(others)} tables{': ' if others else ''}{', '.join(others[:5])}; call "
            "one metadata.csv, or put the clips into a folder a word"
        )
    rows = [{FILE: str(clip.relative_to(root)), "label": clip.parent.name} for clip in clips]
    return Read(rows, [str(clip) for clip in clips], fingerprint_files(clips))


def fingerprint_files(files: Iterable[Path]) -> str:
    """A SHA-256 of names, sizes, and the first 64 KiB of every file."""
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            total.update(f"{file.name}\0{file.stat().st_size}\0".encode() + stream.read(2**16))
    return f"sha256:{total.hexdigest()}"
