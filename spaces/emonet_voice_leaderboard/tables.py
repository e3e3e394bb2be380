"""The two tables of systems: their figures, and what became of every row."""

from collections.abc import Iterable, Iterator
from typing import Any

from board import ALL, FIGURES, Board, benchmarks, beside, on
from markup import box, brief, group_row, interval, name_cell, number, section, tag, text

from evaluate_metrics.emonet_voice.outcomes import OUTCOMES

RANKED = ("spearman", "macro_spearman")
UNKNOWN = "failure_of_unknown_kind"
_BESIDE = {"floors": "floor", "ceiling": "ceiling"}
_PUBLISHED = tag("published, no intervals", "published")


def figures(board: Board, benchmark: str) -> str:
    """All systems with all figures, pooled and macro side by side; one benchmark is ranked.

    Args:
        board: Of `board.load`.
        benchmark: The one whose systems have ranks. The others stand below it and never mix.
    """
    groups = list(_groups(board, benchmark))
    head = "".join(
        f'<th colspan="2" scope="colgroup">{name} <small>{_better(key)} is better</small></th>'
        for key, name in FIGURES.items()
    )
    buttons = "".join(
        _button(column, "macro" if name.startswith("macro_") else "pooled", name)
        for column, name in enumerate(ALL, 1)
    )
    span = _span(
        row
        for _, rows in groups
        for row in (
            *rows.values(),
            *(of for kind in _BESIDE for of in beside(rows, kind)[1].values()),
        )
    )
    bodies = ""
    for title, rows in groups:
        ranked = title is None
        note = _ranked_title(benchmark, rows) if ranked else title
        bodies += _body(note, rows, ranked, span)
    table = (
        "<table class=figures><caption class=hidden>Systems and their agreement with raters"
        f"</caption><thead><tr><td></td>{head}</tr><tr>{_button(0, 'System', '')}{buttons}</tr>"
        f"</thead>{bodies}</table>"
    )
    return section(box("Figures of all systems", table))


def outcomes(board: Board, benchmark: str) -> str:
    """What became of every row of the benchmark, for each system.

    Args:
        board: Of `board.load`.
        benchmark: The one that comes first.
    """
    names = ["rows", *OUTCOMES, "never asked"]
    heads = "".join(f'<th scope="col">{name.replace("_", " ")}</th>' for name in names)
    bodies = "".join(
        f"<tbody>{group_row(title or text(brief(benchmark)), len(names) + 2)}"
        + "".join(_account(label, row) for label, row in rows.items())
        + "</tbody>"
        for title, rows in _groups(board, benchmark)
    )
    table = (
        "<table class=outcomes><caption class=hidden>Rows by outcome</caption><thead><tr>"
        f'<th scope="col">System</th><th scope="col">share of rows</th>{heads}</tr></thead>'
        f"{bodies}</table>"
    )
    legend = "".join(
        f'<li><i class="part {name}"></i>{name.replace("_", " ")}</li>'
        for name in (*OUTCOMES, UNKNOWN)
    )
    return section(f"<ul class=legend>{legend}</ul>", box("Outcomes of all systems", table))


def _groups(board: Board, benchmark: str) -> Iterator[tuple[str | None, dict[str, dict[str, Any]]]]:
    """A title and the rows of each benchmark; no title for the one that is ranked."""
    yield None, on(board, benchmark)
    for other in benchmarks(board):
        if other != benchmark:
            rows = on(board, other)
            why = "The paper's figures: their revision of Bench is not known" if next(
                iter(rows.values())
            )["published"] else f"Another benchmark: {text(brief(other))}"  # fmt: skip
            yield f"{why}. Not ranked with those above.", rows


def _ranked_title(benchmark: str, rows: dict[str, dict[str, Any]]) -> str:
    label, having = beside(rows, "floors")
    title = f"Ranked: {text(brief(benchmark))}"
    if having:
        title += f". Floors are of the rows that {text(label)} scored."
    if beside(rows, "ceiling")[1]:
        title += " The ceiling is what raters reach: one against the others' mean, one half against"
        title += " the other, and a system that knows what all possible raters say on average."
    return title


def _body(title: str | None, rows: dict[str, dict[str, Any]], ranked: bool, span: Any) -> str:
    lines = []
    for label, row in rows.items():
        cells = "".join(_figure(row, name, ranked, span) for name in ALL)
        lines.append((row, f"<tr>{name_cell(label, row, _tags(row, ranked))}{cells}</tr>"))
    for kind, word in _BESIDE.items():
        for name, of in beside(rows, kind)[1].items():
            shown = text(name.replace("_", " "))
            head = f'<th scope="row" data-v="{shown}">{shown}{tag(word, "floor")}</th>'
            cells = "".join(_figure(of, figure, False, span) for figure in ALL)
            lines.append((of, f"<tr class=floor>{head}{cells}</tr>"))
    lines.sort(key=lambda line: -2 if line[0][RANKED[0]] is None else line[0][RANKED[0]],
               reverse=True)  # fmt: skip
    body = "".join(line for _, line in lines)
    return f"<tbody>{group_row(title or '', len(ALL) + 1)}{body}</tbody>"


def _tags(row: dict[str, Any], ranked: bool) -> str:
    tags = _PUBLISHED if row["published"] else ""
    if row["unranked"]:
        tags += tag(f"not ranked: {row['unranked']}", "warning")
    elif not ranked and not row["published"]:
        tags += tag("other benchmark", "warning")
    if row["emotions_left_out"]:
        out = row["emotions_left_out"]
        tags += tag(f"macro without {out} emotion{'s' if out > 1 else ''}")
    return tags


def _figure(row: dict[str, Any], name: str, ranked: bool, span: Any) -> str:
    value, low, high = (row.get(name + end) for end in ("", "_low", "_high"))
    if value is None:
        return '<td class="none">n/a</td>'
    rank = row.get(f"rank_{name}") if ranked and name in RANKED else None
    place = f'<b class="rank" title="rank {rank}">{rank}</b>' if rank else ""
    start, end = span[name.removeprefix("macro_")]
    width = (end - start) or 1
    at, left, right = (
        100 * ((value if x is None else x) - start) / width for x in (value, low, high)
    )
    picture = (
        f'<i class="range"><i style="left:{left:.1f}%;width:{max(right - left, 0):.1f}%"></i>'
        f'<b style="left:{at:.1f}%"></b></i>'
    )
    return f'<td data-v="{value}">{place}{number(value)}{picture}{interval(low, high)}</td>'


def _span(rows: Iterable[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Of each statistic the least and the largest figure, for the little pictures."""
    rows = list(rows)
    spans = {}
    for name in FIGURES:
        values = [
            value
            for row in rows
            for prefix in ("", "macro_")
            for end in ("", "_low", "_high")
            if (value := row.get(prefix + name + end)) is not None
        ]
        spans[name] = (min(values, default=0.0), max(values, default=1.0))
    return spans


def _account(label: str, row: dict[str, Any]) -> str:
    head = name_cell(label, row, _PUBLISHED if row["published"] else "")
    if row["rows"] is None:
        failed = row["failure_rate"]
        if failed is None:
            return f"<tr>{head}<td colspan={len(OUTCOMES) + 3}>not known</td></tr>"
        bar = _bar({"scored": 1 - failed, UNKNOWN: failed})
        share = f"{100 * failed:.2f} % without a score; the paper does not tell the kinds apart"
        return f"<tr>{head}{bar}<td class=unknown colspan={len(OUTCOMES) + 2}>{share}</td></tr>"
    of = row["rows"] or 1
    cells = f"<td>{row['rows']:,}</td>"
    for name in OUTCOMES:
        n = row[name] or 0
        share = f"<small>{100 * n / of:.1f} %</small>" if n else ""
        cells += f"<td>{n:,}{share}</td>"
    cells += f"<td>{row['without_prediction'] or 0:,}</td>"
    return f"<tr>{head}{_bar({name: (row[name] or 0) / of for name in OUTCOMES})}{cells}</tr>"


def _bar(shares: dict[str, float]) -> str:
    parts = "".join(
        f'<i class="part {name}" style="width:{100 * share:.2f}%"></i>'
        for name, share in shares.items()
        if share
    )
    return f'<td class="bar" aria-hidden="true"><div>{parts}</div></td>'


def _button(column: int, words: str, name: str) -> str:
    first = "ascending" if not name or _better(name) == "lower" else "descending"
    sort = ' aria-sort="descending"' if name == RANKED[0] else ""
    what = FIGURES.get(name.removeprefix("macro_"), "")
    return (
        f'<th scope="col"{sort}><button type="button" data-column="{column}" data-first="{first}" '
        f'aria-label="Sort by {what} {words}">{words}</button></th>'
    )


def _better(name: str) -> str:
    return "lower" if name.endswith(("mae", "rmse")) else "higher"
