"""The EmoNet-Voice metric: a core that needs only numpy, and `emonet_voice.py` for `evaluate`."""

from .aggregate import aggregate, rows_by_emotion
from .floors import floors
from .intervals import FEW_UNITS, Interval, Tested, intervals, percentile_interval, studentised
from .metric import compute
from .outcomes import OUTCOMES, check_outcomes, count_outcomes, outcome_rates
from .resampling import Resampled, resample
from .scores import (
    SCALES,
    STATISTICS,
    MetricError,
    Score,
    average_ranks,
    mae,
    pearson,
    rmse,
    spearman,
    to_0_10,
)

__all__ = [
    "FEW_UNITS",
    "OUTCOMES",
    "SCALES",
    "STATISTICS",
    "Interval",
    "MetricError",
    "Resampled",
    "Score",
    "Tested",
    "aggregate",
    "average_ranks",
    "check_outcomes",
    "compute",
    "count_outcomes",
    "floors",
    "intervals",
    "mae",
    "outcome_rates",
    "pearson",
    "percentile_interval",
    "resample",
    "rmse",
    "rows_by_emotion",
    "spearman",
    "studentised",
    "to_0_10",
]
