"""Every name of the taxonomy: 40 emotions, 15 attributes, 4 qualities, and all their spellings.

The only place where an emotion's name is written. The canonical name of an emotion is the one of
paper appendix A.1, in that order; every other spelling in use (file stem, Bench label, Tables 6, 8,
10 and 11, URL-encoded, misspellings seen in public code) resolves to it. Standard library only,
flat: it ships to the Hub as remote code.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

Scale = tuple[float, float]

EMOTION_SCALE: Scale = (0.0, 4.0)
"""Nominal: absent to extremely present (paper A.2). The heads are unclamped regressions."""


class UserError(ValueError):
    """What the caller can put right; the message names the bad value and the valid choices.

    The base of all errors of this project: the command shows them as one line, and nothing else.
    """


class UnknownNameError(UserError):
    """A name that is no spelling of any of the 59 heads."""


class _WeightsFile:
    stem: str

    @property
    def file_name(self) -> str:
        """The weights file of this head in LAION's release."""
        return f"model_{self.stem}_best.pth"


@dataclass(frozen=True)
class Emotion(_WeightsFile):
    """One of the 40 emotions (paper A.1).

    Attributes:
        name: Canonical, as in A.1: `"Pleasure/Ecstasy"`.
        stem: Of LAION's weights file: `"Pleasure_Ecstasy"`.
        bench_label: The category in EmoNet-Voice Bench, URL-decoded: `"Pleasure"`.
        emodb: The EmoDB class it maps to (Table 11), or None.
        ravdess: The RAVDESS class it maps to (Table 11), or None.
        descriptors: The terms of A.1, as printed there (repetitions and capitals included).
        aliases: Spellings in use that the rules of `resolve` do not already cover.
    """

    name: str
    stem: str
    bench_label: str
    emodb: str | None
    ravdess: str | None
    descriptors: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    @property
    def scale(self) -> Scale:
        """Nominal range of the head's output."""
        return EMOTION_SCALE

    @property
    def polarity(self) -> str:
        """What a high score means."""
        return "strongly present"

    @property
    def group(self) -> Literal["emotion"]:
        """The kind of head, as in the model's config."""
        return "emotion"


@dataclass(frozen=True)
class Attribute(_WeightsFile):
    """A head that is not an emotion: 15 of the voice and recording, 4 of quality.

    Attributes:
        name: Canonical: `"Warm vs. Cold"`.
        stem: Of LAION's weights file: `"Warm_vs._Cold"`.
        scale: Nominal range of the head's output (LAION's Voice-Acting-Pipeline, `config.py`).
        polarity: What a high score means, or `"unknown"` where the sources contradict each other.
        group: `"attribute"`, or `"quality"` for the four pooled heads of the -Plus release.
        aliases: Spellings in use that the rules of `resolve` do not already cover.
    """

    name: str
    stem: str
    scale: Scale
    polarity: str
    group: Literal["attribute", "quality"] = "attribute"
    aliases: tuple[str, ...] = ()


def _emotion(
    name: str, emodb: str | None, ravdess: str | None, descriptors: str, *aliases: str
) -> Emotion:
    # Both rules hold for all 40 in the public release; the tests compare every cell.
    stem = re.sub("[/ ]", "_", name)
    bench_label = name.split("/")[0]
    return Emotion(name, stem, bench_label, emodb, ravdess, tuple(descriptors.split("; ")), aliases)


def _attribute(stem: str, low: float, high: float, polarity: str) -> Attribute:
    return Attribute(stem.replace("_", " "), stem, (low, high), polarity)


def _quality(name: str, polarity: str) -> Attribute:
    stem = "score_" + name.lower().replace(" ", "_")
    return Attribute(name, stem, (1.0, 5.0), polarity, "quality")


# Name, EmoDB class, RAVDESS class, descriptors, then aliases. Laid out by hand, as the table it is.
# fmt: off
EMOTIONS: tuple[Emotion, ...] = (
    _emotion("Amusement", "happiness", "happy",
        "lighthearted fun; amusement; mirth; joviality; laughter; playfulness; silliness; jesting"),
    _emotion("Elation", "happiness", "happy",
        "happiness; excitement; joy; exhilaration; delight; jubilation; bliss; Cheerfulness"),
    _emotion("Pleasure/Ecstasy", "happiness", "happy",
        "ecstasy; pleasure; bliss; rapture; Beatitude"),
    _emotion("Contentment", "happiness", "happy",
        "contentment; relaxation; peacefulness; calmness; satisfaction; Ease; Serenity; "
        "fulfillment; gladness; lightness; serenity; tranquility"),
    _emotion("Thankfulness/Gratitude", "happiness", "happy",
        "thankfulness; gratitude; appreciation; gratefulness"),
    _emotion("Affection", "happiness", "calm",
        "sympathy; compassion; warmth; trust; caring; Clemency; forgiveness; Devotion; "
        "Tenderness; Reverence"),
    _emotion("Infatuation", "happiness", "happy",
        "infatuation; having a crush; romantic desire; fondness; butterflies in the stomach; "
        "adoration"),
    _emotion("Hope/Enthusiasm/Optimism", "happiness", "happy",
        "hope; enthusiasm; optimism; Anticipation; Courage; Encouragement; Zeal; fervor; "
        "inspiration; Determination", "Hope/Optimism"),
    _emotion("Triumph", "happiness", "happy", "triumph; superiority"),
    _emotion("Pride", "happiness", "happy",
        "pride; dignity; self-confidently; honor; self-consciousness"),
    _emotion("Interest", "neutral", "surprised", "interest; fascination; curiosity; intrigue"),
    _emotion("Awe", None, "calm", "awe; awestruck; wonder"),
    _emotion("Astonishment/Surprise", "fear", "surprised",
        "astonishment; surprise; amazement; shock; startlement", "Surprise"),
    _emotion("Concentration", "neutral", "neutral",
        "concentration; deep focus; engrossment; absorption; attention"),
    _emotion("Contemplation", "neutral", "calm",
        "contemplation; thoughtfulness; pondering; reflection; meditation; Brooding; Pensiveness"),
    _emotion("Relief", "happiness", "calm",
        "relief; respite; alleviation; solace; comfort; liberation"),
    _emotion("Longing", "sadness", "sad",
        "yearning; longing; pining; wistfulness; nostalgia; Craving; desire; Envy; homesickness; "
        "saudade"),
    _emotion("Teasing", "happiness", "happy",
        "teasing; bantering; mocking playfully; ribbing; provoking lightly"),
    _emotion("Impatience and Irritability", "anger", "angry",
        "impatience; irritability; irritation; restlessness; short-temperedness; exasperation",
        "Impatience"),
    _emotion("Sexual Lust", None, None,
        "sexual lust; carnal desire; lust; feeling horny; feeling turned on"),
    _emotion("Doubt", "neutral", "surprised",
        "doubt; distrust; suspicion; skepticism; uncertainty; Pessimism"),
    _emotion("Fear", "fear", "fearful",
        "fear; terror; dread; apprehension; alarm; horror; panic; nervousness"),
    _emotion("Distress", "fear", "fearful",
        "worry; anxiety; unease; anguish; trepidation; Concern; Upset; pessimism; foreboding"),
    _emotion("Confusion", "neutral", "surprised",
        "confusion; bewilderment; flabbergasted; disorientation; Perplexity"),
    _emotion("Embarrassment", "sadness", "sad",
        "embarrassment; shyness; mortification; discomfiture; awkwardness; Self-Consciousness"),
    _emotion("Shame", "sadness", "disgust", "shame; guilt; remorse; humiliation; contrition"),
    _emotion("Disappointment", "sadness", "sad",
        "disappointment; regret; dismay; letdown; chagrin"),
    _emotion("Sadness", "sadness", "sad",
        "sadness; sorrow; grief; melancholy; Dejection; Despair; Self-Pity; Sullenness; "
        "heartache; mournfulness; misery"),
    _emotion("Bitterness", "anger", "angry", "resentment; acrimony; bitterness; cynicism; rancor"),
    _emotion("Contempt", "disgust", "disgust",
        "contempt; disapproval; scorn; disdain; loathing; Detestation"),
    _emotion("Disgust", "disgust", "disgust",
        "disgust; revulsion; repulsion; abhorrence; loathing"),
    _emotion("Anger", "anger", "angry",
        "anger; rage; fury; hate; irascibility; enragement; Vexation; Wrath; Peevishness; "
        "Annoyance"),
    _emotion("Malevolence/Malice", "anger", "angry",
        "spite; sadism; malevolence; malice; desire to harm; schadenfreude"),
    _emotion("Sourness", "disgust", "disgust", "sourness; tartness; acidity; acerbity; sharpness"),
    _emotion("Pain", "sadness", "sad", "physical pain; suffering; torment; ache; agony"),
    _emotion("Helplessness", "sadness", "fearful",
        "helplessness; powerlessness; desperation; submission"),
    _emotion("Fatigue/Exhaustion", "sadness", "disgust",
        "fatigue; exhaustion; weariness; lethargy; burnout; Weariness"),
    _emotion("Emotional Numbness", "boredom", "neutral",
        "numbness; detachment; insensitivity; emotional blunting; apathy; existential void; "
        "boredom; stoicism; indifference"),
    _emotion("Intoxication/Altered States of Consciousness", None, "calm",
        "being drunk; stupor; intoxication; disorientation; altered perception",
        "Intoxication/Altered States"),
    _emotion("Jealousy & Envy", "sadness", "angry", "jealousy; envy; covetousness"),
)
# fmt: on

# "Reverse of the name": a high score means the first word of the pair, not the second.
ATTRIBUTES: tuple[Attribute, ...] = (
    _attribute("Valence", -3, 3, "positive"),
    _attribute("Arousal", 0, 4, "aroused (2 is neutral)"),
    _attribute("Submissive_vs._Dominant", -3, 3, "dominant"),
    _attribute("Age", 0, 6, "old"),
    _attribute("Gender", -2, 2, "feminine"),
    _attribute("Serious_vs._Humorous", 0, 4, "humorous"),
    _attribute("Vulnerable_vs._Emotionally_Detached", 0, 4, "emotionally detached"),
    _attribute("Confident_vs._Hesitant", 0, 4, "hesitant"),
    _attribute("Warm_vs._Cold", -2, 2, "warm (reverse of the name)"),
    _attribute("Monotone_vs._Expressive", 0, 4, "expressive"),
    # LAION documents it both ways: 4 is "very low" in one source and "very high" in another.
    # Unknown it stays until the head has scored two voices of known pitch.
    _attribute("High-Pitched_vs._Low-Pitched", 0, 4, "unknown"),
    _attribute("Soft_vs._Harsh", -2, 2, "soft (reverse of the name)"),
    _attribute("Authenticity", 0, 4, "genuine"),
    _attribute("Recording_Quality", 0, 4, "good recording"),
    _attribute("Background_Noise", 0, 4, "noisy"),  # another public source says 0 to 3
)

QUALITIES: tuple[Attribute, ...] = (
    _quality("Overall Quality", "good (distilled from DNSMOS)"),
    _quality("Speech Quality", "good (distilled from DNSMOS)"),
    _quality("Background Quality", "clean background (distilled from DNSMOS)"),
    _quality("Content Enjoyment", "enjoyable (distilled from AudioBox)"),
)

EMOTION_NAMES: tuple[str, ...] = tuple(emotion.name for emotion in EMOTIONS)
BENCH_NAMES: tuple[str, ...] = (*EMOTION_NAMES, "Arousal", "Authenticity")
"""The 42 categories of Bench: the emotions and the two extra of Table 10, canonical names."""

_ALL: tuple[Emotion | Attribute, ...] = (*EMOTIONS, *ATTRIBUTES, *QUALITIES)
_HEADS = {head_.name: head_ for head_ in _ALL}
HEAD_NAMES: tuple[str, ...] = tuple(_HEADS)
"""All 59: emotions, attributes, qualities."""

assert (len(EMOTIONS), len(ATTRIBUTES), len(QUALITIES), len(HEAD_NAMES)) == (40, 15, 4, 59)


def _key(spelling: str) -> str:
    """Fold what differs between spellings of one name: case, punctuation, URL code, file parts."""
    text = unquote(spelling).strip().casefold()
    text = text.removeprefix("model_").removesuffix(".pth").removesuffix("_best")
    # "&" is punctuation, so "and" must go too for "Jealousy & Envy" to equal "Jealousy and Envy".
    return " ".join(word for word in re.findall(r"[^\W_]+", text) if word != "and")


def _index(heads: Iterable[Emotion | Attribute]) -> dict[str, str]:
    """Folded spelling -> canonical name. Two heads may not share one."""
    index: dict[str, str] = {}
    for head_ in heads:
        spellings = [head_.name, head_.stem, *head_.aliases]
        if isinstance(head_, Emotion):
            spellings.append(head_.bench_label)
        for spelling in spellings:
            owner = index.setdefault(_key(spelling), head_.name)
            if owner != head_.name:
                raise AssertionError(f"{spelling!r} names both {owner!r} and {head_.name!r}")
    return index


_INDEX = _index(_ALL)


def resolve(spelling: str) -> str:
    """Canonical name of any spelling of the 59 heads.

    Case, spaces, underscores and punctuation do not matter, nor do URL encoding, `and` for `&`, or
    the `model_` and `_best.pth` of a file name. Otherwise the match is exact: no guessing.

    Args:
        spelling: Any name in use, such as a file name without its folder or a Bench label.

    Raises:
        UnknownNameError: If it names no head; the message has the three nearest names.

    Example:
        >>> resolve("model_Jealousy_&_Envy_best.pth"), resolve("Jealousy%20%26%20Envy")
        ('Jealousy & Envy', 'Jealousy & Envy')
        >>> resolve("Hope_Optimism")
        'Hope/Enthusiasm/Optimism'
        >>> resolve("Aww")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ...
        UnknownNameError: unknown name 'Aww'; nearest: Awe, Age, Pain
    """
    key = _key(spelling)
    if key in _INDEX:
        return _INDEX[key]
    raise UnknownNameError(_Unknown(spelling))


@dataclass
class _Unknown:
    """What to say of a spelling of none; found when it is said, since finding takes 10 ms."""

    spelling: str

    def __str__(self) -> str:
        # difflib's cost grows with the square of the length, and labels come from strangers' files.
        shown, key = self.spelling[:100], _key(self.spelling)[:100]
        ranked = difflib.get_close_matches(key, _INDEX, n=len(_INDEX), cutoff=0.0)
        nearest = list(dict.fromkeys(_INDEX[match] for match in ranked))[:3]
        return f"unknown name {shown!r}; nearest: {', '.join(nearest)}"


def head(name: str) -> Emotion | Attribute:
    """The emotion or attribute of that name, in any spelling.

    Raises:
        UnknownNameError: If it names no head.

    Example:
        >>> head("warm_vs._cold").polarity
        'warm (reverse of the name)'
        >>> head("Pleasure").file_name
        'model_Pleasure_Ecstasy_best.pth'
    """
    return _HEADS[resolve(name)]


def to_0_10(score: float, scale: Sequence[float] = EMOTION_SCALE) -> float:
    """A head's score on the paper's 0-10 scale; for emotions `clip(2.5 * score, 0, 10)` (Table 5).

    NaN stays NaN: a missing score is not a zero.

    Example:
        >>> to_0_10(1.0), to_0_10(-0.05), to_0_10(6.2), to_0_10(3.0, scale=(1, 5))
        (2.5, 0.0, 10.0, 5.0)
    """
    low, high = scale
    # The order of the arguments keeps NaN: min and max return their first when none is less.
    return min(max((score - low) * 10 / (high - low), 0.0), 10.0)


def _classes(corpus: Literal["emodb", "ravdess"]) -> dict[str, tuple[str, ...]]:
    """Coarse class -> emotions in A.1 order; classes in alphabetical order."""
    classes = sorted({c for e in EMOTIONS if (c := getattr(e, corpus)) is not None})
    return {c: tuple(e.name for e in EMOTIONS if getattr(e, corpus) == c) for c in classes}


EMODB_CLASSES: dict[str, tuple[str, ...]] = _classes("emodb")
"""Table 11. It maps 37 emotions (the text says 38); the table is what can be used."""
RAVDESS_CLASSES: dict[str, tuple[str, ...]] = _classes("ravdess")
"""Table 11: 39 emotions, all but Sexual Lust."""

assert [sum(map(len, c.values())) for c in (EMODB_CLASSES, RAVDESS_CLASSES)] == [37, 39]

HUME_TABLE_8: dict[str, str | None] = {
    "Joy": "Elation", "Empathic Pain": "Distress",
    "Guilt": None, "Nostalgia": "Longing",
    "Determination": None, "Surprise (positive)": "Surprise",
    "Horror": "Fear", "Calmness": "Contentment",
    "Desire": "Sexual Lust", "Awkwardness": "Embarrassment",
    "Satisfaction": "Pleasure", "Aesthetic Appreciation": "Awe",
    "Entrancement": "Concentration", "Romance": "Infatuation",
    "Love": "Affection", "Excitement": "Arousal",
    "Realization": "Contemplation", "Tiredness": "Fatigue",
    "Envy": "Jealousy & Envy", "Anxiety": None,
    "Boredom": None, "Adoration": None,
    "Sympathy": None, "Admiration": "Admiration",
    "Craving": "Craving", "Surprise (negative)": "Astonishment",
}  # fmt: skip
"""Hume Voice label -> target, word for word as the paper prints it (Table 8, 26 rows)."""

HUME_WITHOUT_HEAD: tuple[str, ...] = ("Admiration", "Craving")
"""Targets of Table 8 that are neither one of the 40 emotions nor any other head."""

HUME_TO_EMOTION: dict[str, str | None] = {
    label: None if target is None or target in HUME_WITHOUT_HEAD else resolve(target)
    for label, target in HUME_TABLE_8.items()
}
"""Hume Voice label -> canonical name of a head, or None where there is none to compare with.

Excitement maps to the attribute Arousal, and both Surprise labels to one emotion. Labels that are
spelled as ours (Anger, Sadness, ...) are not in Table 8: `resolve` finds those.
"""


def short_name(emotion: str) -> str:
    """The short name of the paper's Table 10 and Figure 1, or the name itself.

    Characters that cannot be printed become �: names may come from files of others.

    Example:
        >>> short_name("Pleasure/Ecstasy"), short_name("Overall")
        ('Pleasure', 'Overall')
    """
    short = getattr(_HEADS.get(emotion), "bench_label", emotion)
    return "".join(char if char.isprintable() else "�" for char in short)
