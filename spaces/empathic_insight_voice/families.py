"""Families of emotions by valence, derived from Table 11 of the paper, so that no name stands here.

Table 11 maps every emotion to classes of EmoDB and RAVDESS. Its coarse classes make the families:
happiness is pleasant, neutral or surprised is about knowing, and so on. An emotion that Table 11
maps to nothing, to boredom, or to one corpus only, is in none of them: "altered and other".
"""

from emonet.taxonomy import EMOTIONS, Emotion

PLEASANT = "Pleasant"
KNOWING = "Interest and surprise"
ANGER = "Anger and aversion"
FEAR = "Fear and worry"
SADNESS = "Sadness, shame and pain"
OTHER = "Altered and other"
ORDER = (PLEASANT, KNOWING, ANGER, FEAR, SADNESS, OTHER)
_BY_EMODB = {
    "happiness": PLEASANT,
    "neutral": KNOWING,
    "anger": ANGER,
    "disgust": ANGER,
    "fear": FEAR,
    "sadness": SADNESS,
}


def family_of(emotion: Emotion) -> str:
    """The family of an emotion.

    Example:
        >>> from emonet.taxonomy import head
        >>> family_of(head("Relief")), family_of(head("Doubt")), family_of(head("Awe"))
        ('Pleasant', 'Interest and surprise', 'Altered and other')
    """
    if emotion.ravdess == "surprised":  # EmoDB has no surprise, so Table 11 puts it under fear
        return KNOWING
    return _BY_EMODB.get(emotion.emodb or "", OTHER)


FAMILY: dict[str, str] = {emotion.name: family_of(emotion) for emotion in EMOTIONS}
"""Emotion -> family."""
BY_FAMILY: tuple[str, ...] = tuple(sorted(FAMILY, key=lambda name: ORDER.index(FAMILY[name])))
"""The 40 emotions, family by family, within one in the order of the paper's A.1."""
