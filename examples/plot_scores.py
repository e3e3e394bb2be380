"""A picture of a score file: emotions down, clips across, colour for intensity on 0 to 10.

python examples/plot_scores.py demo/scores.parquet demo/scores.png
"""

import argparse
from pathlib import Path

import numpy as np

from modeling_empathic.scoring.file import read_scores
from modeling_empathic.taxonomy import EMOTION_NAMES

MAX_CLIPS = 24


def clip_scores(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Clip names, emotions and `(emotions, clips)` scores on 0 to 10, means over windows."""
    table = read_scores(path).to_pandas()
    table = table[table["outcome"] == "scored"]
    emotions = [name for name in EMOTION_NAMES if name in table.columns]
    weights = table["end_s"] - table["start_s"]
    weighted = table[emotions].mul(weights, axis=0).groupby(table["path"], sort=False).sum()
    means = weighted.div(weights.groupby(table["path"], sort=False).sum(), axis=0)
    names = [Path(name).stem for name in means.index[:MAX_CLIPS]]
    return names, emotions, np.clip(2.5 * means.to_numpy()[:MAX_CLIPS].T, 0, 10)


def plot(path: Path, picture: Path) -> None:
    """Writes the heat map as PNG or SVG, by extension."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    clips, emotions, scores = clip_scores(path)
    if not clips:
        raise SystemExit(f"error: {path} holds no scored clip")
    plt.rcParams.update({"font.size": 10, "svg.fonttype": "none"})
    width = 4.2 + 0.42 * len(clips)
    figure, axes = plt.subplots(figsize=(width, 2.4 + 0.24 * len(emotions)), layout="constrained")
    # Cividis keeps its order for colour-blind readers and in greyscale.
    image = axes.imshow(scores, cmap="cividis", vmin=0, vmax=10, aspect="auto")
    axes.set_xticks(range(len(clips)), clips, rotation=55, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()
    axes.set_yticks(
        range(len(emotions)), [name.replace(" of Consciousness", "") for name in emotions]
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(-0.5, len(clips)), minor=True)
    axes.grid(which="minor", axis="x", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    for column, row in enumerate(scores.argmax(axis=0)):  # a dot on each clip's strongest emotion
        axes.plot(column, row, "o", color="white", markeredgecolor="black", markersize=6)
    bar = figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.6, pad=0.01)
    bar.set_label("intensity, 0 to 10 (dot: strongest)")
    bar.outline.set_visible(False)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=150)
    plt.close(figure)


def main() -> None:
    """Command line of `plot_scores.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scores", type=Path, help="score file of `emonet-voice score`")
    parser.add_argument("picture", type=Path, help="PNG or SVG to write")
    arguments = parser.parse_args()
    plot(arguments.scores, arguments.picture)
    print(f"wrote {arguments.picture}")


if __name__ == "__main__":
    main()
