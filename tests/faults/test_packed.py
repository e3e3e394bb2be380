"""Parquet files of some kilobytes that unpack to gigabytes end in one line, not in the memory."""

import contextlib
import json
import resource
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dataset_scripts.packing.clips import read_clips
from dataset_scripts.packing.imported import imported
from evaluate_metrics.bench.predictions import read_predictions
from modeling_empathic.report.packed import read_table
from modeling_empathic.scoring.file import METADATA_KEY, read_scores
from modeling_empathic.scoring.neighbours import read_index
from modeling_empathic.taxonomy import UserError
from tests.support.killing import in_fork

HEADS = ["Anger"]
READERS = {
    "predictions": read_predictions,
    "scores": read_scores,
    "index": lambda file: read_index(file, {}),
    "clips": lambda file: read_clips(file.parent),
    "imported": lambda file: list(imported(file)(read_clips(file.parent))),
}
MOST_BYTES = 2**30


def repeated(text: str, rows: int) -> pa.Array:
    """A text that is stored once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), [text])


def write(file: Path, columns: dict[str, object]) -> None:
    table = pa.table(columns)
    about = {METADATA_KEY: json.dumps({"heads": HEADS, "scale": "0-10"})}
    parquet.write_table(
        table.replace_schema_metadata(about), file, compression="zstd", write_statistics=False
    )


def one_long_label(file: Path) -> None:
    write(file, {"clip_id": ["x" * 3 * 10**8], "emotion": ["Awe"], "path": ["a"]})


def one_text_in_every_row(file: Path) -> None:
    column = repeated("x" * 10**6, 10_000)
    write(file, {"clip_id": column, "emotion": column, "path": column})


def many_rows(file: Path) -> None:
    rows = 3 * 10**7
    zeros = pa.array(np.zeros(rows))
    write(file, dict.fromkeys(("score", "Anger", "start_s", "end_s", "duration_s"), zeros))


def text_in_lists(file: Path) -> None:
    column = pa.ListArray.from_arrays(
        pa.array(range(0, 10_001), pa.int32()), repeated("x" * 10**6, 10_000)
    )
    write(file, {"ratings": column})


def one_long_list(file: Path) -> None:
    column = pa.ListArray.from_arrays([0, 5 * 10**7], pa.array(np.zeros(5 * 10**7)))
    write(file, {"score": column})


BOMBS = (one_long_label, one_text_in_every_row, many_rows, text_in_lists, one_long_list)


@pytest.fixture(scope="module", params=BOMBS, ids=lambda bomb: bomb.__name__)
def bomb(request, tmp_path_factory):
    """A file that any of the readers could be given."""
    file = tmp_path_factory.mktemp("bomb") / "clips.parquet"
    request.param(file)
    assert file.stat().st_size < 10**6
    return file


def test_no_reader_unpacks_a_bomb(bomb):
    def read() -> None:
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + MOST_BYTES,) * 2)
        for name, reader in READERS.items():
            try:
                reader(bomb)
            except UserError as error:
                assert len(str(error)) < 1_000, name
            else:
                raise AssertionError(f"{name} took it")

    ended = in_fork(read)
    assert ended.how == "whole", ended.said[-2000:]


def test_what_repeats_within_reason_is_read_as_it_was(tmp_path):
    file = tmp_path / "a.parquet"
    columns = {
        "path": [f"{number}.wav" for number in range(3)],
        "outcome": repeated("scored", 3),
        "large": pa.array(["a", None, "c"], pa.large_string()),
        "bytes": [b"a", b"", None],
        "a.b": [1.5, None, 2.5],
        "list": [[1.0], [], None],
    }
    write(file, columns)
    assert "list" not in read_table(file).column_names
    table = read_table(file, lists=("list",))
    assert table.to_pydict() == pa.table(columns).to_pydict()
    assert table.schema.field("path").type == pa.string()
    assert METADATA_KEY in table.schema.metadata


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_file_is_an_error_of_ours_and_never_another_table(tmp_path, seed):
    file = tmp_path / "clips.parquet"
    rng = np.random.default_rng(seed)
    write(file, {"clip_id": ["a", "b"], "emotion": ["Awe", "Awe"], "score": [1.0, 2.0]})
    good = file.read_bytes()

    def read() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
        for _ in range(60):
            damaged = bytearray(good)
            for place in rng.integers(0, len(good), rng.integers(1, 4)):
                damaged[place] = rng.integers(256)
            if rng.random() < 0.3:  # a length that is none
                place = rng.integers(0, len(good) - 4)
                damaged[place : place + 4] = struct.pack("<i", 2**31 - 1)
            file.write_bytes(damaged)
            for reader in (read_predictions, read_scores):
                with contextlib.suppress(UserError):
                    reader(file)

    ended = in_fork(read)
    assert ended.how == "whole", ended.said[-2000:]


def test_a_file_without_rows_has_its_columns(tmp_path):
    write(tmp_path / "a.parquet", {"path": pa.array([], pa.string()), "score": pa.array([], "f4")})
    assert read_table(tmp_path / "a.parquet").schema.types == [pa.string(), pa.float32()]


@pytest.mark.filterwarnings("ignore:.*is of an older version")  # without a checksum
@pytest.mark.parametrize("column", ["path", "outcome"])
def test_a_score_file_with_a_row_of_nothing_is_refused(tmp_path, column):
    row = {"path": ["a"], "clip_id": ["a"], "start_s": [0.0], "end_s": [1.0], "duration_s": [1.0]}
    row |= {"Anger": [1.0], "quality": [""], "outcome": ["scored"], "error": [""], column: [None]}
    write(tmp_path / "a.parquet", row)
    with pytest.raises(UserError, match=f"a row has no {column}"):
        read_scores(tmp_path / "a.parquet")


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_names_that_are_no_text_are_refused(tmp_path, suffix):
    file = tmp_path / f"a.{suffix}"
    file.write_bytes(
        b'{"clip_id": "a", "emo\xba": 1}\n' if suffix == "jsonl" else b"clip_id,\xba\na,b"
    )
    with pytest.raises(UserError, match=r"a\.\w+,? "):
        read_predictions(file)


@pytest.mark.filterwarnings("ignore:.*is of an older version")  # without a checksum
@pytest.mark.parametrize("line", ["null", '{"clip_id": "a"} null', "[1]", "nul", "[" * 2_000])
def test_a_line_that_is_no_object_is_named_before_arrow_reads_it(tmp_path, line):
    file = tmp_path / "said.jsonl"
    file.write_text(f'{{"clip_id": "a"}}\n\n{line}\n')
    (tmp_path / "said.jsonl.meta.json").write_text(json.dumps({"heads": HEADS}))
    for read in (read_predictions, read_scores):
        with pytest.raises(UserError, match=r"said.jsonl, line 3 is no "):
            read(file)


@pytest.mark.parametrize("heads", [[1], [None], ["Anger", "Anger"], "Anger", {"Anger": 1}, None])
def test_a_provenance_whose_heads_are_no_names_is_none(tmp_path, heads):
    (tmp_path / "said.jsonl").write_text("{}\n")
    (tmp_path / "said.jsonl.meta.json").write_text(json.dumps({"heads": heads}))
    with pytest.raises(UserError, match="no list of names"):
        read_scores(tmp_path / "said.jsonl")
