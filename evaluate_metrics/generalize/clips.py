"""The clips of an acted corpus, in their own files or in others that hold them, and scored."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from dataset_scripts.corpora import acted_corpora
from dataset_scripts.corpora.corpus import ActedCorpus
from dataset_scripts.corpora.folder import FolderCorpus, NoLabelsError, folder_corpus
from dataset_scripts.corpora.raw_release import RawReleaseError
from evaluate_metrics.bench.result import EvaluationError
from modeling_empathic.report.statistics import window_mean
from modeling_empathic.training.tables import tables_of

_ACOUSTICS = "acoustics_"
Progress = Callable[[str, int], Callable[[], None]]
"""Called with what begins and of how many steps it is; returns what to call after each."""


ACTED = acted_corpora()
"""Those of `dataset_scripts.corpora` that have coarse classes."""


def corpus_kind(
    corpus: str,
    root: str | Path | None = None,
    labels: str | Path | None = None,
    classes: Mapping[str, str] | None = None,
    split: str | None = None,
    config: str | None = None,
) -> type[ActedCorpus]:
    """The class of a corpus: one of `ACTED`, or anybody's: a folder with its labels, a data set.

    Args:
        corpus: One of `ACTED`, or any name for one of anybody's.
        root: Where that is.
        labels: Its table, or a pattern. See `folder_corpus`.
        classes: What labels mean that are no words for a class.
        split: Of a data set; by default all.
        config: Of a data set.

    Raises:
        EvaluationError: A name that is none of `ACTED`, and no labels.
        RawReleaseError: What is wrong with the labels.
        LabelsError: A table or a data set that cannot be read.
    """
    if labels is None and corpus in ACTED:
        return ACTED[corpus]
    try:
        return folder_corpus(root or "", labels, classes, split, config)
    except NoLabelsError as error:
        raise EvaluationError(
            f"unknown corpus {corpus!r}; choose from {', '.join(ACTED)}, or a name of yours: "
            f"{error}"
        ) from None


class CorpusClip(NamedTuple):
    """One clip.

    Attributes:
        path: Where its audio can be read while `open_corpus` is open.
        file_name: As published.
        label: Number of its class, in the order of the corpus's `CLASSES`.
        speaker: As the corpus names them.
        fold: Speaker-independent.
        acoustics: Measured features by name, where the corpus was built with them.
        fault: Why there is no audio, where that is known before it is read.
    """

    path: str
    file_name: str
    label: int
    speaker: str
    fold: int
    acoustics: dict[str, float] | None = None
    fault: str = ""


@contextmanager
def open_corpus(
    root: str | Path, kind: type[ActedCorpus], progress: Progress = lambda verb, total: lambda: None
) -> Iterator[list[CorpusClip]]:
    """The clips of a folder; what is no file of its own is unpacked for as long as it is open.

    Args:
        root: The corpus in its own files, or what `emonet-voice bench build --corpus` made of it.
        kind: Of [`corpus_kind`].
        progress: See [`Progress`].

    Raises:
        EvaluationError: A built folder without the columns of this corpus.
        RawReleaseError: No folder, no audio, or a name that is not the corpus's.
    """
    built = [] if issubclass(kind, FolderCorpus) else sorted(Path(root, "data").glob("*.parquet"))
    with ExitStack() as stack:
        if built:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="emonet-voice-")))
            rows = (row for file in built for row in _rows(file, kind))
            yield [_unpacked(folder / str(number), row) for number, row in enumerate(rows)]
        elif issubclass(kind, FolderCorpus):
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="emonet-voice-")))
            n = kind.n_unpacked()
            paths, faults = kind.unpacked(folder, *([progress("Unpacking", n)] if n else []))
            named = zip(paths, kind.NAMES, kind.ROWS.values(), strict=True)
            yield [
                _named(*of)._replace(fault=faults.get(number, ""))
                for number, of in enumerate(named)
            ]
        else:
            yield _clips_of(root, kind)


def _clips_of(root: str | Path, kind: type[ActedCorpus]) -> list[CorpusClip]:
    """The clips of a corpus in its own files; where there are none, what else the folder may be."""
    try:
        files, _ = kind.files(root)
        if clips := [_named(file, file.name, row) for file in files for row in kind.labels(file)]:
            return clips
        raise RawReleaseError(f"{root} has no clip of {kind.__name__}")
    except RawReleaseError as error:
        tables = tables_of(root)
        if not tables:
            raise
        raise EvaluationError(
            f"{error}. {Path(root).name} has {tables[0].name}: to use what it says, name the "
            f"corpus otherwise than {kind.__name__}, such as mine={root}"
        ) from None


def mapped_heads(kinds: Iterable[type[ActedCorpus]]) -> list[str]:
    """The emotions that are mapped to any class of these corpora, each once."""
    return list(dict.fromkeys(e for kind in kinds for es in kind.CLASSES.values() for e in es))


def _named(file: Path, name: str, row: Mapping[str, Any]) -> CorpusClip:
    return CorpusClip(str(file), name, row["label"], row["speaker"], row["fold"])


def _rows(file: Path, kind: type[ActedCorpus]) -> Iterator[dict[str, Any]]:
    """The rows of one Parquet file, a hundred in memory at a time."""
    import datasets
    from pyarrow import ArrowInvalid, parquet

    wanted = ["audio", "file_name", "label", "speaker", "fold"]
    name = kind.__name__
    try:
        schema = parquet.read_schema(file)
    except ArrowInvalid as error:
        raise EvaluationError(f"{file} is not Parquet: {error}") from None
    absent = [column for column in wanted if column not in schema.names]
    if absent:
        raise EvaluationError(f"{file} has no column {', '.join(absent)}: is it {name}?")
    label = datasets.Features.from_arrow_schema(schema)["label"]
    names = list(kind.CLASSES)
    if getattr(label, "names", None) != names:
        raise EvaluationError(f"{file}: its classes are not those of {name}: {', '.join(names)}")
    measured = [column for column in schema.names if column.startswith(_ACOUSTICS)]
    for batch in parquet.ParquetFile(file).iter_batches(100, columns=[*wanted, *measured]):
        yield from batch.to_pylist()


def _unpacked(path: Path, row: Mapping[str, Any]) -> CorpusClip:
    """Writes a row's audio under a name of ours: what the data say is no path."""
    path.write_bytes((row["audio"] or {}).get("bytes") or b"")
    features = {
        name.removeprefix(_ACOUSTICS): value
        for name, value in row.items()
        if name.startswith(_ACOUSTICS)
    }
    return CorpusClip(
        str(path), row["file_name"], row["label"], row["speaker"], row["fold"], features or None
    )


class Scored(NamedTuple):
    """A model's scores of all clips, NaN where a clip failed.

    Attributes:
        scores: `(clips,)` by emotion, means over windows weighted by their length.
        outcomes: `(clips,)`, `scored` or `decode_error`.
        clip_ids: SHA-256 of each clip.
        duration_s: `(clips,)`, NaN where a clip failed.
        failed: Why clips failed, and how many.
    """

    scores: dict[str, np.ndarray]
    outcomes: np.ndarray
    clip_ids: list[str]
    duration_s: np.ndarray
    failed: Mapping[str, int] = {}


def score_clips(
    clips: Sequence[CorpusClip], model: Any, extractor: Any, advance: Callable[[], None]
) -> Scored:
    """Scores all clips; one that cannot be decoded is an outcome, and the others go on."""
    from modeling_empathic.scoring.clips import DEFAULT_BATCH_SIZE, score_groups

    names = model.config.head_names
    scores = {name: np.full(len(clips), np.nan) for name in names}
    outcomes, clip_ids, duration_s = [], [], np.full(len(clips), np.nan)
    failed = Counter[str]()
    groups = score_groups(
        [clip.path for clip in clips],
        model,
        extractor,
        batch_size=DEFAULT_BATCH_SIZE,
        workers=min(8, os.cpu_count() or 1),
    )
    for i, windows in enumerate(windows for group in groups for windows in group):
        outcomes.append(windows[0]["outcome"])
        clip_ids.append(windows[0]["clip_id"] or "")
        if outcomes[-1] == "scored":
            duration_s[i] = windows[0]["duration_s"]
            lengths_s = [window["end_s"] - window["start_s"] for window in windows]
            means = window_mean([[window[name] for name in names] for window in windows], lengths_s)
            for name, mean in zip(names, means, strict=True):
                scores[name][i] = mean
        else:
            failed[clips[i].fault or windows[0]["error"].removeprefix(f"{clips[i].path}: ")] += 1
        advance()
    return Scored(scores, np.array(outcomes), clip_ids, duration_s, failed)


def heard_speakers(model: str, corpus: str, revision: str | None = None) -> list[str]:
    """The corpus's speakers that a model was trained on, as its `training.json` says.

    Example:
        >>> from modeling_empathic import NANO
        >>> heard_speakers(str(NANO), "emodb")
        ['03', '08', '09', '10', '11', '13']
    """
    from modeling_empathic.reference_scores import model_file

    path = model_file(model, "training.json", revision)
    try:
        training = json.loads(path.read_text("utf-8"))["training"] if path else {}
        return [str(speaker) for speaker in training.get(f"{corpus}_speakers", [])]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []  # another program's training.json


def met_speakers(
    clips: Sequence[CorpusClip],
    kind: type[ActedCorpus],
    model: str,
    corpus: str,
    revision: str | None = None,
) -> list[str]:
    """The speakers of these clips that a model was trained on, as the clips name them.

    A folder with a CSV may be a copy of a corpus that the model was trained on: its clips are
    known by their file names, and nothing is known of those that were named anew.
    """
    named = {clip.speaker for clip in clips}.intersection(heard_speakers(model, corpus, revision))
    for name, acted in ACTED.items() if issubclass(kind, FolderCorpus) else ():
        known = heard_speakers(model, name, revision)
        named |= {clip.speaker for clip in clips if known and _speaker(clip, acted) in known}
    return sorted(named)


def _speaker(clip: CorpusClip, kind: type[ActedCorpus]) -> str | None:
    """Whom a corpus would take a clip to be of, by its file name; None where it is not its."""
    try:
        return str(kind.parse_name(clip.file_name)["speaker"])
    except RawReleaseError:
        return None
