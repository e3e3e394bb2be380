"""What became of every row of the benchmark, for each system."""

from typing import Any

from board import Board, on
from markup import address, box, text

from evaluate_metrics.emonet_voice.outcomes import OUTCOMES

UNKNOWN = "failure_of_unknown_kind"


def outcomes_table(board: Board, benchmark: str) -> str:
    """One row a system; counts only where somebody has some.

    Args:
        board: Of `board.load`.
        benchmark: Whose systems.
    """
    rows = on(board, benchmark)
    counted = any(row["rows"] is not None for row in rows.values())
    names = ["rows", *OUTCOMES, "never asked"] if counted else ["without a score"]
    heads = "".join(f'<th scope="col">{name.replace("_", " ").capitalize()}</th>' for name in names)
    lines = "".join(_account(label, row, counted) for label, row in rows.items())
    table = (
        f'<table class="outcomes{"" if counted else " few"}">'
        '<caption class="unseen">Rows by outcome</caption><thead><tr>'
        f'<th scope="col">System</th><th scope="col">Share of rows</th>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table>"
    )
    kinds = OUTCOMES if counted else ("scored", UNKNOWN)
    legend = "".join(
        f'<li><i class="part {name}"></i>{name.replace("_", " ")}</li>' for name in kinds
    )
    return f'<ul class="legend">{legend}</ul>{box("Outcomes of all systems", table)}'


def _account(label: str, row: dict[str, Any], counted: bool) -> str:
    name = f'<bdi class="name">{text(row["system"])}</bdi>'
    head = f'<th scope="row"><a href="{address(system=label)}" data-system>{name}</a></th>'
    columns = len(OUTCOMES) + 2 if counted else 1
    if row["rows"] is None:
        failed = row["failure_rate"]
        if failed is None:
            return f'<tr>{head}<td class="unknown" colspan="{columns + 1}">not known</td></tr>'
        share = f"{100 * failed:.2f} %"
        if counted:
            share += " without a score; the paper does not tell the kinds apart"
        bar = outcome_bar({"scored": 1 - failed, UNKNOWN: failed})
        return f'<tr>{head}{bar}<td colspan="{columns}">{share}</td></tr>'
    of = row["rows"] or 1
    cells = f"<td>{row['rows']:,}</td>"
    for outcome in OUTCOMES:
        n = row[outcome] or 0
        cells += f"<td>{n:,}{f'<small>{100 * n / of:.1f} %</small>' if n else ''}</td>"
    cells += f"<td>{row['without_prediction'] or 0:,}</td>"
    return f"<tr>{head}{outcome_bar({n: (row[n] or 0) / of for n in OUTCOMES})}{cells}</tr>"


def outcome_bar(shares: dict[str, float]) -> str:
    """A cell with the shares as a bar."""
    parts = "".join(
        f'<i class="part {name}" style="width:{100 * share:.2f}%"></i>'
        for name, share in shares.items()
        if share
    )
    return f'<td class="bar" aria-hidden="true"><div>{parts}</div></td>'
