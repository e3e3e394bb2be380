"""Labels come from a table, a data set or classes; what is wrong with them is one line."""

import math
import re

import pytest

from modeling_empathic.training.labels import read_label_map, read_labels
from modeling_empathic.training.settings import TrainingError
from tests.support.training_maker import CLASSES, make_clips, read_table, write_table


@pytest.fixture
def folder(tmp_path):
    return make_clips(tmp_path / "clips", speakers=3, takes=1, scores=True)


def change(folder, **values):
    rows = read_table(folder)
    rows[0] |= values
    write_table(folder, rows)


def test_columns_in_any_spelling_are_heads(folder):
    found = read_labels(folder)
    assert sorted(found.targets) == ["Anger", "Awe", "Pain", "Pride"]
    assert found.targets["Anger"][:4].tolist() == [4.0, 0.0, 0.0, 0.0]
    assert found.speakers[:5] == ["s0"] * 4 + ["s1"]


def test_words_are_the_heads_they_name(labelled_folder):
    found = read_labels(labelled_folder)
    assert found.classes[:4] == list(CLASSES)
    assert found.targets["Pride"][:4].tolist() == [0.0, 0.0, 0.0, 4.0]


def test_a_label_map_says_what_words_mean(labelled_folder, tmp_path):
    (tmp_path / "map.json").write_text(
        '{"anger": {"anger": 3}, "awe": ["awe"], "pain": {"Pain": 2, "Anger": 1}, "pride": []}'
    )
    found = read_labels(labelled_folder, label_map=read_label_map(tmp_path / "map.json"))
    assert found.targets["Anger"][:4].tolist() == [3.0, 0.0, 1.0, 0.0]
    assert found.targets["Awe"][:4].tolist() == [0.0, 4.0, 0.0, 0.0]


def test_words_without_a_head_need_one_to_be_named(tmp_path):
    folder = make_clips(tmp_path / "clips", speakers=3, takes=1)
    rows = [row | {"label": "sarcasm" if row["label"] == "awe" else row["label"]}
            for row in read_table(folder)]  # fmt: skip
    write_table(folder, rows)
    with pytest.raises(TrainingError, match="label 'sarcasm' is the name of no head"):
        read_labels(folder)
    found = read_labels(folder, new_heads={"Sarcasm": (0.0, 10.0)})
    assert (found.targets["Sarcasm"].max(), found.scales["Sarcasm"]) == (10.0, (0.0, 10.0))


def test_an_empty_cell_is_unknown_and_not_zero(folder):
    change(folder, anger="")
    assert math.isnan(read_labels(folder).targets["Anger"][0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"anger": "4.5"}, r"0-0-anger\.wav: Anger is 4\.5, outside its scale of 0 to 4"),
        ({"anger": "much"}, "Anger is 'much', which is no number"),
        ({"file_name": "gone.wav"}, r"line 2: no such file: 'gone\.wav' in"),
        ({"file_name": "../x.wav"}, r"no such file: '\.\./x\.wav'"),
    ],
)
def test_a_bad_cell_is_named(folder, values, message):
    change(folder, **values)
    with pytest.raises(TrainingError, match=message):
        read_labels(folder)


def test_a_head_without_a_column_is_named_with_the_columns_there_are(folder):
    with pytest.raises(TrainingError, match="no column for Disgust; there are file_name, speaker"):
        read_labels(folder, heads=["disgust"])


def test_a_table_without_file_names_is_named(folder):
    write_table(folder, [{"take": "a.wav", "anger": 1}])
    with pytest.raises(TrainingError, match="no column file; it has take, anger"):
        read_labels(folder)


def test_a_folder_without_a_table_and_a_wrong_path_are_told_apart(tmp_path):
    with pytest.raises(TrainingError, match="0 tables"):
        read_labels(tmp_path)
    with pytest.raises(TrainingError, match="no such folder"):
        read_labels(tmp_path / "gone")


def test_the_fingerprint_changes_with_a_clip_and_with_the_table(folder):
    first = read_labels(folder).revision
    change(folder, anger="3")
    second = read_labels(folder).revision
    (folder / "0-0-anger.wav").write_bytes(b"other")
    assert len({first, second, read_labels(folder).revision}) == 3


def test_a_data_set_has_the_same_columns_and_its_own_audio(tmp_path, folder, monkeypatch):
    import datasets

    data = datasets.Dataset.from_dict(
        {
            "audio": [{"bytes": (folder / r["file_name"]).read_bytes(), "path": None}
                      for r in read_table(folder)],
            "anger": [float(r["anger"]) for r in read_table(folder)],
            "speaker": [r["speaker"] for r in read_table(folder)],
        }
    ).cast_column("audio", datasets.Audio(decode=False))  # fmt: skip
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **kwargs: data)
    found = read_labels("someone/data")
    assert found.targets["Anger"].tolist() == [float(r["anger"]) for r in read_table(folder)]
    assert found.clips[0][:4] == b"RIFF"
    assert len(found.clips) == 12


def table(folder, text, clips=("0.wav", "1.wav")):
    folder.mkdir(exist_ok=True)
    for name in clips:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"RIFF")
    (folder / "metadata.csv").write_text(text)
    return folder


def test_a_table_of_a_spreadsheet_is_read_with_the_names_that_it_has(tmp_path):
    folder = table(tmp_path / "clips", "", ("a.wav", "\u00fc/b.wav"))
    text = "FileName;SpkrID;Anger\r\na;1;2\r\n\u00fc\\b.wav;2;3\r\n"
    (folder / "metadata.csv").write_bytes(text.encode("latin-1"))
    found = read_labels(folder)
    assert [path.rsplit("/", 1)[1] for path in found.clips] == ["a.wav", "b.wav"]
    assert found.speakers == ["1", "2"]
    assert found.targets["Anger"].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Anger,file_name\n1,0.wav\n2\n", "line 3 has 1 cells and the header 2"),
        ("file_name,Anger\n0.wav,1,\n1.wav,2\n", "line 2 has 3 cells and the header 2"),
        ("file_name,Anger,anger\n0.wav,1,2\n", "'Anger' and 'anger' are one head"),
        ("file_name,Anger,Anger\n0.wav,1,2\n", "two columns of one name"),
        ("file_name,Anger\n../out.wav,1\n", "'../out.wav' leads out of the folder"),
        ("file_name,Anger\n/etc/passwd,1\n", "'/etc/passwd' leads out of the folder"),
        ("file_name,Anger\nsub/2.wav,1\n", "line 2: no such file: 'sub/2.wav' in"),
    ],
)
def test_a_table_that_can_be_put_right_is_told_by_its_row(tmp_path, text, said):
    (tmp_path / "out.wav").touch()
    with pytest.raises(TrainingError, match=re.escape(said)):
        read_labels(table(tmp_path / "clips", text))


@pytest.mark.parametrize(
    "text",
    ['{"happy": {"Anger": NaN}}', '{"happy": "Anger"}', '{"happy": 3}', "[" * 100_000, '["a"]'],
)
def test_a_label_map_of_another_shape_is_shown_the_right_one(tmp_path, text):
    (tmp_path / "map.json").write_text(text)
    with pytest.raises(TrainingError, match="it looks like"):
        read_label_map(tmp_path / "map.json")
