"""Scores of sound while it comes: from a microphone, a call or a pipe.

Policy: the window of the last `window_s` seconds is scored every `hop_s` seconds, for the first
time when one is full. A row is final when it is given: nothing is revised, since a window's scores
depend on its own sound alone. The delay of a row, from the arrival of its last sample to the
row, is the time that the model takes for one window; a change in the voice shows in full once it
fills the window. At the end of the sound the rest is scored by the policy of `Cuts`.
"""

import io
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from modeling_empathic.audio import MAX_CHANNELS
from modeling_empathic.containers_empathic import AudioError
from modeling_empathic.decoding_empathic import NO_HEADER, pieces
from modeling_empathic.mixing_empathic import SAMPLE_RATE, Mix, check_rate
from modeling_empathic.taxonomy import UserError

from .aggregates import Row
from .clips import score_batch
from .cuts import Cuts
from .prepared import empty_row, features_of, scored_or_not
from .stream import Cutter, Window

WINDOW_S, HOP_S = 3.0, 1.0
HEAD_BYTES = 4_096
"""What must be there before samples are: headers of files lie in it, and frames of MP3 repeat."""
LEAST_FLOATS = 100
"""Floats that must be there before bytes are called floats."""
# MP3 and AAC (ADTS) have no header, but frames that begin alike, but for one bit of padding.
_FRAME = re.compile(rb"\xff[\xe2\xe3\xf0-\xf3\xf8-\xfb]")


def live(
    blocks: Iterable[np.ndarray],
    sampling_rate: int,
    model: Any,
    feature_extractor: Any,
    *,
    cuts: Cuts = Cuts(WINDOW_S, HOP_S),
    keep_up: bool = False,
) -> Iterator[Row]:
    """Scores sound as it comes.

    Args:
        blocks: Samples `(samples,)` or `(samples, channels)`, floats in [-1, 1], of any length, as
            they come: arrays, tensors on the CPU or lists.
        sampling_rate: Of them, in Hz.
        model: An `EmpathicInsightModel`, on its device, in evaluation mode.
        feature_extractor: The `WhisperFeatureExtractor` that belongs to it.
        cuts: Lengths of the windows, and whether those without speech get no score.
        keep_up: Where sound comes faster than it can be scored, score the newest window and pass
            over the ones before it. For a microphone; of a file that is piped in, nothing should
            be lost.

    Yields:
        Rows with `start_s` and `end_s` from the first sample, a score a head on its native scale,
        `quality`, `outcome` (`"scored"` or `"no_speech"`), `passed_over` (windows left out before
        this one) and `delay_s` (from the arrival of the last sample to the row).

    Raises:
        UserError: Windows that cannot be.
        AudioError: A rate that there is not, or sound that is none: of another shape, not finite,
            far beyond [-1, 1], or at the end nothing but zeros.
        ScoringError: The model gives scores that are not finite.

    Example:
        >>> from modeling_empathic.scoring.loading import load_model
        >>> model, extractor, _ = load_model(
        ...     None, revision=None, heads=["Anger"], device="cpu", dtype="auto")
        >>> noise = np.random.default_rng(0).uniform(-0.1, 0.1, (50, 1_600)).astype(np.float32)
        >>> [(row["start_s"], row["end_s"]) for row in live(noise, 16_000, model, extractor)]
        [(0.0, 3.0), (1.0, 4.0), (2.0, 5.0)]
    """
    longest_s = feature_extractor.n_samples / SAMPLE_RATE
    cuts.check(longest_s)
    sampling_rate = check_rate(sampling_rate, "sound")
    heads = list(model.config.head_names)
    cut = getattr(model.config, "cut_to_speech", False)

    def rows(windows: list[Window], arrived: float) -> Iterator[Row]:
        kept = windows[-1:] if keep_up else windows
        for number, window in enumerate(kept):
            row = empty_row({}, heads)
            del row["duration_s"], row["error"]
            if scored_or_not(row, window, cuts):
                features = features_of(window.samples, feature_extractor, cut)
                score_batch([(row, features)], model, heads)
            row["passed_over"] = 0 if number else len(windows) - len(kept)
            yield row | {"delay_s": round(time.monotonic() - arrived, 4)}

    mix, cutter = Mix("sound", None), Cutter(cuts, longest_s)
    for block in blocks:
        arrived = time.monotonic()
        mix.add(_samples(block), sampling_rate)
        yield from rows(list(cutter.add(mix.take())), arrived)
    arrived = time.monotonic()
    mix.sound()
    yield from rows([*cutter.add(mix.take()), *cutter.end()], arrived)


def _samples(block: Any) -> np.ndarray:
    """A block as `(samples, channels)`."""
    samples = np.asarray(block)
    samples = samples[:, None] if samples.ndim == 1 else samples
    if samples.dtype.kind not in "fiu" or samples.ndim != 2 or samples.shape[1] > MAX_CHANNELS:
        raise AudioError(
            f"sound: a block of shape {samples.shape} and type {samples.dtype}: give floats of "
            f"shape (samples,) or (samples, channels), of which there are {MAX_CHANNELS} at most"
        )
    return samples


def pcm_blocks(stream: Any, n_channels: int, block_bytes: int = 1 << 16) -> Iterator[np.ndarray]:
    """Samples of raw 16-bit PCM, little-endian, as they can be read.

    Args:
        stream: Binary, such as `sys.stdin.buffer`; what it has is taken, without waiting for more.
        n_channels: Interleaved.
        block_bytes: The most at a time.

    Yields:
        `(samples, channels)` float32 in [-1, 1).

    Raises:
        UserError: It begins as a file of another kind does, whose header is no sound, or with
            samples of 32-bit floats.

    Example:
        >>> import io
        >>> [block.tolist() for block in pcm_blocks(io.BytesIO(bytes([0, 64, 0, 192])), 1)]
        [[[0.5], [-0.5]]]
    """
    read = getattr(stream, "read1", stream.read)
    frame, rest = 2 * n_channels, b""
    while len(rest) < HEAD_BYTES and (more := read(block_bytes)):
        rest += more
    if is_file(rest[:HEAD_BYTES]):
        raise UserError(
            "this is a file, not raw PCM: score it with `emonet-voice score`, or decode it first: "
            "ffmpeg -i FILE -f s16le -ac 1 -ar 16000 -"
        )
    more, silent = b"", True
    while data := rest + more:
        if silent and are_floats(data):
            raise UserError(
                "these are samples of 32-bit floats, not of 16-bit integers: convert them first: "
                "ffmpeg -f f32le -ar RATE -ac CHANNELS -i - -f s16le -ac 1 -ar 16000 -"
            )
        silent = silent and not any(data)
        whole = len(data) - len(data) % frame
        rest = data[whole:]
        if whole:
            samples = np.frombuffer(data[:whole], "<i2").astype(np.float32) / 32768
            yield samples.reshape(-1, n_channels)
        if not (more := read(block_bytes)):
            return


def are_floats(data: bytes) -> bool:
    """Whether bytes are samples of 32-bit floats, and so no sound of 16-bit integers.

    Of sound in [-1, 1] nearly all are; two integers side by side make a float of that size only if
    the second is from 13,270 to 16,256, or as far below zero.

    Example:
        >>> tone = np.sin(np.arange(1_000)).astype("<f4")
        >>> are_floats(tone.tobytes()), are_floats((9_999 * tone).astype("<i2").tobytes())
        (True, False)
    """
    values = np.abs(np.frombuffer(data[: len(data) - len(data) % 4], "<f4"))
    values = values[values != 0]
    fitting = np.count_nonzero((values > 1e-7) & (values <= 1))
    return len(values) >= LEAST_FLOATS and bool(fitting > 0.99 * len(values))


def is_file(head: bytes) -> bool:
    r"""Whether bytes are the beginning of a file of some kind, which raw samples are not.

    Example:
        >>> is_file(b"RIFF\0\0\0\0WAVEfmt "), is_file(bytes(1_000))
        (True, False)
    """
    if head.startswith(b"ID3"):
        return True
    if _FRAME.match(head):
        same = b"[%b%b]" % tuple(re.escape(bytes([head[2] ^ bit])) for bit in (0, 2))
        return len(re.findall(re.escape(head[:2]) + same, head)) > 2
    try:
        return bool(head) and pieces(io.BytesIO(head), "sound")[0].kind != NO_HEADER
    except AudioError:  # of a header that it knows
        return True
