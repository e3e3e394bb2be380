"""A generalisation result as text for 80 columns, as Markdown, and its confusions as pictures."""

import re
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dataset_scripts.stats.bench_tables import Section
from evaluate_metrics.generalize.clips import ACTED
from modeling_empathic.report.figures import bare, picture

Result = dict[str, Any]
FEW_SPEAKERS = 20
NOTHING = "–"


def as_text(result: Result, width: int = 80) -> str:
    """Every table, without colours."""
    file = StringIO()
    console = Console(file=file, width=width, color_system=None)
    for section in sections(result):
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
        for i, header in enumerate(section.headers):
            table.add_column(Text(header), justify="right" if i else "left", overflow="fold")
        for row in section.rows:
            table.add_row(*(Text(_printable(cell)) for cell in row))
        console.print(Text(section.title))
        console.print(table)
        if section.note:
            console.print(Text(_printable(section.note)))
        console.print()
    return "".join(line.rstrip() + "\n" for line in file.getvalue().splitlines())


def as_markdown(result: Result, heading: str = "###") -> str:
    """The same tables in Markdown, under headings of a level."""
    blocks = []
    for title, headers, rows, note in sections(result):
        lines = [[_escaped(cell) for cell in line] for line in (headers, *rows)]
        rule = [":--", *["--:"] * (len(headers) - 1)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))
        blocks.append("\n\n".join(filter(None, [f"{heading} {title}", table, _escaped(note)])))
    return "\n\n".join(blocks) + "\n"


def sections(result: Result) -> list[Section]:
    """Hit rates by class, what they cost, one answer a clip, and the model's confusions."""
    classes = list(result["corpus"]["classes"])
    rows, floors, published = result["rows"], result["floors"], result["published"]
    calling = [row for row in (*rows, *floors) if _defined(row["overall"])]
    answering = [row for row in (*rows, *floors) if _defined(row["top1"])]
    by_class = [
        [_label(row), *(percent(row["per_class"][c]["hit_rate"]) for c in classes),
         percent(row["overall"])]
        for row in calling
    ]  # fmt: skip
    by_class += [
        [f"paper: {row['system']}", *(percent(row["per_class"].get(c)) for c in classes),
         percent(row["overall"])]
        for row in published if row["per_class"]
    ]  # fmt: skip
    one_answer = [
        [_label(row), str(row["answers"]), *(_with_interval(row, name) for name in ONE_ANSWER)]
        for row in answering
    ]
    one_answer += [
        [f"paper: {row['system']}", NOTHING, percent(row["top1"]), NOTHING, NOTHING]
        for row in published if _defined(row["top1"])
    ]  # fmt: skip
    first = rows[0]
    return [
        Section(
            f"{_title(result)}: clips whose class is called present, % (Table 7)",
            ("System", *classes, "all"), by_class, f"{result['rule']}.",
        ),
        Section(
            "What saying yes costs, %",
            ("System", "Hits [95 %]", "Shuffled", "False alarms", "Classes a clip"),
            [
                [_label(row), _with_interval(row, "overall"), percent(row["overall_shuffled"]),
                 percent(row["false_alarm_rate"]), f"{row['classes_a_clip']:.2f}"]
                for row in calling
            ],
            "Shuffled: the hits that the same calls would have on clips in another order. False "
            "alarms: of all wrong classes, those called present.",
        ),
        Section(
            "One answer a clip, % [95 %]", ("System", "Answers", "Top-1", "UAR", "Macro-F1"),
            one_answer, _notes(result),
        ),
        Section(
            f"{_label(first)}: truth (down), answer (across)", ("", *classes),
            [[name, *map(str, line)] for name, line in zip(classes, first["confusion"],
                                                           strict=True)],
        ),
    ]  # fmt: skip


ONE_ANSWER = ("top1", "uar", "macro_f1")


def _title(result: Result) -> str:
    corpus = result["corpus"]
    name = ACTED[corpus["name"]].__name__
    n, whole = corpus["clips"], corpus["published_clips"]
    return f"{name}, {n:,} clips" + (f" of {whole:,}" if n != whole else "")


def _notes(result: Result) -> str:
    """What a reader has to know about these very figures."""
    rows, corpus = result["rows"], result["corpus"]
    notes = ["Intervals are resampled by speaker."]
    fewest = min(len(row["speakers"]) for row in rows)
    if fewest < FEW_SPEAKERS:
        notes.append(f"With {fewest} speakers they are too narrow.")
    notes.append(
        "Supervised: logistic regression on standardised features, not tuned; in a random split "
        "the speakers of the test are also in the training."
    )
    reference = next((row["reference"] for row in rows if "reference" in row), None)
    if reference:
        notes.append(
            f"z-scores, against {reference['n_clips']} reference clips, enter the same softmax. "
            f"The reference: {reference['clips']}"
        )
    for row in rows:
        failed = sum(n for outcome, n in row["outcomes"].items() if outcome != "scored")
        if failed:
            notes.append(f"{_label(row)}: {failed} clips failed and are left out.")
        if row.get("clips_in_reference"):
            notes.append(f"{_label(row)}: {row['clips_in_reference']} of {row['clips']} clips are "
                         "among the reference clips.")  # fmt: skip
    notes.append(f"Median length of the clips: {corpus['median_duration_s']:.1f} s.")
    return " ".join(notes)


def plot_confusions(result: Result, folder: str | Path) -> list[Path]:
    """One picture a row that gives one answer a clip, in the order of the rows.

    Returns:
        The files, `confusion-1-....png` and so on.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    files = []
    for number, row in enumerate(result["rows"], start=1):
        slug = re.sub("[^a-z0-9]+", "-", _label(row).lower()).strip("-")[:60]
        files.append(Path(folder, f"confusion-{number}-{slug}.png"))
        plot_confusion(row, list(result["corpus"]["classes"]), files[-1])
    return files


def plot_confusion(row: Mapping[str, Any], classes: Sequence[str], path: str | Path) -> None:
    """What a system said of the clips of each class: shares as colour, counts as numbers.

    Args:
        row: Of the result.
        classes: Their names.
        path: PNG or SVG to write.
    """
    counts = row["confusion"]
    shares = [[n / max(1, sum(line)) for n in line] for line in counts]
    with picture(path, 1.6 + 0.62 * len(classes), 1.9 + 0.5 * len(classes)) as figure:
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Purples", vmin=0, vmax=1, aspect="auto")
        for i, line in enumerate(counts):
            for j, n in enumerate(line):
                colour = "white" if shares[i][j] > 0.55 else "#333333" if n else "#aaaaaa"
                axes.text(j, i, str(n), ha="center", va="center", color=colour)
        axes.set_xticks(range(len(classes)), classes, rotation=35, ha="right")
        axes.set_yticks(range(len(classes)), classes)
        axes.set_xlabel("said")
        axes.set_ylabel("acted")
        figure.suptitle(
            f"{row['system']}\n{row['protocol']}\n"
            f"top-1 {percent(row['top1'])} %, UAR {percent(row['uar'])} %",
            fontsize=9, parse_math=False,
        )  # fmt: skip
        bare(axes)


def percent(value: float | None) -> str:
    """A share as percent, or a dash where it is undefined.

    Example:
        >>> percent(0.7056), percent(float("nan")), percent(None)
        ('70.6', '–', '–')
    """
    return f"{100 * value:.1f}" if _defined(value) and value is not None else NOTHING


def _with_interval(row: Mapping[str, Any], name: str) -> str:
    found = row["intervals"][name]
    low, high = percent(found["low"]), percent(found["high"])
    value = percent(row[name])
    return value if NOTHING in (value, low, high) else f"{value} [{low}, {high}]"


def _label(row: Mapping[str, Any]) -> str:
    return f"{row['system']}: {row['protocol']}"


def _defined(value: float | None) -> bool:
    return value is not None and value == value  # a stored result has null for NaN


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "�" for char in text)


def _escaped(text: str) -> str:
    for char in "\\|*_<>[]`":
        text = text.replace(char, f"\\{char}")
    return _printable(text)
