"""The results as files: CSV and JSON of the numbers, PNG, subtitles and labels of the timeline."""

import csv
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from emonet.taxonomy import short_name, to_0_10
from emonet.timelines import audacity_labels, cues, webvtt
from families import FAMILY, ORDER, OTHER
from lanes import ceiling, nearest
from panels import clock, in_order

NOTE = "How a voice sounds to a model; not what anybody feels. Not for decisions about people."
_COLOURS = dict(
    zip(ORDER, ("#009e73", "#0072b2", "#d55e00", "#aa4499", "#3d8fc4", "#6b6b6b"), strict=True)
)  # Okabe and Ito's, which colour-blind readers tell apart, two of them darker
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(text: str) -> str:
    """Text that a spreadsheet shows and does not run as a formula.

    Example:
        >>> safe_cell("=1+1.wav"), safe_cell("clip.wav")
        ("'=1+1.wav", 'clip.wav')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def stem(name: str) -> str:
    """What files about a recording are called.

    Example:
        >>> stem("Interview 3.wav"), stem("=1+1<b>.wav")
        ('Interview 3', '_1_1_b_')
    """
    return re.sub(r"[^\w .-]", "_", Path(name).stem)[:80].strip(" .") or "recording"


def csv_text(name: str, result: dict[str, Any], over_time: dict[str, Any]) -> str:
    """A row for the whole recording and one a window; scores on the heads' own scale, unclamped.

    Args:
        name: Of the recording, as the user called it.
        result: Of `analysis.score`.
        over_time: Of `analysis.timeline`.
    """
    emotions = list(over_time["scores"])
    whole = {row["emotion"]: row["score"] for row in result["emotions"]}
    buffer = io.StringIO()
    table = csv.writer(buffer)
    columns = ["path", "part", "start_s", "end_s", "quality"]
    table.writerow([*columns, *map(safe_cell, emotions)])
    cell = safe_cell(name)
    scores = [f"{whole[emotion]:.5f}" for emotion in emotions]
    end, quality = f"{result['duration_s']:.3f}", result["quality"]
    table.writerow([cell, "recording", 0, end, quality, *scores])
    for i, (start, end) in enumerate(zip(over_time["start_s"], over_time["end_s"], strict=True)):
        scores = [f"{over_time['scores'][emotion][i]:.5f}" for emotion in emotions]
        table.writerow([cell, "window", f"{start:.3f}", f"{end:.3f}", "", *scores])
    return buffer.getvalue()


def json_text(name: str, **parts: dict[str, Any]) -> str:
    """Everything that the page shows, with the scales it is on.

    Args:
        name: Of the recording, as the user called it.
        parts: Results of `analysis`, by the names of its functions.
    """
    about = {"path": name, "note": NOTE, "scale": "score: about 0 to 4; intensity_0_10: 2.5 times"}
    return json.dumps({**about, **parts}, ensure_ascii=False, indent=1, allow_nan=False)


def subtitles(name: str, result: dict[str, Any], over_time: dict[str, Any]) -> tuple[str, str]:
    """The strongest emotions over time, as WebVTT and as a label track for Audacity.

    Args:
        name: Of the recording, as the user called it.
        result: Of `analysis.score`.
        over_time: Of `analysis.timeline`.
    """
    rows = [[to_0_10(value) for value in row] for row in over_time["scores"].values()]
    parts = cues(
        over_time["start_s"],
        over_time["end_s"],
        result["duration_s"],
        list(over_time["scores"]),
        np.array(rows).T,
    )
    return webvtt(parts, f"{name}, {result['model']}"), audacity_labels(parts)


def write_png(
    path: Path, result: dict[str, Any], over_time: dict[str, Any], wave: np.ndarray
) -> None:
    """Bars of the strongest emotions, and all of them over time under the waveform.

    Args:
        path: To write.
        result: Of `analysis.score`.
        over_time: Of `analysis.timeline`.
        wave: Of `analysis.envelope`.
    """
    import matplotlib
    from matplotlib.figure import Figure

    names = in_order(list(over_time["scores"]))
    top = result["emotions"][:10]
    heights = [0.3 * len(top), 0.7, 0.19 * len(names)]
    with matplotlib.rc_context({"font.size": 9, "text.parse_math": False}):
        figure = Figure(figsize=(8, 2.6 + sum(heights)), layout="constrained")
        bars, sound, heat = figure.subplots(3, height_ratios=heights)
        _bars(bars, top)
        duration_s = result["duration_s"]
        time_s = np.linspace(0, duration_s, len(wave))
        sound.fill_between(time_s, -wave, wave, color="#777777", linewidth=0)
        sound.set(xlim=(0, duration_s), yticks=[], xticks=[])
        sound.spines[:].set_visible(False)
        image = _heat(heat, names, over_time, duration_s)
        scale = figure.colorbar(image, ax=heat, orientation="horizontal", shrink=0.5, aspect=40)
        scale.set_label("intensity (of 10)")
        scale.outline.set_visible(False)
        figure.suptitle(
            f"{result['model']}: {clock(duration_s)} of speech\n{NOTE}", fontsize=8, color="#555555"
        )
        figure.savefig(path, dpi=130)


def _bars(axes: Any, top: list[dict[str, Any]]) -> None:
    heights = list(range(len(top)))
    axes.barh(
        heights,
        [row["intensity_0_10"] for row in top],
        0.75,
        color=[_COLOURS[row["family"]] for row in top],
    )
    for height, row in zip(heights, top, strict=True):
        usual, percent = row["usual_0_10"], row["percentile"]
        if usual is not None:
            axes.plot([usual, usual], [height - 0.4, height + 0.4], color="black", linewidth=1.5)
        rank = "" if percent is None else f", above {percent:.0f} % of the reference"
        # Beyond the tick too, which may stand right of a short bar.
        end = max(row["intensity_0_10"], usual or 0) + 0.12
        axes.text(end, height, f"{row['intensity_0_10']:.1f}{rank}", va="center", fontsize=8)
    axes.set_yticks(heights, [short_name(row["emotion"]) for row in top])
    axes.set(xlim=(0, 13.5), xticks=range(0, 11, 2), xlabel="intensity, 0 to 10")
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _heat(axes: Any, names: list[str], over_time: dict[str, Any], duration_s: float) -> Any:
    rows = np.array([[to_0_10(value) for value in over_time["scores"][name]] for name in names])
    times = zip(over_time["start_s"], over_time["end_s"], strict=True)
    columns = nearest([(start + end) / 2 for start, end in times], duration_s)
    image = axes.imshow(
        rows[:, columns], cmap="cividis", vmin=0, vmax=ceiling(rows), aspect="auto",
        interpolation="nearest", extent=(0, duration_s, len(names) - 0.5, -0.5),
    )  # fmt: skip
    axes.set_yticks(range(len(names)), [short_name(name) for name in names], fontsize=7)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color(_COLOURS[FAMILY.get(name, OTHER)])
    window_s = round(over_time["window_s"], 2)
    axes.set(xlim=(0, duration_s), xlabel=f"seconds (windows of {window_s:g} s)")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def rounded(result: dict[str, Any]) -> dict[str, Any]:
    """A result with its numbers rounded, for people and machines that read it as text.

    Example:
        >>> rounded({"a": [1.23456, None], "b": "text", "c": 3})
        {'a': [1.2346, None], 'b': 'text', 'c': 3}
    """
    return {key: _rounded(value) for key, value in result.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return rounded(value)
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value
