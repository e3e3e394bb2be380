"""What the leaderboard shows, read from a folder and checked: the file comes from anybody.

A folder has `leaderboard.json`, which `emonet-voice leaderboard` wrote, and may have `systems.csv`.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from names import plain
from systems import System, about, read_systems

from evaluate_metrics.bench.figures import FIGURES as ALL_FIGURES
from evaluate_metrics.bench.figures import Comparison
from evaluate_metrics.bench.typed_json import FieldError
from evaluate_metrics.leaderboard.table import checked_pairs, checked_rows
from evaluate_metrics.published import SMALL, published_table6
from modeling_empathic.taxonomy import EMOTION_NAMES

FIGURES = {"spearman": "Spearman ρ", "pearson": "Pearson r", "mae": "MAE", "rmse": "RMSE"}
"""In the order of Table 5."""
ALL = tuple(prefix + name for name in FIGURES for prefix in ("", "macro_"))
ORDER = tuple(published_table6()[SMALL])
"""The 40 emotions in the order of Table 6: those that systems hear best first."""
LARGEST_BYTES = 20_000_000

assert set(ORDER) == set(EMOTION_NAMES) and set(ALL) == set(ALL_FIGURES)


class BoardError(ValueError):
    """A file that is not what it should be."""


class Board(NamedTuple):
    """Everything there is to show.

    Attributes:
        rows: Label -> row of `leaderboard.json`. A label is the system's name, with its benchmark
            where it is on more than one, and a number where two look alike. Names are `plain`.
        comparisons: Labels of two systems -> what `emonet-voice evaluate --vs` found.
        left_out: What could not be used, and why.
        about: Label -> what is known of the system beside its figures.
        folder: It was read from.
    """

    rows: dict[str, dict[str, Any]]
    comparisons: dict[tuple[str, str], Comparison]
    left_out: list[str]
    about: dict[str, System]
    folder: Path

    def by_emotion(self, label: str) -> dict[str, dict[str, Any]]:
        """Of each emotion `value`, `low`, `high` and `why` there is none; `{}` if not known."""
        cells: dict[str, dict[str, Any]] = self.rows[label]["spearman_by_emotion"]
        return {name: cells[name] for name in ORDER if name in cells}


def load(folder: str | Path) -> Board:
    """Reads a folder.

    Raises:
        BoardError: There is no `leaderboard.json`, or it is none.
    """
    file = Path(folder) / "leaderboard.json"
    if not file.is_file():
        raise BoardError(f"{folder} has no leaderboard.json")
    table = _read(file)
    if table.get("kind") != "leaderboard" or table.get("format") != 1:
        raise BoardError("leaderboard.json is not of `emonet-voice leaderboard`")
    try:
        (rows, names), pairs = _labelled(checked_rows(table)), checked_pairs(table)
    except FieldError as error:
        raise BoardError(f"leaderboard.json: {error}") from None
    systems, left_out = read_systems(Path(folder))
    for name in ("rejected", "comparisons_left_out"):
        files = table.get(name)
        for file in files if isinstance(files, list) else ():
            left_out.append(str(file.get("error") if isinstance(file, dict) else file))
    label_of = {(row["system"], row["benchmark"]): label for label, row in rows.items()}
    known = {label: about(row, systems) for label, row in rows.items()}
    comparisons = {}
    for pair in pairs:
        labels = [label_of.get((system, pair.benchmark)) for system in (pair.a, pair.b)]
        if None in labels:
            left_out.append(f"a comparison of {pair.a!r:.80} and {pair.b!r:.80}, not in the table")
        else:
            comparisons[labels[0], labels[1]] = pair.comparison
    named = _different(row["benchmark"] for row in rows.values())
    shown = {
        label: row
        | {name: plain(row[name]) for name in ("model", "revision") if row[name]}
        | {"system": names[label], "benchmark": named[row["benchmark"]]}
        for label, row in rows.items()
    }
    return Board(shown, comparisons, left_out, known, Path(folder))


def benchmarks(board: Board) -> list[str]:
    """The benchmarks, in the order of the file."""
    return list(dict.fromkeys(row["benchmark"] for row in board.rows.values()))


def main_benchmark(board: Board) -> str:
    """The one to show first: at a known revision, the whole Bench, many systems, the newest."""

    def weight(name: str) -> tuple[Any, ...]:
        rows = [row for row in board.rows.values() if row["benchmark"] == name]
        known, whole = rows[0]["bench_revision"], rows[0]["bench_config"] == "default"
        newest = max(row["time"] or "" for row in rows)
        return not rows[0]["published"], bool(known), whole, len(rows), newest

    return max(benchmarks(board), key=weight)


def on(board: Board, benchmark: str) -> dict[str, dict[str, Any]]:
    """The rows of one benchmark by their labels."""
    return {label: row for label, row in board.rows.items() if row["benchmark"] == benchmark}


def beside(rows: dict[str, dict[str, Any]], kind: str) -> tuple[str, dict[str, Any]]:
    """Floors or ceiling of the system that scored most rows of a benchmark: they depend on them.

    Args:
        rows: Of one benchmark, by label.
        kind: `"floors"` or `"ceiling"`.

    Returns:
        That system's label, and name -> figures; `""` where no result has any.
    """
    having = {label: row for label, row in rows.items() if row.get(kind)}
    if not having:
        return "", {}
    label = max(having, key=lambda label: having[label]["used"] or 0)
    return label, having[label][kind]


def _read(file: Path) -> dict[str, Any]:
    if file.stat().st_size > LARGEST_BYTES:
        raise BoardError(f"{file.name} is larger than {LARGEST_BYTES:,} bytes")
    try:
        table = json.loads(file.read_text("utf-8"), parse_constant=lambda _: None)
    except OSError as error:
        raise BoardError(f"{file.name}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise BoardError(f"{file.name} is not JSON: {error}") from None
    if not isinstance(table, dict):
        raise BoardError(f"{file.name} is not a table")
    return table


def _different(names: Iterable[str]) -> dict[str, str]:
    """Plain names that differ where the names do."""
    shown: dict[str, str] = {}
    for name in dict.fromkeys(names):
        new = plain(name)
        while new in shown.values():
            new += " (another)"
        shown[name] = new
    return shown


def _labelled(rows: list[dict[str, Any]]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The rows by label, and the name that each is shown with."""
    plain_names = [plain(row["system"]) for row in rows]
    labels: dict[str, dict[str, Any]] = {}
    names: dict[str, str] = {}
    for name, row in zip(plain_names, rows, strict=True):
        once = plain_names.count(name) == 1
        label = alone = name if once else f"{name} ({plain(row['benchmark'])})"
        names[label] = names.get(label, name)
        twins = 1
        while label in labels:
            if labels[label]["system"] == row["system"]:
                raise BoardError(f"leaderboard.json has {label!r:.200} twice")
            twins += 1
            alike = f", no. {twins} that looks like this"
            label = alone + alike
            names[label] = name + alike
        labels[label] = row
    return labels, names
