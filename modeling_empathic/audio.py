"""Any audio in, float32 mono at 16 kHz out; one exception type for whatever is wrong with it.

This file ships to the Hub as remote code: it is flat, and heavy imports are inside functions.

Reproducible scores need one decoder and one resampler for each format, so both are fixed here:
libsndfile for WAV, FLAC, OGG Vorbis, Opus, AIFF and its other formats, FFmpeg (PyAV) for MP3, M4A,
AAC and WebM, soxr HQ for every change of rate. MP3 goes to FFmpeg because libsndfile ends an MP3
without a length header at an estimate (it lost half of a variable-rate file), changes samples when
read in blocks, and prints to stderr; where libsndfile is right, the two agree to 2e-6.
"""

import io
import math
import re
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .taxonomy import UserError

SAMPLE_RATE = 16_000
"""Hz. The rate of every waveform that leaves this file, and the only one that Whisper reads."""
MIN_DURATION_S = 0.025
"""One analysis frame of Whisper, 400 samples at 16 kHz: the least that can hold speech."""
MIN_TAIL_S = 1.0  # seconds: `windows` drops a shorter rest after the last full window
MAX_CHANNELS = 32
"""A 2-D array with more channels is taken for a batch of clips, which averaging would ruin."""

# Outside these a header is lying, or somebody wrote kHz; 16 Hz would be resampled a thousandfold.
_LOWEST_RATE, _HIGHEST_RATE = 1_000, 768_000
_BLOCK_SAMPLES = 1 << 22  # 16 MiB of float32 at a time, whatever the channel count
# Writers that stream (ffmpeg to a pipe, speech services) put a placeholder here: not a lie.
_STREAMED_BYTES = 0x7FFF_0000
_UNKNOWN_FRAMES = 1 << 62  # libsndfile answers 2^63 - 1
_MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
# FFmpeg's playlist formats (HLS, DASH, concat) open other files and URLs: only self-contained ones.
_FFMPEG_FORMATS = f"{_MP4},matroska,webm,aac,mp3,ogg,wav,flac,aiff,asf,amr,ac3,avi,flv,mpegts"


class AudioError(UserError):
    """Audio that cannot be scored. The message is always ``"<name>: <reason>"``."""


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

    A clip that is cut short is refused wherever its format says how long it should be: FLAC, WAV,
    AIFF, AU and MP4/M4A. MP3, AAC, OGG, Opus and WebM carry no length that can be trusted, so a
    truncated one that still decodes is scored as what it holds, and one that does not is an error.

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
            25 ms, longer than `max_duration_s`, not finite, or digital silence (all zeros: a score
            of it would say nothing).
        ImportError: If a decoder (soundfile, av) or the resampler (soxr) is not installed.

    Example:
        >>> tone = np.sin(np.arange(44_100) / 10).astype(np.float32)
        >>> load_audio(tone, sampling_rate=44_100).shape
        (16000,)
        >>> load_audio(tone[:1])
        Traceback (most recent call last):
        ...
        modeling_empathic.audio.AudioError: <array>: too short: 0.0001 s, at least 0.025 s is needed
    """
    if isinstance(source, dict):
        return _load_dict(source, sampling_rate, name, max_duration_s)
    kind = _kind(source)
    if name is None:
        own = source if isinstance(source, str | Path) else getattr(source, "name", None)
        name = str(own) if isinstance(own, str | Path) else f"<{kind}>"
    if kind != "array" and sampling_rate is not None:
        raise AudioError(f"{name}: sampling_rate is for arrays, encoded audio has its own")
    if kind == "array":
        rate = _check_rate(SAMPLE_RATE if sampling_rate is None else sampling_rate, name)
        mono = _downmix(_as_array(source, name), name)
    elif kind == "AudioDecoder":
        mono, rate = _decode_all_samples(source, name)
    else:
        with _open(source, name) as stream:
            mono, rate = _decode(stream, name, max_duration_s)
    return _finish(mono, rate, max_duration_s, name)


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


def _load_dict(
    source: Any, sampling_rate: float | None, name: str | None, max_duration_s: float | None
) -> np.ndarray:
    """`{"array"|"raw", "sampling_rate"}` or `{"bytes", "path"}`, as datasets and pipelines use."""
    key = next((k for k in ("array", "raw", "bytes", "path") if source.get(k) is not None), None)
    name = name or source.get("path")
    own_rate = source.get("sampling_rate") if key in ("array", "raw") else None
    if own_rate is not None:
        if sampling_rate not in (None, own_rate):
            who = name or "<array>"
            raise AudioError(f"{who}: at {own_rate} Hz, but sampling_rate={sampling_rate} given")
        sampling_rate = own_rate
    if key is not None:
        return load_audio(source[key], sampling_rate, name=name, max_duration_s=max_duration_s)
    who, keys = name or "<dict>", list(source)
    raise AudioError(f"{who}: nothing under 'array', 'raw', 'bytes' or 'path' (keys: {keys})")


def _kind(source: Any) -> str:
    if hasattr(source, "get_all_samples"):  # torchcodec's; duck-typed, its import takes seconds
        return "AudioDecoder"
    if isinstance(source, str | Path | bytes | bytearray | memoryview):
        return "bytes"
    return "file object" if hasattr(source, "read") else "array"


def _open(source: Any, name: str) -> BinaryIO:
    """A seekable binary stream of an encoded file."""
    try:
        if isinstance(source, str | Path):
            if Path(source).exists() and not Path(source).is_file():
                raise OSError("not a regular file")  # opening a FIFO would block for ever
            stream: BinaryIO = Path(source).open("rb")  # noqa: SIM115 (the caller closes it)
        else:
            stream = io.BytesIO(source.read() if hasattr(source, "read") else source)
    except (OSError, ValueError) as err:  # ValueError: a null byte in the path, a closed file
        raise AudioError(f"{name}: {getattr(err, 'strerror', None) or err}") from err
    except TypeError as err:  # read() gave a str
        raise AudioError(f"{name}: open the file in binary mode ('rb')") from err
    return stream


def _decode_all_samples(decoder: Any, name: str) -> tuple[np.ndarray, int]:
    try:
        samples = decoder.get_all_samples()
    except (RuntimeError, ValueError) as err:  # what torchcodec raises on a damaged stream
        raise AudioError(f"{name}: {err}") from err
    # (channels, samples) by contract, so the smaller axis need not be guessed.
    channels = np.atleast_2d(_as_array(samples.data, name))
    return channels.mean(axis=0), _check_rate(samples.sample_rate, name)


def _decode(stream: BinaryIO, name: str, max_duration_s: float | None) -> tuple[np.ndarray, int]:
    """Decode an encoded file to mono float32 `(samples,)` and its rate in Hz."""
    import soundfile

    head = stream.read(3)
    stream.seek(0)
    if not head:
        raise AudioError(f"{name}: empty file")
    if head == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):  # MP3, or AAC in ADTS
        return _decode_ffmpeg(stream, name, max_duration_s, "MPEG audio")
    try:
        with soundfile.SoundFile(stream) as file:
            # MP3 inside WAV, or behind junk; and FLAC from a pipe, which libsndfile cannot read.
            if not file.subtype.startswith("MPEG") and file.frames < _UNKNOWN_FRAMES:
                return _decode_sndfile(file, name, max_duration_s), file.samplerate
            reason = "MPEG audio or no length in the header"
    except soundfile.LibsndfileError as err:
        reason = f"libsndfile: {err.error_string.rstrip('. ')}"
    except TypeError:  # soundfile asks for the rate of any '*.raw', whatever it holds
        reason = "headerless samples"
    stream.seek(0)
    return _decode_ffmpeg(stream, name, max_duration_s, reason)


def _decode_sndfile(file: Any, name: str, max_duration_s: float | None) -> np.ndarray:
    """Mix down block by block: ten minutes of 8 channels at 192 kHz would be 3.7 GB at once."""
    import soundfile

    rate = _check_rate(file.samplerate, name)
    # libsndfile trims a PCM header that promises too much, and notes it only in its log.
    trimmed = re.search(r"(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", file.extra_info)
    n_expected = file.frames
    if trimmed and 0 < int(trimmed[2]) < int(trimmed[1]) < _STREAMED_BYTES:
        promised = round(file.frames * int(trimmed[1]) / int(trimmed[2]))
        # A few bytes too many are a sloppy writer's (the size of the header counted in).
        if promised - file.frames > MIN_DURATION_S * rate:
            n_expected = promised
    _check_duration(n_expected, rate, max_duration_s, name)

    buffer = np.empty((max(1, _BLOCK_SAMPLES // file.channels), file.channels), np.float32)
    blocks: list[np.ndarray] = []
    try:
        while len(block := file.read(out=buffer, dtype="float32", always_2d=True)):
            blocks.append(block.mean(axis=1))
    except soundfile.LibsndfileError:  # a FLAC that ends early is refused below, with how much
        pass
    mono = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
    if len(mono) < n_expected:
        raise AudioError(
            f"{name}: truncated or damaged: {len(mono) / rate:.2f} of {n_expected / rate:.2f} s"
        )
    return mono


def _decode_ffmpeg(
    stream: BinaryIO, name: str, max_duration_s: float | None, reason: str
) -> tuple[np.ndarray, int]:
    """Decode the first audio stream; `reason` is why libsndfile did not."""
    try:
        import av  # in a try block, so that remote code does not demand it of WAV users
    except ImportError as err:
        raise ImportError(f"{name}: needs the package 'av' ({reason})") from err

    blocks: list[np.ndarray] = []
    n_samples = n_damaged = rate = 0
    try:
        options = {"format_whitelist": _FFMPEG_FORMATS}
        with av.open(stream, "r", options=options, metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise AudioError(f"{name}: holds no audio stream")
            track = container.streams.audio[0]
            for packet in container.demux(track):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    n_damaged += 1  # tags at the end, or a cut packet: players skip them too
                    continue
                for frame in frames:
                    if rate not in (0, frame.sample_rate):
                        raise AudioError(f"{name}: the sampling rate changes midway")
                    rate = _check_rate(frame.sample_rate, name)
                    samples = frame.to_ndarray()  # planar (channels, n) or packed (1, n * channels)
                    if not frame.format.is_planar:
                        samples = samples.reshape(-1, frame.layout.nb_channels).T
                    blocks.append(_as_float(samples, name).mean(axis=0))
                    n_samples += len(blocks[-1])
                _check_duration(n_samples, rate or SAMPLE_RATE, max_duration_s, name)
            # Only MP4 states a length for each track; elsewhere FFmpeg guesses from the file size.
            states_length = container.format.name == _MP4
            expected_s = float((track.duration or 0) * (track.time_base or 0)) * states_length
    except av.FFmpegError as err:
        raise AudioError(f"{name}: not audio ({reason}; FFmpeg: {err.strerror})") from err
    if n_damaged > len(blocks):
        raise AudioError(f"{name}: damaged: {n_damaged} packets cannot be decoded")
    if blocks and n_samples / rate < expected_s - 0.1:
        raise AudioError(f"{name}: truncated: {n_samples / rate:.2f} of {expected_s:.2f} s")
    return (np.concatenate(blocks) if blocks else np.empty(0, np.float32)), rate or SAMPLE_RATE


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
    return _as_float(samples, name)


def _as_float(samples: np.ndarray, name: str) -> np.ndarray:
    """float32, integers scaled by the range of their type (as libsndfile does)."""
    kind = samples.dtype
    if kind.kind == "f":
        with np.errstate(over="ignore"):  # float64 may overflow to Inf, which is refused later
            return samples.astype(np.float32)
    if kind == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if kind in (np.int8, np.int16, np.int32):
        return (samples / -float(np.iinfo(kind).min)).astype(np.float32)
    valid = "float, uint8, int8, int16 or int32"
    raise AudioError(f"{name}: samples of type {kind} have no known full scale; use {valid}")


def _downmix(samples: np.ndarray, name: str) -> np.ndarray:
    """Mean over the smaller axis: `(n,)`, `(channels, n)` or `(n, channels)` to `(n,)`."""
    if samples.ndim == 1:
        return samples
    if samples.ndim != 2 or min(samples.shape) > MAX_CHANNELS:
        raise AudioError(
            f"{name}: shape {samples.shape} is not one clip of at most {MAX_CHANNELS} channels; "
            "give clips one at a time"
        )
    if 0 in samples.shape:
        return np.empty(0, np.float32)
    # Contiguous as a decoder gives them, so that the sums round alike and the scores agree.
    frames = samples if samples.shape[1] <= samples.shape[0] else samples.T
    return np.asarray(np.ascontiguousarray(frames).mean(axis=1))


def _check_rate(rate: Any, name: str) -> int:
    try:
        plausible = _LOWEST_RATE <= rate <= _HIGHEST_RATE and int(rate) == rate
    except (TypeError, ValueError):
        plausible = False
    if not plausible:
        valid = f"a whole number of Hz from {_LOWEST_RATE} to {_HIGHEST_RATE}"
        raise AudioError(f"{name}: sampling rate {rate!r} is not {valid}")
    return int(rate)


def _check_duration(n_samples: int, rate: int, max_duration_s: float | None, name: str) -> None:
    if max_duration_s is not None and n_samples > max_duration_s * rate:
        hours = max_duration_s / 3600
        limit = f"{hours:g} h" if hours >= 1 else f"{max_duration_s:g} s"
        raise AudioError(f"{name}: longer than {limit}: split it")


def _finish(mono: np.ndarray, rate: int, max_duration_s: float | None, name: str) -> np.ndarray:
    """Check what can be checked before resampling, then resample."""
    _check_duration(len(mono), rate, max_duration_s, name)
    if not len(mono):
        raise AudioError(f"{name}: empty: no samples")
    if len(mono) < MIN_DURATION_S * rate:
        raise AudioError(
            f"{name}: too short: {len(mono) / rate:.4f} s, at least {MIN_DURATION_S} s is needed"
        )
    if not np.isfinite(mono).all():
        raise AudioError(f"{name}: not finite: the samples hold NaN or Inf")
    if not mono.any():
        raise AudioError(f"{name}: digital silence: nothing to score")
    if rate == SAMPLE_RATE:
        return np.array(mono, dtype=np.float32)  # a copy: the caller's array stays the caller's
    import soxr  # what librosa.resample(res_type="soxr_hq") calls, without librosa's slow import

    resampled = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ")
    n_samples = math.ceil(len(mono) * SAMPLE_RATE / rate)  # librosa's rule for the length
    return np.pad(resampled[:n_samples], (0, max(0, n_samples - len(resampled))))
