"""Which of several takes to keep? LAION's best-of-N rule on a score file.

Inverse word error rate x (1.5 norm(target emotion) + norm(blend) + norm(genuineness)), where norm
is min-max over the run, the blend is a second emotion that should be heard, and genuineness is the
head Authenticity. LAION's own caution: such sensors agree with a listener at about rho = 0.21, so
it sorts out bad takes and does not find the best one.

emonet-voice score takes/ --model small --output takes.parquet
python examples/best_of_n.py takes.parquet --target Anger --blend Pain --wer wer.csv

`wer.csv` has the columns path and wer, 0 to 1, by whatever recogniser you trust; without it only
the voice counts.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from modeling_empathic.report.statistics import window_mean
from modeling_empathic.scoring.file import read_scores
from modeling_empathic.taxonomy import UserError, resolve

GENUINE = "Authenticity"


def rank(
    scores: dict[str, dict[str, float]],
    target: str,
    blend: str | None = None,
    wer: dict[str, float] | None = None,
) -> list[tuple[str, float]]:
    """Takes with their worth, best first.

    Args:
        scores: Path -> head -> score.
        target: The emotion that was asked for.
        blend: A second one.
        wer: Path -> word error rate, 0 to 1; 1 / (1 + it) is what counts.

    Example:
        >>> takes = {"a": {"Anger": 3.0}, "b": {"Anger": 1.0}}
        >>> rank(takes, "Anger", wer={"a": 1.0, "b": 0.0})
        [('a', 0.75), ('b', 0.0)]
    """
    heads = [(1.5, target), *([(1.0, blend)] if blend else []), (1.0, GENUINE)]
    worth = dict.fromkeys(scores, 0.0)
    for weight, head in heads:
        if all(head in of for of in scores.values()):
            values = np.array([of[head] for of in scores.values()])
            spread = np.ptp(values)
            for path, value in zip(scores, values, strict=True):
                worth[path] += weight * float((value - values.min()) / spread if spread else 0.0)
    if wer:
        worth = {path: value / (1 + wer[path]) for path, value in worth.items()}
    return sorted(worth.items(), key=lambda item: -item[1])


def read(path: Path) -> dict[str, dict[str, float]]:
    """Path -> head -> mean score of a score file's clips."""
    table = read_scores(path).to_pandas()
    table = table[table["outcome"] == "scored"]
    heads = [name for name in table.columns if table[name].dtype.kind == "f"]
    heads = [name for name in heads if not name.endswith("_s")]
    found = {}
    for clip, rows in table.groupby("path", sort=False):
        means = window_mean(rows[heads].to_numpy(), rows["end_s"] - rows["start_s"])
        found[str(clip)] = dict(zip(heads, means.tolist(), strict=True))
    return found


def main() -> None:
    """Command line of `best_of_n.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scores", type=Path, help="score file")
    parser.add_argument("--target", type=resolve, required=True, help="emotion asked for")
    parser.add_argument("--blend", type=resolve, help="a second one")
    parser.add_argument("--wer", type=Path, help="CSV with path and wer")
    arguments = parser.parse_args()
    wer = None
    if arguments.wer:
        with arguments.wer.open(encoding="utf-8", newline="") as file:
            wer = {row["path"]: float(row["wer"]) for row in csv.DictReader(file)}
    takes = read(arguments.scores)
    absent = [path for path in takes if wer is not None and path not in wer]
    if absent:
        raise UserError(f"{arguments.wer} lacks {absent[0]}")
    for path, worth in rank(takes, arguments.target, arguments.blend, wer):
        print(f"{worth:.3f}  {path}")


if __name__ == "__main__":
    main()
