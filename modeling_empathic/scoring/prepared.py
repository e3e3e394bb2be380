"""One clip made ready to be scored: its rows, and the features of its windows as they come."""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modeling_empathic.audio import SAMPLE_RATE, AudioError
from modeling_empathic.mixing_empathic import MIN_DURATION_S
from modeling_empathic.quality_empathic import judge

from .aggregates import Row
from .cuts import Cuts
from .listing import AnyPath
from .names import path_text
from .profiling import timed, timed_each
from .reading import opened
from .stream import Stream, Window
from .turns import MAX_DURATION_S
from .vad import MIN_SPEECH_S, speech_s

MAX_AHEAD = 120  # windows of a clip whose features are computed ahead: an hour of 30 s
# Samples after a window for a model that is cut to speech: it keeps 40 ms beside the speech, and a
# spectrogram's frames reach 13 ms further. What would follow in 30 s of padding is the same to it,
# but where there are less than 100 ms of sound (`speech_empathic.LOUD_FRAMES`): told as too short.
SILENCE = SAMPLE_RATE // 5

THIS_TIME = "not read this time: "
"""Begins the error of a clip whose reading another run may have better luck with."""
_PASSING = {
    getattr(errno, name)
    for name in (
        *("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "ENOSPC", "EDQUOT", "EIO", "EAGAIN", "EINTR"),
        *("EBUSY", "ETXTBSY", "ESTALE", "EREMOTEIO", "ETIMEDOUT", "ENETDOWN", "ENETUNREACH"),
        *("ENETRESET", "ECONNRESET", "ECONNABORTED", "ECONNREFUSED", "EHOSTDOWN", "EHOSTUNREACH"),
        *("ENOTCONN", "ESHUTDOWN", "EPIPE", "ENOLINK", "ECOMM", "EPROTO", "ENOLCK"),
    )
    if hasattr(errno, name)  # not all are of every system
}
NO_SPEECH = "no_speech"
"""Outcome of a window that holds nothing to score: silence, or a turn of less than 25 ms."""


@dataclass
class PreparedClip:
    """A clip's windows as they come, and its rows.

    Attributes:
        rows: Of the score file, still without scores; all are there once `windows` is through. A
            clip that turned out to be damaged has a single one then.
        windows: Rows to be scored and the `(mel_bins, frames)` features of each. Those of a long
            recording are decoded as they are asked for.
    """

    rows: list[Row]
    windows: Iterable[tuple[Row, npt.NDArray[np.float32]]] = ()


def prepare_clip(
    path: AnyPath,
    feature_extractor: Any,
    heads: Sequence[str],
    done: Mapping[str, str | None],
    cut: bool = False,
    cuts: Cuts = Cuts(),
    name_of: Callable[[AnyPath], str] | None = None,
    reserve: Callable[[int], None] | None = None,
    as_sound: bool = False,
) -> PreparedClip | None:
    """Reads one clip: its SHA-256, its windows and their features; `None` if it is done.

    Features fill the extractor's 30 s, unless the model is cut to speech: the spectrogram of 27 s
    of padding would take longer than all the rest. With `as_sound` windows keep their samples
    `(samples,)` instead, for a card that computes the features of a whole batch.
    """
    name = (name_of or path_text)(path)
    clip = PreparedClip([])
    features: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]] = np.ascontiguousarray
    if not as_sound:
        features = partial(features_of, feature_extractor=feature_extractor, cut=cut)
    longest_s = feature_extractor.n_samples / SAMPLE_RATE
    rest = _read_windows(clip, path, name, heads, done, cuts, longest_s)
    ahead = []
    for row, window in rest:
        ahead.append((row, features(window)))
        if reserve:
            reserve(ahead[-1][1].size)
        if len(ahead) == MAX_AHEAD:
            more = ((row, features(window)) for row, window in rest)
            clip.windows = chain(ahead, more)
            return clip
    if clip.rows and clip.rows[0]["error"] is None:
        clip.windows = ahead
    return clip if clip.rows else None


def features_of(
    samples: npt.NDArray[np.float32], feature_extractor: Any, cut: bool
) -> npt.NDArray[np.float32]:
    """Log-mel features `(mel_bins, frames)` of a window.

    Args:
        samples: `(samples,)`, mono at 16 kHz.
        feature_extractor: Of the model.
        cut: Whether the model is cut to speech.
    """
    length = {"max_length": min(len(samples) + SILENCE, feature_extractor.n_samples)} if cut else {}
    with timed("mel"):
        heard = feature_extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="np", **length)
    array: npt.NDArray[np.float32] = heard["input_features"][0]
    return array


def _read_windows(
    clip: PreparedClip,
    path: AnyPath,
    name: str,
    heads: Sequence[str],
    done: Mapping[str, str | None],
    cuts: Cuts,
    longest_s: float,
) -> Iterator[tuple[Row, npt.NDArray[np.float32]]]:
    """Rows to be scored and their samples, as a file is decoded.

    In the end `clip` has all rows, or, where the file cannot be scored, the one that says why; none
    if it is done.
    """
    clip_id = None
    try:
        with opened(path) as (file, clip_id):
            if name in done and done[name] == clip_id:
                return
            start: Row = {"path": name, "clip_id": clip_id}
            stream = Stream(file, str(path), cuts, longest_s, MAX_DURATION_S, cuts.turns_of(path))
            for window in timed_each("decode", stream):
                row = empty_row(start | cuts.columns(window.channel, window.speaker), heads)
                clip.rows.append(row)
                if scored_or_not(row, window, cuts):
                    yield row, window.samples
        clip.rows = _all_rows(clip.rows, stream, start, heads, cuts)
    except (AudioError, OSError, MemoryError) as error:
        if name in done and done[name] == clip_id and not passing(error):
            clip.rows = []  # could not be read then, cannot be read now
            return
        start = {"path": name, "clip_id": clip_id} | cuts.columns()
        clip.rows = [empty_row(start, heads, error=_reason(error, path))]


def scored_or_not(row: Row, window: Window, cuts: Cuts) -> bool:
    """Whether a window gets a score; sets its times, quality and outcome in its row."""
    row |= {"start_s": window.span.start / SAMPLE_RATE, "end_s": window.span.stop / SAMPLE_RATE}
    if len(window.samples) < MIN_DURATION_S * SAMPLE_RATE:  # of a turn
        row |= {"quality": "too short", "outcome": NO_SPEECH}
    elif cuts.vad and speech_s(window.samples) < MIN_SPEECH_S:
        row |= {"quality": "no speech", "outcome": NO_SPEECH}
    else:
        with timed("decode"):
            row["quality"] = judge(window.samples)
    return bool(row["outcome"] != NO_SPEECH)


def _all_rows(
    rows: list[Row], stream: Stream, start: Row, heads: Sequence[str], cuts: Cuts
) -> list[Row]:
    """The rows of a recording once its end is known; channels in order, those that failed last."""
    for row in rows:
        row["duration_s"] = stream.duration_s
        doubts = [*stream.notes, *row["quality"].split(", ")]
        row["quality"] = ", ".join(filter(None, dict.fromkeys(doubts)))
    kept = [row for row in rows if row.get("channel") not in stream.failed]
    if not kept:
        raise AudioError("no turn lies within the recording")
    return sorted(kept, key=lambda row: row.get("channel") or 0) + [
        empty_row(start | cuts.columns(number), heads, error=str(error))
        for number, error in stream.failed.items()
    ]


def empty_row(start: Row, heads: Sequence[str], error: str | None = None) -> Row:
    """A row without scores, keys in the order of the score file's columns."""
    times = dict.fromkeys(("start_s", "end_s", "duration_s"))
    row = start | times | dict.fromkeys(heads) | {"quality": None}
    return row | {"outcome": "scored" if error is None else "decode_error", "error": error}


def _reason(error: Exception, path: AnyPath) -> str:
    """The error without the file's name, which the row has already."""
    if now := passing(error):
        return f"{THIS_TIME}{path_text(now)}"
    if isinstance(error, OSError):
        return f"cannot read the file: {error.strerror or error}"
    text = str(error)
    for name in (str(path), Path(path).name):
        text = text.removeprefix(f"{name}: ")
    return path_text(text)


def passing(error: BaseException | None) -> str:
    """What the system said of a passing failure, also where a decoder's error hides it; or ""."""
    while error is not None:
        if isinstance(error, MemoryError):
            return "out of memory"
        decoders = type(error).__module__.startswith("av.")  # FFmpeg's: of the bytes, not the disk
        if isinstance(error, OSError) and error.errno in _PASSING and not decoders:
            return error.strerror or str(error)
        error = error.__cause__ or error.__context__
    return ""
