"""espeak-ng speech acted by prosody rules for the 40 emotions.

A caricature for teaching a toy model, and nothing else: a formant synthesiser reads neutral
sentences while one rule per emotion moves pitch, range, tempo, loudness and voice quality.  No
person ever sounded so; a model taught only this knows our rules, not emotions.

The rules of the emotions that were studied follow the direction of the reported cues: hot and cold
anger, panic, anxiety, desperation, sadness, elation, happiness, interest, boredom, shame, pride,
disgust and contempt in Banse & Scherer (1996), "Acoustic profiles in vocal emotion expression",
J. Pers. Soc. Psychol. 70(3); anger, fear, happiness, sadness and tenderness in Juslin & Laukka
(2003), "Communication of emotions in vocal expression and music performance", Psychol. Bull.
129(5).  The remaining ones are our own extrapolation from their neighbours; every size is ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from dataset_scripts.synthesis.espeak import speak
from modeling_empathic.taxonomy import EMOTION_NAMES, UserError

FULL_INTENSITY = 4.0  # the paper's annotation scale is 0 (absent) to 4 (extremely present)


@dataclass(frozen=True)
class Prosody:
    """How full intensity differs from neutral speech; all defaults mean neutral."""

    pitch_st: float = 0.0  # mean pitch, semitones
    range_x: float = 1.0  # pitch movement, factor
    rate_x: float = 1.0  # tempo, factor
    loud_db: float = 0.0  # level, decibels
    bright_db: float = 0.0  # energy above 1 kHz, decibels: vocal effort
    glide_st: float = 0.0  # last minus first moment, semitones
    gap: float = 0.0  # pauses between words, steps of 10 ms
    breath: float = 0.0  # aspiration noise, 0-1
    tremor: float = 0.0  # 6 Hz trembling, 0-1
    wobble: float = 0.0  # 1.3 Hz swaying, 0-1
    rough: float = 0.0  # harsh voice, 0-1
    pulse: float = 0.0  # laughing or sobbing beats at 4.5 Hz, 0-1

    def scaled(self, intensity: float) -> Prosody:
        """The rule at `intensity` 0-4: differences shrink linearly, factors as powers."""
        part = intensity / FULL_INTENSITY
        return Prosody(
            **{
                f.name: getattr(self, f.name) ** part
                if f.name.endswith("_x")
                else getattr(self, f.name) * part
                for f in fields(self)
            }
        )

    def plus(self, other: Prosody) -> Prosody:
        """Both at once: differences add up, factors multiply, shares end at 1.

        Example:
            >>> both = Prosody(pitch_st=3, rate_x=1.5).plus(Prosody(pitch_st=-1, rate_x=0.5))
            >>> both.pitch_st, both.rate_x
            (2, 0.75)
        """
        both: dict[str, float] = {}
        for f in fields(self):
            one, two = getattr(self, f.name), getattr(other, f.name)
            if f.name.endswith("_x"):
                both[f.name] = one * two
            elif f.name in ("breath", "tremor", "wobble", "rough", "pulse"):
                both[f.name] = min(one + two, 1.0)
            else:
                both[f.name] = one + two
        return Prosody(**both)


NEUTRAL = Prosody()

# Columns: mean pitch, range, tempo, loudness, brightness; the rest by name.
RULES: dict[str, Prosody] = {
    "Amusement": Prosody(3, 1.5, 1.1, 1, 2, pulse=0.7, breath=0.2),
    "Elation": Prosody(5, 1.8, 1.2, 4, 4),
    "Pleasure/Ecstasy": Prosody(1, 1.3, 0.8, -1, 0, glide_st=-2, breath=0.5),
    "Contentment": Prosody(-1, 0.9, 0.85, -2, -2),
    "Thankfulness/Gratitude": Prosody(1, 1.2, 0.92, -1, 0, glide_st=-2, breath=0.2),
    "Affection": Prosody(0, 0.8, 0.8, -4, -4, breath=0.4),
    "Infatuation": Prosody(3, 1.3, 0.95, -3, 0, breath=0.5, tremor=0.2),
    "Hope/Enthusiasm/Optimism": Prosody(2, 1.4, 1.1, 2, 2, glide_st=2),
    "Triumph": Prosody(4, 1.6, 0.9, 6, 5, rough=0.2),
    "Pride": Prosody(-2, 1.2, 0.85, 3, 3),
    "Interest": Prosody(2, 1.4, 1.05, 1, 0, glide_st=1),
    "Awe": Prosody(-1, 0.8, 0.65, -3, 0, breath=0.6, gap=4),
    "Astonishment/Surprise": Prosody(6, 2.0, 1.05, 3, 2, glide_st=5),
    "Concentration": Prosody(-1, 0.5, 0.85, -2, 0, gap=3),
    "Contemplation": Prosody(-2, 0.7, 0.7, -3, -1, gap=7),
    "Relief": Prosody(-1, 0.9, 0.8, -2, 0, glide_st=-5, breath=0.8),
    "Longing": Prosody(0.5, 0.9, 0.72, -3, -1, breath=0.3, wobble=0.2, tremor=0.2),
    "Teasing": Prosody(3, 1.8, 0.9, 0, 1, glide_st=3, wobble=0.5),
    "Impatience and Irritability": Prosody(1, 0.9, 1.4, 3, 3),
    "Sexual Lust": Prosody(-4, 0.8, 0.7, -4, -3, breath=0.9),
    "Doubt": Prosody(0, 1.0, 0.8, -2, 0, glide_st=4, gap=4),
    "Fear": Prosody(6, 0.8, 1.35, 0, 1, tremor=0.8, breath=0.3),
    "Distress": Prosody(4, 1.3, 1.2, 2, 2, tremor=0.5, pulse=0.2),
    "Confusion": Prosody(1, 1.3, 0.8, -1, 0, glide_st=5, gap=5, wobble=0.3),
    "Embarrassment": Prosody(1, 0.7, 1.0, -5, -3, gap=2, breath=0.3, tremor=0.2),
    "Shame": Prosody(-1, 0.5, 0.8, -6, -4, gap=3, breath=0.2),
    "Disappointment": Prosody(-1, 0.8, 0.8, -3, -1, glide_st=-5),
    "Sadness": Prosody(-2, 0.5, 0.7, -5, -5, glide_st=-2, tremor=0.2),
    "Bitterness": Prosody(-1, 0.8, 0.85, 0, 2, glide_st=-2, rough=0.4),
    "Contempt": Prosody(-3, 1.1, 0.8, 0, 2, glide_st=-3, rough=0.1),
    "Disgust": Prosody(-3, 0.9, 0.75, 1, 0, glide_st=-3, rough=0.6),
    "Anger": Prosody(4, 1.5, 1.2, 7, 6, rough=0.6),
    "Malevolence/Malice": Prosody(-4, 0.9, 0.75, -1, 3, rough=0.5, breath=0.4),
    "Sourness": Prosody(0, 0.6, 0.95, 0, 4, glide_st=-2, rough=0.2),
    "Pain": Prosody(3, 0.9, 0.8, 2, 1, rough=0.5, tremor=0.6, gap=5),
    "Helplessness": Prosody(2, 0.7, 0.8, -4, -2, glide_st=-3, tremor=0.6, breath=0.3),
    "Fatigue/Exhaustion": Prosody(-3, 0.4, 0.62, -6, -5, gap=2, breath=0.5),
    "Emotional Numbness": Prosody(-1, 0.1, 0.85, -3, -2),
    "Intoxication/Altered States of Consciousness": Prosody(-2, 1.3, 0.68, 0, -1, wobble=1.0),
    "Jealousy & Envy": Prosody(1, 1.1, 1.1, 1, 2, glide_st=-1, tremor=0.3, rough=0.2),
}
if tuple(RULES) != tuple(EMOTION_NAMES):
    raise AssertionError("RULES must name the 40 emotions of the taxonomy, in its order")

# Ours, one meaning per row in four languages, with as little feeling in the words as we could.
SENTENCES: dict[str, tuple[str, ...]] = {
    "en": (
        "The train leaves at nine from the second platform.",
        "Your coat is on the chair beside the door.",
        "She put the letter on the kitchen table.",
        "There are seven books on the upper shelf.",
        "We will meet tomorrow behind the museum.",
        "The shop on the corner opens at eight.",
        "He carried the boxes up to the first floor.",
        "The bus stops in front of the town hall.",
    ),
    "de": (
        "Der Zug fährt um neun vom zweiten Gleis ab.",
        "Dein Mantel hängt über dem Stuhl neben der Tür.",
        "Sie hat den Brief auf den Küchentisch gelegt.",
        "Auf dem oberen Brett stehen sieben Bücher.",
        "Wir treffen uns morgen hinter dem Museum.",
        "Der Laden an der Ecke öffnet um acht.",
        "Er hat die Kisten in den ersten Stock getragen.",
        "Der Bus hält vor dem Rathaus.",
    ),
    "es": (
        "El tren sale a las nueve del segundo andén.",
        "Tu abrigo está en la silla junto a la puerta.",
        "Ella puso la carta en la mesa de la cocina.",
        "Hay siete libros en el estante de arriba.",
        "Nos vemos mañana detrás del museo.",
        "La tienda de la esquina abre a las ocho.",
        "Él subió las cajas al primer piso.",
        "El autobús para delante del ayuntamiento.",
    ),
    "fr": (
        "Le train part à neuf heures du deuxième quai.",
        "Ton manteau est sur la chaise près de la porte.",
        "Elle a posé la lettre sur la table de la cuisine.",
        "Il y a sept livres sur l'étagère du haut.",
        "Nous nous verrons demain derrière le musée.",
        "La boutique du coin ouvre à huit heures.",
        "Il a monté les cartons au premier étage.",
        "Le bus s'arrête devant la mairie.",
    ),
}
# The last two sentences and these voices are heard in the `test` split only.
TRAIN_VOICES = ("f1", "m1", "f2", "m2", "f3", "m3", "f4", "m4", "Annie", "m7", "linda", "max")
TEST_VOICES = ("f5", "m5")
N_TEST_SENTENCES = 2


class ActedClip(NamedTuple):
    """One acted clip: mono float32 `audio` at `sampling_rate` Hz, `intensity` 0-4."""

    audio: np.ndarray
    sampling_rate: int
    emotion: str
    intensity: float
    voice: str
    language: str
    text: str


def _bend(audio: np.ndarray, semitones: np.ndarray) -> np.ndarray:
    """Read `audio` at the speed of the pitch curve, as a tape would."""
    position = np.cumsum(2.0 ** (semitones / 12.0))
    position = position[position < len(audio) - 1]
    bent: np.ndarray = np.interp(position, np.arange(len(audio)), audio)
    return bent


def apply_voice_quality(
    audio: np.ndarray,
    sampling_rate: int,
    rule: Prosody,
    rng: np.random.Generator,
    *,
    padded: bool = False,
) -> np.ndarray:
    """What the synthesiser has no knob for: glide, trembling, breath, harshness, effort, level.

    `padded` transforms zeros behind the clip too, up to a length at which that is three times as
    fast; what Nano learned from is not, and stays as it is to the last bit.

    Example:
        >>> hum = np.sin(np.arange(22050) * 0.05).astype(np.float32)
        >>> loud = apply_voice_quality(hum, 22050, Prosody(loud_db=6), np.random.default_rng(0))
        >>> bool(loud.std() > 0.1)
        True
    """
    n = len(audio)
    t = np.arange(n) / sampling_rate
    phase = rng.uniform(0, 2 * np.pi)
    audio = _bend(
        audio.astype(np.float64),
        rule.glide_st * (np.linspace(0, 1, n) - 0.5)
        + 1.2 * rule.tremor * np.sin(2 * np.pi * 6.0 * t + phase)
        + 3.0 * rule.wobble * np.sin(2 * np.pi * 1.3 * t + phase),
    )
    n = len(audio)
    t = np.arange(n) / sampling_rate
    audio = audio * (1 + 0.35 * rule.tremor * np.sin(2 * np.pi * 6.0 * t))
    audio = audio * (1 - rule.pulse * (0.5 + 0.5 * np.sin(2 * np.pi * 4.5 * t + phase)))
    if rule.rough:  # subharmonic beating and saturation
        audio = audio * (1 + 0.8 * rule.rough * np.sin(2 * np.pi * 70.0 * t))
        drive = 1 + 4 * rule.rough
        audio = np.tanh(drive * audio) / drive
    if rule.breath:
        width = sampling_rate // 50
        envelope = np.convolve(np.abs(audio), np.ones(width) / width, mode="same")
        noise = np.diff(rng.standard_normal(n + 1))  # +6 dB an octave, as aspiration
        audio = (1 - 0.5 * rule.breath) * audio + 0.6 * rule.breath * envelope * noise
    size = n if not padded else -(-n // 8192) * 8192
    spectrum = np.fft.rfft(audio, size)
    hertz = np.maximum(np.fft.rfftfreq(size, 1 / sampling_rate), 50.0)
    tilt = np.clip(np.log2(hertz / 1000.0) / 2, -0.5, 1.0)
    audio = np.fft.irfft(spectrum * 10 ** (rule.bright_db * tilt / 20), size)[:n]
    level = 0.06 * 10 ** (rule.loud_db / 20) / max(float(np.sqrt(np.mean(audio**2))), 1e-6)
    fade = np.minimum(1.0, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.01 * sampling_rate))
    return (np.tanh(level * audio) * fade).astype(np.float32)


def act(
    text: str,
    language: str,
    variant: str,
    emotion: str,
    intensity: float,
    seed: int = 0,
    manner: Prosody = NEUTRAL,
    *,
    padded: bool = False,
) -> ActedClip:
    """Read `text` in `language` with an eSpeak `variant`, acting `emotion` at `intensity` 0-4.

    The seed moves the speaker's own habits a little (pitch, tempo, level), so that a rule is a
    difference from that speaker and not an absolute value. A `manner`, such as shouting, comes on
    top of the emotion's rule, whatever the intensity; for `padded` see `apply_voice_quality`.

    Raises:
        UserError: an emotion that has no rule, or an intensity outside 0-4.

    Example:
        >>> clip = act("The bus stops here.", "en", "f2", "Anger", 4.0)
        >>> clip.sampling_rate, clip.voice
        (22050, 'en+f2')
    """
    if emotion not in RULES:
        raise UserError(f"unknown emotion {emotion!r}; valid: {', '.join(RULES)}")
    if not 0 <= intensity <= FULL_INTENSITY:
        raise UserError(f"intensity={intensity} is outside 0..4")
    rng = np.random.default_rng(seed)
    rule = RULES[emotion].scaled(intensity).plus(manner)
    own_pitch_st, own_range, own_rate, own_db = rng.normal(0, [1.0, 0.1, 0.06, 1.5])
    audio, sampling_rate = speak(
        text,
        voice=f"{language}+{variant}",
        # eSpeak's pitch scale is close to one octave per 50 points.
        pitch=int(np.clip(50 + 50 / 12 * (rule.pitch_st + own_pitch_st), 0, 99)),
        pitch_range=int(np.clip(50 * rule.range_x * (1 + own_range), 0, 99)),
        rate_wpm=int(np.clip(165 * rule.rate_x * np.exp(own_rate), 80, 450)),
        word_gap=int(np.clip(rule.gap, 0, 100)),
    )
    audio = apply_voice_quality(audio, sampling_rate, rule, rng, padded=padded)
    audio = (audio * 10 ** (np.clip(own_db, -3, 3) / 20)).clip(-1, 1).astype(np.float32)
    return ActedClip(
        audio, sampling_rate, emotion, intensity, f"{language}+{variant}", language, text
    )


def acted_corpus(
    clips_per_emotion: int,
    split: str = "train",
    seed: int = 0,
    emotions: Collection[str] = EMOTION_NAMES,
) -> Iterator[ActedClip]:
    """Yield `clips_per_emotion` clips of each emotion, languages and voices in rotation.

    Args:
        clips_per_emotion: how many for each of the 40; intensities are drawn from {0, 1, 2, 3, 4}
            with weights 1:1:2:3:3 (an intensity of 0 is a neutral reading).
        split: `train` or `test`; they share no voice variant and no sentence.
        seed: the same seed gives the same samples.
        emotions: only the clips of these, as they are among all.

    Example:
        >>> clips = list(acted_corpus(1, split="test"))
        >>> len(clips), clips[0].emotion
        (40, 'Amusement')
    """
    if split not in ("train", "test"):
        raise UserError(f"split={split!r}; valid: 'train', 'test'")
    rng = np.random.default_rng([seed, split == "test"])
    voices = TRAIN_VOICES if split == "train" else TEST_VOICES
    languages = tuple(SENTENCES)
    for i in range(clips_per_emotion):
        for k, emotion in enumerate(RULES):
            language = languages[(i + k) % len(languages)]
            texts = SENTENCES[language]
            texts = texts[:-N_TEST_SENTENCES] if split == "train" else texts[-N_TEST_SENTENCES:]
            drawn: dict[str, Any] = {
                "text": texts[int(rng.integers(len(texts)))],
                "variant": voices[int(rng.integers(len(voices)))],
                "intensity": float(rng.choice(5, p=[0.1, 0.1, 0.2, 0.3, 0.3])),
                "seed": int(rng.integers(2**31)),
            }
            if emotion in emotions:
                yield act(language=language, emotion=emotion, **drawn)
