"""What a score is read against: floors that hear nothing, and raters who predict each other."""

import math

from evaluate_metrics.bench.figures import Baseline, Ceiling, Floor, Interval, Metric
from evaluate_metrics.bench.result import Result
from evaluate_metrics.emonet_voice import STATISTICS
from modeling_empathic.report.tables import CEILING, FLOOR, Footnotes, Row, number
from modeling_empathic.taxonomy import short_name

COLUMNS = ("spearman", "pearson", "mae", "rmse")  # in the order of Table 5
FLOORS = {
    "constant_mean": "mean rating (in-sample)",
    "constant_median": "median rating (in-sample)",
    "constant_5": "always 5",
    "constant_0": "always 0",
    "emotion_mean": "emotion mean (in-sample)",
    "rater_mean": "emotion mean (other folds)",
    "acoustic_ridge": "acoustic ridge",
}
CEILINGS = {
    "one_rater": "one rater, others' mean",
    "split_half": "half of them, other half",
    "perfect": "knowing the true mean",
}

assert COLUMNS and set(COLUMNS) == set(STATISTICS)


def ceiling_rows(
    result: Result, prefix: str, lead: list[str], footnotes: Footnotes, inline: bool
) -> list[Row]:
    """How well raters predict each other, with intervals beside the figures where there is room."""
    rows = []
    for how, of in result.ceiling.items():
        cells = []
        for name in (prefix + statistic for statistic in COLUMNS):
            reason = _nothing_of(of, name) or reason_of(of, name)
            cell = number(of[name]) + footnotes.mark(reason)
            interval = interval_text(of.intervals[name], 3)
            cells.append(f"{cell} {interval}" if inline and interval else cell)
        rows.append(Row(CEILING, [CEILINGS.get(how, how), *lead, *cells]))
        low_high = [of.intervals[prefix + name] for name in COLUMNS]
        if how == "one_rater" and not inline and any(i.low == i.low for i in low_high):
            for label, ends in (("  95 % interval from", [i.low for i in low_high]),
                                ("                  to", [i.high for i in low_high])):  # fmt: skip
                cells = [number(end, missing="") for end in ends]
                rows.append(Row(CEILING, [label, *[""] * len(lead), *cells]))
    return rows


def _nothing_of(of: Ceiling, name: str) -> str:
    """Why a macro figure has no value: the reason that all emotions share."""
    if not math.isnan(of[name]) or not name.startswith("macro_"):
        return ""
    statistic = name.removeprefix("macro_")
    reasons = {of.undefined.of_emotion(emotion, statistic) for emotion in of.per_emotion}
    return reasons.pop() if len(reasons) == 1 else "undefined for every emotion"


def ceiling_notes(result: Result) -> list[str]:
    """Which clips the ceiling is of, and how to read it."""
    one = result.ceiling.get("one_rater")
    if one is None:
        return ["No ceiling: the benchmark has no single ratings."]
    left_out = f"; {one.left_out:,} with one rating are left out" if one.left_out else ""
    return [
        f"Ceiling: {one.clips:,} clips of these rows, intervals by clip{left_out}. A system may be "
        "above one rater, since the mean of several is steadier than one; knowing the true mean is "
        "the most that Pearson's r can reach."
    ]


def floor_rows(result: Result, prefix: str, lead: list[str], footnotes: Footnotes) -> list[Row]:
    """What is reached without hearing, by a constant or by acoustics alone."""
    rows = []
    for name, floor in result.floors.items():
        cells = []
        for statistic in COLUMNS:
            value = floor[prefix + statistic]
            reason = reason_of(floor, prefix + statistic)
            if math.isnan(value) and not reason:
                without = result.metric.undefined[f"{prefix}mae"]
                reason = without if math.isnan(floor[f"{prefix}mae"]) else _CONSTANT[prefix]
            cells.append(number(value) + footnotes.mark(reason))
        rows.append(Row(FLOOR, [FLOORS.get(name, name), *lead, *cells]))
    return rows


def reason_of(of: Metric | Floor | Baseline | Ceiling, name: str) -> str:
    """Why a figure is undefined, or which emotions a macro figure leaves out, by short names."""
    if isinstance(of, Floor) or not of.undefined[name]:
        return ""
    reason, per_emotion = of.undefined[name], of.per_emotion
    unlearnt = of.left_out if isinstance(of, Baseline) else {}
    if unlearnt and len(unlearnt) == len(per_emotion):
        emotion, why = next(iter(unlearnt.items()))
        return f"no emotion has a value; {short_name(emotion)}: {why}"
    statistic = name.removeprefix("macro_")
    out = [emotion for emotion, scores in per_emotion.items() if math.isnan(scores[statistic])]
    if name == statistic or "left out" not in reason or len(out) == len(per_emotion):
        return reason
    return f"{len(out)} of {len(per_emotion)} emotions left out: {', '.join(map(short_name, out))}"


_CONSTANT = {
    "": "a constant has no correlation",
    "macro_": "a constant has no correlation, nor one within each emotion",
}


def floor_notes(result: Result) -> list[str]:
    """How the floors were made."""
    notes = [f"{FLOORS.get(name, name)}: {of.note}" for name, of in result.baselines.items()]
    how = "In-sample floors are made of the ratings they are judged by: a little too good"
    return [f"{note}." for note in (how, *notes)]


def interval_text(interval: Interval, digits: int) -> str:
    """`[low, high]`, or nothing where there is no interval."""
    if math.isnan(interval.low):
        return ""
    return f"[{number(interval.low, digits)}, {number(interval.high, digits)}]"
