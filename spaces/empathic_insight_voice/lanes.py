"""What lies along time, as HTML: lines, heat map, moments, acoustics; one geometry for all.

A lane is a row with a label at the left and a picture whose width is the recording's length. The
script of the page moves one line through all of them with the player.
"""

import base64
import io
import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from emonet.taxonomy import short_name, to_0_10
from families import FAMILY, ORDER, OTHER
from panels import clock, family_class, in_order, leaders, question

_COLUMNS = 480  # of the heat map: two a window where there are most
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600)  # seconds between ticks


def timeline(result: dict[str, Any], over_time: dict[str, Any]) -> str:
    """A line for each of the leaders of the bars, and a heat map of all.

    Args:
        result: Of `analysis.score`.
        over_time: Of `analysis.timeline`.
    """
    duration_s = result["duration_s"]
    intensity = {
        name: [to_0_10(value) for value in row] for name, row in over_time["scores"].items()
    }
    start_s, end_s = over_time["start_s"], over_time["end_s"]
    middle_s = [(start + end) / 2 for start, end in zip(start_s, end_s, strict=True)]
    names = [row["emotion"] for row in leaders(result) if row["emotion"] in intensity]
    top = ceiling(np.array([intensity[name] for name in names]))
    # The ends lie in no window's middle: the first and the last window speak for them.
    time_s = [0.0, *middle_s, duration_s]
    lines = []
    for name in names:
        row = intensity[name]
        at_s = middle_s[int(np.argmax(row))]
        words = f"{name}: highest {max(row):.1f} of 10 at {clock(at_s)}, lowest {min(row):.1f}."
        family = FAMILY.get(name, OTHER)
        drawn = [row[0], *row, row[-1]]
        line = _path(time_s, drawn, duration_s, 0, top, f"line line-{ORDER.index(family)}")
        label = f'<em title="{escape(name)}">{escape(short_name(name))}</em>{_scale(top, 0)}'
        lines.append(_lane(label, _svg(line, words), 52))
    window, hop = (f"{round(over_time[key], 2):g} s" for key in ("window_s", "hop_s"))
    rows = in_order(list(intensity))
    labels = "".join(
        f'<span class="{family_class(FAMILY.get(name, OTHER))}" title="{escape(name)}">'
        f"{escape(short_name(name))}</span>"
        for name in rows
    )
    columns = nearest(middle_s, duration_s)
    everything = np.array([intensity[name] for name in rows])
    highest = ceiling(everything)
    picture = _image(everything[:, columns] / highest)
    peak = rows[int(everything.max(1).argmax())]
    alt = (
        f"Heat map of {len(rows)} emotions. Intensity over {clock(duration_s)} in windows of "
        f"{window}. The highest is {peak}: {max(intensity[peak]):.1f} of 10."
    )
    heat = f'<img src="{picture}" alt="{escape(alt)}">'
    why = (
        f"Windows of {window} every {hop}; a moment has the score of the window whose middle is "
        "nearest. A few seconds of speech are less to go by than a whole clip: shorter windows "
        "tell better when, and worse what. The lines are those of the first bars above, on one "
        "scale. Click a picture, or press the arrow keys in it, to move the player."
    )
    changed = escape(over_time["changed"])
    changed = f'<p class="note changed">{changed} So {window} every {hop}.</p>' if changed else ""
    return (
        f'<div class="voice">{question("the timeline", why)}{changed}'
        + _lanes("".join(lines), duration_s)
        + f"<details><summary>All {len(rows)} as a heat map</summary>"
        + _lanes(_lane(labels, heat, 15 * len(rows), "heat"), duration_s, "wide")
        + '<p class="ramp"><span>0</span><img alt="" src="'
        + _image(np.linspace(0, 1, 64)[None])
        + f'"><span>{highest}, of 10</span></p></details></div>'
    )


def ceiling(intensity: np.ndarray) -> int:
    """Where the scale of a picture ends: a whole number, at least 2 of the 10.

    Example:
        >>> ceiling(np.array([0.1])), ceiling(np.array([3.2, 6.6]))
        (2, 7)
    """
    return max(2, math.ceil(float(intensity.max())))


def nearest(middle_s: Sequence[float], duration_s: float) -> np.ndarray:
    """For each column of a heat map the window with the nearest middle.

    Example:
        >>> np.unique(nearest([1.0, 3.0], 4.0), return_counts=True)[1]
        array([240, 240])
    """
    time_s = (np.arange(_COLUMNS) + 0.5) * duration_s / _COLUMNS
    column: np.ndarray = np.abs(time_s[:, None] - np.asarray(middle_s)).argmin(1)
    return column


def moments(result: dict[str, Any], wave: np.ndarray, duration_s: float) -> str:
    """The waveform, and under it what each moment adds to an emotion.

    Args:
        result: Of `analysis.moments`.
        wave: Of `analysis.envelope`.
        duration_s: Of the recording.
    """
    step_s = result["step_s"]
    # A second of a long recording adds little to its mean: there a minute is the unit.
    unit, short, unit_s = ("minute", "min", 60) if duration_s > 30 else ("second", "s", 1)
    points = [value * unit_s for value in result["points_per_s"]]
    bound = max(0.1 * unit_s * min(1, 30 / duration_s), max(map(abs, points)))
    time_s = [(i + 0.5) * step_s for i in range(len(points))]
    name = result["emotion"]
    middle = f'<path class="zero" d="M0 {_y(0, -bound, bound):.2f}H1000"/>'
    areas = "".join(
        _area(time_s, [sign * max(0.0, sign * value) for value in points], duration_s, bound, kind)
        for sign, kind in ((1, "adds"), (-1, "takes"))
    )
    best = int(np.argmax(points))
    description = (
        f"What each moment adds to {name}, from {min(points):.1f} to {max(points):.1f} points of "
        f"intensity a {unit}; the most at {clock(min(time_s[best], duration_s))}."
    )
    total = sum(points) * step_s / unit_s
    why = (
        f"The area above the line less the area below it is {total:+.1f} points of the intensity "
        f"of 0 to 10; {result['rest']:+.1f} come from no moment (constants of the head, and the "
        "padding to 30 s). It shows what this model used, not what caused anything."
    )
    if duration_s > 30:
        why += " Windows of 30 s are explained one by one; each counts by its length."
    adds = f"<em>Adds<small>points/{short}</small></em>{_scale(bound, -bound)}"
    return (
        f'<div class="voice">{question("these moments", escape(why))}'
        + _lanes(_waveform(wave) + _lane(adds, _svg(middle + areas, description), 110), duration_s)
        + "</div>"
    )


def acoustics(result: dict[str, Any], wave: np.ndarray, duration_s: float) -> str:
    """Pitch, loudness and rate on the same time axis.

    Args:
        result: Of `analysis.acoustics`.
        wave: Of `analysis.envelope`.
        duration_s: Of the recording.
    """
    lanes = []
    for key, title, unit, digits in (
        ("f0_hz", "Pitch", "Hz", 0),
        ("level_dbfs", "Loudness", "dB", 0),
        ("rate_hz", "Rate", "syllables/s", 1),
    ):
        values = result[key]
        known = [value for value in values if value is not None]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        if key == "level_dbfs":
            low = max(low, high - 60)  # below that it is the noise of the recording
        pad = 0.08 * (high - low) or 1.0
        low, high = low - pad, high + pad
        low = low if key == "level_dbfs" else max(0.0, low)  # no pitch or rate is below zero
        time_s = [(i + 0.5) * result["step_s"] for i in range(len(values))]
        drawn = [None if value is None else max(value, low) for value in values]
        description = (
            f"{title} from {min(known):.{digits}f} to {max(known):.{digits}f} {unit}."
            if known
            else f"{title}: nothing could be measured."
        )
        scale = _scale(high, low, digits) if known else '<span class="scale"><b>none</b></span>'
        lanes.append(
            _lane(
                f"<em>{title}<small>{unit}</small></em>{scale}",
                _svg(_path(time_s, drawn, duration_s, low, high, "line line-1"), description),
                90,
            )
        )
    features = result["features"]
    facts = [
        ("median pitch", features["f0_median_hz"], "{:.0f} Hz"),
        ("pitch range", features["f0_range_st"], "{:.1f} semitones"),
        ("voiced", features["voiced_share"], "{:.0%} of the speech"),
        ("loudness", features["level_dbfs"], "{:.0f} dBFS"),
        ("loudness range", features["level_range_db"], "{:.0f} dB"),
        ("rate", features["syllable_rate_hz"], "{:.1f} syllables/s"),
    ]
    items = "".join(
        f"<div><dt>{name}</dt><dd>{_said(form, v)}</dd></div>" for name, v, form in facts
    )
    why = (
        "Measured by librosa, not by the model: pitch by pYIN, loudness as level, rate by peaks of "
        "the level (an approximation)."
    )
    return (
        f'<div class="voice">{question("how it sounds", why)}<dl>{items}</dl>'
        + _lanes(_waveform(wave) + "".join(lanes), duration_s)
        + "</div>"
    )


def _lanes(inside: str, duration_s: float, kind: str = "") -> str:
    """Lanes above their axis, and over them what moves the player, by mouse and by keyboard."""
    return (
        f'<div class="lanes {kind}">{inside}{_axis(duration_s)}'
        '<div class="seek" role="slider" tabindex="0" aria-label="Position in the recording" '
        f'aria-valuemin="0" aria-valuemax="{duration_s:.2f}" aria-valuenow="0" '
        'aria-valuetext="0 s"><i class="now"></i></div></div>'
    )


def _lane(label: str, picture: str, height_px: int, kind: str = "") -> str:
    return (
        f'<div class="label {kind}" style="height:{height_px}px">{label}</div>'
        f'<div class="lane {kind}" style="height:{height_px}px">{picture}</div>'
    )


def _scale(high: float, low: float, digits: int | None = None) -> str:
    digits = (1 if high - low < 4 else 0) if digits is None else digits
    form = f"{{:.{digits}f}}"
    return f'<span class="scale"><b>{_said(form, high)}</b><b>{_said(form, low)}</b></span>'


def _said(form: str, value: float | None) -> str:
    """A figure as the page prints it: a true minus, a space before a per cent sign."""
    if value is None:
        return "not to be told"
    return form.format(value).replace("-", "−").replace("%", " %")


def _axis(duration_s: float) -> str:
    step_s = next((step for step in _STEPS if duration_s / step <= 7), _STEPS[-1])
    form = (lambda t: f"{t:g} s") if duration_s < 60 else clock
    ticks = "".join(
        f'<span style="left:{100 * i * step_s / duration_s:.2f}%">{form(round(i * step_s, 3))}'
        "</span>"
        for i in range(int(0.97 * duration_s / step_s) + 1)
    )
    return f'<div class="label empty"></div><div class="axis" aria-hidden="true">{ticks}</div>'


def _svg(inside: str, description: str) -> str:
    return (
        f'<svg role="img" aria-label="{escape(description)}" viewBox="0 0 1000 100" '
        f'preserveAspectRatio="none">{inside}</svg>'
    )


def _waveform(wave: np.ndarray) -> str:
    x = np.linspace(0, 1000, len(wave) + 1)
    up = [f"{a:.1f} {50 - 48 * v:.1f}H{b:.1f}" for a, b, v in zip(x, x[1:], wave, strict=False)]
    down = [f"{b:.1f} {50 + 48 * v:.1f}H{a:.1f}" for a, b, v in zip(x, x[1:], wave, strict=False)]
    shape = f"M0 50L{'L'.join(up)}L{'L'.join(reversed(down))}Z"
    return _lane("<em>Sound</em>", _svg(f'<path class="wave" d="{shape}"/>', "Waveform"), 70)


def _path(
    time_s: Sequence[float],
    values: Sequence[float | None],
    duration_s: float,
    low: float,
    high: float,
    kind: str,
) -> str:
    """A line with gaps where a value is None."""
    parts, pen = [], "M"
    for time, value in zip(time_s, values, strict=True):
        if value is None:
            pen = "M"
            continue
        x = 1000 * min(time / duration_s, 1)
        # A point between two gaps would be nothing: a short dash shows it.
        parts.append(f"{pen}{x:.1f} {_y(value, low, high):.2f}{'h2' if pen == 'M' else ''}")
        pen = "L"
    return f'<path class="{kind}" d="{"".join(parts)}"/>'


def _area(
    time_s: Sequence[float], values: Sequence[float], duration_s: float, bound: float, kind: str
) -> str:
    zero = _y(0, -bound, bound)
    points = "".join(
        f"L{1000 * min(time / duration_s, 1):.1f} {_y(value, -bound, bound):.2f}"
        for time, value in zip(time_s, values, strict=True)
    )
    return f'<path class="{kind}" d="M0 {zero:.2f}{points}L1000 {zero:.2f}Z"/>'


def _y(value: float, low: float, high: float) -> float:
    return 98 - 96 * (value - low) / (high - low)


def _image(values: np.ndarray) -> str:
    """A data URI of a picture with a pixel a value, 0 to 1 from dark to bright."""
    from matplotlib import colormaps
    from PIL import Image

    pixels = (255 * colormaps["cividis"](values)[..., :3]).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
