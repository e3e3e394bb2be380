"""The figures of a result, as dataclasses: what the metric gives, and differences of two systems.

They name what is in the JSON that is stored and sent in, and are read with `typed_json.decode`. The
leaderboard's Space has this file too, so nothing heavy is imported here.
"""

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Generic, TypeVar

from evaluate_metrics.bench.typed_json import Between, Correlation, Count, Error, Name, Share
from evaluate_metrics.emonet_voice.outcomes import OUTCOMES

T = TypeVar("T")


class ByName(Generic[T]):
    """Fields by their names too, since most readers go through several statistics."""

    def __getitem__(self, name: str) -> T:
        value: T = getattr(self, name)
        return value


@dataclass(frozen=True, kw_only=True)
class Statistics(ByName[float]):
    """Of some rows; NaN where undefined."""

    mae: Error
    rmse: Error
    pearson: Correlation
    spearman: Correlation


@dataclass(frozen=True, kw_only=True)
class Figures(Statistics):
    """Pooled over all rows, and as means over emotions."""

    macro_mae: Error
    macro_rmse: Error
    macro_pearson: Correlation
    macro_spearman: Correlation


FIGURES = tuple(of.name for of in fields(Figures))
CORRELATIONS = tuple(name for name in FIGURES if name.endswith(("pearson", "spearman")))


@dataclass(frozen=True, kw_only=True)
class OfEmotion(Statistics):
    """Of one emotion; `n` rows have a score and a rating. Floors have no outcomes."""

    n: Count
    outcomes: dict[str, Count] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """95 %; NaN with a `reason` where undefined; in `n_undefined` resamples it had no value."""

    low: float
    high: float
    n_undefined: Count
    reason: str


_OfError = Annotated[Interval, Between(0, 10)]
_OfCorrelation = Annotated[Interval, Between(-1, 1)]


@dataclass(frozen=True, kw_only=True)
class StatisticIntervals(ByName[Interval]):
    """Of the four statistics."""

    mae: _OfError
    rmse: _OfError
    pearson: _OfCorrelation
    spearman: _OfCorrelation


@dataclass(frozen=True, kw_only=True)
class Intervals(StatisticIntervals):
    """Of all figures; `bootstrap` says how they were made."""

    macro_mae: _OfError
    macro_rmse: _OfError
    macro_pearson: _OfCorrelation
    macro_spearman: _OfCorrelation
    per_emotion: dict[str, StatisticIntervals]
    bootstrap: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Outcomes(ByName[float]):
    """What became of every row; see `emonet_voice.compute`."""

    rows: Count
    scored: Count
    refused: Count
    unmapped: Count
    parse_error: Count
    transport_error: Count
    decode_error: Count
    refusal_rate: Share
    failure_rate: Share
    without_prediction: Count
    without_reference: Count
    used: Count
    clipped: Count


assert {*OUTCOMES} < {of.name for of in fields(Outcomes)}


@dataclass(frozen=True, kw_only=True)
class Undefined(ByName[str]):
    """Reasons of what is NaN, and which emotions a mean leaves out; `""` where there is none."""

    mae: str = ""
    rmse: str = ""
    pearson: str = ""
    spearman: str = ""
    macro_mae: str = ""
    macro_rmse: str = ""
    macro_pearson: str = ""
    macro_spearman: str = ""
    per_emotion: dict[str, dict[str, str]] = field(default_factory=dict)

    def of_emotion(self, emotion: str, statistic: str) -> str:
        """The reason of an emotion's statistic, or `""`."""
        return self.per_emotion.get(emotion, {}).get(statistic, "")


@dataclass(frozen=True, kw_only=True)
class Floor(Figures):
    """Of a predictor that never hears a clip; `in_sample`: made of the ratings it is judged by."""

    in_sample: bool


@dataclass(frozen=True, kw_only=True)
class Baseline(Figures):
    """Of a predictor that learns from the other folds; `left_out`: what it cannot learn, and why.

    `n` rows have its prediction and a rating; `note` says how it is made.
    """

    per_emotion: dict[str, OfEmotion]
    undefined: Undefined
    n: Count
    left_out: dict[str, str]
    note: str


@dataclass(frozen=True, kw_only=True)
class Ceiling(Figures):
    """How well raters predict each other; see `dataset_scripts.ceiling`.

    `clips` have two ratings and count; `left_out` have not.
    """

    per_emotion: dict[str, OfEmotion]
    intervals: Intervals
    undefined: Undefined
    clips: Count
    left_out: Count


@dataclass(frozen=True, kw_only=True)
class Headline(Figures):
    """The figures and what they rest on, for a leaderboard."""

    refusal_rate: Share
    failure_rate: Share
    rows: Count
    used: Count
    emotions: Count
    emotions_left_out: Count


@dataclass(frozen=True, kw_only=True)
class Metric(Figures):
    """What `emonet_voice.compute` returns."""

    per_emotion: dict[str, OfEmotion]
    intervals: Intervals
    outcomes: Outcomes
    floors: dict[str, Floor]
    headline: Headline
    undefined: Undefined


_Signed = Annotated[float, Between(-10, 10)]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A statistic of two systems and A - B; NaN where it is undefined for one of them."""

    a: _Signed
    b: _Signed
    difference: _Signed
    low: _Signed
    high: _Signed
    p: Share
    n_undefined: Count


@dataclass(frozen=True, kw_only=True)
class CorrectedDifference(Difference):
    """One of many, with its p value after Holm's correction."""

    p_holm: Share


@dataclass(frozen=True, kw_only=True)
class EmotionDifferences(ByName[CorrectedDifference]):
    """Of one emotion, over `n` rows."""

    mae: CorrectedDifference
    rmse: CorrectedDifference
    pearson: CorrectedDifference
    spearman: CorrectedDifference
    n: Count


@dataclass(frozen=True, kw_only=True)
class ComparedRows:
    """Rows that both systems scored, or one alone."""

    common: Count
    only_a: Count
    only_b: Count


@dataclass(frozen=True, kw_only=True)
class PairedBootstrap:
    """How intervals and p values were made.

    Results of version 0.1 lack `n_units`; their p were shares of resamples, and the least
    that could come out corrected is `smallest_p_holm`.
    """

    unit: Name
    n_units: Count = 0
    n_resamples: Count
    seed: Count
    smallest_p_holm: Share | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison(ByName[Difference]):
    """This system A against another B; see `comparison.compare`."""

    system: str = ""
    rows: ComparedRows
    mae: Difference
    rmse: Difference
    pearson: Difference
    spearman: Difference
    macro_mae: Difference
    macro_rmse: Difference
    macro_pearson: Difference
    macro_spearman: Difference
    per_emotion: dict[str, EmotionDifferences]
    bootstrap: PairedBootstrap
