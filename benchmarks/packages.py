"""What packages cost: librosa as an extra, in MB and in start-up, and the import of `evaluate`.

    python benchmarks/packages.py

Sizes are of what is installed here and belongs to a package, by its own list of files. Times are of
the processor, of whole processes, Python's start included.
"""

import argparse
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from statistics import median
from typing import Any

from packaging.requirements import Requirement

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
WITHOUT_TRANSFORMERS = "import sys; sys.modules['transformers'] = None; import evaluate"
STARTS = {
    "import emonet_voice.cli.commands": "import emonet_voice.cli.commands",
    "the same and what acoustics use of librosa": (
        "import emonet_voice.cli.commands, librosa; librosa.pyin, librosa.feature.mfcc"
    ),
    "import evaluate": "import evaluate",
    "import evaluate, transformers out of its sight": WITHOUT_TRANSFORMERS,
    "import evaluate_metrics.emonet_voice": "import evaluate_metrics.emonet_voice",
}


def reached(first: list[str]) -> set[str]:
    """All that an installation of these requirements brings, by name, as far as it is here."""
    waiting, found = [(Requirement(text), "") for text in first], set()
    while waiting:
        wanted, of_extra = waiting.pop()
        if wanted.marker and not wanted.marker.evaluate({"extra": of_extra}):
            continue
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        for extra in ("", *wanted.extras):
            if (name, extra) in found:
                continue
            try:
                own = requires(name) or []
            except PackageNotFoundError:
                continue
            found.add((name, extra))
            waiting += [(Requirement(text), extra) for text in own]
    return {name for name, _ in found}


def megabytes(name: str) -> float:
    """What a package's files take on disk."""
    files = [Path(str(file.locate())) for file in distribution(name).files or []]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def packages_table(results: dict[str, Any]) -> str:
    """Tables of one run, for `benchmarks/README.md`."""
    from benchmarks.report import describe

    sizes, core = results["librosa_brings_mb"], results["core_mb"]
    largest = sorted(sizes, key=lambda name: -sizes[name])[:6]
    named = ", ".join(f"{name} {sizes[name]:.0f} MB" for name in largest)
    lines = [
        describe(results["machine"]),
        "",
        f"The core takes {core:,.0f} MB; librosa and what nothing else of the core needs would add "
        f"{sum(sizes.values()):,.0f} MB in {len(sizes)} packages: {named}.",
        "",
        "| start | seconds, median [range] |",
        "|:--|--:|",
    ]
    for name, seconds in results["starts"].items():
        spread = f"{median(seconds):.2f} [{seconds[0]:.2f}–{seconds[-1]:.2f}]"
        lines.append(f"| {name} | {spread} |")
    return "\n".join(lines)


def main() -> None:
    """Measures, and writes `results/packages.json`."""
    import tomllib

    from benchmarks.house import timed
    from benchmarks.report import machine, write_report

    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    core = reached(project["dependencies"])
    more = reached([*project["dependencies"], "librosa"]) - core
    results = {
        "machine": machine(),
        "core_mb": sum(map(megabytes, core)),
        "librosa_brings_mb": {name: megabytes(name) for name in sorted(more)},
        "starts": {name: timed("-c", code, runs=3) for name, code in STARTS.items()},
    }
    write_report(results, HERE / "results" / "packages.json")


if __name__ == "__main__":
    main()
