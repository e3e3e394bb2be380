"""The acoustic differences between emotions as a heat map."""

from pathlib import Path

import numpy as np

from dataset_scripts.stats.acoustics import Differences
from modeling_empathic.report.figures import GREY, bare, picture
from modeling_empathic.taxonomy import short_name

ALPHA = 0.05


def plot(tested: Differences, path: str | Path) -> None:
    """A heat map of Cliff's δ, emotions down and features across.

    ColorBrewer's PuOr, which colour-blind readers tell apart; a dot where p is not below 0.05 after
    correction, grey where there is no value.

    Args:
        tested: Of [`differences`].
        path: PNG or SVG to write, by its suffix.

    Raises:
        UserError: Another suffix.
    """
    features = [test.feature for test in tested.features]
    emotions = list(dict.fromkeys(effect.emotion for effect in tested.effects))
    shape = len(emotions), len(features)
    delta = np.array([effect.delta for effect in tested.effects]).reshape(shape)
    p = np.array([effect.p_holm for effect in tested.effects]).reshape(shape)
    limit = np.ceil(10 * np.nanmax(np.abs(delta), initial=0.1)) / 10
    with picture(path, 3.2 + 0.32 * shape[1], 2.4 + 0.23 * shape[0]) as figure:
        axes = figure.add_subplot()
        axes.set_facecolor(GREY)
        image = axes.imshow(delta, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
        rows, columns = np.nonzero(p >= ALPHA)
        axes.plot(columns, rows, "o", color="#555555", markersize=2.5, mec="white", mew=0.5)
        axes.set_xticks(range(shape[1]), features, rotation=55, ha="left", rotation_mode="anchor")
        axes.xaxis.tick_top()
        axes.set_yticks(range(shape[0]), [short_name(name) for name in emotions], parse_math=False)
        axes.set_xticks(np.arange(0.5, shape[1]), minor=True)
        axes.set_yticks(np.arange(0.5, shape[0]), minor=True)
        axes.grid(which="minor", color="white", linewidth=0.8)
        bare(axes)
        axes.set_title("How the voice of an emotion differs from that of all others", loc="left",
                       fontsize=11, pad=12)  # fmt: skip
        bar = figure.colorbar(image, ax=axes, orientation="horizontal", pad=0.02, aspect=40)
        bar.set_label("Cliff's δ against all other clips\ndot: corrected p ≥ 0.05, grey: none")
        bar.outline.set_visible(False)
