"""Joins what a system said with what raters said, and computes every figure of Tables 5 and 6."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evaluate_metrics.bench.baselines import baselines
from evaluate_metrics.bench.discrimination import discrimination
from evaluate_metrics.bench.predictions import EvaluationError, Predictions, described
from evaluate_metrics.emonet_voice import compute, rows_by_emotion, to_0_10
from modeling_empathic import __version__
from modeling_empathic.report.files import as_json
from modeling_empathic.taxonomy import HEAD_NAMES

NAMED = 20
"""Clips that an account names; the others it counts."""
_HEAD = pa.array(HEAD_NAMES, pa.string())


class Joined(NamedTuple):
    """Rows of a benchmark, each with what the system made of it.

    Attributes:
        rows: `(rows,)` their numbers in the benchmark: those of clips that the file knows, and
            those of emotions that it never answers.
        emotions: Of each.
        scores: `(rows,)` on the predictions' scale, NaN unless scored.
        outcomes: Of each.
        references: `(rows,)` mean rating, 0 to 10.
        account: What found its counterpart and what did not.
    """

    rows: np.ndarray
    emotions: list[str]
    scores: np.ndarray
    outcomes: list[str]
    references: np.ndarray
    account: dict[str, Any]

    @property
    def used(self) -> np.ndarray:
        """`(rows,)` whether each has a score and a reference."""
        return ~(np.isnan(self.scores) | np.isnan(self.references))


def join(predictions: Predictions, bench: pa.Table) -> Joined:
    """Finds the score of each row of the benchmark by its clip and emotion, in whatever order.

    A row that the file lacks is `unmapped` where the file has the clip with other emotions, or
    has its emotion nowhere: the system answered in labels that do not cover it. Otherwise the clip
    was never given to the system: it is counted, and left out.

    Args:
        predictions: Of [`predictions.read_predictions`].
        bench: Of [`bench_reader.read_bench`].

    Raises:
        EvaluationError: No clip of the benchmark has a score or a failure.

    Example:
        >>> said = pa.table({"clip_id": ["b", "a"], "emotion": ["Awe", "Awe"],
        ...                  "score": [7.0, 1.0], "outcome": ["scored", "scored"]})
        >>> bench = pa.table({"clip_id": ["a", "b", "b", "c"], "mean_0_10": [0.0, 10.0, 5.0, 5.0],
        ...                   "emotion": ["Awe", "Awe", "Pain", "Awe"]})
        >>> found = join(Predictions(said, "0-10", {}, False), bench)
        >>> found.scores, found.outcomes
        (array([ 1.,  7., nan]), ['scored', 'scored', 'unmapped'])
        >>> found.account["without_prediction_clips"], found.account["unmapped_emotions"]
        (['c'], {'Pain': 1})
    """
    rows, clips = predictions.rows, pc.unique(bench["clip_id"])
    clip, bench_clip = (_places(table["clip_id"], clips) for table in (rows, bench))
    emotion, bench_emotion = (_places(table["emotion"], _HEAD) for table in (rows, bench))
    known = np.flatnonzero(clip >= 0)
    if not len(known):
        raise EvaluationError(
            f"no clip of the predictions is in the benchmark: {_first(rows)} there, "
            f"{_first(bench)} here"
        )
    place = np.full((len(clips), len(HEAD_NAMES)), -1)
    place[clip[known], emotion[known]] = known
    has_clip = (place >= 0).any(axis=1)
    answered = np.isin(np.arange(len(HEAD_NAMES)), emotion)
    found = place[bench_clip, bench_emotion]
    asked = np.asarray(has_clip)[bench_clip] | ~answered[bench_emotion]
    lacking = asked & (found < 0)
    unknown = pc.unique(rows["clip_id"].filter(pa.array(clip < 0)))
    without = pc.unique(bench["clip_id"].filter(pa.array(~asked)))
    names = bench["emotion"].to_pylist()
    account = {
        "matched": int((found >= 0).sum()),
        "without_prediction": int((~asked).sum()),
        "without_prediction_clips": without[:NAMED].to_pylist(),
        "unknown_clips": len(unknown),
        "unknown_clips_first": unknown[:NAMED].to_pylist(),
        "unmapped_emotions": {
            name: int(lacking[of].sum())
            for name, of in rows_by_emotion(names).items()
            if lacking[of].any()
        },
    }
    scores = np.append(rows["score"].to_numpy(), np.nan)[found]
    outcomes = np.append(rows["outcome"].to_numpy(), "unmapped")[found]
    kept = np.flatnonzero(asked)
    return Joined(
        kept,
        [names[row] for row in kept.tolist()],
        scores[kept],
        outcomes[kept].tolist(),
        bench["mean_0_10"].to_numpy()[kept],
        account,
    )


def evaluate(
    predictions: Predictions,
    bench: pa.Table,
    *,
    system: str,
    n_resamples: int = 1000,
    seed: int = 42,
) -> dict[str, Any]:
    """Everything that is known of a system's predictions: the result that is shown and stored.

    Args:
        predictions: Of [`predictions.read_predictions`].
        bench: Of [`bench_reader.read_bench`].
        system: Its name in the tables.
        n_resamples: Bootstrap resamples of the intervals.
        seed: Of the bootstrap.

    Returns:
        `format`, `kind`, `system`, `made`; `bench` and `predictions`: which; `join`: see [`join`];
        `metric`: what `emonet_voice.compute` returns; `baselines`: of `baselines.baselines`;
        `discrimination`, where every clip has scores of all emotions.

    Raises:
        EvaluationError: As [`join`].
        MetricError: A reference off its scale, or a negative `n_resamples`.
    """
    joined = join(predictions, bench)
    # Clips of one voice are not independent; where the voice is unknown, rows stand for themselves.
    voices = bench["voice"].to_pylist() if "voice" in bench.column_names else None
    metric = compute(
        joined.scores,
        joined.references,
        joined.emotions,
        joined.outcomes,
        None if voices is None else [voices[row] for row in joined.rows],
        scale=predictions.scale,
        n_resamples=n_resamples,
        seed=seed,
    )
    used = np.zeros(len(bench), dtype=bool)
    used[joined.rows[joined.used]] = True
    result = {
        "format": 1,
        "kind": "bench",
        "system": system,
        "made": {"time": datetime.now(UTC).isoformat(timespec="seconds"), "package": __version__},
        "bench": {
            **described(bench),
            "clips": pc.count_distinct(bench["clip_id"]).as_py(),
            "rows": len(bench),
        },
        "predictions": {
            **described(predictions.rows),
            "scale": predictions.scale,
            "provenance": predictions.provenance,
        },
        "join": joined.account,
        "metric": metric,
        "baselines": baselines(bench, used, seed=seed),
    }
    if predictions.all_emotions:
        scores, targets = _all_scores(predictions, bench)
        if len(scores) > 1:
            result["discrimination"] = discrimination(
                scores, targets, voices, n_resamples=n_resamples, seed=seed
            )
    return result


def pairs(predictions: Predictions, bench: pa.Table) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each emotion, predictions and mean ratings of the rows that have both, on 0 to 10."""
    joined = join(predictions, bench)
    scores = on_0_10(joined.scores, predictions.scale)
    return {
        name: (scores[rows], joined.references[rows])
        for name, of in rows_by_emotion(joined.emotions).items()
        if len(rows := of[joined.used[of]])
    }


def on_0_10(scores: np.ndarray, scale: str) -> np.ndarray:
    """Scores as the metric takes them: on 0 to 10 and clipped to it.

    Example:
        >>> on_0_10(np.array([-0.1, 2.0, np.nan]), "0-4")
        array([ 0.,  5., nan])
    """
    return np.clip(to_0_10(scores, scale), 0, 10)


def write_result(result: dict[str, Any], path: str | Path) -> None:
    """Writes a result as JSON in one step; NaN becomes null."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(as_json(result) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_result(path: str | Path) -> dict[str, Any]:
    """A result as [`evaluate`] made it; figures that are null become NaN again.

    Raises:
        EvaluationError: No such file, or one that is no result.
    """
    path = Path(path)
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise EvaluationError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise EvaluationError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(found, dict) or found.get("format") != 1 or "kind" not in found:
        raise EvaluationError(f"{path.name} is no result of `emonet-voice evaluate --output`")
    figures = ("metric", "baselines", "discrimination")
    return found | {key: _with_nan(found[key]) for key in figures if key in found}


def _with_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_nan(inner) for inner in value]
    return np.nan if value is None else value


def _places(column: pa.ChunkedArray, of: pa.Array) -> np.ndarray:
    """Where each value is in an array of distinct ones; -1 for nowhere."""
    return pc.fill_null(pc.index_in(column, value_set=of), -1).to_numpy()


def _first(table: pa.Table) -> str:
    return repr(table["clip_id"][0].as_py()) if len(table) else "no rows"


def _all_scores(
    predictions: Predictions, bench: pa.Table
) -> tuple[dict[str, np.ndarray], Sequence[str]]:
    """Of each emotion the scores of all rows of the benchmark, as the system gave them (clipped,
    many would tie at 0), and their targets."""
    rows, clips = predictions.rows, pc.unique(bench["clip_id"])
    clip, emotion = _places(rows["clip_id"], clips), _places(rows["emotion"], _HEAD)
    scores = rows["score"].to_numpy()
    grid = np.full((len(HEAD_NAMES), len(clips) + 1), np.nan)
    grid[emotion, clip] = scores  # clips that the benchmark lacks end in the last column
    of_row = _places(bench["clip_id"], clips)
    return (
        {HEAD_NAMES[head]: grid[head, of_row] for head in np.unique(emotion)},
        bench["emotion"].to_pylist(),
    )
