"""The paper's own figures (arXiv 2506.09827, Tables 5, 6 and 7), to stand beside new ones.

The files beside this one are the tables as printed, with the model names of Table 5 shortened and
used for Table 6 too, and without Table 6's column of averages. An empty cell is the paper's NaN.
"""

import csv
import math
from pathlib import Path
from typing import Any

from evaluate_metrics.emonet_voice.aggregate import mean_defined
from modeling_empathic.taxonomy import resolve

FOLDER = Path(__file__).parent
_ROUNDING = 0.001
SMALL, LARGE = "EmpathicInsight-Voice Small", "EmpathicInsight-Voice Large"
BENCH_ROWS = (12_000, 12_600)
"""Rows of the 40 emotions, and with Arousal and Authenticity, as in Table 9. Which of them Tables 5
and 6 are of, the paper does not say."""


def published_table5() -> list[dict[str, Any]]:
    """Table 5: each system's figures; how they are averaged is not said (see [`macro_fits`]).

    Returns:
        `model`, `refusal_percent`, `spearman`, `pearson`, `mae`, `rmse` of each; no intervals.

    Example:
        >>> published_table5()[0]["model"], published_table5()[0]["mae"]
        ('Gemini 2.0 Flash', 3.608)
    """
    return [
        {name: cell if name == "model" else _number(cell) for name, cell in row.items()}
        for row in _rows("table5")
    ]


def published_table6() -> dict[str, dict[str, float]]:
    """Table 6: Spearman's ρ of each system by emotion, NaN where the paper has NaN.

    Example:
        >>> table = published_table6()
        >>> table[SMALL]["Teasing"], table["GPT-4o Audio"]["Pleasure/Ecstasy"]
        (0.649, nan)
    """
    rows = list(_rows("table6"))
    systems = [name for name in rows[0] if name != "emotion"]
    return {
        system: {resolve(row["emotion"]): _number(row[system]) for row in rows}
        for system in systems
    }


def published_macro() -> dict[str, tuple[float, int]]:
    """Each system's mean of Table 6, and the number of emotions it is over.

    Example:
        >>> {name: round(mean, 3) for name, (mean, _) in published_macro().items()}[LARGE]
        0.435
    """
    return {
        system: (mean_defined(list(by_emotion.values())), _defined(by_emotion))
        for system, by_emotion in published_table6().items()
    }


def published_table7() -> list[dict[str, Any]]:
    """Table 7: percent right on EmoDB and RAVDESS, by class and overall.

    Returns:
        `model`, `data`, a figure a class (NaN where the paper has none) and `overall`.

    Example:
        >>> published_table7()[0]["data"], published_table7()[0]["overall"]
        ('EmoDB', 70.6)
    """
    return [
        {name: cell if name in ("model", "data") else _number(cell) for name, cell in row.items()}
        for row in _rows("table7")
    ]


def published_human(corpus: str) -> list[dict[str, Any]]:
    """What people make of an acted corpus, as published or computed from published ratings.

    Against the actor's intention they are a ceiling of what is heard, not of what can be learnt: a
    system far above them reads what the actor was told, and not what a listener hears.

    Args:
        corpus: Its name here, such as `cremad`.

    Returns:
        `heard` (voice, face, or both), `who`, `statistic`, `value`, `clips`, `ratings` (NaN where
        not said) and `source` of each; nothing for a corpus without.

    Example:
        >>> [(row["who"], row["value"]) for row in published_human("cremad")[:2]]
        [('one rater', 0.407), ('majority of raters', 0.468)]
    """
    numbers = ("value", "clips", "ratings")
    return [
        {name: _number(cell) if name in numbers else cell for name, cell in row.items()}
        for row in _rows("human")
        if row["corpus"] == corpus
    ]


def _rows(table: str) -> list[dict[str, str]]:
    with (FOLDER / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _number(cell: str) -> float:
    return float(cell) if cell else math.nan


def macro_fits() -> tuple[list[str], list[str]]:
    """Systems whose ρ in Table 5 may be the mean of Table 6, and those whose ρ cannot be.

    Both tables are printed to three digits, so that the two may differ by 0.001 and be the same.
    That some cannot be leaves pooling over clips as the likely reading; it does not prove it.

    Example:
        >>> fit, excluded = macro_fits()
        >>> fit, len(excluded)
        (['GPT-4o Mini Audio', 'GPT-4o Audio'], 5)
    """
    macro = published_macro()
    far = {
        row["model"]: abs(row["spearman"] - macro[row["model"]][0]) > _ROUNDING
        for row in published_table5()
    }
    return [name for name in far if not far[name]], [name for name in far if far[name]]


def _defined(by_emotion: dict[str, float]) -> int:
    return sum(not math.isnan(value) for value in by_emotion.values())
