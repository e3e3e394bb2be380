"""The leaderboard as a table for a terminal or a card: who leads, and who may as well."""

from typing import Any

from modeling_empathic.report.tables import Footnotes, Section, number, plain

_NOTE = (
    "Rank: by pooled Spearman's ρ; in brackets the ranks that chance allows (paired bootstrap of "
    "all pairs that were compared, Holm, 95 % for all systems at once). *: not distinguishable "
    "from the first. s and $: a clip, as whoever ran it says."
)
_ENDS = ("spearman", "macro_spearman", "mae")


def sections(table: dict[str, Any]) -> list[Section]:
    """A table for each benchmark.

    Args:
        table: Of `merge.merge`, or its JSON.
    """
    found = []
    for of in table["benchmarks"]:
        rows = [row for row in table["rows"] if row["benchmark"] == of["benchmark"]]
        notes = Footnotes()
        lines = [
            [
                ("* " if row.get("rank_spearman_low") == 1 else "  ")
                + row["system"] + notes.mark(row["unranked"] or ""), _rank(row),
                "" if row["used"] is None else f"{row['used']:,}",
                _with_interval(row, "spearman"), _with_interval(row, "macro_spearman"),
                _number(row, "mae"), _number(row, "seconds_a_clip", 2),
                _number(row, "usd_a_clip", 4),
            ]
            for row in rows
        ]  # fmt: skip
        ceiling = next((row["ceiling"]["one_rater"] for row in rows
                        if "one_rater" in (row.get("ceiling") or {})), None)  # fmt: skip
        if ceiling:
            cells = [_number(ceiling, name) for name in _ENDS]
            lines.append(["  one rater against the others", "", "", *cells, "", ""])
        most = max(rows, key=lambda row: row["used"] or 0)
        floors = [_number(most, f"{name}_floor") for name in _ENDS]
        if any(floors):
            why = f"the best floor or baseline of each figure, on the rows of {most['system']}"
            lines.append(["  best without hearing" + notes.mark(why), "", "", *floors, "", ""])
        units = sorted({row["resampled"] for row in rows if row.get("resampled")})
        intervals = f"95 % intervals: bootstrap of {', '.join(units)}." if units else ""
        compared = any(row.get("rank_spearman_low") for row in rows)
        found.append(
            plain(
                of["benchmark"],
                ("System", "Rank", "Rows", "ρ pooled", "ρ macro", "MAE", "s", "$"), lines,
                _NOTE if compared else "No two systems were compared: give --bench and --scores.",
                intervals, *notes.lines(),
            )
        )  # fmt: skip
    return found


def _rank(row: dict[str, Any]) -> str:
    rank, low, high = (row.get(f"rank_spearman{end}") for end in ("", "_low", "_high"))
    if rank is None:
        return ""
    return str(rank) if low is None else f"{rank} [{low}–{high}]"


def _with_interval(row: dict[str, Any], name: str) -> str:
    low, high = _number(row, f"{name}_low"), _number(row, f"{name}_high")
    value = _number(row, name)
    return f"{value} [{low}, {high}]" if value and low and high else value


def _number(row: dict[str, Any], name: str, digits: int = 3) -> str:
    value = row.get(name)
    return number(float("nan") if value is None else value, digits, missing="")
