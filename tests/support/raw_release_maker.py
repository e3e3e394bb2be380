"""Writes a raw release in exactly the public format, at any scale, out of made sounds.

    python -m tests.support.raw_release_maker OUT --scale 1 --seconds 10

At scale 1 the published counts are met exactly: 42 categories x 300 = 12,600 clips, 4,538 / 7,719 /
343 of them with two / three / four raters (Table 4), 33,605 ratings by six raters (Table 9), 4,692
clips in which every rater found the emotion, 197 rows whose path was there before, 11,447 prefixes
of file names. What the paper does not say is invented: who agrees with whom, the order of rows.

The audio is real MP3 at 44.1 kHz: voiced sounds, a few for each category, encoded once; an ID3 tag
makes every row's bytes its own.
"""

import argparse
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import soundfile
from pyarrow import parquet

from modeling_empathic.taxonomy import BENCH_NAMES, EMOTIONS

SAMPLING_RATE = 44_100
PER_CATEGORY = 300
BATCHES = {2: 4_538, 3: 7_719, 4: 343}  # Table 4
BY_RATER = {1: 6_837, 2: 6_620, 3: 2_600, 4: 11_605, 5: 343, 6: 5_600}  # Table 9
UNANIMOUS = 4_692
REPEATED_PATHS = 197
GROUPS = 11_447
SHARDS = 3
ROWS_A_GROUP = 100
SHORT_NAMES = {emotion.name: emotion.bench_label for emotion in EMOTIONS}


def make_raw_release(
    folder: Path, scale: float = 1.0, seconds: float = 0.4, sounds: int = 84, seed: int = 0
) -> Path:
    """Writes `folder/data/train-*.parquet` and returns the folder.

    Args:
        folder: Where to.
        scale: 1 for the published size; 0.05 gives 15 clips of each category.
        seconds: Length of a clip.
        sounds: How many different sounds there are.
        seed: The same seed gives the same rows.
    """
    rng = Random(seed)
    rows = make_rows(scale, rng)
    mp3s = [encode(voiced(number, seconds)) for number in range(sounds)]
    (folder / "data").mkdir(parents=True, exist_ok=True)
    features = {
        "audioId": {"_type": "Audio"},
        "label": {"dtype": "string", "_type": "Value"},
    }
    schema = pa.schema(
        [
            ("audioId", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("label", pa.string()),
        ],
        {"huggingface": json.dumps({"info": {"features": features}})},
    )
    bounds = [len(rows) * number // SHARDS for number in range(SHARDS + 1)]
    for shard in range(SHARDS):
        file = folder / "data" / f"train-{shard:05}-of-{SHARDS:05}.parquet"
        with parquet.ParquetWriter(file, schema) as writer:
            for first in range(bounds[shard], bounds[shard + 1], ROWS_A_GROUP):
                last = min(first + ROWS_A_GROUP, bounds[shard + 1])
                part = []
                for number, (path, label, sound) in enumerate(rows[first:last], first):
                    audio = tagged(mp3s[sound % sounds], f"row {number}")
                    part.append({"audioId": {"bytes": audio, "path": path}, "label": label})
                writer.write_table(pa.Table.from_pylist(part, schema), row_group_size=ROWS_A_GROUP)
    return folder


def rewrite(folder: Path, change: Callable[..., Any]) -> None:
    """Changes the rows of the second shard; `change` may return another schema for them."""
    file = sorted((folder / "data").glob("*.parquet"))[1]
    table = parquet.read_table(file)
    rows = table.to_pylist()
    schema = change(rows) or table.schema
    parquet.write_table(pa.Table.from_pylist(rows, schema), file)


def make_rows(scale: float, rng: Random) -> list[tuple[str, str, int]]:
    """Path, label and number of the sound of every row."""
    per_category = round(PER_CATEGORY * scale)
    n_clips = per_category * len(BENCH_NAMES)
    sizes = [size for size, n in zip(BATCHES, shares(BATCHES.values(), n_clips), strict=True)
             for _ in range(n)]  # fmt: skip
    rng.shuffle(sizes)
    groups = deal(sizes, rng)
    # Categories differ in how often raters agree, as in Figure 1: an even ramp.
    weights = [1 + number / 20 for number in range(len(BENCH_NAMES))]
    unanimous = shares(weights, round(UNANIMOUS * n_clips / (PER_CATEGORY * len(BENCH_NAMES))))
    paths = make_paths(n_clips, rng)
    categories = [number for number in range(len(BENCH_NAMES)) for _ in range(per_category)]
    agree = [number < n for n in unanimous for number in range(per_category)]
    rows = []
    for category, all_present, raters, path in zip(categories, agree, groups, paths, strict=True):
        name = BENCH_NAMES[category]
        spelling = quote(SHORT_NAMES.get(name, name), safe="")
        scores = judge(len(raters), all_present, rng)
        label = [{f"human-{r}": {spelling: s}} for r, s in zip(raters, scores, strict=True)]
        rows.append((path, repr(label), category + len(BENCH_NAMES) * rng.randrange(2)))
    rng.shuffle(rows)
    return rows


def shares(weights: Iterable[float], total: int) -> list[int]:
    """Whole numbers in proportion to the weights, with this sum (largest remainders)."""
    weights = list(weights)
    exact = [total * weight / sum(weights) for weight in weights]
    whole = [int(value) for value in exact]
    largest = sorted(range(len(exact)), key=lambda i: whole[i] - exact[i])
    for i in largest[: total - sum(whole)]:
        whole[i] += 1
    return whole


def deal(sizes: list[int], rng: Random) -> list[list[int]]:
    """Raters of every clip, so that each rater gets their share of Table 9.

    Rater 5 made as many ratings as there are clips with four raters, and is taken to be the fourth
    there. The others: whoever has most left to do is next, which never runs out of raters.
    """
    left = {rater: n for rater, n in BY_RATER.items() if rater != 5}
    seats = sum(min(size, 3) for size in sizes)
    left = dict(zip(left, shares(left.values(), seats), strict=True))
    groups = []
    for size in sizes:
        chosen = sorted(left, key=lambda rater: (-left[rater], rater))[: min(size, 3)]
        for rater in chosen:
            left[rater] -= 1
        groups.append(sorted(chosen) + [5] * (size == 4))
    # Dealt so, early clips have other raters than late ones: mix clips of one size.
    for size in set(sizes):
        places = [i for i, s in enumerate(sizes) if s == size]
        mixed = [groups[i] for i in places]
        rng.shuffle(mixed)
        for i, group in zip(places, mixed, strict=True):
            groups[i] = group
    return groups


def judge(n: int, all_present: bool, rng: Random) -> list[int]:
    """Scores of one clip; raters of one clip lean the same way, a little."""
    lean = rng.random()
    if all_present:
        return [1 + (rng.random() < 0.2 + 0.6 * lean) for _ in range(n)]
    scores = [rng.choices((0, 1, 2), (1.4 - lean, 0.3, 0.3 + lean))[0] for _ in range(n)]
    if 0 not in scores:
        scores[rng.randrange(n)] = 0
    return scores


def make_paths(n_clips: int, rng: Random) -> list[str]:
    """File names with 8-hex prefixes, some of them there before."""
    repeated = round(REPEATED_PATHS * n_clips / (PER_CATEGORY * len(BENCH_NAMES)))
    n_groups = round(GROUPS * n_clips / (PER_CATEGORY * len(BENCH_NAMES)))
    prefixes = [f"{number:08x}" for number in rng.sample(range(2**32), n_groups)]
    distinct = [
        f"{prefixes[number % n_groups]}_clip_{number:05}.mp3"
        for number in range(n_clips - repeated)
    ]
    paths = distinct + rng.sample(distinct, repeated)
    rng.shuffle(paths)
    return paths


def voiced(number: int, seconds: float) -> np.ndarray:
    """A vowel-like sound whose pitch, tempo and brightness go with its number."""
    t = np.arange(round(min(seconds, 2.0) * SAMPLING_RATE)) / SAMPLING_RATE
    category = number % len(BENCH_NAMES)
    pitch_hz = 90 + 6 * category + 15 * (number // len(BENCH_NAMES))
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.15 * np.sin(3 * np.pi * t)))
    phase /= SAMPLING_RATE
    formants = ((600 + 10 * category, 90), (1_200 + 15 * category, 120), (2_600, 200))
    sound = np.zeros(len(t))
    for harmonic in range(1, 25):
        hertz = harmonic * pitch_hz
        gain = sum(1 / (1 + ((hertz - peak) / width) ** 2) for peak, width in formants)
        sound += (gain + 0.02) / harmonic * np.sin(harmonic * phase)
    syllables = 0.55 - 0.45 * np.cos(2 * np.pi * (2 + category % 5) * t)
    sound = (0.5 * syllables * sound / np.abs(sound).max()).astype(np.float32)
    return np.resize(sound, round(seconds * SAMPLING_RATE))  # longer ones repeat


def encode(samples: np.ndarray) -> bytes:
    """Mono MP3 at 44.1 kHz and about 96 kbit/s."""
    stream = io.BytesIO()
    soundfile.write(
        stream, samples, SAMPLING_RATE, format="MP3",
        compression_level=0.85, bitrate_mode="CONSTANT",
    )  # fmt: skip
    return stream.getvalue()


def tagged(mp3: bytes, title: str) -> bytes:
    """The same sound with an ID3v2.4 title in front: other bytes."""
    text = b"\x03" + title.encode()
    frame = b"TIT2" + len(text).to_bytes(4, "big") + b"\0\0" + text
    return b"ID3\x04\0\0" + len(frame).to_bytes(4, "big") + frame + mp3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    make_raw_release(arguments.out, arguments.scale, arguments.seconds)


if __name__ == "__main__":
    main()
