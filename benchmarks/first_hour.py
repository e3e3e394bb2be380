"""The first hour: every shell line of the README in a fresh clone, timed, with how it ended.

    python benchmarks/first_hour.py

Installs from the package index of this machine. The repositories on the Hub are stand-ins on a
local one: tiny heads in the layout of the public pickles, and Bench with all of its clips, a third
of a second each. So the times are those of the commands, not of the weights and of the network.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
COLLECT = "emonet-voice collect "


def main() -> None:
    """Types the lines and writes `results/first_hour.json`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, help="where the clone and the Hub go")
    arguments = parser.parse_args()
    from benchmarks.report import machine, write_report
    from tests.support.fresh_clone import follow_readme
    from tests.support.public_heads import save_whisper

    def left_out(line: str) -> str | None:
        return "asks a service that costs money" if line.startswith(COLLECT) else None

    with tempfile.TemporaryDirectory(dir=arguments.work) as name:
        whisper = save_whisper(Path(name, "whisper"))
        Path(name, "work").mkdir()
        rows = follow_readme(Path(name, "work"), whisper, left_out)
    results = {"machine": machine(), "rows": rows}
    write_report(results, HERE / "results" / "first_hour.json")


def first_hour_table(results: dict[str, Any]) -> str:
    """The lines, how long each took, and the last that it said."""
    from benchmarks.report import describe

    rows = results["rows"]
    total = sum(row["seconds"] for row in rows)  # one after the other
    lines = ["| typed | seconds | | its last line |", "|:--|--:|:--|:--|"]
    for row in rows:
        ended = {None: "left out", 0: "ok"}.get(row["code"], f"**failed ({row['code']})**")
        last = (row["output"].splitlines() or [""])[-1].strip()
        cells = [f"`{row['line']}`", f"{row['seconds']:.0f}", ended, last[:100]]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(
        [f"{describe(results['machine'])} {total / 60:.0f} minutes in all.", "", *lines]
    )


if __name__ == "__main__":
    main()
