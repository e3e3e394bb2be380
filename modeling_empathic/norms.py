"""Public statistics of the 40 public heads, as named data, to judge a score against.

`emotion_norms.csv` has both, as LAION published them:

- `takes`: mean and standard deviation over 20,084,175 takes of 500 voices, by
  LAION-AI/moss-voice-profiles, `emotion_norm_constants.json` (commit 00c0905).
- `clips`: mean, median, standard deviation, MAD and the 10th and 90th percentile over 722
  multilingual clips, by LAION-AI/procedural-voice-captions, `baseline_stats.json`. LAION's rule:
  z = (v - median) / spread, with spread = 1.4826 MAD, but the standard deviation where that is
  below half of it.

They are of the public heads. A model's own reference clips (`reference_scores`) stay the default:
another model's scores lie elsewhere.
"""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from .reference_scores import read_reference
from .taxonomy import UserError

MAD_TO_SD = 1.4826
NAMES = ("reference", "takes", "clips")


class NormError(UserError):
    """A norm that there is not."""


class Norm(NamedTuple):
    """What is usual, head by head.

    Attributes:
        title: What it is of, in words.
        centre: By head, on its native scale.
        spread: By head; 0 for one that does not vary.
        note: Source and rule.
    """

    title: str
    centre: dict[str, float]
    spread: dict[str, float]
    note: str


def norm(name: str, model: str | None = None, revision: str | None = None) -> Norm:
    """A norm by its name.

    Args:
        name: One of `NAMES`; `reference` are the model's own reference clips.
        model: Folder or Hub id, for `reference`.
        revision: Of a model on the Hub.

    Raises:
        NormError: Another name, or a model without reference clips.

    Example:
        >>> public = norm("clips")
        >>> public.title, round(public.spread["Amusement"], 4)
        ('722 multilingual clips', 0.4618)
    """
    if name not in NAMES:
        raise NormError(f"norm {name!r}: choose from {', '.join(NAMES)}")
    if name == "reference":
        reference = read_reference(model, revision) if model else None
        if reference is None:
            raise NormError("this model has no reference clips; choose takes or clips")
        heads = reference.heads
        return Norm(
            f"the model's {reference.n_clips:,} reference clips",
            {name: head.mean for name, head in heads.items()},
            {name: head.sd for name, head in heads.items()},
            f"Standard deviations from the mean. {reference.clips}",
        )
    rows = _rows()
    if name == "takes":
        return Norm(
            "20,084,175 takes of 500 voices",
            {emotion: row["mean"] for emotion, row in rows.items()},
            {emotion: row["sd"] for emotion, row in rows.items()},
            "Standard deviations from the mean, of the public heads. Source: "
            "LAION-AI/moss-voice-profiles, emotion_norm_constants.json.",
        )
    return Norm(
        "722 multilingual clips",
        {emotion: row["clips_median"] for emotion, row in rows.items()},
        {
            emotion: robust_spread(row["clips_mad"], row["clips_sd"])
            for emotion, row in rows.items()
        },
        "Robust distances from the median (LAION's rule), of the public heads. Source: "
        "LAION-AI/procedural-voice-captions, baseline_stats.json.",
    )


def robust_spread(mad: float, sd: float) -> float:
    """LAION's rule: 1.4826 MAD, but the standard deviation where that is below half of it.

    Example:
        >>> robust_spread(0.0, 0.4), round(robust_spread(0.2, 0.4), 4)
        (0.4, 0.2965)
    """
    robust = MAD_TO_SD * mad
    return sd if robust < 0.5 * sd else robust


def z_against(scores: Mapping[str, float], norm: Norm) -> dict[str, float]:
    """How far each head is from what is usual; NaN for one that does not vary.

    Example:
        >>> z_against({"Awe": 3.0}, Norm("", {"Awe": 1.0}, {"Awe": 0.5}, ""))
        {'Awe': 4.0}
    """
    return {
        name: (value - norm.centre[name]) / (norm.spread[name] or float("nan"))
        for name, value in scores.items()
        if name in norm.centre
    }


@cache
def _rows() -> dict[str, dict[str, float]]:
    with Path(__file__).with_name("emotion_norms.csv").open(newline="", encoding="utf-8") as file:
        return {
            row.pop("emotion"): {name: float(cell) for name, cell in row.items()}
            for row in csv.DictReader(file)
        }
