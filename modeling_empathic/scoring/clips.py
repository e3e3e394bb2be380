"""Scores audio files with a model: find the clips, decode ahead in threads, score in batches.

Every batch is a function of the input order alone. That is what lets an interrupted run go on
and still end in the very bytes of a run that was never stopped: a batch's size can move the last
bit of a float. So resume with the batch size that the run began with.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modeling_empathic.audio import SAMPLE_RATE

from .aggregates import Row, aggregated
from .cuts import Cuts
from .devices import enough_memory
from .forward import score_windows
from .listing import AnyPath, ScoringError, find_audio
from .names import path_text
from .prepared import PreparedClip, prepare_clip
from .profiling import timed
from .reading import Budget

if TYPE_CHECKING:
    from .log_mel import LogMel

__all__ = ["ScoringError", "find_audio", "score_files", "score_groups"]

DEFAULT_BATCH_SIZE = 8
# Files waiting or being decoded may not exceed this together, so that of ordinary hour-long
# recordings one or two are held at a time while short clips queue up by the dozen. That counts
# bytes on disk; the features of their windows have a bound of their own.
AHEAD_BYTES = 64 * 2**20
AHEAD_FEATURES = 60_000_000  # 240 MB: 250 windows of 30 s


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
    a clip that cannot be read or decoded, or that is longer than 24 h, gives a single row that says
    why, and the rest go on. Memory does not grow with the number of clips, and of a long one it
    holds the rows and a few windows.

    Args:
        paths: Audio files, as `find_audio` lists them.
        model: An `EmpathicInsightModel`, on its device, in evaluation mode.
        feature_extractor: The `WhisperFeatureExtractor` that belongs to it.
        batch_size: Windows in one forward pass.
        workers: Threads that decode and compute log-mel features.
        done: SHA-256 of clips that need no scoring, by path; they give no rows.
        cuts: Lengths of the windows, who speaks, whether silence is left out, and whether a clip
            has a row a window or one.

    Yields:
        Rows as in the score file: `path`, `clip_id` (SHA-256 of the file), `start_s` and `end_s`
        of the window, `duration_s` of the clip, one score a head on its native scale, `quality`
        (what makes them doubtful, see `quality_empathic.judge`; `""` if nothing does), `outcome`
        (`"scored"`, `"no_speech"` or `"decode_error"`) and `error`; behind `clip_id`, with separate
        channels `channel` (from 1), with turns `speaker`.

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
    on_batch: Callable[[Row], None] | None = None,
) -> Generator[list[list[Row]]]:
    """As `score_files`, in groups of `batch_size` clips: the unit that a resumed run keeps.

    No batch reaches across a group, so scores do not depend on what was done before.
    `name_of` gives the name that a clip has in its rows and in `done`, by default its path;
    `on_batch` is called with the last row of each batch.

    Yields:
        For each group a list of clips, each a list of rows.
    """
    if batch_size < 1 or workers < 1:
        raise ScoringError(f"batch size and workers must be positive: {batch_size}, {workers}")
    cut = getattr(model.config, "cut_to_speech", False)
    log_mel = None if cut else _log_mel(model.device, feature_extractor)
    prepare = partial(
        prepare_clip,
        feature_extractor=feature_extractor,
        heads=model.config.head_names,
        done=done or {},
        cut=cut,
        cuts=cuts,
        name_of=name_of or path_text,
        as_sound=log_mel is not None,
    )
    ahead = workers + 2 * batch_size  # the next batch is ready while this one runs

    def unfinished() -> Generator[PreparedClip]:
        with contextlib.closing(
            prefetch(prepare, paths, workers=workers, ahead=ahead, budget=Budget(AHEAD_FEATURES))
        ) as clips:
            for clip in clips:
                if clip is not None:
                    yield clip
                elif on_skip is not None:
                    on_skip()

    with contextlib.closing(unfinished()) as clips:
        while group := _score_group(
            islice(clips, batch_size), model, log_mel, batch_size, cuts, on_batch
        ):
            yield group


def _log_mel(device: Any, feature_extractor: Any) -> "LogMel | None":
    """What computes features on a card, which few cores feed; None where the threads do.

    Every model's features are Whisper's own (`frontend_empathic.check_front_end`).
    """
    if device.type != "cuda":
        return None
    from .log_mel import LogMel

    window_s = feature_extractor.n_samples // SAMPLE_RATE
    return LogMel(feature_extractor.feature_size, window_s, device)


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


def _score_group(
    clips: Iterable[PreparedClip],
    model: Any,
    log_mel: "LogMel | None",
    batch_size: int,
    cuts: Cuts,
    on_batch: Callable[[Row], None] | None,
) -> list[list[Row]]:
    """Fills in the scores of a group's rows; features are let go as soon as a batch is full."""
    names = list(model.config.head_names)
    group: list[list[Row]] = []
    batch: list[tuple[Row, npt.NDArray[np.float32]]] = []

    def score() -> None:
        score_batch(batch, model, names, log_mel)
        if on_batch is not None:
            on_batch(batch[-1][0])
        batch.clear()

    for clip in clips:
        for window in clip.windows:
            batch.append(window)
            if len(batch) == batch_size:
                score()
        group.append(clip.rows)
    if batch:
        score()
    how = cuts.aggregate
    return [aggregated(rows, names, how) for rows in group] if how else group


def _stacked(features: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Features as one array; shorter ones end in silence."""
    frames = max(part.shape[1] for part in features)
    return np.stack(
        [
            np.pad(part, ((0, 0), (0, frames - part.shape[1])), constant_values=part.min())
            for part in features
        ]
    )


def score_batch(
    batch: list[tuple[Row, npt.NDArray[np.float32]]],
    model: Any,
    names: list[str],
    log_mel: "LogMel | None" = None,
) -> None:
    """Sets the scores of rows, by the features of their windows, or with `log_mel` by their sound.

    Raises:
        ScoringError: The device is out of memory, or the scores are not finite.
    """
    import torch

    windows = [window for _, window in batch]
    less = f"a batch size below {len(batch)}" if len(batch) > 1 else "fewer heads or the device cpu"
    with enough_memory(model.device, less):
        if log_mel:
            with timed("mel", model.device.type):
                features = log_mel.of(windows)
        else:
            features = torch.from_numpy(_stacked(windows)).to(model.device)
        scores = score_windows(model, features)
    if not np.isfinite(scores).all():
        # Not the clip's fault (decoded samples are finite): no row may pretend that it is.
        raise ScoringError(f"the model gives scores that are not finite in {model.dtype}")
    for (row, _), values in zip(batch, scores.tolist(), strict=True):
        row.update(zip(names, values, strict=True))
