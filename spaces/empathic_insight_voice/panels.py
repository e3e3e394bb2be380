"""The results as HTML: bars and tables. `lanes.py` has what lies along time.

All text goes through `escape`; colours are CSS classes, so that light and dark are the page's.
"""

from html import escape
from typing import Any
from urllib.parse import quote

from emonet.taxonomy import short_name
from families import BY_FAMILY, ORDER

LEADERS = 5  # rows of each short list, lines of the timeline
_COLUMNS = "<col class=name><col><col class=number>"
_CALM = 1.0  # standard deviations: from there on a score is called unusual


def family_class(family: str) -> str:
    """CSS class of a family's colour."""
    return f"family-{ORDER.index(family)}"


def player(audio: str) -> str:
    """The one player, which moves the line in every picture.

    Args:
        audio: Path of the recording in Gradio's cache.
    """
    source = escape(f"gradio_api/file={quote(audio)}")
    return (
        f'<div class="voice"><audio class="voice-player" controls preload="metadata" '
        f'src="{source}" aria-label="The recording; a line in every picture follows it"></audio>'
        "</div>"
    )


def skeleton(what: str) -> str:
    """Where something will be, before it is; `what` says who is at it, `""` that others say so."""
    said = f'<p class="note" role="status">{escape(what)} …</p>' if what else ""
    rows = "".join(f'<div><i></i><b style="--width:{9 - n}"></b></div>' for n in range(LEADERS))
    return f'<div class="voice skeleton">{said}<div aria-hidden="true">{rows}</div></div>'


def progress(what: str, share: float) -> str:
    """How far a piece of work is, from 0 to 1."""
    percent = f"{100 * share:.0f}"
    return (
        f'<div class="voice progress"><span>{escape(what)}: {percent} %</span>'
        f'<progress max="100" value="{percent}" aria-label="{escape(what)}"></progress></div>'
    )


def note(text: str) -> str:
    """A line of its own."""
    return f'<div class="voice"><p class="note" role="status">{escape(text)}</p></div>'


def leaders(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that bars and timeline begin with: what stands out most, or else is strongest.

    Args:
        result: Of `analysis.score`.
    """
    rows = result["emotions"]
    return (sorted(rows, key=lambda row: -_z(row)) if result["reference"] else rows)[:LEADERS]


def overview(result: dict[str, Any], link: str, with_audio: bool) -> str:
    """A sentence, what it is worth, and a link to the settings, above everything else.

    Args:
        result: Of `analysis.score`.
        link: Query that brings the settings back.
        with_audio: Whether it brings the recording back too.
    """
    first, strongest = leaders(result)[0], result["emotions"][0]
    name = f"<strong>{escape(short_name(first['emotion']))}</strong>"
    rule = f", mean over {result['n_windows']} windows" if result["n_windows"] > 1 else ""
    intensity = f"{strongest['intensity_0_10']:.1f} of 10{rule}"
    also = (
        f"It is the strongest too ({intensity})."
        if strongest is first
        else f"Strongest is {escape(short_name(strongest['emotion']))} ({intensity})."
    )
    if first["z"] is None:
        said = (
            f"{name} is strongest ({intensity}). How unusual that is nothing says: "
            "this model has no scores of reference clips."
        )
    elif first["z"] >= _CALM:
        above = f"{_above(first)} of its reference clips"
        if first["percentile"] is None:
            above = f"{first['z']:.1f} standard deviations above the median of public clips"
        said = f"{name} stands out most: {above}. {also}"
    else:
        said = f"Nothing stands out for this model, {name} the most. {also}"
    doubts = escape(result["quality"])
    clip = f"Doubtful: {doubts}. The scores may say nothing." if doubts else "No doubts about it."
    loaded = f", after {result['load_s']:.1f} s of loading" if result["load_s"] >= 0.1 else ""
    where = "Link to this page" if with_audio else "Link to these settings"
    missing = "" if with_audio else " (your recording is not in it)"
    shown = (
        f'<div class="voice overview"><p class="sentence" role="status">{said}</p>'
        f'<dl class="worth"><div{" class=doubt" if doubts else ""}><dt>This recording</dt>'
        f"<dd>{clip}</dd></div><div><dt>This model</dt><dd>{_worth(result)}</dd></div></dl>"
        f'<p class="note">{clock(result["duration_s"])} of sound scored in '
        f"{result['score_s']:.1f} s{loaded}. "
        f"Model {escape(result['model'])} ({escape(result['revision'][:12])}). "
        f'<a href="?{escape(link)}">{where}</a>{missing}</p></div>'
    )
    return shown.replace(" %", "\u00a0%")  # no line ends between a number and its unit


def _worth(result: dict[str, Any]) -> str:
    """What the model was measured to be good for."""
    right, guessed = [], []
    for key, whom, corpus in (
        ("emodb_test_speakers", "by speakers it never met", "EmoDB"),
        ("unseen_corpus", "of a corpus it never met", "another corpus"),
    ):
        found = result["measured"].get(key)
        if found:
            right.append(
                f"on {100 * found['top1']:.0f} % of the clips {whom} "
                f"({found.get('name', corpus)}, {len(found['classes'])} acted emotions)"
            )
            guessed.append(f"on {100 * found['floor_most_frequent']:.0f} %")
    if not right:
        return "Comes without measured figures."
    return escape(
        f"Right {' and '.join(right)}; guessing the most common emotion every time would be "
        f"right {' and '.join(guessed)}."
    )


def bars(result: dict[str, Any]) -> str:
    """What stands out and what is strongest, then all by family.

    Args:
        result: Of `analysis.score`.
    """
    rows = result["emotions"]
    compared = result["reference"] is not None
    lists = []
    if compared:
        title = "Stands out most"
        lists.append(_table(title, "against what is usual", leaders(result), compared))
        why = (
            f"The tick on a bar is what is usual ({escape(result['reference'])}); "
            "bold is one standard deviation above it, or more. "
            "Some emotions score high in nearly every voice: "
            "what stands out against that says more than what is high."
        )
    else:
        why = (
            "This model has no scores of reference clips, so nothing says how unusual these are. "
            "Some emotions score high in nearly every voice."
        )
    rule = ", mean over the windows" if result["n_windows"] > 1 else ""
    lists.append(_table("Strongest", f"intensity, 0 to 10{rule}", rows[:LEADERS], compared))
    every = {row["emotion"]: row for row in rows}
    families = "".join(
        _table(family, "", [every[n] for n in names], compared)
        for family in ORDER
        if (names := [n for n in every if every[n]["family"] == family])
    )
    return (
        f'<div class="voice">{question("these bars", why)}'
        f'<div class="columns">{"".join(lists)}</div>'
        f"<details><summary>All {len(rows)}, by family</summary>"
        f'<div class="columns">{families}</div></details></div>'
    )


def question(what: str, answer: str) -> str:
    """An explanation behind a question mark.

    Args:
        what: Words that say what is explained.
        answer: HTML.
    """
    return (
        f'<details class="why"><summary aria-label="About {escape(what)}">?</summary>'
        f'<p class="note">{answer}</p></details>'
    )


def coarse(result: dict[str, Any]) -> str:
    """The classes of EmoDB and RAVDESS.

    Args:
        result: Of `analysis.score`.
    """
    if not result["coarse"]:
        return (
            '<div class="voice"><p class="note">The coarse reading needs all of the emotions that '
            "Table 11 of the paper maps; only some were asked for.</p></div>"
        )
    tables = []
    for corpus, rows in result["coarse"].items():
        body = "".join(
            f"<tr role=row{' class=hit' if row['hit'] else ''}>"
            f'<th scope="row" role=rowheader>{escape(row["class"])}</th>'
            f'<td role=cell class="track">'
            f'<span style="width:{100 * row["probability"]:.1f}%"></span>'
            f"</td><td role=cell>{100 * row['probability']:.0f} %</td></tr>"
            for row in rows
        )
        tables.append(
            f"<table role=table><caption>{escape(corpus)}</caption>{_COLUMNS}"
            "<thead class=hidden><tr><th>class</th>"
            f"<th>bar</th><th>share</th></tr></thead><tbody>{body}</tbody></table>"
        )
    why = (
        "Each class has the share of its strongest emotion in a softmax over the emotions that the "
        "paper's Table 11 maps to the corpus; bold ones are hits by its rule, above 1.5 times an "
        "even share. There can be several, or none."
    )
    columns = f'<div class="columns">{"".join(tables)}</div>'
    return f'<div class="voice coarse">{question("these classes", why)}{columns}</div>'


def _table(title: str, how: str, rows: list[dict[str, Any]], compared: bool) -> str:
    heading = f"{escape(title)} <small>{escape(how)}</small>" if how else escape(title)
    head = "<th>emotion</th><th>bar</th><th>intensity</th>"
    head += "<th>against what is usual</th>" if compared else ""
    cols = _COLUMNS + "<col class=reference>" if compared else _COLUMNS
    return (
        f"<table role=table><caption>{heading}</caption>{cols}"
        f"<thead class=hidden><tr>{head}</tr></thead>"
        f"<tbody>{''.join(_row(row, compared) for row in rows)}</tbody></table>"
    )


def _row(row: dict[str, Any], compared: bool) -> str:
    usual = row["usual_0_10"]
    name = row["emotion"]
    tick = "" if usual is None else f'<i style="left:{10 * usual:.1f}%"></i>'
    cells = (
        f'<th scope="row" role=rowheader title="{escape(name)}">{escape(short_name(name))}</th>'
        f'<td role=cell class="track"><span class="{family_class(row["family"])}" '
        f'style="width:{10 * row["intensity_0_10"]:.1f}%"></span>{tick}</td>'
        f"<td role=cell>{row['intensity_0_10']:.1f}</td>"
    )
    if compared:
        unusual = " class=unusual" if _z(row) >= _CALM else ""
        title = f"{_z(row):+.1f} standard deviations from what is usual"
        cells += f'<td role=cell{unusual} title="{title}">{_above(row)}</td>'
    return f"<tr role=row>{cells}</tr>"


def _above(row: dict[str, Any]) -> str:
    percent = row["percentile"]
    if percent is None:  # a public norm has no ranks
        return "–" if row["z"] is None else f"{row['z']:+.1f} SD"
    return "above all" if percent > 99.5 else f"above {percent:.0f} %"


def _z(row: dict[str, Any]) -> float:
    """0 for a head that gives every reference clip the same: nothing is unusual there."""
    return 0.0 if row["z"] is None else row["z"]


def clock(time_s: float) -> str:
    """Minutes and seconds, or seconds with a decimal below one minute.

    Example:
        >>> clock(4.25), clock(605)
        ('4.2 s', '10:05')
    """
    return f"{time_s:.1f} s" if time_s < 60 else f"{int(time_s) // 60}:{int(time_s) % 60:02d}"


def in_order(names: Any) -> list[str]:
    """Emotions family by family; heads that the taxonomy does not know at the end."""
    known = [name for name in BY_FAMILY if name in names]
    return known + [name for name in names if name not in known]
