"""From a system's own labels and scale to emotions and 0 to 10.

Several windows of a clip become one score by their mean, weighted by their length; several labels
of one emotion (Hume has two kinds of surprise) by the highest: it is there if either is.
"""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from evaluate_metrics.emonet_voice import SCALES
from modeling_empathic.report.statistics import window_mean
from modeling_empathic.taxonomy import HUME_TO_EMOTION, to_0_10

from .errors import AdapterError
from .replies import canonical

Window = tuple[float, dict[str, Any]]
"""A weight, such as its length in seconds, and the score of each label."""

_TABLE_8 = {label.casefold(): target for label, target in HUME_TO_EMOTION.items()}


def scale_ends(scale: str) -> tuple[float, float]:
    """Lowest and highest value of a declared scale.

    Raises:
        AdapterError: Unknown scale.

    Example:
        >>> scale_ends("0-4")
        (0.0, 4.0)
    """
    if scale not in SCALES:
        raise AdapterError(f"scale {scale!r} is not one of {', '.join(SCALES)}")
    low, high = scale.split("-")
    return float(low), float(high)


def label_means(windows: Iterable[Window]) -> dict[str, float]:
    """Each label's mean over the windows that have it, weighted by their length.

    Example:
        >>> label_means([(5.0, {"Joy": 0.2}), (1.0, {"Joy": 0.8, "Awe": 0.1})])
        {'Joy': 0.3, 'Awe': 0.1}
    """
    by_label: dict[str, list[tuple[float, float]]] = {}
    for weight, scores in windows:
        for label, score in scores.items() if weight > 0 else ():
            by_label.setdefault(label, []).append((score, weight))
    return {
        label: round(float(window_mean(*zip(*pairs, strict=True))), 9)
        for label, pairs in by_label.items()
    }


def on_0_10(scores: Mapping[str, float], scale: str, *, clip: bool = True) -> dict[str, float]:
    """Scores on 0 to 10, by default clipped as the paper does (Table 5).

    Example:
        >>> on_0_10({"Awe": 0.25, "Pain": 1.02}, "0-1")
        {'Awe': 2.5, 'Pain': 10.0}
    """
    low, high = scale_ends(scale)
    if clip:
        return {label: to_0_10(score, (low, high)) for label, score in scores.items()}
    return {label: (score - low) * 10 / (high - low) for label, score in scores.items()}


def hume_name(label: str) -> str:
    """What Table 8 calls a label of Hume, else the label itself.

    Example:
        >>> hume_name("Joy"), hume_name("Guilt")
        ('Elation', 'Guilt')
    """
    return _TABLE_8.get(label.casefold(), canonical(label)) or label


def hume_emotions(scores: Mapping[str, float]) -> dict[str, float]:
    """Hume's labels as ours, by Table 8; labels without a counterpart keep their name.

    Labels that are spelled as ours (Anger, Sadness, ...) are not in Table 8 and map to themselves.

    Example:
        >>> hume_emotions({"Joy": 0.5, "Surprise (positive)": 0.2, "Surprise (negative)": 0.6,
        ...                "Guilt": 0.1, "Anger": 0.3})
        {'Elation': 0.5, 'Astonishment/Surprise': 0.6, 'Guilt': 0.1, 'Anger': 0.3}
    """
    emotions: dict[str, float] = {}
    for label, score in scores.items():
        name = hume_name(label)
        emotions[name] = max(emotions.get(name, score), score)
    return emotions


def as_json(scores: Mapping[str, Any]) -> str:
    """Labels and scores as a reply has them; NaN and infinity, which JSON has not, become null."""
    return json.dumps(
        {
            label: None if isinstance(score, float) and not math.isfinite(score) else score
            for label, score in scores.items()
        },
        ensure_ascii=False,
    )
