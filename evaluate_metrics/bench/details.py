"""More of what researchers look for, beside the paper's four statistics, in the stored result.

Figures of agreement (CCC, ordinal, soft labels), what an error is made of, figures by language,
voice, number of raters and agreement, and whether a system errs where raters disagree.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from dataset_scripts.annotations import agreement_type
from dataset_scripts.stats.bench import read_ratings
from evaluate_metrics.bench.details_schema import Details, Disagreement, Further, OfGroup
from evaluate_metrics.bench.further import (
    ccc,
    concordance,
    error_parts,
    quadratic_kappa,
    rating_distance,
)
from evaluate_metrics.emonet_voice import rows_by_emotion
from evaluate_metrics.emonet_voice.scores import mae, pearson, rmse, spearman

MAX_VALUES = 100
"""A column with more values than this is not broken down: names of files are no groups."""


def details(scores: np.ndarray, bench: pa.Table) -> Details:
    """Everything above, of a system's scores.

    Args:
        scores: `(rows,)` on 0 to 10, NaN where the system has none.
        bench: Of [`reader.read_bench`], in the same order.
    """
    references = bench["mean_0_10"].to_numpy()
    used = np.flatnonzero(~(np.isnan(scores) | np.isnan(references)))
    bench, p, r = bench.take(pa.array(used)), scores[used], references[used]
    ratings = None
    if "ratings" in bench.column_names and len(bench):
        ratings = 5 * read_ratings(bench).scores  # on the scale from 0 to 10
    emotions = bench["emotion"].to_pylist()
    every = np.arange(len(p))
    return Details(
        pooled=_further(p, r, ratings, every),
        per_emotion={
            name: _further(p, r, ratings, np.asarray(rows))
            for name, rows in rows_by_emotion(emotions).items()
        },
        by={
            column: {value: _of_group(p[rows], r[rows]) for value, rows in groups.items()}
            for column, groups in _groups(bench, ratings).items()
        },
        disagreement=None if ratings is None else _disagreement(p, r, ratings),
    )


def _further(p: np.ndarray, r: np.ndarray, ratings: np.ndarray | None, rows: np.ndarray) -> Further:
    p, r = p[rows], r[rows]
    single = {"concordance": np.nan, "kappa": np.nan, "rating_distance": np.nan}
    if ratings is not None:
        of = ratings[rows]
        single = {
            "concordance": concordance(p, of),
            "kappa": quadratic_kappa(p, of),
            "rating_distance": rating_distance(p, of),
        }
    return Further(
        n=len(p), ccc=ccc(p, r), rmse=rmse(p, r).value, **error_parts(p, r)._asdict(), **single
    )


def _of_group(p: np.ndarray, r: np.ndarray) -> OfGroup:
    four = {of.__name__: of(p, r).value for of in (mae, rmse, pearson, spearman)}
    return OfGroup(n=len(p), ccc=ccc(p, r), **four)


def _groups(bench: pa.Table, ratings: np.ndarray | None) -> dict[str, dict[str, np.ndarray]]:
    """Column -> value -> its rows; a value that is missing is in none."""
    columns: dict[str, list[Any]] = {
        name: bench[name].to_pylist()
        for name in ("language", "voice", "voice_gender")
        if name in bench.column_names
    }
    if ratings is not None:
        raters = (~np.isnan(ratings)).sum(axis=1)
        present = (ratings > 0).sum(axis=1)
        columns["raters"] = raters.tolist()
        columns["agreement"] = [
            agreement_type(int(found), int(n)) for found, n in zip(present, raters, strict=True)
        ]
    found = {}
    for name, values in columns.items():
        names = sorted({str(value) for value in values if value not in (None, "")})
        if 1 < len(names) <= MAX_VALUES or (names and name in ("raters", "agreement")):
            texts = np.array(["" if value is None else str(value) for value in values])
            found[name] = {value: np.flatnonzero(texts == value) for value in names}
    return found


def _disagreement(p: np.ndarray, r: np.ndarray, ratings: np.ndarray) -> Disagreement | None:
    several = (~np.isnan(ratings)).sum(axis=1) > 1
    if not several.any():
        return None
    error, spread = np.abs(p - r)[several], np.nanstd(ratings[several], axis=1)
    agreed = spread == 0
    means = [float(error[of].mean()) if of.any() else np.nan for of in (agreed, ~agreed)]
    return Disagreement(
        n=int(several.sum()),
        spearman=spearman(error, spread).value,
        mae_agreed=means[0],
        mae_disagreed=means[1],
        n_agreed=int(agreed.sum()),
    )
