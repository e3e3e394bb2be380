"""Where the time of a scoring run goes: seconds a stage, of the main thread and of those beside it.

Decoding and features run in threads while the model computes, so that their seconds do not add up
with its own to those on the clock. The main thread's do: it waits for a clip, encodes, scores,
writes, and what is left is between these.
"""

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from modeling_empathic.report.tables import Section, plain

Item = TypeVar("Item")
STAGES = {
    "decode": "read, decode, resample, judge",
    "mel": "log-mel features",
    "wait": "wait for the next clip's features",
    "encoder": "Whisper encoder",
    "heads": "heads",
    "write": "journal and score file",
}


class Profile:
    """Seconds by stage, while it is active; entered as a context it is, one at a time.

    Example:
        >>> with Profile() as profile, timed("mel"):
        ...     pass
        >>> [row["stage"] for row in profile.rows(n_clips=1)]
        ['mel', 'rest']
    """

    active: "Profile | None" = None

    def __init__(self) -> None:
        self._main: dict[str, float] = defaultdict(float)
        self._beside: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._thread = threading.get_ident()
        self.wall_s = 0.0

    def __enter__(self) -> "Profile":
        Profile.active, self._started = self, time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        Profile.active, self.wall_s = None, time.perf_counter() - self._started

    def add(self, stage: str, seconds: float) -> None:
        """Counts seconds of the thread that calls."""
        own = self._main if threading.get_ident() == self._thread else self._beside
        with self._lock:
            own[stage] += seconds

    def rows(self, n_clips: int, threads: int = 1) -> list[dict[str, Any]]:
        """A row a stage: `stage`, `thread` (main or beside), `seconds`, `share`, `clips_per_s`.

        Shares of the main thread are of the seconds on the clock and sum to 1; those beside it are
        of `threads` times as many.
        """
        main = {name: self._main[name] for name in STAGES if name in self._main}
        main["rest"] = max(0.0, self.wall_s - sum(main.values()))
        beside = {name: self._beside[name] for name in STAGES if name in self._beside}
        return [
            {
                "stage": name,
                "thread": thread,
                "seconds": seconds,
                "share": seconds / whole if whole else 0.0,
                "clips_per_s": n_clips * n / seconds if seconds and n_clips else None,
            }
            for thread, parts, whole, n in (
                ("main", main, self.wall_s, 1),
                ("beside", beside, threads * self.wall_s, threads),
            )
            for name, seconds in parts.items()
        ]

    def table(self, n_clips: int, threads: int, load_s: float) -> Section:
        """The rows for people.

        Args:
            n_clips: That were scored.
            threads: That decode.
            load_s: Seconds that loading the model took before.
        """
        names = STAGES | {"rest": "everything else"}
        lines = [
            [
                names[row["stage"]],
                "main" if row["thread"] == "main" else f"{threads} beside",
                f"{row['seconds']:.2f} s",
                f"{row['share']:.0%}",
                "-" if row["clips_per_s"] is None else f"{row['clips_per_s']:.3g}",
            ]
            for row in self.rows(n_clips, threads)
        ]
        rate = n_clips / self.wall_s if self.wall_s else 0.0
        notes = (
            f"{n_clips:,} {'clip' if n_clips == 1 else 'clips'} in {self.wall_s:.2f} s: "
            f"{rate:.3g} a second. Before that, loading the model: {load_s:.2f} s.",
            "Shares: of the clock, for the main thread; of the clock times the threads, for those "
            "beside it. The last column: how fast it would be if a stage were all.",
        )
        columns = ["stage", "thread", "busy", "share", "clips/s alone"]
        return plain("Where the time went", columns, lines, *notes)


@contextmanager
def timed(stage: str, device: str = "cpu") -> Iterator[None]:
    """Counts the block's seconds in the profile that is active, if one is.

    Args:
        stage: One of `STAGES`.
        device: Where the block computes; a card is waited for, as it would be counted elsewhere.
    """
    profile = Profile.active
    if profile is None:
        yield
        return
    started = time.perf_counter()
    try:
        yield
        if device == "cuda":
            sys.modules["torch"].cuda.synchronize()
    finally:
        profile.add(stage, time.perf_counter() - started)


def timed_each(stage: str, items: Iterable[Item]) -> Iterator[Item]:
    """The items; counts the seconds that each takes to come, as [`timed`] does."""
    rest = iter(items)
    while True:
        with timed(stage):
            try:
                item = next(rest)
            except StopIteration:
                return
        yield item
