"""The statistics of a Bench as text for a terminal and as Markdown for its card."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from modeling_empathic.report import tables
from modeling_empathic.report.tables import Section, plain
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


_number = partial(tables.number, missing="NaN")


def as_text(stats: Stats, width: int = 80) -> str:
    """Every table, without colours."""
    return tables.as_text(sections(stats), width)


def as_markdown(stats: Stats) -> str:
    """The same tables for the data set's card, under headings of the third level."""
    return tables.as_markdown(sections(stats))


def sections(stats: Stats) -> list[Section]:
    """The tables in the order of the paper."""
    clips = stats["clips"]

    def share(n: int) -> str:
        return f"{100 * n / clips:.1f} %"

    return [
        plain("Clips (Table 3)", ("", "Value", "Share"), _clip_rows(stats, share)),
        plain(
            "Raters of a clip (Table 4)",
            ("Raters", "Clips", "Share"),
            [[str(n), f"{of:,}", share(of)] for n, of in stats["raters_per_clip"].items()],
        ),
        plain(
            "Raters (Table 9)",
            ("Rater", "Clips", "Emotions per clip", "Scale"),
            [
                [row["rater"], f"{row['clips']:,}", str(row["emotions_per_clip"]), row["scale"]]
                for row in stats["raters"]
            ],
        ),
        _ceiling_section(stats),
        _alpha_section(stats),
        _single_section(stats),
        plain(
            "How α moves with the matrix",
            ("Matrix", "Overall", "Mean of emotions", "Without"),
            [
                [
                    f"{row['matrix']}: {MATRIX_NOTES[row['matrix']]}",
                    _number(row["overall"]),
                    _number(row["mean_of_emotions"]),
                    str(row["undefined_emotions"]),
                ]
                for row in stats["alpha_by_matrix"]
            ],
            "Without: emotions without a value, no part of the mean. 0 is chance, 1 the most.",
        ),
        plain(
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
            "0 is chance, 1 the most.",
        ),
        plain(
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


def _ceiling_section(stats: Stats) -> Section:
    """What raters reach, against which a system's figures are to be read."""
    of = stats["ceiling"]
    parts = [of[how] for how in ("one_rater", "split_half", "perfect")]
    one, half, perfect = parts
    n = f"{one['clips']:,}"
    rows = [
        ["Pooled", *_ceiling_cells(*parts), n],
        ["Mean of emotions", *_ceiling_cells(*map(_macro, parts)), n],
    ]
    by_emotion = []
    for name, figures in one["per_emotion"].items():
        ends = {"intervals": one["intervals"]["per_emotion"][name]}
        others = (part["per_emotion"][name] for part in (half, perfect))
        cells = _ceiling_cells(figures | ends, *others)
        by_emotion.append((figures["spearman"], [short_name(name), *cells, f"{figures['n']:,}"]))
    by_emotion.sort(key=lambda row: (math.isnan(row[0]), -row[0]))
    undefined = one["undefined"]["per_emotion"]
    chance = sum(math.isnan(of["pearson"]) for of in perfect["per_emotion"].values())
    chance -= len(undefined)
    reasons = []
    if chance > 0:
        reasons.append(f"raters agree no more than by chance (Perfect, {chance} emotions)")
    if undefined:
        reasons.append(f"ratings do not vary ({len(undefined)} emotions)")
    why = f" NaN: {', '.join(reasons)}." if reasons else ""
    left_out = (
        f" {one['left_out']:,} clips with one rating are left out." if one["left_out"] else ""
    )
    note = (
        "One rater against the mean of the clip's others, and one half of its raters against the "
        "other: Spearman's ρ, and MAE of one rater on 0 to 10, with 95 % intervals by clip. "
        "Perfect: Pearson's r of a system that knows what all possible raters say on average, "
        f"√reliability.{why}{left_out}"
    )
    headers = ("", "One ρ", "95 %", "Halves ρ", "MAE", "95 %", "Perfect r", "Clips")
    return plain("The ceiling: how well raters predict each other", headers,
                 rows + [row for _, row in by_emotion], note)  # fmt: skip


def _macro(of: Stats) -> Stats:
    """Macro figures under the names of pooled ones."""
    names = ("spearman", "mae", "pearson")
    ends = {name: of["intervals"][f"macro_{name}"] for name in names}
    return {name: of[f"macro_{name}"] for name in names} | {"intervals": ends}


def _ceiling_cells(one: Stats, half: Stats, perfect: Stats) -> list[str]:
    rho, mae = (
        "" if math.isnan(ends["low"]) else f"[{ends['low']:.2f}, {ends['high']:.2f}]"
        for ends in (one["intervals"]["spearman"], one["intervals"]["mae"])
    )
    pair = [_number(one["spearman"]), rho, _number(half["spearman"])]
    return [*pair, _number(one["mae"]), mae, _number(perfect["pearson"])]


def _single_section(stats: Stats) -> Section:
    """Coefficients of a single rating, which need no matrix: all ratings count."""
    rows = [
        [short_name(row["emotion"]), _number(row["krippendorff"]), _interval(row, "krippendorff_"),
         _number(row["icc"]), _interval(row, "icc_"), f"{row['krippendorff_n_items']:,}"]
        for row in stats["alpha"]
    ]  # fmt: skip
    note = (
        "α: Krippendorff's, ordinal. ICC: ICC(1,1), raters drawn anew for each clip. 0 is chance, "
        "1 the most. Of clips with two ratings or more; intervals from a bootstrap over clips."
    )
    headers = ("Emotion", "α", "95 %", "ICC", "95 %", "Clips")
    return plain("Agreement of single ratings", headers, rows, note)


def _interval(row: dict[str, Any], of: str) -> str:
    low, high = row[f"{of}ci_lower"], row[f"{of}ci_upper"]
    return "" if math.isnan(low) else f"[{_number(low)}, {_number(high)}]"


def _alpha_section(stats: Stats) -> Section:
    rows, notes = [], []
    for row in stats["alpha"]:
        name = short_name(row["emotion"])
        others = [f"{row['n_items']:,}", _number(row["krippendorff"])]
        rows.append([name, _number(row["alpha"]), _interval(row, ""), *others])
        if row["reason"]:
            notes.append(f"{name}: {row['reason']}.")
    note = (
        f"α: {MATRIX_NOTES[stats['alpha_matrix']]}; intervals from a bootstrap over clips. The "
        "intervals of the paper's Table 10 fit Krippendorff's α: compare with both."
    )
    headers = ("Emotion", "α", "95 % interval", "Clips", "Krippendorff")
    return plain("Cronbach's α (Table 10)", headers, rows, " ".join([note, *notes]))
