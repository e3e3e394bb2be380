"""Do equal systems share their rank? The leaderboard on simulated Benches.

    python benchmarks/leaders.py    # some minutes of one core

Five made systems: one better, three equal, one worse. On every made Bench (12 emotions of 40 clips,
ratings as of two to four raters) all pairs are compared and corrected as on the leaderboard. The
equal ones share their rank where their rank intervals are the same.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from evaluate_metrics.bench.predictions import Predictions  # noqa: E402
from evaluate_metrics.leaderboard.leaders import (  # noqa: E402
    Compared,
    compare_all,
    rank_intervals,
)
from modeling_empathic.taxonomy import EMOTION_NAMES  # noqa: E402

NOISE = {"better": 1.0, "equal 1": 4.0, "equal 2": 4.0, "equal 3": 4.0, "worse": 12.0}
"""Of the scores around what the clip is, in points of 10: two far off, so that a rank that differs
is a false difference among the three, and not one that 480 clips are too few for."""
EQUAL = [name for name in NOISE if name.startswith("equal")]
EMOTIONS, CLIPS = 12, 40
FIGURES = ("spearman", "macro_spearman")


def made(rng: np.random.Generator) -> tuple[dict[str, Predictions], pa.Table]:
    """A Bench and five systems' scores of it."""
    n = EMOTIONS * CLIPS
    truth = rng.choice([0.0, 5.0, 10.0], n, p=[0.5, 0.3, 0.2])
    raters = rng.integers(2, 5, n)
    heard = np.where(rng.random((n, 4)) < 0.7, truth[:, None], rng.choice([0, 5, 10.0], (n, 4)))
    means = np.array([row[:k].mean() for row, k in zip(heard, raters, strict=True)])
    bench = pa.table(
        {
            "clip_id": [str(i) for i in range(n)],
            "emotion": np.repeat(np.array(EMOTION_NAMES[:EMOTIONS], dtype=object), CLIPS),
            "mean_0_10": means,
        }
    )
    systems = {}
    for name, noise in NOISE.items():
        scores = np.clip(truth + rng.normal(0, noise, n), 0, 10)
        rows = bench.select(["clip_id", "emotion"])
        rows = rows.append_column("score", pa.array(scores))
        rows = rows.append_column("outcome", pa.array(["scored"] * n))
        systems[name] = Predictions(rows, "0-10", {}, False)
    return systems, bench


def measure(n_benches: int, n_resamples: int) -> dict[str, Any]:
    """Shares of Benches, by figure."""
    shared, exact = dict.fromkeys(FIGURES, 0), dict.fromkeys(FIGURES, 0)
    for seed in np.random.SeedSequence(3).spawn(n_benches):
        systems, bench = made(np.random.default_rng(seed))
        pairs = compare_all(systems, bench, n_resamples)
        for figure in FIGURES:
            tested = {
                key: Compared(of[figure].difference, of[figure].p) for key, of in pairs.items()
            }
            ranks = rank_intervals(list(systems), tested)
            shared[figure] += len({ranks[name] for name in EQUAL}) == 1
            wanted = {"better": (1, 1), "worse": (5, 5), **dict.fromkeys(EQUAL, (2, 4))}
            exact[figure] += ranks == wanted
    return {
        "equal_share_their_rank": {name: n / n_benches for name, n in shared.items()},
        "all_ranks_right": {name: n / n_benches for name, n in exact.items()},
    }


def leaders_table(results: dict[str, Any]) -> str:
    """A line a figure."""
    from benchmarks.report import describe

    note = (
        f"{results['benches']} made Benches of {EMOTIONS} × {CLIPS} clips, {results['resamples']} "
        "resamples: five systems, three of them equal, all ten pairs tested, corrected after Holm."
    )
    lines = ["| ranked by | the three share their rank | every rank interval is right |"]
    lines.append("|---|--:|--:|")
    for figure in FIGURES:
        cells = (results[key][figure] for key in ("equal_share_their_rank", "all_ranks_right"))
        lines.append(
            f"| {figure.replace('_', ' ')} | {' | '.join(f'{100 * c:.1f} %' for c in cells)} |"
        )
    return "\n\n".join([f"{describe(results['machine'])} {note}", "\n".join(lines)])


def main() -> None:
    """Command line of `leaders.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--benches", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=300)
    arguments = parser.parse_args()
    from benchmarks.report import machine, write_report

    results = {"machine": machine(), "benches": arguments.benches}
    results |= {"resamples": arguments.resamples}
    results |= measure(arguments.benches, arguments.resamples)
    write_report(results, HERE / "results" / "leaders.json")


if __name__ == "__main__":
    main()
