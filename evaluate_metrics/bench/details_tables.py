"""The tables of `details`: agreement beyond the paper's figures, groups, error and disagreement."""

import math

from evaluate_metrics.bench.details_schema import Details, Disagreement, Further
from modeling_empathic.report.tables import Section, number, plain
from modeling_empathic.taxonomy import short_name

SHOWN = 12
"""Values of a column in a table; the result's file has all."""
_COLUMNS = {
    "ccc": "CCC",
    "rmse": "RMSE",
    "bias": "Bias",
    "scale_error": "Scale",
    "correlation_error": "Rest",
    "concordance": "Pairs",
    "kappa": "κ",
    "rating_distance": "Soft",
}


def sections(details: Details, width: int | None = None) -> list[Section]:
    """The tables.

    Args:
        details: Of a result.
        width: Of the terminal in columns; None for everything, emotions too.
    """
    rows = [["All rows", f"{details.pooled.n:,}", *_cells(details.pooled)]]
    if width is None:
        rows += [
            [short_name(name), f"{of.n:,}", *_cells(of)] for name, of in details.per_emotion.items()
        ]
    whole = [
        plain(
            "Agreement and error, taken apart", ("", "Rows", *_COLUMNS.values()), rows,
            "CCC: Lin's concordance. RMSE² = bias² + scale² + rest²: too high, too wide, badly "
            "ordered. Against every single rating: pairs of ratings that the scores put in order "
            "(0.5: chance), κ with quadratic weights (0: chance), and soft, the mean distance to "
            "the raters' distribution.",
        )
    ]  # fmt: skip
    for column, groups in details.by.items():
        shown = sorted(groups.items(), key=lambda item: -item[1].n)[
            : None if width is None else SHOWN
        ]
        left = len(groups) - len(shown)
        lines = [
            [value, f"{of.n:,}", *(number(getattr(of, name)) for name in
                                   ("spearman", "pearson", "ccc", "mae", "rmse"))]
            for value, of in shown
        ]  # fmt: skip
        note = f"{left} more in the result's file." if left else ""
        headers = ("", "Rows", "Spearman ρ", "Pearson r", "CCC", "MAE", "RMSE")
        whole.append(plain(f"By {column.replace('_', ' ')}", headers, lines, note))
    if details.disagreement:
        whole.append(_disagreement(details.disagreement))
    return whole


def _cells(of: Further) -> list[str]:
    return [number(getattr(of, name)) for name in _COLUMNS]


def _disagreement(of: Disagreement) -> Section:
    rows = [
        ["Raters agree: MAE", f"{of.n_agreed:,}", number(of.mae_agreed)],
        ["Raters differ: MAE", f"{of.n - of.n_agreed:,}", number(of.mae_disagreed)],
        ["Error and raters' spread: Spearman ρ", f"{of.n:,}", number(of.spearman)],
    ]
    note = "" if math.isnan(of.spearman) else (
        "Above 0: the system errs most where raters differ, which no system can know."
    )  # fmt: skip
    return plain("Error against disagreement", ("", "Rows", ""), rows, note)
