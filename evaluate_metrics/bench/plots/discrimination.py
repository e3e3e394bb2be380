"""The picture of all pairs: which emotions a model's scores tell apart, and which they do not."""

from pathlib import Path

import numpy as np

from evaluate_metrics.bench.discrimination import FLOOR, PAPER
from evaluate_metrics.bench.result import Discrimination, EmotionPair, Separation
from modeling_empathic.report.figures import DARK, GREY, bare, picture, two_digits
from modeling_empathic.taxonomy import EMOTION_NAMES, short_name

HARDEST = 10
ROOM = 28  # emotions


def plot_discrimination(discrimination: Discrimination, path: str | Path, system: str = "") -> None:
    """Draws balanced accuracy of every pair, a triangle in the order of the paper's A.1.

    Orange is told apart, white is chance, purple worse than chance; a dot where the interval holds
    chance, grey where there is no value. Beside it the pairs that are told apart worst.

    Args:
        discrimination: Of [`evaluate_metrics.bench.discrimination.discrimination`].
        path: PNG or SVG to write, by its suffix.
        system: Its name, for the title.

    Raises:
        UserError: Another suffix.
    """
    known = {name: i for i, name in enumerate(EMOTION_NAMES)}
    names = sorted(discrimination.emotions, key=lambda name: known.get(name, len(known)))
    place = {name: i for i, name in enumerate(names)}
    values = np.full((len(names), len(names)), np.nan)
    chance = []
    for pair in discrimination.pairs:
        column, row = sorted((place[pair.a], place[pair.b]))
        values[row, column] = pair.balanced_accuracy
        interval = pair.intervals["balanced_accuracy"]
        if interval.low <= FLOOR <= interval.high:
            chance.append((column, row))
    drawn = np.tril(np.ones(values.shape, dtype=bool), -1)
    limit = np.ceil(10 * np.nanmax(np.abs(values - FLOOR), initial=0.05)) / 10
    side = 2.6 + 0.21 * len(names)
    inside = len(names) >= ROOM  # the list; it stands beside a small triangle
    with picture(path, side + (0.8 if inside else 3.6), side) as figure:
        import matplotlib

        axes = figure.add_subplot()
        colours = matplotlib.colormaps["PuOr_r"].with_extremes(bad=GREY)
        shown = np.ma.masked_invalid(values)
        shade = colours(matplotlib.colors.Normalize(FLOOR - limit, FLOOR + limit)(shown))
        shade[~drawn] = 1  # white
        axes.imshow(shade, aspect="equal", interpolation="nearest")
        if chance:
            axes.plot(*zip(*chance, strict=True), "o", color="#555555", markersize=2.2, mec="white",
                      mew=0.4)  # fmt: skip
        labels = [short_name(name) for name in names]
        # The first has no row and the last no column.
        axes.set_yticks(range(1, len(names)), labels[1:], parse_math=False)
        axes.set_xticks(range(len(names) - 1), labels[:-1], rotation=90, parse_math=False)
        axes.set_xticks(np.arange(0.5, len(names)), minor=True)
        axes.set_yticks(np.arange(0.5, len(names)), minor=True)
        axes.grid(which="minor", color="white", linewidth=0.7)
        last = max(len(names) - 0.5, 1.5)
        axes.set(xlim=(-0.5, last - 1), ylim=(last, 0.5))
        bare(axes)
        scale = matplotlib.cm.ScalarMappable(
            matplotlib.colors.Normalize(FLOOR - limit, FLOOR + limit), colours
        )
        bar = figure.colorbar(scale, ax=axes, orientation="horizontal", pad=0.02, aspect=50)
        bar.outline.set_visible(False)
        bar.set_label(
            "balanced accuracy at a cross-validated threshold\n"
            f"{FLOOR}: chance; dot: the 95 % interval holds it; grey: too few clips"
        )
        title = "Which emotions its scores tell apart"
        axes.set_title(f"{system}\n{title}" if system else title, loc="left", fontsize=11,
                       parse_math=False)  # fmt: skip
        lines = "\n".join(_lines(discrimination))
        axes.text(0.98 if inside else 1.06, 0.98, lines, transform=axes.transAxes, va="top",
                  ha="right" if inside else "left", color=DARK, linespacing=1.35,
                  parse_math=False)  # fmt: skip


def _lines(discrimination: Discrimination) -> list[str]:
    """The mean, the paper's pair and the hardest pairs, in words."""
    mean = discrimination.mean
    defined = [pair for pair in discrimination.pairs if not pair.reason]
    defined.sort(key=lambda pair: pair.balanced_accuracy)
    lines = [f"mean of {mean.pairs:,} pairs  {_with_interval(mean)}"]
    names, paper = PAPER
    for pair in defined:
        if {pair.a, pair.b} == set(names):
            lines.append(f"{_pair(pair)}  {_with_interval(pair)}  (paper: {paper})")
    if defined:
        lines += ["", "told apart worst"]
        lines += [f"{_pair(pair)}  {_with_interval(pair)}" for pair in defined[:HARDEST]]
    return lines


def _pair(pair: EmotionPair) -> str:
    return f"{short_name(pair.a)} / {short_name(pair.b)}"


def _with_interval(of: Separation) -> str:
    interval = of.intervals["balanced_accuracy"]
    value = two_digits(of.balanced_accuracy)
    if interval.low != interval.low:
        return value
    return f"{value} [{two_digits(interval.low)}, {two_digits(interval.high)}]"
