"""Clips with 40 scores as what Whisper learns from: audio, and the tokens of a caption.

A data set has a column `audio` and either `emotion_scores` (40 numbers in the order of the
taxonomy, or a mapping from names) or one column for each emotion, in any spelling; all on 0-4. Its
captions, where it has any, are used as they are: the paper's are paraphrases (3.4, step 3).
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..audio import SAMPLE_RATE, AudioError, load_audio
from ..report.files import is_hub_id
from ..taxonomy import EMOTION_NAMES, UnknownNameError, UserError, resolve
from .captions import CaptionError, levels_of, make_caption
from .loading import load_split
from .tables import listed

IGNORED = -100  # the label that transformers' losses leave out
SHUFFLE_BUFFER = 1_000  # clips that a stream is mixed over


class DataError(UserError):
    """A data set that cannot be learned from; the message names column, clip or split."""


def load_clips(
    source: str | Path,
    split: str,
    *,
    config: str | None = None,
    revision: str | None = None,
    streaming: bool = False,
) -> Any:
    """One split of a data set, its audio not decoded.

    Args:
        source: Folder (of `save_to_disk`, of Parquet, or of audio with a metadata.csv) or Hub id.
        split: Its name; of a data set that is not streamed also a part: `"train[:90%]"`.
        config: Its configuration, where it has several.
        revision: Branch, tag or commit on the Hub.
        streaming: Whether to read it while it is used instead of storing it first.

    Returns:
        A `datasets.Dataset`, or an `IterableDataset` with `streaming`.

    Raises:
        DataError: No such data set or split, no column `audio`, or nothing in it.
    """
    import datasets

    folder = Path(source)
    if not folder.is_dir() and not is_hub_id(str(source)):
        raise DataError(f"data {source}: no such folder, and not a Hub id (owner/name)")
    try:
        if (folder / "dataset_dict.json").is_file():
            names = json.loads((folder / "dataset_dict.json").read_text("utf-8"))["splits"]
            if split not in names:
                raise DataError(f"split {split!r}: {folder.name} has {listed(names)}")
            clips = datasets.load_from_disk(str(folder / split))
            clips = clips.to_iterable_dataset() if streaming else clips
        else:
            clips = load_split(
                str(source), split, name=config, revision=revision, streaming=streaming
            )
    except DataError:
        raise
    except UserError as error:
        raise DataError(str(error)) from None
    except IndexError:  # what datasets says of a stored split without a row
        raise DataError(f"split {split!r} is empty") from None
    except (ValueError, FileNotFoundError, ConnectionError) as error:
        raise DataError(f"data {source}, split {split!r}: {error}") from error
    return _checked(clips, split)


def _checked(clips: Any, split: str) -> Any:
    import datasets

    columns = clips.column_names or list(next(iter(clips), {}))
    if next(iter(clips), None) is None:
        raise DataError(f"split {split!r} is empty")
    if "audio" not in columns:
        raise DataError(f"column 'audio' is missing; there are {listed(columns)}")
    return clips.cast_column("audio", datasets.Audio(decode=False))


def hold_out(clips: Any, count: int) -> tuple[Any, Any]:
    """The first `count` clips, and the others.

    Raises:
        DataError: There are no others.
    """
    if streaming(clips):
        return clips.take(count), clips.skip(count)
    if len(clips) <= count:
        raise DataError(f"{len(clips)} clips: holding out {count} leaves none to learn from")
    return clips.select(range(count)), clips.select(range(count, len(clips)))


def streaming(clips: Any) -> bool:
    """Whether clips are read as a stream, of a length that nobody knows."""
    return not hasattr(clips, "__len__")


def read_scores(columns: Sequence[str]) -> Callable[[dict[str, Any]], list[float]]:
    """How to take the 40 scores out of a row with these columns.

    Raises:
        DataError: An emotion has no column, or two.

    Example:
        >>> read_scores(["audio", "emotion_scores"])({"emotion_scores": 40 * [1.0]})[:2]
        [1.0, 1.0]
        >>> read_scores(["audio", "anger"])
        Traceback (most recent call last):
        ...
        modeling_empathic.training.caption_data.DataError: no column 'emotion_scores', and 39 of \
the 40 emotions have none of their own: Amusement, Elation, Pleasure/Ecstasy, ...
    """
    if "emotion_scores" in columns:
        return lambda row: _in_order(row["emotion_scores"])
    found = _by_name(columns)
    missing = [name for name in EMOTION_NAMES if name not in found]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise DataError(
            f"no column 'emotion_scores', and {len(missing)} of the 40 emotions have none of "
            f"their own: {shown}"
        )
    return lambda row: [row[found[name]] for name in EMOTION_NAMES]


def _by_name(spellings: Iterable[str]) -> dict[str, str]:
    """Emotion to the spelling in use."""
    found: dict[str, str] = {}
    for spelling in spellings:
        try:
            name = resolve(spelling)
        except UnknownNameError:
            continue
        if name in found:
            raise DataError(f"{name} has two columns: {found[name]!r} and {spelling!r}")
        found[name] = spelling
    return found


def _in_order(scores: Any) -> list[float]:
    if not isinstance(scores, dict):
        return list(scores)
    found = _by_name(scores)
    return [scores[found[name]] if name in found else np.nan for name in EMOTION_NAMES]


@dataclass(frozen=True)
class Captioned:
    """Clips ready for the trainer.

    Attributes:
        clips: Rows of `audio`, `labels` (tokens of the caption and its end) and their `length`.
        scores: `(clips, 40)`, None of a stream.
        facts: What they were, for the record: rows, own captions, fingerprint.
    """

    clips: Any
    scores: np.ndarray | None
    facts: dict[str, Any]


def with_captions(
    clips: Any,
    tokens: Callable[[str], list[int]],
    *,
    seed: int = 0,
    caption_column: str = "caption",
    most: int | None = None,
) -> Captioned:
    """Gives every clip its caption: its own where `caption_column` has one, else a made one.

    Args:
        clips: As [`load_clips`] gives them.
        tokens: From a caption to its tokens.
        seed: Of the made captions.
        caption_column: Column with paraphrases; it need not be there.
        most: Only the first so many clips; a stream of those becomes a data set that is stored.

    Raises:
        DataError: A column is missing, a score outside 0-4 or missing, or no clips.
    """
    import datasets

    if streaming(clips) and most is not None:
        rows = list(clips.take(most))
        clips = datasets.Dataset.from_list(rows, features=clips.features)
    columns = clips.column_names or list(next(iter(clips), {}))
    scores_of = read_scores(columns)

    def learned(row: dict[str, Any], index: int) -> dict[str, Any]:
        try:
            scores = scores_of(row)
            levels_of(scores)  # paraphrased clips too: evaluation compares with the scores
        except (CaptionError, TypeError, ValueError) as error:
            raise DataError(f"clip {index}: {error}") from None
        own = row.get(caption_column)
        caption = own or make_caption(scores, [seed, index])
        labels = tokens(caption)
        return {"labels": labels, "length": len(labels), "scores": scores, "own": bool(own)}

    if streaming(clips):
        ready = clips.map(learned, with_indices=True, remove_columns=[*set(columns) - {"audio"}])
        return Captioned(ready.remove_columns(["scores", "own"]), None, {"rows": None})
    if most is not None:
        clips = clips.select(range(min(most, len(clips))))
    if not len(clips):
        raise DataError("there are no clips")
    others = clips.select_columns([name for name in columns if name != "audio"])
    made = [learned(row, index) for index, row in enumerate(others)]
    scores = np.array([row.pop("scores") for row in made], np.float32)
    own = sum(row.pop("own") for row in made)
    audio = clips.select_columns(["audio"])
    facts = {"rows": len(made), "own_captions": own, "sha256": _fingerprint(audio, made, scores)}
    ready = datasets.concatenate_datasets([audio, datasets.Dataset.from_list(made)], axis=1)
    return Captioned(ready, scores, facts)


def _fingerprint(audio: Any, made: list[dict[str, Any]], scores: np.ndarray) -> str:
    """SHA-256 over captions, scores, and each clip's file name and size: not over the sound."""
    import pyarrow.compute as pc

    digest = hashlib.sha256(scores.tobytes())
    digest.update(json.dumps([row["labels"] for row in made]).encode())
    for batch in audio.with_format("arrow").iter(1_000):
        paths = pc.struct_field(batch["audio"], "path").to_pylist()
        sizes = pc.binary_length(pc.struct_field(batch["audio"], "bytes")).to_pylist()
        for path, size in zip(paths, sizes, strict=True):
            file = Path(path) if path else None
            if size is None and file is not None and file.is_file():
                size = file.stat().st_size
            digest.update(f"{file.name if file else ''} {size}\n".encode())
    return digest.hexdigest()


def note_unreadable(file: Path, error: AudioError) -> None:
    """Adds a line about a clip that cannot be read."""
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"error": str(error)}) + "\n")


def readable(captioned: Captioned, unreadable: Path) -> Captioned:
    """Without the clips that cannot be read, which get their lines: for an evaluation.

    Raises:
        DataError: None can be read.
    """
    assert captioned.scores is not None
    kept = []
    for index, row in enumerate(captioned.clips):
        try:
            load_audio(row["audio"])
        except AudioError as error:
            note_unreadable(unreadable, error)
        else:
            kept.append(index)
    if not kept:
        raise DataError("none of the clips to evaluate on can be read")
    return replace(captioned, clips=captioned.clips.select(kept), scores=captioned.scores[kept])


class Collator:
    """Rows to a batch: decoded, cut to the window, log-mel; captions padded.

    A clip that cannot be read is silence without a caption: nothing is learned from it, it keeps
    its place, and `unreadable` gets a line.

    Args:
        extractor: A `WhisperFeatureExtractor` of the window's length.
        unreadable: JSON-lines file for clips that cannot be read.
    """

    def __init__(self, extractor: Any, unreadable: Path) -> None:
        self.extractor, self.unreadable = extractor, unreadable

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch: `input_features` `(rows, mels, frames)` and `labels` `(rows, tokens)`."""
        import torch

        longest = max(len(row["labels"]) for row in rows)
        labels = torch.full((len(rows), longest), IGNORED)
        sounds = []
        for row, target in zip(rows, labels, strict=True):
            try:
                sounds.append(load_audio(row["audio"])[: self.extractor.n_samples])
            except AudioError as error:
                sounds.append(np.zeros(SAMPLE_RATE, np.float32))
                note_unreadable(self.unreadable, error)
                continue
            target[: len(row["labels"])] = torch.as_tensor(row["labels"])
        features = self.extractor(sounds, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        return {"input_features": features["input_features"], "labels": labels}
