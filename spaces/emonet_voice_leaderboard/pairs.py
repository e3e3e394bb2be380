"""Two systems against each other: paired where somebody has compared them, else side by side.

A result has figures and intervals, not the predictions, so nothing can be resampled here. What
`emonet-voice evaluate --vs` found is in the result that it wrote, and in the table made of it.
"""

from collections.abc import Iterable
from typing import Any

from axis import Axis, axis_of
from board import ALL, FIGURES, ORDER, Board, BoardError
from markup import box, interval, number, section, short, text

from evaluate_metrics.bench.figures import Comparison, CorrectedDifference, Difference
from evaluate_metrics.bench.typed_json import encode

PAIRED, ALONE, APART = "paired", "not paired", "different benchmarks"
_ABOUT = {
    ALONE: (
        "Each interval is of one system alone. Both heard the same clips, so whether the intervals "
        "overlap does not say whether the difference is real, and there is no p value. For a "
        "paired bootstrap: emonet-voice evaluate A --bench … --vs B --output a.json, and submit "
        "that result."
    ),
    APART: (
        "The two results are on different benchmarks, or it is not known that they are on the "
        "same one. They stand side by side; a difference would mean nothing."
    ),
}


def compare(board: Board, a: str, b: str) -> dict[str, Any]:
    """How two systems differ.

    Args:
        board: Of `board.load`.
        a: Label of the one.
        b: Label of the other.

    Returns:
        `a`, `b`, `kind`, `about`; `figures` and `by_emotion`: of each the values `a` and `b`, their
        own intervals where they are known, and, on the same benchmark, the `difference` A - B;
        where it is paired, its `low` and `high` (95 %) and `p`, by emotion corrected after Holm.

    Raises:
        BoardError: The same system twice, or one that is not there.
    """
    for label in (a, b):
        if label not in board.rows:
            raise BoardError(f"there is no system {label!r:.200}")
    if a == b:
        raise BoardError("choose two different systems")
    for pair, sign in (((a, b), 1), ((b, a), -1)):
        if pair in board.comparisons:
            return _paired(a, b, board.comparisons[pair], sign)
    one, two = board.rows[a], board.rows[b]
    same = one["benchmark"] == two["benchmark"]
    kind = ALONE if same else APART

    def cell(row: dict[str, Any], name: str) -> dict[str, Any]:
        return {"value": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"]}

    first, second = board.by_emotion(a), board.by_emotion(b)
    none = dict.fromkeys(("value", "low", "high"))
    return {
        "a": a, "b": b, "kind": kind, "about": _ABOUT[kind],
        "figures": {name: _entry(cell(one, name), cell(two, name), same) for name in ALL},
        "by_emotion": {
            name: _entry(first.get(name, none), second.get(name, none), same) for name in ORDER
        } if first or second else {},
    }  # fmt: skip


def _entry(a: dict[str, Any], b: dict[str, Any], same: bool) -> dict[str, Any]:
    known = same and a["value"] is not None and b["value"] is not None
    return {
        "a": a["value"], "a_low": a["low"], "a_high": a["high"],
        "b": b["value"], "b_low": b["low"], "b_high": b["high"],
        "difference": a["value"] - b["value"] if known else None,
    }  # fmt: skip


def _paired(a: str, b: str, stored: Comparison, sign: int) -> dict[str, Any]:
    def entry(of: Difference) -> dict[str, float | None]:
        values = encode(of)
        p = "p_holm" if isinstance(of, CorrectedDifference) else "p"
        plain = {name: values[name] for name in ("a", "b", "difference", "low", "high")}
        plain["p"] = values[p]
        if sign > 0:
            return plain
        flipped = {"a": "b", "b": "a", "low": "high", "high": "low"}
        swapped = {name: plain[flipped.get(name, name)] for name in plain}
        for name in ("difference", "low", "high"):
            value = swapped[name]
            swapped[name] = None if value is None else -value
        return swapped

    drawn = stored.bootstrap
    of = f" of {drawn.n_units:,} {drawn.unit}s" if drawn.n_units else ""  # older results lack it
    return {
        "a": a, "b": b, "kind": PAIRED,
        "about": (
            f"Paired bootstrap on the {stored.rows.common:,} rows that both scored, "
            f"{drawn.n_resamples:,} resamples{of}; p is two-sided, by emotion corrected after Holm."
        ),
        "figures": {name: entry(stored[name]) for name in ALL},
        "by_emotion": {
            name: entry(stored.per_emotion[name].spearman)
            for name in ORDER
            if name in stored.per_emotion
        },
    }  # fmt: skip


def shown(compared: dict[str, Any]) -> str:
    """A comparison for the page.

    Args:
        compared: Of [`compare`].
    """
    kind = compared["kind"]
    word = f'<strong class="{kind.split()[0]}">{kind.capitalize()}.</strong>'
    verdict = f"<p>{word} {text(compared['about'])}</p>"
    key = (
        '<ul class="legend names"><li><i class="mark a"></i><span>A: <bdi>'
        f'{text(compared["a"])}</bdi></span></li><li><i class="mark b"></i><span>B: <bdi>'
        f"{text(compared['b'])}</bdi></span></li></ul>"
    )
    figures = {
        f"{FIGURES[name.removeprefix('macro_')]}, {'macro' if 'macro' in name else 'pooled'}": entry
        for name, entry in compared["figures"].items()
    }
    by_emotion = dict(
        sorted(
            ((short(name), entry) for name, entry in compared["by_emotion"].items()),
            key=lambda item: -(item[1]["difference"] or 0),
        )
    )
    whole = box("Figures of both systems", _table("Figure", figures, kind, picture=False))
    if kind != APART:
        whole += "<p class=note>Above 0, A is better in ρ and r; below 0, in MAE and RMSE.</p>"
    if not by_emotion:
        return section(key, verdict, whole, "<p class=note>No figures by emotion.</p>")
    heading = "<h3>By emotion, Spearman's ρ</h3>"
    detail = box("Both systems by emotion", _table("Emotion", by_emotion, kind, picture=True))
    return section(key, verdict, whole, heading, detail)


def _table(first: str, entries: dict[str, dict[str, Any]], kind: str, picture: bool) -> str:
    axis = _axis(entries.values(), kind)
    heads = [first, "A", "B"]
    heads += ["A − B"] if kind != APART else []
    heads += ["p (Holm)" if picture else "p"] if kind == PAIRED else []
    cols = [f'<th scope="col">{word}</th>' for word in heads]
    if picture:
        drawn = (
            f'<th scope="col" class="drawn"><small>{_PICTURES[kind]}</small>{axis.numbers()}</th>'
        )
        cols.insert(1, drawn)
    lines = ""
    for name, entry in entries.items():
        if entry["a"] is None and entry["b"] is None:
            continue
        cells = f'<td class="drawn">{_picture(entry, kind, axis)}</td>' if picture else ""
        for side in "ab":
            own = interval(entry.get(f"{side}_low"), entry.get(f"{side}_high"))
            cells += f"<td>{number(entry[side])}{own}</td>"
        if kind != APART:
            own = interval(entry.get("low"), entry.get("high"))
            cells += f"<td>{number(entry['difference'], sign='+')}{own}</td>"
        if kind == PAIRED:
            cells += f"<td>{_p(entry['p'])}</td>"
        lines += f'<tr><th scope="row">{text(name)}</th>{cells}</tr>'
    return (
        f'<table class="pair lines {kind.split()[0]}" style="--columns:{len(heads) - 1}">'
        f"<thead><tr>{''.join(cols)}</tr></thead>"
        f"<tbody>{lines}</tbody></table>"
    )


_PICTURES = {
    PAIRED: "difference, 95 %: right of zero A is better",
    ALONE: "A and B, intervals where known",
    APART: "A and B, intervals where known",
}


def _axis(entries: Iterable[dict[str, Any]], kind: str) -> Axis:
    if kind != PAIRED:
        ends = (f"{side}{end}" for side in "ab" for end in ("", "_low", "_high"))
        names = tuple(ends)
        return axis_of(entry[name] for entry in entries for name in names)
    names = ("difference", "low", "high")
    there = [abs(of[name]) for of in entries for name in names if of.get(name) is not None]
    most = max(there, default=0.1)
    return axis_of([-most, most])


def _picture(entry: dict[str, Any], kind: str, axis: Axis) -> str:
    if kind == PAIRED:
        side = "b" if (entry["difference"] or 0) < 0 else "a"
        line = axis.span(f"line {side}", entry["low"], entry["high"])
        return axis.row(line, axis.mark(f"mark {side}", entry["difference"]))
    lines = (axis.span(f"line {s}", entry[f"{s}_low"], entry[f"{s}_high"]) for s in "ab")
    return axis.row(*lines, *(axis.mark(f"mark {side}", entry[side]) for side in "ab"))


def _p(p: float | None) -> str:
    return "n/a" if p is None else "&lt;0.001" if p < 0.001 else number(p)
