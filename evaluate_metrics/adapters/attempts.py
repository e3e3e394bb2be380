"""When to ask, and when to ask again: a rate for all threads together, and backoff for a request.

The SDKs' own retries are switched off, so that these are the only ones.
"""

import random
import threading
import time
from collections.abc import Callable

import tenacity

from .errors import TransientError

MAX_BACKOFF_S = 60.0
_BACKOFF = tenacity.wait_random_exponential(multiplier=2, max=MAX_BACKOFF_S)


class Pace:
    """Spaces requests out evenly over all threads.

    Args:
        rate_per_minute: Requests in a minute at most; None for no limit.
        sleep: Takes seconds.
        clock: Gives seconds.

    Example:
        >>> slept = []
        >>> pace = Pace(30, slept.append, clock=lambda: 0.0)
        >>> for _ in range(3):
        ...     pace.wait()
        >>> slept
        [2.0, 4.0]
    """

    def __init__(
        self,
        rate_per_minute: float | None,
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        self._step_s = 60 / rate_per_minute if rate_per_minute else 0.0
        self._sleep, self._clock = sleep, clock
        self._next = -float("inf")
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Returns when it is this request's turn."""
        with self._lock:
            now = self._clock()
            start = max(now, self._next)
            self._next = start + self._step_s
        if start > now:
            self._sleep(start - now)


def retrying(
    max_attempts: int, sleep: Callable[[float], None], stop: threading.Event
) -> tenacity.Retrying:
    """Repeats what raises `TransientError`, and nothing else, until it has been tried often enough.

    The wait is what the service asks for (Retry-After) and up to a second more, so that threads do
    not come back together; where it asks for nothing, a random time below 2, 4, 8, ... 60 s ("full
    jitter", Brooker 2015, AWS Architecture Blog).

    Args:
        max_attempts: The first one included.
        sleep: Takes seconds.
        stop: Once it is set there are no more attempts.
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(TransientError),
        stop=tenacity.stop_after_attempt(max_attempts) | tenacity.stop_when_event_set(stop),
        wait=_wait_s,
        sleep=sleep,
        reraise=True,
    )


def _wait_s(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, TransientError) and error.retry_after_s is not None:
        return error.retry_after_s + random.uniform(0, 1)
    return _BACKOFF(state)
