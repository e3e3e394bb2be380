"""Joins what a system said with what raters said, and computes every figure of Tables 5 and 6."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataset_scripts.ceiling import ceiling
from dataset_scripts.stats.bench import read_ratings
from evaluate_metrics.bench.baselines import baselines
from evaluate_metrics.bench.details import details
from evaluate_metrics.bench.discrimination import discrimination
from evaluate_metrics.bench.figures import Ceiling, Metric
from evaluate_metrics.bench.predictions import Predictions, described
from evaluate_metrics.bench.result import (
    BenchUsed,
    EvaluationError,
    JoinAccount,
    Made,
    PredictionsUsed,
    Result,
)
from evaluate_metrics.bench.typed_json import decode
from evaluate_metrics.emonet_voice import MetricError, compute, rows_by_emotion, to_0_10
from evaluate_metrics.emonet_voice.resampling import missing
from modeling_empathic import __version__
from modeling_empathic.report.files import write_json
from modeling_empathic.taxonomy import HEAD_NAMES

NAMED = 20
"""Clips that an account names; the others it counts."""
_HEAD = pa.array(HEAD_NAMES, pa.string())

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Joined(NamedTuple):
    """Rows of a benchmark, each with what the system made of it.

    Attributes:
        rows: `(rows,)` their numbers in the benchmark: those of clips that the file knows, and
            those of emotions that it never answers.
        emotions: Of each.
        scores: `(rows,)` on the predictions' scale, NaN unless scored.
        outcomes: Of each.
        references: `(rows,)` mean rating, 0 to 10.
        account: What has its counterpart and what has not.
    """

    rows: Ints
    emotions: list[str]
    scores: Floats
    outcomes: list[str]
    references: Floats
    account: JoinAccount

    @property
    def used(self) -> npt.NDArray[np.bool_]:
        """`(rows,)` whether each has a score and a reference."""
        return np.asarray(~(np.isnan(self.scores) | np.isnan(self.references)))


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
        >>> joined = join(Predictions(said, "0-10", {}, False), bench)
        >>> joined.scores, joined.outcomes
        (array([ 1.,  7., nan]), ['scored', 'scored', 'unmapped'])
        >>> joined.account.without_prediction_clips, joined.account.unmapped_emotions
        (('c',), {'Pain': 1})
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
    at = place[bench_clip, bench_emotion]
    asked = np.asarray(has_clip)[bench_clip] | ~answered[bench_emotion]
    lacking = asked & (at < 0)
    unknown = pc.unique(rows["clip_id"].filter(pa.array(clip < 0)))
    without = pc.unique(bench["clip_id"].filter(pa.array(~asked)))
    names = bench["emotion"].to_pylist()
    account = JoinAccount(
        matched=int((at >= 0).sum()),
        without_prediction=int((~asked).sum()),
        without_prediction_clips=tuple(without[:NAMED].to_pylist()),
        unknown_clips=len(unknown),
        unknown_clips_first=tuple(unknown[:NAMED].to_pylist()),
        unmapped_emotions={
            name: int(lacking[of].sum())
            for name, of in rows_by_emotion(names).items()
            if lacking[of].any()
        },
    )
    scores = np.append(rows["score"].to_numpy(), np.nan)[at]
    outcomes = np.append(rows["outcome"].to_numpy(), "unmapped")[at]
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
) -> Result:
    """Everything that is known of a system's predictions: the result that is shown and stored.

    Args:
        predictions: Of [`predictions.read_predictions`].
        bench: Of [`bench_reader.read_bench`].
        system: Its name in the tables.
        n_resamples: Bootstrap resamples of the intervals.
        seed: Of the bootstrap.

    Raises:
        EvaluationError: As [`join`]; a reference off its scale, or a negative `n_resamples`.
    """
    joined = join(predictions, bench)
    grouped_by, groups = grouping(bench)
    used = np.zeros(len(bench), dtype=bool)
    used[joined.rows[joined.used]] = True
    pairs_of = None
    try:
        metric = compute(
            joined.scores,
            joined.references,
            joined.emotions,
            joined.outcomes,
            None if groups is None else [groups[row] for row in joined.rows],
            scale=predictions.scale,
            n_resamples=n_resamples,
            seed=seed,
        )
        if predictions.all_emotions:
            scores, targets = _all_scores(predictions, bench)
            if len(scores) > 1:
                pairs_of = discrimination(
                    scores, targets, groups, n_resamples=n_resamples, seed=seed
                )
    except MetricError as error:  # the metric ships alone and knows no UserError
        raise EvaluationError(str(error)) from error
    about = described(bench)
    return Result(
        system=system,
        made=Made(time=datetime.now(UTC).isoformat(timespec="seconds"), package=__version__),
        bench=BenchUsed(
            source=about.get("source", "the benchmark"),
            revision=about.get("revision"),
            config=about.get("config", "default"),
            clips=pc.count_distinct(bench["clip_id"]).as_py(),
            rows=len(bench),
            grouped_by=grouped_by,
        ),
        predictions=PredictionsUsed(
            **described(predictions.rows),
            scale=predictions.scale,
            provenance=predictions.provenance,
        ),
        join=joined.account,
        metric=decode(Metric, metric, "metric"),
        baselines=baselines(bench, used, seed=seed),
        ceiling=_ceiling(bench.filter(pa.array(used)), n_resamples, seed),
        discrimination=pairs_of,
        details=details(_column(joined, predictions.scale, len(bench)), bench),
    )


def _column(joined: Joined, scale: str, n_rows: int) -> Floats:
    """`(rows of the Bench,)` scores on 0 to 10, NaN where there is none to judge."""
    column = np.full(n_rows, np.nan)
    column[joined.rows[joined.used]] = on_0_10(joined.scores, scale)[joined.used]
    return column


def _ceiling(bench: pa.Table, n_resamples: int, seed: int) -> dict[str, Ceiling]:
    """How well the raters of the rows that a system is judged by predict each other."""
    if "ratings" not in bench.column_names or not len(bench):
        return {}
    of = ceiling(read_ratings(bench), n_resamples=n_resamples, seed=seed)
    return {how: decode(Ceiling, figures, f"ceiling.{how}") for how, figures in of.items()}


def grouping(bench: pa.Table) -> tuple[str | None, list[Any] | None]:
    """The column of a Bench whose rows are not independent, and its values.

    A voice where it is known; else the release's group, the first eight digits of a file's name.

    Example:
        >>> grouping(pa.table({"voice": [None, None], "group": ["00000001", None]}))
        ('group', ['00000001', None])
        >>> grouping(pa.table({"group": [None, None]}))
        (None, None)
    """
    for column in ("voice", "group"):
        if column in bench.column_names:
            values = bench[column].to_pylist()
            if not all(map(missing, values)):
                return column, values
    return None, None


def pairs(predictions: Predictions, bench: pa.Table) -> dict[str, tuple[Floats, Floats]]:
    """Of each emotion, predictions and mean ratings of the rows that have both, on 0 to 10."""
    joined = join(predictions, bench)
    scores = on_0_10(joined.scores, predictions.scale)
    return {
        name: (scores[rows], joined.references[rows])
        for name, of in rows_by_emotion(joined.emotions).items()
        if len(rows := of[joined.used[of]])
    }


def on_0_10(scores: Floats, scale: str) -> Floats:
    """Scores as the metric takes them: on 0 to 10 and clipped to it.

    Example:
        >>> on_0_10(np.array([-0.1, 2.0, np.nan]), "0-4")
        array([ 0.,  5., nan])
    """
    return np.asarray(np.clip(to_0_10(scores, scale), 0, 10))


def write_result(result: Result | dict[str, Any], path: str | Path) -> None:
    """Writes a result as JSON in one step; NaN becomes null.

    Args:
        result: Of [`evaluate`]; that of another command is a dictionary.
        path: The file to write or to replace.
    """
    write_json(path, result.to_json() if isinstance(result, Result) else result)


def _places(column: pa.ChunkedArray, of: pa.Array) -> Ints:
    """Where each value is in an array of distinct ones; -1 for nowhere."""
    return np.asarray(pc.fill_null(pc.index_in(column, value_set=of), -1))


def _first(table: pa.Table) -> str:
    return repr(table["clip_id"][0].as_py()) if len(table) else "no rows"


def _all_scores(
    predictions: Predictions, bench: pa.Table
) -> tuple[dict[str, Floats], Sequence[str]]:
    """Of each emotion the scores of all rows of the benchmark, and their targets.

    As the system gave them: clipped, many would tie at 0.
    """
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
