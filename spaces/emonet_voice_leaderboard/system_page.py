"""The page of one system: where it stands, its figures, and each emotion on one axis."""

from typing import Any
from urllib.parse import quote

from axis import axis_of
from board import ALL, FIGURES, Board, beside, on
from markup import address, box, brief, interval, number, short, text
from outcomes_table import UNKNOWN, outcome_bar
from systems import ACCESS, System, count
from systems_table import CEILINGS, standing, tags
from ties import ties

from evaluate_metrics.emonet_voice.outcomes import OUTCOMES


def system_page(board: Board, label: str, space: str) -> str:
    """Everything that is known of a system, as an article that is hidden until it is asked for.

    Args:
        board: Of `board.load`.
        label: Of the system.
        space: Id of this Space on the Hub, for links to results; `""` elsewhere.
    """
    row = board.rows[label]
    return (
        f'<article data-label="{text(label)}" hidden><p><a href="?" data-home>'
        f"← All systems</a></p><h2 tabindex=-1><bdi>{text(row['system'])}</bdi></h2>{tags(row)}"
        f'<p class="lead">{_place(board, label)}</p>'
        f"{_facts(row, board.about[label], space, board)}"
        f"<h3>Figures</h3>{_figures(board, row)}"
        f"<h3>By emotion, Spearman's ρ</h3>{_by_emotion(board, label)}"
        f"<h3>What became of every row</h3>{_outcomes(row)}"
        f"{_compared(board, label)}</article>"
    )


def _place(board: Board, label: str) -> str:
    row = board.rows[label]
    rows = on(board, row["benchmark"])
    n = sum(bool(other["rank_spearman"]) for other in rows.values())
    if not row["rank_spearman"]:
        return f"No rank: {text(row['unranked'] or 'not ranked')}."
    line = (
        f"Place {row['rank_spearman']} of {n} over all clips, {row['rank_macro_spearman']} in the "
        "mean of emotions"
    )
    tie = ties(board, row["benchmark"]).get(label)
    return f"{line}; {standing(tie)}." if tie else f"{line}."


def _facts(row: dict[str, Any], known: System, space: str, board: Board) -> str:
    facts = {
        "Benchmark": text(brief(row["benchmark"])),
        "Weights": ACCESS.get(known.access, ""),
        "Parameters": count(known.parameters) if known.parameters else "",
        "Date": text(known.date) if known.date else "",
        "Model": text(f"{row['model']} at {row['revision'] or 'an unknown revision'}")
        if row["model"]
        else "",
        "Evaluated with": text(row["package"]) if row["package"] else "",
    }
    if row["published"]:
        facts["Source"] = '<a href="https://arxiv.org/abs/2506.09827">the paper, Tables 5 and 6</a>'
    if known.link:
        facts["Link"] = (
            f'<a href="{text(known.link)}" rel="nofollow noopener">{text(known.link)}</a>'
        )
    file = (row["file"] or "").replace("\\", "/").rpartition("/")[2]
    if space and file.endswith(".json") and (board.folder / "results" / file).is_file():
        path = f"https://huggingface.co/spaces/{space}/blob/main/data/results/{quote(file)}"
        facts["Result"] = f'<a href="{path}">{text(file)}</a>'
    if row["older_results"]:
        facts["Older results"] = f"{row['older_results']:,}"
    items = "".join(f"<div><dt>{name}</dt><dd>{it}</dd></div>" for name, it in facts.items() if it)
    return f'<dl class="facts">{items}</dl>'


def _figures(board: Board, row: dict[str, Any]) -> str:
    of = {"all clips": "", "mean of emotions": "macro_"}
    of = {words: prefix for words, prefix in of.items()
          if any(row[prefix + name] is not None for name in FIGURES)}  # fmt: skip
    names = [name for name in FIGURES if any(row[p + name] is not None for p in of.values())]
    if not names:
        return '<p class="note">No figure is defined.</p>'
    lines = [(words, prefix, row) for words, prefix in of.items()]
    rows = on(board, row["benchmark"])
    for kind in ("floors", "ceiling"):
        for name, figures in beside(rows, kind)[1].items():
            words = CEILINGS.get(name, f"floor: {name.replace('_', ' ')}")
            lines += [(f"{words}, {how}", prefix, figures) for how, prefix in of.items()]
    body = "".join(
        f'<tr{"" if figures is row else " class=floor"}><th scope="row">{text(words)}</th>'
        + "".join(_cell(figures, prefix + name, FIGURES[name]) for name in names)
        + "</tr>"
        for words, prefix, figures in lines
        if any(figures.get(prefix + name) is not None for name in names)
    )
    heads = "".join(f'<th scope="col">{FIGURES[name]}</th>' for name in names)
    return box(
        "Figures of this system",
        f'<table class="figures lines" style="--columns:{len(names)}"><thead><tr>'
        f'<th scope="col"><span class="unseen">Over</span></th>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table>",
    )


def _cell(figures: dict[str, Any], name: str, words: str) -> str:
    assert name in ALL
    value = figures.get(name)
    if value is None:
        return f'<td data-label="{words}">–</td>'
    ends = interval(figures.get(f"{name}_low"), figures.get(f"{name}_high"))
    return f'<td data-label="{words}">{number(value)}{ends}</td>'


def _by_emotion(board: Board, label: str) -> str:
    cells = board.by_emotion(label)
    if not cells:
        return '<p class="note">The result has no figures by emotion.</p>'
    axis = axis_of(of[end] for of in cells.values() for end in ("value", "low", "high"))
    ranked = sorted(cells, key=lambda name: -2 if cells[name]["value"] is None
                    else cells[name]["value"], reverse=True)  # fmt: skip
    lines = ""
    for name in ranked:
        of = cells[name]
        if of["value"] is None:
            drawn, shown = f"no figure: {text(of['why'])}", "–"
        else:
            drawn = axis.row(
                axis.span("bar", 0, of["value"]) if of["value"] >= 0
                else axis.span("bar", of["value"], 0),
                axis.span("line", of["low"], of["high"]),
                axis.mark("pooled", of["value"]),
            )  # fmt: skip
            shown = number(of["value"]) + interval(of["low"], of["high"])
        lines += (
            f'<tr><th scope="row" title="{text(name)}">{text(short(name))}</th>'
            f'<td class="drawn">{drawn}</td><td>{shown}</td></tr>'
        )
    head = (
        '<tr><th scope="col">Emotion</th><th scope="col" class="drawn">'
        f'<span class="unseen">on an axis</span>{axis.numbers()}</th><th scope="col">ρ</th></tr>'
    )
    return box(
        "Figures by emotion",
        f'<table class="emotions lines" style="--columns:1"><thead>{head}</thead>'
        f"<tbody>{lines}</tbody></table>",
    )


def _outcomes(row: dict[str, Any]) -> str:
    if row["rows"] is None:
        failed = row["failure_rate"]
        if failed is None:
            return '<p class="note">Not known.</p>'
        shares = {"scored": 1 - failed, UNKNOWN: failed}
        said = f"{100 * failed:.2f} % without a score; the paper does not tell the kinds apart."
    else:
        of = row["rows"] or 1
        shares = {name: (row[name] or 0) / of for name in OUTCOMES}
        counts = [f"{row[n]:,} {n.replace('_', ' ')}" for n in OUTCOMES if row[n]]
        counts += (
            [f"{row['without_prediction']:,} never asked"] if row["without_prediction"] else []
        )
        said = f"Of {row['rows']:,} rows: {', '.join(counts)}."
    bar = outcome_bar(shares).replace("td", "div")
    return f"{bar}<p>{said}</p>"


def _compared(board: Board, label: str) -> str:
    others = [other for pair in board.comparisons if label in pair for other in pair
              if other != label]  # fmt: skip
    links = "".join(
        f'<li><a href="{address(a=label, b=other)}#two">{text(other)}</a></li>' for other in others
    )
    return f"<h3>Compared with, paired</h3><ul>{links}</ul>" if links else ""
