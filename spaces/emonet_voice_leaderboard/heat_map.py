"""Systems by emotions: Spearman's ρ as a map of colours with its figures in it."""

from typing import Any

from board import ORDER, Board, on
from markup import address, box, number, short, text

TOP = 0.7
"""The colours end here; the highest figure of the paper is 0.678."""


def heat_map(board: Board, benchmark: str) -> str:
    """The systems of a benchmark whose figures by emotion are known; nothing where none is.

    Args:
        board: Of `board.load`.
        benchmark: Whose systems.
    """
    known = {label: cells for label in on(board, benchmark) if (cells := board.by_emotion(label))}
    if not known:
        return '<p class="note">No result on this benchmark has figures by emotion.</p>'
    heads = "".join(
        f'<th scope="col" title="{text(name)}"><span>{text(short(name))}</span></th>'
        for name in ORDER
    )
    lines = ""
    for label, by_emotion in known.items():
        name = f'<bdi class="name">{text(board.rows[label]["system"])}</bdi>'
        link = f'<a href="{address(system=label)}" data-system>{name}</a>'
        cells = "".join(_cell(by_emotion.get(emotion), emotion) for emotion in ORDER)
        lines += f'<tr><th scope="row">{link}</th>{cells}</tr>'
    table = (
        '<table class="heat"><caption class="unseen">Spearman\'s ρ of each system by emotion'
        '</caption><thead><tr><th scope="col"><span class="unseen">System</span></th>'
        f"{heads}</tr></thead><tbody>{lines}</tbody></table>"
    )
    steps = "".join(
        f"<li {_colour(value)}>{'below 0' if value < 0 else number(value, 1)}</li>"
        for value in (-1, 0, 0.2, 0.4, 0.6)
    )
    legend = f'<ul class="steps">{steps}<li class="none">no figure</li></ul>'
    missing = [label for label in on(board, benchmark) if label not in known]
    names = ", ".join(text(label) for label in missing)
    note = f'<p class="note">Without figures by emotion: {names}.</p>' if missing else ""
    return f"{legend}{box('Heat map of systems and emotions', table)}{note}"


def _cell(cell: dict[str, Any] | None, emotion: str) -> str:
    if cell is None or cell["value"] is None:
        why = cell["why"] if cell else "not in the result"
        title = text(f"{emotion}: {why}")
        return f'<td class="none" title="{title}"><span class="unseen">no figure</span></td>'
    value, low, high = cell["value"], cell["low"], cell["high"]
    title = f"{emotion}: {number(value)}"
    if low is not None and high is not None:
        title += f" ({number(low)} to {number(high)})"
    shown = number(value, 2).replace("0.", ".", 1)
    return f'<td {_colour(value)} title="{text(title)}">{shown}</td>'


def _colour(value: float) -> str:
    """Class and place on the map; between 53 and 74 % black is the ink on both maps (4.5 : 1)."""
    if round(value, 2) < 0:
        return 'class="below"'
    share = round(100 * min(value / TOP, 1))
    kind = "strong" if share >= 74 else "middle" if share >= 53 else "weak"
    return f'class="{kind}" style="--v:{share}%"'
