"""One row of many: what a recording's windows say together."""

import re
from collections.abc import Sequence
from itertools import groupby
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

    def who(row: Row) -> tuple[Any, ...]:
        return row.get("channel") or 0, row.get("speaker") or ""

    found = []
    for _, group in groupby(sorted(rows, key=who), key=who):
        part = list(group)
        kept = [row for row in part if row["outcome"] == "scored"]
        if not kept:
            found.append(part[0])
            continue
        scores = np.array([[row[name] for name in heads] for row in kept], dtype=float)
        lengths_s = np.array([row["end_s"] - row["start_s"] for row in kept])
        doubts = (word for row in kept for word in row["quality"].split(", ") if word)
        row = kept[0] | dict(zip(heads, aggregate(scores, lengths_s, how).tolist(), strict=True))
        row |= {"start_s": part[0]["start_s"], "end_s": max(each["end_s"] for each in part)}
        found.append(row | {"quality": ", ".join(dict.fromkeys(doubts))})
    return found
