"""Tables of figures with footnotes, printed for a terminal or for a Markdown card."""

import math
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

THIS, PUBLISHED, CEILING, FLOOR = "", "published", "ceiling", "floor"
"""Kinds of rows: of the system evaluated, of the paper, of raters, of what hears nothing."""
_HEADINGS = {
    PUBLISHED: "Published, no intervals",
    CEILING: "Ceiling: the raters",
    FLOOR: "Floors",
}
SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_SUPERSCRIPT = str.maketrans("0123456789", SUPERSCRIPTS)


class Row(NamedTuple):
    """A line: its kind, and its cells."""

    kind: str
    cells: list[str]


class Section(NamedTuple):
    """One table: the first column is text, the others are numbers.

    Attributes:
        title: Above it; may be empty.
        headers: Of its columns.
        rows: Those of a kind in succession.
        notes: Below it.
        heading: Whether each kind of rows has its own heading; in Markdown, its word in brackets.
        text_last: How many of the last columns are text too.
    """

    title: str
    headers: list[str]
    rows: list[Row]
    notes: list[str]
    heading: bool = True
    text_last: int = 0


def plain(title: str, headers: Sequence[str], rows: Iterable[list[str]], *notes: str) -> Section:
    """A table of one kind of rows, with notes below it where they say something."""
    lines = [Row(THIS, cells) for cells in rows]
    return Section(title, list(headers), lines, [note for note in notes if note], heading=False)


class Footnotes:
    """Reasons and their marks; the same reason has the same mark.

    Example:
        >>> notes = Footnotes()
        >>> notes.mark("one row"), notes.mark(""), notes.mark("no row"), notes.mark("one row")
        ('¹', '', '²', '¹')
        >>> notes.lines()
        ['¹ one row', '² no row']
    """

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def mark(self, reason: str) -> str:
        """The mark to put behind a figure; `""` without a reason."""
        if not reason:
            return ""
        next_mark = str(len(self._marks) + 1).translate(_SUPERSCRIPT)
        return self._marks.setdefault(reason, next_mark)

    def lines(self) -> list[str]:
        """What the marks mean."""
        return [f"{mark} {reason}" for reason, mark in self._marks.items()]


def number(value: float | None, digits: int = 3, missing: str = "n/a") -> str:
    """A figure with a fixed number of digits; None, as JSON writes what is undefined, is missing.

    Example:
        >>> number(0.41849), number(-0.0001), number(float("nan"))
        ('0.418', '0.000', 'n/a')
    """
    # Plus zero, so that what rounds to nothing has no sign.
    if value is None or math.isnan(value):
        return missing
    return f"{round(value, digits) + 0.0:.{digits}f}"


def show(sections: Iterable[Section], console: Console, *, padding: int = 1) -> None:
    """Prints tables; where there is little room the first column gives way, as far as its words go.

    Columns that have no room beside it follow below, with the first column again.

    Args:
        sections: The tables.
        console: Where.
        padding: Spaces between columns, beside the one that is always there.
    """
    for section in sections:
        if section.title:
            console.print(Text(printable(section.title), "bold"))
        parts = _parts(section, console.width, padding)
        if len(parts) > 1 and padding:
            parts, padding = _parts(section, console.width, 0), 0
        for number, part in enumerate(parts):
            if number:
                console.print()
            console.print(_table(section, part, padding))
        for note in section.notes:
            console.print(Text(printable(note), "dim"))
        console.print()


def _parts(section: Section, width: int, padding: int) -> list[list[int]]:
    """The columns behind the first one, in parts that fit beside it."""
    n = len(section.headers)
    cells = [[section.headers[i], *(row.cells[i] for row in section.rows if i < len(row.cells))]
             for i in range(n)]  # fmt: skip
    room = width - _narrowest(cells[0], width)
    parts: list[list[int]] = []
    left = 0
    for i in range(1, n):
        is_text = i >= n - section.text_last
        needed = 1 + padding + (_narrowest(cells[i], width) if is_text else _widest(cells[i]))
        # An interval stays beside its figure.
        together = needed
        if i + 1 < n and section.headers[i + 1].startswith("95 %"):
            together += 1 + padding + _widest(cells[i + 1])
        stays = section.headers[i].startswith("95 %") and parts
        if not parts or (together > left and not stays):
            parts.append([])
            left = room
        parts[-1].append(i)
        left -= needed
    return parts or [[]]


def _widest(cells: Iterable[str]) -> int:
    return max(cell_len(line) for cell in cells for line in cell.split("\n"))


def _narrowest(cells: Iterable[str], width: int) -> int:
    """What a column of text takes at least: its longest word, or a third of the screen."""
    return min(_widest(word for cell in cells for word in (cell.split() or [""])), width // 3)


def _table(section: Section, part: Sequence[int], padding: int) -> Table:
    """The first column and some of the others."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, padding, 0, 0))
    numbers = range(1, len(section.headers) - section.text_last)
    for i in (0, *part):
        is_text = i not in numbers
        table.add_column(
            Text("\n".join(map(printable, section.headers[i].split("\n")))),
            justify="left" if is_text else "right",
            no_wrap=not is_text,
            overflow="fold",
            vertical="top",
        )
    kind = THIS
    for row in section.rows:
        if row.kind != kind:
            table.add_section()
            if section.heading:
                table.add_row(Text(_HEADINGS[row.kind], "italic"))
        kind = row.kind
        indent = " " if section.heading and kind != THIS else ""
        first = Text(indent + printable(row.cells[0]))
        style = "bold" if section.heading and kind == THIS else ""
        others = (Text(printable(row.cells[i])) for i in part if i < len(row.cells))
        table.add_row(first, *others, style=style)
    return table


def as_text(sections: Iterable[Section], width: int, *, padding: int = 1) -> str:
    """What [`show`] prints, without colours."""
    file = StringIO()
    show(sections, Console(file=file, width=width, color_system=None), padding=padding)
    return "".join(line.rstrip() + "\n" for line in file.getvalue().splitlines())


def as_markdown(sections: Iterable[Section], heading: str = "###") -> str:
    """The same tables for a card, under headings of a level, by default the third."""
    blocks = []
    for section in sections:
        n_numbers = len(section.headers) - 1 - section.text_last
        rule = [":--", *["--:"] * n_numbers, *[":--"] * section.text_last]
        lines = [[_escaped(header) for header in section.headers], rule]
        for row in section.rows:
            kind = f" ({row.kind})" if section.heading and row.kind != THIS else ""
            lines.append([_escaped(row.cells[0].strip() + kind), *map(_escaped, row.cells[1:])])
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        notes = "\n\n".join(map(_escaped, section.notes))
        title = f"{heading} {printable(section.title)}" if section.title else ""
        blocks.append("\n\n".join(filter(None, [title, table, notes])))
    return "\n\n".join(blocks) + "\n"


def printable(text: str) -> str:
    """The text with � for what a terminal would act on."""
    return "".join(char if char.isprintable() else "�" for char in text)


def _escaped(text: str) -> str:
    for char in "\\|*_<>[]`":
        text = text.replace(char, f"\\{char}")
    return printable(text)
