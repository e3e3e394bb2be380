"""What programs and agents ask for: numbers, from a recording and a few settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import analysis
import exports
import gradio as gr
from emonet.taxonomy import UserError, resolve


@contextmanager
def mistakes_as_messages() -> Iterator[None]:
    """Shows a user's mistake as a message, in the page and through the API."""
    try:
        yield
    except UserError as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from error


def score(audio: str, model: str, emotions: list[str]) -> dict[str, Any]:
    """Scores how a voice sounds: up to 40 emotions, the strongest first.

    Args:
        audio: A recording of speech, at most 30 minutes.
        model: Name of the model.
        emotions: Only these; all if empty.
    """
    with mistakes_as_messages():
        sound = analysis.hear(audio)
        return exports.rounded(analysis.score(sound.samples, model, emotions or (), sound.notes))


def timeline(
    audio: str, model: str, emotions: list[str], window_s: float, hop_s: float
) -> dict[str, Any]:
    """Scores how a voice sounds over time, window by window.

    Args:
        audio: A recording of speech, at most 30 minutes.
        model: Name of the model.
        emotions: Only these; all if empty.
        window_s: Length of a window in seconds, 1 to 30; 0 for one that suits the recording.
        hop_s: Seconds from the start of one window to the next, at most window_s; 0 for a
            quarter of it.
    """
    with mistakes_as_messages():
        samples = analysis.read(audio)
        return exports.rounded(analysis.timeline(samples, model, window_s, hop_s, emotions or ()))


def moments(audio: str, model: str, emotion: str) -> dict[str, Any]:
    """Tells which moments of a recording add to one emotion, and which take away from it.

    Args:
        audio: A recording of speech, at most 30 minutes.
        model: Name of the model.
        emotion: The emotion to explain.
    """
    with mistakes_as_messages():
        name = resolve(emotion)
        return exports.rounded(analysis.moments(analysis.read(audio), model, name, [name]))


def acoustics(audio: str) -> dict[str, Any]:
    """Measures pitch, loudness and speech rate of a recording, over time and as a whole.

    Args:
        audio: A recording of speech, at most 30 minutes.
    """
    with mistakes_as_messages():
        return exports.rounded(analysis.acoustics(analysis.read(audio)))
