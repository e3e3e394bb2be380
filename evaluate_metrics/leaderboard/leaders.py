"""Who really leads: paired tests of all pairs of systems, corrected together, and rank intervals.

Every two systems are compared on the rows that both scored (`bench.comparison`: paired bootstrap),
and Holm corrects over all pairs of a benchmark, so that with 95 % probability not one real tie is
called a difference. A system's rank then lies between 1 + the systems that are better, and the
number of systems less those that are worse: Mogstad et al. (2024), "Inference for ranks with
applications to mobility across neighbourhoods and academic achievement across countries", Review of
Economic Studies 91, 476-518. Whose interval begins at 1 cannot be told from the first.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from evaluate_metrics.bench.comparison import N_RESAMPLES, compare
from evaluate_metrics.bench.figures import Comparison
from evaluate_metrics.bench.predictions import Predictions, described, read_predictions
from evaluate_metrics.bench.result import EvaluationError
from modeling_empathic.report.statistics import holm

ALPHA = 0.05


class Compared(NamedTuple):
    """What a paired test says of two systems: A - B, and its two-sided p value."""

    difference: float
    p: float


class Ranks(NamedTuple):
    """The ranks that a system may have, from 1, with 95 % probability for all systems at once."""

    low: int
    high: int


def rank_intervals(
    systems: Sequence[str], pairs: Mapping[tuple[str, str], Compared]
) -> dict[str, Ranks]:
    """Rank intervals from tests of pairs; of a pair without a test nothing is known.

    Args:
        systems: Names.
        pairs: `(a, b)` -> higher is better; each pair once.

    Example:
        >>> pairs = {("a", "b"): Compared(0.1, 0.5), ("a", "c"): Compared(0.3, 0.001),
        ...          ("b", "c"): Compared(0.2, 0.01)}
        >>> rank_intervals(["a", "b", "c"], pairs)["b"], rank_intervals(["a", "b", "c"], pairs)["c"]
        (Ranks(low=1, high=2), Ranks(low=3, high=3))
    """
    better, worse = dict.fromkeys(systems, 0), dict.fromkeys(systems, 0)
    corrected = holm([of.p for of in pairs.values()])
    for ((a, b), of), p in zip(pairs.items(), corrected, strict=True):
        if p < ALPHA and not math.isnan(of.difference):
            winner, loser = (a, b) if of.difference > 0 else (b, a)
            better[loser] += 1
            worse[winner] += 1
    return {name: Ranks(1 + better[name], len(systems) - worse[name]) for name in systems}


def compare_all(
    systems: Mapping[str, Predictions],
    bench: pa.Table,
    n_resamples: int = N_RESAMPLES,
    seed: int = 42,
) -> dict[tuple[str, str], Comparison]:
    """Every two systems on the rows that both scored; pairs without such a row are left out.

    Args:
        systems: By name.
        bench: Of [`reader.read_bench`].
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap, the same for all pairs.
    """
    found = {}
    for a, b in combinations(systems, 2):
        try:
            found[a, b] = compare(systems[a], systems[b], bench, n_resamples, seed, system=b)
        except EvaluationError:
            continue
    return found


def read_scores(files: Iterable[str | Path]) -> dict[str, Predictions]:
    """Prediction and score files by the SHA-256 that results name them by.

    Raises:
        EvaluationError: A file that cannot be read.
    """
    read = (read_predictions(file) for file in files)
    return {described(of.rows)["sha256"]: of for of in read}


def mark_ranks(rows: Sequence[dict[str, Any]], pairs: Sequence[dict[str, Any]]) -> None:
    """Writes `rank_..._low` and `rank_..._high` into one benchmark's ranked rows.

    Tests are on the rows that both systems scored, ranks on each one's own: where the two disagree,
    as they may of a system that refuses what is hard, the interval holds the rank as well.

    Args:
        rows: Of the table, those that have a rank.
        pairs: As the table has them; of two systems the first counts.
    """
    names = [row["system"] for row in rows]
    for figure in ("spearman", "macro_spearman"):
        tested: dict[tuple[str, str], Compared] = {}
        for pair in pairs:
            a, b, of = pair["a"], pair["b"], pair["comparison"][figure]
            known = (a, b) in tested or (b, a) in tested
            if a in names and b in names and not known and None not in (of["p"], of["difference"]):
                tested[a, b] = Compared(of["difference"], of["p"])
        if not tested:
            continue
        for row, ranks in zip(rows, rank_intervals(names, tested).values(), strict=True):
            own = row[f"rank_{figure}"]
            row[f"rank_{figure}_low"] = min(ranks.low, own)
            row[f"rank_{figure}_high"] = max(ranks.high, own)
