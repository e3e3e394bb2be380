"""Figure 1 of the paper for any Bench: how far the raters of each emotion agree."""

from pathlib import Path
from typing import Any

from modeling_empathic.report.figures import bare, picture
from modeling_empathic.taxonomy import short_name

ORANGES = ("#7f3b08", "#a85409", "#ce7317", "#eb9a3c", "#fcc678")
PURPLES = ("#cfcbe2", "#a99fc9", "#8370ab", "#5e3c91", "#3a1160")
GREYS = ("#cfcfcb", "#e9e9e6")
"""Presence, absence and draws. ColorBrewer's PuOr, which colour-blind readers tell apart."""
ACROSS = 6  # kinds of agreement in a row of the legend


def plot(stats: dict[str, Any], path: str | Path) -> None:
    """Draws the stacked bars of Figure 1.

    One bar an emotion, from agreement on presence (left) to agreement on absence (right), emotions
    in the order of `stats["agreement"]`, numbers of clips and raters at the right.

    Args:
        stats: Of [`dataset_scripts.stats.bench.stats`].
        path: PNG or SVG to write, by its suffix.

    Raises:
        UserError: Another suffix.
    """
    rows = stats["agreement"]
    with picture(path, 6.6, 2.3 + 0.23 * len(rows)) as figure:
        axes = figure.add_subplot()
        # Overall stands apart from the emotions.
        heights = [float(i + (0.5 if i else 0)) for i in range(len(rows))]
        left = [0.0] * len(rows)
        for kind, colour in _colours(rows).items():
            widths = [100 * row["types"].get(kind, 0) / row["n"] for row in rows]
            if any(widths):
                axes.barh(
                    heights, widths, 0.84, left, color=colour, label=kind,
                    edgecolor="white", linewidth=0.6,
                )  # fmt: skip
            left = [start + width for start, width in zip(left, widths, strict=True)]
        names = [short_name(row["emotion"]) for row in rows]
        axes.set_yticks(heights, names, parse_math=False)  # "$" is a letter like any other
        axes.set_ylim(heights[-1] + 0.6, -0.6)
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of clips, %")
        bare(axes)
        raters = sorted({n for row in rows for n in row["percent"]})
        _numbers(axes, rows, heights, raters)
        bars, kinds = axes.get_legend_handles_labels()
        # A legend is filled column by column and read row by row.
        order = [i for column in range(ACROSS) for i in range(column, len(bars), ACROSS)]
        axes.legend(
            [bars[i] for i in order], [kinds[i] for i in order],
            title="Raters on the larger : smaller side;\n(+) most found the emotion, (-) most not",
            loc="lower left", bbox_to_anchor=(0, 1 + 1 / (heights[-1] + 1.2)), ncols=ACROSS,
            frameon=False, fontsize=8, alignment="left", borderaxespad=0, borderpad=0,
            columnspacing=0.9, handlelength=1, handletextpad=0.4,
        )  # fmt: skip
        figure.suptitle("How far raters agree about each emotion", x=0.02, ha="left", fontsize=11)


def _colours(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Colours of the types in the order of the stack."""
    kinds = list(rows[0]["types"])
    colours: dict[str, str] = {}
    for sign, shades in (("(+)", ORANGES), ("", GREYS), ("(-)", PURPLES)):
        signed = [k for k in kinds if (k[-3:] if k.endswith(")") else "") == sign]
        colours |= {kind: shades[min(i, len(shades) - 1)] for i, kind in enumerate(signed)}
    return {kind: colours[kind] for kind in kinds}


def _numbers(
    axes: Any, rows: list[dict[str, Any]], heights: list[float], raters: list[int]
) -> None:
    """Clips, and percent of them with two, three and four raters, at the right of the bars."""
    headers = ["n", *(f"%{n}r" for n in raters)]
    cells = [
        [f"{row['n']:,}", *(f"{row['percent'].get(n, 0):.0f}" for n in raters)] for row in rows
    ]
    for height, line in zip([-1, *heights], [headers, *cells], strict=True):
        for column, cell in enumerate(line):
            axes.annotate(
                cell, (1, height), xycoords=axes.get_yaxis_transform(), ha="right", va="center",
                xytext=(40 + 28 * column, 0), textcoords="offset points", annotation_clip=False,
                fontweight="bold" if line is headers else "normal",
            )  # fmt: skip
