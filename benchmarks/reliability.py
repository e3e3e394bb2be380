"""Kills commands, breaks their disks, runs them twice at once, and counts what was lost.

    python benchmarks/reliability.py [--most N] [--faults N] [--writers N] [--command NAME ...]

Writes `benchmarks/results/reliability.json` and `benchmarks/reliability.md`. Some minutes on two
cores. Every trial is a fork that dies by SIGKILL just before a rename, fsync, unlink or rmdir; the
same command then runs again, and its files are compared with those of a run that nobody killed.
"""

import argparse
import csv
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

RESULT = ROOT / "benchmarks/results/reliability.json"
BUGS = ROOT / "benchmarks/bugs.csv"
WRITERS = 6
ABOUT = {
    "score": "six clips into a CSV and a Parquet score file",
    "build": "Bench out of a raw release",
    "convert": "two public heads and a Whisper",
    "stage": "a staged repository replaced",
    "train": "four heads, three epochs, a checkpoint each",
    "generate": "four clips of a plan spoken",
    "big": "recordings cut, annotated, packed, twice",
    "collect": "three clips asked about, in one wording and in two",
    "generalize": "a corpus, a model, a classifier on its states",
    "evaluate": "an evaluation, and a leaderboard of it",
    "annotation": "four raters of the annotation Space",
}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, help="Kills of each command, evenly spread.")
    parser.add_argument("--faults", type=int, help="Of each kind and command, evenly spread.")
    parser.add_argument(
        "--writers", type=int, default=WRITERS, help="Offsets at which a second run begins."
    )
    parser.add_argument("--command", action="append", choices=COMMANDS, help="May be repeated.")
    given = parser.parse_args()
    before = json.loads(RESULT.read_text())["kills"] if RESULT.exists() else []
    kept = {of["command"]: of for of in before if given.command}
    for command in given.command or COMMANDS:
        with tempfile.TemporaryDirectory() as folder:
            program = [sys.executable, "-m", "tests.support.killing", command, f"{folder}/place"]
            # A Space has one server; of a broken disk it answers 500, and the page sends again.
            alone = {"writers": 0, "faults": 0} if command == "annotation" else {}
            asked = vars(given) | alone
            for name in ("most", "faults", "writers"):
                if (value := asked[name]) is not None:
                    program += [f"--{name}", str(value)]
            done = subprocess.run(program, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        kept[command] = json.loads(done.stdout.splitlines()[-1])
        print(kept[command])
        found = [kept[name] for name in COMMANDS if name in kept]
        write_json(RESULT, {"machine": machine(), "kills": found})
    write_page()


def write_page() -> None:
    """Renews `reliability.md` out of all results that there are."""
    with replacing(ROOT / "benchmarks/reliability.md") as temporary:
        temporary.write_text(page(json.loads(RESULT.read_text())["kills"]), "utf-8")


def page(found: list[dict[str, Any]]) -> str:
    """The report as Markdown."""
    broken = [sum(of["faults"].values()) for of in found]
    rows = [
        f"| `{of['command']}` | {ABOUT[of['command']]} | {of['steps']} | {of['kills']} | {n} | "
        f"{of['writers']} | {len(of['wrong'])} |"
        for of, n in zip(found, broken, strict=True)
    ]
    kinds = sorted({kind for of in found for kind in of["faults"]})
    tried = sum(broken) + sum(of["kills"] + of["writers"] for of in found)
    lost = sum(len(of["wrong"]) for of in found)
    wrong = "".join(f"- `{of['command']}`, {line}\n" for of in found for line in of["wrong"])
    return f"""# Nothing lost

Written by `python benchmarks/reliability.py`. Each command was killed (SIGKILL) just before a
rename, fsync, unlink, rmdir or SQL statement and run again; run on a broken disk, and again on a
whole one ({", ".join(kinds)});
and run a second time while it stood before such a step. **Lost: {lost}** of {tried:,} times the
files were not those of a run that came to no harm, others lay beside them, half a file stood under
a final name, or the reason was not one line.

| command | what it did | steps | kills | faults | two writers | lost |
| :-- | :-- | --: | --: | --: | --: | --: |
{chr(10).join(rows)}
{wrong}
{fuzzed()}
{loaded()}
{mended()}"""


def mended() -> str:
    """What was found broken, as Markdown."""
    with BUGS.open(encoding="utf-8", newline="") as table:
        bugs = list(csv.DictReader(table))
    rows = []
    for bug in bugs:
        file, _, test = bug["test"].partition("::")
        said = test.removeprefix("test_").replace("_", " ")
        rows.append(f"| {bug['kind']} | {bug['what broke']} | [{said}](../tests/{file}) |")
    return f"""## Each bug, and its test

{len(bugs)} that were found by trying, of the kinds that were asked for first and then as they came.

| kind | what broke | now a test |
| :-- | :-- | :-- |
{chr(10).join(rows)}
"""


def fuzzed() -> str:
    """What `benchmarks/fuzz.py` found, as Markdown."""
    file = ROOT / "benchmarks/results/fuzz.json"
    if not file.exists():
        return ""
    targets = json.loads(file.read_text())["targets"]
    rows = [
        f"| {name} | {of['executions']:,} | {of['seconds']} s | {len(of['findings'])} |"
        for name, of in targets.items()
    ]
    found = "".join(
        f"- {name}, {line}\n" for name, of in targets.items() for line in of["findings"]
    )
    return f"""## Nothing let in

Written by `benchmarks/fuzz.py` (Atheris), beside other work on the same two cores: what was neither
an error of ours nor a sound result.

| door | executions | for | findings |
| :-- | --: | --: | --: |
{chr(10).join(rows)}
{found}"""


def loaded() -> str:
    """What `benchmarks/space_load.py` found, as Markdown."""
    file = ROOT / "benchmarks/results/space_load.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    lines = ["## Spaces under load", "", "Written by `benchmarks/space_load.py`, on two cores.", ""]
    if "demo" in results:
        of = results["demo"]["measured"]
        grown = of["memory_last_third_mb"] - of["memory_first_third_mb"]
        lines.append(
            f"- Demo, Nano: {of['users']} users for {of['seconds'] / 60:g} minutes. "
            f"{of['answers']:,} answers, {of['errors']} errors; queue {of['queue_max']} at most; "
            f"bars after {of['bars_median_s']:.1f} s (median), {of['bars_max_s']:.1f} s at most; "
            f"memory {of['memory_max_mb']:,.0f} MB at most, last third against first "
            f"{grown:+,.0f} MB; its median by minute: "
            f"{', '.join(f'{value:,}' for value in of['memory_by_minute_mb'])} MB."
        )
    if "annotation" in results:
        of = results["annotation"]["measured"]
        lines.append(
            f"- Annotation: {of['raters']} raters, {of['clips']:,} clips, the server killed "
            f"{of['kills']} times in {of['seconds']:.0f} s. {of['confirmed']:,} answers confirmed, "
            f"{of['kept']:,} kept, **{of['lost']} lost**, {of['twice']} twice; "
            f"{of['sent_again']} requests sent again."
        )
    return "\n".join(lines) + "\n" if results else ""


if __name__ == "__main__":
    main()
