"""The statistics of a Bench as text for a terminal, as Markdown for its card, and as JSON."""

import math
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from modeling_empathic.taxonomy import short_name

Stats = dict[str, Any]
HOW_MANY = ("all", "most", "half", "few", "none")
"""Figure 1's types in five groups, by how many of a clip's raters found the emotion."""

MATRIX_NOTES = {
    "first_two": "first two ratings of each clip",
    "complete": "first three, clips that have three",
    "seats": "first four, by pairs of columns",
    "raters": "one column a rater, by pairs",
    "krippendorff": "ordinal, all ratings",
}


class Section(NamedTuple):
    """One table: the first column is text, the others are numbers."""

    title: str
    headers: Sequence[str]
    rows: list[list[str]]
    note: str = ""


def show(stats: Stats, console: Console) -> None:
    """Prints every table; they fit a terminal of 80 columns."""
    for section in sections(stats):
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for i, header in enumerate(section.headers):
            table.add_column(Text(header), justify="right" if i else "left", overflow="fold")
        for row in section.rows:
            table.add_row(*(Text(_printable(cell)) for cell in row))
        console.print(Text(section.title, "bold"))
        console.print(table)
        if section.note:
            console.print(Text(_printable(section.note), "dim"))
        console.print()


def as_text(stats: Stats, width: int = 80) -> str:
    """What [`show`] prints, without colours."""
    file = StringIO()
    show(stats, Console(file=file, width=width, color_system=None))
    return "".join(line.rstrip() + "\n" for line in file.getvalue().splitlines())


def as_markdown(stats: Stats) -> str:
    """The same tables for the data set's card, under headings of the third level."""
    blocks = []
    for title, headers, rows, note in sections(stats):
        lines = [[_escaped(cell) for cell in line] for line in (headers, *rows)]
        rule = [":--", *["--:"] * (len(headers) - 1)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))
        blocks.append("\n\n".join(filter(None, [f"### {title}", table, _escaped(note)])))
    return "\n\n".join(blocks) + "\n"


def sections(stats: Stats) -> list[Section]:
    """The tables in the order of the paper."""
    clips = stats["clips"]

    def share(n: int) -> str:
        return f"{100 * n / clips:.1f} %"

    return [
        Section("Clips (Table 3)", ("", "Value", "Share"), _clip_rows(stats, share)),
        Section(
            "Raters of a clip (Table 4)",
            ("Raters", "Clips", "Share"),
            [[str(n), f"{of:,}", share(of)] for n, of in stats["raters_per_clip"].items()],
        ),
        Section(
            "Raters (Table 9)",
            ("Rater", "Clips", "Emotions per clip", "Scale"),
            [
                [row["rater"], f"{row['clips']:,}", str(row["emotions_per_clip"]), row["scale"]]
                for row in stats["raters"]
            ],
        ),
        _alpha_section(stats),
        Section(
            "How α moves with the matrix",
            ("Matrix", "Overall", "Mean of emotions"),
            [
                [
                    f"{row['matrix']}: {MATRIX_NOTES[row['matrix']]}",
                    _number(row["overall"]),
                    _number(row["mean_of_emotions"]),
                ]
                for row in stats["alpha_by_matrix"]
            ],
        ),
        Section(
            "Weighted kappa of two raters",
            ("Raters", "Shared clips", "Linear", "Quadratic"),
            [
                [
                    " and ".join(row["raters"]),
                    f"{row['clips']:,}",
                    _number(row["linear"]),
                    _number(row["quadratic"]),
                ]
                for row in stats["kappa"]
            ],
        ),
        Section(
            "Percent of clips by how many of their raters found the emotion (Figure 1)",
            ("Emotion", *HOW_MANY, "Clips"),
            [
                [
                    short_name(row["emotion"]),
                    *(f"{100 * n / row['n']:.1f}" for n in how_many(row["types"]).values()),
                    f"{row['n']:,}",
                ]
                for row in stats["agreement"]
            ],
        ),
    ]


def how_many(types: dict[str, int]) -> dict[str, int]:
    """Clips of Figure 1's types in the five groups of `HOW_MANY`.

    Example:
        >>> how_many({"3:0 (+)": 4, "2:0 (+)": 1, "1:1": 2, "2:1 (-)": 3})
        {'all': 5, 'most': 0, 'half': 2, 'few': 3, 'none': 0}
    """
    groups = dict.fromkeys(HOW_MANY, 0)
    for kind, n in types.items():
        unanimous = ":0 " in kind
        if kind.endswith("(+)"):
            groups["all" if unanimous else "most"] += n
        elif kind.endswith("(-)"):
            groups["none" if unanimous else "few"] += n
        else:
            groups["half"] += n
    return groups


def _clip_rows(stats: Stats, share: Callable[[int], str]) -> list[list[str]]:
    languages, voices = stats["languages"], stats["voices"]
    seconds, hours = stats["mean_duration_s"], stats["playtime_h"]
    spoken = [[f"Language {name}", f"{n:,}", share(n)] for name, n in (languages or {}).items()]
    return [
        ["Clips", f"{stats['clips']:,}", ""],
        *(spoken or [["Language", "unknown", ""]]),
        ["Voices", f"{len(voices):,}" if voices else "unknown", ""],
        ["Mean duration", f"{seconds:.2f} s" if seconds else "unknown", ""],
        ["Playtime", f"{hours:.2f} h" if hours else "unknown", ""],
        ["Ratings", f"{stats['ratings']:,}", ""],
        *(
            [f"Raters agree: {name.replace('_', ' ')}", f"{n:,}", share(n)]
            for name, n in stats["consensus"].items()
        ),
    ]


def _alpha_section(stats: Stats) -> Section:
    rows, notes = [], []
    for row in stats["alpha"]:
        name, low, high = short_name(row["emotion"]), row["ci_lower"], row["ci_upper"]
        interval = "" if math.isnan(low) else f"[{_number(low)}, {_number(high)}]"
        others = [f"{row['n_items']:,}", _number(row["krippendorff"])]
        rows.append([name, _number(row["alpha"]), interval, *others])
        if row["reason"]:
            notes.append(f"{name}: {row['reason']}.")
    note = (
        f"α: {MATRIX_NOTES[stats['alpha_matrix']]}; intervals from a bootstrap over clips. The "
        "intervals of the paper's Table 10 fit Krippendorff's α: compare with both."
    )
    headers = ("Emotion", "α", "95 % interval", "Clips", "Krippendorff")
    return Section("Cronbach's α (Table 10)", headers, rows, " ".join([note, *notes]))


def _number(value: float) -> str:
    # Plus zero, so that what rounds to nothing has no sign.
    return "NaN" if math.isnan(value) else f"{round(value, 3) + 0.0:.3f}"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "�" for char in text)


def _escaped(text: str) -> str:
    for char in "\\|*_<>[]`":
        text = text.replace(char, f"\\{char}")
    return _printable(text)
