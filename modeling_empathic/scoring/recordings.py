"""The rows of a score file as recordings: means, peaks and moments, from 0 to 10."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from modeling_empathic.report.statistics import window_mean

from .aggregates import Row
from .prepared import NO_SPEECH

HeadSpec = dict[str, Any]


@dataclass
class Recording:
    """One clip, or one channel or speaker of it: its rows in the score file, and what they say.

    Attributes:
        rows: A window each, in order of time; a single one where there are no scores.
        heads: Head specs of the model (`name`, `scale`, `group`), in order.
        silent: Rows of windows without speech, beside those that were scored.

    Example:
        >>> heads = [{"name": "Awe", "scale": [0, 4], "group": "emotion"}]
        >>> times = [{"start_s": 0.0, "end_s": 30.0}, {"start_s": 30.0, "end_s": 40.0}]
        >>> both = {"path": "a.wav", "duration_s": 40.0, "outcome": "scored", "quality": ""}
        >>> rows = [both | time | {"Awe": score} for time, score in zip(times, (0.0, 4.0))]
        >>> recording = Recording(rows, heads)
        >>> float(recording.mean[0]), float(recording.peak[0]), recording.peak_at[0]
        (2.5, 10.0, 1)
    """

    rows: list[Row]
    heads: Sequence[HeadSpec]
    silent: list[Row] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The clip's name in the score file."""
        return str(self.rows[0]["path"])

    @property
    def channel(self) -> int | None:
        """Counted from 1; None where channels are mixed."""
        return self.rows[0].get("channel")

    @property
    def speaker(self) -> str | None:
        """Of its turns; None where they are not known."""
        speaker: str | None = self.rows[0].get("speaker")
        return speaker

    @property
    def name(self) -> str:
        """Path and channel or speaker, for people."""
        if self.speaker is not None:
            return f"{self.path}, {self.speaker}"
        return self.path if self.channel is None else f"{self.path}, channel {self.channel}"

    @property
    def error(self) -> str | None:
        """Why there are no scores; None if there are."""
        row = self.rows[0]
        if row["outcome"] == "scored":
            return None
        return str(row["error"] or row["quality"] or row["outcome"])

    @property
    def duration_s(self) -> float:
        """Of the whole recording."""
        return float(self.rows[0]["duration_s"] or 0)

    @cached_property
    def covered_s(self) -> float:
        """How much of it lies in windows, each moment once: how long a speaker speaks."""
        total = end = 0.0
        for start_s, end_s in sorted(self.spans_s.tolist()):
            total += max(0.0, end_s - max(start_s, end))
            end = max(end, end_s)
        return total

    @cached_property
    def quality(self) -> tuple[str, ...]:
        """What makes any of its windows doubtful."""
        words = [word for row in self.rows for word in (row.get("quality") or "").split(", ")]
        return tuple(word for word in dict.fromkeys(words) if word)

    @cached_property
    def spans_s(self) -> np.ndarray:
        """`(windows, 2)`: start and end of each."""
        return np.array([[row["start_s"], row["end_s"]] for row in self.rows], dtype=float)

    @cached_property
    def native(self) -> np.ndarray:
        """`(windows, heads)`, each head on its own scale."""
        names = [head["name"] for head in self.heads]
        return np.array([[row[name] for name in names] for row in self.rows], dtype=float)

    @cached_property
    def native_mean(self) -> np.ndarray:
        """`(heads,)` over the windows, each as heavy as it is long."""
        return window_mean(self.native, self.spans_s[:, 1] - self.spans_s[:, 0])

    @cached_property
    def windows(self) -> np.ndarray:
        """`(windows, heads)`, from 0 to 10."""
        return on_0_10(self.native, self.heads)

    @cached_property
    def mean(self) -> np.ndarray:
        """`(heads,)`, from 0 to 10: of the native scores, as `taxonomy.to_0_10`."""
        return on_0_10(self.native_mean, self.heads)

    @cached_property
    def peak(self) -> np.ndarray:
        """`(heads,)`, from 0 to 10: of the strongest window of each."""
        highest: np.ndarray = self.windows.max(axis=0)
        return highest

    @cached_property
    def peak_at(self) -> list[int]:
        """The window in which each head is strongest."""
        return [int(window) for window in self.windows.argmax(axis=0)]

    def outburst(self, among: Sequence[int]) -> tuple[int, int]:
        """Head and window that rise most above the recording's own mean.

        Not the highest score: heads differ in base rate, and one that is always high would hide
        the ten seconds in which another breaks out.

        Args:
            among: Numbers of the heads that count.
        """
        rise = (self.windows - self.mean)[:, list(among)]
        window, column = np.unravel_index(int(rise.argmax()), rise.shape)
        return list(among)[int(column)], int(window)


def on_0_10(scores: np.ndarray, heads: Sequence[HeadSpec]) -> np.ndarray:
    """Scores `(..., heads)` on their own scales as `taxonomy.to_0_10` has them."""
    low, high = np.array([head["scale"] for head in heads], dtype=float).T
    scaled: np.ndarray = np.clip((scores - low) * 10 / (high - low), 0, 10)
    return scaled


def recordings(rows: Iterable[Row], heads: Sequence[HeadSpec]) -> Iterator[Recording]:
    """Rows as recordings: one a channel or speaker of each clip, whose rows come in succession."""
    for _, clip in groupby(rows, key=lambda row: row["path"]):
        parts: dict[Any, list[Row]] = {}
        for row in clip:
            parts.setdefault((row.get("channel"), row.get("speaker")), []).append(row)
        for part in parts.values():
            silent = [row for row in part if row["outcome"] == NO_SPEECH]
            scored = [row for row in part if row["outcome"] != NO_SPEECH]
            yield Recording(scored or silent[:1], heads, silent)


def emotions_of(heads: Sequence[HeadSpec]) -> list[int]:
    """Numbers of the heads that are emotions; of all where none is."""
    found = [i for i, head in enumerate(heads) if head["group"] == "emotion"]
    return found or list(range(len(heads)))


def time_of(seconds: float) -> str:
    """A moment in a recording: hours if any, minutes, seconds, a tenth if there is one.

    Example:
        >>> time_of(4.5), time_of(605.0), time_of(3725.0)
        ('0:04.5', '10:05', '1:02:05')
    """
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    hours, minute = divmod(minutes, 60)
    text = f"{rest // 10:02}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{minute:02}:{text}" if hours else f"{minute}:{text}"
