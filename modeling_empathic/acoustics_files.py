"""The acoustic features of many files, in worker processes that a bad file cannot take along."""

import hashlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from typing import Any, NamedTuple

from .acoustics import NEEDS_LIBROSA, acoustics, load_librosa
from .audio import AudioError, load_audio
from .taxonomy import UserError

MAX_DURATION_S = 3600
"""Longer clips are refused: decoding is what takes memory, about 1 GB an hour."""

Clip = str | os.PathLike[str] | bytes
"""A file's path, or the bytes of one."""


class Outcome(NamedTuple):
    """What became of a clip.

    Attributes:
        key: Its path as given; of bytes their SHA-256 (the data sets' `clip_id`).
        features: By the names of `FEATURES`; None if the clip failed.
        error: Why it failed, or None.
    """

    key: str
    features: dict[str, float] | None
    error: str | None = None


def acoustics_files(clips: Iterable[Clip], workers: int | None = None) -> Iterator[Outcome]:
    """The features of many clips, in their order, as they are ready.

    A clip that fails (unreadable, silent, longer than an hour, or one that a decoder crashes on)
    is an outcome with its error; the others go on.

    Args:
        clips: Paths, or bytes of encoded files; read as they are needed, a few ahead.
        workers: Processes; by default one for every core that this process may use.

    Raises:
        UserError: librosa is not installed.
        ValueError: `workers` is below 1.
        RuntimeError: The worker processes do not start. As always with `multiprocessing`, a script
            that calls this must do so below `if __name__ == "__main__":`.

    Example:
        >>> for outcome in acoustics_files(["no_such.wav"], workers=1):
        ...     print(outcome)
        Outcome(key='no_such.wav', features=None, error='No such file or directory')
    """
    with acoustics_pool(workers) as measure:
        yield from measure(clips)


@contextmanager
def acoustics_pool(
    workers: int | None = None,
) -> Iterator[Callable[[Iterable[Clip]], Iterator[Outcome]]]:
    """`acoustics_files` for clips that come in several lots: the processes start only once.

    Args:
        workers: As in `acoustics_files`.

    Yields:
        A function from clips to an iterator of their outcomes.

    Raises:
        UserError: librosa is not installed.
        ValueError: `workers` is below 1.
        RuntimeError: The worker processes do not start.
    """
    if workers is None:
        usable = getattr(os, "sched_getaffinity", None)
        workers = len(usable(0)) if usable else os.cpu_count() or 1
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    if find_spec("librosa") is None:
        raise UserError(NEEDS_LIBROSA)
    pool = _start(workers)

    def measure(clips: Iterable[Clip]) -> Iterator[Outcome]:
        nonlocal pool
        source, waiting = iter(clips), deque[tuple[Clip, Future[Outcome]]]()
        while True:
            for clip in islice(source, 3 * workers - len(waiting)):
                waiting.append((clip, _submit(pool, clip)))
            if not waiting:
                return
            clip, future = waiting.popleft()
            try:
                outcome = future.result()
            except BrokenProcessPool:
                # One of the clips in work killed its process, which one is not known: this one is
                # tried again by itself, and the others after it.
                pool.shutdown()
                outcome = _alone(clip)
                pool = _start(workers)
                waiting = deque((other, _submit(pool, other)) for other, _ in waiting)
            yield outcome

    try:
        yield measure
    finally:
        pool.shutdown(cancel_futures=True)


def _start(workers: int) -> ProcessPoolExecutor:
    # Not forked: the threads of torch or of a decoder would leave their locks closed in the child.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _prepare_worker)
    try:
        pool.submit(_load_librosa).result()
    except BrokenProcessPool as err:
        raise RuntimeError(
            "the worker processes do not start (in a script, call this below "
            '`if __name__ == "__main__":`)'
        ) from err
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    return pool


def _prepare_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    from threadpoolctl import threadpool_limits  # of scikit-learn, which librosa needs

    threadpool_limits(1)  # the processes share the cores; BLAS threads on top would only wait


def _load_librosa() -> None:
    load_librosa()  # a module cannot be sent back


def _submit(pool: ProcessPoolExecutor, clip: Clip) -> Future[Outcome]:
    try:
        return pool.submit(_measure, clip)
    except BrokenProcessPool as err:  # as all other failures: when the result is asked for
        future: Future[Outcome] = Future()
        future.set_exception(err)
        return future


def _alone(clip: Clip) -> Outcome:
    with _start(1) as pool:
        try:
            return _submit(pool, clip).result()
        except BrokenProcessPool:
            error = "the worker process died (a crash in a decoder, or out of memory)"
            return Outcome(_key(clip), None, error)


def _measure(clip: Clip) -> Outcome:
    key = _key(clip)
    try:
        samples = load_audio(clip, name=key, max_duration_s=MAX_DURATION_S)
        return Outcome(key, acoustics(samples))
    except (AudioError, MemoryError) as err:
        return Outcome(key, None, str(err).removeprefix(f"{key}: ") or type(err).__name__)


def _key(clip: Any) -> str:
    return hashlib.sha256(clip).hexdigest() if isinstance(clip, bytes) else str(clip)
