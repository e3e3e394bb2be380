"""Any audio in, float32 mono at 16 kHz out; one exception type for whatever is wrong with it.

This file ships to the Hub as remote code: it is flat, and heavy imports are inside functions.

Which decoder reads what stands in `decoding_empathic`; soxr HQ does every change of rate, block by
block, which gives the very samples that it gives at once.
"""

import io
import math
import re
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .containers_empathic import AudioError, View, size_of
from .decoding_empathic import as_float32, decode
from .mixing_empathic import SAMPLE_RATE, Mix, Sound, check_rate

__all__ = [
    "SAMPLE_RATE",
    "AudioError",
    "Sound",
    "load_audio",
    "read_audio",
    "windows",
]

MIN_TAIL_S = 1.0  # seconds: `windows` drops a shorter rest after the last full window
MAX_CHANNELS = 32
"""A 2-D array with more channels is taken for a batch of clips, which averaging would ruin."""
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def load_audio(
    source: Any,
    sampling_rate: float | None = None,
    *,
    name: str | None = None,
    max_duration_s: float | None = None,
) -> np.ndarray:
    """Read any audio as the waveform that Whisper expects.

    Channels are mixed by their mean. Samples are neither normalised nor clipped; integers are
    scaled by the range of their type to [-1, 1). Silence at the ends is kept.

    All of the sound is read, or none: every link of a chained Ogg, every `data` of a WAV, files
    that were joined. A clip that is cut short is refused wherever its format says how long it
    should be: FLAC, WAV, AIFF, CAF, AU, MP4/M4A and Matroska. MP3, AAC and Ogg do not say it, so a
    truncated one is what it still holds, or an error if that cannot be decoded.

    Args:
        source: One of
            a path (`str` or `Path`, not a URL), or the `bytes` of an encoded file;
            a binary file object, read from where it stands;
            a numpy array, torch tensor or list of samples, shape `(samples,)`,
            `(channels, samples)` or `(samples, channels)`: the smaller axis is the channels;
            a dict with `array` or `raw` (and `sampling_rate`), or with `bytes` or `path`; where
            several are set the first in this order is used;
            an `AudioDecoder` of torchcodec or datasets.
        sampling_rate: Of an array, in Hz; an array without one is taken to be at 16 kHz. Encoded
            audio knows its own rate.
        name: What error messages call the clip. By default its path, or its kind such as
            `<array>`.
        max_duration_s: The longest clip to accept, in seconds; by default any. A longer one is
            refused before it is decoded, or, without a length in its header, on the way there.

    Returns:
        The waveform at 16 kHz, float32, shape `(samples,)`, at least 400 samples.

    Raises:
        AudioError: If the source is missing, unreadable, not audio, truncated, empty, shorter than
            25 ms, longer than `max_duration_s`, not finite, far beyond [-1, 1], digital silence
            (all zeros: a score of it would say nothing), or of channels that cancel each other.
        ImportError: If a decoder (soundfile, av) or the resampler (soxr) is not installed.

    Warns:
        UserWarning: What makes the sound doubtful, as `read_audio` returns it.

    Example:
        >>> tone = np.sin(np.arange(44_100) / 10).astype(np.float32)
        >>> load_audio(tone, sampling_rate=44_100).shape
        (16000,)
        >>> load_audio("no.wav")
        Traceback (most recent call last):
        ...
        modeling_empathic.containers_empathic.AudioError: no.wav: No such file or directory
    """
    sound = read_audio(source, sampling_rate, name=name, max_duration_s=max_duration_s)
    for note in sound.notes:
        warnings.warn(f"{name or _name(source)}: {note}", stacklevel=2)
    return sound.samples


def read_audio(
    source: Any,
    sampling_rate: float | None = None,
    *,
    name: str | None = None,
    max_duration_s: float | None = None,
) -> Sound:
    """As `load_audio`, with what was noticed on the way.

    Args:
        source: As for `load_audio`.
        sampling_rate: As for `load_audio`.
        name: As for `load_audio`.
        max_duration_s: As for `load_audio`.

    Returns:
        The waveform and the notes.

    Raises:
        AudioError: As `load_audio`.
        ImportError: As `load_audio`.

    Example:
        >>> tone = 0.5 * np.sin(np.arange(16_000) / 10).astype(np.float32)
        >>> read_audio(np.stack([tone, -0.9 * tone])).notes
        ('channels cancel',)
    """
    if isinstance(source, dict):
        source, sampling_rate, name = _of_dict(source, sampling_rate, name)
    name = name or _name(source)
    kind = _kind(source)
    if kind != "array" and sampling_rate is not None:
        raise AudioError(f"{name}: sampling_rate is for arrays, encoded audio has its own")
    mix = Mix(name, max_duration_s)
    if kind == "array":
        rate = SAMPLE_RATE if sampling_rate is None else sampling_rate
        mix.add(_frames(_as_array(source, name), name), check_rate(rate, name))
    elif kind == "AudioDecoder":
        mix.add(*_decode_all_samples(source, name))
    else:
        with _open(source, name) as stream:
            for block, rate in decode(stream, name, mix.check, mix.notes):
                mix.add(block, rate)
    return mix.sound()


def windows(
    n_samples: int,
    window_s: float = 30.0,
    hop_s: float | None = None,
    sampling_rate: int = SAMPLE_RATE,
    min_tail_s: float = MIN_TAIL_S,
) -> list[slice]:
    """Cut a clip into the windows that are scored one by one.

    Windows start at 0 and every hop after it, until one reaches the end. The last holds what
    remains. If that is shorter than `min_tail_s`, and not the only window, it is dropped: half of
    the scores of a 30.02 s clip should not come from a 20 ms scrap. Less than `min_tail_s` is lost.

    Args:
        n_samples: Length of the clip.
        window_s: Length of a window, in seconds. Whisper's encoder reads 30 s at most.
        hop_s: From one start to the next, in seconds; by default `window_s` (no overlap).
        sampling_rate: In Hz.
        min_tail_s: The shortest last window worth a score of its own, in seconds.

    Returns:
        Slices of the waveform, in order of time.

    Raises:
        ValueError: If there is no sample, the window or hop does not hold one, the hop is longer
            than the window (which leaves gaps), or `min_tail_s` is not within 0 and `window_s`.

    Example:
        >>> windows(70 * SAMPLE_RATE)
        [slice(0, 480000, None), slice(480000, 960000, None), slice(960000, 1120000, None)]
        >>> windows(1_000, window_s=30) == [slice(0, 1_000)]
        True
    """
    hop_s = window_s if hop_s is None else hop_s
    if n_samples < 1:
        raise ValueError(f"n_samples must be at least 1, got {n_samples}")
    for label, value in (("window_s", window_s), ("hop_s", hop_s)):
        if not (math.isfinite(value * sampling_rate) and round(value * sampling_rate) >= 1):
            raise ValueError(f"{label} must hold a sample at {sampling_rate} Hz, got {value}")
    window, hop = round(window_s * sampling_rate), round(hop_s * sampling_rate)
    if hop > window:
        raise ValueError(f"hop_s must not exceed window_s={window_s} (gaps), got {hop_s}")
    if not 0 <= min_tail_s <= window_s:
        raise ValueError(f"min_tail_s must be within 0 and window_s={window_s}, got {min_tail_s}")
    n_windows = 1 + max(0, -(-(n_samples - window) // hop))
    starts = range(0, n_windows * hop, hop)
    cuts = [slice(start, min(start + window, n_samples)) for start in starts]
    if len(cuts) > 1 and n_samples - cuts[-1].start < min_tail_s * sampling_rate:
        cuts.pop()
    return cuts


def _of_dict(
    source: Any, sampling_rate: float | None, name: str | None
) -> tuple[Any, float | None, str | None]:
    """`{"array"|"raw", "sampling_rate"}` or `{"bytes", "path"}`, as datasets and pipelines use."""
    key = next((k for k in ("array", "raw", "bytes", "path") if source.get(k) is not None), None)
    name = name or source.get("path")
    own_rate = source.get("sampling_rate") if key in ("array", "raw") else None
    if own_rate is not None:
        if sampling_rate not in (None, own_rate):
            who = name or "<array>"
            raise AudioError(f"{who}: at {own_rate} Hz, but sampling_rate={sampling_rate} given")
        sampling_rate = own_rate
    if key is None:
        who, keys = name or "<dict>", list(source)
        raise AudioError(f"{who}: nothing under 'array', 'raw', 'bytes' or 'path' (keys: {keys})")
    if isinstance(source[key], dict):
        raise AudioError(f"{name or '<dict>'}: a dict under {key!r}")
    return source[key], sampling_rate, name


def _kind(source: Any) -> str:
    if hasattr(source, "get_all_samples"):  # torchcodec's; duck-typed, its import takes seconds
        return "AudioDecoder"
    if isinstance(source, str | Path | bytes | bytearray | memoryview):
        return "bytes"
    return "file object" if hasattr(source, "read") else "array"


def _name(source: Any) -> str:
    if isinstance(source, dict):
        return str(source.get("path") or "<dict>")
    own = source if isinstance(source, str | Path) else getattr(source, "name", None)
    return str(own) if isinstance(own, str | Path) else f"<{_kind(source)}>"


def _open(source: Any, name: str) -> BinaryIO:
    """A seekable binary stream of an encoded file."""
    try:
        if isinstance(source, str | Path):
            if url := _URL.match(str(source)):
                raise OSError(f"{url[0]} addresses are not read: download the file, give its path")
            if Path(source).exists() and not Path(source).is_file():
                raise OSError("not a regular file")  # opening a FIFO would block for ever
            return Path(source).open("rb")  # the caller closes it
        if isinstance(source, io.BufferedReader) and source.seekable():
            return View(source, ((source.tell(), size_of(source)),))  # type: ignore[return-value]
        return io.BytesIO(source.read() if hasattr(source, "read") else source)
    except (OSError, ValueError) as err:  # ValueError: a null byte in the path, a closed file
        raise AudioError(f"{name}: {getattr(err, 'strerror', None) or err}") from err
    except TypeError as err:  # read() gave a str
        raise AudioError(f"{name}: open the file in binary mode ('rb')") from err


def _decode_all_samples(decoder: Any, name: str) -> tuple[np.ndarray, int]:
    try:
        samples = decoder.get_all_samples()
    except MemoryError:
        raise
    except Exception as err:  # whatever torchcodec raises on a damaged stream
        raise AudioError(f"{name}: {err}") from err
    # (channels, samples) by contract, so the smaller axis need not be guessed.
    channels = np.atleast_2d(_as_array(samples.data, name))
    return np.ascontiguousarray(channels.T), check_rate(samples.sample_rate, name)


def _as_array(source: Any, name: str) -> np.ndarray:
    if hasattr(source, "detach"):  # a torch tensor; numpy has no bfloat16
        source = source.detach().cpu()
        source = (source.float() if source.is_floating_point() else source).numpy()
    try:
        samples = np.asarray(source)
    except ValueError as err:  # a ragged list
        raise AudioError(f"{name}: not an array of samples: {err}") from err
    if samples.dtype.kind in "OSU":
        raise AudioError(
            f"{name}: cannot read audio from {type(source).__name__}; give a path, bytes, a binary "
            "file object, an array, a dict or an AudioDecoder"
        )
    try:
        return as_float32(samples)
    except TypeError as err:
        valid = "float, uint8, int8, int16 or int32"
        raise AudioError(
            f"{name}: samples of type {err} have no known full scale; use {valid}"
        ) from err


def _frames(samples: np.ndarray, name: str) -> np.ndarray:
    """`(n,)`, `(channels, n)` or `(n, channels)` as `(n, channels)`: the smaller axis is theirs."""
    if samples.ndim == 1:
        return samples[:, None]
    if samples.ndim != 2 or min(samples.shape) > MAX_CHANNELS:
        raise AudioError(
            f"{name}: shape {samples.shape} is not one clip of at most {MAX_CHANNELS} channels; "
            "give clips one at a time"
        )
    if 0 in samples.shape:
        return np.empty((0, 1), np.float32)
    # Contiguous as a decoder gives them, so that the sums round alike and the scores agree.
    return np.ascontiguousarray(samples if samples.shape[1] <= samples.shape[0] else samples.T)
