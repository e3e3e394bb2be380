"""Asks one system about many clips at a time and keeps every answer."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple, Protocol

import numpy as np

from modeling_empathic.audio import AudioError, load_audio

from .attempts import Pace, retrying
from .cache import Answer, Cache
from .errors import AdapterError, RejectedError, TransientError
from .prediction_file import now
from .prompt import Prompt
from .replies import Reply

MAX_CLIP_S = 300
"""Longer clips are not sent: the services take at most about 20 MB in one request."""
HOPELESS = 5
"""A run ends when so many clips have failed and none has ever been answered."""
SHORTEST_KEY = 12
"""Servers of one's own take any key ("x", "EMPTY"): taking those out would ruin the answers."""


class Adapter(Protocol):
    """A system that rates clips.

    Attributes:
        system: Its name in `SYSTEMS`.
        settings: What its answers depend on, as plain values; no key is among them.
        sdk: Library and version that talks to it.
        prompted: Whether it is asked by the prompt.
        secret: The API key, empty where there is none.
    """

    system: str
    settings: dict[str, Any]
    sdk: str
    prompted: bool
    secret: str

    def ask(self, samples: np.ndarray, prompt: Prompt) -> Reply:
        """Asks once about a clip, `(samples,)` float32 at 16 kHz.

        Raises:
            TransientError: No answer; another attempt may have one.
            RejectedError: This clip will never have one.
            AdapterError: No clip will.
        """


class Failure(NamedTuple):
    """Why a clip has no answer."""

    outcome: str
    detail: str


def _decoded(audio: bytes) -> np.ndarray:
    return load_audio(audio, name="clip", max_duration_s=MAX_CLIP_S)


class Asking:
    """One run over clips; with another `read`, over whatever that makes of their bytes.

    Attributes:
        failures: Every clip in order of the input, with None where the cache has its answer.
        n_asked: Clips that this run sent.
        n_cached: Clips that an earlier run had answers for.
    """

    def __init__(
        self,
        adapter: Adapter,
        prompt: Prompt,
        cache: Cache,
        *,
        rate_per_minute: float | None,
        max_attempts: int,
        sleep: Callable[[float], None] | None,
        read: Callable[[bytes], Any] = _decoded,
    ):
        self._adapter, self._prompt, self._cache = adapter, prompt, cache
        self._read = read
        self._stop = threading.Event()
        sleep = sleep or self._sleep
        self._pace = Pace(rate_per_minute, sleep)
        self._retrying = retrying(max_attempts, sleep, self._stop)
        self.failures: dict[str, Failure | None] = {}
        self.n_asked = self.n_cached = 0
        self._n_answered = self._n_lost = 0

    def all(
        self, clips: Iterable[tuple[str, bytes]], workers: int, progress: Callable[[int], object]
    ) -> None:
        """Asks about every clip without an answer, `workers` at a time, few clips held at once.

        Raises:
            AdapterError: The run cannot go on.
        """
        running: dict[Future[Failure | None], str] = {}
        pool = ThreadPoolExecutor(workers, thread_name_prefix="ask")
        try:
            for clip_id, audio in clips:
                if clip_id in self.failures:
                    continue
                self.failures[clip_id] = None
                if self._cache.get(clip_id):
                    self.n_cached += 1
                else:
                    self.n_asked += 1
                    running[pool.submit(self._one, clip_id, audio)] = clip_id
                    if len(running) >= 2 * workers:
                        self._collect(running)
                progress(len(self.failures) - len(running))
            while running:
                self._collect(running)
                progress(len(self.failures) - len(running))
        finally:
            self._stop.set()  # no more attempts; requests under way may end and are kept
            pool.shutdown(cancel_futures=True)

    def _collect(self, running: dict[Future[Failure | None], str]) -> None:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            failure = future.result()
            self.failures[running.pop(future)] = failure
            if failure is None:
                self._n_answered += 1
            elif failure.outcome == "transport_error":
                self._n_lost += 1
                if self._n_lost >= HOPELESS and not self._n_answered + self.n_cached:
                    raise AdapterError(
                        f"none of the first {self._n_lost} clips got an answer: {failure.detail}"
                    )

    def _one(self, clip_id: str, audio: bytes) -> Failure | None:
        try:
            samples = self._read(audio)
        except AudioError as error:
            return Failure("decode_error", str(error))
        try:
            reply, seconds = self._retrying(self._attempt, samples)
        except (RejectedError, TransientError) as error:
            return Failure("transport_error", self._without_key(error))
        except AdapterError as error:
            raise AdapterError(self._without_key(error)) from None
        reply = Reply(*map(self._without_key, reply))
        self._cache.put(clip_id, Answer(reply, now(), round(seconds, 3)))
        return None

    def _attempt(self, samples: Any) -> tuple[Reply, float]:
        self._pace.wait()
        if self._stop.is_set():
            raise TransientError("stopped")
        started = time.perf_counter()
        return self._adapter.ask(samples, self._prompt), time.perf_counter() - started

    def _sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)  # which ends at once when the run does

    def _without_key(self, text: object) -> str:
        secret = self._adapter.secret
        return str(text).replace(secret, "[key]") if len(secret) >= SHORTEST_KEY else str(text)
