"""A corpus of anybody's: recordings, and what says which class each is.

A table with a line a clip: file, label (a class, see `coarse.py`), speaker and if wanted text,
start and end, channel, under any of the names that `tables.COLUMNS` knows; or a pattern that the
paths follow (`patterns.py`); or a data set with its audio. Nothing is left out silently: `ignored`
counts clips whose label is no class, files that are not there, and files that nothing is said of.

Several lines of one clip are its raters: it is of the class that most of them say.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, NamedTuple

from datasets import ClassLabel, Value

from dataset_scripts.corpora.clips import Row, audio_columns
from dataset_scripts.corpora.coarse import common_class, emotions_of
from dataset_scripts.corpora.corpus import ActedCorpus
from dataset_scripts.corpora.patterns import by_pattern, of_folders, of_names, recordings
from dataset_scripts.corpora.raw_release import RawReleaseError
from modeling_empathic.heads_empathic import CLASS_SPELLINGS
from modeling_empathic.report.files import is_hub_id
from modeling_empathic.training.data_set import FILE, SPEAKER, is_data_set, read_data_set
from modeling_empathic.training.lines import read_lines
from modeling_empathic.training.parts import Part, unpack
from modeling_empathic.training.tables import called, cell, column, is_empty, plain, tables_of

MAX_FOLDS = 10
UNKNOWN = "unknown"
"""The speaker of clips of which none is known: one group, of whom no fold can be right."""
_SHOWN = 10  # labels that are no classes, by name
Clip = Part | int
"""A recording or a part of one, or a row of a data set."""


class NoLabelsError(RawReleaseError):
    """Nothing says what the recordings of a folder are."""


class Said(NamedTuple):
    """What a line, a file's path or a data set's row says of a clip."""

    where: str
    name: str
    clip: Clip
    label: str
    speaker: str
    text: str


class FolderCorpus(ActedCorpus):
    """What [`folder_corpus`] makes a class of.

    Attributes:
        ROWS: By clip, what is said of it, in that order.
        NAMES: What the clips' files are called, in that order.
        OF_FILE: The clips of each recording.
        ROOT: The folder, or the id of a data set.
        TABLE: The table's name, or the pattern.
        STORED: Of a data set, its clips' audio, encoded.
        COUNTS: What was left out while it was read, and clips whose speaker is not known.
    """

    ROWS: ClassVar[dict[Clip, Row]]
    NAMES: ClassVar[list[str]]
    OF_FILE: ClassVar[dict[Path, list[Part]]]
    ROOT: ClassVar[Path]
    TABLE: ClassVar[str]
    STORED: ClassVar[Sequence[Any] | None]
    COUNTS: ClassVar[dict[str, int]]
    SAMPLING_RATE = 16_000
    PUBLISHED: ClassVar = {}

    @classmethod
    def files(
        cls, source: str | Path, revision: str | None = None
    ) -> tuple[list[Path], str | None]:
        """The recordings that are named, in that order."""
        if revision is not None:
            raise RawReleaseError("a folder with a table has no revision")
        if cls.STORED is not None:
            raise RawReleaseError(f"{source} is a data set already")
        return list(cls.OF_FILE), None

    @classmethod
    def ignored(cls, source: str | Path) -> dict[str, int]:
        """Clips that are left out, by the reason."""
        return cls.COUNTS

    @classmethod
    def labels(cls, file: Path) -> Iterator[Row]:
        """What is said of the file's clips."""
        yield from (cls.ROWS[part] for part in cls.OF_FILE[file])

    @classmethod
    def clips(cls, file: Path) -> Iterator[Row]:
        """The file's clips; their name is its path in the folder, since folders repeat names."""
        parts = cls.OF_FILE[file]
        with TemporaryDirectory(prefix="emonet-voice-") as folder:
            cut, faults = unpack(parts, Path(folder))
            for number, (part, path) in enumerate(zip(parts, cut, strict=True)):
                if number in faults:
                    raise RawReleaseError(f"{file.name}, {part.what}: {faults[number]}")
                audio = path.read_bytes()
                if not audio:
                    raise RawReleaseError(f"{file.name}: no audio")
                name = file.relative_to(cls.ROOT).as_posix()
                name = name if part.whole else f"{name} {part.what}.wav"
                yield {**audio_columns(audio, name), **cls.ROWS[part]}

    @classmethod
    def unpacked(
        cls, folder: Path, advance: Callable[[], None] = lambda: None
    ) -> tuple[list[Path], dict[int, str]]:
        """A file of every clip, in their order; what is no file of its own goes into a folder.

        Also, by number of the clip, why there is none; its file is empty. `advance` is called after
        each of the `n_unpacked`.
        """
        if cls.STORED is None:
            parts = [clip for clip in cls.ROWS if isinstance(clip, Part)]
            return unpack(parts, folder, advance)
        paths, faults = [], {}
        for number, row in enumerate(cls.ROWS):
            audio = cls.STORED[row]  # type: ignore[index]
            advance()
            if isinstance(audio, str) and (cls.ROOT / audio).is_file():
                paths.append(cls.ROOT / audio)
                continue
            paths.append(folder / str(number))  # what the data say is no path
            paths[-1].write_bytes(audio if isinstance(audio, bytes) else b"")
            if not paths[-1].stat().st_size:
                faults[number] = "no audio in its row"
        return paths, faults

    @classmethod
    def n_unpacked(cls) -> int:
        """How many clips are no file of their own."""
        return sum(not isinstance(clip, Part) or not clip.whole for clip in cls.ROWS)


def folder_corpus(
    root: str | Path,
    labels: str | Path | None = None,
    classes: Mapping[str, str] | None = None,
    split: str | None = None,
    config: str | None = None,
) -> type[FolderCorpus]:
    """The corpus that a folder and its labels, or a data set, are.

    Args:
        root: The folder, or the id of a data set on the Hub.
        labels: A table, by default the folder's own (`tables_of`), or a pattern (`patterns`).
        classes: What labels mean that are no words for a class: `{"A": "anger", "01": "neutral"}`,
            or `""` to leave one out.
        split: Of a data set; by default all of them together, `train+test` are two.
        config: Of a data set, where it has several.

    Raises:
        RawReleaseError: No folder, a pattern that is none, clips of fewer than two classes, or a
            file with two speakers; with the line.
        LabelsError: A table or data set that cannot be read, or a name that may be several files.
    """
    of_hub = not Path(root).is_dir() and is_hub_id(str(root))
    if of_hub and labels is not None:
        raise RawReleaseError(f"{root}: no such folder, and labels are of a folder")
    source = str(root) if of_hub else Path(root).resolve()
    counts: Counter[str] = Counter()
    said, table, stored = _read(source, labels, split, config, counts)
    chosen = _one_a_clip(said, table, dict(_meanings(classes or {})), counts)
    names = sorted({name for _, name in chosen})
    if len(names) < 2:
        raise RawReleaseError(f"{table}: {_too_few(names, counts)}")
    speakers = sorted({of.speaker for of, _ in chosen})
    if unknown := sum(of.speaker == UNKNOWN for of, _ in chosen):
        counts["speaker not known"] = unknown
    named = {of.clip.path for of in said if isinstance(of.clip, Part)}
    files = recordings(source) if isinstance(source, Path) and stored is None else []
    if others := sum(path not in named and path.resolve() not in named for path in files):
        counts[f"left out: not in {table}"] = others
    has_text = any(of.text for of, _ in chosen)
    rows: dict[Clip, Row] = {
        of.clip: {
            "speaker": of.speaker,
            "label": names.index(name),
            "fold": speakers.index(of.speaker) % MAX_FOLDS,
        }
        | ({"text": of.text or None} if has_text else {})
        for of, name in chosen
    }
    columns: dict[str, Any] = {
        "speaker": Value("string"),
        "label": ClassLabel(names=names),
        "fold": Value("int8"),
    } | ({"text": Value("string")} if has_text else {})
    folds = "leave one speaker out"
    if len(speakers) > MAX_FOLDS:
        folds = f"{MAX_FOLDS} folds of {len(speakers)} speakers"
    made = {"ROOT": Path(source), "TABLE": table, "ROWS": rows, "CLASSES": emotions_of(names)}
    made |= {"COLUMNS": columns, "FOLDS": folds, "COUNTS": dict(counts), "STORED": stored}
    made["NAMES"] = [
        of.clip.path.name if isinstance(of.clip, Part) else Path(of.name).name for of, _ in chosen
    ]
    of_file: dict[Path, list[Part]] = defaultdict(list)
    for clip in rows:
        if isinstance(clip, Part):
            of_file[clip.path].append(clip)
    made["OF_FILE"] = of_file
    name = Path(source).name
    return type(name, (FolderCorpus,), made | _card(name, table))


NO_LABELS = (
    "has no labels.csv or metadata.csv (.jsonl, .parquet): name a table with the columns file, "
    "label and speaker, or how the paths are made, such as {speaker}_{}_{label} or {label}/{}"
)


def _read(
    source: Path | str,
    labels: str | Path | None,
    split: str | None,
    config: str | None,
    counts: Counter[str],
) -> tuple[list[Said], str, Sequence[Any] | None]:
    """What is said of every clip, by what; and where these are a data set's, their audio."""
    if isinstance(source, str):
        return _of_data_set(source, split, config)
    if not source.is_dir():
        raise RawReleaseError(f"{source}: no such folder")
    if labels is None and is_data_set(source):
        return _of_data_set(source, split, config)
    if split or config:
        raise RawReleaseError(f"{source} is no data set, which a split or a configuration is of")
    if labels is not None and "{" in str(labels):
        return list(_of_paths(source, str(labels))), str(labels), None
    if tables := [Path(labels)] if labels else tables_of(source, need="label"):
        said = list(_of_tables(source, tables, counts))
        return said, " and ".join(sorted({table.name for table in tables})), None
    files = [path.relative_to(source) for path in recordings(source)]
    if pattern := of_folders(files, _common):
        said = list(_of_paths(source, pattern))
        counts[f"read by their folders, {pattern}"] = len(said)
        return said, pattern, None
    pattern = of_names(files, _common)
    guess = f"; as labels, if this is how they are made: its names look like {pattern}"
    raise NoLabelsError(f"{source} {NO_LABELS}{guess if pattern else ''}")


def _of_tables(root: Path, tables: Sequence[Path], counts: Counter[str]) -> Iterator[Said]:
    names, lines = read_lines(tables, root)
    if column(names, "label") is None:
        raise RawReleaseError(
            f"{tables[0]} has no column label; it has {', '.join(names):.300} ({called('label')})"
        )
    columns: dict[tuple[str, ...], list[str | None]] = {}  # of each table
    for line in lines:
        own = tuple(line.cells)
        if own not in columns:
            columns[own] = [column(own, what) for what in ("label", "speaker", "text")]
        label, speaker, text = (line.cells[name] if name else "" for name in columns[own])
        if line.part is None:
            counts[f"left out: {line.fault}"] += 1
        else:
            yield Said(line.where, line.name, line.part, label, _speaker(speaker), text)
    if all(line.fault for line in lines):
        first = next((f"{line.told} in {root}" for line in lines), "")
        raise RawReleaseError(first or f"{tables[0]} names no clip")


def _of_paths(root: Path, pattern: str) -> Iterator[Said]:
    for path, label, speaker, text in by_pattern(root, pattern):
        name = path.relative_to(root).as_posix()
        yield Said(name, name, Part(path), label, _speaker(speaker), text)


def _of_data_set(
    source: Path | str, split: str | None, config: str | None
) -> tuple[list[Said], str, Sequence[Any]]:
    read = read_data_set(source, split, config)
    names = list(read.rows[0]) if read.rows else []
    label, text = column(names, "label"), column(names, "text")
    if label is None:
        raise RawReleaseError(
            f"data set {source} has no column label; it has {', '.join(names):.300}"
        )
    said = [
        Said(f"row {n}", cell(row[FILE]), n, cell(row[label]), _speaker(cell(row.get(SPEAKER))),
             cell(row[text]) if text else "")
        for n, row in enumerate(read.rows)
    ]  # fmt: skip
    return said, f"the data set {Path(source).name}", read.clips


def _speaker(name: str) -> str:
    nobody = is_empty(name) or plain(name) in ("", UNKNOWN)
    return UNKNOWN if nobody else unicodedata.normalize("NFC", name)


def _meanings(classes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for word, meant in classes.items():
        yield _word(word), common_class(meant) if meant else ""


def _word(label: str) -> str:
    """A label as it is looked up: 1.0, as spreadsheets write numbers, is 1."""
    return re.sub(r"^(\d+)\.0+$", r"\1", unicodedata.normalize("NFC", label).strip().casefold())


def _one_a_clip(
    said: list[Said], table: str, meanings: dict[str, str], counts: Counter[str]
) -> list[tuple[Said, str]]:
    """Each clip once, with its class; what has none is counted."""
    by_clip: dict[Clip, list[Said]] = defaultdict(list)
    for of in said:
        by_clip[of.clip].append(of)
    chosen, strange = [], Counter[str]()
    for lines in by_clip.values():
        first = lines[0]
        for of in lines[1:]:
            if of.speaker != first.speaker or Path(of.name).name != Path(first.name).name:
                raise RawReleaseError(
                    f"{of.where}: {of.name!r} by {of.speaker} is the same clip as {first.name!r} "
                    f"by {first.speaker}, {first.where}"
                )
        votes = Counter(_class(of.label, meanings) for of in lines).most_common()
        (name, is_class), n = votes[0]
        counts["further lines of one clip"] += len(lines) - 1
        if len(votes) > 1 and votes[1][1] == n:
            counts["left out: as many raters for two classes"] += 1
        elif is_class:
            chosen.append((first, name))
        else:
            strange[name] += 1
    for label, n in strange.most_common(_SHOWN):
        counts[f"left out: label {label!r:.40}" if label else "left out: no label"] += n
    if rest := sum(n for _, n in strange.most_common()[_SHOWN:]):
        counts[f"left out: {len(strange) - _SHOWN} more labels that are no classes"] = rest
    for key in [key for key, n in counts.items() if not n]:
        del counts[key]
    return chosen


def _class(label: str, meanings: Mapping[str, str]) -> tuple[str, bool]:
    """The class that a label means, or the label and False."""
    if meant := meanings.get(_word(label)):
        return meant, True
    name = None if _word(label) in meanings else _common(label)
    return name or label, name is not None


@cache  # a table says the same few words again and again
def _common(label: str) -> str | None:
    try:
        return common_class(label)
    except RawReleaseError:
        return None


def _too_few(names: list[str], counts: Counter[str]) -> str:
    left = ", ".join(f"{n:,} {what}" for what, n in counts.items())
    have = f"every clip is {names[0]}" if names else "no clip has a class"
    return (
        f"{have}{f' ({left})' if left else ''}; two classes are needed of "
        f"{', '.join(CLASS_SPELLINGS)} and the 40 emotions: say with classes what other labels mean"
    )


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
