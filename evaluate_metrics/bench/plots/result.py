"""Pictures of a result: per emotion with intervals, beside the published systems, against α.

[`plot_all`] draws every picture that a result has the numbers for.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluate_metrics.bench.figures import Interval, Metric, OfEmotion
from evaluate_metrics.bench.plots.alpha import plot_alpha
from evaluate_metrics.bench.plots.discrimination import plot_discrimination
from evaluate_metrics.bench.plots.pairs import Pairs, plot_calibration, plot_scatter
from evaluate_metrics.bench.result import Result
from evaluate_metrics.emonet_voice.aggregate import mean_defined
from evaluate_metrics.published import published_table6
from modeling_empathic.report.figures import (
    DARK,
    GREY,
    ORANGE,
    PURPLE,
    bare,
    ink,
    picture,
    two_digits,
)
from modeling_empathic.report.tables import Footnotes
from modeling_empathic.taxonomy import UserError, short_name


def plot_all(
    result: Result,
    pairs: Pairs,
    alphas: Mapping[str, float],
    folder: str | Path,
) -> list[Path]:
    """Draws all pictures into a folder, as PNG.

    Args:
        result: Of one system.
        pairs: Predictions and references of each emotion, both on 0 to 10.
        alphas: Cronbach's α of each emotion; without any there is no picture of it.
        folder: Made if it is not there.

    Returns:
        The files, in the order of the issue's list: emotions, heat, calibration, scatter, alpha,
        discrimination (the last if the result has it).

    Raises:
        UserError: The system scored nothing.
    """
    if not any(len(predicted) for predicted, _ in pairs.values()):
        raise UserError(f"plots {folder}: the system scored no clip, there is nothing to draw")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        name: folder / f"{name}.png"
        for name in ("emotions", "heat", "calibration", "scatter", "alpha", "discrimination")
    }
    plot_emotions(result, files["emotions"])
    plot_heat([result], published_table6(), files["heat"])
    plot_calibration(pairs, files["calibration"], result.system)
    plot_scatter(pairs, files["scatter"], result.system)
    if alphas:
        plot_alpha(result, alphas, files["alpha"])
    else:
        del files["alpha"]
    if result.discrimination:
        plot_discrimination(result.discrimination, files["discrimination"], result.system)
    else:
        del files["discrimination"]
    return list(files.values())


def plot_emotions(result: Result, path: str | Path) -> None:
    """Draws Spearman's ρ of each emotion with its 95 % interval, highest first.

    The floor is 0: what does not hear the clip cannot order the clips of an emotion. A bar is
    orange where the interval is above it, purple where it is below and grey where it holds it; an
    emotion without a value has no bar and says why. Failures are counted at the right.

    Args:
        result: Of one system.
        path: PNG or SVG to write, by its suffix.

    Raises:
        UserError: Another suffix.
    """
    metric, of = result.metric, result.metric.per_emotion
    names = sorted(of, key=lambda name: (math.isnan(of[name].spearman), -of[name].spearman))
    intervals = [metric.intervals.per_emotion[name].spearman for name in names]
    values = np.array([of[name].spearman for name in names])
    ends = np.array([[i.low, i.high] for i in intervals]).reshape(-1, 2).T
    heights = list(range(len(names)))
    notes = Footnotes()
    with picture(path, 6.6, 1.9 + 0.23 * len(names)) as figure:
        axes = figure.add_subplot()
        # Worse than chance is a finding: it must not look like an interval that holds 0.
        colours = np.where(ends[0] > 0, ORANGE, np.where(ends[1] < 0, PURPLE, GREY))
        some = ~np.isnan(values)
        axes.barh(np.array(heights)[some], values[some], 0.75, color=colours[some].tolist())
        axes.hlines(heights, ends[0], ends[1], color=DARK, linewidth=1.2)
        axes.axvline(0, color=DARK, linewidth=1.2)
        raters = _raters(axes, result, names)
        _macro(axes, metric)
        drawn = [float(x) for x in (*ends.ravel(), *raters) if math.isfinite(x)]
        low, high = min([0.0, *drawn]), max([0.1, *drawn])
        axes.set_xlim(min(low, -0.02) * 1.05, high * 1.05)
        for height, name, value in zip(heights, names, values, strict=True):
            if math.isnan(value):
                why = notes.mark(metric.undefined.of_emotion(name, "spearman"))
                diamond = raters[height] if raters else math.nan
                left, x = _clear_of(diamond, high)
                axes.text(x, height, f"no value {why}", va="center", color=DARK,
                          ha="left" if left else "right")  # fmt: skip
        axes.set_yticks(heights, [short_name(name) for name in names], parse_math=False)
        axes.set_ylim(len(names) - 0.4, -0.6)
        _numbers(axes, names, of)
        key = [
            "Spearman's ρ with the raters; line: 95 % interval",
            *(["◇ ceiling: one rater against the mean of the others"] if raters else []),
            "floor: 0, a system that does not hear the clip",
            "interval above it: orange, below: purple, holds it: grey",
        ]
        axes.set_xlabel("\n".join([*key, *notes.lines()]), parse_math=False)
        bare(axes)
        figure.suptitle(
            f"{result.system}\nHow well it orders the clips of each emotion", fontsize=11,
            x=0.02, ha="left", parse_math=False,
        )  # fmt: skip


def _clear_of(diamond: float, high: float) -> tuple[bool, float]:
    """Where words begin, or else end, that no diamond of the raters may lie on."""
    if math.isnan(diamond) or diamond < -0.02:
        return True, 0.02
    gap = 0.03 * (1 + high)
    return (True, max(0.02, diamond + gap)) if diamond < high / 2 else (False, diamond - gap)


def _raters(axes: Any, result: Result, names: Sequence[str]) -> list[float]:
    """Draws how well one rater orders the clips of each emotion, if that is known."""
    one = result.ceiling.get("one_rater")
    if one is None:
        return []
    values = [of.spearman if (of := one.per_emotion.get(name)) else math.nan for name in names]
    axes.plot(values, range(len(names)), "D", markersize=5, markerfacecolor="white",
              markeredgecolor=DARK, markeredgewidth=1.2, linestyle="none")  # fmt: skip
    return values


def _macro(axes: Any, metric: Metric) -> None:
    mean, interval = metric.macro_spearman, metric.intervals.macro_spearman
    if math.isnan(mean):
        return
    axes.axvline(mean, color=DARK, linewidth=1.2, linestyle="--")
    axes.axvspan(interval.low, interval.high, color=DARK, alpha=0.12, linewidth=0)
    axes.annotate(
        f"mean of emotions {_with_interval(mean, interval)}", (mean, 1),
        xycoords=axes.get_xaxis_transform(), xytext=(4, 4), textcoords="offset points",
        ha="right", color=DARK, annotation_clip=False,
    )  # fmt: skip


def _numbers(axes: Any, names: Sequence[str], of: Mapping[str, OfEmotion]) -> None:
    """Clips with a score, and those that failed, at the right of the bars."""
    cells = [("clips", "failed")]
    for name in names:
        outcomes = of[name].outcomes
        cells.append((f"{of[name].n:,}", f"{sum(outcomes.values()) - outcomes['scored']:,}"))
    for height, line in zip(range(-1, len(names)), cells, strict=True):
        for column, cell in enumerate(line):
            axes.annotate(
                cell, (1, height), xycoords=axes.get_yaxis_transform(), ha="right", va="center",
                xytext=(30 + 36 * column, 0), textcoords="offset points", annotation_clip=False,
                fontweight="bold" if height < 0 else "normal",
            )  # fmt: skip


def _with_interval(value: float, interval: Interval) -> str:
    if math.isnan(interval.low):
        return two_digits(value)
    return f"{two_digits(value)} [{two_digits(interval.low)}, {two_digits(interval.high)}]"


def plot_heat(
    results: Sequence[Result],
    published: Mapping[str, Mapping[str, float]],
    path: str | Path,
) -> None:
    """Draws Table 6: Spearman's ρ of every system and emotion, published systems first.

    Emotions by their mean over systems. Blue is 1 and red -1 as in the paper, grey is no value;
    the best of a row is bold, the second italic.

    Args:
        results: Of one or several systems.
        published: ρ by emotion of each published system, from
            [`evaluate_metrics.published.published_table6`]; `{}` for none.
        path: PNG or SVG to write, by its suffix.

    Raises:
        UserError: Another suffix.
    """
    columns = [(name, dict(by_emotion)) for name, by_emotion in published.items()]
    for result in results:
        rhos = {name: of.spearman for name, of in result.metric.per_emotion.items()}
        columns.append((result.system, rhos))
    emotions = list(dict.fromkeys(name for _, by_emotion in columns for name in by_emotion))
    values = np.array([[of.get(name, math.nan) for _, of in columns] for name in emotions])
    values = np.column_stack([values, [mean_defined(row) for row in values]])
    order = np.argsort(-np.nan_to_num(values[:, -1], nan=-2), kind="stable")
    values = values[order]
    values = np.vstack([values, [mean_defined(column) for column in values.T]])
    rows = [*(short_name(emotions[i]) for i in order), "mean of emotions"]
    width = 1.3 + 0.07 * max(map(len, rows)) + 0.55 * values.shape[1]
    with picture(path, width, 2.2 + 0.23 * len(rows)) as figure:
        import matplotlib

        axes = figure.add_subplot()
        colours = matplotlib.colormaps["RdBu"].with_extremes(bad=GREY)
        axes.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=-1, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            if not math.isnan(value):
                style = _style(values[row, :-1], value) if column < len(columns) else {}
                axes.text(column, row, two_digits(value), ha="center", va="center", fontsize=8,
                          color=ink(colours((value + 1) / 2)), **style)  # fmt: skip
        heads = [*(name for name, _ in columns), "mean of systems"]
        axes.set_xticks(range(len(heads)), heads, rotation=40, ha="left", rotation_mode="anchor",
                        parse_math=False)  # fmt: skip
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(rows)), rows, parse_math=False)
        for line in (len(published), len(columns)):  # published | these | mean
            axes.axvline(line - 0.5, color="white", linewidth=4)
        axes.axhline(len(rows) - 1.5, color="white", linewidth=4)
        bare(axes)
        axes.set_xlabel(
            "Spearman's ρ by emotion; bold: best of the systems, italic: second; grey: no value\n"
            + ("left: as published (Table 6); " if published else "")
            + "means are over what has a value"
        )
        who = [result.system for result in results] if len(results) < 3 else []
        title = "Spearman's ρ by emotion"
        axes.set_title(
            f"{', '.join(who)}: {title}" if who else title, loc="left", pad=12, fontsize=11,
            parse_math=False,
        )  # fmt: skip


def _style(row: npt.NDArray[np.float64], value: float) -> dict[str, Any]:
    """Bold for the best of a row and italic for the second, as printed."""
    best = sorted({round(x, 2) for x in row[~np.isnan(row)]}, reverse=True)
    if len(row) < 2:
        return {}
    if round(value, 2) == best[0]:
        return {"fontweight": "bold"}
    return {"fontstyle": "italic"} if round(value, 2) == best[1] else {}
