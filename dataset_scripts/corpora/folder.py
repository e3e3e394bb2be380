"""A corpus of anybody's: a folder of recordings, and what says which class each is.

Either a CSV with a header and a line a clip: file, label (a class, see `coarse.py`), speaker and if
wanted text, under any of the names that `labels_csv.COLUMNS` knows; or a pattern that the paths
follow, such as `{speaker}_{}_{label}_{}`. Nothing is left out silently: `ignored` counts clips
whose label is no class, files that are not there, and files that nothing is said of.

Several lines of one file are its raters: it is of the class that most of them say.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from datasets import ClassLabel, Value

from dataset_scripts.corpora.clips import Row, audio_columns
from dataset_scripts.corpora.coarse import common_class, emotions_of
from dataset_scripts.corpora.corpus import ActedCorpus
from dataset_scripts.corpora.raw_release import RawReleaseError
from modeling_empathic.heads_empathic import CLASS_SPELLINGS
from modeling_empathic.scoring.listing import AUDIO_SUFFIXES
from modeling_empathic.training.labels_csv import (
    COLUMNS,
    Files,
    LabelsError,
    column,
    plain,
    read_csv,
)

TABLES = ("labels.csv", "metadata.csv")
"""Where the CSV is looked for; the second is what `train heads` and `datasets` read."""
MAX_FOLDS = 10
UNKNOWN = "unknown"
"""The speaker of clips of which none is known: one group, of whom no fold can be right."""
_NO_SPEAKER = ("", "unknown", "nan", "none", "na", "null")
_FIELD = re.compile(r"\{([a-z]*)(?::([1-9]\d?))?\}")
_FIELDS = ("", "label", "speaker", "text")
_SHOWN = 10  # labels that are no classes, by name


class Said(NamedTuple):
    """What a line, or a file's path, says of a clip."""

    where: str
    name: str
    path: Path
    label: str
    speaker: str
    text: str
    start: str


class FolderCorpus(ActedCorpus):
    """What [`folder_corpus`] makes a class of.

    Attributes:
        ROWS: By path of a clip, what is said of it, in that order.
        ROOT: The folder.
        TABLE: The CSV's name, or the pattern.
        COUNTS: What was left out while it was read, and clips whose speaker is not known.
    """

    ROWS: ClassVar[dict[Path, Row]]
    ROOT: ClassVar[Path]
    TABLE: ClassVar[str]
    COUNTS: ClassVar[dict[str, int]]
    SAMPLING_RATE = 16_000
    PUBLISHED: ClassVar = {}

    @classmethod
    def files(
        cls, source: str | Path, revision: str | None = None
    ) -> tuple[list[Path], str | None]:
        """The clips that are named, in that order."""
        if revision is not None:
            raise RawReleaseError("a folder with a CSV has no revision")
        return list(cls.ROWS), None

    @classmethod
    def ignored(cls, source: str | Path) -> dict[str, int]:
        """Clips that are left out, by the reason."""
        return cls.COUNTS

    @classmethod
    def labels(cls, file: Path) -> Iterator[Row]:
        """What is said of the file."""
        yield cls.ROWS[file]

    @classmethod
    def clips(cls, file: Path) -> Iterator[Row]:
        """The file's one clip; its name is its path in the folder, since folders repeat names."""
        audio = file.read_bytes()
        if not audio:
            raise RawReleaseError(f"{file.name}: no audio")
        yield {
            **audio_columns(audio, file.relative_to(cls.ROOT).as_posix()),
            **cls.ROWS[file],
        }


def folder_corpus(
    root: str | Path,
    labels: str | Path | None = None,
    classes: Mapping[str, str] | None = None,
) -> type[FolderCorpus]:
    """The corpus that a folder and its labels are.

    Args:
        root: The folder.
        labels: A CSV, by default the folder's own (see [`table_of`]), or a pattern of the paths
            without suffix: `{label}`, `{speaker}`, `{text}`, `{}` for anything else, `{label:1}`
            for one character; a field that comes twice is joined.
        classes: What labels mean that are no words for a class: `{"A": "anger", "01": "neutral"}`,
            or `""` to leave one out.

    Raises:
        RawReleaseError: No folder, a pattern that is none, clips of fewer than two classes, or a
            file with two speakers; with the line.
        LabelsError: A CSV that cannot be read, or a name that may be several files.
    """
    root = Path(root).resolve()
    if not root.is_dir():
        raise RawReleaseError(f"{root}: no such folder")
    counts: Counter[str] = Counter()
    if labels is not None and "{" in str(labels):
        table = str(labels)
        said = list(_by_pattern(root, table, counts))
    else:
        path = Path(labels) if labels else table_of(root)
        if path is None:
            raise RawReleaseError(f"{root} {NO_LABELS}")
        table = path.name
        said = list(_by_table(root, path, counts))
    chosen = _one_a_file(said, table, dict(_meanings(classes or {})), counts)
    names = sorted({name for _, name in chosen})
    if len(names) < 2:
        raise RawReleaseError(f"{table}: {_too_few(names, counts)}")
    speakers = sorted({of.speaker for of, _ in chosen})
    if unknown := sum(of.speaker == UNKNOWN for of, _ in chosen):
        counts["speaker not known"] = unknown
    files = {
        p.resolve() for p in root.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file()
    }
    if others := len(files - {of.path for of in said}):
        counts[f"left out: not in {table}"] = others
    has_text = any(of.text for of, _ in chosen)
    rows: dict[Path, Row] = {
        of.path: {
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
    made = {"ROOT": root, "TABLE": table, "ROWS": rows, "CLASSES": emotions_of(names)}
    made |= {"COLUMNS": columns, "FOLDS": folds, "COUNTS": dict(counts)}
    return type(root.name, (FolderCorpus,), made | _card(root.name, table))


NO_LABELS = (
    f"has no {' or '.join(TABLES)}: name a CSV with the columns file, label and speaker, or how "
    "the paths are made, such as {speaker}_{}_{label} or {label}/{}"
)


def table_of(root: str | Path) -> Path | None:
    """A folder's CSV, by one of the names in `TABLES`; None where it has none.

    Example:
        >>> table_of("nowhere") is None
        True
    """
    return next((path for name in TABLES if (path := Path(root, name)).is_file()), None)


def _by_table(root: Path, table: Path, counts: Counter[str]) -> Iterator[Said]:
    names, lines = read_csv(table)
    of = {what: column(names, what) for what in ("file", "label", "speaker", "text", "start")}
    absent = [what for what in ("file", "label") if of[what] is None]
    if absent:
        had = ", ".join(names)
        other = "; ".join(f"{what} may be called {', '.join(COLUMNS[what])}" for what in absent)
        raise RawReleaseError(
            f"{table} has no column {', '.join(absent)}; it has {had:.300} ({other})"
        )
    files, first_absent = Files(root), ""
    for number, cells in lines:
        name, label, speaker, text, start = (cells[c] if c else "" for c in of.values())
        where = f"{table.name}, line {number}"
        if not name:
            raise RawReleaseError(f"{where}: no {of['file']}")
        try:
            path = files.find(name)
        except LabelsError as error:
            raise RawReleaseError(f"{where}: {error}") from None
        if path is None:
            first_absent = first_absent or f"{where}: no file {name!r:.200} in {root}"
            counts["left out: no such file"] += 1
        else:
            yield Said(where, name, path, label, _speaker(speaker), text, start)
    if len(lines) == counts["left out: no such file"]:
        raise RawReleaseError(first_absent or f"{table} names no clip")


def _by_pattern(root: Path, pattern: str, counts: Counter[str]) -> Iterator[Said]:
    pieces = _FIELD.split(unicodedata.normalize("NFC", pattern.replace("\\", "/")))
    fields = pieces[1::3]
    if "label" not in fields or "{" in "".join(pieces[::3]) or {*fields} - {*_FIELDS}:
        raise RawReleaseError(
            f"labels {pattern!r} is no pattern: it has {{label}}, and if wanted {{speaker}}, "
            "{text} and {} for anything; {label:1} is one character"
        )
    written = re.escape(pieces[0])
    for _, length, after in zip(fields, pieces[2::3], pieces[3::3], strict=True):
        written += f"([^/]{{{length}}})" if length else "([^/]+?)"
        written += re.escape(after)
    expression, depth = re.compile(written), pattern.count("/") + 1
    found = 0
    for path in sorted(
        p for p in root.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file()
    ):
        below = path.relative_to(root)
        whole = "/".join(unicodedata.normalize("NFC", part) for part in below.parts[-depth:])
        match = expression.fullmatch(whole[: -len(path.suffix)]) or (
            pattern.lower().endswith(path.suffix.lower()) and expression.fullmatch(whole)
        )
        if match:
            found += 1
            parts: dict[str, list[str]] = defaultdict(list)
            for field, value in zip(fields, match.groups(), strict=True):
                parts[field].append(value)
            label, speaker, text = ("_".join(parts[field]) for field in _FIELDS[1:])
            name = below.as_posix()
            yield Said(name, name, path.resolve(), label, _speaker(speaker), text, "")
    if not found:
        raise RawReleaseError(f"no recording in {root} is named as labels {pattern!r} says")


def _recordings(root: Path) -> list[Path]:
    files = root.rglob("*")
    return sorted(f for f in files if f.suffix.lower() in AUDIO_SUFFIXES and f.is_file())


def _speaker(name: str) -> str:
    return UNKNOWN if plain(name) in _NO_SPEAKER else unicodedata.normalize("NFC", name)


def _meanings(classes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for word, meant in classes.items():
        yield _word(word), common_class(meant) if meant else ""


def _word(label: str) -> str:
    """A label as it is looked up: 1.0, as spreadsheets write numbers, is 1."""
    return re.sub(r"^(\d+)\.0+$", r"\1", unicodedata.normalize("NFC", label).strip().casefold())


def _one_a_file(
    said: list[Said], table: str, meanings: dict[str, str], counts: Counter[str]
) -> list[tuple[Said, str]]:
    """Each file once, with its class; what has none is counted."""
    by_path: dict[Path, list[Said]] = defaultdict(list)
    for of in said:
        by_path[of.path].append(of)
    chosen, strange = [], Counter[str]()
    for lines in by_path.values():
        first = lines[0]
        for of in lines[1:]:
            if of.start != first.start:
                raise RawReleaseError(
                    f"{of.where}: {of.name!r} is there again with another start; a line is a whole "
                    "file here: cut the recording first (ffmpeg -i FILE -ss START -to END PART)"
                )
            if of.speaker != first.speaker or Path(of.name).name != Path(first.name).name:
                raise RawReleaseError(
                    f"{of.where}: {of.name!r} by {of.speaker} is the same file as {first.name!r} "
                    f"by {first.speaker}, {first.where}"
                )
        votes = Counter(_class(of.label, meanings) for of in lines).most_common()
        (name, is_class), n = votes[0]
        counts["further lines of one file"] += len(lines) - 1
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
