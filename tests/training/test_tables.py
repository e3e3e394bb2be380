"""Tables say the same in every format; what is wrong with one is said with its line."""

import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from modeling_empathic.training.tables import LabelsError, column, read_table, tables_of

ROWS = [{"file_name": "a.wav", "label": "anger", "speaker": 7}, {"file_name": "ü.wav"}]
SAID = [
    {"file_name": "a.wav", "label": "anger", "speaker": "7"},
    {"file_name": "ü.wav", "label": "", "speaker": ""},
]


def lines(rows):
    return "\n".join(json.dumps(row) for row in rows)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "file_name,label,speaker\na.wav,anger,7\nü.wav,,\n"),
        ("t.tsv", "file_name\tlabel\tspeaker\na.wav\tanger\t7\nü.wav\t\t\n"),
        ("t.jsonl", lines(ROWS) + "\n\n"),
        ("t.jsonl", "\ufeff" + lines(ROWS).replace("\n", "\r\n")),
        ("t.json", json.dumps(ROWS, indent=1)),
        ("t.json", lines(ROWS)),  # NeMo's manifests
    ],
)
def test_every_format_says_the_same(tmp_path, name, text):
    (tmp_path / name).write_text(text, "utf-8")
    names, rows = read_table(tmp_path / name)
    assert names == list(SAID[0]) and [row for _, row in rows] == SAID


def test_parquet_has_the_words_of_its_classes_and_never_its_audio(tmp_path):
    info = {"info": {"features": {"label": {"names": ["sad", "joy"], "_type": "ClassLabel"}}}}
    table = pa.table(
        {
            "file": ["a.wav", "b.wav", "c.wav"],
            "label": [1, 0, -1],
            "score": [0.5, None, 2.0],
            "blob": [b"x", b"y", b"z"],
        }
    ).replace_schema_metadata({"huggingface": json.dumps(info)})
    parquet.write_table(table, tmp_path / "labels.parquet")
    names, rows = read_table(tmp_path / "labels.parquet")
    assert names == ["file", "label", "score"]
    assert [list(row.values()) for _, row in rows] == [
        ["a.wav", "joy", "0.5"], ["b.wav", "sad", ""], ["c.wav", "", "2.0"]
    ]  # fmt: skip


def test_an_object_of_each_file_is_a_table(tmp_path):
    """As MSP-Podcast's labels_consensus.json."""
    (tmp_path / "labels_consensus.json").write_text('{"a.wav": {"EmoClass": "A", "EmoAct": 5.2}}')
    names, rows = read_table(tmp_path / "labels_consensus.json")
    assert rows == [(1, {"file": "a.wav", "EmoClass": "A", "EmoAct": "5.2"})]
    assert (column(names, "file"), column(names, "label")) == ("file", "EmoClass")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.jsonl", b'{"file": "a"}\n{"file"\n', "line 2 is no JSON"),
        ("t.jsonl", b'{"file": "a"}\nnull\n', "line 2 is no object: None"),
        ("t.jsonl", b'{"file": "a", "file": "b"}\n', "line 1 is no JSON: 'file' is there twice"),
        ("t.json", b"[1]", "line 1 is no object: 1"),
        ("t.jsonl", b"[" * 100_000, "line 1 is no JSON"),
        ("t.parquet", b"PAR1 or not", "cannot be read as Parquet"),
        ("t.csv", b"PK\x03\x04", "is a spreadsheet or an archive: save it as CSV"),
        ("t.csv", b"a,a\n1,2\n", "two columns of one name"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LabelsError, match=message):
        read_table(tmp_path / name)


def test_a_folders_table_is_found_by_its_name_or_because_it_is_the_only_one(tmp_path):
    def names(*made):
        for name in made:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("x\n" if "speakers" in name else "file\n")
        return [path.relative_to(tmp_path).as_posix() for path in tables_of(tmp_path)]

    assert names("notes.txt", "settings.json") == []
    assert names("train/metadata.csv", "test/metadata.jsonl") == [
        "test/metadata.jsonl", "train/metadata.csv"
    ]  # fmt: skip
    assert names("mine.tsv", "speakers.csv") == ["mine.tsv"]  # the other names no clip
    assert names("other.csv") == []  # which of the two, nobody knows
    assert names("metadata.jsonl") == ["metadata.jsonl"]
    assert names("labels.json") == ["labels.json"]


def test_parquet_with_sound_is_a_data_set_and_no_table(tmp_path):
    audio = [{"bytes": b"RIFF", "path": "a.wav"}]
    parquet.write_table(pa.table({"audio": audio, "label": ["sad"]}), tmp_path / "labels.parquet")
    assert tables_of(tmp_path) == []
