"""Scores that somebody has already, as annotations: Parquet, JSON lines, CSV, or a score file."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from modeling_empathic.report.files import json_lines
from modeling_empathic.report.packed import read_table
from modeling_empathic.scoring.file import stored_provenance
from modeling_empathic.taxonomy import EMOTION_NAMES, UserError

from .clips import PackingError, refuse_twice, rows_of
from .scores import OUTCOMES, SCORED, Judge, Judgement, head_name, judgement, within_scale

KEYS = ("id", "clip_id", "path")


def imported(file: str | Path) -> Judge:
    """Scores that somebody has already: a row a clip, with 40 columns or `emotion_scores`.

    Clips are known by `id`, `clip_id` (SHA-256 of the audio) or `path`, whichever the file has; a
    clip in several rows has no scores. A score file of `emonet-voice score` is read too: of a clip
    in several windows the first, and scores beyond the scale become its ends, as those of a model
    here.

    Args:
        file: `.parquet`, `.jsonl` or `.csv`.

    Raises:
        PackingError: The file cannot be read, or nothing in it says which clip a row is of.
    """
    file = Path(file)
    rows = _imported_rows(file)
    key = next((name for name in KEYS if rows and name in rows[0]), None)
    if key is None:
        raise PackingError(f"{file}: no rows with a column id, clip_id or path")
    is_model = "scales" in stored_provenance(file)
    found: dict[str, Judgement] = {}
    for row in rows:
        name = str(row.get(key))
        if name not in found:
            found[name] = _of_row(row, is_model)
        elif not is_model:  # nobody knows which of them is meant
            found[name] = Judgement(None, "parse_error", f"several rows in {file.name}")

    def judge(clips: pa.Table) -> Iterator[Judgement]:
        missing = Judgement(None, "transport_error", f"no row in {file.name}")
        for clip in rows_of(clips):
            yield found.get(str(clip["sha256" if key == "clip_id" else key]), missing)

    return judge


def _of_row(row: Mapping[str, Any], is_model: bool) -> Judgement:
    outcome = row.get("outcome")
    if is_model and outcome != SCORED:
        if outcome not in OUTCOMES:
            return Judgement(None, "parse_error", f"outcome={outcome!r:.60} is none")
        return Judgement(None, str(outcome), str(row.get("error") or ""))
    scores = row.get("emotion_scores")
    pairs = list((scores if isinstance(scores, dict) else row).items())
    if isinstance(scores, list):
        if len(scores) != len(EMOTION_NAMES):
            return Judgement(None, "unmapped", f"{len(scores)} of {len(EMOTION_NAMES)} scores")
        pairs = list(zip(EMOTION_NAMES, scores, strict=True))
    if is_model:
        emotions = [(name, value) for name, value in pairs if head_name(name) in EMOTION_NAMES]
        pairs = [(name, v if v is None else within_scale([v])[0]) for name, v in emotions]
    return judgement(pairs)


def _imported_rows(file: Path) -> list[dict[str, Any]]:
    try:
        if file.suffix == ".parquet":
            table = read_table(file, lists=("emotion_scores",))
            refuse_twice(table.column_names)
            return list(rows_of(table))
        if file.suffix == ".csv":
            with file.open(newline="", encoding="utf-8-sig") as stream:
                lines = csv.DictReader(stream, strict=True)
                refuse_twice(lines.fieldnames or [])
                return [_cells(row, number) for number, row in enumerate(lines, 1)]
        if file.suffix == ".jsonl":
            return [row for _, row in json_lines(file)]
    except UserError as error:
        raise PackingError(str(error)) from None
    except (
        *(OSError, ValueError, csv.Error, pa.ArrowException, RecursionError),
        OverflowError,  # a date beyond all years
    ) as error:
        raise PackingError(f"{file} cannot be read: {str(error).splitlines()[0]}") from None
    raise PackingError(f"{file}: choose a file that ends in .parquet, .jsonl or .csv")


def _cells(row: dict[Any, Any], number: int) -> dict[str, Any]:
    """A line of a CSV; what says which clip it is stays text: `00e12` is an id and no number."""
    if None in row:
        raise ValueError(f"row {number} has more cells than the header")
    return {name: cell if name in KEYS else _value(cell) for name, cell in row.items()}


def _value(text: str | None) -> Any:
    """A cell of a CSV: a number where it is one."""
    try:
        return text if "_" in (text or "") else float(text or "")  # to Python 1_0 is a number
    except ValueError:
        return text
