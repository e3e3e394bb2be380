"""The timeline of a recording as files: a picture, WebVTT, and labels for Audacity."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modeling_empathic.report.figures import bare, picture
from modeling_empathic.report.files import replacing
from modeling_empathic.report.tables import printable
from modeling_empathic.taxonomy import short_name
from modeling_empathic.timelines import Cue, audacity_labels, cues, webvtt

from .recordings import Recording, emotions_of, time_of

N_LINES = 6
# Okabe and Ito's, which colour-blind readers tell apart; yellow darkened, to be seen on white.
_COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#a08000", "#56b4e9")
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # seconds between ticks


def write_timeline(recording: Recording, stem: Path, model: str, top: int = 3) -> list[Path]:
    """Writes `<stem>.png`, `<stem>.vtt` and `<stem>.txt`, each in one step.

    Args:
        recording: One that could be scored.
        stem: Where, without a suffix; folders above are made.
        model: Its name, for the picture and the notes.
        top: Emotions in a subtitle.

    Returns:
        The files.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    shown = emotions_of(recording.heads)
    names = [recording.heads[head]["name"] for head in shown]
    parts = cues(
        recording.spans_s[:, 0].tolist(),
        recording.spans_s[:, 1].tolist(),
        recording.duration_s,
        names,
        recording.windows[:, shown],
        top,
    )
    files = [stem.with_name(stem.name + suffix) for suffix in (".png", ".vtt", ".txt")]
    for file, text in (
        (files[1], webvtt(parts, f"{recording.name}, {model}")),
        (files[2], audacity_labels(parts)),
    ):
        with replacing(file) as temporary:
            temporary.write_text(text, "utf-8")
    _draw(recording, shown, parts, files[0], model)
    return files


def _draw(
    recording: Recording, shown: list[int], parts: Sequence[Cue], path: Path, model: str
) -> None:
    """Lines of the strongest emotions above a heat map of all, on one axis of time."""
    order = sorted(shown, key=lambda head: -recording.peak[head])
    head, window = recording.outburst(shown)
    lines = order[:N_LINES]
    if head not in lines:  # what breaks out once may never be among the highest
        lines[-1] = head
    heights = [2.4, 0.3 + 0.19 * len(order)]
    starts, ends = np.array([(part.start_s, part.end_s) for part in parts]).T
    gaps = np.flatnonzero(starts[1:] > ends[:-1]) + 1  # lines end there
    with picture(path, 9.5, 1.1 + sum(heights)) as figure:
        above, heat = figure.subplots(2, height_ratios=heights, sharex=True)
        middles = np.insert((starts + ends) / 2, gaps, np.nan)
        # A window alone, or between two gaps, is no line.
        dots = "o" if len(parts) < 4 else "." if len(gaps) else ""
        for colour, number in zip(_COLOURS, lines, strict=False):
            name = short_name(recording.heads[number]["name"])
            values = np.insert(recording.windows[:, number], gaps, np.nan)
            above.plot(middles, values, color=colour, label=name, lw=1.6, marker=dots)
        ceiling = max(2, int(np.ceil(recording.windows[:, lines].max())))
        above.set(ylim=(0, 1.12 * ceiling), ylabel="intensity, 0 to 10")
        above.grid(axis="y", color="#e4e4e0", linewidth=0.8)
        above.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        if len(recording.rows) > 1:
            _mark(above, recording, head, window)
        image = heat.imshow(
            _columns(recording.windows[:, order], starts, ends, recording.duration_s).T,
            cmap="cividis", vmin=0, vmax=ceiling, aspect="auto", interpolation="nearest",
            extent=(0, recording.duration_s, len(order) - 0.5, -0.5),
        )  # fmt: skip
        heat.set_yticks(
            range(len(order)), [short_name(recording.heads[i]["name"]) for i in order], fontsize=7.5
        )
        step_s = next((s for s in _STEPS if recording.duration_s / s <= 12), 7200)
        ticks = np.arange(0, recording.duration_s + 0.01, step_s)
        heat.set_xticks(ticks, [time_of(tick) for tick in ticks])
        heat.set(xlim=(0, recording.duration_s), xlabel="time, minutes and seconds")
        scale = figure.colorbar(image, ax=heat, shrink=0.3, aspect=14, pad=0.015, anchor=(0.0, 1.0))
        scale.set_label("intensity, 0 to 10")
        scale.outline.set_visible(False)
        bare(above)
        bare(heat)
        lengths = recording.spans_s[:, 1] - recording.spans_s[:, 0]
        n = len(recording.rows)
        title = (
            f"{recording.name}\n{model}; {n} window{'s' * (n > 1)} of {lengths.max():.3g} s, "
            "emotions by their highest moment"
        )
        text = "\n".join(map(printable, title.split("\n")))
        figure.suptitle(text, fontsize=10, x=0.01, ha="left", parse_math=False)


def _mark(axes: Any, recording: Recording, head: int, window: int) -> None:
    """A band where one emotion rises most above its mean."""
    start_s, end_s = recording.spans_s[window]
    name = short_name(recording.heads[head]["name"])
    value = recording.windows[window, head]
    axes.axvspan(start_s, end_s, color="#e4e4e0", zorder=0)
    right = start_s > recording.duration_s / 2
    axes.annotate(
        f"{name} {value:.1f} at {time_of(start_s)}",
        ((start_s if right else end_s), axes.get_ylim()[1]),
        xytext=(-4 if right else 4, -4), textcoords="offset points", va="top",
        ha="right" if right else "left", fontsize=8.5, parse_math=False,
    )  # fmt: skip


def _columns(
    values: np.ndarray, starts: np.ndarray, ends: np.ndarray, duration_s: float, n: int = 960
) -> np.ndarray:
    """The values of the window at each of `n` columns across the recording; NaN where none is."""
    times = (np.arange(n) + 0.5) * duration_s / n
    window = np.maximum(np.searchsorted(starts, times, "right") - 1, 0)
    inside = (times >= starts[window]) & (times <= ends[window])
    found: np.ndarray = np.where(inside[:, None], values[window], np.nan)
    return found
