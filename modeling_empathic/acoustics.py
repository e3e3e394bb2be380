"""What a clip sounds like in numbers: pitch, level, tempo and timbre, per clip and over time.

`contours` measures 50 frames a second (the rate of Whisper's encoder states), `summarise` makes the
22 `FEATURES` of them, `acoustics` does both; `acoustics_files.py` does it for many files. Features
are over the *active* frames, those at most 25 dB below the level's 99th percentile (de Jong & Wempe
2009), so that silence around the speech does not count.

Pitch is pYIN (Mauch & Dixon 2014) of librosa, with settings for speech and for speed:

- 60 to 1,000 Hz (librosa's example: 65 to 2,093) at 16 kHz in bins of 0.2 semitones (0.1). The time
  grows with the square of the number of bins. The price: F0 is rounded to within 0.6 %.
- Frames of 50 ms, three periods of the lowest pitch (93 ms): speech melody moves within 93 ms.
- 20 ms from frame to frame (23). A voice goes on or off 1.7 times a second, as in the pYIN paper
  (0.01 in 5.8 ms); librosa has 0.01 whatever the hop.
- The prior of YIN's threshold has a mean of 0.2, the third of the paper's three (0.1, the first):
  more of the frames that Praat calls voiced are found, in hoarse voices too.

What lies outside the range has no pitch (pYIN gives a hum of 50 Hz the lowest, a tone of 1,100 its
half), and an offset of the samples (DC) is no sound.

`benchmarks/acoustics.py` measures speed, and how far this is from librosa's defaults and Praat.

Sources: Mauch & Dixon (2014), "pYIN", ICASSP, 659-663. de Jong & Wempe (2009), "Praat script to
detect syllable nuclei", Behavior Research Methods 41, 385-390. Eyben et al. (2016), "The Geneva
Minimalistic Acoustic Parameter Set", IEEE Trans. Affective Computing 7, 190-202. Tzanetakis & Cook
(2002), "Musical genre classification of audio signals", IEEE Trans. Speech and Audio 10, 293-302.
Gray & Markel (1974), "A spectral-flatness measure", IEEE Trans. ASSP 22, 207-217. Davis &
Mermelstein (1980), "Comparison of parametric representations", IEEE Trans. ASSP 28, 357-366.
"""

import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .audio import SAMPLE_RATE, load_audio
from .taxonomy import UserError

N_MFCC = 13

FEATURES: dict[str, tuple[str, str]] = {
    "f0_median_hz": ("Hz", "median F0 of the voiced frames (pYIN: Mauch & Dixon 2014)"),
    "f0_range_st": ("semitones", "5th to 95th percentile of F0 (as Eyben et al. 2016: 20 to 80)"),
    "voiced_share": ("0-1", "voiced of the active frames (pYIN: Mauch & Dixon 2014)"),
    "level_dbfs": (
        "dBFS",
        "RMS of the active frames, 0 for an RMS of 1: a full-scale sine has -3 (Eyben 2016)",
    ),
    "level_range_db": ("dB", "5th to 95th percentile of the active frames' level (Eyben 2016)"),
    "syllable_rate_hz": (
        "1/s",
        "proxy of the speech rate: voiced peaks of the level, 2 dB above the dips on both sides, "
        "from the first to the last active frame (de Jong & Wempe 2009)",
    ),
    "centroid_hz": ("Hz", "mean of the spectral centroid (Tzanetakis & Cook 2002)"),
    "rolloff_hz": ("Hz", "mean frequency, 85 % of the magnitude below it (Tzanetakis & Cook 2002)"),
    "flatness": ("0-1", "mean of geometric / arithmetic mean of the power (Gray & Markel 1974)"),
    **{
        f"mfcc_{i}": ("dB", f"mean of cepstral coefficient {i} (Davis & Mermelstein 1980)")
        for i in range(N_MFCC)
    },
}
"""Feature -> its unit, and its meaning and source. The order of `acoustics`."""

HOP = 320  # samples: 20 ms, the step of Whisper's encoder states
HOP_S = HOP / SAMPLE_RATE
_F0_FRAME, _LEVEL_FRAME, _SPECTRUM_FRAME = 800, 512, 1024  # samples: 50, 32 and 64 ms
_PYIN: dict[str, Any] = {
    "fmin": 60.0,
    "fmax": 1000.0,
    "resolution": 0.2,
    "beta_parameters": (2, 8),  # a mean of 0.2
    "switch_prob": 0.01 * HOP_S / (256 / 44_100),
}
_ACTIVE_DB, _DIP_DB = 25.0, 2.0  # de Jong & Wempe's
_REPEATS = 0.85  # of the autocorrelation: a tone above the range has 0.9, a formant rarely this
_FLOOR = 1e-6  # -120 dBFS: no 16-bit recording goes there, and digital silence has no logarithm
_RATE_WINDOW_S = 2.0
_MIN_SPEECH_S = 0.5  # one peak in less would be a rate of many syllables a second
# pYIN holds matrices of frames x 488 states: 6 MB each for 30 s, and 700 MB for an hour.
NEEDS_LIBROSA = 'acoustic features need librosa: pip install "emonet-voice[acoustics]"'
_BLOCK, _CONTEXT = 1500, 50  # frames: 30 s, and 1 s for the Viterbi path to settle


def acoustics(waveform: np.ndarray, sampling_rate: float = SAMPLE_RATE) -> dict[str, float]:
    """The `FEATURES` of one clip.

    Undefined features are NaN: pitch of a clip without a voiced frame, rate of less than half a
    second of speech.

    Args:
        waveform: Samples, in any shape and type that `load_audio` reads.
        sampling_rate: In Hz.

    Raises:
        AudioError: As `load_audio`: shorter than 25 ms, not finite, or digital silence.
        UserError: librosa is not installed.

    Example:
        >>> time_s = np.arange(16_000) / 16_000
        >>> features = acoustics(0.1 * np.sign(np.sin(2 * np.pi * 240 * time_s)))
        >>> round(features["f0_median_hz"]), round(features["level_dbfs"]), len(features)
        (240, -20, 22)
    """
    return summarise(contours(waveform, sampling_rate))


def contours(waveform: np.ndarray, sampling_rate: float = SAMPLE_RATE) -> dict[str, np.ndarray]:
    """The course of pitch, level, tempo and timbre, 50 frames a second.

    Works in blocks of 30 s: an hour takes 0.5 GB, nearly all of it for two copies of the samples.

    Args:
        waveform: Samples, in any shape and type that `load_audio` reads.
        sampling_rate: In Hz.

    Returns:
        Arrays of `(frames,)`: `time_s` of the middle of each frame; `f0_hz`, NaN where there is no
        voice; `level_dbfs`, at least -120; `active`, whether there is speech rather than pause;
        `syllable`, whether there is the peak of one; `rate_hz`, peaks a second in the 2 s around,
        NaN where less than 0.5 s of those are in the clip; `centroid_hz`, `rolloff_hz`, `flatness`;
        and `mfcc` of `(13, frames)`.

    Raises:
        AudioError: As `load_audio`.

    Example:
        >>> curves = contours(np.random.default_rng(0).normal(0, 0.1, 16_000))
        >>> curves["time_s"][:3], curves["mfcc"].shape
        (array([0.  , 0.02, 0.04]), (13, 51))
    """
    samples = load_audio(waveform, sampling_rate)
    return joined(list(blocks(samples)))


def blocks(samples: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """The parts of `contours` 30 s at a time, for who may want to stop before the end.

    Args:
        samples: As `load_audio` gives them.
    """
    samples = samples - samples.mean()  # of DC nothing is heard
    n = 1 + len(samples) // HOP
    for first in range(0, n, _BLOCK):
        yield _block(samples, first, min(first + _BLOCK, n), n)


def joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The `contours` of a clip from all of its `blocks`."""
    curves = {name: np.concatenate([b[name] for b in parts], axis=-1) for name in parts[0]}
    n = len(curves["f0_hz"])
    level = curves["level_dbfs"]
    threshold = np.percentile(level, 99) - _ACTIVE_DB
    curves["active"] = level >= threshold
    # pYIN does not hear loudness: it would give the pitch of the hum between the words.
    curves["f0_hz"][~curves["active"]] = np.nan
    curves["syllable"] = np.zeros(n, bool)
    voiced = np.isfinite(curves["f0_hz"])
    voiced[1:-1] |= voiced[:-2] | voiced[2:]
    curves["syllable"][_peaks(level)] = True
    curves["syllable"] &= curves["active"] & voiced
    half = round(_RATE_WINDOW_S / 2 / HOP_S)
    first, last = np.maximum(np.arange(n) - half, 0), np.minimum(np.arange(n) + half + 1, n)
    peaks = np.concatenate([[0], np.cumsum(curves["syllable"])])
    window_s = (last - first) * HOP_S
    rate_hz = np.where(window_s < _MIN_SPEECH_S, np.nan, (peaks[last] - peaks[first]) / window_s)
    return {"time_s": np.arange(n) * HOP_S, **curves, "rate_hz": rate_hz}


def _peaks(level: np.ndarray) -> list[int]:
    """Peaks `_DIP_DB` above the dips on both sides; a steady tone has one, whatever its ripple."""
    found, top, dip = [], 0, None
    for i, value in enumerate(level.tolist()):
        if dip is not None:  # since the last peak
            dip = min(dip, value)
            if value >= dip + _DIP_DB:
                top, dip = i, None
        elif value > level[top]:
            top = i
        elif value <= level[top] - _DIP_DB:
            found.append(top)
            dip = value
    return [*found, top] if dip is None else found


def _above_range(heard: np.ndarray, n_frames: int) -> np.ndarray:
    """Frames whose sound repeats faster than the highest pitch, by its autocorrelation."""
    frames = np.lib.stride_tricks.sliding_window_view(heard, _F0_FRAME)[::HOP][:n_frames]
    power = np.abs(np.fft.rfft(frames, 1024)) ** 2
    r = np.fft.irfft(power, 4096)[:, : int(4 * SAMPLE_RATE / _PYIN["fmax"]) + 2]
    r = r / np.maximum(r[:, :1], 1e-20)
    here, fallen = r[:, 1:-1], np.maximum.accumulate(r < 0.5, axis=1)[:, 1:-1]
    peak = fallen & (here >= r[:, :-2]) & (here >= r[:, 2:]) & (here >= _REPEATS)
    return np.asarray(peak.any(axis=1))


@cache
def load_librosa() -> ModuleType:
    """librosa, whose compiled functions one process at a time reads or writes.

    Two that fill numba's cache at once leave machine code there for the wrong type of number, and
    from then on every call of anybody with that installation ends in a segmentation fault.

    Raises:
        UserError: It is not installed.
    """
    from filelock import FileLock  # of huggingface_hub

    with FileLock(compiling_lock()):
        try:
            import librosa
        except ImportError as error:  # no part of the core: it brings 400 MB
            raise UserError(NEEDS_LIBROSA) from error
        noise = np.random.default_rng(0).normal(0, 0.1, 2 * _F0_FRAME).astype(np.float32)
        librosa.pyin(noise, sr=SAMPLE_RATE, frame_length=_F0_FRAME, **_PYIN)
    return librosa


def compiling_lock() -> Path:
    """The file that is locked while numba compiles, each user's own."""
    user = getattr(os, "getuid", int)()
    return Path(tempfile.gettempdir()) / f"emonet-voice-numba-{user}.lock"


def _block(samples: np.ndarray, first: int, last: int, n: int) -> dict[str, np.ndarray]:
    """Frames `first` to `last` of the `n` of a clip."""
    librosa = load_librosa()
    # Only pitch needs context: every other frame is a function of its own samples.
    before, after = max(0, first - _CONTEXT), min(n, last + _CONTEXT)
    heard = _around(samples, before, after, _F0_FRAME)
    f0 = librosa.pyin(
        heard, sr=SAMPLE_RATE, frame_length=_F0_FRAME, hop_length=HOP, center=False, **_PYIN
    )[0]
    f0 = np.where((f0 <= _PYIN["fmin"]) | _above_range(heard, len(f0)), np.nan, f0)
    heard = _around(samples, first, last, _LEVEL_FRAME)
    rms = librosa.feature.rms(y=heard, frame_length=_LEVEL_FRAME, hop_length=HOP, center=False)[0]
    heard = _around(samples, first, last, _SPECTRUM_FRAME)
    spectrum = np.abs(librosa.stft(heard, n_fft=_SPECTRUM_FRAME, hop_length=HOP, center=False))
    mel = librosa.feature.melspectrogram(S=spectrum**2, sr=SAMPLE_RATE, n_mels=40)
    # librosa's own floor of 80 dB below the loudest frame would depend on the rest of the clip.
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None), n_mfcc=N_MFCC)
    return {
        "f0_hz": f0[first - before : last - before],
        "level_dbfs": 20 * np.log10(np.maximum(rms, _FLOOR)),
        "centroid_hz": librosa.feature.spectral_centroid(S=spectrum, sr=SAMPLE_RATE)[0],
        "rolloff_hz": librosa.feature.spectral_rolloff(S=spectrum, sr=SAMPLE_RATE)[0],
        "flatness": librosa.feature.spectral_flatness(S=spectrum)[0],
        "mfcc": mfcc,
    }


def _around(samples: np.ndarray, first: int, last: int, width: int) -> np.ndarray:
    """The samples that frames `first` to `last` of `width` are centred in, zeros outside."""
    start, stop = first * HOP - width // 2, (last - 1) * HOP + width // 2
    inside = samples[max(0, start) : stop]
    return np.pad(inside, (max(0, -start), max(0, stop - len(samples))))


def summarise(curves: dict[str, np.ndarray]) -> dict[str, float]:
    """The `FEATURES` of `contours`, for those who need both."""
    active = curves["active"]
    level = curves["level_dbfs"][active]
    f0 = curves["f0_hz"][~np.isnan(curves["f0_hz"])]
    low, high = np.percentile(f0, [5, 95]) if len(f0) > 1 else (np.nan, np.nan)
    quiet, loud = np.percentile(level, [5, 95])
    spoken = np.flatnonzero(active)
    speech_s = (spoken[-1] - spoken[0] + 1) * HOP_S
    features = {
        "f0_median_hz": np.median(f0) if len(f0) else np.nan,
        "f0_range_st": 12 * np.log2(high / low),
        "voiced_share": len(f0) / len(level),
        "level_dbfs": 10 * np.log10(np.mean(10 ** (level / 10))),
        "level_range_db": loud - quiet,
        "syllable_rate_hz": curves["syllable"].sum() / speech_s
        if speech_s >= _MIN_SPEECH_S
        else np.nan,
        **{
            name: curves[name][active].mean(dtype=float)
            for name in ("centroid_hz", "rolloff_hz", "flatness")
        },
        **{f"mfcc_{i}": curves["mfcc"][i, active].mean(dtype=float) for i in range(N_MFCC)},
    }
    return {name: float(features[name]) for name in FEATURES}
