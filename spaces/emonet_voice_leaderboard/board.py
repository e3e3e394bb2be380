"""What the leaderboard shows, read from a folder and checked: the files come from anybody.

A folder has `leaderboard.json`, which `emonet-voice evaluate --leaderboard` wrote, and may have
`results/*.json`, the results that it was made of: only they have the figures by emotion and the
comparisons of two systems.
"""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from evaluate_metrics.emonet_voice.outcomes import OUTCOMES
from evaluate_metrics.published import SMALL, published_table6
from modeling_empathic.taxonomy import EMOTION_NAMES

FIGURES = {"spearman": "Spearman ρ", "pearson": "Pearson r", "mae": "MAE", "rmse": "RMSE"}
"""In the order of Table 5."""
ALL = tuple(prefix + name for name in FIGURES for prefix in ("", "macro_"))
ORDER = tuple(published_table6()[SMALL])
"""The 40 emotions in the order of Table 6: those that systems hear best first."""
LARGEST_BYTES = 20_000_000
LARGEST_NUMBER = 2**53
TOLERANCE = 1e-6

_TEXTS = ("system", "benchmark")
_OPTIONAL = ("model", "revision", "time", "file", "unranked", "bench_revision", "bench_config")
_NUMBERS = (*(f"{name}{end}" for name in ALL for end in ("", "_low", "_high")), "failure_rate",
            "rows", "used", "bench_rows", "without_prediction", "emotions_left_out",
            "older_results", "rank_spearman", "rank_macro_spearman", *OUTCOMES)  # fmt: skip

assert set(ORDER) == set(EMOTION_NAMES)


class BoardError(ValueError):
    """A file that is not what it should be."""


class Cell(NamedTuple):
    """A figure, its 95 % interval, and why there is none; None where unknown or undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""


class Board(NamedTuple):
    """Everything there is to show.

    Attributes:
        rows: Label -> row of `leaderboard.json`. A label is the system's name, with its benchmark
            where it is on more than one.
        by_emotion: Label -> emotion -> Spearman's ρ, of systems whose result is there.
        comparisons: Labels of two systems -> what `emonet-voice evaluate --vs` found.
        left_out: What could not be used, and why.
    """

    rows: dict[str, dict[str, Any]]
    by_emotion: dict[str, dict[str, Cell]]
    comparisons: dict[tuple[str, str], dict[str, Any]]
    left_out: list[str]


def load(folder: str | Path) -> Board:
    """Reads a folder.

    Raises:
        BoardError: There is no `leaderboard.json`, or it is none.
    """
    folder = Path(folder)
    if not (folder / "leaderboard.json").is_file():
        raise BoardError(f"{folder} has no leaderboard.json")
    table = _read(folder / "leaderboard.json")
    if table.get("kind") != "leaderboard" or table.get("format") != 1:
        raise BoardError("leaderboard.json is not of `emonet-voice evaluate --leaderboard`")
    rows = table.get("rows")
    if not isinstance(rows, list) or not rows:
        raise BoardError("leaderboard.json has no rows")
    for number, row in enumerate(rows):
        _check_row(row, number)
    board = Board(_labelled(rows), {}, {}, [])
    rejected = table.get("rejected")
    for found in rejected if isinstance(rejected, list) else ():
        board.left_out.append(str(found.get("error") if isinstance(found, dict) else found))
    published = published_table6()
    for label, row in board.rows.items():
        if row["published"] and row["system"] in published:
            board.by_emotion[label] = _published(published[row["system"]])
    for file in sorted((folder / "results").glob("*.json")):
        try:
            _add_result(board, file)
        except BoardError as error:
            board.left_out.append(str(error))
    return board


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


def floors(rows: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Floors of the system that scored most rows of a benchmark, as they depend on the rows.

    Returns:
        That system's label, and name -> figures; `""` where no result has floors.
    """
    having = {label: row for label, row in rows.items() if row.get("floors")}
    if not having:
        return "", {}
    label = max(having, key=lambda label: having[label]["used"] or 0)
    return label, having[label]["floors"]


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file() or file.stat().st_size > LARGEST_BYTES:
        raise BoardError(f"{file.name} is no file of at most {LARGEST_BYTES:,} bytes")
    try:
        found = json.loads(file.read_text("utf-8"), parse_constant=lambda _: None)
    except OSError as error:
        raise BoardError(f"{file.name}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise BoardError(f"{file.name} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise BoardError(f"{file.name} is not a table")
    return found


def _check_row(row: Any, number: int) -> None:
    if not isinstance(row, dict) or type(row.get("published")) is not bool:
        raise BoardError(f"row {number} of leaderboard.json is {row!r:.80}")
    for name in _TEXTS:
        if not isinstance(row.get(name), str):
            raise BoardError(f"row {number}: {name} is {row.get(name)!r:.80}, not a text")
    for name in _OPTIONAL:
        if not isinstance(row.setdefault(name, None), str | None):
            raise BoardError(f"row {number}: {name} is {row[name]!r:.80}, not a text")
    for name in _NUMBERS:
        row[name] = _number(row.get(name), f"row {number}: {name}")
    if not isinstance(row.setdefault("floors", {}), dict):
        raise BoardError(f"row {number}: floors are {row['floors']!r:.80}, not a table")
    row["floors"] = {
        str(name): {figure: _number(_at(found, figure), f"row {number}: {name}") for figure in ALL}
        for name, found in row["floors"].items()
    }


def _labelled(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    names = [row["system"] for row in rows]
    labels: dict[str, dict[str, Any]] = {}
    for row in rows:
        once = names.count(row["system"]) == 1
        label = row["system"] if once else f"{row['system']} ({row['benchmark']})"
        if label in labels:
            raise BoardError(f"leaderboard.json has {label!r:.200} twice")
        labels[label] = row
    return labels


def _published(by_emotion: dict[str, float]) -> dict[str, Cell]:
    return {
        name: Cell(None, why="NaN in the paper") if math.isnan(value) else Cell(value)
        for name, value in by_emotion.items()
    }


def _add_result(board: Board, file: Path) -> None:
    """Takes from a result what the table lacks, if the table was made of it."""
    result = _read(file)
    system = result.get("system")
    label = next(
        (name for name, row in board.rows.items()
         if not row["published"] and (row["file"], row["system"]) == (file.name, system)),
        None,
    )  # fmt: skip
    if label is None:
        raise BoardError(f"{file.name} is not in leaderboard.json, or was replaced by a newer one")
    row = board.rows[label]
    rho = _number(_at(result, "metric", "spearman"), f"{file.name}: spearman")
    if not _same(rho, row["spearman"]):
        raise BoardError(f"{file.name} has changed since leaderboard.json was written")
    board.by_emotion[label] = {
        emotion: _cell(result, emotion, f"{file.name}: {emotion}")
        for emotion in ORDER
        if isinstance(_at(result, "metric", "per_emotion", emotion), dict)
    }
    if "comparison" in result:
        _add_comparison(board, label, result["comparison"], file.name)


def _cell(result: dict[str, Any], emotion: str, where: str) -> Cell:
    found = _at(result, "metric", "per_emotion", emotion)
    interval = _at(result, "metric", "intervals", "per_emotion", emotion, "spearman")
    value, low, high = (
        _number(number, where)
        for number in (found.get("spearman"), _at(interval, "low"), _at(interval, "high"))
    )
    if value is not None and not -1 <= value <= 1:
        raise BoardError(f"{where}: {value:g} is no correlation")
    if value is not None:
        return Cell(value, low, high)
    counts = {name: _number(_at(found, "outcomes", name), where) or 0 for name in OUTCOMES}
    failed = [f"{n:,.0f} {name}" for name, n in counts.items() if n and name != "scored"]
    return Cell(None, why=", ".join(failed) or "undefined")


def _add_comparison(board: Board, label: str, found: Any, file: str) -> None:
    """Keeps a comparison if both systems stand in the table with the same number of rows."""
    row = board.rows[label]
    name = _at(found, "system")
    others = [
        other
        for other, its in on(board, row["benchmark"]).items()
        if other != label and name in (its["system"], its["model"])
    ]
    if len(others) != 1 or not isinstance(name, str):
        raise BoardError(f"{file}: its comparison is with {name!r:.80}, which is not in the table")
    for side, system in (("a", label), ("b", others[0])):
        own = _number(_at(found, "rows", f"only_{side}"), file)
        common = _number(_at(found, "rows", "common"), file)
        if own is None or common is None or common + own != board.rows[system]["used"]:
            raise BoardError(f"{file}: its comparison is not of the rows in the table")
        rho = _number(_at(found, "spearman", side), file)
        if own == 0 and not _same(rho, board.rows[system]["spearman"]):
            raise BoardError(f"{file}: its comparison is of other results than the table")
    n_resamples = _number(_at(found, "bootstrap", "n_resamples"), file)
    board.comparisons[label, others[0]] = {
        "rows": _at(found, "rows", "common"),
        "n_resamples": n_resamples,
        "figures": {name: _difference(_at(found, name), "p", f"{file}: {name}") for name in ALL},
        "by_emotion": {
            emotion: _difference(_at(entry, "spearman"), "p_holm", f"{file}: {emotion}")
            for emotion in ORDER
            if (entry := _at(found, "per_emotion", emotion)) is not None
        },
    }


def _difference(entry: Any, p: str, where: str) -> dict[str, float | None]:
    names = {"a": "a", "b": "b", "difference": "difference", "low": "low", "high": "high", "p": p}
    found = {name: _number(_at(entry, key), where) for name, key in names.items()}
    for value in found.values():
        if value is not None and abs(value) > 10:  # no figure is beyond 10, nor a difference
            raise BoardError(f"{where} is {value:g}")
    return found


def _at(table: Any, *keys: str) -> Any:
    """What stands there; None if nothing does."""
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _number(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not abs(value) < LARGEST_NUMBER:
        raise BoardError(f"{where} is {value!r:.80}, not a number")
    return value


def _same(a: float | None, b: float | None) -> bool:
    return a is b if a is None or b is None else abs(a - b) < TOLERANCE
