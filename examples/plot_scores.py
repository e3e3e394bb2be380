"""A picture of a score file: the strongest emotions of each clip as bars, or all clips as a map.

python examples/plot_scores.py demo/scores.parquet demo/scores.png
python examples/plot_scores.py demo/scores.parquet demo/map.png --heat
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from modeling_empathic.report.figures import DARK, ORANGE, PURPLE, bare, picture
from modeling_empathic.report.statistics import window_mean
from modeling_empathic.report.tables import printable
from modeling_empathic.scoring.aggregates import in_words
from modeling_empathic.scoring.file import read_provenance, read_scores
from modeling_empathic.taxonomy import (
    EMOTION_NAMES,
    UnknownNameError,
    UserError,
    resolve,
    short_name,
    to_0_10,
)

EXAMPLES = Path(__file__).resolve().parent / "clips"
STRONGEST = 8  # of each clip, as bars
OF_EACH = 2  # strongest emotions of each clip that get a row of the map
MAX_BARS, MAX_COLUMNS, MAX_ROWS = 24, 60, 24
TRACK = "#efefec"


class Clip(NamedTuple):
    """What a picture shows of a clip.

    Attributes:
        name: Of its file.
        scores: Intensity of each emotion, 0 to 10, of several windows by `rule`.
        acted: What was acted, where that is known; else empty.
        quality: What makes the scores doubtful; else empty.
        rule: By what a clip of several windows is ranked; empty for one of one window.
    """

    name: str
    scores: dict[str, float]
    acted: str = ""
    quality: str = ""
    rule: str = ""


def read_clips(path: Path) -> tuple[str, list[Clip]]:
    """The model's name and the clips that it scored, in the order of the score file.

    Raises:
        UserError: No score file, none of the clips was scored, or no head is an emotion.
    """
    table = read_scores(path).to_pandas()
    table = table[table["outcome"] == "scored"]
    emotions = [name for name in EMOTION_NAMES if name in table.columns]
    if table.empty or not emotions:
        raise UserError(f"{path} holds no {'emotion' if len(table) else 'scored clip'}")
    about = read_provenance(path)
    clips = []
    for name, rows in table.groupby("path", sort=False):
        means = window_mean(rows[emotions].to_numpy(), (rows["end_s"] - rows["start_s"]).to_numpy())
        pairs = zip(emotions, means.tolist(), strict=True)
        scores = {emotion: to_0_10(mean, about["scales"][emotion]) for emotion, mean in pairs}
        how = about.get("aggregate")
        rule = in_words(how) if how or len(rows) > 1 else ""
        doubts = ", ".join(dict.fromkeys(filter(None, rows["quality"])))
        clips.append(Clip(printable(Path(name).stem), scores, _acted(Path(name)), doubts, rule))
    return str(about["model"]), clips


def _acted(path: Path) -> str:
    """What the example clips say in their names; of other files nobody knows."""
    if path.resolve().parent != EXAMPLES:
        return ""
    word = path.stem.split("_", 1)[1]
    try:
        return resolve(word)
    except UnknownNameError:
        return word  # neutral


def plot_bars(model: str, clips: Sequence[Clip], path: Path, across: int = 2) -> None:
    """Draws the strongest emotions of each clip as bars from 0 to 10.

    The acted emotion, where it is known, is orange and bold; it has a bar of its own where it is
    not among the strongest.

    Args:
        model: Its name.
        clips: Those to show.
        path: PNG or SVG to write.
        across: Clips beside each other.
    """
    lines = [_bars_of(clip) for clip in clips]
    across = min(across, len(clips))
    n_rows = math.ceil(len(clips) / across)
    tallest = max(map(len, lines))
    height = 1.5 + n_rows * (0.65 + 0.21 * tallest)
    with picture(path, 0.2 + 4.5 * across, height) as figure:
        grid = figure.subplots(n_rows, across, squeeze=False).ravel()
        for axes in grid[len(clips) :]:
            axes.axis("off")
        for i, (axes, clip, ranked) in enumerate(zip(grid, clips, lines, strict=False)):
            _bars(axes, clip, ranked, tallest)
            axes.set_xticks((0, 5, 10), (0, 5, 10) if i + across >= len(clips) else ("", "", ""))
        figure.suptitle(
            f"The strongest emotions of {_how_many(clips, 'clip')}\n{printable(model)}",
            x=0.02, ha="left", fontsize=11, parse_math=False,
        )  # fmt: skip
        known = (
            "\norange: what was acted" if any(clip.acted in clip.scores for clip in clips) else ""
        )
        figure.supxlabel(
            f"intensity, 0 (absent) to 10 (extremely present){_rule(clips)}{known}", fontsize=9
        )


def _bars_of(clip: Clip) -> list[tuple[int, str, float]]:
    """Rank, emotion and intensity of the bars of a clip."""
    ranked = sorted(clip.scores.items(), key=lambda pair: -pair[1])
    lines = [(rank, name, value) for rank, (name, value) in enumerate(ranked, start=1)]
    return lines[:STRONGEST] + [line for line in lines[STRONGEST:] if line[1] == clip.acted]


def _bars(axes: Any, clip: Clip, ranked: list[tuple[int, str, float]], tallest: int) -> None:
    heights = [i + 0.4 * (rank > STRONGEST) for i, (rank, *_) in enumerate(ranked)]
    values = [value for *_, value in ranked]
    colours = [ORANGE if name == clip.acted else PURPLE for _, name, _ in ranked]
    axes.barh(heights, 10, 0.7, color=TRACK)
    axes.barh(heights, values, 0.7, color=colours)
    for height, (rank, _, value) in zip(heights, ranked, strict=True):
        place = f"  (rank {rank})" if rank > STRONGEST else ""
        axes.text(10.2, height, f"{value:.1f}", va="center", color=DARK)
        axes.text(value + 0.2, height, place, va="center", color=DARK, fontsize=8)
    axes.set_yticks(heights, [short_name(name) for _, name, _ in ranked], parse_math=False)
    for label, (_, name, _) in zip(axes.get_yticklabels(), ranked, strict=True):
        label.set_fontweight("bold" if name == clip.acted else "normal")
    axes.set(xlim=(0, 11.4), ylim=(tallest - 0.4, -0.5))
    bare(axes)
    known = [f"acted as {short_name(clip.acted)}"] if clip.acted else []
    said = ", ".join([*known, *([clip.quality] if clip.quality else [])])
    name = clip.name if len(clip.name) <= 34 else clip.name[:33] + "…"
    axes.set_title(name, loc="left", fontweight="bold", pad=16 if said else 4, parse_math=False)
    axes.annotate(
        said, (0, 1), xycoords="axes fraction", xytext=(0, 4), textcoords="offset points",
        color=DARK, parse_math=False,
    )  # fmt: skip


def plot_heat(model: str, clips: Sequence[Clip], path: Path) -> None:
    """Draws clips across and emotions down, only those among the strongest of some clip.

    Cividis keeps its order for colour-blind readers and in greyscale. A ring marks what was acted,
    where that is known.

    Args:
        model: Its name.
        clips: Those to show.
        path: PNG or SVG to write.
    """
    of_each = OF_EACH if len(clips[0].scores) > STRONGEST else STRONGEST
    shown = {name for clip in clips for _, name, _ in _bars_of(clip)[:of_each]}
    shown |= {clip.acted for clip in clips}
    strongest = {name: max(clip.scores[name] for clip in clips) for name in clips[0].scores}
    kept = sorted(shown & set(strongest), key=lambda name: -strongest[name])[:MAX_ROWS]
    emotions = [name for name in strongest if name in kept]  # in the order of the paper
    scores = np.array([[clip.scores[name] for clip in clips] for name in emotions])
    top = min(10, max(1, math.ceil(scores.max())))
    size = 2.1 + max(0.32 * len(clips), 2.5), 2.3 + 0.22 * len(emotions)
    with picture(path, *size) as figure:
        axes = figure.add_subplot()
        image = axes.imshow(scores, cmap="cividis", vmin=0, vmax=top, aspect="auto")
        names = [clip.name if len(clip.name) <= 20 else clip.name[:19] + "…" for clip in clips]
        axes.set_xticks(range(len(clips)), names, rotation=45, ha="right", rotation_mode="anchor",
                        parse_math=False)  # fmt: skip
        axes.set_yticks(range(len(emotions)), [short_name(name) for name in emotions])
        axes.set_xticks(np.arange(0.5, len(clips) - 1), minor=True)
        axes.set_yticks(np.arange(0.5, len(emotions) - 1), minor=True)
        axes.grid(which="minor", color="white", linewidth=0.7)
        bare(axes)
        known = [(i, emotions.index(c.acted)) for i, c in enumerate(clips) if c.acted in emotions]
        if known:
            for colour, width in (("black", 3), ("white", 1.5)):
                axes.plot(*zip(*known, strict=True), "o", mfc="none", mec=colour, ms=8, mew=width)
        bar = figure.colorbar(image, ax=axes, orientation="horizontal", aspect=40, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label(
            f"intensity, 0 to {top} of 10{_rule(clips)}{'; ring: acted' if known else ''}"
        )
        figure.suptitle(
            f"Emotions of {_how_many(clips, 'clip')}\n{printable(model)}",
            x=0.02, ha="left", fontsize=11, parse_math=False,
        )  # fmt: skip


def _rule(clips: Sequence[Clip]) -> str:
    """By what clips of several windows are ranked, where there are any."""
    return next((f", by {clip.rule}" for clip in clips if clip.rule), "")


def _how_many(clips: Sequence[Clip], word: str) -> str:
    return f"a {word}" if len(clips) == 1 else f"{len(clips)} {word}s"


def main() -> None:
    """Command line of `plot_scores.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scores", type=Path, help="score file of `emonet-voice score`")
    parser.add_argument("picture", type=Path, help="PNG or SVG to write")
    parser.add_argument("--heat", action="store_true", help="a map of all clips instead of bars")
    arguments = parser.parse_args()
    try:
        model, clips = read_clips(arguments.scores)
        arguments.picture.parent.mkdir(parents=True, exist_ok=True)
        few = clips[: MAX_COLUMNS if arguments.heat else MAX_BARS]
        (plot_heat if arguments.heat else plot_bars)(model, few, arguments.picture)
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
    rest = f", the first {len(few)} of {len(clips):,} clips" if len(few) < len(clips) else ""
    print(f"wrote {arguments.picture}{rest}")


if __name__ == "__main__":
    main()
