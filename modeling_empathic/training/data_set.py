"""Clips of a data set: on the Hub, in Parquet here, or as `save_to_disk` left it.

`datasets` reads them, which runs no code of theirs and keeps what it read on disk: memory holds a
few rows, however large the set.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from ..taxonomy import HEAD_NAMES
from .loading import not_whole
from .parts import as_wav
from .tables import LabelsError, column, has_audio, listed, named_table

FILE, SPEAKER = "file_name", "speaker"


@dataclass
class Read:
    """What was read of labelled clips.

    Attributes:
        rows: A clip each, by column; `FILE` is its name, `SPEAKER` who speaks, where it is known.
        clips: Paths, or encoded audio, in the same order.
        mark: A revision, or a fingerprint.
        notes: What a reader has to know.
        kept: What the clips need as long as they are used.
    """

    rows: list[dict[str, Any]]
    clips: Sequence[Any]
    mark: str
    notes: list[str] = field(default_factory=list)
    kept: Any = None


def is_data_set(folder: Path) -> bool:
    """Whether a folder, or a Parquet file, is a data set and no recordings with tables."""
    if folder.is_file():
        return folder.suffix.lower() == ".parquet" and has_audio(folder)
    if named_table(folder):
        return False
    stored = ("dataset_dict.json", "dataset_info.json")
    return any((folder / name).is_file() for name in stored) or any(
        has_audio(path) for path in folder.rglob("*.parquet")
    )


def read_data_set(
    data: str | Path, split: str | None, config: str | None = None, revision: str | None = None
) -> Read:
    """The rows of a data set, classes as words, and its audio, encoded.

    Args:
        data: Folder or Hub id.
        split: Its name, or several as `train+test`; None for all of them.
        config: Its configuration, where it has several.
        revision: On the Hub.

    Raises:
        LabelsError: No such set, split or configuration, or no column of audio.
    """
    import datasets
    from yaml import YAMLError  # type: ignore[import-untyped]

    try:
        loaded = _load(str(data), split, config, revision)
    except LabelsError:
        raise
    except IndexError:  # what it says of a stored split without a row
        raise LabelsError(f"data {data}: split {split!r} is empty") from None
    except (
        *(OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError),
        *(YAMLError, datasets.exceptions.DatasetsError),
    ) as error:
        raise LabelsError(f"data {data}: {_reason(Path(data), error)}") from None
    audio = _audio_column(loaded.features)
    if audio is None:
        raise LabelsError(f"data {data}: no column audio; there are {listed(loaded.column_names)}")
    if not isinstance(of := loaded.features[audio], dict) or "bytes" in of:
        loaded = loaded.cast_column(audio, datasets.Audio(decode=False))
    labels = loaded.select_columns([n for n, of in loaded.features.items() if _is_label(n, of)])
    if not labels.column_names:
        raise LabelsError(f"data {data}: nothing beside the audio")
    speaker = column([name for name in labels.column_names if name != FILE], SPEAKER)
    rows = []
    for number, (row, stored) in enumerate(zip(labels, _paths(loaded, audio), strict=True)):
        row = {name: _in_words(value, labels.features[name]) for name, value in row.items()}
        row[FILE] = row.get(FILE) or (PurePath(stored).name if stored else f"clip {number}")
        scores = row.pop("emotion_scores", None)  # Big: 40 numbers in the order of the paper, A.1
        if isinstance(scores, dict):
            row |= scores
        elif scores is not None:
            row |= dict(zip(HEAD_NAMES, scores, strict=False))
        if speaker:
            row[SPEAKER] = row[speaker]
        elif "voice" in row:
            row[SPEAKER] = row["voice"] or row.get("source_file") or row[FILE]
        rows.append(row)
    return Read(rows, _AudioColumn(loaded, audio), revision or loaded._fingerprint)


def _load(data: str, split: str | None, config: str | None, revision: str | None) -> Any:
    import datasets

    if any(Path(data, name).is_file() for name in ("dataset_dict.json", "dataset_info.json")):
        loaded = datasets.load_from_disk(data)
        if isinstance(loaded, datasets.DatasetDict) and split:
            if split not in loaded:
                raise LabelsError(f"data {data}: split {split!r} is none of {', '.join(loaded)}")
            return loaded[split]
    elif Path(data).is_file():
        loaded = datasets.load_dataset("parquet", data_files=data, split=split)
    else:
        loaded = datasets.load_dataset(data, config, split=split, revision=revision)
    if not isinstance(loaded, datasets.DatasetDict):
        return loaded
    parts = list(loaded.values())
    shared = [name for name in parts[0].column_names if all(name in p.features for p in parts)]
    return datasets.concatenate_datasets([part.select_columns(shared) for part in parts])


def _reason(data: Path, error: Exception) -> str:
    """What is wrong with a data set, with the file if it is one's footer."""
    import pyarrow as pa
    from datasets.exceptions import NonMatchingSplitsSizesError
    from pyarrow import parquet

    if isinstance(error, NonMatchingSplitsSizesError):
        return not_whole(error)
    for file in sorted(data.rglob("*.parquet")):
        try:
            parquet.read_metadata(file)
        except (OSError, pa.ArrowException):
            return f"{file.relative_to(data)} is damaged, or no Parquet"
    said = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
    return f"{'' if data.exists() else 'no such folder, and on the Hub: '}{said:.300}"


def _audio_column(features: Mapping[str, Any]) -> str | None:
    """The column of sound: files with or without their paths, or samples with their rate."""
    import datasets

    def is_audio(of: Any) -> bool:
        keys = {*of} if isinstance(of, dict) else set()
        binary = isinstance(of, datasets.Value) and of.dtype in ("binary", "large_binary")
        return (
            isinstance(of, datasets.Audio)
            or binary
            or "bytes" in keys
            or keys >= {"array", "sampling_rate"}
        )

    found = [name for name, of in features.items() if is_audio(of)]
    return "audio" if "audio" in found else next(iter(found), None)


def _is_label(name: str, feature: Any) -> bool:
    """Whether a column may say something of a clip: pictures, more sound and vectors do not."""
    import datasets

    feature = getattr(feature, "feature", feature)  # of a list
    if isinstance(feature, datasets.Value):
        return feature.dtype not in ("binary", "large_binary")
    return isinstance(feature, datasets.ClassLabel) or name == "emotion_scores"


def _paths(loaded: Any, audio: str) -> Iterator[str | None]:
    """What the clips' files were called, without reading these."""
    import pyarrow.compute as pc

    for batch in loaded.select_columns(audio).with_format("arrow").iter(1000):
        has_path = batch[audio].type.get_field_index("path") >= 0
        yield from (
            pc.struct_field(batch[audio], "path").to_pylist() if has_path else [None] * len(batch)
        )


def _in_words(value: Any, feature: Any) -> Any:
    """A class by its name; of a list of one, that one."""
    import datasets

    inner = getattr(feature, "feature", None)
    if isinstance(value, list) and inner is not None:
        words = [_in_words(each, inner) for each in value]
        return words[0] if len(words) == 1 else words
    if isinstance(feature, datasets.ClassLabel) and isinstance(value, int):
        return feature.int2str(value) if 0 <= value < feature.num_classes else None
    return value


class _AudioColumn(Sequence[Any]):
    """Encoded audio of a data set, read when asked for."""

    def __init__(self, loaded: Any, audio: str):
        self._loaded, self._audio = loaded.select_columns(audio), audio

    def __len__(self) -> int:
        return len(self._loaded)

    def __getitem__(self, row: Any) -> Any:
        audio = self._loaded[int(row)][self._audio] or {}
        if audio.get("array") and audio.get("sampling_rate"):
            return as_wav(np.asarray(audio["array"]), int(audio["sampling_rate"]))
        return audio.get("bytes") or audio.get("path") or b""
