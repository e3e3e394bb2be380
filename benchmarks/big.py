"""What Big takes and gives here: planning, speaking offline, and how far the acting is heard.

    python benchmarks/big.py [plan] [speak] [learn]

Plans the paper's 4,752 hours; speaks the first clips of a plan by eSpeak NG, with one worker and
with two, and watches the memory of the last run; then learns the 40 target emotions from the 22
acoustic features of spoken clips by logistic regression, and is tested on texts and voices that
were not learned from. Writes `results/big.json` and the arithmetic in the folder's README. Parts
that are not named stay as they were measured before.
"""

import argparse
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import SpawnContext
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
README = HERE.parent / "dataset_scripts" / "generation" / "README.md"
HELD_OUT_VOICES = ("sage", "verse")
HOURS, WORKERS = 5000, (1, 8, 64)


def planned(hours: float, folder: Path) -> dict[str, Any]:
    """Plans in a process of its own, for its memory."""
    with ProcessPoolExecutor(1, SpawnContext()) as pool:
        return pool.submit(_plan, hours, folder / "all.parquet").result()


def _plan(hours: float, path: Path) -> dict[str, Any]:
    from dataset_scripts.generation.plan import clips_of, write_plan
    from dataset_scripts.generation.plan_tables import estimate, shape

    start, start_cpu = time.perf_counter(), time.process_time()
    before = _peak_mb()
    summary = write_plan(path, clips_of(hours))
    return {
        "hours": hours,
        "clips": summary.n_clips,
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_s": round(time.process_time() - start_cpu, 1),
        "peak_mb": round(_peak_mb()),
        "peak_mb_before": round(before),
        "file_mb": round(path.stat().st_size / 1e6, 1),
        "shape": shape(summary),
        "expected": estimate(summary),
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def spoken(n_clips: int, workers: int, folder: Path) -> dict[str, Any]:
    """Speaks a plan, with the memory of all processes at every tenth of the way."""
    from pyarrow import parquet

    from dataset_scripts.generation.generate import generate
    from dataset_scripts.generation.plan import write_plan

    plan, out = folder / f"{n_clips}.parquet", folder / f"out-{n_clips}-{workers}"
    write_plan(plan, n_clips, seed=1)
    memory: list[tuple[int, float]] = []

    def watch(done: int, total: int) -> None:
        if done * 10 // total > len(memory) - 1 and done:
            memory.append((done, round(_resident_mb())))

    start, start_cpu = time.perf_counter(), _cpu_s()
    outcomes = generate(plan, out, workers=workers, progress=watch)
    seconds, cpu_s = time.perf_counter() - start, _cpu_s() - start_cpu
    columns = ["duration_s", "outcome", "attempts"]
    clips = parquet.read_table(out / "clips.parquet", columns=columns).to_pylist()
    lengths = [clip["duration_s"] for clip in clips if clip["outcome"] == "spoken"]
    size = sum(path.stat().st_size for path in out.rglob("*.flac"))
    return {
        "clips": n_clips,
        "workers": workers,
        "seconds": round(seconds, 1),
        "clips_per_s": round(n_clips / seconds, 2),
        "cpu_s_per_clip": round(cpu_s / n_clips, 4),
        "outcomes": outcomes,
        "attempts": {str(k): n for k, n in sorted(Counter(c["attempts"] for c in clips).items())},
        "hours": round(sum(lengths) / 3600, 3),
        "clip_s": {
            "median": round(median(lengths), 2),
            "shortest": round(min(lengths), 2),
            "longest": round(max(lengths), 2),
        },
        "flac_bytes_per_s": round(size / sum(lengths)),
        "memory_mb": memory,
    }


def _cpu_s() -> float:
    """Processor time of this process and of those that it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _resident_mb() -> float:
    """Of this process and those that it started."""
    me, total = os.getpid(), 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(folder.name) == me or int(fields[1]) == me:
                total += int((folder / "statm").read_text().split()[1]) * 4096 / 1e6
        except OSError:  # it has ended
            continue
    return total


def learned(n_clips: int) -> dict[str, Any]:
    """The 40 targets from acoustic features, on held-out texts and voices."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import recall_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, test = [], []
    for row in _rows():
        held = row["voice"] in HELD_OUT_VOICES, _held(row)
        if held == (True, True):
            test.append(row)
        elif held == (False, False):
            train.append(row)
    train, test = train[: n_clips * 3 // 4], test[: n_clips // 4]
    with ProcessPoolExecutor(os.cpu_count(), SpawnContext()) as pool:
        features = np.array(list(pool.map(_features, train + test, chunksize=20)))
    features = np.nan_to_num(features)
    x, x_test = features[: len(train)], features[len(train) :]
    y = np.array([row["target_emotion"] for row in train])
    y_test = np.array([row["target_emotion"] for row in test])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=1.0))
    said = model.fit(x, y).predict(x_test)
    intensity = np.array([row["target_intensity"] for row in test])
    draws = np.random.default_rng(0).integers(len(test), size=(1000, len(test)))
    recalls = [recall_score(y_test[d], said[d], average="macro", zero_division=0) for d in draws]
    of_emotion = {name: float((said[y_test == name] == name).mean()) for name in sorted({*y_test})}
    return {
        "train_clips": len(train),
        "test_clips": len(test),
        "held_out_voices": HELD_OUT_VOICES,
        "uar": round(recall_score(y_test, said, average="macro"), 4),
        "uar_95": [round(float(q), 4) for q in np.percentile(recalls, [2.5, 97.5])],
        "accuracy": round(float((said == y_test).mean()), 4),
        "accuracy_by_intensity": {
            f"{level:g}": round(float((said == y_test)[intensity == level].mean()), 4)
            for level in sorted({*intensity})
        },
        "chance": 0.025,
        "shuffled": round(_shuffled(model, x, y, x_test, y_test), 4),
        "recall_by_emotion": {name: round(value, 3) for name, value in of_emotion.items()},
    }


def _shuffled(model: Any, x: Any, y: Any, x_test: Any, y_test: Any) -> float:
    """The same with the targets of training mixed up: what nothing learned gives."""
    mixed = np.random.default_rng(1).permutation(y)
    return float((model.fit(x, mixed).predict(x_test) == y_test).mean())


def _rows() -> Iterator[dict[str, Any]]:
    from dataset_scripts.generation.plan import pieces

    for piece in pieces(60_000, 2):
        yield from (row for row in piece if row["part"] == "factorial")


def _held(row: dict[str, Any]) -> bool:
    from dataset_scripts.generation.texts import is_held_out

    return is_held_out(row["text_id"])


def _features(row: dict[str, Any]) -> list[float]:
    from dataset_scripts.generation.engines import make_engine
    from modeling_empathic.acoustics import acoustics

    speech = make_engine("espeak-ng")(row)
    return list(acoustics(np.asarray(speech.audio), speech.sampling_rate).values())


def main() -> None:
    """Command line of `big.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help="plan, speak, learn; all if none is named")
    parser.add_argument("--speak", type=int, default=10_000, help="clips of the long run")
    parser.add_argument("--short", type=int, default=400, help="clips of the run by one worker")
    parser.add_argument("--learn", type=int, default=1_600, help="clips to learn and test on")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "big.json")
    arguments = parser.parse_args()
    from benchmarks.report import machine, write_report
    from modeling_empathic.report.files import replacing

    old = json.loads(arguments.output.read_text("utf-8")) if arguments.output.exists() else {}
    results: dict[str, Any] = {**old, "script": "big"}
    parts: dict[str, Callable[[Path], Any]] = {
        "plan": lambda folder: planned(4752, folder),
        "speak": lambda folder: [
            spoken(arguments.short, 1, folder),
            spoken(arguments.speak, 2, folder),
        ],
        "learn": lambda folder: learned(arguments.learn),
    }
    for part in arguments.parts or parts:
        about = {"machine": machine(), "load_before": round(os.getloadavg()[0], 1)}
        with TemporaryDirectory() as folder:
            results[part] = {**about, "measured": parts[part](Path(folder))}
    write_report(results, arguments.output)
    if "speak" in results and "plan" in results:
        text = README.read_text("utf-8")
        before, rest = text.split("<!-- arithmetic -->", 1)
        after = rest.split("<!-- /arithmetic -->", 1)[1]
        section = f"<!-- arithmetic -->\n{arithmetic(results)}\n<!-- /arithmetic -->"
        with replacing(README) as temporary:
            temporary.write_text(before + section + after, "utf-8")


def arithmetic(results: dict[str, Any]) -> str:
    """What 5,000 hours take on 1, 8 and 64 workers, from what was measured for one."""
    from dataset_scripts.generation import plan_tables
    from dataset_scripts.generation.factors import CLIP_S
    from dataset_scripts.generation.plan import clips_of

    one = results["speak"]["measured"][0]
    n, plan, about = clips_of(HOURS), results["plan"]["measured"], results["speak"]
    per_clip_s = one["cpu_s_per_clip"]
    usd = {key: float(plan["expected"][key]["value"].split()[0].replace(",", "")) for key in (
        "OpenAI, audio", "OpenAI, prompts")}  # fmt: skip
    dollars = sum(usd.values()) * HOURS / plan["hours"]
    flac = one["flac_bytes_per_s"] * HOURS * 3600 / 1e9
    lines = [
        f"{HOURS:,} hours are {n:,} clips of {CLIP_S} s. Measured on {about['machine']['cpu']}, "
        f"{about['machine']['date']}: eSpeak NG, checks and FLAC take {per_clip_s:.3f} s of a "
        f"core's time for a clip; FLAC has {one['flac_bytes_per_s']:,} bytes a second, so the "
        f"audio has {flac:,.0f} GB.",
        "",
        "| workers | eSpeak NG, a core each | OpenAI at 20 s a clip | requests a minute then |",
        "|--:|--:|--:|--:|",
    ]
    for workers in WORKERS:
        offline = n * per_clip_s / workers / 86_400
        service = n * 20 / workers / 86_400
        lines.append(f"| {workers} | {_long(offline)} | {_long(service)} | {3 * workers:,} |")
    lines += [
        "",
        f"OpenAI: {dollars:,.0f} USD whatever the number of workers, at {plan_tables.AUDIO_USD:g} "
        f"USD for a million audio tokens and {plan_tables.AUDIO_TOKENS_S} tokens a second, "
        f"prompts included. The 20 s a clip are assumed and not measured; above a limit of R "
        f"requests a minute it is {n:,} / R minutes: {n / 500 / 1440:,.1f} days at 500.",
    ]
    return "\n".join(lines)


def _long(days: float) -> str:
    return f"{days:,.1f} days" if days >= 1 else f"{24 * days:.1f} hours"


def big_table(results: dict[str, Any]) -> str:
    """The section of `benchmarks/README.md`."""
    from benchmarks.report import describe

    said: dict[str, Callable[[Any], list[str]]] = {
        "plan": _plan_said,
        "speak": _speak_said,
        "learn": _learn_said,
    }
    lines = []
    for part, say in said.items():
        if about := results.get(part):
            load = f"Load before: {about['load_before']:g}."
            lines += [f"{describe(about['machine'])} {load}", "", *say(about["measured"]), ""]
    return "\n".join(lines).rstrip()


def _plan_said(plan: dict[str, Any]) -> list[str]:
    return [
        f"A plan of {plan['hours']:,} hours, {plan['clips']:,} clips, was made in "
        f"{plan['seconds']:,.0f} s ({plan['cpu_s']:,.0f} s of processor time); peak memory "
        f"{plan['peak_mb']:,} MB, of which {plan['peak_mb_before']:,} before it began; "
        f"{plan['file_mb']:,.0f} MB on disk."
    ]


def _speak_said(runs: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| spoken by eSpeak NG | workers | clips a second | core's s a clip | hours | "
        "clips, s: median [range] | not spoken | "
        "memory of all processes, MB, from a tenth of the way to the end |",
        "|--:|--:|--:|--:|--:|---|--:|---|",
    ]
    for row in runs:
        length = row["clip_s"]
        missing = row["clips"] - row["outcomes"].get("spoken", 0)
        lengths = f"{length['median']:.1f} [{length['shortest']:.1f}–{length['longest']:.1f}]"
        memory = ", ".join(f"{mb:,.0f}" for _, mb in row["memory_mb"][1:])
        lines.append(
            f"| {row['clips']:,} | {row['workers']} | {row['clips_per_s']:.2f} | "
            f"{row['cpu_s_per_clip']:.3f} | {row['hours']:.2f} | {lengths} | {missing} | {memory} |"
        )
    return lines


def _learn_said(learn: dict[str, Any]) -> list[str]:
    low, high = learn["uar_95"]
    by = ", ".join(f"{k}: {v:.0%}" for k, v in learn["accuracy_by_intensity"].items())
    best = sorted(learn["recall_by_emotion"].items(), key=lambda item: -item[1])
    return [
        f"Which of the 40 was acted, by logistic regression on 22 acoustic features of "
        f"{learn['train_clips']:,} clips, tested on {learn['test_clips']} of texts and voices "
        f"({' and '.join(learn['held_out_voices'])}) that are not among them: UAR "
        f"**{learn['uar']:.1%}** (95 % by clips: {low:.1%} to {high:.1%}), chance 2.5 %, with "
        f"mixed-up targets {learn['shuffled']:.1%}. Accuracy by intended intensity: {by}. "
        f"Best heard: {', '.join(f'{name} {value:.0%}' for name, value in best[:5])}; worst: "
        f"{', '.join(f'{name} {value:.0%}' for name, value in best[-5:])}."
    ]


if __name__ == "__main__":
    main()
