"""What a stored result says beyond the paper's four statistics; `details.py` computes it.

By itself, because the leaderboard's Space reads results and computes none.
"""

from dataclasses import dataclass
from typing import Annotated

from evaluate_metrics.bench.typed_json import Between, Correlation, Count, Error, Share

_Signed = Annotated[float, Between(-10, 10)]


@dataclass(frozen=True, kw_only=True)
class Further:
    """Of some rows; NaN where undefined. The last three need single ratings.

    `rmse`² = `bias`² + `scale_error`² + `correlation_error`², see `further.error_parts`.
    """

    n: Count
    ccc: Correlation
    rmse: Error
    bias: _Signed
    scale_error: _Signed
    correlation_error: Error
    concordance: Share
    kappa: Correlation
    rating_distance: Error


@dataclass(frozen=True, kw_only=True)
class OfGroup:
    """Of the rows that share a value."""

    n: Count
    mae: Error
    rmse: Error
    pearson: Correlation
    spearman: Correlation
    ccc: Correlation


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """Error against the raters' disagreement, on `n` rows with two ratings or more.

    `spearman` of the absolute error and the ratings' standard deviation; `mae` where all raters
    gave one score, and elsewhere.
    """

    n: Count
    spearman: Correlation
    mae_agreed: Error
    mae_disagreed: Error
    n_agreed: Count


@dataclass(frozen=True, kw_only=True)
class Details:
    """All of it; `by` is column -> value -> figures, of columns that the Bench knows."""

    pooled: Further
    per_emotion: dict[str, Further]
    by: dict[str, dict[str, OfGroup]]
    disagreement: Disagreement | None = None
