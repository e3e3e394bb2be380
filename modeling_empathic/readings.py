"""Valence and arousal with a stated meaning: a head's score, or a declared combination of emotions.

The public release has heads for both (`Valence`, -3 to 3, and `Arousal`, 0 to 4, 2 neutral). The 40
emotions alone have them only by a reading: each emotion is counted as pleasant, unpleasant or
neither, aroused, calm or neither, after Russell (1980), "A circumplex model of affect". The signs
are ours, made before anything was measured; `benchmarks/README.md` says how well they do. The two
kinds are never mixed: a result says which it is, and scores of which some have the head and some
have not cannot be made.
"""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .taxonomy import EMOTION_NAMES, UserError, head

_SIGN = {"+": 1, "-": -1, ".": 0}
# One sign an emotion, in the order of the paper's A.1, ten a group.
_PLEASANT = "++++++++++ ++...+.+-+ ---------- --------.-"
_AROUSED = "+++-..++++ ..+.--.+++ .++..---.. .++.+---.."


class ReadingError(UserError):
    """Scores that a reading cannot be made of."""


class Reading(NamedTuple):
    """Values and what they are.

    Attributes:
        values: As many as there are scores; NaN where one that is needed is.
        scale: Lowest and highest nominal value; infinite for a combination.
        source: `head` or `combination`.
        meaning: In words, with the unit.
    """

    values: np.ndarray
    scale: tuple[float, float]
    source: str
    meaning: str


def signs(quality: str) -> dict[str, int]:
    """1, -1 or 0 of every emotion, for `Valence` or `Arousal`.

    Example:
        >>> signs("Valence")["Anger"], signs("Arousal")["Anger"], signs("Arousal")["Sadness"]
        (-1, 1, -1)
    """
    text = {"Valence": _PLEASANT, "Arousal": _AROUSED}[quality].replace(" ", "")
    return {name: _SIGN[sign] for name, sign in zip(EMOTION_NAMES, text, strict=True)}


def valence(
    scores: Mapping[str, ArrayLike], norms: Mapping[str, tuple[float, float]] | None = None
) -> Reading:
    """How pleasant a voice sounds.

    Args:
        scores: By head `(clips,)`, on the heads' own scales. Where `Valence` is one of them it is
            the reading, and the emotions are not looked at.
        norms: Mean and standard deviation of every emotion's head, against which its scores are
            judged. By default those of the public heads over 20,084,175 takes of 500 voices
            (LAION-AI/moss-voice-profiles, `emotion_norm_constants.json`); of another model give
            those of its `read_reference`.

    Returns:
        The head's scores; or the mean of the pleasant emotions less that of the unpleasant ones,
        each in standard deviations above its own mean.

    Raises:
        ReadingError: Neither the head nor all 40 emotions are there, or a norm without spread.

    Example:
        >>> valence({"Valence": [1.5]}).source
        'head'
        >>> scores = {name: [1.0, 1.0] for name in EMOTION_NAMES} | {"Elation": [1.0, 3.0]}
        >>> calm, glad = valence(scores).values
        >>> bool(glad > calm), valence(scores).source
        (True, 'combination')
    """
    return _read("Valence", "pleasant", "unpleasant", scores, norms)


def arousal(
    scores: Mapping[str, ArrayLike], norms: Mapping[str, tuple[float, float]] | None = None
) -> Reading:
    """How aroused a voice sounds; see [`valence`].

    Example:
        >>> arousal({"Arousal": [2.0]}).meaning
        'score of the head Arousal, 0 to 4: aroused (2 is neutral)'
    """
    return _read("Arousal", "aroused", "calm", scores, norms)


def _read(
    quality: str, high: str, low: str, scores: Mapping[str, ArrayLike],
    norms: Mapping[str, tuple[float, float]] | None,
) -> Reading:  # fmt: skip
    if quality in scores:
        known: Any = head(quality)
        meaning = f"score of the head {quality}, {known.scale[0]:g} to {known.scale[1]:g}: "
        values = np.asarray(scores[quality], dtype=float)
        return Reading(values, known.scale, "head", meaning + known.polarity)
    absent = [name for name in EMOTION_NAMES if name not in scores]
    if absent:
        raise ReadingError(
            f"{quality.lower()} needs the head {quality} or all 40 emotions; "
            f"{', '.join(absent[:3])} {'is' if len(absent) == 1 else 'are'} missing"
        )
    norms = public_norms() if norms is None else norms
    of_sign: dict[int, list[np.ndarray]] = {1: [], -1: [], 0: []}
    for name, sign in signs(quality).items():
        if name not in norms or not norms[name][1] > 0:
            raise ReadingError(f"norms have no spread of {name!r}")
        mean, deviation = norms[name]
        of_sign[sign].append((np.asarray(scores[name], dtype=float) - mean) / deviation)
    values = np.mean(of_sign[1], axis=0) - np.mean(of_sign[-1], axis=0)
    meaning = (
        f"mean of {len(of_sign[1])} {high} emotions less that of {len(of_sign[-1])} {low} ones, "
        "in standard deviations of each emotion"
    )
    return Reading(values, (-np.inf, np.inf), "combination", meaning)


@cache
def public_norms() -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of the 40 public heads, by emotion."""
    with Path(__file__).with_name("emotion_norms.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["emotion"]: (float(row["mean"]), float(row["sd"])) for row in csv.DictReader(file)
        }
