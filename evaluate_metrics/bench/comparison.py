"""Is one system better than another? Paired bootstrap of the differences, on the same rows only.

Both systems meet the same resamples (`emonet_voice.resampling`), so that what makes a clip hard
cancels. Interval and p value are Student's, with the bootstrap's standard error and as many degrees
of freedom as there are units, less one (`emonet_voice.studentised`): shares of resamples reject too
often where a benchmark has eleven voices, and cannot be small enough for forty tests.
By emotion there are some forty
tests of each statistic: Holm (1979), Scandinavian Journal of Statistics 6, 65-70, corrects them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from evaluate_metrics.bench.evaluation import grouping, join, on_0_10
from evaluate_metrics.bench.figures import (
    ComparedRows,
    Comparison,
    CorrectedDifference,
    Difference,
    EmotionDifferences,
    PairedBootstrap,
)
from evaluate_metrics.bench.predictions import Predictions
from evaluate_metrics.bench.result import EvaluationError
from evaluate_metrics.emonet_voice import (
    STATISTICS,
    aggregate,
    resample,
    rows_by_emotion,
    studentised,
)
from modeling_empathic.report.statistics import holm

N_RESAMPLES = 1000
"""The standard error is then known to some 2 %."""


def compare(
    a_predictions: Predictions,
    b_predictions: Predictions,
    bench: pa.Table,
    n_resamples: int = N_RESAMPLES,
    seed: int = 42,
    *,
    system: str = "",
) -> Comparison:
    """Differences A - B of all statistics, on the rows that both systems scored.

    Args:
        a_predictions: Of [`predictions.read_predictions`].
        b_predictions: The other system's; on whatever scale.
        bench: Of [`bench_reader.read_bench`].
        n_resamples: How many.
        seed: Of the bootstrap.
        system: Name of the other system.

    Raises:
        EvaluationError: There is no row that both scored.
    """
    sides = []
    for predictions in (a_predictions, b_predictions):
        joined = join(predictions, bench)
        column = np.full(len(bench), np.nan)
        column[joined.rows[joined.used]] = on_0_10(joined.scores, predictions.scale)[joined.used]
        sides.append(column)
    systems = np.stack(sides)
    has_a, has_b = ~np.isnan(systems)
    common = np.flatnonzero(has_a & has_b)
    if not len(common):
        raise EvaluationError("there is no row that both systems scored")
    systems = systems[:, common]
    references = bench["mean_0_10"].to_numpy()[common]
    emotions = bench["emotion"].take(pa.array(common)).to_pylist()
    parts = rows_by_emotion(emotions)
    a, b = (aggregate(system, references, parts) for system in systems)
    _, groups = grouping(bench)
    if groups is not None:
        groups = [groups[row] for row in common.tolist()]
    drawn = resample(systems, references, emotions, groups, n_resamples=n_resamples, seed=seed)
    whole, units = {}, drawn.units("")
    for i, name in enumerate(STATISTICS):
        whole[name] = Difference(**_difference(name, a[name], b[name], drawn.pooled[:, i], units))
        macro = f"macro_{name}"
        whole[macro] = Difference(**_difference(name, a[macro], b[macro], drawn.macro[:, i], units))
    by_emotion: dict[str, dict[str, CorrectedDifference]] = {emotion: {} for emotion in parts}
    for i, name in enumerate(STATISTICS):
        differences = [
            _difference(
                name,
                a["per_emotion"][emotion][name],
                b["per_emotion"][emotion][name],
                drawn.per_emotion[emotion][:, i],
                drawn.units(emotion),
            )
            for emotion in parts
        ]
        corrected = holm([of["p"] for of in differences])
        for emotion, of, p in zip(parts, differences, corrected, strict=True):
            by_emotion[emotion][name] = CorrectedDifference(**of, p_holm=p)
    return Comparison(
        system=system,
        rows=ComparedRows(
            common=len(common),
            only_a=int((has_a & ~has_b).sum()),
            only_b=int((has_b & ~has_a).sum()),
        ),
        **whole,
        per_emotion={
            emotion: EmotionDifferences(**by_emotion[emotion], n=len(rows))
            for emotion, rows in parts.items()
        },
        bootstrap=PairedBootstrap(
            unit=drawn.unit,
            n_units=drawn.n_units[""],
            n_resamples=n_resamples,
            seed=seed,
        ),
    )


def _difference(
    statistic: str,
    a: float,
    b: float,
    resampled: npt.NDArray[np.float64],
    units: tuple[int, int],
) -> dict[str, Any]:
    """The fields of a `Difference`: of both systems, and of theirs in `(2, resamples)`."""
    interval, p = studentised(a - b, resampled[0] - resampled[1], *units)
    most = 2 if statistic in ("pearson", "spearman") else 10
    return {
        "a": a,
        "b": b,
        "difference": a - b,
        "low": max(interval.low, -most) if p == p else np.nan,
        "high": min(interval.high, most) if p == p else np.nan,
        "p": p,
        "n_undefined": interval.n_undefined,
    }
