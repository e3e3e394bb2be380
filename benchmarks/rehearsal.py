"""`emonet-voice publish rehearse` at the size of the release: each call that users make, timed.

    emonet-voice bench build path/to/raw bench/    # or a made one, as `bench_build.py` makes it
    python benchmarks/rehearsal.py --bench bench/ [--models path/to/models]

Everything is pushed to a Hub on this machine by the real clients and used from there by fresh
processes without this package, then once more from their caches.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))


def main() -> None:
    """Stages, rehearses and writes `results/rehearsal.json`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bench", type=Path, required=True, help="folder of `bench build`")
    parser.add_argument("--models", type=Path, help="folder of converted models, by name")
    parser.add_argument("--work", type=Path, help="where the Hub and the caches go")
    arguments = parser.parse_args()
    from benchmarks.report import machine, write_report
    from emonet_voice.hub.publish.rehearse import rehearse
    from emonet_voice.hub.publish.stage import Sources, stage
    from emonet_voice.hub.repositories import NAMESPACE, folder_of

    with tempfile.TemporaryDirectory(dir=arguments.work) as name:
        staged = stage(Path(name, "stage"), Sources(arguments.models, arguments.bench.resolve()))
        sizes_mb = {
            repository.name: sum(
                path.stat().st_size
                for path in folder_of(staged.folder, repository).rglob("*")
                if path.is_file()
            )
            / 1e6
            for repository in staged.repositories
        }
        rows = rehearse(staged, NAMESPACE, Path(name, "work"), lambda row: print(row["call"]))
    results = {"machine": machine(), "sizes_mb": sizes_mb, "rows": rows}
    write_report(results, HERE / "results" / "rehearsal.json")


def rehearsal_table(results: dict[str, Any]) -> str:
    """Table of one run, for `benchmarks/README.md`."""
    from benchmarks.report import describe

    marks = {True: "ok", False: "FAILED", None: "skipped"}
    sizes = ", ".join(f"{name} {mb:.1f} MB" for name, mb in results["sizes_mb"].items())
    lines = ["| call | seconds | |", "|:--|--:|:--|"]
    lines += [
        f"| {row['call'].replace('|', chr(92) + '|')} | {row['seconds']:.1f} | {marks[row['ok']]} |"
        for row in results["rows"]
    ]
    return "\n".join([f"{describe(results['machine'])} Staged: {sizes}.", "", *lines])


if __name__ == "__main__":
    main()
