"""The list: every system of a benchmark with its place, on one axis with the raters' ceiling."""

from typing import Any

from axis import Axis, axis_of
from board import Board, beside, on
from csv_file import download
from markup import address, box, brief, interval, number, tag, text
from names import alphabets
from systems import ACCESS, System, count
from ties import OVERLAP, PAIRED, UNKNOWN, Tie, ties

COLUMNS = {
    "spearman": "ρ, all clips",
    "macro_spearman": "ρ, mean of emotions",
    "pearson": "Pearson r",
    "mae": "MAE",
    "rmse": "RMSE",
    "failure_rate": "No score",
    "seconds_a_clip": "Seconds a clip",
    "usd_a_clip": "USD a clip",
}
LOWER = ("mae", "rmse", "failure_rate", "seconds_a_clip", "usd_a_clip")
CEILINGS = {
    "one_rater": "one rater against the others' mean",
    "split_half": "half of the raters against the other half",
    "perfect": "a system that knows the true mean",
}


def systems_table(board: Board, benchmark: str) -> str:
    """The list of one benchmark, with the sentence above it and what its marks mean.

    Args:
        board: Of `board.load`.
        benchmark: Whose systems.
    """
    rows, found = on(board, benchmark), ties(board, benchmark)
    (of_floor, floors), (_, ceilings) = beside(rows, "floors"), beside(rows, "ceiling")
    drawn = [
        value
        for of in (*rows.values(), *floors.values(), *ceilings.values())
        for name in ("spearman", "macro_spearman")
        for end in ("", "_low", "_high")
        if (value := of.get(name + end)) is not None
    ]
    axis = axis_of(drawn)
    band = _band(axis, ceilings)
    # A column that nobody has a figure for says nothing.
    columns = [name for name in COLUMNS if any(row.get(name) is not None for row in rows.values())]
    order = sorted(rows, key=lambda label: rows[label]["rank_spearman"] or len(rows) + 1)
    body = "".join(
        _system(label, rows[label], board.about[label], found.get(label), columns, axis, band)
        for label in order
    )
    yardsticks = "".join(
        _yardstick(kind, name, of, columns, axis, band)
        for kind, named in (("floor", floors), ("ceiling", ceilings))
        for name, of in named.items()
    )
    table = (
        '<table class="systems"><caption class="unseen">Systems and their agreement with raters'
        f"</caption><thead><tr>{_heads(columns, axis)}</tr></thead><tbody>{body}</tbody>"
        + (f'<tbody class="yardsticks">{yardsticks}</tbody>' if yardsticks else "")
        + "</table>"
    )
    nothing = (
        '<div class="nothing" hidden><p>No system fits these words and filters.</p>'
        '<button type="button" class="button" data-clear>Show all systems</button></div>'
    )
    return (
        f'<p class="lead">{_lead(rows, found, ceilings)}</p>'
        f'<p class="note">Benchmark: {text(brief(benchmark))}.</p>'
        f"{box('Systems', table)}{nothing}"
        f"{_legend(found, ceilings, of_floor, rows)}{download(board, benchmark)}"
    )


def standing(tie: Tie) -> str:
    """What is known of a system's difference from the first, in words."""
    if tie.how == PAIRED:
        word = "not distinguishable from the first" if tie.tied else "behind the first"
        if tie.p is None:
            return f"{word} (paired bootstrap of all pairs, Holm)"
        p = "p < 0.001" if tie.p < 0.001 else f"p = {tie.p:.3f}"
        return f"{word} (paired bootstrap, {p} after Holm)"
    if tie.how == OVERLAP:
        return (
            "its 95 % interval overlaps with the first's: not distinguishable by that, and no "
            "paired test has been made"
            if tie.tied
            else "its 95 % interval is below the first's"
        )
    return "whether it differs from the first is not known: there are no intervals"


def _lead(rows: dict[str, dict[str, Any]], found: dict[str, Tie], ceilings: dict[str, Any]) -> str:
    first = next((label for label, row in rows.items() if row["rank_spearman"] == 1), None)
    if first is None:
        return "No system has a rank here."
    line = (
        f"Nearest to the experts over all clips: <strong>{text(rows[first]['system'])}</strong>, "
        f"ρ {number(rows[first]['spearman'])}"
    )
    reached = ceilings.get("one_rater", {}).get("spearman")
    line += f"; one rater reaches {number(reached)}." if reached is not None else "."
    for how, words in ((PAIRED, ""), (OVERLAP, " by overlapping intervals, no paired test")):
        tied = [text(rows[n]["system"]) for n, tie in found.items() if tie.tied and tie.how == how]
        if tied:
            line += f" Not distinguishable from it{words}: {', '.join(tied)}."
    if any(tie.how == UNKNOWN for tie in found.values()):
        line += " Without intervals nobody can say which differences are real."
    best = next((row for row in rows.values() if row["rank_macro_spearman"] == 1), None)
    if best and best is not rows[first]:
        line += (
            f" In the mean of emotions it is <strong>{text(best['system'])}</strong>, "
            f"ρ {number(best['macro_spearman'])}."
        )
    return line


def _heads(columns: list[str], axis: Axis) -> str:
    def head(column: int, words: str, first: str, sort: str = "", picture: str = "") -> str:
        state = f' aria-sort="{sort}"' if sort else ""
        kind = ' class="drawn"' if picture else ""
        button = (
            f'<button type="button" data-column="{column}" data-first="{first}" '
            f'aria-label="Sort by {words}">{words}</button>'
        )
        return f'<th scope="col"{state}{kind}>{"" if picture else button}{picture}</th>'

    legend = "<small>Spearman's ρ</small>"
    heads = head(0, "Place", "ascending", "ascending") + head(1, "System", "ascending")
    heads += head(2, "", "", picture=legend + axis.numbers())
    for at, name in enumerate(columns, 3):
        first = "ascending" if name in LOWER else "descending"
        heads += head(at, COLUMNS[name], first)
    return heads


def _system(
    label: str,
    row: dict[str, Any],
    known: System,
    tie: Tie | None,
    columns: list[str],
    axis: Axis,
    band: str,
) -> str:
    rank = row["rank_spearman"]
    place = "–" if not rank else f"{rank}"
    if tie and tie.tied:
        place += f'<small class="tied" title="{text(standing(tie))}">≈ first</small>'
    ends = row.get("rank_spearman_low"), row.get("rank_spearman_high")
    if None not in ends and ends[0] != ends[1]:
        place += f'<small title="ranks that chance allows, 95 %">{ends[0]} to {ends[1]}</small>'
    name = text(row["system"])
    cells = f'<td class="place" data-v="{rank or ""}">{place}</td>'
    cells += (
        f'<th scope="row" data-v="{name}"><a href="{address(system=label)}" data-system>'
        f'<bdi class="name">{name}</bdi></a>{tags(row)}<small>{facts(row, known)}</small></th>'
    )
    picture = axis.row(
        band,
        axis.span("line", row["spearman_low"], row["spearman_high"]),
        axis.mark("pooled", row["spearman"]),
        axis.mark("macro", row["macro_spearman"]),
    )
    cells += f'<td class="drawn">{picture}</td>' + "".join(_cell(row, name) for name in columns)
    words = text(f"{row['system']} {row['model'] or ''}").lower()
    return (
        f'<tr data-text="{words}" data-access="{known.access}" data-size="{known.size}">'
        f"{cells}</tr>"
    )


def _cell(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    words = f' data-label="{COLUMNS[name]}"'
    if value is None:
        return f'<td class="none"{words}><span aria-hidden="true">–</span><span class="unseen">not known</span></td>'  # noqa: E501
    shown = f"{100 * value:.1f} %" if name == "failure_rate" else number(value)
    ends = interval(row.get(f"{name}_low"), row.get(f"{name}_high"))
    return f'<td data-v="{value}"{words}>{shown}{ends}</td>'


def tags(row: dict[str, Any]) -> str:
    """What a reader has to know of a row before comparing it."""
    marks = ""
    if row["unranked"]:
        marks += tag(f"not ranked: {row['unranked']}", "warning")
    if out := row["emotions_left_out"]:
        marks += tag(f"mean without {out} emotion{'s' if out > 1 else ''}")
    if mixed := alphabets(row["system"]):
        marks += tag(f"letters of two alphabets: {', '.join(mixed)}", "warning")
    return marks


def facts(row: dict[str, Any], known: System) -> str:
    """Openness, size, date and model of a system, as far as they are known."""
    parts = [ACCESS[known.access]] if known.access else []
    parts += [count(known.parameters)] if known.parameters else []
    parts += [known.date] if known.date else []
    if row["model"] and row["model"] != row["system"]:
        parts.append(row["model"])
    return " · ".join(map(text, parts))


def _yardstick(
    kind: str, name: str, of: dict[str, Any], columns: list[str], axis: Axis, band: str
) -> str:
    words = CEILINGS.get(name, name.replace("_", " "))
    picture = axis.row(
        band, axis.mark("pooled", of.get("spearman")), axis.mark("macro", of.get("macro_spearman"))
    )
    cells = "".join(_cell(of, column) for column in columns)
    return (
        f'<tr class="{kind}"><td class="place"></td><th scope="row" data-v="{text(words)}">'
        f"{text(words)}<small>{kind}</small></th><td class=drawn>{picture}</td>{cells}</tr>"
    )


def _band(axis: Axis, ceilings: dict[str, Any]) -> str:
    """Where the raters are: from the least to the highest of their ceilings."""
    reached = [value for of in ceilings.values() if (value := of.get("spearman")) is not None]
    if not reached:
        return ""
    return axis.span("ceiling", min(reached), max(reached))


def _legend(
    found: dict[str, Tie], ceilings: dict[str, Any], of_floor: str, rows: dict[str, dict[str, Any]]
) -> str:
    items = [
        '<i class="key pooled"></i>over all clips',
        '<i class="key macro"></i>mean of emotions',
    ]
    if any(row["spearman_low"] is not None for row in rows.values()):
        units = {unit for row in rows.values() if (unit := row["resampled"])}
        of = f" of {text(units.pop())}" if len(units) == 1 else ""
        items.insert(1, f'<i class="key line"></i>95 % interval (bootstrap{of})')
    if ceilings:
        items.append('<i class="key ceiling"></i>the raters\' ceiling, from least to highest')
    lines = "".join(f"<li>{item}</li>" for item in items)
    notes = []
    hows = {tie.how for tie in found.values() if tie.tied}
    if PAIRED in hows:
        notes.append("≈ first: a paired bootstrap finds no difference (p of 0.05 or more, Holm).")
    if OVERLAP in hows:
        notes.append(
            "≈ first without a paired test: the 95 % intervals overlap, which is a weaker sign."
        )
    if of_floor:
        notes.append(f"Floors are of the rows that {text(of_floor)} scored.")
    said = f'<p class="note">{" ".join(notes)}</p>' if notes else ""
    return f'<ul class="legend">{lines}</ul>{said}'
