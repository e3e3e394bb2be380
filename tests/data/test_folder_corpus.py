"""A folder with a table is a corpus: what it says, what is wrong with it, and what is built."""

import pytest
from pyarrow import parquet

from dataset_scripts.building.build import build
from dataset_scripts.corpora.coarse import CLASS_SPELLINGS, common_class, emotions_of
from dataset_scripts.corpora.folder import folder_corpus
from dataset_scripts.corpora.raw_release import RawReleaseError
from modeling_empathic.taxonomy import EMODB_CLASSES, EMOTION_NAMES, RAVDESS_CLASSES, UserError
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
        ("who,label\n", "has no column file; it has who, label"),
        ("file,label,speaker\n", "names no clip"),
        ("file,label\nann/1.wav,\n,sad\n", "line 3: no file"),
        ("file,label\nann/1.wav,\n", r"no clip has a class \(1 left out: no label\)"),
        ("file,label\nann/1.wav,glum\n", "left out: label 'glum'.*: say with classes what"),
        ("file,label\nno.wav,sad\n../x.wav,sad\n", "line 2: no such file: 'no.wav' in"),
        ("file,label\nann/1.wav,sad\nout.wav,joy\n", "line 3: 'out.wav' leads out of"),
        ("file,label\nann/1.wav,sad\n1.wav,joy\n", "'1.wav' may be ann/1.wav or bob/1.wav"),
        ("file,label\nann/1.wav,sad,or not\n", "line 2 has 3 cells and the header 2"),
        ("file,label,file\nann/1.wav,sad,a\n", "two columns of one name"),
        ("file,label,speaker\nann/1.wav,sad,a\nann/1.wav,sad,b\n", "by b is the same clip as"),
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
    (tmp_path / "out.wav").write_bytes(b"RIFF")
    (root / "out.wav").symlink_to(tmp_path / "out.wav")
    with pytest.raises(UserError, match=message):
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


# --- As strangers write them ----------------------------------------------------------------------


def said(root, labels=None, classes=None):
    """Of every clip its name, class and speaker; and what was counted."""
    kind = folder_corpus(root, labels, classes)
    names = list(kind.CLASSES)
    clips = {
        part.path.relative_to(root.resolve()).as_posix(): (names[row["label"]], row["speaker"])
        for part, row in kind.ROWS.items()
    }
    return clips, kind.COUNTS


def folder_of(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"RIFF" + name.encode())
    return root


@pytest.mark.parametrize(
    "table",
    [
        "file,label,speaker\r\na.wav,Wut,1\r\nb/\u00fc.wav,Freude,2\r\n".encode("utf-8-sig"),
        "sep=;\nNo;FileName;Emotion;SpkrID\n1;a.wav;ANGER;1\n2;b/u\u0308.wav;Happy;2\n".encode(),
        "path\tlabel\tspeaker\na\tcol\u00e8re\t1\nb\\\u00fc\tjoie\t2\n".encode("latin-1"),
        "path|class|actor\n/data/x/a.wav|rabbia|1\nC:\\x\\b\\\u00fc.WAV|gioia|2\n".encode("utf-16"),
        'file,text,label,speaker\na.wav,"No, no",ang,1\n../\u00fc.wav,,hap,2\n,,,\n'.encode(),
    ],
)
def test_a_csv_is_read_however_it_was_written(tmp_path, table):
    root = folder_of(tmp_path, "a.wav", "b/\u00fc.wav")
    (root / "labels.csv").write_bytes(table)
    clips, _ = said(root)
    assert clips == {"a.wav": ("anger", "1"), "b/\u00fc.wav": ("happiness", "2")}


def test_what_is_no_class_is_left_out_and_counted_and_what_nobody_knows_is_one_group(tmp_path):
    root = folder_of(tmp_path, *(f"{name}.wav" for name in "abcdefg"))
    (root / "labels.csv").write_text(
        "file,label,speaker\na,angry,\nb,sad,Unknown\nc,xxx,1\nd,other,1\ne,A,2\n"
        "f,angry;sad,2\ngone,sad,1\n"
    )
    clips, counts = said(root, classes={"A": "fear", "other": ""})
    assert clips == {
        "a.wav": ("anger", "unknown"), "b.wav": ("sadness", "unknown"), "e.wav": ("fear", "2")
    }  # fmt: skip
    assert counts == {
        "left out: no such file": 1, "left out: label 'xxx'": 1, "left out: label 'other'": 1,
        "left out: label 'angry;sad'": 1, "speaker not known": 2, "left out: not in labels.csv": 1,
    }  # fmt: skip


def test_a_line_a_rater_is_the_class_of_most_and_numbers_have_a_legend(tmp_path):
    root = folder_of(tmp_path, "a.wav", "b.wav", "c.wav")
    votes = "a,1.0\na,2.0\na,1.0\nb,2.0\nb,2.0\nc,1.0\nc,2.0\n"
    (root / "labels.csv").write_text(f"clip,emotion\n{votes}")
    clips, counts = said(root, classes={"1": "anger", "2": "calm"})
    assert {name: of for name, (of, _) in clips.items()} == {"a.wav": "anger", "b.wav": "calm"}
    assert counts["left out: as many raters for two classes"] == 1
    assert counts["further lines of one clip"] == 4


@pytest.mark.parametrize(
    ("files", "pattern", "classes", "expected"),
    [
        (  # RAVDESS, ASVP-ESD
            ["Actor_12/03-01-05-01-02-01-12.wav", "Actor_01/03-01-04-01-02-01-01.wav"],
            "{}-{}-{label}-{}-{}-{}-{speaker}", {"05": "anger", "04": "sad"},
            [("sadness", "01"), ("anger", "12")],
        ),
        (["AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1002_IEO_SAD_HI.wav"],  # CREMA-D
         "{speaker}_{}_{label}_{}", {}, [("anger", "1001"), ("sadness", "1002")]),
        (["TESS/OAF_Fear/OAF_back_fear.wav", "TESS/YAF_x/YAF_base_ps.wav"],
         "{speaker}_{}_{label}", {}, [("fear", "OAF"), ("surprise", "YAF")]),
        (["DC/DC_a01.wav", "DC/DC_sa02.wav", "JE/JE_su03.wav"], "{speaker}_{label}{:2}",  # SAVEE
         {"a": "anger", "sa": "sadness", "su": "surprise"},
         [("anger", "DC"), ("sadness", "DC"), ("surprise", "JE")]),
        (["wav/03a01Wa.wav", "wav/16b10Td.wav"], "{speaker:2}{:3}{label:1}{}",  # EmoDB
         {"W": "Wut", "T": "Trauer"}, [("anger", "03"), ("sadness", "16")]),
        (["0001/Angry/0001_000351.wav", "0002/Sad/0002_y.wav"],  # ESD, EmoV-DB
         "{speaker}/{label}/{}", {}, [("anger", "0001"), ("sadness", "0002")]),
        (["f1/dis-f1-b1.wav", "m2/gio-m2-n3.wav"], "{label}-{speaker}-{}",  # EMOVO
         {}, [("disgust", "f1"), ("happiness", "m2")]),
        (["Cole\u0300re/01-C-2-1.wav", "D\u00e9gou\u0302t/02-D-1-3.wav"],  # CaFE
         "{label}/{speaker}-{}", {}, [("anger", "01"), ("disgust", "02")]),
        (["anger/a01 (1).wav", "sadness/s01 (2).wav"], "{label}/{} ({speaker})",  # AESDD
         {}, [("anger", "1"), ("sadness", "2")]),
        (["female/F01A01.wav", "male/M02S03.wav"], "{speaker:3}{label:1}{}",  # ShEMO
         {"A": "anger", "S": "sadness"}, [("anger", "F01"), ("sadness", "M02")]),
        (["F_01_OISHI_S_10_ANGRY_1.wav", "M_01_X_S_1_SAD_2.wav"],  # SUBESCO
         "{speaker}_{speaker}_{}_{}_{}_{label}_{}", {}, [("anger", "F_01"), ("sadness", "M_01")]),
        (["Angry/SM1_F10_A010.wav", "Sad/SF2_F1_S07.mp3"], "{label}/{speaker}_{}",  # URDU
         {}, [("anger", "SM1"), ("sadness", "SF2")]),
        (["train/angry/0.flac", "train/neutral/1.flac"], "{label}/{}",  # audiofolder
         {}, [("anger", "unknown"), ("neutral", "unknown")]),
    ],
)  # fmt: skip
def test_a_pattern_reads_the_paths_of_public_corpora(tmp_path, files, pattern, classes, expected):
    clips, _ = said(folder_of(tmp_path, *files), pattern, classes)
    assert sorted(clips.values()) == sorted(expected)


def test_a_pattern_and_its_classes_are_part_of_what_is_built(tmp_path):
    root = labelled_folder(tmp_path / "mine")
    how = {"labels": "{speaker}/{label}", "classes": {"1": "anger", "2": "sad"}}
    manifest, _ = build(root, tmp_path / "built", **how)
    assert manifest["settings"]["labels"] == how["labels"]
    assert manifest["counts"]["left out: not in {speaker}/{label}"] == 1
    with pytest.raises(UserError, match="built with other settings"):
        build(root, tmp_path / "built", **{**how, "classes": {"1": "anger", "2": "fear"}})


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{speaker}_{}", "is no pattern: it has {label}"),
        ("{label}_{who}", "is no pattern"),
        ("{label", "is no pattern"),
        ("{label}-{}", "no recording in .* is named as labels '{label}-{}' says"),
    ],
)
def test_a_pattern_that_is_none_is_told_what_one_is(tmp_path, pattern, message):
    with pytest.raises(RawReleaseError, match=message):
        folder_corpus(folder_of(tmp_path, "a_b.wav"), pattern)


def test_without_labels_both_ways_to_say_them_are_named(tmp_path):
    with pytest.raises(RawReleaseError, match=r"no labels.csv or metadata.csv .*: name .*{}"):
        folder_corpus(folder_of(tmp_path, "a_b.wav"))
