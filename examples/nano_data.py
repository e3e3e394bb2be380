"""What Nano learns from: acted espeak-ng clips, EmoDB clips, their targets and their variations.

Part of `train_nano.py`.  EmoDB (Burkhardt et al. 2005) is read where it lies and never copied.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

from dataset_scripts.synthesis.acted import ActedClip
from modeling_empathic.acoustics import load_librosa
from modeling_empathic.audio import load_audio
from modeling_empathic.taxonomy import EMODB_CLASSES, EMOTION_NAMES

SAMPLING_RATE = 16_000
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
    """One clip: mono float32 `audio` at 16 kHz, 40 `targets` (0-4), its `label` and `speaker`.

    `real` is a person's voice, whose label is a class; otherwise it is made, the label an emotion.
    """

    audio: np.ndarray
    targets: np.ndarray
    label: str
    speaker: str
    real: bool = False


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


def read_corpus(folder: Path) -> list[Clip]:
    """All clips of a folder with `metadata.csv` (file_name, speaker, emotion), by file name.

    Classes that Table 11 does not know for EmoDB have targets 0.
    """
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["file_name"])
    none = np.zeros(len(EMOTION_NAMES), np.float32)
    return [
        Clip(
            load_audio(folder / row["file_name"]),
            emodb_targets(row["emotion"]) if row["emotion"] in EMODB_CLASSES else none,
            row["emotion"],
            row["speaker"],
            real=True,
        )
        for row in rows
    ]


def read_emodb(folder: Path) -> list[Clip]:
    """All clips of an EmoDB folder with `metadata.csv`.

    Raises:
        ValueError: An emotion that is not one of EmoDB's seven.
    """
    clips = read_corpus(folder)
    unknown = sorted({clip.label for clip in clips} - set(EMODB_CLASSES))
    if unknown:
        raise ValueError(f"unknown EmoDB emotions {unknown}; valid: {', '.join(EMODB_CLASSES)}")
    return clips


def acted_clip(acted: ActedClip) -> Clip:
    """An acted clip at 16 kHz: its emotion's target is the acted intensity, the others 0."""
    targets = np.zeros(len(EMOTION_NAMES), np.float32)
    targets[EMOTION_NAMES.index(acted.emotion)] = acted.intensity
    audio = load_librosa().resample(
        acted.audio, orig_sr=acted.sampling_rate, target_sr=SAMPLING_RATE
    )
    return Clip(audio.astype(np.float32), targets, acted.emotion, acted.voice)


def speed(audio: np.ndarray, factor: float) -> np.ndarray:
    """As a tape that runs faster: pitch, formants and tempo together."""
    n = max(int(len(audio) / factor), 1)
    return np.asarray(np.interp(np.arange(n) * factor, np.arange(len(audio)), audio), np.float32)


def telephone(audio: np.ndarray) -> np.ndarray:
    """The telephone's band, 300 to 3,400 Hz."""
    band = butter(6, [300, 3400], "bandpass", fs=SAMPLING_RATE, output="sos")
    return np.asarray(sosfilt(band, audio), np.float32)


def tilt(audio: np.ndarray, db_an_octave: float) -> np.ndarray:
    """Another microphone: a spectrum that rises or falls around 1 kHz."""
    hertz = np.maximum(np.fft.rfftfreq(len(audio), 1 / SAMPLING_RATE), 100.0)
    gain_db = db_an_octave * np.clip(np.log2(hertz / 1000.0), -2.5, 2.5)
    filtered = np.fft.irfft(np.fft.rfft(audio) * 10 ** (gain_db / 20), len(audio))
    return np.asarray(filtered, np.float32)


def room(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Reverberation: noise that decays by 60 dB in 0.1 to 0.6 s."""
    n = int(rng.uniform(0.1, 0.6) * SAMPLING_RATE)
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail *= rng.uniform(0.1, 0.8) / np.sqrt(np.sum(tail**2))
    return np.asarray(audio + fftconvolve(audio, tail)[: len(audio)], np.float32)


def add_noise(
    audio: np.ndarray, snr_db: float, rng: np.random.Generator, colour: int = 0
) -> np.ndarray:
    """Noise at `snr_db` below the speech: white (0), pink (1) or brown (2)."""
    noise = rng.standard_normal(len(audio))
    if colour:
        hertz = np.maximum(np.fft.rfftfreq(len(audio), 1 / SAMPLING_RATE), 50.0)
        noise = np.fft.irfft(np.fft.rfft(noise) * hertz ** (-colour / 2), len(audio))
    power = np.mean(audio**2) / max(float(np.mean(noise**2)), 1e-12)
    return np.asarray(audio + noise * np.sqrt(power) * 10 ** (-snr_db / 20), np.float32)


def vary(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same performance by another voice, in another room, over another line, or a part of it.

    Level and silence around are not varied: `cut_to_speech` takes them away.
    """
    audio = speed(audio, float(np.exp(rng.uniform(-0.15, 0.15))))
    audio = telephone(audio) if rng.random() < 0.3 else tilt(audio, rng.uniform(-4, 4))
    if rng.random() < 0.4:
        audio = room(audio, rng)
    snr_db = rng.uniform(5, 22) if rng.random() < 0.5 else rng.uniform(22, 45)
    audio = add_noise(audio, snr_db, rng, int(rng.choice([0, 0, 1, 2])))
    if rng.random() < 0.5:
        n = int(len(audio) * rng.uniform(0.6, 1.0))
        start = int(rng.integers(len(audio) - n + 1))
        audio = audio[start : start + n]
    return audio


def no_speech(count: int, rng: np.random.Generator) -> list[Clip]:
    """Silence, noise, hum, tones and chords, 0.5 to 6 s: nothing is conveyed, all targets are 0."""
    clips = []
    for i in range(count):
        t = np.arange(int(rng.uniform(0.5, 6) * SAMPLING_RATE)) / SAMPLING_RATE
        kind = ("silence", "noise", "hum", "chord")[i % 4]
        if kind == "silence":
            audio = np.zeros(len(t), np.float32)
        elif kind == "noise":
            carrier = 0.1 * rng.choice([-1.0, 1.0], len(t))
            audio = add_noise(carrier, -20, rng, int(rng.integers(3)))
        else:
            root = rng.uniform(45, 70) if kind == "hum" else rng.uniform(110, 880)
            steps = (0, 12, 19) if kind == "hum" else (0, rng.integers(3, 5), 7)
            tones = [np.sin(2 * np.pi * root * 2 ** (k / 12) * t) for k in steps]
            audio = add_noise(0.1 * np.sum(tones, axis=0), rng.uniform(5, 50), rng)
        targets = np.zeros(len(EMOTION_NAMES), np.float32)
        clips.append(Clip(audio, targets, "no speech", "none"))
    return clips
