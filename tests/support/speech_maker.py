"""Sounds that pass for speech, sound files that do not, and plans whose texts are their paths."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import soundfile
from pyarrow import parquet

from dataset_scripts.generation.plan import SCHEMA, pieces

COPY = "cp {text} {output}"
"""An engine that speaks what lies at the path that is the text."""


def speech_like(seconds: float = 6.0, rate: int = 24_000, pitch_hz: float = 150.0) -> np.ndarray:
    """A buzz in syllables that glides, and fades at its end."""
    time_s = np.arange(int(seconds * rate)) / rate
    pitch = pitch_hz * (1 + 0.2 * np.sin(2 * np.pi * 0.7 * time_s))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    buzz = sum(np.sin(n * phase) / n for n in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 3.3 * time_s + 0.4 * np.sin(time_s)), 0.01, 1)
    fade = np.minimum(1.0, (time_s[-1] - time_s) / 0.05)
    return (0.12 * buzz * syllables * fade).astype(np.float32)


def wav(samples: np.ndarray, rate: int = 24_000, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def sounds() -> dict[str, bytes]:
    """What an engine may give, by name."""
    good = speech_like()
    return {
        "good": wav(good),
        "stereo 44.1 kHz": wav(np.stack([speech_like(rate=44_100)] * 2, axis=1), 44_100),
        "silence": wav(np.zeros(5 * 24_000, np.float32)),
        "mostly silence": wav(np.concatenate([good[:6000], np.zeros(20 * 24_000, np.float32)])),
        "half a second": wav(speech_like(0.5)),
        "45 seconds": wav(speech_like(45)),
        "noise": wav(np.random.default_rng(0).normal(0, 0.1, 5 * 24_000)),
        "8 kHz": wav(speech_like(rate=8_000), 8_000),
        "clipped": wav(np.clip(20 * good, -1, 1)),
        "cut off": wav(good[: 24_000 * 3 + 1900]),
        "HTML": b"<!DOCTYPE html><html><title>502 Bad Gateway</title></html>",
        "nothing": b"",
        "half a header": wav(good)[:30],
    }


def write_sounds(folder: Path) -> dict[str, Path]:
    """The files of `sounds`, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for number, (name, sound) in enumerate(sounds().items()):
        paths[name] = folder / f"{number}.wav"
        paths[name].write_bytes(sound)
    return paths


def write_texts(path: Path, texts: list[str]) -> Path:
    """A plan with these texts."""
    rows = next(iter(pieces(len(texts), 0)))
    rows = [{**row, "text": text} for row, text in zip(rows, texts, strict=True)]
    parquet.write_table(pa.Table.from_pylist(rows, SCHEMA), path)
    return path
