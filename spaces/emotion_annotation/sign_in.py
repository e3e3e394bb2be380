"""A limit on wrong codes: whoever guesses has to wait."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

MOST_WRONG = 10
WITHIN_S = 60.0
MOST_ADDRESSES = 10_000


class Attempts:
    """Wrong codes of the last minute, by address; one that has too many is not listened to.

    Behind a proxy that hides addresses everybody has the same one, so that the limit is then for
    all; on the Hub people sign in with their account and need no code.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._wrong: defaultdict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def wait_s(self, address: str) -> float:
        """How long this address has to wait before its next code; 0 where it need not."""
        with self._lock:
            times = self._recent(address)
            return max(0.0, times[0] + WITHIN_S - self._clock()) if len(times) >= MOST_WRONG else 0

    def wrong(self, address: str) -> None:
        """Notes a wrong code."""
        with self._lock:
            if len(self._wrong) > MOST_ADDRESSES:  # forgetting all is better than a full memory
                self._wrong.clear()
            self._recent(address).append(self._clock())

    def _recent(self, address: str) -> deque[float]:
        times = self._wrong[address]
        while times and times[0] + WITHIN_S <= self._clock():
            times.popleft()
        return times
