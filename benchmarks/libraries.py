"""Which tests pass with which versions of the libraries, run in the environment in question.

    python benchmarks/libraries.py others -m slow tests/model/test_libraries.py
    .venv-lowest/bin/python benchmarks/libraries.py lowest tests/model tests/metric tests/scoring

The first word names the row, the rest are pytest's arguments. `results/libraries.json` keeps the
last run of each name.
"""

import json
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
RESULT = HERE / "results" / "libraries.json"
LIBRARIES = (
    *("torch", "transformers", "huggingface_hub", "datasets", "safetensors", "numpy", "pyarrow"),
    *("librosa", "scipy", "scikit-learn", "soundfile", "soxr", "av", "typer", "rich", "evaluate"),
    *("accelerate", "peft", "torchao", "onnx", "onnxscript", "onnxruntime", "trackio"),
)


def installed() -> dict[str, str]:
    """Versions of the libraries that are here."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def counted(arguments: list[str]) -> dict[str, Any]:
    """How many tests pass, are skipped or fail, and which fail."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
        subprocess.run(command, cwd=HERE.parent, check=False)
        suite = ElementTree.parse(report).getroot()[0]
    failed = [
        f"{case.get('classname')}.{case.get('name')}"
        for case in suite
        if case.find("failure") is not None or case.find("error") is not None
    ]
    tests, skipped = int(suite.attrib["tests"]), int(suite.attrib["skipped"])
    passed = tests - skipped - len(failed)
    seconds = float(suite.attrib["time"])
    return {"passed": passed, "skipped": skipped, "failed": failed, "seconds": seconds}


def libraries_table(results: dict[str, Any]) -> str:
    """Table of all runs, for `benchmarks/README.md`."""
    lines = [
        "| | measured | tests | passed | skipped | failed | with |",
        "|:--|:--|:--|--:|--:|--:|:--|",
    ]
    for name, run in results.items():
        versions = ", ".join(f"{library} {number}" for library, number in run["versions"].items())
        lines.append(
            f"| {name} | {run['machine']['date']} at {run['machine']['commit']}, Python "
            f"{run['machine']['python']} | `{' '.join(run['arguments'])}` | {run['passed']} "
            f"| {run['skipped']} | {len(run['failed'])} | {versions} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs pytest, and keeps what came out beside the versions."""
    if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    from benchmarks.report import machine, write_report

    name, *arguments = sys.argv[1:]
    run = {
        "machine": machine(),
        "versions": installed(),
        "arguments": [argument for argument in arguments if argument not in ("-n", "0")],
        **counted(arguments),
    }
    kept = json.loads(RESULT.read_text("utf-8")) if RESULT.is_file() else {}
    write_report({**kept, name: run}, RESULT)


if __name__ == "__main__":
    main()
