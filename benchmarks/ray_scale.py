"""Nano by `score --engine ray`: one worker and two, one of them killed, and what 4,752 hours take.

    OMP_NUM_THREADS=1 python benchmarks/ray_scale.py --emodb PATH/TO/EMODB [--runs 3]

A node of a local cluster has one processor and so one worker. Clips a second are those of the last
three quarters of the blocks, so that the seconds in which workers start and load the model are no
part of it; they are told apart. Processor seconds are those of the workers alone: on a
machine that does other things too, they say whether a second worker is as good as the first. Writes
`results/ray_scale.json`; the arithmetic uses what was measured here and, for other models, in
`results/models.json` and, where there is one, in `results/score_vs_loop-cuda.json`.
"""

import argparse
import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
HOURS, WORKERS = 4752, (1, 8, 64)
BATCH = 1  # 8 clips a block: 67 of them in EmoDB


def scored(clips: list[str], output: Path, on_block: Callable[[int], object]) -> list[str]:
    """What the command does, without its screen; names of the clips."""
    from modeling_empathic.scoring.cuts import Cuts
    from modeling_empathic.scoring.journal import ScoreFile
    from modeling_empathic.scoring.names import ClipNames
    from modeling_empathic.scoring.ray_engine import Work, look_at_model, score_on_ray

    model: dict[str, Any] = {"model": None, "revision": None, "heads": []}
    model |= {"device": "cpu", "dtype": "auto"}
    _, _, made_by = look_at_model(None, **model)
    with ScoreFile(output, made_by) as file:
        work = Work(model, made_by, file.provenance, BATCH, Cuts(), file.done)
        names = ClipNames(str(Path.cwd()))
        return score_on_ray(clips, file, work, names, on_clips=on_block)[0]


def run(clips: list[str], output: Path, n_nodes: int, kill: bool = False) -> dict[str, Any]:
    """One run on a cluster of its own, with a worker killed once a third is done if asked for."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(n_nodes - 1):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    arrived: list[tuple[float, int, float]] = []
    killed = 0
    start = time.perf_counter()

    def on_block(n_clips: int) -> None:
        nonlocal killed
        arrived.append((time.perf_counter(), n_clips, _workers_cpu_s()))
        if kill and not killed and sum(n for _, n, _ in arrived) > len(clips) // 3:
            killed = _workers()[0]
            os.kill(killed, signal.SIGKILL)

    try:
        n_rows = len(scored(clips, output, on_block))
    finally:
        ray.shutdown()
        cluster.shutdown()
    begun = len(arrived) // 4  # by then all workers have begun
    (first, _, cpu_first), (last, _, cpu_last) = arrived[begun], arrived[-1]
    n_clips = sum(n for _, n, _ in arrived[begun + 1 :])
    return {
        "workers": n_nodes,
        "killed": bool(killed),
        "clips": n_rows,
        "total_s": round(time.perf_counter() - start, 2),
        "until_first_block_s": round(arrived[0][0] - start, 2),
        "clips_per_s": round(n_clips / (last - first), 3),
        "cpu_s_per_clip": round((cpu_last - cpu_first) / n_clips, 4),
        "longest_pause_s": round(max(b[0] - a[0] for a, b in pairwise(arrived)), 2),
    }


def _workers() -> list[int]:
    """Processes of workers that this one has started, directly or not."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            name = (process / "cmdline").read_bytes()
            if name.startswith(b"ray::MapWorker") and os.getpid() in _ancestors(int(process.name)):
                found.append(int(process.name))
        except OSError:  # it has ended
            continue
    return found


def _ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        pid = int(_stat(pid)[1])
        found.append(pid)
    return found


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _workers_cpu_s() -> float:
    ticks = [int(n) for pid in _workers() for n in _stat(pid)[11:13]]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def arithmetic(clip_s: float, per_s: dict[str, float]) -> list[dict[str, Any]]:
    """Hours that `HOURS` of sound take, by clips a second and worker; linear in workers.

    Args:
        clip_s: Mean length of Big's clips; each is one window.
        per_s: Clips a second of one worker, by what it is.
    """
    n_clips = HOURS * 3600 / clip_s
    return [
        {"worker": name, "clips_per_s": rate}
        | {str(n): round(n_clips / rate / n / 3600, 1) for n in WORKERS}
        for name, rate in per_s.items()
    ]


def other_rates() -> dict[str, float]:
    """Clips a second of a worker as other scripts measured them."""
    models = json.loads((HERE / "results" / "models.json").read_text())
    cores = models["machine"]["cores"]
    rates = {
        f"{name}, {cores} processors": measured["clips_per_s"]
        for name, measured in models["models"].items()
        if measured.get("clips_per_s")
    }
    cuda = HERE / "results" / "score_vs_loop-cuda.json"
    if cuda.exists():
        result = json.loads(cuda.read_text())
        for row in result["rows"]:
            if row["kind"] == "ours":
                best = min(batch["s_per_clip"] for batch in row["batches"].values())
                rates[f"small, {row['dtype']}, {result['machine']['gpu']}"] = 1 / best
    return rates


def packing(clip_s: float) -> str:
    """What `big build`, one process, takes for all of it."""
    rows = json.loads((HERE / "results" / "big_pack.json").read_text())["rows"]
    per_s = median(one["clips"] / one["pack_s"] for one in rows[-1]["runs"])
    hours = HOURS * 3600 / clip_s / per_s / 3600
    return (
        f"`big build` is one process and reads each clip once: {per_s:.0f} clips a second here "
        f"(above), {hours:.1f} h for all of Big; more machines would have to share what is a copy "
        "of what."
    )


def ray_scale_table(results: dict[str, Any]) -> str:
    """The runs, and the arithmetic, as Markdown."""
    from benchmarks.report import describe

    head = "| workers | clips a second [range] | processor seconds a clip | until the first block |"
    lines = [head, "|---|---|---|---|"]
    one = results["summary"]["1"]
    for n, row in results["summary"].items():
        low, high = row["spread"]
        times = f", {row['clips_per_s'] / one['clips_per_s']:.2f}×" if n != "1" else ""
        lines.append(
            f"| {n} | {row['clips_per_s']:.2f} [{low:.2f}–{high:.2f}]{times} "
            f"| {row['cpu_s_per_clip']:.3f} | {row['until_first_block_s']:.0f} s |"
        )
    share = one["cpu_s_per_clip"] / results["summary"]["2"]["cpu_s_per_clip"]
    lines += ["", f"By processor seconds two workers do {2 * share:.2f} times the work of one."]
    killed = results["killed"]
    equal = "equal" if results["equal_to_local"] else "NOT equal"
    lines += [
        "",
        f"A worker of two killed after a third of the clips: {killed['clips']} of "
        f"{results['clips']} clips scored, rows and order {equal} to the local engine's in every "
        f"run; the longest pause between two blocks was {killed['longest_pause_s']:.0f} s.",
        "",
        f"{HOURS:,} hours in clips of {results['clip_s']} s, one window each, in hours of "
        f"computing, if workers add up as above (the clips here have {results['mean_s']} s):",
        "",
        f"| one worker | clips a second | {' | '.join(f'{n} of them' for n in WORKERS)} |",
        "|---" * (2 + len(WORKERS)) + "|",
    ]
    for row in results["arithmetic"]:
        hours = " | ".join(f"{row[str(n)]:,.1f} h" for n in WORKERS)
        lines.append(f"| {row['worker']} | {row['clips_per_s']:.3g} | {hours} |")
    lines += ["", results["build"]]
    if not results["gpu_measured"]:
        lines += ["", "No figure of a GPU was measured yet: these are processors."]
    busy = results["load_before"]
    lines += ["", f"{describe(results['machine'])} Load before: {busy}; Ray {results['ray']}."]
    return "\n".join(lines)


def main() -> None:
    """Measures, compares, and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--emodb", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--clips", type=int, default=None, help="so many only")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import ray
    from pyarrow import parquet

    from benchmarks.report import machine, write_report
    from dataset_scripts.generation.factors import CLIP_S
    from emonet_voice.cli.app import run as command
    from modeling_empathic.scoring.listing import find_audio

    load_before = round(os.getloadavg()[0], 1)
    clips = find_audio([str(given.emodb)])[: given.clips]
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "clips").mkdir()
        for clip in clips:
            shutil.copy(clip, folder / "clips")
        os.chdir(folder)
        clips = find_audio(["clips"])
        words = ["score", "clips", "--batch-size", str(BATCH), "-q", "-o", "local.parquet"]
        assert command(words) == 0
        local = parquet.read_table("local.parquet")
        mean_s = mean(local["duration_s"].to_pylist())
        equal, runs = True, []
        for number in range(given.runs + 1):
            for n_nodes in (1, 2) if number < given.runs else (2,):
                output = Path(f"{number}-{n_nodes}.parquet")
                runs.append(run(clips, output, n_nodes, kill=number == given.runs))
                equal &= parquet.read_table(output).equals(local)
                print(runs[-1], equal, flush=True)
        os.chdir(HERE)
    summary: dict[str, Any] = {}
    for n in (1, 2):
        of = [one for one in runs if one["workers"] == n and not one["killed"]]
        summary[str(n)] = {
            key: round(median(one[key] for one in of), 4)
            for key in ("clips_per_s", "cpu_s_per_clip", "until_first_block_s")
        }
        rates = [one["clips_per_s"] for one in of]
        summary[str(n)]["spread"] = [min(rates), max(rates)]
    others = other_rates()
    # Nano reads the speech, not all of its window: what it takes grows with the seconds of sound.
    per_s = {"nano, 1 processor": summary["1"]["clips_per_s"] * mean_s / CLIP_S, **others}
    results = {
        "machine": machine(),
        "ray": ray.__version__,
        "load_before": load_before,
        "clips": len(clips),
        "mean_s": round(mean_s, 2),
        "runs": runs,
        "summary": summary,
        "killed": runs[-1],
        "equal_to_local": equal,
        "clip_s": CLIP_S,
        "arithmetic": arithmetic(CLIP_S, per_s),
        "build": packing(CLIP_S),
        "gpu_measured": any("NVIDIA" in name for name in others),
    }
    write_report(results, HERE / "results" / "ray_scale.json")


if __name__ == "__main__":
    main()
