"""The tables of a result: Tables 5 and 6 with the new row and column, and floors below them."""

import math
from collections.abc import Iterable

from evaluate_metrics.bench.discrimination import PAPER, find_pair
from evaluate_metrics.bench.figures import Interval, Metric
from evaluate_metrics.bench.result import Result, Separation
from evaluate_metrics.bench.yardsticks import (
    COLUMNS,
    ceiling_notes,
    ceiling_rows,
    floor_notes,
    floor_rows,
    interval_text,
    reason_of,
)
from evaluate_metrics.emonet_voice import FEW_UNITS, OUTCOMES
from evaluate_metrics.published import (
    BENCH_ROWS,
    LARGE,
    SMALL,
    macro_fits,
    published_macro,
    published_table5,
    published_table6,
)
from modeling_empathic.report.tables import (
    FLOOR,
    PUBLISHED,
    THIS,
    Footnotes,
    Row,
    Section,
    number,
)
from modeling_empathic.taxonomy import short_name

WIDE = 118
"""From here on, Table 6 has all published systems."""
HEADERS = {"spearman": "Spearman ρ", "pearson": "Pearson r", "mae": "MAE", "rmse": "RMSE"}
SHORT_SYSTEMS = {
    "GPT-4o Mini Audio": "GPT-4o\nMini",
    "GPT-4o Audio": "GPT-4o",
    "Hume Voice": "Hume",
    "Gemini 2.0 Flash": "Gemini\n2.0",
    "Gemini 2.5 Pro": "Gemini\n2.5",
    SMALL: "Small",
    LARGE: "Large",
}


def sections(result: Result, width: int | None = None) -> list[Section]:
    """The tables of a result.

    Args:
        result: Of [`evaluation.evaluate`].
        width: Of the terminal in columns; None for everything, intervals beside their figures.
    """
    wide = width is None or width >= WIDE
    return [
        _pooled(result, inline=width is None),
        _macro(result, inline=width is None),
        _by_emotion(result, wide, full_names=width is None),
        *_pairs(result),
        _rows(result),  # last: what went wrong is what stays on the screen
    ]


def _rows(result: Result) -> Section:
    account, join, bench = result.metric.outcomes, result.join, result.bench
    whole: dict[str, list[str]] = {outcome: [] for outcome in OUTCOMES}
    for emotion, of in result.metric.per_emotion.items():
        for outcome, n in of.outcomes.items():
            if n and n == sum(of.outcomes.values()):
                whole[outcome].append(short_name(emotion))
    rows = [
        Row(
            THIS,
            [
                outcome,
                f"{account[outcome]:,}",
                f"{100 * account[outcome] / max(account.rows, 1):.1f} %",
                "" if outcome == "scored" else ", ".join(whole[outcome]),
            ],
        )
        for outcome in OUTCOMES
    ]
    rows.append(Row(THIS, ["without prediction", f"{join.without_prediction:,}", "left out", ""]))
    source = f"{bench.source}, configuration {bench.config}"
    notes = [f"{bench.rows:,} rows (a clip and its emotion) of {source}."]
    if join.without_prediction:
        shown = _clips(join.without_prediction_clips, join.without_prediction)
        notes.append(f"Clips without prediction: {shown}.")
    if join.unknown_clips:
        shown = _clips(join.unknown_clips_first, join.unknown_clips)
        notes.append(f"Clips of the file that the benchmark does not have, left out: {shown}.")
    if join.unmapped_emotions:
        n = sum(join.unmapped_emotions.values())
        notes.append(
            f"{n:,} rows are not in the file, which has other emotions of their clips, or nothing "
            "of their emotion: they count as unmapped."
        )
    if account.without_reference:
        notes.append(f"{account.without_reference:,} scored rows have no rating.")
    if account.clipped:
        notes.append(f"{account.clipped:,} scores lay outside the scale and were clipped to it.")
    return Section("Rows", ["Outcome", "Rows", "Share", "All rows of"], rows, notes, text_last=True)


def _clips(named: tuple[str, ...], n: int) -> str:
    shown = ", ".join(clip if len(clip) <= 12 else f"{clip[:12]}…" for clip in named)
    more = n - len(named)
    return f"{n:,} ({shown}{f' and {more:,} more' if more else ''})"


def _pooled(result: Result, inline: bool) -> Section:
    outcomes, footnotes = result.metric.outcomes, Footnotes()
    rates = [f"{100 * rate:.2f} %" for rate in (outcomes.refusal_rate, outcomes.failure_rate)]
    rows = _own_rows(result, "", rates, footnotes, inline)
    for row in published_table5():
        cells = ["", f"{row['refusal_percent']:.2f} %", *(number(row[name]) for name in COLUMNS)]
        rows.append(Row(PUBLISHED, [row["model"], *cells]))
    rows += ceiling_rows(result, "", ["", ""], footnotes, inline)
    rows += floor_rows(result, "", ["", ""], footnotes)
    notes = [
        *footnotes.lines(),
        "The paper's refusals are under No score: it does not tell them from labels that nobody "
        "mapped. The seven emotions in which GPT-4o has no figure are those with a slash.",
        *_intervals(result),
        *ceiling_notes(result),
        _average(),
        *_other_rows(result),
        *floor_notes(result),
    ]
    headers = ["System", "Refused", "No score", *HEADERS.values()]
    return Section("Pooled over clips, beside Table 5", headers, rows, notes)


def _macro(result: Result, inline: bool) -> Section:
    footnotes = Footnotes()
    rows = _own_rows(result, "macro_", [], footnotes, inline)
    macro = published_macro()
    most = max(n for _, n in macro.values())
    for system, (mean, n) in macro.items():
        mark = footnotes.mark("" if n == most else f"over {n} of {most} emotions")
        rows.append(Row(PUBLISHED, [system, number(mean) + mark, "", "", ""]))
    rows += ceiling_rows(result, "macro_", [], footnotes, inline)
    rows += floor_rows(result, "macro_", [], footnotes)
    pooled = {row["model"]: row["spearman"] for row in published_table5()}
    order = (pooled[SMALL] - pooled[LARGE]) * (macro[SMALL][0] - macro[LARGE][0])
    notes = footnotes.lines()
    if order < 0:
        notes.append(
            f"Tables 5 and 6 rank Small and Large the other way round: ρ {number(pooled[SMALL])} "
            f"and {number(pooled[LARGE])} in Table 5, {number(macro[SMALL][0])} and "
            f"{number(macro[LARGE][0])} as means of Table 6."
        )
    return Section(
        "Macro: mean over emotions (of Table 6)", ["System", *HEADERS.values()], rows, notes
    )


def _own_rows(
    result: Result, prefix: str, lead: list[str], footnotes: Footnotes, inline: bool
) -> list[Row]:
    """This system's figures, and their intervals beside or below them."""
    metric = result.metric
    cells, lows, highs = [], [], []
    for name in (prefix + statistic for statistic in COLUMNS):
        interval = metric.intervals[name]
        low, high = (number(end, missing="") for end in (interval.low, interval.high))
        reason = reason_of(metric, name) or _no_interval(interval)
        cell = number(metric[name]) + footnotes.mark(reason)
        cells.append(f"{cell} [{low}, {high}]" if inline and low else cell)
        lows.append(low)
        highs.append(high)
    rows = [Row(THIS, [result.system, *lead, *cells])]
    if not inline and any(lows):
        blank = [""] * len(lead)
        rows.append(Row(THIS, ["  95 % interval from", *blank, *lows]))
        rows.append(Row(THIS, ["                  to", *blank, *highs]))
    return rows


def drawn(n_resamples: int, n_units: int, unit: str) -> str:
    """What intervals rest on, and what few groups mean for them.

    Example:
        >>> drawn(1000, 12_600, "row")
        '1,000 resamples of the 12,600 rows.'
        >>> drawn(1000, 11, "voice")
        "1,000 resamples of the 11 voices: so few that the intervals are widened by Student's t..."
    """
    text = f"{n_resamples:,} resamples of the {n_units:,} {unit}s"
    if n_units >= FEW_UNITS:
        return f"{text}."
    return (
        f"{text}: so few that the intervals are widened by Student's t, and may still cover less "
        "than 95 %; systems close to each other cannot be told apart."
    )


def _intervals(result: Result) -> list[str]:
    bootstrap = result.metric.intervals.bootstrap
    n_resamples, units = bootstrap.get("n_resamples"), result.resampled
    if type(n_resamples) is not int or units is None:  # of anybody's file
        return []
    unit = units.partition(" ")[2].removesuffix("s")
    return [f"95 % intervals: {drawn(n_resamples, bootstrap['n_units'], unit)}"]


def _average() -> str:
    fit, excluded = macro_fits()
    return (
        "The paper does not say what Table 5 averages over. As means of Table 6 its ρ fit "
        f"{len(fit)} systems and cannot be those of {len(excluded)}: pooled is our reading."
    )


def _other_rows(result: Result) -> list[str]:
    """Says what is known of the rows that the published figures are of."""
    used = result.metric.outcomes.used
    few, most = BENCH_ROWS
    whole = used in BENCH_ROWS and result.bench.config in ("default", "all")
    return [
        f"The published figures are of the whole Bench: {most:,} files by Table 9, or the {few:,} "
        f"of the 40 emotions; the paper does not say. This system's are of {used:,} rows"
        + ("." if whole else ": not the same task.")
    ]


def _by_emotion(result: Result, wide: bool, full_names: bool) -> Section:
    metric, footnotes = result.metric, Footnotes()
    table6 = published_table6()
    acoustic, raters = result.baselines.get("acoustic_ridge"), result.ceiling.get("one_rater")
    emotions = dict.fromkeys([*table6[SMALL], *metric.per_emotion])
    others = [name for name in table6 if name not in (SMALL, LARGE)]
    shown = [*others, SMALL, LARGE] if wide else [SMALL, LARGE]
    macro = published_macro()
    rows = []
    for emotion in emotions:
        own = _own_cells(metric, emotion, footnotes, digits=3 if wide else 2)
        if raters:
            rater = raters.per_emotion.get(emotion)
            own.append(_or_dash(rater.spearman if rater else math.nan))
        published = [table6[system].get(emotion, math.nan) for system in shown]
        if not wide:
            published.append(_best(table6[system].get(emotion, math.nan) for system in others))
        if acoustic:
            own_floor = acoustic.per_emotion.get(emotion)
            published.append(own_floor.spearman if own_floor else math.nan)
        rows.append(Row(THIS, [short_name(emotion), *own, *map(_or_dash, published)]))
    means = [macro[system][0] for system in shown]
    means += [] if wide else [_best(macro[system][0] for system in others)]
    means += [acoustic.macro_spearman] if acoustic else []
    mark = footnotes.mark(reason_of(metric, "macro_spearman"))
    interval = interval_text(metric.intervals.macro_spearman, 3 if wide else 2)
    own = ["", number(metric.macro_spearman) + mark, interval]
    own += [_or_dash(raters.macro_spearman)] if raters else []
    rows.append(Row(FLOOR, ["Mean of emotions", *own, *map(_or_dash, means)]))
    headers = ["Emotion", "n", "ρ", "95 % interval", *(["Rater"] if raters else [])]
    headers += [system if full_names else SHORT_SYSTEMS[system] for system in shown]
    headers += [] if wide else ["Best other"]
    headers += ["Acoustic"] if acoustic else []
    notes = footnotes.lines()
    notes.append(
        f"ρ is {result.system}'s; the others are published (-: NaN there) and without intervals."
        + ("" if wide else " Best other: the best of the paper's five other systems.")
        + (" Rater: one against the mean of the others, the ceiling." if raters else "")
        + " The floor is 0: neither a constant nor the emotion's mean can order an emotion's clips."
    )
    return Section("Table 6: Spearman's ρ by emotion", headers, rows, notes, heading=False)


def _pairs(result: Result) -> list[Section]:
    """How often scores tell two emotions apart, if the result has it."""
    if not result.discrimination:
        return []
    found, names, paper = result.discrimination, *PAPER
    mean, clips = found.mean, sum(found.clips.values())
    rows: list[tuple[str, int, Separation, str]] = [
        (f"mean of {mean.pairs:,} pairs", clips, mean, "")
    ]
    if set(names) <= set(found.emotions):
        pair = find_pair(found.pairs, *names)
        rows.append((" against ".join(names), pair.n_a + pair.n_b, pair, pair.reason))
    footnotes = Footnotes()
    lines = [
        Row(
            THIS,
            [name, f"{n:,}"]
            + [
                cell
                for statistic in ("accuracy", "auc")
                for cell in (
                    number(of[statistic]) + footnotes.mark(reason),
                    interval_text(of.intervals[statistic], 3),
                )
            ],
        )
        for name, n, of, reason in rows
    ]
    lines.append(Row(PUBLISHED, [" against ".join(names), "", number(paper), "", "", ""]))
    larger = [max(of.n_a, of.n_b) / (of.n_a + of.n_b) for of in found.pairs if not of.reason]
    share = sum(larger) / len(larger) if larger else math.nan
    floor = ["always the larger, mean of pairs", "", number(share), "", number(found.floor), ""]
    lines.append(Row(FLOOR, floor))
    headers = ["", "Clips", "Accuracy", "95 % interval", "AUC", "95 % interval"]
    unit = (result.bench.grouped_by if found.unit == "group" else None) or found.unit
    notes = [
        *footnotes.lines(),
        f"Intervals: {found.n_resamples:,} resamples by {unit}, thresholds of {found.folds} folds "
        "as they are. The paper states neither the rule nor the model of its figure.",
    ]
    return [Section("Which of two emotions a clip was made for", headers, lines, notes)]


def _own_cells(metric: Metric, emotion: str, footnotes: Footnotes, digits: int) -> list[str]:
    of = metric.per_emotion.get(emotion)
    if of is None:
        return ["0", number(math.nan) + footnotes.mark("no row of it has a prediction"), ""]
    reason = metric.undefined.of_emotion(emotion, "spearman")
    failures = {name: n for name, n in of.outcomes.items() if n}
    if reason and len(failures) == 1 and "scored" not in failures:
        reason = f"all rows {next(iter(failures))}"
    interval = metric.intervals.per_emotion[emotion].spearman
    value = number(of.spearman) + footnotes.mark(reason or _no_interval(interval))
    return [f"{of.n:,}", value, interval_text(interval, digits)]


def _no_interval(interval: Interval) -> str:
    return f"no interval: {interval.reason}" if interval.reason else ""


def _best(values: Iterable[float]) -> float:
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def _or_dash(value: float) -> str:
    return number(value, missing="-")
