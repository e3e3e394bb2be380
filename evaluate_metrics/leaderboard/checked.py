"""A result file from anyone, read and checked field by field before anything is done with it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evaluate_metrics.bench.evaluation import read_result
from evaluate_metrics.bench.predictions import EvaluationError
from evaluate_metrics.emonet_voice import OUTCOMES, STATISTICS

FIGURES = (*STATISTICS, *(f"macro_{name}" for name in STATISTICS))
CORRELATIONS = tuple(name for name in FIGURES if name.endswith(("pearson", "spearman")))
MAX_NAME = 200

_TABLES = ("made", "bench", "join", "predictions", "predictions.provenance", "metric",
           "metric.per_emotion", "metric.floors", "metric.intervals", "metric.outcomes",
           "metric.headline")  # fmt: skip
_TEXTS = ("system", "made.time", "made.package", "bench.source", "bench.config")
_OPTIONAL = ("bench.revision", "predictions.provenance.model", "predictions.provenance.revision")
_COUNTS = ("bench.rows", "join.without_prediction", "metric.headline.emotions_left_out",
           *(f"metric.outcomes.{name}" for name in ("rows", "used", *OUTCOMES)))  # fmt: skip


def checked_result(path: str | Path) -> dict[str, Any]:
    """Reads a result of `evaluate` on a benchmark, every field that a leaderboard uses checked.

    Names are text that can be printed, of at most 200 characters, and still no paths to trust.

    Raises:
        EvaluationError: The file cannot be read, or a field is missing, of another type or off its
            scale; with the file's name, the field and its value.
    """
    path = Path(path)
    try:
        result = read_result(path)
    except (OSError, RecursionError) as error:
        raise EvaluationError(f"{path.name} cannot be read: {error}") from error
    try:
        _check(result)
    except EvaluationError as error:
        raise EvaluationError(f"{path.name}: {error}") from None
    return result


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


def _check(result: dict[str, Any]) -> None:
    if result["kind"] != "bench":
        raise EvaluationError(f"kind is {result['kind']!r:.80}; a leaderboard takes 'bench'")
    for field in _TABLES:
        _check_table(field, _at(result, field))
    for field in _TEXTS:
        _check_text(field, _at(result, field))
    for field in _OPTIONAL:
        if (value := _at(result, field)) is not None:
            _check_text(field, value)
    for field in _COUNTS:
        value = _at(result, field)
        if type(value) is not int or not 0 <= value < 2**53:
            raise EvaluationError(f"{field} is {value!r:.80}, not a count")
    utc(result["made"]["time"])
    metric = result["metric"]
    outcomes = metric["outcomes"]
    if sum(outcomes[name] for name in OUTCOMES) != outcomes["rows"]:
        raise EvaluationError(f"metric.outcomes do not add up to their {outcomes['rows']:,} rows")
    for name in ("refusal_rate", "failure_rate"):
        _check_figure(f"metric.outcomes.{name}", outcomes.get(name), 0, 1)
    _check_table("baselines", result.setdefault("baselines", {}))
    floors = [*metric["floors"].items(), *result["baselines"].items()]
    for name, found in [("metric", metric), *floors]:
        _check_table(name, found)
        for figure in FIGURES:
            _check_figure(f"{figure} of {name}", found.get(figure), *_scale(figure))
    for figure in FIGURES:
        interval = metric["intervals"].get(figure)
        _check_table(f"metric.intervals.{figure}", interval)
        for end in ("low", "high"):
            _check_figure(f"{end} of {figure}", interval.get(end), *_scale(figure))


def _scale(figure: str) -> tuple[float, float]:
    return (-1, 1) if figure in CORRELATIONS else (0, 10)


def _at(result: dict[str, Any], field: str) -> Any:
    """What stands there; None if nothing does."""
    value: Any = result
    for key in field.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _check_table(field: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise EvaluationError(f"{field:.80} is {value!r:.80}, not a table")


def _check_text(field: str, value: Any) -> None:
    if not isinstance(value, str) or not value.isprintable() or value.strip() != value or not value:
        raise EvaluationError(f"{field} is {value!r:.80}, not a text that can be printed")
    if len(value) > MAX_NAME:
        raise EvaluationError(f"{field} has {len(value):,} characters; at most {MAX_NAME}")


def _check_figure(field: str, value: Any, low: float, high: float) -> None:
    """NaN stands for undefined and is allowed; a truth value is no number."""
    if type(value) not in (int, float) or value < low or value > high:
        raise EvaluationError(f"{field:.80} is {value!r:.80}, not a number from {low} to {high}")
