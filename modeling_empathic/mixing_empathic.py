"""Blocks of any rate and number of channels to one waveform at 16 kHz, or why that is no sound.

This file ships to the Hub as remote code: it is flat, and heavy imports are inside functions.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from .containers_empathic import AudioError

SAMPLE_RATE = 16_000
"""Hz. The rate of every waveform that leaves this file, and the only one that Whisper reads."""
MIN_DURATION_S = 0.025
"""One analysis frame of Whisper, 400 samples at 16 kHz: the least that can hold speech."""
LOUDEST = 10.0
"""Sound lies in [-1, 1], and mixes somewhat beyond; what reaches this holds other numbers."""
CLIPPED = 0.001
"""Share of the samples that stand at the ends, from where on a recording is called clipped."""
FLAT, FAINT = 0.0002, 0.01
"""Share of the samples in flat tops (three and more equal ones at an end of the sound's own range),
from where on it was clipped before it was made quieter; and the range where any top is flat."""
LOUD, AT_THE_ENDS = 0.9, 0.999
"""A peak that may be an end, and the share of it from where on a sample stands there."""

# Outside these a header is lying, or somebody wrote kHz; 16 Hz would be resampled a thousandfold.
_LOWEST_RATE, _HIGHEST_RATE = 1_000, 768_000
# Of the energy that the mean of n channels has left, of what it would have if they had nothing in
# common (1/n): one voice on two channels is at 2, one beside silence at 1.
CANCELLED, _CANCELLING = 1e-3, 0.1


class Sound(NamedTuple):
    """A recording as the model hears it.

    Attributes:
        samples: `(samples,)` float32 at 16 kHz.
        notes: What was noticed while decoding and makes scores doubtful, such as `"channels
            cancel"` or `"first of 2 tracks"`.
    """

    samples: np.ndarray
    notes: tuple[str, ...] = ()


def check_rate(rate: Any, name: str) -> int:
    """A rate in Hz that sound can have.

    Raises:
        AudioError: Any other.
    """
    try:
        plausible = _LOWEST_RATE <= rate <= _HIGHEST_RATE and int(rate) == rate
    except (TypeError, ValueError):
        plausible = False
    if not plausible:
        valid = f"a whole number of Hz from {_LOWEST_RATE} to {_HIGHEST_RATE}"
        raise AudioError(f"{name}: sampling rate {rate!r} is not {valid}")
    return int(rate)


def _check_duration(
    n_samples: int, rate: int, left_s: float, max_duration_s: float, name: str
) -> None:
    if n_samples > left_s * rate:
        hours = max_duration_s / 3600
        limit = f"{hours:g} h" if hours >= 1 else f"{max_duration_s:g} s"
        raise AudioError(f"{name}: longer than {limit}: split it")


class Mix:
    """Channels mixed to their mean and resampled, block by block, and what is wrong with them.

    Memory holds a block at its own rate, and the rest at 16 kHz: an hour at 192 kHz is 2.8 GB.
    """

    def __init__(self, name: str, max_duration_s: float | None) -> None:
        self.notes: list[str] = []
        self._name, self._max_duration_s = name, max_duration_s
        self._samples = np.empty(0, np.float32)
        self._sounds = False  # whether any sample is not 0
        self._seconds = 0.0  # of what was at another rate before
        self._rate = self._n = self._n_out = 0  # of the rate that holds now
        self._resampler: Any = None
        self._energy_before = self._energy_after = 0.0
        self._peak, self._at_ends, self._n_heard = 0.0, 0, 0
        self._tops, self._n_flat = [0.0, 0.0], [0, 0]

    def check(self, n_samples: int, rate: int) -> None:
        """Refuses too many samples, on top of those that came at another rate."""
        if self._max_duration_s is not None:
            left_s = self._max_duration_s - self._seconds
            _check_duration(n_samples, rate, left_s, self._max_duration_s, self._name)

    def add(self, block: np.ndarray, rate: int) -> None:
        """Takes samples `(samples, channels)`."""
        if not len(block):
            return
        if rate != self._rate:
            self._end_rate()
            self._rate = check_rate(rate, self._name)
            if rate != SAMPLE_RATE:
                import soxr  # what librosa.resample(res_type="soxr_hq") calls, faster to import

                self._resampler = soxr.ResampleStream(
                    rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ"
                )
        self.check(self._n + len(block), rate)
        high, low = float(block.max()), float(block.min())
        peak = max(high, -low)
        if not math.isfinite(peak):
            raise AudioError(f"{self._name}: not finite: the samples hold NaN or Inf")
        if peak >= LOUDEST:
            advice = ": divide 16-bit integers by 32768" if 100 < peak <= 32768 else ""
            raise AudioError(
                f"{self._name}: samples reach {peak:g}, but sound lies in [-1, 1]{advice}"
            )
        self._note_ends(block, peak)
        self._note_flat_tops(block, (high, -low))
        if block.shape[1] == 1:
            mono = block[:, 0]
        else:
            mono = block.mean(axis=1)
            n_channels = block.shape[1]
            self._energy_before += float(np.vdot(block, block)) / n_channels**2
            self._energy_after += float(np.vdot(mono, mono))
        self._n += len(mono)
        if self._resampler:
            self._keep(self._resampler.resample_chunk(mono))
        else:
            self._keep(mono)

    def _note_ends(self, block: np.ndarray, peak: float) -> None:
        """Counts samples that stand at the ends, before resampling rounds a flat top."""
        self._n_heard += block.size
        if peak > max(self._peak, LOUD):
            if AT_THE_ENDS * peak > self._peak:  # what stood at the ends until now does not
                self._at_ends = 0
            self._peak = peak
        if self._peak > LOUD:
            self._at_ends += int(np.count_nonzero(np.abs(block) > AT_THE_ENDS * self._peak))

    def _note_flat_tops(self, block: np.ndarray, tops: tuple[float, float]) -> None:
        """Counts samples that are at an end of the range and equal the two before them."""
        for side, top in enumerate(tops):
            if AT_THE_ENDS * top > self._tops[side]:
                self._n_flat[side] = 0
            self._tops[side] = max(top, self._tops[side])
            if top > FAINT:
                end = AT_THE_ENDS * self._tops[side]
                at, channel = np.nonzero(block[2:] >= end if side == 0 else block[2:] <= -end)
                last, middle, first = (block[at + k, channel] for k in (2, 1, 0))
                self._n_flat[side] += int(np.count_nonzero((last == middle) & (middle == first)))

    def take(self) -> np.ndarray:
        """The samples at 16 kHz that came since the last call, which are let go of here."""
        part, self._samples = self._samples, np.empty(0, np.float32)
        return part

    def sound(self) -> Sound:
        """The whole, or what nobody took.

        Raises:
            AudioError: Nothing that could be scored.
        """
        self._end_rate()
        if not self._seconds:
            raise AudioError(f"{self._name}: empty: no samples")
        if self._seconds < MIN_DURATION_S:
            raise AudioError(
                f"{self._name}: too short: {self._seconds:.4f} s, at least {MIN_DURATION_S} s is "
                "needed"
            )
        if self._energy_after < CANCELLED * self._energy_before:
            raise AudioError(
                f"{self._name}: the channels cancel each other: nothing is left of their mean; "
                "give one of them"
            )
        if not self._sounds:
            raise AudioError(f"{self._name}: digital silence: nothing to score")
        if self._energy_after < _CANCELLING * self._energy_before:
            self.notes.append("channels cancel")
        if self._at_ends > CLIPPED * self._n_heard or max(self._n_flat) > FLAT * self._n_heard:
            self.notes.append("clipped")
        return Sound(self._samples, tuple(dict.fromkeys(self.notes)))

    def _keep(self, part: np.ndarray) -> None:
        self._sounds = self._sounds or bool(part.any())
        # In place, where the system moves pages: to join parts would take the memory twice.
        n_before = len(self._samples)
        self._samples.resize(n_before + len(part), refcheck=False)
        self._samples[n_before:] = part
        self._n_out += len(part)

    def _end_rate(self) -> None:
        if not self._rate:
            return
        if self._resampler:
            n_left = math.ceil(self._n * SAMPLE_RATE / self._rate) - self._n_out  # librosa's rule
            last = self._resampler.resample_chunk(np.empty(0, np.float32), last=True)[:n_left]
            self._keep(np.pad(last, (0, n_left - len(last))))
        self._seconds += self._n / self._rate
        self._rate = self._n = self._n_out = 0
        self._resampler = None
