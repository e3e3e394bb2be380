"""From a recording to the numbers that the page shows and the API returns."""

import math
import time
from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from against import against_what_is_usual
from decoding import read_apart
from emonet.acoustics import HOP_S, blocks, joined, summarise
from emonet.audio import MIN_TAIL_S, SAMPLE_RATE, AudioError, Sound, windows
from emonet.quality_empathic import judge
from emonet.taxonomy import EMODB_CLASSES, RAVDESS_CLASSES, to_0_10
from families import FAMILY, OTHER
from voice_model import (
    FRAME_S,
    WINDOW_S,
    VoiceError,
    contributions,
    load,
    score_windows,
    window_mean,
)

LIMIT_S = 1800
"""The longest recording, in seconds."""
MAX_WINDOWS = 240
"""Of a timeline: with more, the hop grows."""
MIN_WINDOW_S, USUAL_WINDOW_S = 1.0, 3.0
MEASURED = ("emodb_test_speakers", "unseen_corpus")
"""What of a model's training report says how good it is: new speakers, and a new corpus."""
Result = TypeVar("Result")
_BINS = 480  # points of a curve on the page
_POINTS = to_0_10(1.0)  # of intensity in one of a head's own scale
_HIT = 1.5  # times uniform: the paper's zero-shot rule (section 4.4)


def finished(steps: Generator[Any, None, Result]) -> Result:
    """What steps come to, for who need not stop in between."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def hear(path: str | None) -> Sound:
    """A recording as the model hears it, at 16 kHz, with what makes it doubtful.

    Raises:
        AudioError: Nothing given, or not audio, damaged, silent, too short, or over `LIMIT_S`.
    """
    if not path:
        raise AudioError("recording: none yet; upload one, record one, or choose an example")
    return _heard(path)


@lru_cache(maxsize=4)  # the page asks for one recording several times; half an hour is 115 MB
def _heard(path: str) -> Sound:
    return read_apart(path, LIMIT_S)


def read(path: str | None) -> np.ndarray:
    """The `(samples,)` of `hear`.

    Raises:
        AudioError: As `hear`.
    """
    return hear(path).samples


def score(
    samples: np.ndarray, model: str, emotions: Sequence[str] = (), notes: Sequence[str] = ()
) -> dict[str, Any]:
    """`score_steps`, at once."""
    return finished(score_steps(samples, model, emotions, notes))


def score_steps(
    samples: np.ndarray, model: str, emotions: Sequence[str] = (), notes: Sequence[str] = ()
) -> Generator[float, None, dict[str, Any]]:
    """Every emotion of a whole recording, the strongest first.

    A recording of more than 30 s is the mean of its 30 s windows, weighted by their length.

    Args:
        samples: Of `read`.
        model: A name in `SOURCES`.
        emotions: Only these; all if empty.
        notes: Of `hear`.

    Returns:
        `model`, `revision`, `duration_s`, `n_windows`, `quality` (what makes the scores doubtful,
        `""` if nothing does), `load_s` (waiting for the model), `score_s`, `reference` (what scores
        are compared with, or None), `emotions` (rows of `emotion`, `family`, `score` on the head's
        scale, `intensity_0_10`, `z`, `usual_0_10`, the middle of the reference, None without one,
        and `percentile`, None too where only the public norm is known), `coarse` (`readings`), and
        `measured` (what the model's training measured).

    Raises:
        VoiceError: No such model or emotion.
    """
    started = time.perf_counter()
    heads = tuple(emotions)
    voice = load(model, heads)
    loaded = time.perf_counter()
    cuts = windows(len(samples), WINDOW_S)
    rows = yield from score_windows(model, heads, samples, cuts)
    scores = dict(zip(voice.emotions, window_mean(rows, cuts).tolist(), strict=True))
    scored = time.perf_counter()
    shown = [name for name in scores if not heads or name in heads]
    chosen = {name: scores[name] for name in shown}
    against = against_what_is_usual(voice, chosen)
    table = [
        {
            "emotion": name,
            "family": FAMILY.get(name, OTHER),
            "score": scores[name],
            "intensity_0_10": to_0_10(scores[name]),
            **against.of(name),
        }
        for name in sorted(shown, key=lambda name: -scores[name])
    ]
    return {
        "model": voice.name,
        "revision": voice.revision,
        "duration_s": len(samples) / SAMPLE_RATE,
        "n_windows": len(cuts),
        "quality": ", ".join(dict.fromkeys([*notes, *_doubts(samples, cuts)])),
        "load_s": loaded - started,
        "score_s": scored - loaded,
        "reference": against.what,
        "emotions": table,
        "coarse": readings(chosen),
        "measured": {key: voice.measured[key] for key in MEASURED if key in voice.measured},
    }


def _doubts(samples: np.ndarray, cuts: list[slice]) -> list[str]:
    """What is doubtful of any window."""
    return [doubt for cut in cuts for doubt in judge(samples[cut]).split(", ") if doubt]


def readings(scores: dict[str, float]) -> dict[str, list[dict[str, Any]]]:
    """The classes of EmoDB and RAVDESS that the scores speak for (Table 11, section 4.4).

    A softmax over the mapped emotions; a class has the probability of its strongest emotion. By
    the paper's rule it is a hit above 1.5 times uniform, so that several or none may be hit.

    Args:
        scores: Of all emotions that Table 11 maps; a corpus with one missing is left out.

    Example:
        >>> from emonet.taxonomy import EMOTION_NAMES, resolve
        >>> scores = {name: 3.0 * (name == resolve("Anger")) for name in EMOTION_NAMES}
        >>> rows = readings(scores)["EmoDB"]
        >>> rows[0]["class"], [row["hit"] for row in rows].count(True)
        ('anger', 1)
    """
    by_corpus = {}
    for corpus, classes in (("EmoDB", EMODB_CLASSES), ("RAVDESS", RAVDESS_CLASSES)):
        mapped = [name for names in classes.values() for name in names]
        if any(name not in scores for name in mapped):
            continue
        weights = np.exp(np.array([scores[name] for name in mapped]) - max(scores.values()))
        share = dict(zip(mapped, (weights / weights.sum()).tolist(), strict=True))
        best = {label: max(share[name] for name in names) for label, names in classes.items()}
        by_corpus[corpus] = [
            {"class": label, "probability": best[label], "hit": best[label] > _HIT / len(mapped)}
            for label in sorted(best, key=lambda label: -best[label])
        ]
    return by_corpus


def timeline(
    samples: np.ndarray,
    model: str,
    window_s: float = 0,
    hop_s: float = 0,
    emotions: Sequence[str] = (),
) -> dict[str, Any]:
    """`timeline_steps`, at once."""
    return finished(timeline_steps(samples, model, window_s, hop_s, emotions))


def timeline_steps(
    samples: np.ndarray,
    model: str,
    window_s: float = 0,
    hop_s: float = 0,
    emotions: Sequence[str] = (),
) -> Generator[float, None, dict[str, Any]]:
    """Scores over time.

    Args:
        samples: Of `read`.
        model: A name in `SOURCES`.
        window_s: As for `plan`.
        hop_s: As for `plan`.
        emotions: Only these; all if empty.

    Yields:
        The share that is done.

    Returns:
        `window_s` and `hop_s` as used, `changed` (why they are not as asked, `""` if they are),
        `start_s`, `end_s`, and `scores`: emotion -> a list, on the head's own scale.

    Raises:
        VoiceError: Lengths out of range, or no such model or emotion.
    """
    window_s, hop_s, changed = plan(len(samples) / SAMPLE_RATE, window_s, hop_s)
    cuts = windows(len(samples), window_s, hop_s, min_tail_s=min(MIN_TAIL_S, window_s))
    heads = tuple(emotions)
    rows = yield from score_windows(model, heads, samples, cuts)
    names = load(model, heads).emotions
    return {
        "window_s": window_s,
        "hop_s": hop_s,
        "changed": changed,
        "start_s": [cut.start / SAMPLE_RATE for cut in cuts],
        "end_s": [cut.stop / SAMPLE_RATE for cut in cuts],
        "scores": {
            name: rows[:, i].tolist() for i, name in enumerate(names) if not heads or name in heads
        },
    }


def plan(duration_s: float, window_s: float, hop_s: float) -> tuple[float, float, str]:
    """The windows of a timeline that suit a recording.

    Args:
        duration_s: Of the recording.
        window_s: Length of a window in seconds, 1 to 30; 0 for a quarter of the recording, 1 to 3.
            Half of a recording that is no longer than it, and then the hop at most a quarter of
            the window: one window is no timeline.
        hop_s: Seconds from one to the next, at most `window_s`; 0 for a quarter of the window.
            Grows where there would be more than `MAX_WINDOWS`, and the window with it.

    Returns:
        Both as used, and a sentence that says why, if that is not as asked.

    Raises:
        VoiceError: Lengths out of range.

    Example:
        >>> plan(8, 0, 0), plan(600, 3, 0.5)[:2]
        ((2.0, 0.5, ''), (3, 2.5))
    """
    asked = window_s, hop_s
    usual_s = min(USUAL_WINDOW_S, max(MIN_WINDOW_S, round(duration_s / 4, 1)))
    window_s = window_s or max(usual_s, hop_s)
    hop_s = hop_s or window_s / 4
    if not (MIN_WINDOW_S <= window_s <= WINDOW_S and 0 < hop_s <= window_s):
        raise VoiceError(
            f"a window of {window_s:g} s every {hop_s:g} s: the window must be {MIN_WINDOW_S:g} to "
            f"{WINDOW_S:g} s and the hop above 0 and at most the window (longer ones leave gaps)"
        )
    why = ""
    if window_s >= duration_s:
        window_s = max(MIN_WINDOW_S, round(duration_s / 2, 1))
        hop_s = min(hop_s, round(window_s / 4, 2))
        why = "the recording is no longer than that"
    least = math.ceil(10 * (duration_s - window_s) / (MAX_WINDOWS - 1)) / 10
    if least > hop_s:
        why = f"a timeline has at most {MAX_WINDOWS} windows"
    hop_s = max(hop_s, least)
    window_s = max(window_s, hop_s)
    kept = all(not want or want == got for want, got in zip(asked, (window_s, hop_s), strict=True))
    wish = " ".join(
        f"{word} {value:g} s" for word, value in zip(("of", "every"), asked, strict=True) if value
    )
    return window_s, hop_s, "" if kept else f"You asked for windows {wish}, but {why}."


def moments(
    samples: np.ndarray, model: str, emotion: str, emotions: Sequence[str] = ()
) -> dict[str, Any]:
    """`moments_steps`, at once."""
    return finished(moments_steps(samples, model, emotion, emotions))


def moments_steps(
    samples: np.ndarray, model: str, emotion: str, emotions: Sequence[str] = ()
) -> Generator[float, None, dict[str, Any]]:
    """What each part of a recording adds to one emotion.

    Args:
        samples: Of `read`.
        model: A name in `SOURCES`.
        emotion: Which.
        emotions: The heads that `score` was asked for, so that none has to be read anew.

    Returns:
        `emotion`, `step_s`, `points_per_s` (what a second adds to the recording's intensity of 0
        to 10, a value every step, below zero where it takes away), and `rest` (points that no
        moment has). Their sum times `step_s`, and the rest, are the intensity before it is clipped.

    Raises:
        VoiceError: No such model or emotion.
    """
    parts, rest = yield from contributions(model, tuple(emotions), samples, emotion)
    n = _per_point(len(parts))
    points = _POINTS * _binned(parts, n, np.sum) / (n * FRAME_S)
    return {
        "emotion": emotion,
        "step_s": n * FRAME_S,
        "points_per_s": points.tolist(),
        "rest": _POINTS * rest,
    }


def acoustics(samples: np.ndarray) -> dict[str, Any]:
    """`acoustics_steps`, at once."""
    return finished(acoustics_steps(samples))


def acoustics_steps(samples: np.ndarray) -> Generator[float, None, dict[str, Any]]:
    """Pitch, loudness and tempo over time, and the features of the whole recording.

    Args:
        samples: Of `read`.

    Returns:
        `step_s`; `f0_hz`, `level_dbfs` and `rate_hz`, a value every step (None where there is no
        voice, or too little to tell a rate); and `features`, name -> number or None.
    """
    parts = []
    for part in blocks(samples):
        parts.append(part)
        yield min(1.0, len(parts) * len(part["f0_hz"]) * HOP_S * SAMPLE_RATE / len(samples))
    curves = joined(parts)
    n = _per_point(len(curves["time_s"]))
    over_time = {
        name: [None if math.isnan(value) else value for value in _binned(curves[name], n, _mean)]
        for name in ("f0_hz", "level_dbfs", "rate_hz")
    }
    features = {
        name: None if math.isnan(value) else value for name, value in summarise(curves).items()
    }
    return {"step_s": n * HOP_S, **over_time, "features": features}


def envelope(samples: np.ndarray) -> np.ndarray:
    """The waveform as the page draws it: `(bins,)` of the largest magnitude, the loudest at 1."""
    n = max(1, math.ceil(len(samples) / _BINS))
    peaks = _binned(np.abs(samples), n, np.max)
    heights: np.ndarray = peaks / peaks.max()
    return heights


def _per_point(n_steps: int) -> int:
    """Steps of 20 ms for a point of a curve: 0.1 s, or more so that there are `_BINS` points."""
    return max(5, math.ceil(n_steps / _BINS))


def _binned(values: np.ndarray, n: int, reduce: Any) -> np.ndarray:
    """`reduce` of every `n` values; the last bin has what remains."""
    whole = len(values) // n * n
    bins = reduce(values[:whole].reshape(-1, n), axis=1)
    return np.append(bins, reduce(values[None, whole:], axis=1)) if whole < len(values) else bins


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of what is defined, NaN where nothing is."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0).sum(axis)
    return np.where(known.any(axis), total / np.maximum(known.sum(axis), 1), np.nan)
