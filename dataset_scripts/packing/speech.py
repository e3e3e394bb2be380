"""Where somebody speaks in a recording, and where to cut: levels, stretches, pieces of 3 to 12 s.

Who tells speech from other sound is an argument. [`by_level`] is what there is without a further
package: everything that is well above the quiet of the recording, by the rule that Nano is cut to
speech with (`speech_empathic`, 40 dB below the loudest). It takes music and engines for speech.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from modeling_empathic.quality_empathic import TOO_QUIET_DBFS

from .clips import PackingError

FRAME_S = 0.01
LOUD_FRAMES = 10  # 100 ms: a click must not count as the loudest
BELOW_LOUD_DB, ABOVE_QUIET_DB, LEAST_DB = 40.0, 10.0, 12.0
PAUSE_FRAMES, BURST_FRAMES, AROUND_FRAMES = 30, 10, 4  # closed, dropped, kept beside the speech

Span = tuple[int, int]
"""First and last frame (exclusive) of 10 ms."""
Levels = npt.NDArray[np.float32]


class Cutting(NamedTuple):
    """How recordings become clips (paper A.2: 3 to 12 s).

    Attributes:
        shortest_s: Shorter stretches of speech are left out.
        longest_s: Longer ones are cut where they are quietest.
        pause_s: Stretches that are no further apart become one clip.
    """

    shortest_s: float = 3.0
    longest_s: float = 12.0
    pause_s: float = 0.5

    def check(self) -> None:
        """Raises PackingError where no cut could keep to both lengths."""
        if not 0 < 2 * self.shortest_s <= self.longest_s <= 30:
            raise PackingError(
                f"shortest_s={self.shortest_s:g} and longest_s={self.longest_s:g}: the longest is "
                "at least twice the shortest, and at most 30 s, which is what Whisper hears"
            )
        if not 0 <= self.pause_s <= 30:
            raise PackingError(f"pause_s={self.pause_s:g} is outside 0 to 30 s")


def levels(blocks: Iterable[npt.NDArray[np.float32]], rate: int) -> Levels:
    """Level of every 10 ms in decibels of full scale, `(frames,)`.

    Args:
        blocks: The recording, `(samples,)` each.
        rate: In Hz.

    Example:
        >>> levels([np.ones(100, np.float32), np.repeat([1, 0], [60, 160])], 16_000).tolist()
        [0.0, -120.0]
    """
    size = round(rate * FRAME_S)
    rest, found = np.empty(0, np.float32), []
    for block in blocks:
        joined = np.concatenate([rest, block])
        whole = len(joined) // size * size
        power = (joined[:whole].reshape(-1, size).astype(np.float64) ** 2).mean(1)
        found.append((10 * np.log10(power + 1e-12)).round(3).astype(np.float32))
        rest = joined[whole:]
    return np.concatenate(found) if found else np.empty(0, np.float32)


def by_level(level_db: Levels) -> list[Span]:
    """Stretches well above the quiet of a recording.

    Example:
        >>> by_level(np.repeat([-70.0, -20.0, -70.0], [100, 200, 100]).astype(np.float32))
        [(96, 304)]
    """
    if len(level_db) < LOUD_FRAMES:
        return []
    loud = float(np.partition(level_db, -LOUD_FRAMES)[-LOUD_FRAMES])
    if loud < TOO_QUIET_DBFS:  # silence, be it hours of it, is as loud as its loudest
        return []
    quiet = float(np.percentile(level_db, 10))
    threshold = min(max(loud - BELOW_LOUD_DB, quiet + ABOVE_QUIET_DB), loud - LEAST_DB)
    return stretches(level_db > threshold)


def stretches(active: npt.NDArray[np.bool_]) -> list[Span]:
    """Frames with speech as stretches: short pauses closed, short bursts dropped, a rim kept.

    Example:
        >>> stretches(np.repeat([False, True, False, True], [50, 60, 20, 40]))
        [(46, 170)]
    """
    edged = np.concatenate([[False], active, [False]])
    edges = np.flatnonzero(edged[1:] != edged[:-1])
    spans: list[Span] = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if spans and start - spans[-1][1] < PAUSE_FRAMES:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return [
        (max(0, start - AROUND_FRAMES), min(len(active), end + AROUND_FRAMES))
        for start, end in spans
        if end - start >= BURST_FRAMES
    ]


def pieces(spans: Sequence[Span], level_db: Levels, cutting: Cutting) -> list[Span]:
    """Stretches of speech as clips: neighbours joined, long ones cut where they are quietest.

    Example:
        >>> level = np.full(2_000, -20.0, np.float32)
        >>> level[900:910] = -60  # a breath
        >>> pieces([(0, 1_500), (1_700, 1_900)], level, Cutting())
        [(0, 905), (905, 1500)]
    """
    shortest, longest = (round(s / FRAME_S) for s in (cutting.shortest_s, cutting.longest_s))
    if not spans:  # a recording of less than a frame has no levels either
        return []
    smooth = np.convolve(level_db, np.full(5, 0.2), "same")
    found = []
    for start, end in _joined(spans, round(cutting.pause_s / FRAME_S), longest):
        while end - start > longest:
            first, last = start + shortest, min(start + longest, end - shortest)
            lowest = np.flatnonzero(smooth[first:last] <= smooth[first:last].min() + 0.01)
            cut = first + int(lowest[len(lowest) // 2])
            found.append((start, cut))
            start = cut
        found.append((start, end))
    return [(start, end) for start, end in found if end - start >= shortest]


def _joined(spans: Sequence[Span], pause: int, longest: int) -> Iterator[Span]:
    start, end = 0, 0
    for first, last in spans:
        if end and first - end <= pause and last - start <= longest:
            end = last
            continue
        if end:
            yield start, end
        start, end = first, last
    if end:
        yield start, end


Listener = Callable[[Iterable[npt.NDArray[np.float32]]], list[Span]]
"""From a recording at 16 kHz, block by block, to the stretches in which somebody speaks."""
