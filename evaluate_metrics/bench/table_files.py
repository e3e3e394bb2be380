"""Prediction files as tables: Parquet, JSONL, CSV; what cannot be read is named by its row."""

import csv
import json
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from evaluate_metrics.bench.result import EvaluationError
from modeling_empathic.report.files import check_lines
from modeling_empathic.report.packed import read_table
from modeling_empathic.scoring.clips import ScoringError
from modeling_empathic.scoring.file import check_whole
from modeling_empathic.taxonomy import UserError

_TEXTS = dict.fromkeys(("clip_id", "emotion", "outcome", "scale"), pa.string())
TYPES = {**_TEXTS, "score": pa.float64()}


def read_columns(path: Path) -> pa.Table:
    """All columns, those of `TYPES` with their types; scores of a CSV as they stand.

    Raises:
        EvaluationError: It cannot be read, was cut or changed; with the row, if any.
    """
    try:
        check_whole(path)  # where `collect` or `score` wrote it; others say nothing of themselves
        if path.suffix.lower() == ".parquet":
            table = read_table(path)
            for name in parquet.read_schema(path).names:
                if name in TYPES and name not in table.column_names:
                    raise EvaluationError(f"{path.name}: the column {name} holds lists")
            return table
        if path.suffix.lower() == ".csv":
            from pyarrow import csv as arrow_csv

            convert = arrow_csv.ConvertOptions(
                column_types={**TYPES, "score": pa.string()},
                null_values=["", "NaN", "nan"],
                strings_can_be_null=True,
            )
            parse = arrow_csv.ParseOptions(newlines_in_values=True)
            try:
                return _valid(
                    arrow_csv.read_csv(path, convert_options=convert, parse_options=parse)
                )
            except (pa.ArrowException, UnicodeDecodeError):
                _refuse_cells(path)
                raise
        return _read_lines(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError, ScoringError) as error:
        raise EvaluationError(f"{path.name} cannot be read: {error}") from error


def _read_lines(path: Path) -> pa.Table:
    """Of JSON Lines."""
    if path.stat().st_size == 0:
        raise EvaluationError(f"{path.name} is empty")
    from pyarrow import json as arrow_json

    try:
        check_lines(path)
    except UserError as error:
        raise EvaluationError(str(error)) from error

    def read(others: str) -> pa.Table:
        options = arrow_json.ParseOptions(
            explicit_schema=pa.schema(list(TYPES.items())), unexpected_field_behavior=others
        )
        return _valid(arrow_json.read_json(path, parse_options=options))

    try:
        table = read("infer")
    except pa.ArrowException:
        _refuse_other_types(path)
        table = read("ignore")  # a column that nobody asked for changes its type
    if not len(table):
        raise EvaluationError(f"{path.name} is empty")
    # The reader makes a column of every type it was asked for, whether the file has it or not.
    absent = [name for name in TYPES if name != "score" and table[name].null_count == len(table)]
    return table.drop_columns(absent)


def _refuse_other_types(path: Path) -> None:
    """Names the value for which Arrow's reader only says that a column has changed its type."""
    with path.open("rb") as file:
        for number, line in enumerate(filter(bytes.strip, file), 1):
            row = json.loads(line)
            for name, kind in TYPES.items():
                value, number_ = row.get(name), pa.types.is_floating(kind)
                if number_:
                    fits = type(value) in (int, float) and abs(value) < float("inf")
                else:
                    fits = isinstance(value, str)
                if value is not None and not fits:
                    what = "number" if number_ else "text"
                    raise EvaluationError(
                        f"{path.name}, row {number}: {name} is {value!r:.60}, no {what}"
                    )


def _refuse_cells(path: Path) -> None:
    """Names the row of a CSV, where Arrow's reader does not."""
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = filter(None, csv.reader(file))
            header = next(rows, [])
            for number, cells in enumerate(rows, 1):
                if len(cells) != len(header):
                    raise EvaluationError(
                        f"{path.name}, row {number} has {len(cells)} cells and the header "
                        f"{len(header)}"
                    )
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{path.name} is no text in UTF-8: {error}") from None
    except csv.Error as error:
        raise EvaluationError(f"{path.name}, row {number + 1}: {error}") from None


def _valid(table: pa.Table) -> pa.Table:
    """The same table, all of whose names and texts are texts."""
    table.validate(full=True)
    _ = table.column_names
    return table


def typed(table: pa.Table, name: str, path: Path) -> pa.Array:
    """A column with its type of `TYPES`.

    Raises:
        EvaluationError: A value that is none; with its row.
    """
    column = table[name].combine_chunks()
    try:
        return column.cast(TYPES[name], safe=not pa.types.is_integer(column.type))
    except pa.ArrowException as error:
        row = next((n for n, value in enumerate(column) if not _casts(value, TYPES[name])), None)
        if row is None or pa.types.is_nested(column.type):
            raise EvaluationError(f"{path.name}, column {name}: {error}") from error
        what = "number" if pa.types.is_floating(TYPES[name]) else "text"
        raise EvaluationError(
            f"{path.name}, row {row + 1}: {name} is {column[row].as_py()!r:.60}, no {what}"
        ) from None


def _casts(value: pa.Scalar, kind: pa.DataType) -> bool:
    try:
        value.cast(kind)
    except pa.ArrowException:
        return False
    return True
