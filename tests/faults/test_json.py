"""JSON of anybody's: an object as its writer meant it, or one line, by every reader there is."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from dataset_scripts.building.manifest import MANIFEST, verify
from dataset_scripts.generation import plan
from dataset_scripts.packing.imported import _imported_rows
from emonet_voice.hub.converted import heads_of
from emonet_voice.hub.publish.validate import _check_extractor, _check_model, _check_weights
from evaluate_metrics.adapters.stored import _records
from evaluate_metrics.bench.predictions import read_predictions
from evaluate_metrics.bench.result import read_result
from modeling_empathic import NANO
from modeling_empathic.reference_scores import read_reference
from modeling_empathic.report.files import LARGEST_JSON, read_json
from modeling_empathic.scoring.loading import origin
from modeling_empathic.source_empathic import Source
from modeling_empathic.taxonomy import UserError
from modeling_empathic.training.encoder import _keep_record
from modeling_empathic.training.labels import read_label_map

DEEP = b"[" * 100_000
HOSTILE = {
    "deep": DEEP,
    "deep inside": b'{"heads": ' + DEEP,
    "cut": b'{"heads": {"Awe"',
    "empty": b"",
    "a list": b'["x"]',
    "a number": b"3",
    "UTF-16": '{"heads": 3}'.encode("utf-16"),
    "no text": b"\xff\xfe\xfd",
    "a zero behind it": b"{}\0",
    "digits": b'{"heads": ' + b"9" * 5_000 + b"}",
}


def as_plan(path: Path) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({plan._ABOUT: path.read_bytes()})
    parquet.write_table(table, path.with_suffix(".parquet"))
    plan._check_replaceable(path.with_suffix(".parquet"), {"seed": 1})


def as_problems(problems: list[str]) -> None:
    if problems:
        raise UserError("; ".join(problems))


READERS = {
    "any": ("a.json", read_json),
    "reference": ("reference_scores.json", lambda path: read_reference(path.parent)),
    "label map": ("map.json", read_label_map),
    "manifest": (MANIFEST, lambda path: verify(path.parent)),
    "stored answers": ("a.jsonl", lambda path: list(_records(path))),
    "Hume's": ("a.json", lambda path: list(_records(path))),
    "predictions": ("a.jsonl", read_predictions),
    "imported": ("a.jsonl", _imported_rows),
    "result": ("a.json", read_result),
    "plan": ("a.json", as_plan),
    "run": ("a.json", lambda path: _keep_record(path, {}, Path("checkpoint-1"))),
    "staged": ("config.json", lambda path: as_problems(_check_model(path.parent))),
    "staged index": (
        "model.safetensors.index.json",
        lambda path: as_problems(_check_weights(path.parent)),
    ),
    "staged front end": (
        "preprocessor_config.json",
        lambda path: as_problems(_check_extractor(path.parent, {})),
    ),
}


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_object_of_its_kind_is_one_line(reader, tmp_path):
    name, read = READERS[reader]
    for what, content in HOSTILE.items():
        (tmp_path / name).write_bytes(content)
        if what == "empty" and reader in ("stored answers", "imported"):
            read(tmp_path / name)  # no rows are no fault
            continue
        with pytest.raises(UserError):
            read(tmp_path / name)
            pytest.fail(f"{what} was read")


@pytest.mark.parametrize(
    ("name", "read"),
    [READERS[key] for key in ("any", "label map", "stored answers", "predictions", "imported")],
)
def test_a_key_that_is_there_twice_is_never_one_of_the_two(name, read, tmp_path):
    (tmp_path / name).write_text(
        '{"clip_id": "a", "emotion": "Awe", "score": 1.0, "score": 9.0, "outcome": "scored"}\n'
    )
    with pytest.raises(UserError):
        read(tmp_path / name)


def test_what_only_adds_to_a_model_is_as_if_it_were_not_there(tmp_path):
    for content in HOSTILE.values():
        for name in ("config.json", "conversion.json"):
            (tmp_path / name).write_bytes(content)
        assert heads_of(tmp_path / "config.json") == set()
        assert origin(tmp_path)[0] == tmp_path.name


def test_an_index_that_is_none_is_an_error_of_the_file(tmp_path):
    for content in HOSTILE.values():
        (tmp_path / "model.safetensors.index.json").write_bytes(content)
        with pytest.raises(OSError, match="is not a safetensors index"):
            _ = Source(tmp_path).files


def test_numbers_beyond_all_numbers_are_no_reference(tmp_path):
    whole = json.loads((NANO / "reference_scores.json").read_text())
    whole["heads"] = {"Awe": whole["heads"]["Awe"]}
    for key, values in {
        "heads": ("1e400", "9" * 400, "Infinity", "null", "[]", "true", '"x"'),
        "n_clips": ("1e400", "Infinity", "null", "[]", '"x"'),
    }.items():
        for value in values:
            text = json.dumps(whole | {key: "here"}).replace('"here"', value)
            (tmp_path / "reference_scores.json").write_text(text)
            with pytest.raises(UserError, match="is not a reference"):
                read_reference(tmp_path)


def test_a_byte_order_mark_is_no_part_of_an_object(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_json_does_not_have_as_a_number_is_named(word, tmp_path):
    (tmp_path / "a.json").write_text(f'{{"a": [{word}]}}')
    with pytest.raises(UserError, match=f"^a.json cannot be read as JSON: {word} is no number"):
        read_json(tmp_path / "a.json")


def test_an_object_beyond_all_sizes_is_not_read(tmp_path):
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(LARGEST_JSON + 1)
    with pytest.raises(UserError, match="more than 16 MiB"):
        read_json(tmp_path / "a.json")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(UserError, match="no regular file"):
        read_json(tmp_path / "a.json")
