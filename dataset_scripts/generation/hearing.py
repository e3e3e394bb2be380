"""Whether what an engine gave is a clip of Big: audio, whole, 3 to 30 s, loud enough, not clipped.

What is checked of every clip: that it is audio, its sampling rate, length and samples; silence,
clipping and the like, as `modeling_empathic.quality_empathic` judges them; that it does not end in
the middle of a sound, and is not too short for its text. What is checked where the engine gives a
transcript: the words, and by them the language, since the texts of two languages share few words.
What cannot be checked without such a transcript: words and language. No check hears an accent, the
voice, or whether the emotion is there; the last is what `big annotate` is for.
"""

import io
import re
from collections import Counter
from typing import NamedTuple

import numpy as np

from modeling_empathic.containers_empathic import AudioError
from modeling_empathic.decoding_empathic import decode
from modeling_empathic.mixing_empathic import LOUDEST, Mix
from modeling_empathic.quality_empathic import STEADY_DB, judge
from modeling_empathic.taxonomy import UserError

from .engines import Speech

RATE = 24_000
SHORTEST_S, LONGEST_S = 3.0, 30.0
LOWEST_RATE = 16_000
"""Below it there is nothing above 8 kHz, where fricatives are, and 24 kHz would pretend."""
REFUSED = ("too short", "too quiet", "clipped", "beyond full scale", "DC offset", "mostly silence")
"""Judgements of `quality.judge` that make a clip unusable. "Not like speech" is none: it takes the
monotone of emotional numbness for a tone. Only a level that never moves is, see `STEADY_DB`."""
FASTEST_CHARS_S = 35.0
"""More than twice as fast as people read aloud: a text that took less was not said to its end."""
ENDING_S, ENDING_DB = 0.005, 3.0
"""A clip that is no quieter than this below its speech in its last moment was cut off."""
_NAME = "audio"  # of what has none, in messages that go without it
WORDS_FOUND = 0.6
"""Of the text's words in the transcript; the rest leaves room for numbers and spellings."""


class UnusableError(UserError):
    """Audio came, and is no clip of Big."""


class NotAudioError(UserError):
    """What came is no audio."""


class Heard(NamedTuple):
    """A clip that passed: `(samples,)` float32 at 24 kHz, and what was checked by a transcript.

    Attributes:
        samples: Mono.
        words_found: Share of the text's words in the transcript, None without one.
    """

    samples: np.ndarray
    words_found: float | None


def hear(speech: Speech, text: str) -> Heard:
    """Checks what an engine gave, and makes it mono at 24 kHz.

    Args:
        speech: From an engine.
        text: What was to be said.

    Raises:
        NotAudioError: No audio.
        UnusableError: Audio that is no clip of Big; the message says why.

    Example:
        >>> hear(Speech(np.zeros(5 * RATE, np.float32), RATE), "Hello.")
        Traceback (most recent call last):
        dataset_scripts.generation.hearing.UnusableError: too quiet
    """
    import soxr

    found = None
    if speech.said is not None:
        found = words_found(text, speech.said)
        if found < WORDS_FOUND:
            raise UnusableError(
                f"other words than asked for ({found:.0%} of them): {speech.said[:80]!r}"
            )
    if isinstance(speech.audio, bytes):
        samples, rate = _decoded(speech.audio)
    else:
        samples, rate = speech.audio.astype(np.float32), speech.sampling_rate
    if rate < LOWEST_RATE:
        raise UnusableError(f"{rate:,} Hz, at least {LOWEST_RATE:,} are needed")
    if samples.ndim > 1:
        samples = samples.mean(axis=1)
    seconds = len(samples) / rate
    _check_length(seconds)
    if not np.isfinite(samples).all():
        raise UnusableError("samples that are no numbers")
    if np.abs(samples).max() >= LOUDEST:
        raise UnusableError("beyond full scale")
    if not samples.any():
        raise UnusableError("too quiet")
    mix = Mix(_NAME, None)  # clipping shows at the rate in which it happened
    mix.add(samples.reshape(-1, 1), rate)
    words = judge(*mix.sound()).split(", ")
    if wrong := [word for word in dict.fromkeys(words) if word in REFUSED]:
        raise UnusableError(", ".join(wrong))
    _check_whole(samples, rate, text)
    if rate != RATE:
        samples = soxr.resample(samples, rate, RATE)
    peak = float(np.abs(samples).max())
    return Heard(samples / peak * 0.999 if peak > 0.999 else samples, found)


def words_found(text: str, said: str) -> float:
    """Share of a text's words, each as often as it is there, that a transcript has.

    Example:
        >>> words_found("Get out of my house!", "Haha, get out of the house.")
        0.8
    """
    asked, heard = (Counter(re.findall(r"\w+", part.lower())) for part in (text, said))
    return (asked & heard).total() / max(asked.total(), 1)


def _decoded(sound: bytes) -> tuple[np.ndarray, int]:
    """Mono samples at their own rate, no more than are needed to see that they are too many."""
    blocks: list[np.ndarray] = []
    n = rate = 0
    try:
        for block, own_rate in decode(io.BytesIO(sound), _NAME, lambda n, rate: None, []):
            if blocks and own_rate != rate:
                raise UnusableError(f"changes from {rate:,} to {own_rate:,} Hz")
            rate = own_rate
            blocks.append(block.mean(axis=1))
            n += len(block)
            # A stream of 16-bit WAV may state a length that nobody knew yet.
            if n > (LONGEST_S + 1) * rate:
                break
        if not blocks:
            raise AudioError("no samples")
    except AudioError as error:
        shown = sound[:16].decode("latin-1").encode("unicode_escape").decode()
        raise NotAudioError(
            f"{str(error).removeprefix(f'{_NAME}: ')} ({len(sound):,} bytes, the first: {shown!r})"
        ) from None
    return np.concatenate(blocks), rate


def _check_length(seconds: float) -> None:
    if seconds < SHORTEST_S:
        raise UnusableError(f"{seconds:.2f} s, at least {SHORTEST_S:g} are needed")
    if seconds > LONGEST_S:
        raise UnusableError(f"more than {LONGEST_S:g} s")


def _check_whole(samples: np.ndarray, rate: int, text: str) -> None:
    size = int(ENDING_S * rate)
    blocks = samples[len(samples) % size :].reshape(-1, size).astype(np.float64)
    level = 10 * np.log10(np.maximum(np.square(blocks).mean(axis=1), 1e-12))
    speech = level > np.percentile(level, 95) - 25
    if float(level.std()) < STEADY_DB:
        raise UnusableError("as steady as noise or a tone: no syllables")
    if level[-1] > np.median(level[speech]) - ENDING_DB:
        raise UnusableError("cut off: it ends in the middle of a sound")
    first, *_, last = np.flatnonzero(speech)
    spoken_s = float(last - first + 1) * ENDING_S
    if len(text) > FASTEST_CHARS_S * spoken_s:
        raise UnusableError(f"cut off: {len(text)} characters in {spoken_s:.1f} s of speech")
