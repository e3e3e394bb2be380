"""Prediction files and Benches of anybody: rows named alike, what lies beside them too."""

import json
import unicodedata
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from evaluate_metrics.adapters.errors import AdapterError
from evaluate_metrics.adapters.stored import import_stored
from evaluate_metrics.bench import reader
from evaluate_metrics.bench.evaluation import evaluate
from evaluate_metrics.bench.predictions import read_predictions
from evaluate_metrics.bench.result import EvaluationError
from modeling_empathic.scoring.file import METADATA_KEY, meta_path, score_schema, write_scores
from tests.support.evaluation_maker import FEW, heard, made_bench, write

HEADER = ("clip_id", "emotion", "score")
ROWS = [("a", "Awe", 1.5), ("b", "Awe", 2.0), ("c", "Awe", 3.25)]


def text_of(rows, suffix):
    """As text with an empty line after every row, which is no row."""
    if suffix == ".csv":
        return "\n\n".join([",".join(HEADER), *(",".join(map(str, row)) for row in rows)]) + "\n"
    return "".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n\n" for row in rows)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("value", ["seven", "7,5", "1e", "--"])
def test_a_text_among_scores_is_named_by_its_row_in_every_format(tmp_path, suffix, value):
    path = tmp_path / f"mine{suffix}"
    rows = [*ROWS[:2], ("c", "Awe", f'"{value}"' if suffix == ".csv" else value)]
    if suffix == ".parquet":
        columns = [list(map(str, column)) for column in zip(*rows, strict=True)]
        parquet.write_table(pa.table(dict(zip(HEADER, columns, strict=True))), path)
    else:
        path.write_text(text_of(rows, suffix))
    with pytest.raises(EvaluationError, match=rf"row 3: score is '{value}', no number"):
        read_predictions(path)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_readers_of_tables_count_rows_alike(tmp_path, suffix):
    path = tmp_path / f"mine{suffix}"
    path.write_text(text_of([*ROWS[:2], ("", "Awe", 3)], suffix))
    with pytest.raises(EvaluationError, match="row 3 has no clip_id"):
        read_predictions(path)
    with pytest.raises(AdapterError, match="row 3: no clip_id"):
        import_stored(path, tmp_path / "out.parquet", system="x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip_id,emotion,score\na,Awe,1\n\nb,Awe\n", "row 2.* cells"),
        ("clip_id,emotion,score\na,Awe,1\n\nb,Awe,1,2\n", "row 2.* cells"),
        ('clip_id,emotion,score\na,Awe,1\n"b,Awe,1\n', "row 2 has|unexpected end of data"),
        ("clip_id,emotion,score\nGefühl,Awe,1\n".encode("latin-1"), "utf-8"),
        ("clip_id,emotion,score\na,Awe,1\n".encode("utf-16"), "utf-8"),
        ("clip_id,emotion,score\na,Awe," + "1" * 200_000 + "\nb\n", "row 1|cannot be read"),
        ('{"clip_id": "\\ud800", "emotion": "Awe", "score": 1}\n', "line 1 holds half a char"),
    ],
)
def test_readers_of_tables_refuse_alike_what_is_not_whole(tmp_path, text, message):
    path = tmp_path / ("mine.jsonl" if text[:1] == "{" else "mine.csv")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(EvaluationError, match=message):
        read_predictions(path)
    with pytest.raises(AdapterError, match=message):
        import_stored(path, tmp_path / "out.parquet", system="x")


def test_a_column_of_somebodys_own_may_change_its_type(tmp_path):
    lines = [{"clip_id": "a", "emotion": "Awe", "score": 1.0, "note": note} for note in (1, "b")]
    lines[1]["clip_id"] = "b"
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert len(read_predictions(path).rows) == 2


@pytest.mark.parametrize("kind", [
    pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string()),
])  # fmt: skip
@pytest.mark.parametrize("number", [
    pa.float16(), pa.float32(), pa.float64(), pa.decimal128(9, 3), pa.string(),
])  # fmt: skip
def test_a_parquet_file_of_other_types_has_the_same_rows(tmp_path, kind, number):
    ids, emotions, scores = zip(*ROWS, strict=True)
    if pa.types.is_decimal(number):
        scores = list(map(Decimal, map(str, scores)))
    elif pa.types.is_string(number):
        scores = list(map(str, scores))
    elif pa.types.is_float16(number):
        scores = list(map(np.float16, scores))
    columns = [pa.array(ids).cast(kind), pa.array(emotions).cast(kind), pa.array(scores, number)]
    parquet.write_table(pa.table(columns, HEADER), tmp_path / "mine.parquet")
    rows = read_predictions(tmp_path / "mine.parquet").rows
    assert rows.select(HEADER).to_pylist() == [dict(zip(HEADER, r, strict=True)) for r in ROWS]


def test_a_key_that_is_there_twice_is_named_with_its_line(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"clip_id": "a", "emotion": "Awe", "score": 1, "score": 9}\n')
    with pytest.raises(EvaluationError, match="line 1 is no JSON: 'score' is there twice"):
        read_predictions(path)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_ids_in_another_unicode_form_are_the_same_clips(tmp_path, monkeypatch, suffix):
    bench = made_bench(FEW, clips=4)
    ids = [f"Gefühl-{number}" for number in range(len(bench))]
    nfd = [unicodedata.normalize("NFD", name) for name in ids]
    assert ids != nfd
    bench = bench.set_column(0, "clip_id", pa.array(ids))
    said = heard(bench.set_column(0, "clip_id", pa.array(nfd)), emotions=FEW[:2])
    path = tmp_path / f"mine{suffix}"
    write(said, path, model="x")
    result = evaluate(read_predictions(path), bench, system="x", n_resamples=0)
    assert result.join.matched == 8 and result.join.unknown_clips == 0


# --- what lies beside a text ----------------------------------------------------------------------


def score_file(path):
    rows = {"path": ["a.wav"], "clip_id": ["a"], "start_s": [0.0], "end_s": [1.0],
            "duration_s": [1.0], "Anger": [1.0], "quality": [""], "outcome": ["scored"],
            "error": [None]}  # fmt: skip
    write_scores(pa.table(rows, score_schema({"heads": ["Anger"], "model": "x"})), path)
    return path


def prediction_file(path):
    return write(heard(made_bench(FEW, clips=2), emotions=FEW), path, model="x", scale="0-10")


def changed(**values):
    def change(beside):
        stored = json.loads(beside.read_text()) | values
        beside.write_text(json.dumps({k: v for k, v in stored.items() if v != "nothing"}))

    return change


def folder(beside):
    beside.unlink()
    beside.mkdir()


def dangling(beside):
    beside.unlink()
    beside.symlink_to("nowhere.json")


BROKEN = [
    lambda beside: beside.write_bytes(b""),
    lambda beside: beside.write_text("[1]"),
    lambda beside: beside.write_text("null"),
    lambda beside: beside.write_text("{" * 100_000),
    lambda beside: beside.write_bytes(b'{"heads": ["\xff"]}'),
    lambda beside: beside.write_text('{"heads": ["Anger"], "heads": ["Awe"]}'),
    lambda beside: beside.write_text('{"heads": ["Anger"], "scale": NaN}'),
    lambda beside: beside.write_text(beside.read_text()[:-3]),
    lambda beside: beside.write_bytes(beside.read_text().encode("utf-16")),
    lambda beside: beside.write_text('{"n": ' + "9" * 5000 + "}"),
    changed(whole_file_sha256=7),
    changed(whole_file_sha256="abc"),
    changed(whole_file_sha256={"a": 1}),
    changed(whole_file_sha256=["0" * 64]),
    folder,
    dangling,
]
OF_HEADS = [
    changed(heads="Anger"), changed(heads=["Anger", "Anger"]), changed(heads=["path"]),
    changed(heads=["\ud800"]), changed(heads=[["Anger"]]), changed(heads="nothing"),
    changed(heads=["Anger", "Awe"]), changed(scales=5), changed(scales={"Anger": "0-4"}),
    changed(speakers="turns"),
]  # fmt: skip
OF_SCALE = [changed(scale=7), changed(scale=["0-4"]), changed(scale="0-5")]


@pytest.mark.parametrize(
    ("make", "suffix", "change"),
    [
        *((score_file, ".csv", change) for change in (*BROKEN, *OF_HEADS)),
        *((score_file, ".jsonl", change) for change in OF_HEADS),
        *((prediction_file, ".jsonl", change) for change in (*BROKEN, *OF_SCALE)),
    ],
)
def test_what_lies_beside_a_text_is_named_however_it_is_broken(tmp_path, make, suffix, change):
    path = make(tmp_path / f"mine{suffix}")
    change(meta_path(path))
    with pytest.raises(EvaluationError) as refused:
        read_predictions(path)
    assert meta_path(path).name in str(refused.value)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("make", [score_file, prediction_file])
def test_a_text_that_was_cut_within_a_row_is_refused(tmp_path, suffix, make):
    path = make(tmp_path / f"mine{suffix}")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(EvaluationError, match="cut or changed since it was written"):
        read_predictions(path)


# --- Benches --------------------------------------------------------------------------------------


def built(folder, **columns):
    """A Bench of three rows as Parquet, with some columns otherwise."""
    rows = {"clip_id": ["a", "b", "c"], "emotion": ["Awe"] * 3, "mean_0_10": [0.0, 5.0, 10.0]}
    (folder / "data").mkdir(parents=True)
    parquet.write_table(pa.table(rows | columns), folder / "data" / "test-00000-of-00001.parquet")
    return folder


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"clip_id": ["a", "b", None]}, "row 3 has no clip_id"),
        ({"emotion": ["Awe", None, "Awe"]}, "row 2 has no emotion"),
        ({"mean_0_10": [0.0, 50.0, 1.0]}, "row 2: mean_0_10 is 50, not from 0 to 10"),
        ({"mean_0_10": [0.0, 1.0, -1.0]}, "row 3: mean_0_10 is -1, not from 0 to 10"),
        ({"mean_0_10": [0.0, 1.0, float("inf")]}, "row 3: mean_0_10 is inf"),
        ({"mean_0_10": ["a", "b", "c"]}, "is no Bench"),
        ({"mean_0_10": [{"a": 1.0}] * 3}, "is no Bench"),
        ({"acoustics_f0": ["a", "b", "c"]}, "is no Bench"),
    ],
)
def test_a_bench_whose_column_makes_no_sense_is_named_with_its_row(tmp_path, columns, message):
    folder = built(tmp_path / "bench", **columns)
    with pytest.raises(EvaluationError, match=message):
        reader.read_bench(folder)


def test_a_mean_that_is_missing_is_a_row_without_reference(tmp_path):
    bench = reader.read_bench(built(tmp_path / "bench", mean_0_10=[0.0, None, float("nan")]))
    rows = pa.table({"clip_id": list("abc"), "emotion": ["Awe"] * 3, "score": [1.0] * 3})
    parquet.write_table(rows, tmp_path / "mine.parquet")
    said = read_predictions(tmp_path / "mine.parquet")
    result = evaluate(said, bench, system="x", n_resamples=0)
    assert result.metric.outcomes.without_reference == 2 and result.metric.outcomes.used == 1
    assert METADATA_KEY in bench.schema.metadata
