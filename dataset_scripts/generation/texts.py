"""The word bank: what is said, per emotion and language, so that no language model is needed.

`words/LANGUAGE.csv` has six sentences for each emotion, written for this project and parallel in
meaning over the languages; `words/topics.csv` three plain sentences for each topic. A text is one
sentence of the emotion, one of the topic, another of the emotion. The last two sentences of every
emotion only ever stand together, so that texts can be held out: see `is_held_out`.
"""

import csv
from functools import cache
from itertools import permutations
from pathlib import Path

from modeling_empathic.taxonomy import EMOTION_NAMES, EMOTIONS, UserError

from .factors import LANGUAGES, TOPICS

WORDS = Path(__file__).parent / "words"
N_SENTENCES, N_MIDDLES = 6, 3
PAIRS = (*permutations(range(4), 2), (4, 5), (5, 4))
"""First and last sentence of a text."""
PAIR_SHARES = (*(2 / 3 / 12,) * 12, *(1 / 3 / 2,) * 2)
"""How often each pair is drawn: every sentence of an emotion equally often."""
_STEMS = {emotion.name: emotion.stem for emotion in EMOTIONS}


@cache
def sentences(language: str) -> dict[str, tuple[str, ...]]:
    """The six sentences of each of the 40 emotions.

    Args:
        language: Of `factors.LANGUAGES`.

    Raises:
        UserError: Another language.

    Example:
        >>> sentences("de")["Anger"][0]
        'Raus aus meinem Haus, und lass dich nie wieder blicken!'
    """
    if language not in LANGUAGES:
        raise UserError(f"language={language!r}; valid: {', '.join(LANGUAGES)}")
    found: dict[str, list[str]] = {name: [] for name in EMOTION_NAMES}
    for row in _read(f"{language}.csv"):
        found[row["emotion"]].append(row["text"])
    return {name: tuple(texts) for name, texts in found.items()}


@cache
def middles(language: str) -> dict[str, tuple[str, ...]]:
    """The three sentences of each topic, without feeling in their words.

    Example:
        >>> middles("fr")["weather"][0]
        'Il pleut depuis le petit matin.'
    """
    found: dict[str, list[str]] = {topic: [] for topic in TOPICS}
    for row in _read("topics.csv"):
        if row["language"] == language:
            found[row["topic"]].append(row["text"])
    return {topic: tuple(texts) for topic, texts in found.items()}


@cache
def bursts() -> dict[str, dict[str, str]]:
    """A vocal burst that fits each emotion, described in each language.

    Example:
        >>> bursts()["Relief"]["es"]
        'un suspiro, uf'
    """
    return {row["emotion"]: {key: row[key] for key in LANGUAGES} for row in _read("bursts.csv")}


def compose(language: str, emotion: str, topic: str, pair: int, middle: int) -> tuple[str, str]:
    """One text of the bank.

    Args:
        language: Of `factors.LANGUAGES`.
        emotion: Canonical name.
        topic: Of `factors.TOPICS`.
        pair: Which of `PAIRS`.
        middle: Which sentence of the topic, 0 to 2.

    Returns:
        Its id, and the text.

    Example:
        >>> compose("en", "Anger", "money", 12, 0)[0]
        'en-Anger-45-money-0'
    """
    first, last = PAIRS[pair]
    of_emotion = sentences(language)[emotion]
    text_id = f"{language}-{_STEMS[emotion]}-{first}{last}-{topic}-{middle}"
    parts = (of_emotion[first], middles(language)[topic][middle], of_emotion[last])
    return text_id, " ".join(parts)


def is_held_out(text_id: str) -> bool:
    """Whether a text shares no sentence of its emotion with those that are not held out.

    Example:
        >>> is_held_out("en-Anger-45-money-0"), is_held_out("en-Anger-30-money-0")
        (True, False)
    """
    return text_id.split("-")[-3] in ("45", "54")


def _read(name: str) -> list[dict[str, str]]:
    with (WORDS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
