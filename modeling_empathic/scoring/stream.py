"""A recording cut into windows while it is decoded: memory holds a block and a window of it.

The windows are those of `Cuts.spans` for the whole, whatever the blocks: one is given as soon as
its last sample is there, and the last, which may be shorter, at the end.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from modeling_empathic.audio import MAX_CHANNELS, SAMPLE_RATE, AudioError
from modeling_empathic.decoding_empathic import decode
from modeling_empathic.mixing_empathic import Mix

from .cuts import Cuts
from .turns import Turn

Samples = npt.NDArray[np.float32]
LATE_S = 0.5  # diarisers round, and hear frames that reach beyond the end


class Window(NamedTuple):
    """A stretch of a recording.

    Attributes:
        span: Its samples' places in the recording, at 16 kHz.
        samples: Mono float32.
        channel: From 1; None where channels are mixed.
        speaker: Whose turn it is; None where turns are not known.
    """

    span: slice
    samples: Samples
    channel: int | None = None
    speaker: str | None = None


class Cutter:
    """Takes samples as they come and gives the windows that they complete.

    Args:
        cuts: Lengths of the windows.
        longest_s: What the model reads at once.
        turns: In order of time; windows lie within them. None: all of the recording.
        channel: Number that the windows have.

    Example:
        >>> cutter = Cutter(Cuts(2, 1), longest_s=30)
        >>> spans = [window.span for window in cutter.add(np.zeros(50_000, np.float32))]
        >>> spans + [window.span for window in cutter.end()]
        [slice(0, 32000, None), slice(16000, 48000, None), slice(32000, 50000, None)]
    """

    def __init__(
        self,
        cuts: Cuts,
        longest_s: float,
        turns: Sequence[Turn] | None = None,
        channel: int | None = None,
    ):
        self.n_samples = 0
        self._cuts, self._longest_s, self._turns, self._channel = cuts, longest_s, turns, channel
        self._samples, self._n_given = np.empty(0, np.float32), 0
        self._plan = self._whole() if turns is None else iter(self._within(turns))
        self._next = next(self._plan, None)

    def add(self, samples: Samples) -> Iterator[Window]:
        """Takes the next samples, at 16 kHz."""
        self._samples = np.concatenate([self._samples, samples])
        self.n_samples += len(samples)
        while self._next and self._next[0].stop <= self.n_samples:
            yield self._window(*self._next)
            self._next = next(self._plan, None)
        start = self._next[0].start if self._next else self.n_samples
        first = self.n_samples - len(self._samples)
        self._samples = self._samples[max(0, start - first) :].copy()  # a view would keep all

    def end(self) -> Iterator[Window]:
        """What is left when no samples will come.

        Raises:
            AudioError: A turn lies behind the end.
        """
        n = self.n_samples
        if self._turns is None:
            for span in self._cuts.spans(n, self._longest_s)[self._n_given :] if n else ():
                yield self._window(span, None)
            return
        for turn in self._turns:
            if turn.end_s > n / SAMPLE_RATE + LATE_S:
                raise AudioError(
                    f"a turn of {turn.speaker} ends at {turn.end_s:g} s, behind the recording's "
                    f"end at {n / SAMPLE_RATE:g} s: are the turns of another one?"
                )
        while self._next:
            span, speaker = self._next
            if span.start < n:
                yield self._window(slice(span.start, min(span.stop, n)), speaker)
            self._next = next(self._plan, None)

    def _window(self, span: slice, speaker: str | None) -> Window:
        self._n_given += 1
        first = self.n_samples - len(self._samples)
        samples = self._samples[span.start - first : span.stop - first].copy()
        return Window(span, samples, self._channel, speaker)

    def _whole(self) -> Iterator[tuple[slice, str | None]]:
        window, hop = (round(s * SAMPLE_RATE) for s in self._cuts.lengths(self._longest_s))
        return ((slice(i * hop, i * hop + window), None) for i in count())

    def _within(self, turns: Sequence[Turn]) -> list[tuple[slice, str | None]]:
        """The windows of each turn, as if it were a recording of its own; in order of time."""
        found: list[tuple[slice, str | None]] = []
        for turn in turns:
            start, stop = (round(s * SAMPLE_RATE) for s in (turn.start_s, turn.end_s))
            for span in self._cuts.spans(max(1, stop - start), self._longest_s):
                found.append((slice(start + span.start, start + span.stop), turn.speaker))
        return sorted(found, key=lambda each: (each[0].start, each[0].stop))


class Stream:
    """The windows of an encoded file, one after the other; and at the end, what it was.

    Args:
        file: The whole file, seekable.
        name: For messages.
        cuts: Lengths of the windows, and whether channels are kept apart.
        longest_s: What the model reads at once.
        max_duration_s: The longest recording to accept.
        turns: As for [`Cutter`].

    Attributes:
        duration_s: Of the recording, once all windows are out.
        notes: What the decoder noticed, then.
        failed: Then, by number, the channels that hold nothing to score, where others do.

    Raises:
        AudioError: While iterating: the file cannot be scored, and what came before does not count.
    """

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        cuts: Cuts,
        longest_s: float,
        max_duration_s: float,
        turns: Sequence[Turn] | None = None,
    ):
        self.duration_s = 0.0
        self.notes: tuple[str, ...] = ()
        self.failed: dict[int, AudioError] = {}
        self._file, self._name, self._cuts = file, name, cuts
        self._longest_s, self._max_duration_s, self._turns = longest_s, max_duration_s, turns

    def __iter__(self) -> Iterator[Window]:
        """Decodes."""
        name = self._name
        whole = Mix(name, self._max_duration_s)  # its bound and its notes are the recording's
        sides: list[tuple[Mix, Cutter]] = []
        for block, rate in decode(self._file, name, whole.check, whole.notes):
            n_channels = block.shape[1]
            sides = sides or self._sides(whole, n_channels)
            if not self._cuts.separate:
                parts = [block]
            elif n_channels == len(sides):
                parts = [block[:, number : number + 1] for number in range(n_channels)]
            else:
                raise AudioError(f"{name}: {len(sides)} channels become {n_channels} midway")
            for (mix, cutter), part in zip(sides, parts, strict=True):
                mix.add(part, rate)
                yield from cutter.add(mix.take())
        for number, (mix, cutter) in enumerate(sides or [(whole, self._cutter(None))], 1):
            try:
                sound = mix.sound()
            except AudioError as error:
                if len(sides) < 2:
                    raise
                self.failed[number] = error
                continue
            yield from cutter.add(mix.take())
            yield from cutter.end()
            self.duration_s = cutter.n_samples / SAMPLE_RATE
            self.notes = tuple(dict.fromkeys([*whole.notes, *sound.notes]))
        if sides and len(self.failed) == len(sides):
            raise AudioError(f"{name}: {str(self.failed[1]).partition(': ')[2]}")

    def _sides(self, whole: Mix, n_channels: int) -> list[tuple[Mix, Cutter]]:
        if not self._cuts.separate:
            return [(whole, self._cutter(None))]
        if n_channels > MAX_CHANNELS:
            raise AudioError(
                f"{self._name}: {n_channels} channels; at most {MAX_CHANNELS} are read"
            )
        names = [f"channel {number}" for number in range(1, n_channels + 1)]
        names = [self._name] if n_channels == 1 else names
        return [
            (Mix(each, self._max_duration_s), self._cutter(number))
            for number, each in enumerate(names, 1)
        ]

    def _cutter(self, channel: int | None) -> Cutter:
        return Cutter(self._cuts, self._longest_s, self._turns, channel)
