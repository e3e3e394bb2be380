"""A comparison of two systems as tables."""

from evaluate_metrics.bench.figures import Comparison, CorrectedDifference, Difference
from evaluate_metrics.bench.tables import COLUMNS, HEADERS, drawn
from modeling_empathic.report.tables import THIS, Footnotes, Row, Section, number
from modeling_empathic.taxonomy import short_name


def sections(
    comparison: Comparison, a: str, b: str, width: int | None = None, unit: str = ""
) -> list[Section]:
    """The differences of two systems: pooled and macro, then by emotion.

    Args:
        comparison: Of [`comparison.compare`].
        a: Name of the one.
        b: Name of the other.
        width: Of the terminal in columns; None where there is room for all digits.
        unit: What the bootstrap drew, such as `voice`, where more is known than `group`.
    """
    rows, bootstrap, footnotes = comparison.rows, comparison.bootstrap, Footnotes()
    unit = unit or bootstrap.unit
    whole = []
    for prefix, label in (("", "pooled"), ("macro_", "macro")):
        for name in COLUMNS:
            cells = _cells(comparison[prefix + name], footnotes, 3)
            whole.append(Row(THIS, [f"{HEADERS[name]}, {label}", *cells]))
    notes = [
        *footnotes.lines(),
        f"A is {a}, B is {b}: {rows.common:,} rows that both scored; {rows.only_a:,} that "
        f"only A scored and {rows.only_b:,} that only B scored take no part.",
        "Above 0, A is better in Spearman's ρ and Pearson's r; below 0, in MAE and RMSE.",
        f"Paired bootstrap, {drawn(bootstrap.n_resamples, bootstrap.n_units, unit)}",
    ]
    return [
        Section("A - B", ["", "A", "B", "A - B", "95 % interval", "p"], whole, notes),
        _by_emotion(comparison, width),
    ]


def _by_emotion(comparison: Comparison, width: int | None) -> Section:
    footnotes, per_emotion = Footnotes(), comparison.per_emotion
    digits = 2 if width is not None and width < 90 else 3
    rows = []
    for name in sorted(per_emotion, key=lambda name: _order(per_emotion[name].spearman)):
        of = per_emotion[name]
        cells = _cells(of.spearman, footnotes, digits)
        rows.append(Row(THIS, [short_name(name), f"{of.n:,}", *cells, _p(of.spearman.p_holm)]))
    headers = ["Emotion", "n", "A", "B", "A - B", "95 % interval", "p", "p (Holm)"]
    return Section("A - B by emotion, Spearman's ρ", headers, rows, footnotes.lines())


def _order(of: CorrectedDifference) -> tuple[bool, float]:
    return (of.difference != of.difference, -of.difference)


def _cells(of: Difference, footnotes: Footnotes, digits: int) -> list[str]:
    undefined = of.difference != of.difference
    mark = footnotes.mark(
        "undefined for at least one of the two on these rows" if undefined else ""
    )
    low, high = number(of.low, digits), number(of.high, digits)
    return [
        number(of.a),
        number(of.b),
        number(of.difference) + mark,
        "" if undefined or low == "n/a" else f"[{low}, {high}]",
        _p(of.p),
    ]


def _p(p: float) -> str:
    return "<0.001" if p < 0.001 else number(p)
