"""What is published about the sound of an emotion, rule by rule, for the rules of `acted.py`.

Each entry is a direction against neutral speech that the source reports for an emotion, that the
rule follows, and that can be measured. Sizes are ours throughout. Emotions without an entry have
rules that are our own extrapolation from their neighbours: nobody has published theirs, or what is
published does not agree.

Sources:

- Juslin & Laukka (2003), "Communication of emotions in vocal expression and music performance:
  different channels, same code?", Psychological Bulletin 129(5), 770-814: the cue patterns for
  anger, fear, happiness, sadness and tenderness (Table 7; summed up in Table 11).
- Scherer (2003), "Vocal communication of emotion: a review of research paradigms", Speech
  Communication 40, 227-256: the synthetic review of acoustic patterns of basic emotions (Table 2).
- Banse & Scherer (1996), "Acoustic profiles in vocal emotion expression", Journal of Personality
  and Social Psychology 70(3), 614-636: profiles of fourteen emotions.
- Hollien, DeJong, Martin, Schwartz & Liljegren (2001), "Effects of ethanol intoxication on speech
  suprasegmentals", Journal of the Acoustical Society of America 110(6), 3198-3206.

Where a rule goes another way than its source, which Nano has learned and which therefore stays:
intoxication is spoken lower (Hollien et al.: a higher F0), fear neither more softly nor with less
high-frequency energy (Juslin & Laukka; Scherer reports more of both), tenderness at no lower F0.
"""

from typing import NamedTuple

JUSLIN_LAUKKA, SCHERER = "Juslin & Laukka 2003", "Scherer 2003"
BANSE_SCHERER, HOLLIEN = "Banse & Scherer 1996", "Hollien et al. 2001"

PITCH, RANGE, RATE = "f0_median_hz", "f0_range_st", "syllable_rate_hz"
LEVEL, HIGHS = "level_dbfs", "centroid_hz"


class Correlate(NamedTuple):
    """One published direction.

    Attributes:
        emotion: Canonical name.
        feature: Of `modeling_empathic.acoustics.FEATURES`: what measures it.
        direction: 1 above neutral speech, -1 below.
        source: Who reports it.
        reported: In the source's words, or nearly; for which emotion, where it has another name.
    """

    emotion: str
    feature: str
    direction: int
    source: str
    reported: str


CORRELATES = (
    Correlate("Anger", PITCH, 1, JUSLIN_LAUKKA, "high F0"),
    Correlate("Anger", RANGE, 1, JUSLIN_LAUKKA, "much F0 variability"),
    Correlate("Anger", RATE, 1, JUSLIN_LAUKKA, "fast speech rate"),
    Correlate("Anger", LEVEL, 1, JUSLIN_LAUKKA, "high voice intensity"),
    Correlate("Anger", HIGHS, 1, JUSLIN_LAUKKA, "much high-frequency energy"),
    Correlate("Fear", PITCH, 1, JUSLIN_LAUKKA, "high F0"),
    Correlate("Fear", RATE, 1, JUSLIN_LAUKKA, "fast speech rate"),
    Correlate("Elation", PITCH, 1, JUSLIN_LAUKKA, "happiness: high F0"),
    Correlate("Elation", RANGE, 1, JUSLIN_LAUKKA, "happiness: much F0 variability"),
    Correlate("Elation", RATE, 1, JUSLIN_LAUKKA, "happiness: fast speech rate"),
    Correlate("Elation", LEVEL, 1, JUSLIN_LAUKKA, "happiness: medium to high voice intensity"),
    Correlate("Elation", HIGHS, 1, SCHERER, "joy: more high-frequency energy"),
    Correlate("Sadness", PITCH, -1, JUSLIN_LAUKKA, "low F0"),
    Correlate("Sadness", RANGE, -1, JUSLIN_LAUKKA, "little F0 variability"),
    Correlate("Sadness", RATE, -1, JUSLIN_LAUKKA, "slow speech rate"),
    Correlate("Sadness", LEVEL, -1, JUSLIN_LAUKKA, "low voice intensity"),
    Correlate("Sadness", HIGHS, -1, JUSLIN_LAUKKA, "little high-frequency energy"),
    Correlate("Affection", RANGE, -1, JUSLIN_LAUKKA, "tenderness: little F0 variability"),
    Correlate("Affection", RATE, -1, JUSLIN_LAUKKA, "tenderness: slow speech rate"),
    Correlate("Affection", LEVEL, -1, JUSLIN_LAUKKA, "tenderness: low voice intensity"),
    Correlate("Distress", PITCH, 1, BANSE_SCHERER, "despair: high F0"),
    Correlate("Distress", LEVEL, 1, BANSE_SCHERER, "despair: high energy"),
    Correlate("Shame", LEVEL, -1, BANSE_SCHERER, "low energy"),
    Correlate("Contempt", PITCH, -1, BANSE_SCHERER, "low F0"),
    Correlate("Emotional Numbness", RANGE, -1, SCHERER, "boredom: less F0 variability"),
    Correlate("Emotional Numbness", RATE, -1, SCHERER, "boredom: slower"),
    Correlate("Intoxication/Altered States of Consciousness", RATE, -1, HOLLIEN, "slower speech"),
)
