"""Scores over time as text that players and editors open: WebVTT cues and Audacity labels.

For the command and for the demo Space, which has a link to this file.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

SCALE = "intensity from 0 to 10"
TAIL_S = 1.0  # `audio.windows` leaves out a shorter rest


class Cue(NamedTuple):
    """A stretch of a recording and what is strongest in it.

    Attributes:
        start_s: In seconds.
        end_s: In seconds.
        strongest: Names and intensities from 0 to 10, strongest first.
    """

    start_s: float
    end_s: float
    strongest: tuple[tuple[str, float], ...]


def cues(
    start_s: Sequence[float],
    end_s: Sequence[float],
    duration_s: float,
    names: Sequence[str],
    intensity: ArrayLike,
    top: int = 3,
) -> list[Cue]:
    """A cue a window, without overlaps from the first window to the end of the last.

    Windows may overlap: a moment has the scores of the window whose middle is nearest. What no
    window covers, such as silence that was left out or another speaker's turn, has no cue.

    Args:
        start_s: Of each window, ascending.
        end_s: Of each window.
        duration_s: Of the recording; less than a second after the last window is the last cue's.
        names: Of the emotions.
        intensity: `(windows, emotions)`, from 0 to 10.
        top: Emotions in a cue.

    Example:
        >>> cues([0, 5], [10, 12], 12, ["Anger", "Awe"], [[1, 2], [4, 3]], top=1)
        [Cue(start_s=0.0, end_s=6.75, strongest=(('Awe', 2.0),)), \
Cue(start_s=6.75, end_s=12.0, strongest=(('Anger', 4.0),))]
    """
    values = np.asarray(intensity, dtype=float)
    starts, ends = np.array(start_s, dtype=float), np.array(end_s, dtype=float)
    middle_s = (starts + ends) / 2
    touching = starts[1:] <= ends[:-1]
    between = (middle_s[1:] + middle_s[:-1]) / 2
    starts[1:] = np.where(touching, between, starts[1:])
    ends[:-1] = np.where(touching, between, ends[:-1])
    if duration_s - ends[-1] < TAIL_S:
        ends[-1] = duration_s
    order = np.argsort(-values, axis=1, kind="stable")[:, :top]
    return [
        Cue(float(start), float(end), tuple((names[j], float(row[j])) for j in best))
        for start, end, row, best in zip(starts, ends, values, order, strict=True)
    ]


def webvtt(parts: Sequence[Cue], note: str) -> str:
    r"""The cues as subtitles (W3C WebVTT).

    Args:
        parts: Of [`cues`].
        note: Which recording and model; stands in a comment with the scale.

    Example:
        >>> print(webvtt([Cue(0.0, 61.5, (("Jealousy & Envy", 3.25),))], "a.wav"))
        WEBVTT
        <BLANKLINE>
        NOTE a.wav; intensity from 0 to 10
        <BLANKLINE>
        00:00:00.000 --> 00:01:01.500
        Jealousy &amp; Envy 3.2
        <BLANKLINE>
    """
    blocks = ["WEBVTT", f"NOTE {_line(note)}; {SCALE}".replace("-->", "->")]
    for part in parts:
        text = "\n".join(f"{_escaped(name)} {value:.1f}" for name, value in part.strongest)
        blocks.append(f"{_time(part.start_s)} --> {_time(part.end_s)}\n{text}")
    return "\n\n".join(blocks) + "\n"


def audacity_labels(parts: Sequence[Cue]) -> str:
    r"""A label track for Audacity: a label for each stretch with the same strongest emotion.

    Args:
        parts: Of [`cues`]. The label has the highest intensity of its stretch.

    Example:
        >>> audacity_labels([Cue(0, 5, (("Awe", 2.0),)), Cue(5, 9, (("Awe", 3.0),))])
        '0.000000\t9.000000\tAwe 3.0\n'
    """
    stretches: list[tuple[float, float, str, float]] = []
    for part in parts:
        name, value = part.strongest[0]
        if stretches and stretches[-1][1:3] == (part.start_s, name):
            start_s, _, _, highest = stretches.pop()
            stretches.append((start_s, part.end_s, name, max(highest, value)))
        else:
            stretches.append((part.start_s, part.end_s, name, value))
    return "".join(
        f"{start_s:.6f}\t{end_s:.6f}\t{_line(name)} {value:.1f}\n"
        for start_s, end_s, name, value in stretches
    )


def _time(seconds: float) -> str:
    minutes, milliseconds = divmod(round(1000 * seconds), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"


def _escaped(text: str) -> str:
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(char, entity)
    return _line(text)


def _line(text: str) -> str:
    """Text without what would end a line or a cell."""
    return "".join(char if char.isprintable() else " " for char in text)
