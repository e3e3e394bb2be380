"""What Nano learns from: acted espeak-ng clips, EmoDB clips, their targets and their variations.

Part of `train_nano.py`.  EmoDB (Burkhardt et al. 2005) is read where it lies and never copied.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np

from dataset_scripts.synthesis.acted import ActedClip
from modeling_empathic.audio import load_audio
from modeling_empathic.taxonomy import EMODB_CLASSES, EMOTION_NAMES

SAMPLING_RATE = 16_000
WINDOW = 30 * SAMPLING_RATE
# Chosen by rule before any model was trained: the two last men and the two last women by number.
TEST_SPEAKERS = ("12", "14", "15", "16")
# The emotion that stands for each coarse class of Table 11 and gets its highest target.
CLASS_EMOTION = {
    "anger": "Anger",
    "boredom": "Emotional Numbness",
    "disgust": "Disgust",
    "fear": "Fear",
    "happiness": "Elation",
    "neutral": "Concentration",
    "sadness": "Sadness",
}
CLASS_TARGET, CONSTITUENT_TARGET = 3.0, 1.0  # of 0-4: acted, but not extreme


@dataclass(frozen=True)
class Clip:
    """One clip: mono float32 `audio` at 16 kHz, 40 `targets` (0-4), its `label` and `speaker`."""

    audio: np.ndarray
    targets: np.ndarray
    label: str
    speaker: str


def emodb_targets(label: str) -> np.ndarray:
    """40 targets of an EmoDB class through Table 11: its eponym 3, its other constituents 1.

    Example:
        >>> emodb_targets("boredom").sum()
        np.float32(3.0)
    """
    targets = np.zeros(len(EMOTION_NAMES), np.float32)
    for name in EMODB_CLASSES[label]:
        targets[EMOTION_NAMES.index(name)] = CONSTITUENT_TARGET
    targets[EMOTION_NAMES.index(CLASS_EMOTION[label])] = CLASS_TARGET
    return targets


def read_emodb(folder: Path) -> list[Clip]:
    """All clips of an EmoDB folder with `metadata.csv` (file_name, speaker, emotion)."""
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["file_name"])
    unknown = sorted({row["emotion"] for row in rows} - set(EMODB_CLASSES))
    if unknown:
        raise ValueError(f"unknown EmoDB emotions {unknown}; valid: {', '.join(EMODB_CLASSES)}")
    return [
        Clip(
            load_audio(folder / row["file_name"]),
            emodb_targets(row["emotion"]),
            row["emotion"],
            row["speaker"],
        )
        for row in rows
    ]


def acted_clip(acted: ActedClip) -> Clip:
    """An acted clip at 16 kHz: its emotion's target is the acted intensity, the others 0."""
    targets = np.zeros(len(EMOTION_NAMES), np.float32)
    targets[EMOTION_NAMES.index(acted.emotion)] = acted.intensity
    audio = librosa.resample(acted.audio, orig_sr=acted.sampling_rate, target_sr=SAMPLING_RATE)
    return Clip(audio.astype(np.float32), targets, acted.emotion, acted.voice)


def vary(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same performance by another voice, microphone and level.

    Tape speed ±10 % (pitch, formants and tempo together), tilt ±3 dB an octave, noise at 20-50 dB
    below the speech, level 0 to -14 dB.
    """
    speed = float(np.exp(rng.uniform(-0.1, 0.1)))
    n = max(int(len(audio) / speed), 1)
    audio = np.interp(np.arange(n) * speed, np.arange(len(audio)), audio)
    hertz = np.maximum(np.fft.rfftfreq(n, 1 / SAMPLING_RATE), 100.0)
    tilt_db = rng.uniform(-3, 3) * np.clip(np.log2(hertz / 1000.0), -2, 2)
    audio = np.fft.irfft(np.fft.rfft(audio) * 10 ** (tilt_db / 20), n)
    noise = rng.standard_normal(n) * np.sqrt(np.mean(audio**2)) * 10 ** (-rng.uniform(20, 50) / 20)
    audio = audio + noise
    level = 10 ** (rng.uniform(-14, 0) / 20) / max(float(np.abs(audio).max()), 1e-4)
    return (audio * level).astype(np.float32)


def vary_length(clip: Clip, clips: list[Clip], rng: np.random.Generator) -> np.ndarray:
    """Shorter, or longer by more of the same speaker and label, so that length says nothing.

    One third is cut to 50-100 %, one third stays, one third is followed by one or two other clips
    of that speaker and label; up to 0.5 s of silence goes before.
    """
    audio = clip.audio
    choice = rng.integers(3)
    if choice == 0:
        n = int(len(audio) * rng.uniform(0.5, 1.0))
        start = int(rng.integers(len(audio) - n + 1))
        audio = audio[start : start + n]
    elif choice == 2:
        same = [
            c
            for c in clips
            if (c.label, c.speaker) == (clip.label, clip.speaker)
            and np.array_equal(c.targets, clip.targets)
        ]
        more = [same[int(rng.integers(len(same)))].audio for _ in range(rng.integers(1, 3))]
        audio = np.concatenate([audio, *more])
    silence = np.zeros(int(rng.uniform(0, 0.5) * SAMPLING_RATE), np.float32)
    return np.concatenate([silence, audio])[:WINDOW].astype(np.float32)
