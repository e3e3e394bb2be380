"""Pictures of predictions against raters, a small panel an emotion: calibration and scatter."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluate_metrics.emonet_voice import spearman
from modeling_empathic.report.figures import DARK, GREY, ORANGE, PURPLE, picture, two_digits
from modeling_empathic.taxonomy import short_name

Floats = npt.NDArray[np.float64]
Pairs = Mapping[str, tuple[Floats, Floats]]
"""Predictions and references of each emotion, `(clips,)` on 0 to 10; NaN where there is none."""

N_BINS = 5
ACROSS = 4
TICKS = (0, 5, 10)


def plot_calibration(pairs: Pairs, path: str | Path, system: str = "") -> None:
    """Draws what raters say where the system says so much, for each emotion, highest ρ first.

    Clips are sorted by prediction into five groups of about equal size, fewer where predictions
    are tied. A point is the mean of a group, with its 95 % interval (1.96 standard errors). On the
    diagonal the scores mean what they say; the flat line is the mean rating, all that a system
    knows which cannot tell clips apart.

    Args:
        pairs: Of the clips that the system scored.
        path: PNG or SVG to write, by its suffix.
        system: Its name, for the title.

    Raises:
        UserError: Another suffix.
    """

    def draw(axes: Any, predictions: Floats, references: Floats) -> None:
        bins = calibration(predictions, references)
        axes.axhline(references.mean(), color=PURPLE, linewidth=0.8)
        axes.errorbar(
            [b["prediction"] for b in bins], [b["reference"] for b in bins],
            yerr=[1.96 * b["standard_error"] for b in bins],
            fmt="o-", color=ORANGE, ecolor=DARK, markersize=3.5, linewidth=1.2, elinewidth=1,
        )  # fmt: skip

    title = _title(system, "Calibration: what raters say where the system says so much")
    xlabel = "mean prediction of a fifth of the clips, 0 to 10; purple: mean rating of all"
    _panels(pairs, path, draw, title, "their mean rating, 0 to 10", xlabel)


def calibration(
    predictions: Floats, references: Floats, n_bins: int = N_BINS
) -> list[dict[str, float]]:
    """Means of predictions and references in groups of clips with similar predictions.

    Equal predictions are in one group, so that there may be fewer than `n_bins`. The standard error
    of a single clip is NaN.

    Args:
        predictions: `(clips,)`, at least one.
        references: `(clips,)`.
        n_bins: How many groups.

    Returns:
        `prediction`, `reference`, `standard_error` (of the mean reference) and `n` of each group.

    Example:
        >>> predictions, references = np.array([1, 1, 9, 9.5]), np.array([0, 5, 10, 10.0])
        >>> for group in calibration(predictions, references, n_bins=2):
        ...     print(group["prediction"], group["reference"], group["n"])
        1.0 2.5 2
        9.25 10.0 2
    """
    edges = np.unique(np.quantile(predictions, np.arange(1, n_bins) / n_bins, method="higher"))
    codes = np.searchsorted(edges, predictions, side="right")
    groups = []
    for code in np.unique(codes):
        p, r = predictions[codes == code], references[codes == code]
        error = r.std(ddof=1) / np.sqrt(len(r)) if len(r) > 1 else np.nan
        groups.append({"prediction": float(p.mean()), "reference": float(r.mean()),
                       "standard_error": float(error), "n": len(r)})  # fmt: skip
    return groups


def plot_scatter(pairs: Pairs, path: str | Path, system: str = "") -> None:
    """Draws prediction and rating of every clip, for each emotion, highest ρ first.

    Ratings are means of two to four raters and so fall on few values; points are moved up or down
    by at most 0.3 so that they do not hide each other.

    Args:
        pairs: Of the clips that the system scored.
        path: PNG or SVG to write, by its suffix.
        system: Its name, for the title.

    Raises:
        UserError: Another suffix.
    """
    rng = np.random.default_rng(0)

    def draw(axes: Any, predictions: Floats, references: Floats) -> None:
        moved = references + rng.uniform(-0.3, 0.3, len(references))
        axes.plot(predictions, moved, ".", color=PURPLE, alpha=0.5, markersize=4, mew=0)

    title = _title(system, "Rating and prediction of every clip")
    _panels(pairs, path, draw, title, "rating, 0 to 10", "prediction, 0 to 10")


def _title(system: str, title: str) -> str:
    return f"{system}\n{title}" if system else title


def _panels(
    pairs: Pairs,
    path: str | Path,
    draw: Callable[..., None],
    title: str,
    ylabel: str,
    xlabel: str,
) -> None:
    panels = []
    for emotion, sides in pairs.items():
        p, r = (np.asarray(side, dtype=float) for side in sides)
        both = ~(np.isnan(p) | np.isnan(r))
        panels.append((emotion, p[both], r[both], spearman(p[both], r[both]).value))
    # In the order of the bars of `plot_emotions`; what has no value is last.
    panels.sort(key=lambda panel: (np.isnan(panel[-1]), -panel[-1]))
    n_rows = -(-len(panels) // ACROSS)
    height = 1.2 + 1.95 * n_rows
    with picture(path, 7.2, height, layout=False) as figure:
        frame = {"left": 0.09, "right": 0.99, "bottom": 0.55 / height, "top": 1 - 0.85 / height}
        # Shared axes would take most of the time: every panel asks all the others.
        grid = figure.subplots(
            n_rows, ACROSS, squeeze=False, gridspec_kw={**frame, "wspace": 0.12, "hspace": 0.34}
        ).ravel()
        for axes in grid[len(panels) :]:
            axes.axis("off")
        for i, (emotion, p, r, rho) in enumerate(panels):
            axes = grid[i]
            axes.axline((0, 0), (10, 10), color=GREY, linewidth=1, zorder=0)
            if len(p):
                draw(axes, p, r)
            axes.set_title(short_name(emotion), fontsize=9, pad=13, parse_math=False)
            value = "no ρ" if np.isnan(rho) else f"ρ {two_digits(rho)}"
            axes.text(0.5, 1.03, f"{value}, {len(p):,} clips", ha="center",
                      fontsize=8, color=DARK, transform=axes.transAxes)  # fmt: skip
            axes.set(xlim=(-0.6, 10.6), ylim=(-0.6, 10.6), aspect="equal")
            axes.set_xticks(TICKS, TICKS if i + ACROSS >= len(panels) else [""] * len(TICKS))
            axes.set_yticks(TICKS, [""] * len(TICKS) if i % ACROSS else TICKS)
            axes.tick_params(length=2)
            axes.spines[["top", "right"]].set_visible(False)
        figure.text(0.09, 1, title, va="top", fontsize=11, parse_math=False)
        figure.supxlabel(xlabel, fontsize=9, y=0.1 / height)
        figure.supylabel(ylabel, fontsize=9)
