"""The ceiling on raters of known agreement: is it unbiased, and do its intervals cover 95 %?

    python benchmarks/ceiling.py    # some minutes of one core

Made Benches: 300 clips an emotion, the raters of each clip in the shares of the paper's Table 4. A
rater says what the clip is in a share of cases and else guesses: of two raters Spearman's rho is
the square of that share, and of more it follows from a million clips.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.metric import RATERS  # noqa: E402
from dataset_scripts.agreement import RatedItems  # noqa: E402
from dataset_scripts.ceiling import ceiling  # noqa: E402

SHARES = (0.3, 0.5, 0.7, 0.9)
"""One emotion each: from raters who hardly agree to such who nearly always do."""
CLIPS = 300
POPULATION = 250_000  # clips an emotion
FIGURES = (
    ("one_rater", "spearman"),
    ("one_rater", "mae"),
    ("split_half", "spearman"),
    ("split_half", "mae"),
    ("perfect", "pearson"),
)


def made(rng: np.random.Generator, clips: int) -> RatedItems:
    """Ratings of a Bench with an emotion a share."""
    share = np.repeat(SHARES, clips)
    truth = rng.integers(0, 3, len(share))
    size = (len(share), max(RATERS))
    said = rng.random(size) < share[:, None]
    scores = np.where(said, truth[:, None], rng.integers(0, 3, size)).astype(float)
    weights = np.array([*RATERS.values()]) / sum(RATERS.values())
    n_raters = rng.choice([*RATERS], p=weights, size=len(share))
    scores[np.arange(max(RATERS)) >= n_raters[:, None]] = np.nan
    raters = np.where(np.isnan(scores), -1, np.arange(max(RATERS)))
    names = tuple(f"rater {i}" for i in range(max(RATERS)))
    emotions = np.array([f"share {of:g}" for of in share], dtype=object)
    return RatedItems(emotions, scores, raters, names)


def measure(n_benches: int, n_resamples: int, population: int = POPULATION) -> list[dict[str, Any]]:
    """Bias and coverage of each figure, by emotion, macro and pooled."""
    truth = ceiling(made(np.random.default_rng(1), population), n_resamples=0)
    benches = [
        ceiling(made(np.random.default_rng(seed), CLIPS), n_resamples=n_resamples, seed=i)
        for i, seed in enumerate(np.random.SeedSequence(2).spawn(n_benches))
    ]
    rows = []
    for how, name in FIGURES:
        for part in ("pooled", "macro", *truth[how]["per_emotion"]):
            true, _ = _of(truth[how], part, name)
            cells = [_of(bench[how], part, name) for bench in benches]
            values = np.array([value for value, _ in cells])
            ends = np.array([(interval["low"], interval["high"]) for _, interval in cells])
            some = ~np.isnan(values)
            inside = (ends[some, 0] <= true) & (true <= ends[some, 1])
            error = values[some].std() / np.sqrt(some.sum())
            rows.append({
                "how": how, "statistic": name, "part": part, "truth": true,
                "mean": float(values[some].mean()), "standard_error": float(error),
                "spread": float(values[some].std()), "coverage": float(inside.mean()),
                "undefined": int((~some).sum()),
            })  # fmt: skip
    return rows


def _of(figures: dict[str, Any], part: str, name: str) -> tuple[float, dict[str, Any]]:
    if part in ("pooled", "macro"):
        key = name if part == "pooled" else f"macro_{name}"
        return figures[key], figures["intervals"][key]
    return figures["per_emotion"][part][name], figures["intervals"]["per_emotion"][part][name]


def ceiling_table(results: dict[str, Any]) -> str:
    """A line a figure and emotion."""
    from benchmarks.report import describe

    note = (
        f"{results['benches']} made Benches of {len(SHARES)} \u00d7 {CLIPS} clips, "
        f"{results['resamples']} resamples. Truth: of {len(SHARES)} \u00d7 {POPULATION:,} clips."
    )
    lines = ["| ceiling | of | truth | mean of Benches | spread | 95 % covers | undefined |"]
    lines.append("|---|---|--:|--:|--:|--:|--:|")
    for row in results["rows"]:
        figure = f"{row['how'].replace('_', ' ')}, {row['statistic']}"
        mean = f"{row['mean']:.4f} \u00b1 {row['standard_error']:.4f}"
        numbers = f"{row['spread']:.4f} | {row['coverage']:.3f} | {row['undefined']}"
        lines.append(f"| {figure} | {row['part']} | {row['truth']:.4f} | {mean} | {numbers} |")
    return "\n\n".join([f"{describe(results['machine'])} {note}", "\n".join(lines)])


def main() -> None:
    """Command line of `ceiling.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--benches", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=1000)
    arguments = parser.parse_args()
    from benchmarks.report import machine, write_report

    rows = measure(arguments.benches, arguments.resamples)
    results = {"machine": machine(), "benches": arguments.benches, "rows": rows}
    results |= {"resamples": arguments.resamples}
    print(json.dumps(rows), file=sys.stderr)
    write_report(results, HERE / "results" / "ceiling.json")


if __name__ == "__main__":
    main()
