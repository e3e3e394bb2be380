"""Scores audio files with a model: find the clips, decode ahead in threads, score in batches.

Every batch is a function of the input order alone. That is what lets an interrupted run go on
and still end in the very bytes of a run that was never stopped: a batch's size can move the last
bit of a float. So resume with the batch size that the run began with.
"""

import contextlib
import glob
import os
import stat
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modeling_empathic.audio import SAMPLE_RATE, AudioError, load_audio
from modeling_empathic.report.files import sha256
from modeling_empathic.taxonomy import UserError

from .channels import load_channels
from .cuts import Cuts
from .forward import score_windows
from .names import place
from .quality import judge

# A few kilobytes of near-silence decode to hours of samples, 230 MB an hour at 16 kHz.
MAX_DURATION_S = 4 * 3600
DEFAULT_BATCH_SIZE = 8
AUDIO_SUFFIXES = (
    *(".aac", ".aif", ".aiff", ".amr", ".au", ".caf", ".flac", ".m4a", ".mka", ".mp2", ".mp3"),
    *(".mp4", ".oga", ".ogg", ".opus", ".wav", ".wave", ".webm", ".wma"),
)
# Files waiting or being decoded may not exceed this together, so that of ordinary hour-long
# recordings one or two are held at a time while short clips queue up by the dozen. It counts bytes
# on disk: what a file decodes to is bounded by MAX_DURATION_S alone.
AHEAD_BYTES = 64 * 2**20
MAX_AHEAD = 120  # windows of a clip whose features are computed ahead: an hour of 30 s
SHORTEST = SAMPLE_RATE // 10  # samples: what a spectrogram needs, and no speech is shorter

Row = dict[str, Any]
AnyPath = str | os.PathLike[str]


class ScoringError(UserError):
    """Something the caller can put right: a path, an argument, a model, an output."""


def find_audio(paths: Iterable[AnyPath]) -> list[str]:
    """Turns files, folders and glob patterns into a list of clips.

    Folders are read recursively in sorted order and, like globs, give only files with an audio
    suffix (`AUDIO_SUFFIXES`), not hidden ones. A file that is named itself is taken whatever its
    suffix. A clip that is reached twice is listed once, where it came first.

    Args:
        paths: Files, folders, or patterns such as `"clips/**/*.wav"`.

    Returns:
        Paths as strings, in the order of the arguments.

    Raises:
        ScoringError: A path that does not exist, or a folder or pattern without audio.

    Example:
        >>> find_audio(["no/such/clip.wav"])
        Traceback (most recent call last):
        modeling_empathic.scoring.clips.ScoringError: no such file or folder: no/such/clip.wav
    """
    reached: dict[str, str] = {}  # where it is -> path as it was reached
    for given in (os.fspath(path) for path in paths):
        if os.path.isdir(given):  # noqa: PTH112 - Path("") would be the working directory
            clips = _audio_in(given)
        elif os.path.lexists(given) and given:
            clips = [str(Path(given))]
        elif glob.has_magic(given):
            matches = sorted(glob.glob(given, recursive=True))  # noqa: PTH207 - absolute ones too
            clips = [clip for match in matches for clip in _audio_at(match)]
        else:
            raise ScoringError(f"no such file or folder: {given or '(empty path)'}")
        if not clips:
            suffixes = " ".join(AUDIO_SUFFIXES)
            raise ScoringError(f"no audio found in {given} (looked for {suffixes})")
        for clip in clips:
            reached.setdefault(place(clip), clip)
    return list(reached.values())


def _audio_in(folder: str) -> list[str]:
    """Audio files below a folder, sorted by path; links to folders are not followed (loops)."""
    clips = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        clips += [Path(root, name) for name in files if _is_audio(name)]
    return [str(clip) for clip in sorted(clips)]


def _audio_at(match: str) -> list[str]:
    if Path(match).is_dir():
        return _audio_in(match)
    return [str(Path(match))] if _is_audio(Path(match).name) else []


def _is_audio(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in AUDIO_SUFFIXES


def score_files(
    paths: Iterable[AnyPath],
    model: Any,
    feature_extractor: Any,
    *,
    batch_size: int = DEFAULT_BATCH_SIZE,
    workers: int = 2,
    done: Mapping[str, str | None] | None = None,
    cuts: Cuts = Cuts(),
) -> Iterator[Row]:
    """Scores clips one after the other, decoding the next ones meanwhile.

    A clip is cut into windows, of 30 s (the feature extractor's length) unless `cuts` says
    otherwise, and gives one row for each;
    a clip that cannot be read or decoded, or that is longer than 4 h, gives a single row that says
    why, and the rest go on. Memory does not grow with the number of clips.

    Args:
        paths: Audio files, as `find_audio` lists them.
        model: An `EmpathicInsightModel`, on its device, in evaluation mode.
        feature_extractor: The `WhisperFeatureExtractor` that belongs to it.
        batch_size: Windows in one forward pass.
        workers: Threads that decode and compute log-mel features.
        done: SHA-256 of clips that need no scoring, by path; they give no rows.
        cuts: Lengths of the windows, and whether channels are scored one by one.

    Yields:
        Rows as in the score file: `path`, `clip_id` (SHA-256 of the file), `start_s` and `end_s`
        of the window, `duration_s` of the clip, one score a head on its native scale, `quality`
        (what makes them doubtful, see `quality.judge`; `""` if nothing does), `outcome`
        (`"scored"` or `"decode_error"`) and `error`; with separate channels, `channel` (from 1)
        behind `clip_id`.

    Raises:
        ScoringError: The device is out of memory, or the model gives scores that are not finite.

    Example:
        >>> model = EmpathicInsightModel.from_pretrained(folder)             # doctest: +SKIP
        >>> extractor = WhisperFeatureExtractor.from_pretrained(folder)      # doctest: +SKIP
        >>> for row in score_files(find_audio(["clips/"]), model, extractor):  # doctest: +SKIP
        ...     print(row["path"], row["start_s"], row["Anger"])
    """
    for group in score_groups(
        paths,
        model,
        feature_extractor,
        batch_size=batch_size,
        workers=workers,
        done=done,
        cuts=cuts,
    ):
        for clip_rows in group:
            yield from clip_rows


def score_groups(
    paths: Iterable[AnyPath],
    model: Any,
    feature_extractor: Any,
    *,
    batch_size: int,
    workers: int,
    done: Mapping[str, str | None] | None = None,
    on_skip: Callable[[], None] | None = None,
    cuts: Cuts = Cuts(),
    name_of: Callable[[AnyPath], str] | None = None,
) -> Generator[list[list[Row]]]:
    """As `score_files`, in groups of `batch_size` clips: the unit that a resumed run keeps.

    No batch reaches across a group, so scores do not depend on what was done before.
    `name_of` gives the name that a clip has in its rows and in `done`, by default its path.

    Yields:
        For each group a list of clips, each a list of rows.
    """
    if batch_size < 1 or workers < 1:
        raise ScoringError(f"batch size and workers must be positive: {batch_size}, {workers}")
    prepare = partial(
        prepare_clip,
        feature_extractor=feature_extractor,
        heads=model.config.head_names,
        done=done or {},
        cut=getattr(model.config, "cut_to_speech", False),
        cuts=cuts,
        name_of=name_of or printable,
    )
    ahead = workers + 2 * batch_size  # the next batch is ready while this one runs

    def unfinished() -> Generator[PreparedClip]:
        with contextlib.closing(prefetch(prepare, paths, workers=workers, ahead=ahead)) as clips:
            for clip in clips:
                if clip is not None:
                    yield clip
                elif on_skip is not None:
                    on_skip()

    with contextlib.closing(unfinished()) as clips:
        while group := _score_group(islice(clips, batch_size), model, batch_size):
            yield group


@dataclass
class PreparedClip:
    """A clip's rows, still without scores, and the `(mel_bins, frames)` features of each."""

    rows: list[Row]
    features: Iterable[npt.NDArray[np.float32]] = ()


def prepare_clip(
    path: AnyPath,
    feature_extractor: Any,
    heads: Sequence[str],
    done: Mapping[str, str | None],
    cut: bool = False,
    cuts: Cuts = Cuts(),
    name_of: Callable[[AnyPath], str] | None = None,
) -> PreparedClip | None:
    """Reads one clip: its SHA-256, its windows and their features; `None` if it is done.

    Features fill the extractor's 30 s, unless the model is cut to speech: the spectrogram of 27 s
    of padding would take longer than all the rest.
    """
    name = (name_of or printable)(path)
    clip_id = None
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise AudioError("not a regular file")  # a FIFO would block for ever
        clip_id = sha256(path)
        if name in done and done[name] == clip_id:
            return None
        channels = (
            load_channels(path, max_duration_s=MAX_DURATION_S)
            if cuts.separate
            else [load_audio(path, max_duration_s=MAX_DURATION_S)]
        )
    except (AudioError, OSError) as error:
        if name in done and done[name] == clip_id:
            return None  # could not be read then, cannot be read now
        start = {"path": name, "clip_id": clip_id} | cuts.column(None)
        return PreparedClip([_row(start, heads, error=_reason(error, path))])
    longest_s = feature_extractor.n_samples / SAMPLE_RATE
    clip = PreparedClip([])
    heard: list[npt.NDArray[np.float32]] = []  # windows
    failed: list[Row] = []  # behind the others, so that scores and features stay side by side
    for number, samples in enumerate(channels, 1):
        start = {"path": name, "clip_id": clip_id} | cuts.column(number)
        if isinstance(samples, AudioError):
            failed.append(_row(start, heads, error=str(samples)))
            continue
        duration_s = len(samples) / SAMPLE_RATE
        for span in cuts.spans(len(samples), longest_s):
            window = samples[span]
            heard.append(window)
            times = (span.start / SAMPLE_RATE, span.stop / SAMPLE_RATE, duration_s)
            clip.rows.append(_row(start, heads, *times, quality=judge(window)))
    clip.rows += failed

    def features(window: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        length = {"max_length": max(len(window), SHORTEST)} if cut else {}
        heard = feature_extractor(window, sampling_rate=SAMPLE_RATE, return_tensors="np", **length)
        array: npt.NDArray[np.float32] = heard["input_features"][0]
        return array

    # Four hours in steps of a second would be 14 GB: then each waits for its turn.
    clip.features = map(features, heard)
    if len(heard) <= MAX_AHEAD:
        clip.features = list(clip.features)
    return clip


def _row(
    start: Row,
    heads: Sequence[str],
    start_s: float | None = None,
    end_s: float | None = None,
    duration_s: float | None = None,
    quality: str | None = None,
    error: str | None = None,
) -> Row:
    """A row without scores, keys in the order of the score file's columns."""
    row = start | {"start_s": start_s, "end_s": end_s}
    row |= {"duration_s": duration_s, **dict.fromkeys(heads)}
    row["quality"] = quality
    return row | {"outcome": "scored" if error is None else "decode_error", "error": error}


def _reason(error: Exception, path: AnyPath) -> str:
    """The error without the file's name, which the row has already."""
    if isinstance(error, OSError):
        return f"cannot read the file: {error.strerror or error}"
    text = str(error)
    for name in (str(path), Path(path).name):
        text = text.removeprefix(f"{name}: ")
    return printable(text)


def printable(path: AnyPath) -> str:
    """The path as text that every file format can hold, even if its name is not UTF-8."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode("utf-8")


def prefetch(
    function: Callable[[Any], Any], items: Iterable[Any], *, workers: int, ahead: int
) -> Generator[Any]:
    """Maps a function over paths in threads, in order, at most `ahead` results early.

    Unlike `ThreadPoolExecutor.map`, which would take 10,000 clips at once.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    waiting: deque[tuple[Future[Any], int]] = deque()
    waiting_bytes = 0
    try:
        for item in items:
            size = _size(item)
            while waiting and (len(waiting) >= ahead or waiting_bytes + size > AHEAD_BYTES):
                future, done_size = waiting.popleft()
                waiting_bytes -= done_size
                yield future.result()
            waiting.append((pool.submit(function, item), size))
            waiting_bytes += size
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        pool.shutdown(cancel_futures=True)


def _size(path: Any) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _score_group(clips: Iterable[PreparedClip], model: Any, batch_size: int) -> list[list[Row]]:
    """Fills in the scores of a group's rows; features are let go as soon as a batch is full."""
    names = list(model.config.head_names)
    group: list[list[Row]] = []
    batch: list[tuple[Row, npt.NDArray[np.float32]]] = []
    for clip in clips:
        group.append(clip.rows)
        for row, features in zip(clip.rows, clip.features, strict=False):
            batch.append((row, features))
            if len(batch) == batch_size:
                _score_batch(batch, model, names)
                batch.clear()
    if batch:
        _score_batch(batch, model, names)
    return group


def _stacked(features: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Features as one array; shorter ones end in silence."""
    frames = max(part.shape[1] for part in features)
    return np.stack(
        [
            np.pad(part, ((0, 0), (0, frames - part.shape[1])), constant_values=part.min())
            for part in features
        ]
    )


def _score_batch(
    batch: list[tuple[Row, npt.NDArray[np.float32]]], model: Any, names: list[str]
) -> None:
    import torch

    features = torch.from_numpy(_stacked([features for _, features in batch]))
    if model.device.type == "cuda":
        features = features.pin_memory()
    try:
        scores = score_windows(model, features.to(model.device, non_blocking=True))
    except torch.OutOfMemoryError:
        raise ScoringError(
            f"out of memory on {model.device}: try a batch size below {len(batch)}"
        ) from None
    if not np.isfinite(scores).all():
        # Not the clip's fault (decoded samples are finite): no row may pretend that it is.
        raise ScoringError(f"the model gives scores that are not finite in {model.dtype}")
    for (row, _), values in zip(batch, scores.tolist(), strict=True):
        row.update(zip(names, values, strict=True))
