"""The results as HTML: bars and tables. `lanes.py` has what lies along time.

All text goes through `escape`; colours are CSS classes, so that light and dark are the page's.
"""

from html import escape
from typing import Any
from urllib.parse import quote

from emonet.taxonomy import short_name
from families import BY_FAMILY, ORDER

TOP = 8  # rows of each short list
_COLUMNS = "<col class=name><col><col class=number>"
_CALM = 1.0  # standard deviations: from there on a score is called unusual


def family_class(family: str) -> str:
    """CSS class of a family's colour."""
    return f"family-{ORDER.index(family)}"


def overview(result: dict[str, Any], audio: str, link: str) -> str:
    """Player, times and a link to the settings, above everything else.

    Args:
        result: Of `analysis.score`.
        audio: Path of the recording in Gradio's cache.
        link: Query that brings the settings back.
    """
    source = escape(f"gradio_api/file={quote(audio)}")
    loaded = f", after {result['load_s']:.1f} s of loading" if result["load_s"] >= 0.1 else ""
    return (
        '<div class="voice overview">'
        f'<audio class="voice-player" controls preload="metadata" src="{source}" '
        f'aria-label="The recording; a line in every picture below follows it"></audio>'
        f"<p>{clock(result['duration_s'])} of sound scored in {result['score_s']:.1f} s{loaded}. "
        f"Model {escape(result['model'])} ({escape(result['revision'][:12])}). "
        f'<a href="?{escape(link)}">Link to these settings</a></p></div>'
    )


def bars(result: dict[str, Any]) -> str:
    """The strongest and the most unusual emotions, then all by family.

    Args:
        result: Of `analysis.score`.
    """
    rows = result["emotions"]
    compared = result["reference"] is not None
    lists = [_table("Strongest", "by intensity, 0 to 10", rows[:TOP], compared)]
    if compared:
        unusual = sorted(rows, key=lambda row: -_z(row))
        lists.append(_table("Most unusual", "against the reference clips", unusual[:TOP], compared))
        note = (
            "The tick on a bar is the mean of the model's reference clips "
            f"({escape(result['reference'])}); bold is one standard deviation above it, or more. "
            "Some emotions score high in nearly every voice: "
            "what stands out against that says more than what is high."
        )
    else:
        note = (
            "This model has no scores of reference clips, so nothing says how unusual these are. "
            "Some emotions score high in nearly every voice."
        )
    doubt = ""
    if result["quality"]:
        doubt = (
            f'<p class="doubt" role="status">Doubtful: {escape(result["quality"])}. '
            "The bars may say nothing about a voice.</p>"
        )
    every = {row["emotion"]: row for row in rows}
    families = "".join(
        _table(family, "", [every[n] for n in names], compared)
        for family in ORDER
        if (names := [n for n in every if every[n]["family"] == family])
    )
    return (
        f'<div class="voice">{doubt}<div class="columns">{"".join(lists)}</div>'
        f'<p class="note">{note}</p>'
        f"<details><summary>All {len(rows)}, by family</summary>"
        f'<div class="columns">{families}</div></details></div>'
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
        top = rows[0]["probability"] or 1
        body = "".join(
            f'<tr{" class=hit" if row["hit"] else ""}><th scope="row">{escape(row["class"])}</th>'
            f'<td class="track"><span style="width:{100 * row["probability"] / top:.1f}%"></span>'
            f"</td><td>{100 * row['probability']:.0f} %</td></tr>"
            for row in rows
        )
        tables.append(
            f"<table><caption>{escape(corpus)}</caption>{_COLUMNS}"
            "<thead class=hidden><tr><th>class</th>"
            f"<th>bar</th><th>share</th></tr></thead><tbody>{body}</tbody></table>"
        )
    return (
        f'<div class="voice"><div class="columns">{"".join(tables)}</div><p class="note">'
        "Each class has the share of its strongest emotion in a softmax over the emotions that the "
        "paper's Table 11 maps to the corpus; bold ones are hits by its rule, above 1.5 times an "
        "even share. There can be several, or none.</p></div>"
    )


def _table(title: str, how: str, rows: list[dict[str, Any]], compared: bool) -> str:
    heading = f"{escape(title)} <small>{escape(how)}</small>" if how else escape(title)
    columns = "<th>emotion</th><th>bar</th><th>intensity</th>"
    columns += "<th>against the reference</th>" if compared else ""
    cols = _COLUMNS + "<col class=reference>" if compared else _COLUMNS
    return (
        f"<table><caption>{heading}</caption>{cols}<thead class=hidden><tr>{columns}</tr></thead>"
        f"<tbody>{''.join(_row(row, compared) for row in rows)}</tbody></table>"
    )


def _row(row: dict[str, Any], compared: bool) -> str:
    usual = row["usual_0_10"]
    name = row["emotion"]
    tick = "" if usual is None else f'<i style="left:{10 * usual:.1f}%"></i>'
    cells = (
        f'<th scope="row" title="{escape(name)}">{escape(short_name(name))}</th>'
        f'<td class="track"><span class="{family_class(row["family"])}" '
        f'style="width:{10 * row["intensity_0_10"]:.1f}%"></span>{tick}</td>'
        f"<td>{row['intensity_0_10']:.1f}</td>"
    )
    if compared:
        unusual = " class=unusual" if _z(row) >= _CALM else ""
        title = f"{_z(row):+.1f} standard deviations from the mean of the reference clips"
        percent = row["percentile"]
        above = "above all" if percent > 99.5 else f"above {percent:.0f} %"
        cells += f'<td{unusual} title="{title}">{above}</td>'
    return f"<tr>{cells}</tr>"


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
