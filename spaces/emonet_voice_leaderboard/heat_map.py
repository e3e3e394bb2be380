"""Systems by emotions: Spearman's ρ as a map of colours with its figures in it."""

from typing import Any

from board import ORDER, Board, benchmarks, on
from markup import box, brief, group_row, name_cell, number, section, short, text

TOP = 0.7
"""The colours end here; the highest figure of the paper is 0.678."""


def heat_map(board: Board) -> str:
    """All systems whose figures by emotion are known.

    Args:
        board: Of `board.load`.
    """
    heads = "".join(
        f'<th scope="col" title="{text(name)}"><span>{text(short(name))}</span></th>'
        for name in ORDER
    )
    bodies = ""
    for benchmark in benchmarks(board):
        lines = ""
        for label, row in on(board, benchmark).items():
            if by_emotion := board.by_emotion(label):
                cells = "".join(_cell(by_emotion.get(name), name) for name in ORDER)
                lines += f"<tr>{name_cell(label, row)}{cells}</tr>"
        if lines:
            title = group_row(text(brief(benchmark)), len(ORDER) + 1)
            bodies += f"<tbody>{title}{lines}</tbody>"
    table = (
        "<table class=heat><caption class=hidden>Spearman's ρ of each system by emotion</caption>"
        f"<thead><tr><td></td>{heads}</tr></thead>{bodies}</table>"
    )
    steps = "".join(f"<td {_colour(value)}>{number(value, 1)}</td>" for value in (0, 0.2, 0.4, 0.6))
    legend = (
        '<table class="heat key"><tr><th scope="row">ρ</th><td class="below">&lt; 0</td>'
        f'{steps}<td class="none">n/a</td><th>no figure</th></tr></table>'
    )
    missing = [label for label in board.rows if not board.by_emotion(label)]
    note = ""
    if missing:
        names = ", ".join(text(label) for label in missing)
        note = f"<p class=note>Without figures by emotion: {names}.</p>"
    return section(legend, box("Heat map of systems and emotions", table), note)


def _cell(cell: dict[str, Any] | None, emotion: str) -> str:
    if cell is None or cell["value"] is None:
        why = cell["why"] if cell else "not in the result"
        return f'<td class="none" title="{text(f"{emotion}: {why}")}">n/a</td>'
    value, low, high = cell["value"], cell["low"], cell["high"]
    title = f"{emotion}: {number(value)}"
    if low is not None and high is not None:
        title += f" ({number(low)} to {number(high)})"
    shown = number(value, 2).replace("0.", ".", 1)
    return f'<td {_colour(value)} title="{text(title)}">{shown}</td>'


def _colour(value: float) -> str:
    if round(value, 2) < 0:
        return 'class="below"'
    share = min(value / TOP, 1)
    return f'class="{"strong" if share > 0.55 else "weak"}" style="--v:{100 * share:.0f}%"'
