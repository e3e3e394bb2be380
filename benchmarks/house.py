"""The house in figures: lines by room, arrows, lengths of files before and after, and start times.

    python benchmarks/house.py [--before REV] [--after REV]

What is counted is read from git, of two revisions; what is timed are the files that are here. Times
are of the processor, so that other work on the machine counts little.
"""

import argparse
import ast
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
BEFORE_THE_ROOMS = "fd29822"  # the last commit of the flat house
RUNS = 5
LIMIT = 400  # lines of a file


def main() -> None:
    """Counts, times and writes `results/house.json`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", default=BEFORE_THE_ROOMS, metavar="REV")
    parser.add_argument("--after", default="HEAD", metavar="REV")
    arguments = parser.parse_args()
    from benchmarks.report import machine, write_report

    imports = ["modeling_empathic.taxonomy", "modeling_empathic", "emonet_voice.cli.commands"]
    results = {
        "machine": machine(),
        "revisions": [counted(arguments.before), counted(arguments.after)],
        "imports": {name: timed("-c", f"import {name}") for name in ["sys", *imports]},
        "help": {
            " ".join(command): timed("-m", "emonet_voice.cli.app", *command, "--help")
            for command in commands()
        },
    }
    write_report(results, HERE / "results" / "house.json")


def counted(revision: str) -> dict[str, Any]:
    """What a revision consists of, by room, and what breaks the rules in it."""
    from tests.support.imports import House
    from tests.support.rules import (
        BESIDE,
        ROOMS,
        against_the_rooms,
        circles_of_files,
        circles_of_folders,
        imports_of_test_modules,
    )

    git = ["git", "-C", str(HERE.parent)]
    commit = subprocess.check_output([*git, "rev-parse", "--short", revision], text=True).strip()
    archive = subprocess.check_output([*git, "archive", commit])
    with tempfile.TemporaryDirectory() as name:
        with tarfile.open(fileobj=BytesIO(archive)) as tar:
            tar.extractall(name, filter="data")
        house = House.read(Path(name), (*ROOMS, *BESIDE))
        files: dict[str, list[dict[str, int]]] = {room: [] for room in (*ROOMS, *BESIDE)}
        for module, path in house.files.items():
            files[module.split(".")[0]].append(size(path.read_text("utf-8")))
    product = [file["lines"] for room in ROOMS for file in files[room]]
    return {
        "commit": commit,
        "rooms": {
            room: {"files": len(of)} | {key: sum(file[key] for file in of) for key in size("")}
            for room, of in files.items()
        },
        "median_lines": median(product),
        "longest": max(product),
        "over_limit": sum(lines > LIMIT for lines in product),
        "against_the_rule": len(against_the_rooms(house)),
        "circles_of_files": len(circles_of_files(house)),
        "circles_of_folders": len(circles_of_folders(house)),
        "imports_of_test_modules": len(imports_of_test_modules(house)),
    }


def size(text: str) -> dict[str, int]:
    """Lines of a Python file, of code and of explanation, and its statements by what they are for.

    Docstrings and line breaks change no number of statements, types only that of declarations.
    """
    lines, tree = text.splitlines(), ast.parse(text)
    strings = [s for s in ast.walk(tree) if isinstance(s, ast.Expr) and _is_docstring(s.value)]
    explained = {line for s in strings for line in range(s.lineno, (s.end_lineno or 0) + 1)}
    explained |= {n for n, line in enumerate(lines, 1) if line.lstrip().startswith("#")}
    empty = {n for n, line in enumerate(lines, 1) if not line.strip()} - explained
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    imports = sum(isinstance(node, ast.Import | ast.ImportFrom) for node in statements)
    declare = sum(isinstance(node, ast.AnnAssign | ast.ClassDef) for node in statements)
    return {
        "lines": len(lines),
        "code": len(lines) - len(explained) - len(empty),
        "explained": len(explained),
        "imports": imports,
        "declare": declare,
        "do": len(statements) - len(strings) - imports - declare,
    }


def _is_docstring(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def commands() -> Iterator[list[str]]:
    """Words of every command, the one without any first."""
    from typer.main import get_command

    from emonet_voice.cli.commands import app

    waiting: list[tuple[list[str], Any]] = [([], get_command(app))]
    while waiting:
        words, command = waiting.pop(0)
        yield words
        inner = getattr(command, "commands", {})
        waiting += [([*words, name], of) for name, of in inner.items() if not of.hidden]


def timed(*arguments: str, runs: int = RUNS) -> list[float]:
    """Seconds of the processor that Python takes for this, each of some runs; sorted."""
    seconds = []
    for _ in range(runs + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        subprocess.run(
            [sys.executable, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return sorted(seconds[1:])  # the first finds its files cold


def house_table(results: dict[str, Any]) -> str:
    """Tables of one run, for `benchmarks/README.md`."""
    from benchmarks.report import describe

    before, after = results["revisions"]
    product = [room for room in before["rooms"] if room not in ("tests", "examples", "benchmarks")]
    lines = [describe(results["machine"]), ""]
    lines += [
        f"| Python, {before['commit']} → {after['commit']} | files | lines | … of code "
        "| … docstrings, comments | statements: imports | … typed names, classes | … others |",
        "|:--|--:|--:|--:|--:|--:|--:|--:|",
    ]
    keys = ("files", *size(""))
    groups = {"**the rooms**": product, **{name: [name] for name in before["rooms"]}}
    for name, rooms in groups.items():
        cells = [
            " → ".join(f"{sum(of['rooms'][r][key] for r in rooms):,}" for of in (before, after))
            for key in keys
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| the rooms | before | after | asked for |", "|:--|--:|--:|--:|"]
    for key, name, asked in (
        ("against_the_rule", "imports against the rule", "0"),
        ("circles_of_files", "circles of files", "0"),
        ("circles_of_folders", "circles of folders", "0"),
        ("imports_of_test_modules", "imports of test modules", "0"),
        ("over_limit", f"files over {LIMIT} lines", "0"),
        ("longest", "longest file, lines", f"≤ {LIMIT}"),
        ("median_lines", "median file, lines", "about 100"),
    ):
        lines.append(f"| {name} | {before[key]:g} | {after[key]:g} | {asked} |")
    lines += ["", "| start | seconds, median [range] | asked for |", "|:--|--:|--:|"]

    def row(name: str, seconds: list[float], asked: str) -> str:
        spread = f"{median(seconds):.2f} [{seconds[0]:.2f}–{seconds[-1]:.2f}]"
        return f"| `{name}` | {spread} | {asked} |"

    for name, seconds in results["imports"].items():
        lines.append(row(f"import {name}", seconds, "< 0.2" if "taxonomy" in name else ""))
    for name, seconds in results["help"].items():
        lines.append(row(f"emonet-voice {name} --help".replace("  ", " "), seconds, "< 0.5"))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
