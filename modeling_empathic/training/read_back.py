"""How well captions that a model wrote tell the scores of their clips."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..taxonomy import EMOTION_NAMES
from .captions import CaptionError, parse_caption


def read_back(captions: Sequence[str], scores: ArrayLike) -> dict[str, Any]:
    """Spearman's ρ of the levels in captions with the scores of the same clips.

    A caption whose levels cannot be told is counted and left out; it is no row of zeros.

    Args:
        captions: One for each clip.
        scores: `(clips, 40)` on the 0-4 scale, in the order of `EMOTION_NAMES`.

    Returns:
        `spearman`, the mean over the emotions whose scores differ between clips, where one that
        the captions do not tell apart counts 0; `per_emotion`, those; `silent_on`, how many of
        them the captions do not tell apart; `spearman_pooled`, over all clips and emotions at
        once; `clips`, `unparsed`. A correlation of nothing is NaN.

    Example:
        >>> scores = np.zeros((3, 40))
        >>> scores[:, 0] = 0, 2, 4
        >>> result = read_back(["I hear some amusement.", "Moderate", "Intense amusement"], scores)
        >>> round(result["spearman"], 3), result["unparsed"]
        (1.0, 1)
    """
    from scipy.stats import spearmanr

    true = np.asarray(scores, dtype=np.float64)
    levels, parsed = np.zeros(true.shape), np.zeros(len(captions), bool)
    for index, caption in enumerate(captions):
        try:
            levels[index] = parse_caption(caption)
        except CaptionError:
            continue
        parsed[index] = True
    levels, true = levels[parsed], true[parsed]
    per_emotion = {}
    silent_on = 0
    for name, read, score in zip(EMOTION_NAMES, levels.T, true.T, strict=True):
        if np.ptp(score) == 0 if len(score) else True:
            continue
        silent = np.ptp(read) == 0
        silent_on += int(silent)
        per_emotion[name] = 0.0 if silent else float(spearmanr(read, score).statistic)
    flat = [side.ravel() for side in (levels, true)]
    defined = all(len(side) and np.ptp(side) > 0 for side in flat)
    return {
        "spearman": float(np.mean([*per_emotion.values()])) if per_emotion else float("nan"),
        "spearman_pooled": float(spearmanr(*flat).statistic) if defined else float("nan"),
        "silent_on": silent_on,
        "clips": len(captions),
        "unparsed": int((~parsed).sum()),
        "per_emotion": per_emotion,
    }
