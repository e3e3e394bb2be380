"""Parts of recordings: from when to when, and which channel; and these cut into files.

A recording is decoded once, whatever is cut from it, and cut by sample at its own rate. Memory
holds a block of it.
"""

import math
import re
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..audio import AudioError
from ..chunks_empathic import riff
from ..decoding_empathic import Block, decode
from ..mixing_empathic import Mix
from ..scoring.reading import opened
from ..scoring.stream import LATE_S
from ..scoring.turns import MAX_DURATION_S
from .tables import column, is_empty, plain

BEHIND = "ends behind the end of its recording"
NO_CHANNEL = "its recording has no such channel"
_TOO_LONG = "longer than a WAV file can be"
_BOTH = ("both", "all", "mono", "stereo", "mix", "mixed")
_LEFT = ("l", "left", "a", "links", "gauche", "izquierda", "sinistra", "esquerda")
_RIGHT = ("r", "right", "b", "rechts", "droite", "derecha", "destra", "direita")
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?")
_BLOCK_SAMPLES = 1 << 18  # of a codec's short frames that are written together
_HEADER = 44  # bytes, of a WAV


class PartError(ValueError):
    """What a line says of its part is not to be had."""


class Part(NamedTuple):
    """What of a recording a clip is; by default all of it."""

    path: Path
    start_s: float = 0.0
    end_s: float = math.inf
    channel: int | None = None

    @property
    def whole(self) -> bool:
        """Whether the recording is the clip."""
        return self == Part(self.path)

    @property
    def what(self) -> str:
        """The part in words; `""` of a whole.

        Example:
            >>> Part(Path("a.wav"), 1.5, 2.25, 0).what, Part(Path("a.wav")).what
            ('1.5-2.25 s, channel 1', '')
        """
        times = f"{self.start_s:.10g}-{'' if math.isinf(self.end_s) else f'{self.end_s:.10g}'} s"
        said = [times] if self.start_s or not math.isinf(self.end_s) else []
        return ", ".join(said + ([] if self.channel is None else [f"channel {self.channel + 1}"]))


@dataclass(frozen=True)
class Times:
    """The columns of a table that say from when to when; None where it has none.

    Without a start the others are no part of a recording: many tables say how long clips are.
    """

    start: str | None = None
    end: str | None = None
    duration: str | None = None

    @classmethod
    def of(cls, names: Sequence[str]) -> "Times":
        """The columns for these.

        Example:
            >>> Times.of(["onset", "offset"])
            Times(start='onset', end='offset', duration=None)
            >>> Times.of(["offset", "duration"])
            Times(start='offset', end=None, duration='duration')
        """
        start, end, duration = (column(names, what) for what in ("start", "end", "duration"))
        return cls(start, None if end == start else end, duration) if start else cls()

    def read(self, cells: Mapping[str, str]) -> tuple[float, float]:
        """Start and end in seconds; an empty cell is the recording's own.

        Raises:
            PartError: A cell that is no time, or an end that is not behind the start.
        """
        if self.start is None:
            return 0.0, math.inf
        start_s = _seconds(cells, self.start)
        end_s = _seconds(cells, self.end)
        if end_s is None and start_s is not None:
            length_s = _seconds(cells, self.duration)
            end_s = None if length_s is None else start_s + length_s
        start_s, end_s = start_s or 0.0, math.inf if end_s is None else end_s
        if end_s <= start_s:
            raise PartError("ends before it starts")
        return start_s, end_s


def _seconds(cells: Mapping[str, str], column: str | None) -> float | None:
    text = cells[column] if column else ""
    if column is None or is_empty(text):
        return None
    try:
        value = seconds(text)
    except ValueError:
        raise PartError(f"{column[:40]} is no time") from None
    return value / 1000 if plain(column).endswith("ms") else value


def seconds(text: str) -> float:
    """A time as people and spreadsheets write it, in seconds.

    Raises:
        ValueError: No such time.

    Example:
        >>> seconds("62.5"), seconds("0:01:02.5"), seconds("00:01:02,5"), seconds("1:02.5 s")
        (62.5, 62.5, 62.5, 62.5)
    """
    text = re.sub(r"^0 days? |\s*s(ec)?$", "", text.strip().casefold()).replace(",", ".")
    parts = text.split(":")
    if len(parts) > 3 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise ValueError(f"no time: {text!r}")
    total = 0.0
    for part in parts:
        total = 60 * total + float(part)
    if total > MAX_DURATION_S:
        raise ValueError(f"longer than a recording may be: {text!r}")
    return total


def counts_from_zero(channels: Iterable[str]) -> bool:
    """Whether a table's channels are 0 and 1, and not 1 and 2.

    Example:
        >>> counts_from_zero(["0", "1"]), counts_from_zero(["1", "2"])
        (True, False)
    """
    return "0" in {_channel_word(text) for text in channels}


def channel_of(text: str, from_zero: bool) -> int | None:
    """The number of a channel, from 0; None for all of them.

    Args:
        text: left, right, A, B, or a number.
        from_zero: See [`counts_from_zero`].

    Raises:
        PartError: No word for a channel.

    Example:
        >>> channel_of("Left", True), channel_of("B", True), channel_of("2", False)
        (0, 1, 1)
    """
    word = _channel_word(text)
    if is_empty(word) or word in _BOTH:
        return None
    if word in _LEFT or word in _RIGHT:
        return int(word in _RIGHT)
    if word.isdecimal() and int(word) >= (not from_zero):
        return int(word) - (not from_zero)
    raise PartError(f"{text[:20]!r} is no channel")


def _channel_word(text: str) -> str:
    return re.sub(r"^(channel|kanal|ch)?[\s_]*(\w+?)(\.0)?$", r"\2", text.strip().casefold())


def unpack(
    parts: Sequence[Part], folder: Path, advance: Callable[[], None] = lambda: None
) -> tuple[list[Path], dict[int, str]]:
    """Files of the parts, in their order: recordings that are whole, and WAVs of the others.

    Args:
        parts: What to cut.
        folder: Where the WAVs go.
        advance: Called after each part that is not whole.

    Returns:
        The files; and by number of the part why it could not be cut, whose file is empty.
    """
    files = [part.path for part in parts]
    faults: dict[int, str] = {}
    of_recording: dict[Path, list[int]] = defaultdict(list)
    for number, part in enumerate(parts):
        if not part.whole:
            of_recording[part.path].append(number)
    cut_before: dict[int, float] = {}

    def cut(recording: Path, numbers: Sequence[int], wanted: Sequence[Part]) -> None:
        targets = [folder / f"{number}.wav" for number in numbers]
        found, length_s = _cut(recording, wanted, targets)
        for number, target, fault in zip(numbers, targets, found, strict=True):
            files[number] = target
            faults.pop(number, None)
            if fault:
                target.write_bytes(b"")
                faults[number] = fault
        if len(wanted) == 1 and _as_long_as_said(wanted[0], length_s):
            cut_before[numbers[0]] = length_s

    for recording, numbers in of_recording.items():
        cut(recording, numbers, [parts[number] for number in numbers])
        for _ in numbers:
            advance()
    if any(parts[number].start_s >= length_s for number, length_s in cut_before.items()):
        for number in list(cut_before):
            files[number].unlink()
            cut(parts[number].path, [number], [parts[number]._replace(start_s=0, end_s=math.inf)])
    return files, faults


def _as_long_as_said(part: Part, length_s: float) -> bool:
    """Whether a file is as long as its times say, but not where they say.

    IEMOCAP's and MELD's are: their tables say when a clip was in a recording that nobody has. Where
    one begins behind the end of its file, the others were cut before, too.
    """
    late = part.start_s > 0 and part.end_s > length_s > 0
    return late and abs(part.end_s - part.start_s - length_s) <= LATE_S


def _cut(
    recording: Path, parts: Sequence[Part], targets: Sequence[Path]
) -> tuple[list[str], float]:
    """Writes each part that there is; why there is none, or `""`, and the recording's seconds."""
    order = sorted(range(len(parts)), key=lambda i: parts[i].start_s)
    faults, n, rate = [""] * len(parts), 0, 0
    try:
        with opened(recording) as (file, _):
            check = Mix(recording.name, MAX_DURATION_S).check
            for block, block_rate in _joined(decode(file, recording.name, check, [])):
                if rate not in (0, block_rate):
                    raise AudioError("its sampling rate changes midway")
                rate, stop = block_rate, n + len(block)
                for i in order:
                    start, end = _samples(parts[i], rate)
                    if start >= stop:
                        break
                    if end > n and not faults[i]:
                        inside = block[max(0, start - n) : max(0, end - n)]
                        faults[i] = _append(targets[i], inside, rate, parts[i].channel)
                order = [i for i in order if _samples(parts[i], rate)[1] > stop]
                n = stop
    except (AudioError, OSError) as error:
        if isinstance(error, OSError) and error.errno in (28, 122):  # the disk is full
            raise
        reason = str(error).removeprefix(f"{recording.name}: ")
        return [f"its recording cannot be read: {reason}"] * len(parts), 0.0
    length_s = n / rate if rate else 0.0
    for i, part in enumerate(parts):
        late = not math.isinf(part.end_s) and part.end_s > length_s + LATE_S
        if not faults[i] and (late or not targets[i].exists()):
            faults[i] = BEHIND
    return faults, length_s


def _joined(blocks: Iterable[Block]) -> Iterator[Block]:
    """The same samples in fewer blocks."""
    waiting: list[np.ndarray] = []
    last = 0, 0
    for block, rate in blocks:
        kind = rate, block.shape[1]
        if waiting and (kind != last or sum(map(len, waiting)) > _BLOCK_SAMPLES):
            yield np.concatenate(waiting), last[0]
            waiting.clear()
        waiting.append(block)
        last = kind
    if waiting:
        yield np.concatenate(waiting), last[0]


def _samples(part: Part, rate: int) -> tuple[int, int]:
    end = (MAX_DURATION_S + 1) * rate if math.isinf(part.end_s) else round(part.end_s * rate)
    return round(part.start_s * rate), end


def _append(target: Path, samples: np.ndarray, rate: int, channel: int | None) -> str:
    """Adds samples to a WAV of 32-bit floats, which holds what any decoder gives exactly."""
    if channel is not None:
        if channel >= samples.shape[1]:
            return NO_CHANNEL
        samples = samples[:, channel : channel + 1]
    n_before = max(0, target.stat().st_size - _HEADER) if target.exists() else 0
    if n_before + samples.nbytes > 2**32 - 1 - _HEADER:
        return _TOO_LONG
    content = as_wav(samples, rate, n_before)
    with target.open("r+b" if n_before else "wb") as file:
        file.write(content[:_HEADER])
        file.seek(0, 2)
        file.write(content[_HEADER:])
    return ""


def as_wav(samples: np.ndarray, rate: int, n_before: int = 0) -> bytes:
    """A WAV of 32-bit floats; its header counts `n_before` bytes of samples more.

    Not by soundfile: its header has the time of writing, and equal clips are to be equal files.

    Example:
        >>> len(as_wav(np.zeros((100, 2)), 16_000))
        844
    """
    samples = np.ascontiguousarray(samples.reshape(len(samples), -1), "<f4")
    n_bytes, frame = n_before + samples.nbytes, samples.itemsize * samples.shape[1]
    floats = struct.pack("<HHIIHH", 3, samples.shape[1], rate, rate * frame, frame, 32)
    return riff(b"RIFF", "<", floats, n_bytes) + samples.tobytes()
