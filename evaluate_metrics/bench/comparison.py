"""Is one system better than another? Paired bootstrap of the differences, on the same rows only.

Both systems meet the same resamples (`emonet_voice.resampling`), so that what makes a clip hard
cancels. The p value is the bootstrap's own, two-sided: twice the smaller share of resamples in
which the difference is at or beyond 0, counted with one resample more, so that it is never 0
(Efron & Tibshirani 1993, "An introduction to the bootstrap", chapters 8 and 16; Davison & Hinkley
1997, "Bootstrap methods and their application", section 4.2). By emotion there are some forty
tests of each statistic: Holm (1979), Scandinavian Journal of Statistics 6, 65-70, corrects them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from evaluate_metrics.bench.evaluation import join, on_0_10
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
    percentile_interval,
    resample,
    rows_by_emotion,
)
from modeling_empathic.report.statistics import holm

N_RESAMPLES = 4000
"""With 1,000, the smallest p value is 0.002, and no emotion of 40 could pass Holm's correction."""


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
    voices = (
        bench["voice"].take(pa.array(common)).to_pylist() if "voice" in bench.schema.names else None
    )
    drawn = resample(systems, references, emotions, voices, n_resamples=n_resamples, seed=seed)
    whole = {}
    for i, name in enumerate(STATISTICS):
        whole[name] = Difference(**_difference(a[name], b[name], drawn.pooled[:, i]))
        macro = f"macro_{name}"
        whole[macro] = Difference(**_difference(a[macro], b[macro], drawn.macro[:, i]))
    by_emotion: dict[str, dict[str, CorrectedDifference]] = {emotion: {} for emotion in parts}
    for i, name in enumerate(STATISTICS):
        differences = [
            _difference(
                a["per_emotion"][emotion][name],
                b["per_emotion"][emotion][name],
                drawn.per_emotion[emotion][:, i],
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
            n_resamples=n_resamples,
            seed=seed,
            smallest_p_holm=min(1.0, 2 * len(parts) / (n_resamples + 1)),
        ),
    )


def _difference(a: float, b: float, resampled: npt.NDArray[np.float64]) -> dict[str, Any]:
    """The fields of a `Difference`: of both systems, and of theirs in `(2, resamples)`."""
    differences = resampled[0] - resampled[1]
    interval = percentile_interval(differences)
    undefined = np.isnan(a - b)
    return {
        "a": a,
        "b": b,
        "difference": a - b,
        "low": np.nan if undefined else interval.low,
        "high": np.nan if undefined else interval.high,
        "p": np.nan if undefined else bootstrap_p(differences),
        "n_undefined": interval.n_undefined,
    }


def bootstrap_p(differences: npt.NDArray[np.float64]) -> float:
    """Two-sided p value of no difference, from `(resamples,)` differences, NaN where undefined.

    Example:
        >>> bootstrap_p(np.array([0.1] * 98 + [-0.1])), bootstrap_p(np.zeros(99))
        (0.04, 1.0)
    """
    defined = differences[~np.isnan(differences)]
    if not defined.size:
        return float("nan")
    below, above = (defined <= 0).sum(), (defined >= 0).sum()
    return float(min(1.0, 2 * (min(below, above) + 1) / (len(defined) + 1)))
