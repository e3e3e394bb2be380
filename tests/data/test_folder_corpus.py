"""A folder with a CSV is a corpus: what it says, what is wrong with it, and what is built."""

import pytest
from pyarrow import parquet

from dataset_scripts.building.build import build
from dataset_scripts.corpora.coarse import CLASS_SPELLINGS, common_class, emotions_of
from dataset_scripts.corpora.folder import folder_corpus
from dataset_scripts.corpora.raw_release import RawReleaseError
from modeling_empathic.taxonomy import EMODB_CLASSES, EMOTION_NAMES, RAVDESS_CLASSES
from tests.support.generalize_maker import labelled_folder


def test_the_csv_says_who_says_what(tmp_path):
    kind = folder_corpus(labelled_folder(tmp_path / "mine"))
    files, _ = kind.files(tmp_path)
    rows = [row for file in files for row in kind.labels(file)]
    assert list(kind.CLASSES) == ["anger", "sadness"]
    assert [row["label"] for row in rows] == [0, 1, 1, 0]
    assert [row["speaker"] for row in rows] == ["ann", "ann", "bob", "bob"]
    assert [row["fold"] for row in rows] == [0, 0, 1, 1]
    assert kind.ignored(tmp_path) == {"left out: not in labels.csv": 1}


def test_it_is_built_with_its_paths_as_names_since_folders_repeat_names(tmp_path):
    root = labelled_folder(tmp_path / "mine")
    manifest, _ = build(root, tmp_path / "built", labels=root / "labels.csv")
    (shard,) = (tmp_path / "built" / "data").iterdir()
    table = parquet.read_table(shard)
    assert table["file_name"].to_pylist() == ["ann/1.wav", "ann/2.wav", "bob/1.wav", "bob/2.wav"]
    assert table["text"].to_pylist() == [None, "Hello.", "Hello.", "Hello."]
    assert manifest["counts"]["left out: not in labels.csv"] == 1
    assert {"labels.csv", "ann/1.wav"} <= set(manifest["source_files"])
    assert "not known" in (tmp_path / "built" / "README.md").read_text()


def test_the_table_that_train_heads_reads_is_found_too(tmp_path):
    root = labelled_folder(tmp_path / "mine")
    table = (root / "labels.csv").rename(root / "metadata.csv")
    table.write_text(table.read_text().replace("file,", "file_name,", 1))
    assert list(folder_corpus(root).CLASSES) == ["anger", "sadness"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,label\n", "has no column file, speaker; it has name, label"),
        ("file,label,speaker\n", "names no clip"),
        ("file,label,speaker\nann/1.wav,,a\n", "line 2: no label"),
        ("file,label,speaker\nann/1.wav,glum,a\n", "line 2: class 'glum' is none of anger, bo"),
        ("file,label,speaker\nno.wav,sad,a\nann/1.wav,joy,a\n", "line 2: no file 'no.wav'"),
        ("file,label,speaker\n../x.wav,sad,a\nann/1.wav,joy,a\n", "leads out of"),
        ("file,label,speaker\nann/1.wav,sad,a\nann/1.wav,joy,a\n", "line 3: .* is there twice"),
        ("file,label,speaker\nann/1.wav,sad,a\na\0.wav,joy,a\n", "line 3: .* is no file's name"),
        (
            f"file,label,speaker\nann/{'x' * 999},sad,a\nann/1.wav,joy,a\n",
            "line 2: .* is no file's name",
        ),
        ("file,label,speaker\nloop,sad,a\nann/1.wav,joy,a\n", "line 2: .* is no file's name"),
        ("file,label,speaker\nann/1.wav,sad,a\nann/2.wav,sadness,a\n", "two classes are needed"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said_with_its_line(tmp_path, table, message):
    root = labelled_folder(tmp_path / "mine")
    (root / "labels.csv").write_text(table)
    (root / "loop").symlink_to("loop")
    with pytest.raises(RawReleaseError, match=message):
        folder_corpus(root)


def test_every_spelling_is_a_class_with_emotions_that_no_other_has():
    for name, words in CLASS_SPELLINGS.items():
        assert {common_class(word.title()) for word in (name, *words)} == {name}
    assert emotions_of(EMODB_CLASSES) == EMODB_CLASSES
    assert emotions_of(RAVDESS_CLASSES) == RAVDESS_CLASSES
    mapped = emotions_of(["anger", "boredom", "calm", "neutral", "Awe"])
    every = [emotion for emotions in mapped.values() for emotion in emotions]
    assert len(every) == len(set(every))
    assert mapped["Awe"] == ("Awe",) and mapped["boredom"] == EMODB_CLASSES["boredom"]
    assert set(every) <= set(EMOTION_NAMES)
    with pytest.raises(RawReleaseError, match="'angry' and 'anger' are one"):
        emotions_of(["angry", "anger"])
