"""Packing Big: clips a second and peak memory, over 1,000 and over 10,000 clips.

    python benchmarks/big_pack.py
    python benchmarks/big_pack.py --clips 200 --runs 1     # a quick look, which writes no report

Makes clips of noise (FLAC, 24 kHz, 3 s), scores for them, and packs them in a process of its own,
into several shards a configuration. Needs 3 GB of disk.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
CLIPS = (1_000, 10_000)
SHARD_MB = 100.0  # so that 10,000 short clips fill as many shards as days of speech would


def main() -> None:
    """Command line of `big_pack.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, nargs="+", default=list(CLIPS), help="how many")
    parser.add_argument("--runs", type=int, default=3, help="repetitions of each")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a clip")
    parser.add_argument("--worker", nargs=2, metavar=("OUT", "PACKED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(*map(Path, arguments.worker))
        return
    from benchmarks.report import machine, write_report
    from tests.support.big_maker import make_scored

    results: dict[str, Any] = {"machine": machine(), "seconds": arguments.seconds, "rows": []}
    for clips in arguments.clips:
        with tempfile.TemporaryDirectory(prefix="emonet-voice-pack-") as temporary:
            out = make_scored(Path(temporary, "out"), clips, seconds=arguments.seconds)
            runs = [run(out, Path(temporary, "packed")) for _ in range(arguments.runs)]
        results["rows"].append({"clips": clips, "runs": runs})
    if tuple(arguments.clips) == CLIPS:
        write_report(results, HERE / "results" / "big_pack.json")
    else:
        print(json.dumps(results["rows"], indent=1))


def run(out: Path, packed: Path) -> dict[str, Any]:
    """One packing from scratch, in a process of its own."""
    command = [sys.executable, __file__, "--worker", str(out), str(packed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    shutil.rmtree(packed)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def worker(out: Path, packed: Path) -> None:
    """Packs, then checks; prints times and the peak of this process's memory."""
    from benchmarks.bench_build import peak_mb
    from dataset_scripts.packing.pack import pack

    measured: dict[str, Any] = {"import_mb": peak_mb()}
    start = time.perf_counter()
    manifest, n_new = pack([out], packed, max_shard_mb=SHARD_MB)
    measured |= {"pack_s": time.perf_counter() - start, "peak_mb": peak_mb(), "clips": n_new}
    measured["gigabytes"] = sum(file["bytes"] for file in manifest["files"].values()) / 1e9
    measured["shards"] = len(manifest["files"]) - 1
    start = time.perf_counter()
    pack([out], packed, max_shard_mb=SHARD_MB)
    measured["check_s"] = time.perf_counter() - start
    print(json.dumps(measured))


def table(results: dict[str, Any]) -> str:
    """Table of one run of `big_pack.py`: median and range."""
    from benchmarks.report import describe

    def spread(runs: list[dict[str, Any]], of: Any, digits: int = 0) -> str:
        values = [of(run) for run in runs]
        low, high = (f"{value:,.{digits}f}" for value in (min(values), max(values)))
        return f"{median(values):,.{digits}f} [{low}–{high}]"

    lines = [
        "| clips | GB | shards | clips a second | MB a second | peak memory, MB | … after imports "
        "| checking it again, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        runs = row["runs"]
        cells = [
            f"{row['clips']:,}",
            f"{runs[0]['gigabytes']:.2f}",
            str(runs[0]["shards"]),
            spread(runs, lambda run: run["clips"] / run["pack_s"]),
            spread(runs, lambda run: 1e3 * run["gigabytes"] / run["pack_s"]),
            spread(runs, lambda run: run["peak_mb"]),
            spread(runs, lambda run: run["import_mb"]),
            spread(runs, lambda run: run["check_s"], 1),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    note = f"Clips of {results['seconds']:g} s, FLAC; median [range] of "
    note += f"{len(results['rows'][0]['runs'])} runs."
    return "\n".join([f"{describe(results['machine'])} {note}", "", *lines])


if __name__ == "__main__":
    main()
