"""A generalisation result as tables, and its confusions as pictures."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from evaluate_metrics.emonet_voice import FEW_UNITS
from evaluate_metrics.generalize.clips import ACTED
from evaluate_metrics.generalize.schema import CorpusFacts, Result, Row
from evaluate_metrics.generalize.zero_shot import NOT_TAUGHT
from evaluate_metrics.published import published_human
from modeling_empathic.report import tables
from modeling_empathic.report.figures import bare, ink, picture
from modeling_empathic.report.tables import SUPERSCRIPTS, Footnotes, Section, plain

NOTHING = "–"
WithInterval = Literal["overall", "top1", "uar", "macro_f1"]
ONE_ANSWER: tuple[WithInterval, ...] = ("top1", "uar", "macro_f1")


def as_text(result: Result, width: int = 80) -> str:
    """Every table, without colours."""
    return tables.as_text(sections(result), width, padding=0)  # eight classes fit into 80


def as_markdown(result: Result, heading: str = "###") -> str:
    """The same tables in Markdown, under headings of a level."""
    return tables.as_markdown(sections(result), heading)


def sections(result: Result) -> list[Section]:
    """Hit rates by class, what they cost, one answer a clip, and the model's confusions."""
    classes = list(result["corpus"]["classes"])
    rows, floors, published = result["rows"], result["floors"], result["published"]
    calling = [row for row in (*rows, *floors) if _defined(row["overall"])]
    answering = [row for row in (*rows, *floors) if _defined(row["top1"])]
    by_class: list[list[str]] = []
    marks, label = _marks((*rows, *floors))
    for row in calling:
        of = row["per_class"]
        cells = [percent(of[c]["hit_rate"]) for c in classes] + [percent(row["overall"])]
        by_class.append([label(row), *cells])
        # Stored results of version 0.2 lack it, and a floor's hits are all by chance.
        if "hit_rate_shuffled" in of[classes[0]] and row in rows:
            chance = (percent(of[c]["hit_rate_shuffled"]) for c in classes)
            mark = label(row).removeprefix(row["system"])  # the line above may be of several rows
            by_class.append([f"   by chance{mark}", *chance, percent(row["overall_shuffled"])])
    by_class += [
        [f"paper: {row['system']}", *(percent(row["per_class"].get(c)) for c in classes),
         percent(row["overall"])]
        for row in published if row["per_class"]
    ]  # fmt: skip
    costs = [
        [label(row), with_interval(row, "overall"), percent(row["overall_shuffled"]),
         percent(row["false_alarm_rate"]), f"{row['classes_a_clip']:.2f}"]
        for row in calling
    ]  # fmt: skip
    one_answer = [
        [label(row), str(row["answers"]), *(with_interval(row, name) for name in ONE_ANSWER)]
        for row in answering
    ]
    one_answer += [
        [f"paper: {row['system']}", NOTHING, percent(row["top1"]), NOTHING, NOTHING]
        for row in published if _defined(row["top1"])
    ]  # fmt: skip
    first = rows[0]
    confusion = zip(classes, first["confusion"] or [], strict=True)
    return [
        plain(
            f"{_title(result)}: clips whose class is called present, % (Table 7)",
            ("System", *classes, "all"), _once(by_class), *marks,
            f"{result['rule'][:1].upper()}{result['rule'][1:]}. By chance: the hits of the same "
            "calls on clips in another order, which is how often the class is called at all. It "
            "depends on how far the scores spread.",
        ),
        plain(
            "What saying yes costs, %",
            ("System", "Hits [95 %]", "Shuffled", "False alarms", "Classes a clip"), costs,
            *marks,
            "Shuffled: the hits that the same calls would have on clips in another order. False "
            "alarms: of all wrong classes, those called present.",
        ),
        plain(
            "One answer a clip, % [95 %]", ("System", "Answers", "Top-1", "UAR", "Macro-F1"),
            one_answer, *marks, _notes(result),
        ),
        plain(
            f"{first['system']}, {first['protocol']}: acted (down), answered (across)",
            ("", *classes),
            ([name, *map(str, counts)] for name, counts in confusion),
        ),
    ]  # fmt: skip


def _title(result: Result) -> str:
    corpus = result["corpus"]
    name = title_of(corpus)
    n, whole = corpus["clips"], corpus["published_clips"]
    return f"{name}, {n:,} clips" + (f" of {whole:,}" if n != whole else "")


def title_of(corpus: CorpusFacts) -> str:
    """A corpus's name for people; results of version 0.2 do not say it."""
    return corpus.get("title") or ACTED[corpus["name"]].__name__


def _notes(result: Result) -> str:
    """What a reader has to know about these very figures."""
    rows, corpus = result["rows"], result["corpus"]
    notes = ["Intervals are resampled by speaker."]
    fewest = min(len(row["speakers"]) for row in rows)
    if fewest == 1:
        notes.append("Of one speaker there is none.")
    elif fewest < FEW_UNITS:
        notes.append(
            f"With {fewest} speakers they are widened by Student's t, and may still cover less "
            "than 95 %."
        )
    notes.append(human(corpus["name"]))
    if any("top1_of_splits" in row for row in rows):
        notes.append(
            "Supervised: logistic regression on standardised features, not tuned; in a random "
            "split the speakers of the test are also in the training."
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
    if any(row["protocol"] == NOT_TAUGHT for row in rows):
        notes.append(
            f"{NOT_TAUGHT.capitalize()}: nothing was fitted to these clips. Whether the model met "
            "them in its own training is known only where its training.json says so."
        )
    notes.append(f"Median length of the clips: {corpus['median_duration_s']:.1f} s.")
    notes.append(not_as_said(corpus))
    return " ".join(filter(None, notes))


def not_as_said(corpus: CorpusFacts) -> str:
    """What was left out, failed, or is not known; nothing where all was read."""
    counts = corpus.get("not_as_said") or {}
    said = "; ".join(f"{what}: {n:,}" for what, n in counts.items())
    if "speaker not known" in counts:
        said += " (they are one group here)"
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def human(corpus: str) -> str:
    """What people reach on a corpus, and what it means to be above them.

    Example:
        >>> human("cremad")
        "People, by voice alone: one rater, UAR against the actor's intention 0.407; majority of..."
        >>> human("emodb")
        'What people reach on these clips is not known here.'
    """
    rows = [row for row in published_human(corpus) if row["heard"] == "voice"]
    if not rows:
        return "What people reach on these clips is not known here."
    said = "; ".join(f"{row['who']}, {row['statistic']} {row['value']:.3f}" for row in rows)
    sources = "; ".join(dict.fromkeys(row["source"] for row in rows))
    return (
        f"People, by voice alone: {said} ({sources}). A system far above them reads the actor's "
        "intention, not what is heard."
    )


def plot(result: Result, folder: str | Path) -> list[Path]:
    """One picture a row that gives one answer a clip, in the order of the rows.

    Returns:
        The files, `confusion-1-nano.png` and so on; the picture's title says the rest.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    files = []
    for number, row in enumerate(result["rows"], start=1):
        last = re.split(r"[/\\]", row["system"].rstrip("/\\"))[-1]  # of a Hub id or a path
        slug = re.sub("[^a-z0-9]+", "-", last.split("(")[0].lower()).strip("-")[:24].strip("-")
        files.append(
            Path(folder, "-".join(filter(None, ["confusion", str(number), slug])) + ".png")
        )
        corpus = title_of(result["corpus"])
        plot_confusion(row, list(result["corpus"]["classes"]), files[-1], corpus)
    return files


def plot_confusion(row: Row, classes: Sequence[str], path: str | Path, corpus: str = "") -> None:
    """What a system said of the clips of each class: shares as colour, counts as numbers.

    Args:
        row: Of the result.
        classes: Their names.
        path: PNG or SVG to write.
        corpus: Its name, for the title.
    """
    counts = row["confusion"] or []
    shares = [[n / max(1, sum(line)) for n in line] for line in counts]
    with picture(path, 1.4 + 0.54 * len(classes), 1.9 + 0.44 * len(classes)) as figure:
        axes = figure.add_subplot()
        colours = axes.imshow(shares, cmap="Purples", vmin=0, vmax=1, aspect="auto").get_cmap()
        for i, line in enumerate(counts):
            for j, n in enumerate(line):
                colour = ink(colours(shares[i][j])) if n else "#6b6b6b"
                axes.text(j, i, str(n), ha="center", va="center", color=colour)
        axes.set_xticks(range(len(classes)), classes, rotation=35, ha="right")
        axes.set_yticks(range(len(classes)), classes)
        axes.set_xlabel("said (clips; colour: share of the row)")
        axes.set_ylabel("acted")
        title = [
            f"{row['system']}{' on ' * bool(corpus)}{corpus}",
            row["protocol"],
            f"top-1 {percent(row['top1'])} %, unweighted average recall {percent(row['uar'])} %",
        ]
        figure.suptitle("\n".join(title), fontsize=10, x=0.02, ha="left", parse_math=False)
        bare(axes)


def percent(value: float | None) -> str:
    """A share as percent, or a dash where it is undefined.

    Example:
        >>> percent(0.7056), percent(float("nan")), percent(None)
        ('70.6', '–', '–')
    """
    return f"{100 * value:.1f}" if _defined(value) and value is not None else NOTHING


def with_interval(row: Row, name: WithInterval) -> str:
    """A figure as percent, with its interval where there is one."""
    interval = row["intervals"][name]
    low, high = percent(interval["low"]), percent(interval["high"])
    value = percent(row[name])
    return value if NOTHING in (value, low, high) else f"{value} [{low}, {high}]"


def _label(row: Row) -> str:
    return f"{row['system']}: {row['protocol']}"


def _marks(rows: Sequence[Row]) -> tuple[list[str], Callable[[Row], str]]:
    """What a row's mark says of the clips and of what was taught; and a row's name with its mark.

    Of one protocol nothing needs a mark.
    """
    protocols = list(dict.fromkeys(row["protocol"] for row in rows))
    if len(protocols) == 1:
        return [f"Every system: {protocols[0]}."], lambda row: row["system"]
    footnotes = Footnotes()
    for protocol in protocols:
        footnotes.mark(protocol)
    return footnotes.lines(), lambda row: row["system"] + footnotes.mark(row["protocol"])


def _once(lines: Sequence[list[str]]) -> list[list[str]]:
    """Lines of the same figures, such as a floor's under several protocols, as one of all marks.

    Example:
        >>> _once([["all¹", "100"], ["one¹", "20"], ["all²", "100"]])
        [['all¹⁺²', '100'], ['one¹', '20']]
    """
    by_cells: dict[tuple[str, ...], list[str]] = {}
    kept = []
    for name, *cells in lines:
        key = (name.rstrip(SUPERSCRIPTS), *cells)
        if name.startswith(" ") or key not in by_cells:
            by_cells[key] = [name, *cells]
            kept.append(by_cells[key])
        else:
            by_cells[key][0] += "⁺" + name.removeprefix(key[0])
    return kept


def _defined(value: float | None) -> bool:
    return value is not None and value == value  # a stored result has null for NaN
