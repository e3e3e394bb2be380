"""Captions made of 40 scores, and the levels read back from a caption (paper 3.4, step 3).

Whisper learns to write *The speaker sounds moderately ...* better than forty numbers; what it wrote
can be compared with the scores because every caption says which emotion is how strong. The names in
a caption are the short ones of the taxonomy, so that an emotion is written in one place only.
"""

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..norms import Norm, z_against
from ..taxonomy import EMOTION_NAMES, EMOTION_SCALE, UserError, resolve, short_name

Levels = NDArray[np.int64]

INTENSITIES: dict[int, tuple[str, ...]] = {
    1: ("slight", "faint", "a hint of"),
    2: ("moderate", "noticeable", "some"),
    3: ("strong", "marked", "a lot of"),
    4: ("extreme", "intense", "overwhelming"),
}
"""Words for each level of the paper's scale (A.2) above 0, absent, which no caption mentions."""
TEMPLATES = (
    "The speaker sounds full of {}.",
    "The voice conveys {}.",
    "I hear {} in this voice.",
    "This person speaks with {}.",
    "There is {} in the way this is said.",
)
NOTHING = "no emotion in particular"

_LEVEL = {word: level for level, words in INTENSITIES.items() for word in words}


class CaptionError(UserError):
    """Scores that make no caption, or a caption whose levels cannot be told."""


def levels_of(scores: ArrayLike, norm: Norm | None = None) -> Levels:
    """The whole level, 0 to 4, nearest to each score; halves go up.

    By a norm it is how unusual a score is: the whole standard deviations above what is usual, at
    most 4. Heads differ in base rate: without a norm one that is always high is always named.

    Args:
        scores: `(40,)` on the 0-4 scale, in the order of `EMOTION_NAMES`.
        norm: As `norms.norm` gives it, of the heads that the scores are of.

    Raises:
        CaptionError: Another number of scores, one that is missing (NaN), or outside 0-4; a norm
            without one of the emotions.

    Example:
        >>> levels_of([0.4, 0.5, 3.9] + 37 * [0])[:3].tolist()
        [0, 1, 4]
        >>> from modeling_empathic.norms import norm
        >>> levels_of([0.4, 0.5, 3.9] + 37 * [0], norm("takes"))[:3].tolist()
        [0, 0, 4]
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (len(EMOTION_NAMES),):
        raise CaptionError(f"scores of shape {values.shape}; there are {len(EMOTION_NAMES)}")
    low, high = EMOTION_SCALE
    wrong = np.flatnonzero(~((values >= low) & (values <= high)))  # NaN is wrong too
    if len(wrong):
        name, value = EMOTION_NAMES[wrong[0]], values[wrong[0]]
        raise CaptionError(f"{name}={value:g} is outside {low:g}..{high:g}")
    if norm is None:
        return np.floor(values + 0.5).astype(np.int64)
    unknown = [name for name in EMOTION_NAMES if name not in norm.centre]
    if unknown:
        raise CaptionError(f"the norm of {norm.title} has no {unknown[0]}")
    z = z_against(dict(zip(EMOTION_NAMES, values.tolist(), strict=True)), norm)
    # One that never varies cannot be unusual.
    deviations = np.nan_to_num([z[name] for name in EMOTION_NAMES], nan=0.0)
    whole: Levels = np.clip(np.floor(deviations), 0, max(INTENSITIES)).astype(np.int64)
    return whole


def make_caption(scores: ArrayLike, seed: int | Sequence[int] = 0, norm: Norm | None = None) -> str:
    """One English sentence that names every emotion of level 1 and above, the strongest first.

    Args:
        scores: `(40,)` on the 0-4 scale, in the order of `EMOTION_NAMES`.
        seed: Chooses template and intensity words; the same seed and scores, the same caption.
        norm: What decides the intensity in place of the scores themselves, see [`levels_of`].

    Raises:
        CaptionError: As [`levels_of`].

    Example:
        >>> scores = np.zeros(40)
        >>> scores[[EMOTION_NAMES.index("Anger"), EMOTION_NAMES.index("Pain")]] = 4, 1
        >>> make_caption(scores)
        'There is intense anger and faint pain in the way this is said.'
    """
    levels = levels_of(scores, norm)
    random = np.random.default_rng(seed)
    template = TEMPLATES[random.integers(len(TEMPLATES))]
    parts = []
    for index in np.argsort(-levels, kind="stable")[: np.count_nonzero(levels)]:
        words = INTENSITIES[int(levels[index])]
        word = words[random.integers(len(words))]
        parts.append(f"{word} {short_name(EMOTION_NAMES[index]).casefold()}")
    *first, last = parts or [NOTHING]
    return template.format(f"{', '.join(first)} and {last}" if first else last)


def parse_caption(caption: str) -> Levels:
    """The levels that a caption states, `(40,)`; what it does not name is 0.

    The inverse of [`make_caption`]. It reads other sentences too, paraphrases or what a model
    wrote, as long as each emotion they name stands behind one of `INTENSITIES`.

    Raises:
        CaptionError: No emotion and not `NOTHING`, both, an emotion without an intensity, or one
            with two.

    Example:
        >>> levels = parse_caption("Faint awe, then a lot of Jealousy & Envy!")
        >>> {EMOTION_NAMES[i]: int(levels[i]) for i in levels.nonzero()[0]}
        {'Awe': 1, 'Jealousy & Envy': 3}
        >>> parse_caption("Awe.")
        Traceback (most recent call last):
        ...
        modeling_empathic.training.captions.CaptionError: no intensity before 'awe': 'Awe.'
    """
    text = " ".join(caption.casefold().split())
    levels = np.zeros(len(EMOTION_NAMES), np.int64)
    for match in _pattern().finditer(text):
        if match["word"] is None:
            raise CaptionError(f"no intensity before {match['name']!r}: {caption!r}")
        index, level = EMOTION_NAMES.index(resolve(match["name"])), _LEVEL[match["word"]]
        if levels[index] not in (0, level):
            raise CaptionError(f"two intensities for {match['name']!r}: {caption!r}")
        levels[index] = level
    if (NOTHING in text) == bool(levels.any()):
        raise CaptionError(f"no levels can be told from {caption!r}")
    return levels


@cache
def _pattern() -> re.Pattern[str]:
    """An emotion, in its short or whole name, and the intensity before it if there is one."""
    names = {name.casefold() for e in EMOTION_NAMES for name in (e, short_name(e))}

    def one_of(choices: Sequence[str] | set[str]) -> str:  # the longest first: it wins
        return "|".join(map(re.escape, sorted(choices, key=lambda text: (-len(text), text))))

    word = rf"(?:(?<!\w)(?P<word>{one_of(set(_LEVEL))}) )?"
    return re.compile(rf"{word}(?<!\w)(?P<name>{one_of(names)})(?!\w)")
