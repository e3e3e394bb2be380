"""A result over several corpora as tables and as one picture."""

from pathlib import Path
from typing import Any

from evaluate_metrics.emonet_voice import FEW_UNITS
from evaluate_metrics.emonet_voice.aggregate import mean_defined
from evaluate_metrics.generalize import tables as one
from evaluate_metrics.generalize.schema import AcrossResult, Row
from evaluate_metrics.generalize.zero_shot import NOT_TAUGHT
from evaluate_metrics.published import published_human
from modeling_empathic.report import tables
from modeling_empathic.report.figures import DARK, GREY, ORANGE, PURPLE, picture
from modeling_empathic.report.tables import Footnotes, Section, number, plain

PICTURE = "corpora.png"
MET = "*"
"""Marks a corpus that the model was trained on."""


def as_text(result: AcrossResult, width: int = 80) -> str:
    """Every table, without colours."""
    return tables.as_text(sections(result), width, padding=0)


def as_markdown(result: AcrossResult, heading: str = "###") -> str:
    """The same tables in Markdown, under headings of a level."""
    return tables.as_markdown(sections(result), heading)


def sections(result: AcrossResult) -> list[Section]:
    """`across_sections`, then each corpus as `generalize` shows it."""
    own = (one.sections(of)[:-1] for of in result["corpora"].values())
    return [*across_sections(result), *(section for of in own for section in of)]


def across_sections(result: AcrossResult) -> list[Section]:
    """UAR on each corpus, and which differences between systems are real."""
    corpora, classes = list(result["rows"]), result["classes"]
    titles = {name: of["corpus"].get("title", name) for name, of in result["corpora"].items()}
    systems = [row["system"] for row in result["rows"][corpora[0]]]
    uar, footnotes = [], Footnotes()
    for number_, system in enumerate(systems):
        cells = [result["rows"][name][number_] for name in corpora]
        known = [row["uar"] for row in cells if row["uar"] is not None and row["uar"] == row["uar"]]
        some = f"over {len(known)} of {len(cells)} corpora" if len(known) < len(cells) else ""
        mean = one.percent(mean_defined(known)) + footnotes.mark(some)
        uar.append([system, *(one.with_interval(row, "uar") for row in cells), mean])
    chance = one.percent(result["chance"])
    uar.append(["any constant answer", *[chance] * len(corpora), chance])
    compared = [
        [f"{titles[name]}: {pair['a']} − {pair['b']}", str(pair["clips"]), _difference(pair),
         _p(pair["p_holm"])]
        for name in corpora for pair in result["comparisons"][name]
    ]  # fmt: skip
    whole = [
        plain(
            f"Across corpora: UAR, % [95 %], of {', '.join(classes)}",
            ("System", *(titles[name] + _met(result, name) for name in corpora), "mean"),
            uar, *footnotes.lines(), _notes(result),
        ),
    ]  # fmt: skip
    if compared:
        whole.append(
            plain(
                "Differences in UAR, points [95 %]", ("", "Clips", "Difference", "p (Holm)"),
                compared, "On the clips that both answered; p corrected over a corpus's pairs.",
            )
        )  # fmt: skip
    return whole


def _met(result: AcrossResult, name: str) -> str:
    """The mark of a corpus that the model was trained on, or nothing."""
    # Results of an earlier version say zero-shot.
    met = result["rows"][name][0]["protocol"] not in (NOT_TAUGHT, "zero-shot")
    return MET if met else ""


def _difference(pair: Any) -> str:
    low, high, value = (
        number(100 * (pair[key] if pair[key] is not None else float("nan")), 1, one.NOTHING)
        for key in ("low", "high", "difference")
    )
    return value if one.NOTHING in (low, high) else f"{value} [{low}, {high}]"


def _p(value: float | None) -> str:
    if value is None or value != value:
        return one.NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _notes(result: AcrossResult) -> str:
    rows = [row for of in result["rows"].values() for row in of]
    notes = ["Intervals are resampled by speaker."]
    fewest = min(len(row["speakers"]) for row in rows)
    if fewest < FEW_UNITS:
        notes.append(f"With {fewest} speakers they may cover less than 95 %.")
    for name, of in result["rows"].items():
        first = of[0]
        if _met(result, name):
            notes.append(
                f"{MET} {first['system']} was trained on other clips of {name}; here: "
                f"{first['protocol']}."
            )
    notes.append(
        "What is taught (logistic regression, not tuned) is taught all corpora but the one tested. "
        "The model answers by Table 11, of these classes alone."
    )
    known = [name for name in result["rows"] if published_human(name)]
    notes += [f"{name}: {one.human(name)}" for name in known]
    if len(known) < len(result["rows"]):
        others = ", ".join(name for name in result["rows"] if name not in known)
        notes.append(f"What people reach is not known here of {others}.")
    failed = {
        row["system"]: n for row in rows
        if (n := sum(k for outcome, k in row["outcomes"].items() if outcome != "scored"))
    }  # fmt: skip
    notes += [f"{system}: {n} clips failed and are left out." for system, n in failed.items()]
    of_corpora = {name: one.not_as_said(r["corpus"]) for name, r in result["corpora"].items()}
    notes += [f"{name}: {said}" for name, said in of_corpora.items() if said]
    return " ".join(notes)


def plot(result: AcrossResult, folder: str | Path) -> list[Path]:
    """UAR of every system on every corpus, with intervals, chance, and people where published.

    Returns:
        The one file, `corpora.png`.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    path = Path(folder, PICTURE)
    corpora, n = list(result["rows"]), len(next(iter(result["rows"].values())))
    with picture(path, 2.4 + 2.7 * len(corpora), 1.5 + 0.42 * n) as figure:
        panels = figure.subplots(1, len(corpora), sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, corpora, strict=True):
            _panel(axes, result, name)
        panels[0].set_yticks(range(n), [_wrapped(row["system"])
                                        for row in result["rows"][corpora[0]]])  # fmt: skip
        title = f"Across corpora: unweighted average recall of {', '.join(result['classes'])}"
        figure.suptitle(title, fontsize=10, x=0.02, ha="left", parse_math=False)
        below = "%, with 95 % intervals by speaker; dashed: any constant answer"
        if any(_met(result, name) for name in corpora):
            model = result["rows"][corpora[0]][0]["system"]
            below += f"\n{MET} {model} was trained on other clips of it"
        figure.supxlabel(below, fontsize=9, parse_math=False)
    return [path]


def _panel(axes: Any, result: AcrossResult, name: str) -> None:
    rows = result["rows"][name]
    axes.axvline(100 * result["chance"], color=DARK, linestyle="--", linewidth=0.9)
    for human in published_human(name):
        if human["heard"] == "voice" and human["who"] == "one rater":
            axes.axvline(100 * human["value"], color=ORANGE, linewidth=1.2)
    for i, row in enumerate(rows):
        interval: Any = row["intervals"]["uar"]
        value, low, high = (
            None if v is None or v != v else 100 * v
            for v in (row["uar"], interval["low"], interval["high"])
        )
        if value is None:
            continue
        if low is not None and high is not None:
            axes.plot([low, high], [i, i], color=PURPLE, linewidth=2, solid_capstyle="round")
        axes.plot([value], [i], "o", color=PURPLE, markersize=6)
        axes.annotate(f"{value:.0f}", (value, i), xytext=(0, 6), textcoords="offset points",
                      ha="center", fontsize=8)  # fmt: skip
    axes.set_xlim(0, 102)
    axes.set_xticks(range(0, 101, 20))
    axes.set_ylim(len(rows) - 0.5, -0.7)
    axes.grid(axis="x", color=GREY, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    speakers = len(_speakers(rows))
    title = result["corpora"][name]["corpus"].get("title", name) + _met(result, name)
    axes.set_title(f"{title}: {rows[0]['clips']} clips, {speakers} speakers", fontsize=9,
                   parse_math=False)  # fmt: skip


def _speakers(rows: list[Row]) -> list[str]:
    return rows[0]["speakers"]


def _wrapped(system: str) -> str:
    """A system's name over two lines where it is long; of a path the last part."""
    last = system.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
    return last.replace(", ", ",\n", 1) if len(last) > 18 else last
