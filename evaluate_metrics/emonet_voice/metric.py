"""The whole metric as one function, without any library but numpy."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .aggregate import aggregate, rows_by_emotion
from .floors import floors
from .intervals import intervals
from .outcomes import check_outcomes, count_outcomes, outcome_rates
from .scores import SCALES, STATISTICS, MetricError, same_length, to_0_10
from .taxonomy import BENCH_NAMES, UnknownNameError, resolve


def compute(
    predictions: ArrayLike,
    references: ArrayLike,
    emotions: Sequence[str] | None = None,
    outcomes: Sequence[str] | None = None,
    groups: Sequence[Hashable] | None = None,
    *,
    scale: str = "0-10",
    reference_scale: str = "0-10",
    n_resamples: int = 1000,
    seed: int = 42,
) -> dict[str, Any]:
    """Scores predictions against human ratings, one row a clip and emotion (paper section 4).

    Both sides are brought to 0 to 10 by the declared scale's factor; scales are never guessed.
    Predictions are then clipped to 0 to 10, as the scores of a regression may leave its nominal
    range. A row counts in the statistics if its outcome is `scored` and it has a prediction and a
    reference; the others are counted under `outcomes`, whatever number stands in them.

    Args:
        predictions: One number a row, None or NaN where there is none.
        references: One number a row: a rating, or the mean of several raters.
        emotions: The name of each row's emotion, in any spelling of the taxonomy (or of one of its
            attributes, such as Arousal). Without them there are no figures by emotion, and no
            macro ones.
        outcomes: One of `OUTCOMES` a row; all are `scored` if left out.
        groups: What to resample together: a voice, a speaker, a clip; None or `""` for a row that
            stands for itself. Without them rows are resampled.
        scale: Of the predictions: `"0-10"` (language models), `"0-4"` (EmpathicInsight-Voice),
            `"0-1"` (Hume) or `"0-2"`.
        reference_scale: Of the references: `"0-10"` (rater means as in the benchmark's
            `mean_0_10`) or `"0-2"` (ratings 0, 1, 2 or their means).
        n_resamples: Bootstrap resamples; 0 for no intervals.
        seed: Of the bootstrap.

    Returns:
        Plain numbers in dictionaries; what is undefined is NaN:

        - `mae`, `rmse`, `pearson`, `spearman`: pooled over rows, as probably in Table 5.
        - `macro_mae`, ...: means over the emotions where they are defined, as of Table 6.
        - `per_emotion`: of each emotion, named as in the taxonomy, the four, `n` rows they rest on,
          and its `outcomes`.
        - `intervals`: `low`, `high` and `n_undefined` (resamples without a value) of all of these,
          and under `bootstrap` how they were made.
        - `outcomes`: rows of each outcome, `rows`, `refusal_rate`, `failure_rate`; of the scored
          ones `without_prediction`, `without_reference` and `used`; `clipped` of those used.
        - `floors`: the statistics of predictors that never hear a clip, on the rows used.
        - `headline`: the eight figures and what they rest on, flat, for a leaderboard.
        - `undefined`: the reason for each NaN, and how many emotions a macro figure leaves out.

    Raises:
        MetricError: Columns of unequal length, an unknown scale, outcome or emotion, a row without
            an emotion, a reference off its scale; rows are counted from 1.

    Example:
        >>> figures = compute(
        ...     predictions=[0.5, 3.5, None, 2.0, 1.0],
        ...     references=[0, 2, 1, 1, 0],
        ...     emotions=["Awe", "Awe", "Awe", "Pain", "Pain"],
        ...     outcomes=["scored", "scored", "refused", "scored", "scored"],
        ...     scale="0-4", reference_scale="0-2", n_resamples=100,
        ... )
        >>> figures["mae"], round(figures["macro_mae"], 4), figures["outcomes"]["refusal_rate"]
        (1.25, 1.25, 0.2)
    """
    p, r = to_0_10(predictions, scale), to_0_10(references, reference_scale)
    same_length(predictions=p, references=r, emotions=emotions, outcomes=outcomes, groups=groups)
    _refuse_off_scale(r, reference_scale)
    names = _checked_names(emotions)
    groups = None if groups is None else list(groups)
    status = np.array(check_outcomes(outcomes, len(p)), dtype=object)
    scored = status == "scored"
    lacks_p, lacks_r = np.isnan(p), np.isnan(r)
    used = scored & ~lacks_p & ~lacks_r
    clipped = used & ((p < 0) | (p > 10))
    p, r = np.where(used, np.clip(p, 0, 10), np.nan), np.where(used, r, np.nan)

    parts = rows_by_emotion(names)
    figures = aggregate(p, r, parts)
    for emotion, rows in parts.items():
        figures["per_emotion"][emotion]["outcomes"] = count_outcomes(status[rows])
    counts = count_outcomes(status)
    account = {
        "rows": len(p),
        **counts,
        **outcome_rates(counts),
        "without_prediction": int((scored & lacks_p).sum()),
        "without_reference": int((scored & lacks_r).sum()),
        "used": int(used.sum()),
        "clipped": int(clipped.sum()),
    }
    undefined = figures.pop("undefined")
    return {
        **figures,
        "intervals": intervals(p, r, names, groups, n_resamples=n_resamples, seed=seed),
        "outcomes": account,
        "floors": floors(r, parts),
        "headline": _headline(figures, undefined, account),
        "undefined": undefined,
    }


def _checked_names(emotions: Sequence[str] | None) -> list[str] | None:
    """Names as in the taxonomy: a misspelt one would be an emotion of its own in every mean."""
    if emotions is None:
        return None
    known: dict[str, str] = {}
    for row, name in enumerate(emotions, 1):
        if not isinstance(name, str) or not name:
            raise MetricError(f"emotion {name!r} (row {row}) is not a name")
        if name not in known:
            try:
                known[name] = resolve(name)
            except UnknownNameError as error:
                raise MetricError(
                    f"emotion (row {row}): {error}. Choose from {', '.join(BENCH_NAMES)}"
                ) from None
    return [known[name] for name in emotions]


def _refuse_off_scale(references: np.ndarray, scale: str) -> None:
    off = np.flatnonzero((references < 0) | (references > 10 * (1 + 1e-6)))
    if off.size:
        value, row = references[off[0]] / SCALES[scale], off[0] + 1
        raise MetricError(
            f"reference {value:g} (row {row}) is off the declared reference_scale {scale!r}; "
            f"the scales are {', '.join(SCALES)}"
        )


def _headline(
    figures: dict[str, Any], undefined: dict[str, Any], account: dict[str, Any]
) -> dict[str, float]:
    names = [*STATISTICS, *(f"macro_{name}" for name in STATISTICS)]
    return {
        **{name: figures[name] for name in names},
        **{name: account[name] for name in ("refusal_rate", "failure_rate", "rows", "used")},
        "emotions": len(figures["per_emotion"]),
        "emotions_left_out": len(undefined.get("per_emotion", {})),
    }
