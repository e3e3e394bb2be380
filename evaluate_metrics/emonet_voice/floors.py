"""What predictors reach that never hear a clip: floors under every table.

Four constants, and each emotion's mean reference. A constant has no correlation. The emotion means
have one, pooled: part of any pooled correlation is knowing which emotions raters find often.

`constant_mean`, `constant_median` and `emotion_mean` are taken from the very references that they
are compared with: they are in-sample and so a little lower (better) than any honest predictor of
that kind. `constant_5`, the middle of the scale, and `constant_0`, "nothing is there", use nothing.
"""

from typing import Any

import numpy as np

from .aggregate import aggregate

IN_SAMPLE = ("constant_mean", "constant_median", "emotion_mean")
"""The floors that are made of the references they are compared with."""


def floors(references: np.ndarray, parts: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """The statistics of predictors that know nothing about the clip.

    Args:
        references: `(rows,)` on 0 to 10: of the rows that the system scored, so that both face
            the same task.
        parts: The rows of each emotion; without any there is no `emotion_mean`.

    Returns:
        Of `constant_mean`, `constant_median`, `constant_5`, `constant_0` and `emotion_mean`: the
        four statistics pooled and macro, NaN where undefined, and `in_sample`.

    Example:
        >>> parts = {"Awe": np.array([0, 1]), "Pain": np.array([2, 3])}
        >>> flat = floors(np.array([0.0, 0, 10, 10]), parts)
        >>> flat["constant_5"]["mae"], flat["constant_0"]["mae"], flat["emotion_mean"]["mae"]
        (5.0, 5.0, 0.0)
        >>> flat["emotion_mean"]["pearson"], flat["emotion_mean"]["macro_pearson"]
        (1.0, nan)
    """
    known = references[~np.isnan(references)]
    predicted = {
        "constant_mean": float(known.mean()) if known.size else np.nan,
        "constant_median": float(np.median(known)) if known.size else np.nan,
        "constant_5": 5.0,
        "constant_0": 0.0,
    }
    columns = {name: np.full(len(references), value) for name, value in predicted.items()}
    if parts:
        means = np.full(len(references), np.nan)
        for rows in parts.values():
            rated = references[rows][~np.isnan(references[rows])]
            means[rows] = rated.mean() if rated.size else np.nan
        columns["emotion_mean"] = means
    flat = {}
    for name, column in columns.items():
        scores = aggregate(column, references, parts)
        del scores["per_emotion"], scores["undefined"]
        flat[name] = scores | {"in_sample": name in IN_SAMPLE}
    return flat
