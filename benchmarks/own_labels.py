"""A user's own labels on Nano: the README's line on real clips, and how long it takes.

    python benchmarks/own_labels.py --emodb path/to/emodb

Twice: the corpus by its name, and a folder with a metadata.csv of four labels and the speakers.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
LABELS = {"W": "anger", "A": "fear", "F": "elation", "T": "sadness"}  # of EmoDB's file names


def main() -> None:
    """Command line of `own_labels.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--emodb", type=Path, required=True)
    emodb = parser.parse_args().emodb.absolute()
    from benchmarks.report import machine, write_report

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n_clips = make_folder(emodb, folder / "clips")
        runs = [
            taught(folder, ["--data", str(emodb), "--corpus", "emodb"], 535),
            taught(folder, ["--data", "clips"], n_clips),
        ]
    write_report({"machine": machine(), "runs": runs}, HERE / "results" / "own_labels.json")


def make_folder(emodb: Path, folder: Path) -> int:
    """Clips of four labels beside a table, as a user has them; returns how many."""
    folder.mkdir()
    files = [file for file in sorted(emodb.glob("*.flac")) if file.stem[5] in LABELS]
    with (folder / "metadata.csv").open("w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(["file_name", "label", "speaker"])
        for file in files:
            (folder / file.name).symlink_to(file)
            rows.writerow([file.name, LABELS[file.stem[5]], file.stem[:2]])
    return len(files)


def taught(folder: Path, data: list[str], n_clips: int) -> dict[str, Any]:
    """Runs `train heads`, and says how long it took and what its card measured."""
    output = folder / f"mine-{n_clips}"
    line = ["train", "heads", *data, "--output", str(output), "--yes"]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "emonet_voice.cli.app", *line],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    measured = json.loads((output / "training_args.json").read_text())["measured"]
    shown = " ".join(["emonet-voice", *line[:2], "--data", "path/to/emodb", *data[2:]])
    return {
        "line": shown if len(data) > 2 else "emonet-voice train heads --data clips/",
        "clips": n_clips,
        "heads": len(measured["heads"]),
        "seconds": seconds,
    }


def own_labels_table(results: dict[str, Any]) -> str:
    """The section of `benchmarks/README.md`."""
    from benchmarks.report import describe

    lines = [
        f"{describe(results['machine'])} From the command to the written model, heads measured in "
        "folds by speaker first.",
        "",
        "| typed | clips | heads taught | seconds |",
        "|:--|--:|--:|--:|",
    ]
    lines += [
        f"| `{row['line']} --output mine/` | {row['clips']} | {row['heads']} | "
        f"{row['seconds']:.0f} |"
        for row in results["runs"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
