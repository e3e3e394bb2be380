"""Labelled clips: a folder with a table, a data set of the Hub, or classes that mean heads."""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..report.files import is_hub_id, read_json
from ..taxonomy import EMOTION_SCALE, HEAD_NAMES, UnknownNameError, UserError, head, resolve
from .data_set import FILE, SPEAKER, is_data_set, read_data_set
from .folder import LABEL, read_folder
from .lines import copies
from .settings import TrainingError
from .tables import LabelsError, is_empty, listed, plain
from .tables import column as column_for

PART = "split"
CLASS_COLUMNS = (LABEL, "emotion", "class")
PARTS = ("train", "validation", "test")
LabelMap = Mapping[str, Mapping[str, float]]
"""Class -> head -> its target; a head that a class does not name has the low end of its scale."""


@dataclass
class LabelledClips:
    """Clips and what is known of them.

    Attributes:
        clips: Paths, or encoded audio.
        names: Of the clips, for messages and the split.
        targets: Head -> `(clips,)` on the head's scale, NaN where unknown.
        scales: Head -> its scale.
        speakers: Of the clips, where known.
        classes: Coarse class of each clip, where the labels are classes.
        label_map: What the classes mean.
        parts: `train`, `validation` or `test` of each clip, where the data say so.
        source: What a card calls the data.
        revision: A commit, or a fingerprint of the files.
        notes: What a reader has to know.
        kept: What the clips need as long as they are used.
    """

    clips: Sequence[Any]
    names: list[str]
    targets: dict[str, np.ndarray]
    scales: dict[str, tuple[float, float]]
    source: str
    revision: str
    speakers: list[str] | None = None
    classes: list[str] | None = None
    label_map: LabelMap | None = None
    parts: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    kept: Any = None


def read_labels(
    data: str | Path,
    *,
    heads: Sequence[str] = (),
    new_heads: Mapping[str, tuple[float, float]] | None = None,
    label_map: LabelMap | None = None,
    known: Sequence[str] = HEAD_NAMES,
    split: str = "train",
    config: str | None = None,
    revision: str | None = None,
) -> LabelledClips:
    """Reads labels from a folder with a table, from class folders, or from a data set.

    The table (see `tables_of`) has a column `file_name` and either one column a head with numbers
    on its scale, empty where unknown, or a column `label` with words. `speaker` and `split` (train,
    validation, test) are used where they are there; with `start` and `end` or `channel` a line is
    that part of a recording (`parts`). Without a table the folders are the words. A data set has
    the same columns and `audio`; of EmoNet-Voice Big `emotion_scores` is read, and whose `voice`
    it is counts as the speaker. Columns may have any of the names of `tables.COLUMNS`.

    Args:
        data: Folder, table, id of a data set, or folder of one in Parquet.
        heads: Heads to read; by default every column that is named as one.
        new_heads: Further heads by name, with their scales.
        label_map: What words mean. By default a word is the name of a head, 4 or the top of its
            scale where it is said, the bottom elsewhere.
        known: Names of the heads that the model has.
        split: Of a data set.
        config: Of a data set: its configuration, where it has several.
        revision: Of a data set.

    Raises:
        TrainingError: No table, a missing column or file, a label that is no number or outside the
            head's scale, a word that means nothing.
    """
    path = Path(data)
    if path.exists():
        source = path.resolve().stem if path.is_file() else path.resolve().name
    elif is_hub_id(str(data)):
        source = str(data)
    else:
        raise TrainingError(f"data {data}: no such folder, and not the id of a data set")
    try:
        is_set = not path.exists() or is_data_set(path)
        read = read_data_set(data, split, config, revision) if is_set else read_folder(path)
    except LabelsError as error:
        raise TrainingError(str(error)) from None
    rows = read.rows
    if not rows:
        raise TrainingError(f"data {data}: the table has no rows")
    columns = list(rows[0])
    new_heads = {_canonical(name): scale for name, scale in (new_heads or {}).items()}
    asked = {_canonical(name): _scale(name) for name in heads} | new_heads
    if taken := [name for name in asked if name in (FILE, SPEAKER, PART, *CLASS_COLUMNS)]:
        raise TrainingError(
            f"head {taken[0]!r}: a column of that name says something else of a clip; call the "
            "head otherwise"
        )
    # A column that is asked for as a head is one, whatever else a name in another tongue may mean.
    word_column = column_for([name for name in columns if _canonical(name) not in asked], LABEL)
    by_head = {_canonical(column): column for column in columns}
    for column in columns:
        if (other := by_head[_canonical(column)]) != column:
            raise TrainingError(f"data {data}: columns {column!r} and {other!r} are one head")
    found = {
        name: by_head[name]
        for name in list(asked) or dict.fromkeys([*HEAD_NAMES, *known])
        if name in by_head and by_head[name] not in (FILE, SPEAKER, PART, word_column)
    }
    speakers, notes = _speakers(rows, data), []
    if speakers and not is_set and (twice := copies(read.clips, speakers)):
        said = listed([rows[place][FILE] for place in twice][:3])
        notes = [
            f"{len(twice):,} of {len(rows):,} clips are copies of another speaker's ({said}): they "
            "teach what they are measured by, so take them out"
        ]
    labelled = LabelledClips(
        read.clips, [row[FILE] for row in rows], {}, {}, source, read.mark,
        speakers=speakers, parts=_checked_parts(_column(rows, PART), data),
        notes=[*read.notes, *notes], kept=read.kept,
    )  # fmt: skip
    if label_map is not None or (not found and word_column):
        if word_column is None:
            raise TrainingError(
                f"data {data}: a label map needs a column label, emotion or class; there are "
                f"{listed(columns)}"
            )
        words = [str(row[word_column]).strip() for row in rows]
        return with_classes(labelled, words, label_map, asked, only=list(asked) if heads else ())
    missing = [name for name in asked if name not in found]
    if missing or not found:
        raise TrainingError(
            f"data {data}: no column for {listed(missing) or 'any head'}; there are "
            f"{listed(columns)}"
        )
    for name, column in found.items():
        scale = asked.get(name) or _scale(name)
        labelled.scales[name] = scale
        labelled.targets[name] = np.array(
            [_number(row[column], name, scale, row[FILE]) for row in rows]
        )
    return labelled


def with_classes(
    labelled: LabelledClips,
    words: Sequence[str],
    label_map: LabelMap | None,
    scales: Mapping[str, tuple[float, float]] | None = None,
    only: Sequence[str] = (),
) -> LabelledClips:
    """The same clips, with targets from coarse classes.

    Args:
        labelled: Clips, without targets.
        words: The class of each.
        label_map: What classes mean; one that it does not have is the name of a head.
        scales: Of heads that are asked for, also such as the taxonomy does not know; with them, a
            class may be one of these.
        only: Heads to train; what else a class means is no matter then.

    Raises:
        TrainingError: A class that means nothing, a target outside its scale, a head that no class
            means, or clips that are all alike.

    Example:
        >>> two = LabelledClips(["a.wav", "b.wav"], ["a", "b"], {}, {}, "demo", "")
        >>> with_classes(two, ["anger", "awe"], None).targets["Awe"].tolist()
        [0.0, 4.0]
    """
    scales = dict(scales or {})
    known = sorted(set(words))
    own = {name.casefold(): name for name in scales}
    rest = [word for word in known if word not in (label_map or {})]
    names = {word: own.get(_canonical(word).casefold()) or _canonical(word) for word in rest}
    strange = [word for word in rest if names[word] not in (*scales, *HEAD_NAMES)]
    if strange and label_map is None:
        raise TrainingError(
            f"label {listed(map(repr, strange))} is the name of no head: say in a label map "
            f'what it means ({{"{strange[0]}": {{"A HEAD": 4}}, …}}), or add a new head for it'
        )
    if strange:
        raise TrainingError(
            f"label {listed(map(repr, strange))} is not in the label map, which has "
            f"{listed(label_map or ())}, and is the name of no head; {{}} says that a word has "
            "none of the heads"
        )
    heads = {word: {name: (scales.get(name) or _scale(name))[1]} for word, name in names.items()}
    label_map = {**heads, **(label_map or {})}
    if only:
        label_map = {
            word: {name: value for name, value in meant.items() if name in only}
            for word, meant in label_map.items()
        }
    meant_heads = {name for meant in label_map.values() for name in meant}
    if missing := [name for name in scales if name not in meant_heads]:
        raise TrainingError(
            f"no label means {listed(missing)}; there are {listed(known)}: say in a label map "
            "which one does"
        )
    if not any(label_map.values()):
        raise TrainingError("the label map names no head: give at least one word a meaning")
    for name in dict.fromkeys(name for meant in label_map.values() for name in meant):
        scale = scales.get(name) or _scale(name)
        values = {
            word: _number(meant.get(name, scale[0]), name, scale, f"label map, {word}")
            for word, meant in label_map.items()
        }
        labelled.scales[name] = scale
        labelled.targets[name] = np.array([values[word] for word in words])
    if all(len(set(target)) == 1 for target in labelled.targets.values()):
        raise TrainingError(
            f"every clip's label is {listed(map(repr, known))}: a head learns from what differs, "
            "so clips of another class are needed"
        )
    labelled.classes, labelled.label_map = list(words), label_map
    return labelled


def read_label_map(path: Path) -> dict[str, dict[str, float]]:
    """A label map from JSON: `{"happy": {"Elation": 3}, "angry": ["Anger"]}`, a list for the top.

    Raises:
        TrainingError: No such file, no JSON, or of another shape.
    """
    try:
        content = read_json(path)
        for word, meant in content.items():
            if not isinstance(meant, dict | list):
                raise ValueError(f"{word!r} means {meant!r}")
        found = {
            word: {
                _canonical(name): float(meant[name]) if isinstance(meant, dict) else _scale(name)[1]
                for name in meant
            }
            for word, meant in content.items()
        }
        if not all(math.isfinite(value) for meant in found.values() for value in meant.values()):
            raise ValueError("a target that is no number")
    except (UserError, ValueError, TypeError, OverflowError) as error:
        raise TrainingError(
            f'label map {path}: {error}; it looks like {{"happy": {{"Elation": 3}}}}'
        ) from None
    return found


def _canonical(name: str) -> str:
    try:
        return resolve(name)
    except UnknownNameError:
        return unicodedata.normalize("NFC", name)  # an umlaut may be one character, or two


def _scale(name: str) -> tuple[float, float]:
    name = _canonical(name)
    return head(name).scale if name in HEAD_NAMES else EMOTION_SCALE


def _number(value: Any, name: str, scale: tuple[float, float], where: str) -> float:
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TrainingError(f"{where}: {name} is {value!r}, which is no number") from None
    if not math.isnan(number) and not scale[0] <= number <= scale[1]:
        raise TrainingError(
            f"{where}: {name} is {value!s:.60}, outside its scale of {scale[0]:g} to {scale[1]:g}"
        )
    return number


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> list[str] | None:
    return [str(row[name]).strip() for row in rows] if name in rows[0] else None


def _speakers(rows: Sequence[Mapping[str, Any]], data: object) -> list[str] | None:
    """Of the clips; None where no clip has one."""
    if SPEAKER not in rows[0]:
        return None
    speakers = ["" if row[SPEAKER] is None else str(row[SPEAKER]).strip() for row in rows]
    unknown = [row[FILE] for row, speaker in zip(rows, speakers, strict=True)
               if is_empty(speaker) or plain(speaker) == "unknown"]  # fmt: skip
    if unknown and len(unknown) < len(rows):
        raise TrainingError(
            f"data {data}: {len(unknown):,} of {len(rows):,} clips have no speaker "
            f"({listed(unknown[:3])}): who speaks decides which clips may teach; say it, or "
            "leave these clips out"
        )
    return None if unknown else speakers


def _checked_parts(parts: list[str] | None, data: object) -> list[str] | None:
    for part in set(parts or ()) - set(PARTS):
        raise TrainingError(f"data {data}: split {part!r} is not one of {', '.join(PARTS)}")
    return parts
