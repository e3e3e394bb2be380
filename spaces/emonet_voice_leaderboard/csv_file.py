"""The list as a CSV file, in the page itself: nothing is asked of the server."""

import base64
import csv
import io
from typing import Any

from board import ALL, Board, on

from evaluate_metrics.emonet_voice.outcomes import OUTCOMES

_ENDS = ("", "_low", "_high")
COLUMNS = (
    "system", "benchmark", "rank_spearman", "rank_macro_spearman", "unranked",
    *(name + end for name in ALL for end in _ENDS),
    "rows", "used", *OUTCOMES, "without_prediction", "failure_rate", "model", "revision", "time",
)  # fmt: skip
ABOUT = ("access", "parameters", "date", "link")


def csv_text(board: Board, benchmark: str) -> str:
    """All systems of a benchmark; a cell that a spreadsheet would run is made text.

    Args:
        board: Of `board.load`.
        benchmark: Whose systems.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*COLUMNS, *ABOUT])
    for label, row in on(board, benchmark).items():
        known = board.about[label]._asdict()
        writer.writerow(
            _cell(value)
            for value in (*(row[name] for name in COLUMNS), *(known[name] for name in ABOUT))
        )
    return out.getvalue()


def download(board: Board, benchmark: str) -> str:
    """A link to the file."""
    content = base64.b64encode(("\ufeff" + csv_text(board, benchmark)).encode()).decode()
    return (
        '<p><a class="button" download="emonet-voice-leaderboard.csv" '
        f'href="data:text/csv;charset=utf-8;base64,{content}">Download as CSV</a></p>'
    )


def _cell(value: Any) -> Any:
    text = value if isinstance(value, str) else None
    return f"'{text}" if text and text[0] in "=+-@\t\r" else value
