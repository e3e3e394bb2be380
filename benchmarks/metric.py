"""The metric: time and memory beside a plain loop, and whether 95 % intervals cover 95 %.

    python benchmarks/metric.py --part time        # some minutes, on a quiet machine
    python benchmarks/metric.py --part coverage    # ten minutes of one core, 1 GB

Data are made to resemble Bench: 300 clips an emotion, ratings 0, 1, 2 of two to four raters in the
shares of the paper's Table 4, and predictions that correlate with what the raters feel by 0 to 0.7,
emotion by emotion. Time: the whole metric, 1,000 resamples, each setting in a process of its own;
beside it scipy in a loop over a few resamples, scaled up. Coverage: how often the interval of a
made Bench holds the population's value, which a sample of 400,000 clips an emotion stands for, and
how often a paired test at 5 % finds a difference between two systems that are equally good. Beside
it what percentiles alone, without regard to few groups, would do on the same resamples.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from evaluate_metrics.emonet_voice import (  # noqa: E402
    STATISTICS,
    aggregate,
    compute,
    percentile_interval,
    resample,
    rows_by_emotion,
    studentised,
)
from modeling_empathic.taxonomy import BENCH_NAMES  # noqa: E402

EMOTIONS, CLIPS = 42, 300
RATERS = {2: 4538, 3: 7719, 4: 343}  # Table 4: clips with so many raters
SHARED = 0.2  # of the variance: what the clips of a group have in common
SIZES = {"bench": (42, 300), "matrix": (40, 12_600)}  # emotions, clips of each
GROUPS = (None, 300, 20, 11, 10)  # the paper has 11 voices
SETTINGS = [*((n, False) for n in GROUPS), (11, True)]  # and groups of unequal size
COVERED = 6  # emotions of the coverage's Benches: of 42, an hour would go
POPULATION = 400_000  # clips an emotion
MANY = 10**9  # as so many units, percentiles stay where they are
NAIVE_RESAMPLES = {"bench": 20, "matrix": 3}

Rows = tuple[np.ndarray, np.ndarray, list[str], list[str]]


def made(
    rng: np.random.Generator,
    emotions: int,
    clips: int,
    n_groups: int | None = None,
    *,
    uneven: bool = False,
    systems: int | None = None,
) -> Rows:
    """A made Bench: predictions and references on 0 to 10, emotion and group of each row.

    The n-th clip of every emotion is in group n modulo `n_groups`; of `uneven` groups the largest
    has a third of the clips. Whether there are groups does not change the distribution of a row, so
    that all have the same population. `systems` that are equally good give `(systems, rows)`.
    """
    emotion = np.repeat(np.arange(emotions), clips)
    of_clip = np.arange(clips) % (n_groups or clips)
    if uneven and n_groups:
        of_clip = (n_groups * (np.arange(clips) / clips) ** 2).astype(int)
    group = np.tile(of_clip, emotions)
    columns = rng.normal(size=(1 + (systems or 1), len(emotion)))
    if n_groups:
        of_group = rng.normal(size=(len(columns), n_groups))[:, group]
        columns = np.sqrt(SHARED) * of_group + np.sqrt(1 - SHARED) * columns
    felt, noise = columns[0], columns[1:] if systems else columns[1]

    fixed = np.random.default_rng(0)  # what an emotion is like: the same in every made Bench
    level, cut = fixed.normal(4, 1, emotions)[emotion], fixed.normal(-0.1, 0.5, emotions)[emotion]
    rho = np.linspace(0, 0.7, emotions)[emotion]
    heard = felt[:, None] + rng.normal(0, 0.7, (len(emotion), max(RATERS)))
    ratings = (heard > cut[:, None]).astype(int) + (heard > cut[:, None] + 0.8)
    share = np.array([*RATERS.values()]) / sum(RATERS.values())
    n_raters = rng.choice([*RATERS], p=share, size=len(emotion))
    counted = np.arange(max(RATERS)) < n_raters[:, None]
    references = 5 * (ratings * counted).sum(axis=1) / n_raters
    predictions = np.clip(level + 2 * (rho * felt + np.sqrt(1 - rho**2) * noise), 0, 10)
    return (
        predictions,
        references,
        np.array(BENCH_NAMES)[emotion].tolist(),
        np.array([f"group {i}" for i in range(clips)])[group].tolist(),
    )


# --- Coverage -------------------------------------------------------------------------------------


def population(clips: int = POPULATION) -> np.ndarray:
    """The statistics that a made Bench estimates: `(2 + emotions, 4)`, pooled and macro first."""
    rng, block = np.random.default_rng(1), clips // 20
    blocks = [np.stack(made(rng, COVERED, block)[:2]) for _ in range(20)]
    p, r = np.concatenate([rows.reshape(2, COVERED, block) for rows in blocks], axis=2)
    parts = {str(i): np.arange(i * p.shape[1], (i + 1) * p.shape[1]) for i in range(COVERED)}
    return np.array(_cells(aggregate(p.ravel(), r.ravel(), parts)))


def coverage(
    truth: np.ndarray,
    n_groups: int | None,
    n_benches: int,
    n_resamples: int,
    *,
    uneven: bool = False,
) -> dict[str, Any]:
    """How often the 95 % interval holds the population's value, and tests find what is not there.

    By row or by group, ours and beside it percentiles alone, on the same resamples.
    """
    estimates, ends, alone, found = [], [], [], []
    for i, seed in enumerate(np.random.SeedSequence(2).spawn(n_benches)):
        rng = np.random.default_rng(seed)
        p, r, names, groups = made(rng, COVERED, CLIPS, n_groups, uneven=uneven, systems=2)
        drawn = resample(p, r, names, groups if n_groups else None, n_resamples=n_resamples, seed=i)
        parts = rows_by_emotion(names)
        a, b = (np.array(_cells(aggregate(system, r, parts))) for system in p)
        estimates.append(a)
        lines = [(drawn.pooled, ""), (drawn.macro, "")]
        lines += [(drawn.per_emotion[name], name) for name in parts]
        ours, plain, tests = np.empty((3, *a.shape, 2))
        for (line, cell), value in np.ndenumerate(a - b):
            values, units = lines[line][0][:, cell], drawn.units(lines[line][1])
            difference = values[0] - values[1]
            ours[line, cell] = percentile_interval(values[0], *units)[:2]
            plain[line, cell] = percentile_interval(values[0], MANY)[:2]
            low, high = percentile_interval(difference, MANY)[:2]
            tests[line, cell] = studentised(value, difference, *units).p < 0.05, low * high > 0
        ends.append(ours)
        alone.append(plain)
        found.append(tests)
    parts_of = {"pooled": slice(0, 1), "macro": slice(1, 2), "emotion": slice(2, None)}
    made_so = {"n_groups": n_groups, "uneven": uneven}
    return {
        **made_so,
        "benches": n_benches,
        "resamples": n_resamples,
        **{
            part: summary(truth[of], *(np.array(x)[:, of] for x in (estimates, ends, alone, found)))
            for part, of in parts_of.items()
        },
    }


def summary(
    truth: np.ndarray,
    estimates: np.ndarray,
    ends: np.ndarray,
    alone: np.ndarray,
    found: np.ndarray,
) -> dict[str, Any]:
    """Coverage of each statistic, the two things that it depends on, and false differences.

    Args:
        truth: `(parts, 4)`.
        estimates: `(benches, parts, 4)`.
        ends: `(benches, parts, 4, 2)` of the intervals.
        alone: The same of percentiles alone.
        found: `(benches, parts, 4, 2)` whether our test, and percentiles alone, see a difference.

    Returns:
        Of each statistic: `coverage` over benches and parts and its standard `error` (binomial for
        one part); that of the `lowest` part; `bias`, of the estimates in their standard deviations;
        `width` of the intervals against 3.92 standard deviations; `false`, the share of tests that
        find a difference; `..._alone` of percentiles alone. Means over parts.
    """
    inside, inside_alone = (
        (low_high[..., 0] <= truth) & (truth <= low_high[..., 1]) for low_high in (ends, alone)
    )
    false = found.mean(axis=(0, 1))
    spread = estimates.std(axis=0)
    width = (ends[..., 1] - ends[..., 0]).mean(axis=0) / (3.92 * spread)
    bias = (estimates.mean(axis=0) - truth) / spread
    of_bench = inside.mean(axis=1)
    return {
        name: {
            "coverage": float(of_bench[:, i].mean()),
            "error": float(of_bench[:, i].std() / np.sqrt(len(of_bench))),
            "coverage_alone": float(inside_alone[..., i].mean()),
            "false": float(false[i, 0]),
            "false_alone": float(false[i, 1]),
            "lowest": float(inside[..., i].mean(axis=0).min()),
            "bias": float(bias[:, i].mean()),
            "width": float(width[:, i].mean()),
        }
        for i, name in enumerate(STATISTICS)
    }


def _cells(estimated: dict[str, Any]) -> list[list[Any]]:
    """What `aggregate` or `intervals` returns as lines of four: pooled, macro, each emotion."""
    lines = [[estimated[prefix + name] for name in STATISTICS] for prefix in ("", "macro_")]
    return lines + [[of[name] for name in STATISTICS] for of in estimated["per_emotion"].values()]


# --- Time -----------------------------------------------------------------------------------------


def timings(runs: int) -> list[dict[str, Any]]:
    """Time and memory of every setting; the loop first."""
    rows = []
    for size in SIZES:
        for how in ("naive", "row", "group"):
            for ties in (False, True) if how != "naive" else (False,):
                print(f"{size}, {how}{', ties' if ties else ''}", file=sys.stderr)
                command = [sys.executable, __file__, "--worker", size, how, "ties" * ties]
                done = subprocess.run(
                    [*command, "--runs", str(runs)], stdout=subprocess.PIPE, text=True, check=True
                )
                rows.append({"size": size, "how": how, "ties": ties, **json.loads(done.stdout)})
    return rows


def worker(size: str, how: str, ties: str, runs: int) -> None:
    """Times one setting in this process and prints it as JSON."""
    from benchmarks.bench_build import peak_mb

    emotions, clips = SIZES[size]
    p, r, names, groups = made(np.random.default_rng(0), emotions, clips)
    p = p.round() if ties else p
    if how == "naive":
        seconds = [naive_s(p, r, names, NAIVE_RESAMPLES[size])]
        print(json.dumps({"seconds": seconds, "measured_on": NAIVE_RESAMPLES[size]}))
        return
    before_mb, seconds = peak_mb(), []
    for _ in range(runs):
        start = time.perf_counter()
        compute(p, r, names, groups=groups if how == "group" else None)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "before_mb": before_mb, "peak_mb": peak_mb()}))


def naive_s(p: np.ndarray, r: np.ndarray, names: list[str], n_resamples: int) -> float:
    """What 1,000 resamples would take with scipy in a loop, from a few of them."""
    from scipy.stats import pearsonr, spearmanr

    parts, rng = rows_by_emotion(names), np.random.default_rng(0)
    start = time.perf_counter()
    for _ in range(n_resamples):
        drawn = [rng.choice(rows, len(rows)) for rows in parts.values()]
        for rows in (np.concatenate(drawn), *drawn):
            a, b = p[rows], r[rows]
            np.abs(a - b).mean(), np.sqrt(np.square(a - b).mean()), pearsonr(a, b), spearmanr(a, b)
    return (time.perf_counter() - start) * 1000 / n_resamples


# --- Report ---------------------------------------------------------------------------------------


def metric_table(results: dict[str, Any]) -> str:
    """Tables of the parts that have been run."""
    from benchmarks.report import describe

    blocks = []
    if "time" in results:
        blocks += [describe(results["time"]["machine"]), _time_table(results["time"]["rows"])]
    if "coverage" in results:
        coverage = results["coverage"]
        note = (
            f"{coverage['rows'][0]['benches']} made Benches of {COVERED} × {CLIPS} rows, "
            f"{coverage['rows'][0]['resamples']} resamples; ± the standard error of that many. "
            "Width: of the intervals, against 3.92 standard deviations of the estimates. Clips of "
            f"a group share {SHARED:.0%} of the variance of what is felt and of what is predicted; "
            "of uneven groups the largest has a third of the clips. Alone: percentiles that do not "
            "regard few groups. False: tests at 5 % that tell two equally good systems apart."
        )
        blocks += [f"{describe(coverage['machine'])} {note}", _coverage_table(coverage["rows"])]
    return "\n\n".join(blocks)


def _time_table(rows: list[dict[str, Any]]) -> str:
    names = {
        "bench": "Bench: 12,600 rows, 42 emotions with 300 each",
        "matrix": "every clip for every emotion: 12,600 × 40 = 504,000 rows",
    }
    lines = ["| rows | resampled | predictions | 1,000 resamples | peak memory (before) |"]
    lines.append("|---|---|---|---|---|")
    for row in rows:
        seconds, ours = row["seconds"], row["how"] != "naive"
        if ours:
            times = f"{median(seconds):.2f} s [{min(seconds):.2f}–{max(seconds):.2f}]"
            memory = f"{row['peak_mb']:,.0f} MB ({row['before_mb']:,.0f})"
            emotions, clips = SIZES[row["size"]]
            how = "rows" if row["how"] == "row" else f"{clips:,} groups of {emotions}"
        else:
            times, memory = f"{seconds[0]:,.0f} s, from {row['measured_on']} resamples", ""
            how = "rows, scipy in a loop"
        kind = "whole numbers" if row["ties"] else "continuous"
        lines.append(f"| {names[row['size']]} | {how} | {kind} | {times} | {memory} |")
    return "\n".join(lines)


def _coverage_table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| resampled | figure | MAE | RMSE | Pearson | Spearman |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        unit = f"{row['n_groups']} groups" if row["n_groups"] else "rows"
        unit += ", uneven" * row["uneven"]
        for part in ("pooled", "macro", "emotion"):
            figures = row[part].values()
            said = {
                part: [f"{of['coverage']:.3f} ± {of['error']:.3f}" for of in figures],
                f"… lowest of {COVERED}": [f"{of['lowest']:.3f}" for of in figures],
                "… alone": [f"{of['coverage_alone']:.3f}" for of in figures],
                "… width": [f"{of['width']:.2f}" for of in figures],
                "… false": [f"{of['false']:.3f}" for of in figures],
                "… false, alone": [f"{of['false_alone']:.3f}" for of in figures],
            }
            for name, cells in said.items():
                if part == "emotion" or "lowest" not in name:
                    lines.append(f"| {unit} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Command line of `metric.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=("time", "coverage"), help="the other stays as it is")
    parser.add_argument("--runs", type=int, default=3, help="repetitions of every timing")
    parser.add_argument("--benches", type=int, default=400, help="made Benches for the coverage")
    parser.add_argument("--resamples", type=int, default=1000, help="for the coverage")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        size, how, ties = arguments.worker
        worker(size, how, ties, arguments.runs)
        return
    from benchmarks.report import machine, write_report

    path = HERE / "results" / "metric.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if arguments.part != "coverage":
        results["time"] = {"machine": machine(), "rows": timings(arguments.runs)}
    if arguments.part != "time":
        truth, rows = population(), []
        for n_groups, uneven in SETTINGS:
            settings = (n_groups, arguments.benches, arguments.resamples)
            rows.append(coverage(truth, *settings, uneven=uneven))
            print(json.dumps(rows[-1]), file=sys.stderr)
        results["coverage"] = {"machine": machine(), "rows": rows}
    write_report(results, path)


if __name__ == "__main__":
    main()
