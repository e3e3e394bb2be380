"""Coarse classes in any spelling, and the emotions that Table 11 has for each.

Corpora say angry, Anger or anger; for a table over several they are one class. The paper maps two
corpora. Others take RAVDESS's column, which knows surprise, or EmoDB's where they have boredom and
neither calm nor surprise. A class that only the other column has takes its emotions from there, and
one that is one of the 40 emotions takes that one; either takes them away from the other classes.
"""

from collections.abc import Iterable

from dataset_scripts.corpora.class_words import CLASS_OF_WORD
from dataset_scripts.corpora.raw_release import RawReleaseError
from modeling_empathic.heads_empathic import CLASS_SPELLINGS
from modeling_empathic.taxonomy import (
    EMODB_CLASSES,
    EMOTION_NAMES,
    RAVDESS_CLASSES,
    UnknownNameError,
    resolve,
)
from modeling_empathic.training.tables import plain


def common_class(label: str) -> str:
    """The name of a class in tables over several corpora.

    Raises:
        RawReleaseError: A word that is neither a class nor one of the 40 emotions.

    Example:
        >>> common_class("Angry"), common_class("surprised"), common_class("Awe")
        ('anger', 'surprise', 'Awe')
        >>> common_class("Wut"), common_class("tristesse")
        ('anger', 'sadness')
    """
    if name := CLASS_OF_WORD.get(plain(label)):
        return name
    try:
        name = resolve(label)
    except UnknownNameError:
        name = ""
    if name not in EMOTION_NAMES:
        raise RawReleaseError(
            f"class {label!r:.60} is none of {', '.join(CLASS_SPELLINGS)}, and none of the 40 "
            "emotions"
        )
    return name


def emotions_of(labels: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The emotions that stand for each of a corpus's classes, in the order of the classes.

    Raises:
        RawReleaseError: An unknown class, two spellings of one, or one that nothing is left for.

    Example:
        >>> emotions_of(["angry", "surprised", "neutral"])["surprised"][1]
        'Astonishment/Surprise'
        >>> emotions_of(["anger", "boredom"]) == {c: EMODB_CLASSES[c] for c in ("anger", "boredom")}
        True
    """
    wanted: dict[str, str] = {}
    for label in labels:
        name = common_class(label)
        if name in wanted:
            raise RawReleaseError(f"classes {wanted[name]!r} and {label!r} are one")
        wanted[name] = label
    emodb, ravdess = (
        {common_class(name): emotions for name, emotions in column.items()}
        for column in (EMODB_CLASSES, RAVDESS_CLASSES)
    )
    bored = "boredom" in wanted and not {"calm", "surprise"} & set(wanted)
    column, other = (emodb, ravdess) if bored else (ravdess, emodb)
    own = {name: {*other.get(name, (name,))} for name in wanted if name not in column}
    taken = set().union(*own.values())
    mapped = {}
    for name, label in wanted.items():
        emotions = own[name] if name in own else set(column[name]) - taken
        if not emotions:
            raise RawReleaseError(f"class {label!r}: other classes have all of its emotions")
        mapped[label] = tuple(emotion for emotion in EMOTION_NAMES if emotion in emotions)
    return mapped
