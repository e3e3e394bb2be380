"""One clip with Nano, from the command to the table: seconds, and what they are imports of.

python benchmarks/startup.py [--runs 7]
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
CLIP = HERE.parent / "examples" / "clips" / "de_anger.flac"
STEPS = {
    "python alone": "pass",
    "import torch": "import torch",
    "import transformers' Whisper": "import transformers.models.whisper.modeling_whisper",
}


def main() -> None:
    """Command line of `startup.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    from benchmarks.report import machine, write_report

    score = [sys.executable, "-m", "emonet_voice.cli.app", "score", str(CLIP)]
    commands = {name: [sys.executable, "-c", code] for name, code in STEPS.items()}
    commands["emonet-voice score clip.flac"] = score
    commands["… into a Parquet file"] = [*score, "--overwrite", "--output"]
    rows = []
    for name, command in commands.items():
        output = HERE / "results" / "startup.parquet"
        whole = [*command, str(output)] if command[-1] == "--output" else command
        rows.append({"what": name, **timed(whole, runs)})
        output.unlink(missing_ok=True)
        print(rows[-1], file=sys.stderr)
    write_report({"machine": machine(), "load": os.getloadavg()[0], "runs": runs, "rows": rows},
                 HERE / "results" / "startup.json")  # fmt: skip


def timed(command: list[str], runs: int) -> dict[str, Any]:
    """Seconds of a program on the clock and of the processor, after one run to warm up."""
    wall, cpu = [], []
    for _ in range(runs + 1):
        before, started = os.times(), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=HERE.parent)
        wall.append(time.perf_counter() - started)
        after = os.times()
        cpu.append(after.children_user + after.children_system - before.children_user
                   - before.children_system)  # fmt: skip
    return {
        "median": median(wall[1:]),
        "low": min(wall[1:]),
        "high": max(wall[1:]),
        "cpu": median(cpu[1:]),
    }


def startup_table(results: dict[str, Any]) -> str:
    """Table of one run of `startup.py`."""
    from benchmarks.full_size import said
    from benchmarks.report import describe

    lines = ["| | on the clock, median [range] | of the processor |", "|:--|--:|--:|"]
    lines += [
        f"| `{row['what']}` | {said(row, 2)} | {row['cpu']:.2f} s |" for row in results["rows"]
    ]
    note = f"{results['runs']} runs, files in memory; load before {results['load']:.1f}."
    return "\n".join([f"{describe(results['machine'])} {note}", "", *lines])


if __name__ == "__main__":
    main()
