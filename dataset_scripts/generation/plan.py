"""The plan of a corpus: one row a clip, the paper's full factorial in the proportions of Table 2.

The walk. There are 40 emotions, 11 voices, 9 topics and 7 challenges, four numbers without a
common factor. Clip k takes emotion k mod 40, voice k mod 11, topic k mod 9 (each in an order drawn
from the seed), so by the Chinese remainder theorem 3,960 clips in succession have every combination
once, and of any stretch each emotion, voice and topic has its share to within one clip. Every row
of Table 2 is a stretch of its own. Strata are interleaved, so that a corpus stopped half-way is
balanced too.

A row is a function of the seed and its place: a plan of any size is made in pieces of 20,000.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from modeling_empathic.report.files import replacing
from modeling_empathic.taxonomy import EMOTION_NAMES, UserError

from . import factors
from .factors import CHALLENGE, CHALLENGES, CLIP_S, STRATA, TOPICS, VOICES
from .prompts import ACTOR, actor_prompt, prompt_id
from .texts import N_MIDDLES, PAIR_SHARES, compose

PIECE = 20_000
_ABOUT = "emonet_plan"  # key of what a plan says of itself, in its metadata
MAX_CLIPS = 1_000_000_000
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "part": pa.string(),
        "language": pa.string(),
        "accent": pa.string(),
        "voice": pa.string(),
        "sex": pa.string(),
        "topic": pa.string(),
        "challenge": pa.string(),
        "target_emotion": pa.string(),
        "target_intensity": pa.float32(),
        "text_id": pa.string(),
        "text": pa.string(),
        "prompt_id": pa.string(),
        "prompt": pa.string(),
        "seed": pa.int64(),
    }
)
"""Columns of a plan; `accent` and `challenge` are empty where there is none."""

Row = dict[str, Any]


class PlanError(UserError):
    """A plan that cannot be made or read."""


class Summary(NamedTuple):
    """What a plan has.

    Attributes:
        n_clips: Rows.
        counts: Of each value, by the columns that vary; `strata` by part, language and accent.
        prompt_chars: Of all prompts together.
    """

    n_clips: int
    counts: dict[str, Counter[Any]]
    prompt_chars: int


def clips_of(hours: float) -> int:
    """How many clips of the mean length of Bench's (`factors.CLIP_S`) so many hours are.

    Raises:
        PlanError: No positive number, less than a clip, or more than a plan can have.

    Example:
        >>> clips_of(4752)
        1651274
    """
    clips = hours * 3600 / CLIP_S
    if clips > MAX_CLIPS:
        raise PlanError(f"hours={hours:g} is more than {MAX_CLIPS:,} clips; take a smaller number")
    if not clips > 0 or round(clips) < 1:
        raise PlanError(f"hours={hours:g} is not one clip of {CLIP_S} s; take a larger number")
    return round(clips)


def write_plan(
    path: Path,
    n_clips: int,
    seed: int = 0,
    progress: Callable[[int], object] = lambda done: None,
) -> Summary:
    """Writes a plan; the same size and seed give the same rows.

    Args:
        path: Parquet file to make; one that is there is left alone unless it is of the same size
            and seed.
        n_clips: How many rows.
        seed: 0 or more.
        progress: Gets the rows that are done.

    Returns:
        What was counted while writing.

    Raises:
        PlanError: A number outside its limits, a name that is not `.parquet`, or something else is
            there.

    Example:
        >>> from tempfile import mkdtemp
        >>> summary = write_plan(Path(mkdtemp(), "plan.parquet"), 80)
        >>> summary.n_clips, summary.counts["target_emotion"]["Awe"]
        (80, 2)
    """
    if not 1 <= n_clips <= MAX_CLIPS:
        raise PlanError(f"clips={n_clips} is outside 1..{MAX_CLIPS:,}")
    if not 0 <= seed < 2**63:
        raise PlanError(f"seed={seed} is outside 0..2^63")
    if path.suffix != ".parquet":
        raise PlanError(f"output={path}: choose a name that ends in .parquet")
    varied = ("language", "voice", "sex", "topic", "target_emotion", "target_intensity", "part")
    counts: dict[str, Counter[Any]] = {name: Counter() for name in ("strata", *varied)}
    done = prompt_chars = 0
    about = {"seed": seed, "clips": n_clips, "prompt_id": prompt_id(ACTOR), "version": 1}
    _check_replaceable(path, about)
    schema = SCHEMA.with_metadata({_ABOUT: json.dumps(about)})
    with (
        replacing(path) as temporary,
        parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for rows in pieces(n_clips, seed):
            writer.write_table(pa.Table.from_pylist(rows, schema))
            for name in varied:
                counts[name].update(row[name] for row in rows)
            counts["strata"].update((r["part"], r["language"], r["accent"]) for r in rows)
            prompt_chars += sum(len(row["prompt"]) for row in rows)
            done += len(rows)
            progress(done)
    return Summary(n_clips, counts, prompt_chars)


def _check_replaceable(path: Path, about: dict[str, Any]) -> None:
    """Refuses to write over what is there, unless it would be the same plan again.

    Raises:
        PlanError: It is another plan, or none.
    """
    if not path.exists():
        return
    try:
        there = json.loads((parquet.read_schema(path).metadata or {})[_ABOUT.encode()])
        if not isinstance(there, dict) or not isinstance(there.get("clips"), int):
            raise ValueError("no plan")
    except (OSError, ValueError, KeyError, RecursionError):
        raise PlanError(f"output={path} is there and is no plan; choose another name") from None
    if there != about:
        raise PlanError(
            f"output={path} is there: a plan of {there.get('clips'):,} clips, seed "
            f"{there.get('seed')}; choose another name, or delete it first"
        )


def pieces(n_clips: int, seed: int) -> Iterator[list[Row]]:
    """The rows of a plan, a piece at a time."""
    sizes = apportion(n_clips, [stratum.hours for stratum in STRATA])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    orders = np.random.default_rng([seed, 0])
    order = {
        name: orders.permutation(len(values))
        for name, values in {
            "emotion": EMOTION_NAMES,
            "voice": list(VOICES),
            "topic": TOPICS,
            "challenge": list(CHALLENGES),
        }.items()
    }
    n_pieces = math.ceil(n_clips / PIECE)
    for piece in range(n_pieces):
        # The j-th clip of a stratum of n has its place at (j + 1/2) / n of the way.
        places = []
        for number, size in enumerate(sizes):
            low, high = (
                math.ceil(end * size / n_pieces - 0.5) if size else 0 for end in (piece, piece + 1)
            )
            places += [((j + 0.5) / size, number, j) for j in range(low, high)]
        places.sort()
        draws = np.random.default_rng([seed, 1, piece])
        n = len(places)
        intensities = draws.choice(factors.INTENSITIES, n, p=factors.INTENSITY_SHARES)
        pairs = draws.choice(len(PAIR_SHARES), n, p=PAIR_SHARES)
        middles = draws.integers(N_MIDDLES, size=n)
        seeds = draws.integers(2**31, size=n)
        yield [
            _row(int(starts[number]) + j, number, order, seed, *map(int, drawn))
            for (_, number, j), *drawn in zip(
                places, intensities, pairs, middles, seeds, strict=True
            )
        ]


def _row(
    k: int,
    number: int,
    order: dict[str, np.ndarray],
    plan_seed: int,
    intensity: int,
    pair: int,
    middle: int,
    seed: int,
) -> Row:
    stratum = STRATA[number]
    at = {name: int(places[k % len(places)]) for name, places in order.items()}
    emotion, voice = EMOTION_NAMES[at["emotion"]], list(VOICES)[at["voice"]]
    topic = TOPICS[at["topic"]]
    text_id, text = compose(stratum.language, emotion, topic, pair, middle)
    row: Row = {
        "part": stratum.part,
        "language": stratum.language,
        "accent": stratum.accent,
        "voice": voice,
        "sex": VOICES[voice],
        "topic": topic,
        "challenge": list(CHALLENGES)[at["challenge"]] if stratum.part == CHALLENGE else "",
        "target_emotion": emotion,
        "target_intensity": float(intensity),
        "text_id": text_id,
        "text": text,
        "prompt_id": prompt_id(ACTOR),
        "seed": seed,
    }
    row["prompt"] = actor_prompt(row)
    known = f"{plan_seed}|{k}|{seed}|{row['accent']}|{voice}|{intensity}|{row['prompt']}"
    return {"id": hashlib.sha256(known.encode()).hexdigest()[:20], **row}


def apportion(n: int, weights: list[float]) -> list[int]:
    """Shares out `n` by weights, by largest remainders (Hamilton's method).

    Example:
        >>> apportion(10, [2156, 716, 888, 881, 111])
        [5, 1, 2, 2, 0]
    """
    exact = n * np.array(weights) / sum(weights)
    whole = np.floor(exact).astype(int)
    for i in np.argsort(whole - exact, kind="stable")[: n - int(whole.sum())]:
        whole[i] += 1
    return [int(size) for size in whole]
