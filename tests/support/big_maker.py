"""A folder of clips as `big generate` leaves it, scored and packed, made in no time."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile
from pyarrow import parquet

from dataset_scripts.packing.clips import CLIPS, COLUMNS
from dataset_scripts.packing.pack import pack
from dataset_scripts.packing.scores import Judgement, annotate
from modeling_empathic.taxonomy import EMOTION_NAMES

LANGUAGES, ACCENTS, VOICES = ("en", "de", "es", "fr"), ("Texan", None), ("nova", "onyx", "sage")


def flac(seed: int, seconds: float = 0.5) -> bytes:
    """Noise at 24 kHz, other bytes for every seed."""
    stream = io.BytesIO()
    noise = np.random.default_rng(seed).uniform(-0.1, 0.1, round(24_000 * seconds))
    soundfile.write(stream, noise, 24_000, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def make_clips(
    out: Path, n: int = 12, *, first: int = 0, seconds: float = 0.5, **given: Any
) -> Path:
    """`n` clips of noise, languages and emotions by turns; `given` replaces columns of all."""
    rows = []
    for number in range(first, first + n):
        clip_id = f"{number:02x}{number:06d}"
        path = Path("audio", clip_id[:2], f"{clip_id}.flac")
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        audio = flac(number, seconds)
        (out / path).write_bytes(audio)
        language = LANGUAGES[number % 4]
        row = dict.fromkeys(COLUMNS) | {
            "id": clip_id,
            "path": path.as_posix(),
            "sha256": hashlib.sha256(audio).hexdigest(),
            "duration_s": seconds,
            "sampling_rate": 24_000,
            "outcome": "spoken",
            "attempts": 1,
            "engine": "espeak-ng",
            "voice": VOICES[number % 3],
            "language": language,
            "accent": ACCENTS[number // 4 % 2] if language == "en" else None,
            "sex": "female" if number % 3 != 1 else "male",
            "topic": "work",
            "text": f"This is text {number}.",
            "target_emotion": EMOTION_NAMES[number % 40],
            "target_intensity": 3.0,
            "part": "factorial",
            "seed": number,
        }
        rows.append(row | given)
    write_clips(out, rows)
    return out


def write_clips(out: Path, rows: list[dict[str, Any]]) -> None:
    parquet.write_table(
        pa.Table.from_pylist(rows, schema=pa.schema(list(COLUMNS.items()))), out / CLIPS
    )


def clip_rows(out: Path) -> list[dict[str, Any]]:
    return parquet.read_table(out / CLIPS).to_pylist()


def judge(clips: pa.Table) -> Iterator[Judgement]:
    """Scores that only the clip's seed decides: its emotion is the strongest."""
    for seed in clips["seed"].to_pylist():
        scores = np.random.default_rng(seed).uniform(0, 1, 40)
        scores[seed % 40] = 3.5
        yield Judgement(scores.round(2).tolist())


def make_scored(out: Path, n: int = 12, **given: Any) -> Path:
    """Clips with their scores."""
    make_clips(out, n, **given)
    annotate(out, judge, {"annotator": "made up"})
    return out


def make_packed(folder: Path, n: int = 12, **given: Any) -> Path:
    """A packed corpus."""
    pack([make_scored(folder / "out", n, **given)], folder / "packed")
    return folder / "packed"
