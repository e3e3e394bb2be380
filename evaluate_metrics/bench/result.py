"""The result of an evaluation: what it has, in Python and in the JSON that is stored and sent in.

[`Result`] is what `evaluate` makes, tables and pictures show and the leaderboard merges.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from evaluate_metrics.bench.details_schema import Details
from evaluate_metrics.bench.figures import (
    Baseline,
    ByName,
    Ceiling,
    Comparison,
    Floor,
    Interval,
    Metric,
)
from evaluate_metrics.bench.typed_json import (
    Between,
    Count,
    FieldError,
    Name,
    Share,
    decode,
    encode,
)
from evaluate_metrics.emonet_voice.outcomes import OUTCOMES
from modeling_empathic.taxonomy import UserError

FORMAT = 1
_OfShare = Annotated[Interval, Between(0, 1)]


class EvaluationError(UserError):
    """What a user can put right: a file, a column, a name, a scale."""


@dataclass(frozen=True, kw_only=True)
class Separation(ByName[float]):
    """How well scores tell clips of one emotion from clips of another, with intervals."""

    accuracy: Share
    balanced_accuracy: Share
    auc: Share
    intervals: dict[str, _OfShare]


@dataclass(frozen=True, kw_only=True)
class MeanSeparation(Separation):
    """The mean over `pairs` of emotions."""

    pairs: Count


@dataclass(frozen=True, kw_only=True)
class EmotionPair(Separation):
    """Of two emotions; `n_missing` clips lack one of the scores, `reason` says why it is NaN."""

    a: Name
    b: Name
    n_a: Count
    n_b: Count
    n_missing: Count
    reason: str


@dataclass(frozen=True, kw_only=True)
class Discrimination:
    """All pairs of emotions; see `discrimination.discrimination`."""

    emotions: tuple[Name, ...]
    clips: dict[str, Count]
    mean: MeanSeparation
    pairs: tuple[EmotionPair, ...]
    floor: Share
    folds: Count
    unit: Name
    n_resamples: Count
    seed: Count


@dataclass(frozen=True, kw_only=True)
class Made:
    """When, and by which version of the package."""

    time: Name
    package: Name


@dataclass(frozen=True, kw_only=True)
class BenchUsed:
    """Which benchmark; a folder's revision is the SHA-256 of its manifest.

    `grouped_by` is the column whose rows were resampled together, None where rows were drawn.
    """

    source: Name
    revision: Name | None
    config: Name
    clips: Count
    rows: Count
    grouped_by: Name | None = None


@dataclass(frozen=True, kw_only=True)
class PredictionsUsed:
    """Which predictions, on which scale, and what their file says of its making."""

    file: str = ""
    sha256: str = ""
    scale: Name
    provenance: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class JoinAccount:
    """What had its counterpart and what had not; see `evaluation.join`. Of clips the first 20."""

    matched: Count
    without_prediction: Count
    without_prediction_clips: tuple[str, ...]
    unknown_clips: Count
    unknown_clips_first: tuple[str, ...]
    unmapped_emotions: dict[str, Count]


@dataclass(frozen=True, kw_only=True)
class Result:
    """Everything that is known of a system's predictions on a benchmark.

    `ceiling` is there where the Bench has single ratings, `discrimination` where every clip has
    scores of all emotions, `comparison` where a second system was given. Older results have no
    `details`.
    """

    format: Count = FORMAT
    kind: str = "bench"
    system: Name
    made: Made
    bench: BenchUsed
    predictions: PredictionsUsed
    join: JoinAccount
    metric: Metric
    baselines: dict[str, Baseline]
    ceiling: dict[str, Ceiling] = field(default_factory=dict)
    discrimination: Discrimination | None = None
    details: Details | None = None
    comparison: Comparison | None = None

    @property
    def floors(self) -> dict[str, Floor | Baseline]:
        """Floors and baselines: all that the system has to beat."""
        return {**self.metric.floors, **self.baselines}

    @property
    def resampled(self) -> str | None:
        """What the intervals are of, such as `11 voices`; None where the file does not say."""
        n, unit = (self.metric.intervals.bootstrap.get(name) for name in ("n_units", "unit"))
        if type(n) is not int or unit not in ("row", "group"):  # of anybody's file
            return None
        return f"{n:,} {(self.bench.grouped_by if unit == 'group' else None) or unit}s"

    def to_json(self) -> dict[str, Any]:
        """For a JSON file; what is undefined is None."""
        return dict(encode(self))

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Result":
        """A result of format 1, from anyone, every field checked.

        Raises:
            EvaluationError: A field is missing, of another type or off its scale; with its path
                and value.
        """
        if content.get("kind") != "bench":
            raise EvaluationError(
                f"kind is {content.get('kind')!r:.80}; a leaderboard takes 'bench', which "
                "`emonet-voice evaluate --output` writes"
            )
        try:
            result: Result = decode(cls, content)
        except FieldError as error:
            raise EvaluationError(str(error)) from None
        outcomes = result.metric.outcomes
        if sum(outcomes[name] for name in OUTCOMES) != outcomes.rows:
            raise EvaluationError(f"metric.outcomes do not add up to their {outcomes.rows:,} rows")
        utc(result.made.time)
        return result


def read_result(path: str | Path) -> Result:
    """A result from its file; names in it are text that can be printed, and no paths to trust.

    Raises:
        EvaluationError: No such file, one that is no result, or one with a wrong field; with the
            file's name and the field.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise EvaluationError(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"{path.name} is not JSON: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT or "kind" not in content:
        raise EvaluationError(f"{path.name} is no result of `emonet-voice evaluate --output`")
    try:
        return Result.from_json(content)
    except EvaluationError as error:
        raise EvaluationError(f"{path.name}: {error}") from None


def utc(text: str) -> datetime:
    """An ISO 8601 time in UTC, which it also is where it names no zone.

    Raises:
        EvaluationError: It is none.

    Example:
        >>> utc("2026-11-23T09:00:00+01:00").isoformat()
        '2026-11-23T08:00:00+00:00'
    """
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise EvaluationError(f"{text!r:.80} is no ISO 8601 time: {error}") from None
