"""A corpus of anybody's: a folder of recordings, and a CSV that says what each is.

The CSV has a header and a line a clip: `file` or `file_name` (its path below the folder), `label`
(a class, see `coarse.py`), `speaker`, and if wanted `text`. Files that it does not name are left
out and counted.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from datasets import ClassLabel, Value

from dataset_scripts.corpora.clips import Row, audio_columns
from dataset_scripts.corpora.coarse import common_class, emotions_of
from dataset_scripts.corpora.corpus import ActedCorpus
from dataset_scripts.corpora.raw_release import RawReleaseError

TABLES = ("labels.csv", "metadata.csv")
"""Where the CSV is looked for; the second is what `train heads` and `datasets` read."""
MAX_FOLDS = 10
_NEEDED = ("file", "label", "speaker")
_AUDIO = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".wma", ".aiff", ".webm")


class FolderCorpus(ActedCorpus):
    """What [`folder_corpus`] makes a class of.

    Attributes:
        ROWS: By path of a clip, what the CSV says of it, in its order.
        ROOT: The folder.
        TABLE: The CSV.
    """

    ROWS: ClassVar[dict[Path, Row]]
    ROOT: ClassVar[Path]
    TABLE: ClassVar[Path]
    SAMPLING_RATE = 16_000
    PUBLISHED: ClassVar = {}

    @classmethod
    def files(
        cls, source: str | Path, revision: str | None = None
    ) -> tuple[list[Path], str | None]:
        """The clips that the CSV names, in its order."""
        if revision is not None:
            raise RawReleaseError("a folder with a CSV has no revision")
        return list(cls.ROWS), None

    @classmethod
    def ignored(cls, source: str | Path) -> dict[str, int]:
        """How many recordings the CSV does not name."""
        files = {p for p in cls.ROOT.rglob("*") if p.suffix.lower() in _AUDIO and p.is_file()}
        n = len(files - set(cls.ROWS))
        return {f"left out: not in {cls.TABLE.name}": n} if n else {}

    @classmethod
    def labels(cls, file: Path) -> Iterator[Row]:
        """What the CSV says of the file."""
        yield cls.ROWS[file]

    @classmethod
    def clips(cls, file: Path) -> Iterator[Row]:
        """The file's one clip; its name is its path in the CSV, since folders may repeat names."""
        audio = file.read_bytes()
        if not audio:
            raise RawReleaseError(f"{file.name}: no audio")
        yield {
            **audio_columns(audio, file.relative_to(cls.ROOT).as_posix()),
            **cls.ROWS[file],
        }


def folder_corpus(root: str | Path, labels: str | Path | None = None) -> type[FolderCorpus]:
    """The corpus that a folder and its CSV are.

    Args:
        root: The folder.
        labels: The CSV; by default the folder's own, see [`table_of`].

    Raises:
        RawReleaseError: No folder or CSV, a column or cell that is missing, a clip that is not
            there or twice, a path out of the folder, or a class that is none; with the line.
    """
    root = Path(root).resolve()
    table = Path(labels) if labels else table_of(root) or root / TABLES[0]
    if not root.is_dir():
        raise RawReleaseError(f"{root}: no such folder")
    lines = _lines(table)
    # Every spelling of a class is that class: a CSV that was put together from several corpora.
    names = sorted({line["class"] for line in lines})
    speakers = sorted({line["speaker"] for line in lines})
    if len(names) < 2:
        raise RawReleaseError(f"{table}: every clip is {names[0]}; two classes are needed")
    has_text = any("text" in line for line in lines)
    rows: dict[Path, Row] = {}
    for line in lines:
        where = f"{table}, line {line['line']}"
        try:
            path = (root / line["file"]).resolve()
            there = path.is_file()
        except (ValueError, RuntimeError, OSError) as error:  # a NUL, links in a circle, too long
            what = f"{line['file'][:80]!r} is no file's name"
            raise RawReleaseError(f"{where}: {what} ({str(error)[:80]})") from None
        if not path.is_relative_to(root):
            raise RawReleaseError(f"{where}: {line['file']!r} leads out of {root}")
        if not there:
            raise RawReleaseError(f"{where}: no file {line['file']!r} in {root}")
        if path in rows:
            raise RawReleaseError(f"{where}: {line['file']!r} is there twice")
        rows[path] = {
            "speaker": line["speaker"],
            "label": names.index(line["class"]),
            "fold": speakers.index(line["speaker"]) % MAX_FOLDS,
        } | ({"text": line.get("text")} if has_text else {})
    columns: dict[str, Any] = {
        "speaker": Value("string"),
        "label": ClassLabel(names=names),
        "fold": Value("int8"),
    } | ({"text": Value("string")} if has_text else {})
    folds = "leave one speaker out"
    if len(speakers) > MAX_FOLDS:
        folds = f"{MAX_FOLDS} folds of {len(speakers)} speakers"
    return type(
        root.name,
        (FolderCorpus,),
        {
            "ROOT": root,
            "TABLE": table,
            "ROWS": rows,
            "CLASSES": emotions_of(names),
            "COLUMNS": columns,
            "FOLDS": folds,
            **_card(root.name, table.name),
        },
    )


def table_of(root: str | Path) -> Path | None:
    """A folder's CSV, by one of the names in `TABLES`; None where it has none.

    Example:
        >>> table_of("nowhere") is None
        True
    """
    return next((path for name in TABLES if (path := Path(root, name)).is_file()), None)


def _lines(table: Path) -> list[dict[str, Any]]:
    """The CSV's lines with their numbers and classes, nothing missing."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = [name.strip() for name in reader.fieldnames or []]
            if "file" not in header:  # as `train heads` calls it
                header = ["file" if name == "file_name" else name for name in header]
            absent = [name for name in _NEEDED if name not in header]
            if absent:
                raise RawReleaseError(
                    f"{table} has no column {', '.join(absent)}; it has {', '.join(header)}"
                )
            reader.fieldnames = header
            lines = []
            for cells in reader:
                line: dict[str, Any] = {k: (cells[k] or "").strip() for k in _NEEDED}
                line["line"] = reader.line_num
                empty = [name for name in _NEEDED if not line[name]]
                if empty:
                    raise RawReleaseError(f"{table}, line {line['line']}: no {', '.join(empty)}")
                try:
                    line["class"] = common_class(line["label"])
                except RawReleaseError as error:
                    raise RawReleaseError(f"{table}, line {line['line']}: {error}") from None
                if cells.get("text"):
                    line["text"] = cells["text"].strip()
                lines.append(line)
    except OSError as error:
        raise RawReleaseError(f"{table}: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise RawReleaseError(f"{table} is no CSV in UTF-8: {error}") from None
    if not lines:
        raise RawReleaseError(f"{table} names no clip")
    return lines


def _card(name: str, table: str) -> dict[str, Any]:
    return {
        "FACTS": {
            "description": f"Recordings of the folder {name}, labelled by {table}.",
            "citation": "",
            "homepage": "not known",
            "license": "not known: say it here before you share this",
        },
        "CARD": {
            "pretty_name": name,
            "task_categories": ["audio-classification"],
            "tags": ["emotion", "speech-emotion-recognition"],
        },
        "NOTES": "Folds are speaker-independent.",
    }
