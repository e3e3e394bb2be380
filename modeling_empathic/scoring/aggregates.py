"""One row of many: what a recording's windows say together."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from modeling_empathic.report.statistics import window_mean
from modeling_empathic.taxonomy import UserError

Row = dict[str, Any]
_PERCENTILE = re.compile(r"p(\d{1,2}|100)")
_MEAN = "the mean over its windows"
_KNOWN = "mean, time-weighted, max, or a percentile such as p90"


def check_aggregate(how: str) -> None:
    """Refuses what is none.

    Raises:
        UserError: An unknown word.
    """
    if how not in ("mean", "time-weighted", "max") and not _PERCENTILE.fullmatch(how):
        raise UserError(f"aggregate {how}: choose {_KNOWN}")


def in_words(how: str | None) -> str:
    """By what a clip of several windows is ranked; where each window has its row, by their mean.

    Example:
        >>> in_words(None), in_words("p90"), in_words("max")
        ('the mean over its windows', 'percentile 90 of its windows', 'the highest of its windows')
    """
    if how == "max":
        return "the highest of its windows"
    return f"percentile {how[1:]} of its windows" if how and how[0] == "p" else _MEAN


def aggregate(scores: np.ndarray, lengths_s: np.ndarray, how: str) -> np.ndarray:
    """Scores of windows as one for each head.

    Args:
        scores: `(windows, heads)`.
        lengths_s: `(windows,)`, in seconds.
        how: `mean`, every window alike; `time-weighted`, each as heavy as it is long; `max`; `pN`,
            below which N of 100 windows lie, with straight lines between them.

    Returns:
        `(heads,)`.

    Example:
        >>> two = np.array([[0.0], [3.0]]), np.array([30.0, 15.0])
        >>> [float(aggregate(*two, how)[0]) for how in ("mean", "time-weighted", "max", "p50")]
        [1.5, 1.0, 3.0, 1.5]
    """
    check_aggregate(how)
    if how == "time-weighted":
        return window_mean(scores, lengths_s)
    if how == "max":
        return np.asarray(scores.max(axis=0))
    if how == "mean":
        return np.asarray(scores.mean(axis=0))
    return np.asarray(np.percentile(scores, int(how[1:]), axis=0))


def aggregated(rows: Sequence[Row], heads: Sequence[str], how: str) -> list[Row]:
    """The rows of one clip as one for each channel and speaker.

    It reaches from the first window's start to the last one's end and has the doubts of all.
    Windows without speech do not count; where there are no others, the row has no score either.
    """
    parts: dict[tuple[Any, Any], list[Row]] = {}  # in the order in which they are first heard
    for row in rows:
        parts.setdefault((row.get("channel"), row.get("speaker")), []).append(row)
    found = []
    for part in parts.values():
        if part[0]["error"] is not None:  # one row, of no time
            found.append(part[0])
            continue
        scored = [row for row in part if row["outcome"] == "scored"]
        doubts = (word for row in scored or part for word in row["quality"].split(", ") if word)
        row = (scored or part)[0] | {
            "start_s": part[0]["start_s"],
            "end_s": max(each["end_s"] for each in part),
            "quality": ", ".join(dict.fromkeys(doubts)),
        }
        if scored:
            scores = np.array([[each[name] for name in heads] for each in scored], dtype=float)
            lengths_s = np.array([each["end_s"] - each["start_s"] for each in scored])
            row |= dict(zip(heads, aggregate(scores, lengths_s, how).tolist(), strict=True))
        found.append(row)
    return found
