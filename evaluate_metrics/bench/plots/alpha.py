"""The picture of α against Spearman's ρ: is a system good where raters agree (paper, section 5)?"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluate_metrics.bench.result import Result
from evaluate_metrics.emonet_voice import intervals, spearman
from modeling_empathic.report.figures import DARK, GREY, ORANGE, picture, two_digits
from modeling_empathic.taxonomy import short_name

Floats = npt.NDArray[np.float64]
# Where a name may stand about its point, in points; the first free place is taken.
_PLACES = [
    (
        round(distance * math.cos(math.radians(angle)), 6),
        round(distance * math.sin(math.radians(angle)), 6),
    )
    for distance in (6, 12, 20, 30, 42)
    for angle in (0, 180, 30, -30, 150, -150, 60, -60, 120, -120, 90, -90)
]


def rank_correlation(
    rhos: Mapping[str, float],
    alphas: Mapping[str, float],
    *,
    n_resamples: int = 1000,
    seed: int = 42,
) -> dict[str, Any]:
    """Spearman's ρ between emotions' α and a system's ρ in them.

    The paper finds that "emotions with high expert consensus consistently yield high model
    performance" (section 5) and prints no figure for it. The interval draws emotions, and knows
    nothing of how uncertain each α and ρ is.

    Args:
        rhos: Spearman's ρ of each emotion.
        alphas: Cronbach's α of each emotion.
        n_resamples: Of the bootstrap over emotions.
        seed: Of the bootstrap.

    Returns:
        `value`, `low`, `high`, `n` (emotions with both) and `reason`, why it is NaN.

    Example:
        >>> rhos = {"Awe": 0.1, "Pain": 0.4, "Fear": 0.3}
        >>> rank_correlation(rhos, {"Awe": 0.0, "Pain": 0.3, "Fear": 0.2, "Relief": 0.1})["value"]
        1.0
    """
    names, alpha, rho = _shared(rhos, alphas)
    correlation = spearman(alpha, rho)
    interval = intervals(alpha, rho, n_resamples=n_resamples, seed=seed)["spearman"]
    return {"value": correlation.value, "low": interval["low"], "high": interval["high"],
            "n": len(names), "reason": correlation.reason}  # fmt: skip


def plot_alpha(result: Result, alphas: Mapping[str, float], path: str | Path) -> None:
    """Draws each emotion's ρ over its α, every emotion named, with their rank correlation.

    Args:
        result: Of one system.
        alphas: Cronbach's α of each emotion, of this Bench or of the paper's Table 10.
        path: PNG or SVG to write, by its suffix.

    Raises:
        UserError: Another suffix.
    """
    rhos = {name: of.spearman for name, of in result.metric.per_emotion.items()}
    names, alpha, rho = _shared(rhos, alphas)
    bars = [result.metric.intervals.per_emotion[name].spearman for name in names]
    with picture(path, 8, 7.5) as figure:
        axes = figure.add_subplot()
        axes.axhline(0, color=DARK, linewidth=0.8)
        axes.axvline(0, color=DARK, linewidth=0.8)
        low, high = [bar.low for bar in bars], [bar.high for bar in bars]
        axes.vlines(alpha, low, high, color=GREY, linewidth=1.2, zorder=0)
        axes.plot(alpha, rho, "o", color=ORANGE, markersize=5, mec="white", mew=0.5)
        axes.margins(0.08)
        rank = rank_correlation(rhos, alphas)
        between = f"[{two_digits(rank['low'])}, {two_digits(rank['high'])}]"
        axes.set_title(
            f"{result.system}\nRank correlation of α and ρ {two_digits(rank['value'])} "
            f"{between} over {rank['n']} emotions", loc="left", parse_math=False, fontsize=11,
        )  # fmt: skip
        axes.set_xlabel("Cronbach's α: how far raters agree about the emotion")
        axes.set_ylabel("Spearman's ρ of the system, 95 % interval")
        axes.spines[["top", "right"]].set_visible(False)
        _name_points(figure, axes, [short_name(name) for name in names], alpha, rho)


def _shared(
    rhos: Mapping[str, float], alphas: Mapping[str, float]
) -> tuple[list[str], Floats, Floats]:
    """Emotions with both, their α and their ρ."""
    names = [
        name
        for name, rho in rhos.items()
        if not math.isnan(rho) and not math.isnan(alphas.get(name, math.nan))
    ]
    alpha = np.array([alphas[name] for name in names], dtype=float)
    return names, alpha, np.array([rhos[name] for name in names], dtype=float)


def _name_points(figure: Any, axes: Any, names: list[str], x: Floats, y: Floats) -> None:
    """Writes each name beside its point where it hides neither a point nor another name."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")  # nothing may move from here on
    points = axes.transData.transform(np.column_stack([x, y])).reshape(-1, 2) * 72 / figure.dpi
    taken = [np.array([a - 3, b - 3, a + 3, b + 3]) for a, b in points]
    for name, (a, b), where in zip(names, points, zip(x, y, strict=True), strict=True):
        text = axes.annotate(
            name, where, (0, 0), textcoords="offset points", fontsize=8, color=DARK,
            ha="center", va="center", parse_math=False,
            arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.5, "shrinkA": 0},
        )  # fmt: skip
        extent = Text.get_window_extent(text, canvas.get_renderer())
        half = np.array([extent.width, extent.height]) * 36 / figure.dpi
        for dx, dy in _PLACES:
            # From the point to the nearest side of the name, and on to its middle.
            middle = np.array([dx, dy]) + half * np.sign([dx, dy])
            center = np.add(middle, (a, b))
            box = np.append(center - half, center + half)
            if not any(_overlap(box, other) for other in taken):
                break
        text.set_position(middle)
        taken.append(box)


def _overlap(a: Floats, b: Floats) -> bool:
    return bool(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3])
