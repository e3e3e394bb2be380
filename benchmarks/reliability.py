"""Kills commands at each step that touches the disk and counts what was lost.

    python benchmarks/reliability.py [--most N]

Writes `benchmarks/results/reliability.json` and `benchmarks/reliability.md`. Some minutes on two
cores. Every trial is a fork that dies by SIGKILL just before a rename, fsync, unlink or rmdir; the
same command then runs again, and its files are compared with those of a run that nobody killed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.report import machine  # noqa: E402
from modeling_empathic.report.files import replacing, write_json  # noqa: E402
from tests.support.killing import COMMANDS  # noqa: E402

ABOUT = {
    "score": "six clips into a CSV and a Parquet score file",
    "build": "Bench out of a raw release",
    "convert": "two public heads and a Whisper",
    "stage": "a staged repository replaced",
    "train": "four heads, three epochs, a checkpoint each",
}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, help="Kills of each command, evenly spread.")
    most = parser.parse_args().most
    found: list[dict[str, Any]] = []
    for command in COMMANDS:
        with tempfile.TemporaryDirectory() as folder:
            program = [sys.executable, "-m", "tests.support.killing", command, f"{folder}/place"]
            program += ["--most", str(most)] if most else []
            done = subprocess.run(program, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
        print(found[-1])
    write_json(ROOT / "benchmarks/results/reliability.json", {"machine": machine(), "kills": found})
    with replacing(ROOT / "benchmarks/reliability.md") as temporary:
        temporary.write_text(page(found), "utf-8")


def page(found: list[dict[str, Any]]) -> str:
    """The report as Markdown."""
    rows = [
        f"| `{of['command']}` | {ABOUT[of['command']]} | {of['steps']} | {of['kills']} | "
        f"{len(of['wrong'])} |"
        for of in found
    ]
    kills, lost = sum(of["kills"] for of in found), sum(len(of["wrong"]) for of in found)
    wrong = "".join(f"- `{of['command']}`, {line}\n" for of in found for line in of["wrong"])
    return f"""# Nothing lost

Written by `python benchmarks/reliability.py`. Each command was killed (SIGKILL) just before a
rename, fsync, unlink or rmdir and run again. **Lost: {lost}** of {kills} times the files were not
those of a run that nobody killed, or others lay beside them.

| command | what it did | steps | kills | lost |
| :-- | :-- | --: | --: | --: |
{chr(10).join(rows)}
{wrong}"""


if __name__ == "__main__":
    main()
