"""Bench at full size: time and peak memory of build and statistics, beside a plain copy.

    python benchmarks/bench_build.py
    python benchmarks/bench_build.py --scale 0.05      # a quick look, which writes no report

Makes a raw release with the published counts (12,600 clips of real 44.1 kHz MP3, 1.3 GB) and
builds it in a process of its own. Needs 4 GB of disk.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))


def main() -> None:
    """Command line of `bench_build.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=1.0, help="less than 1 for a quick look")
    parser.add_argument("--runs", type=int, default=3, help="repetitions of every timing")
    parser.add_argument("--work", help="folder to keep the made release in, for another run")
    parser.add_argument("--worker", nargs=2, metavar=("RAW", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(*map(Path, arguments.worker), whole=arguments.scale == 1)
        return
    from benchmarks.report import machine, write_report
    from tests.support.raw_release_maker import make_raw_release

    with tempfile.TemporaryDirectory(prefix="emonet-voice-build-") as temporary:
        raw = Path(arguments.work or temporary) / f"raw-{arguments.scale:g}"
        start = time.perf_counter()
        if not raw.exists():
            make_raw_release(raw, arguments.scale, seconds=10.0)
        results: dict[str, Any] = {"machine": machine(), "make_s": time.perf_counter() - start}
        results["runs"] = [run(raw, Path(temporary), arguments) for _ in range(arguments.runs)]
    if arguments.scale == 1:
        write_report(results, HERE / "results" / "bench_build.json")
    else:
        print(json.dumps(results["runs"], indent=1))


def run(raw: Path, work: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One copy and one build, each of them from scratch."""
    copied = work / "copy"
    start = time.perf_counter()
    shutil.copytree(raw, copied)
    copy_s = time.perf_counter() - start
    shutil.rmtree(copied)
    command = [sys.executable, __file__, "--scale", str(arguments.scale)]
    command += ["--worker", str(raw), str(work / "built")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    shutil.rmtree(work / "built")
    return {"copy_s": copy_s, **json.loads(done.stdout)}


def worker(raw: Path, out: Path, *, whole: bool) -> None:
    """Builds, then checks; prints times and the peak of this process's memory."""
    start = time.perf_counter()
    from dataset_scripts.building.build import build
    from dataset_scripts.corpora.raw_release import raw_files, read_labels

    measured: dict[str, Any] = {"import_s": time.perf_counter() - start, "import_mb": peak_mb()}
    start = time.perf_counter()
    measured["labels"] = sum(1 for _ in read_labels(raw_files(raw)[0]))
    measured["labels_s"] = time.perf_counter() - start
    start = time.perf_counter()
    build(raw, out, assert_counts=whole)
    measured |= {"build_s": time.perf_counter() - start, "peak_mb": peak_mb()}
    start = time.perf_counter()
    manifest, _ = build(raw, out, assert_counts=whole)
    measured["check_s"] = time.perf_counter() - start
    measured["gigabytes"] = sum(file["bytes"] for file in manifest["files"].values()) / 1e9
    measured["counts"] = {
        key: manifest["counts"][key] for key in ("clips", "ratings", "unanimous_present")
    }
    from dataset_scripts.agreement import alpha_by_emotion
    from dataset_scripts.stats.bench import read_ratings, stats

    items = read_ratings(out)
    start = time.perf_counter()
    alphas = alpha_by_emotion(items)
    measured |= {"alpha_s": time.perf_counter() - start, "alphas": len(alphas) - 1}
    start = time.perf_counter()
    stats(out)
    measured |= {"stats_s": time.perf_counter() - start, "stats_mb": peak_mb()}
    print(json.dumps(measured))


def peak_mb() -> float:
    """Peak memory of this process; `ru_maxrss` would begin at that of the process it came from."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = status.read_text().split("VmHWM:")[1].split()[0]
        return int(peak) * 1.024 / 1e3
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    main()
