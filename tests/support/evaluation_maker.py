"""Benches and predictions made of numbers, for the tests of `evaluate`."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from evaluate_metrics.bench.predictions import Predictions
from modeling_empathic.scoring.file import METADATA_KEY, write_scores
from modeling_empathic.taxonomy import EMOTION_NAMES

SLASHED = tuple(name for name in EMOTION_NAMES if "/" in name)
FEW = ("Anger", "Awe", "Pleasure/Ecstasy")


def made_bench(emotions=FEW, clips=20, seed=0) -> pa.Table:
    """As `read_bench` gives it, `clips` of each emotion."""
    rng = np.random.default_rng(seed)
    n = len(emotions) * clips
    table = pa.table(
        {
            "clip_id": [f"{number:064x}" for number in range(n)],
            "emotion": np.repeat(np.array(emotions, dtype=object), clips),
            "mean_0_10": rng.choice([0, 2.5, 10 / 3, 5, 7.5, 10], n),
        }
    )
    about = {"source": "made", "revision": None, "config": "default"}
    return table.replace_schema_metadata({METADATA_KEY: json.dumps(about)})


def with_ratings(bench: pa.Table, seed=0) -> pa.Table:
    """The Bench with two to three ratings a clip, and their mean as its target.

    Raters hear what the clip is in a share of cases that grows from emotion to emotion, else guess.
    """
    rng = np.random.default_rng(seed)
    names = bench["emotion"].to_pylist()
    heard_by = dict(zip(dict.fromkeys(names), np.linspace(0.3, 0.9, len({*names})), strict=True))
    ratings = []
    for name in names:
        truth, n = rng.integers(0, 3), rng.integers(2, 4)
        guesses = rng.integers(0, 3, n)
        scores = np.where(rng.random(n) < heard_by[name], truth, guesses).tolist()
        ratings.append([{"rater": f"r{i}", "score": score} for i, score in enumerate(scores)])
    means = [5 * float(np.mean([rating["score"] for rating in of])) for of in ratings]
    place = bench.column_names.index("mean_0_10")
    return bench.set_column(place, "mean_0_10", pa.array(means)).append_column(
        "ratings", pa.array(ratings)
    )


def heard(bench, noise=3.0, seed=1, emotions=EMOTION_NAMES) -> pa.Table:
    """Scores from 0 to 10 of all clips and emotions, the target's near its rating."""
    rng = np.random.default_rng(seed)
    result = {"clip_id": [], "emotion": [], "score": []}
    for row in bench.select(["clip_id", "emotion", "mean_0_10"]).to_pylist():
        for emotion in emotions:
            target = row["mean_0_10"] if emotion == row["emotion"] else 2.0
            result["clip_id"].append(row["clip_id"])
            result["emotion"].append(emotion)
            result["score"].append(float(np.clip(target + noise * rng.normal(), 0, 10).round(2)))
    return pa.table(result | {"outcome": ["scored"] * len(result["score"])})


def of(rows: pa.Table, scale="0-10") -> Predictions:
    """Rows as `read_predictions` gives them."""
    return Predictions(rows, scale, {}, False)


def with_outcome(rows: pa.Table, chosen, outcome: str) -> pa.Table:
    """The rows with another outcome and no score where `chosen(row)` holds."""
    changed = [
        row | {"score": None, "outcome": outcome} if chosen(row) else row
        for row in rows.to_pylist()
    ]
    return pa.Table.from_pylist(changed, rows.schema)


def write(rows: pa.Table, path: Path, **provenance) -> Path:
    """A prediction file: with provenance one of ours, whole; without it somebody else's."""
    if provenance:
        write_scores(rows.replace_schema_metadata({METADATA_KEY: json.dumps(provenance)}), path)
    else:
        parquet.write_table(rows.replace_schema_metadata(None), path)
    return path
