"""Scores audio files with a model: find the clips, decode ahead in threads, score in batches.

Every batch is a function of the input order alone. That is what lets an interrupted run go on
and still end in the very bytes of a run that was never stopped: a batch's size can move the last
bit of a float. So resume with the batch size that the run began with.
"""

import contextlib
import errno
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

from modeling_empathic.audio import (
    SAMPLE_RATE,
    AudioError,
    Sound,
    read_audio,
    read_channels,
)

from .cuts import Cuts
from .forward import score_windows
from .listing import AnyPath, ScoringError, find_audio
from .names import path_text
from .profiling import timed
from .quality import judge
from .reading import Budget, opened

__all__ = ["ScoringError", "find_audio", "score_files", "score_groups"]

# A few kilobytes of near-silence decode to hours of samples, 230 MB an hour at 16 kHz.
MAX_DURATION_S = 4 * 3600
DEFAULT_BATCH_SIZE = 8
# Files waiting or being decoded may not exceed this together, so that of ordinary hour-long
# recordings one or two are held at a time while short clips queue up by the dozen. That counts
# bytes on disk; what they decode to, a thousand times more of silence, has a bound of its own.
AHEAD_BYTES = 64 * 2**20
AHEAD_SAMPLES = 3600 * SAMPLE_RATE  # 230 MB
MAX_AHEAD = 120  # windows of a clip whose features are computed ahead: an hour of 30 s
# Samples after a window for a model that is cut to speech: it keeps 40 ms beside the speech, and a
# spectrogram's frames reach 13 ms further. What would follow in 30 s of padding is the same to it.
SILENCE = SAMPLE_RATE // 5

THIS_TIME = "not read this time: "
"""Begins the error of a clip whose reading another run may have better luck with."""
_PASSING = {
    getattr(errno, name)
    for name in (
        *("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "ENOSPC", "EDQUOT", "EIO", "EAGAIN", "EINTR"),
        *("EBUSY", "ETXTBSY", "ESTALE", "EREMOTEIO", "ETIMEDOUT", "ENETDOWN", "ENETUNREACH"),
        *("ENETRESET", "ECONNRESET", "ECONNABORTED", "ECONNREFUSED", "EHOSTDOWN", "EHOSTUNREACH"),
        *("ENOTCONN", "ESHUTDOWN", "EPIPE", "ENOLINK", "ECOMM", "EPROTO", "ENOLCK"),
    )
    if hasattr(errno, name)  # not all are of every system
}


Row = dict[str, Any]


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
        name_of=name_of or path_text,
    )
    ahead = workers + 2 * batch_size  # the next batch is ready while this one runs

    def unfinished() -> Generator[PreparedClip]:
        with contextlib.closing(
            prefetch(prepare, paths, workers=workers, ahead=ahead, budget=Budget(AHEAD_SAMPLES))
        ) as clips:
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
    reserve: Callable[[int], None] | None = None,
) -> PreparedClip | None:
    """Reads one clip: its SHA-256, its windows and their features; `None` if it is done.

    Features fill the extractor's 30 s, unless the model is cut to speech: the spectrogram of 27 s
    of padding would take longer than all the rest.
    """
    name = (name_of or path_text)(path)
    clip_id = None
    try:
        with timed("decode"), opened(path) as (file, clip_id):
            if name in done and done[name] == clip_id:
                return None
            limits: dict[str, Any] = {"max_duration_s": MAX_DURATION_S, "reserve": reserve}
            channels: list[Sound | AudioError] = (
                read_channels(file, name=str(path), **limits)
                if cuts.separate
                else [read_audio(file, name=str(path), **limits)]
            )
    except (AudioError, OSError, MemoryError) as error:
        if name in done and done[name] == clip_id and not _passing(error):
            return None  # could not be read then, cannot be read now
        start = {"path": name, "clip_id": clip_id} | cuts.column(None)
        return PreparedClip([_row(start, heads, error=_reason(error, path))])
    longest_s = feature_extractor.n_samples / SAMPLE_RATE
    clip = PreparedClip([])
    heard: list[npt.NDArray[np.float32]] = []  # windows
    failed: list[Row] = []  # behind the others, so that scores and features stay side by side
    for number, sound in enumerate(channels, 1):
        start = {"path": name, "clip_id": clip_id} | cuts.column(number)
        if isinstance(sound, AudioError):
            failed.append(_row(start, heads, error=str(sound)))
            continue
        samples = sound.samples
        duration_s = len(samples) / SAMPLE_RATE
        for span in cuts.spans(len(samples), longest_s):
            window = samples[span]
            heard.append(window)
            times = (span.start / SAMPLE_RATE, span.stop / SAMPLE_RATE, duration_s)
            with timed("decode"):
                quality = judge(window, sound.notes)
            clip.rows.append(_row(start, heads, *times, quality=quality))
    clip.rows += failed

    def features(window: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        length = (
            {"max_length": min(len(window) + SILENCE, feature_extractor.n_samples)} if cut else {}
        )
        options: dict[str, Any] = {"sampling_rate": SAMPLE_RATE, "return_tensors": "np"}
        with timed("mel"):
            heard = feature_extractor(window, **options, **length)
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
    if passing := _passing(error):
        return f"{THIS_TIME}{path_text(passing)}"
    if isinstance(error, OSError):
        return f"cannot read the file: {error.strerror or error}"
    text = str(error)
    for name in (str(path), Path(path).name):
        text = text.removeprefix(f"{name}: ")
    return path_text(text)


def _passing(error: BaseException | None) -> str:
    """What the system said of a passing failure, also where a decoder's error hides it; or ""."""
    while error is not None:
        if isinstance(error, MemoryError):
            return "out of memory"
        decoders = type(error).__module__.startswith("av.")  # FFmpeg's: of the bytes, not the disk
        if isinstance(error, OSError) and error.errno in _PASSING and not decoders:
            return error.strerror or str(error)
        error = error.__cause__ or error.__context__
    return ""


def prefetch(
    function: Callable[..., Any],
    items: Iterable[Any],
    *,
    workers: int,
    ahead: int,
    budget: Budget | None = None,
) -> Generator[Any]:
    """Maps a function over paths in threads, in order, at most `ahead` results early.

    Unlike `ThreadPoolExecutor.map`, which would take 10,000 clips at once. With a budget the
    function gets `reserve`, to be called with the samples that it decodes.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    waiting: deque[tuple[int, Future[Any], int]] = deque()
    waiting_bytes = 0

    def first() -> Any:
        number, future, size = waiting.popleft()
        nonlocal waiting_bytes
        waiting_bytes -= size
        if budget:
            budget.turn(number)
        with timed("wait"):
            return future.result()

    try:
        for number, item in enumerate(items):
            size = _size(item)
            while waiting and (len(waiting) >= ahead or waiting_bytes + size > AHEAD_BYTES):
                yield first()
            more = {"reserve": partial(budget.reserve, number)} if budget else {}
            waiting.append((number, pool.submit(function, item, **more), size))
            waiting_bytes += size
        while waiting:
            yield first()
    finally:
        if budget:
            budget.close()
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
