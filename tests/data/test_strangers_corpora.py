"""Corpora as strangers have them: segments, data sets in Parquet, class folders, tables a split."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from pyarrow import parquet

from dataset_scripts.building.build import build
from dataset_scripts.corpora.folder import folder_corpus
from evaluate_metrics.generalize.clips import corpus_kind, open_corpus, score_clips
from modeling_empathic.taxonomy import UserError
from modeling_empathic.training.labels import read_labels
from modeling_empathic.training.settings import TrainingError
from tests.support.scoring_fakes import FakeExtractor, FakeModel, write_clip


def opened(root, **how):
    """Name, class, speaker and bytes of every clip as the systems get them; what was counted."""
    kind = corpus_kind("mine", root, **how)
    names = list(kind.CLASSES)
    with open_corpus(root, kind) as clips:
        found = []
        for clip in clips:
            with open(clip.path, "rb") as file:  # noqa: PTH123
                found.append((clip.file_name, names[clip.label], clip.speaker, file.read()))
    return found, kind.COUNTS | Counter(f"failed: {c.fault}" for c in clips if c.fault)


def said(root, **how):
    found, counts = opened(root, **how)
    return sorted(clip[:3] for clip in found), counts


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"RIFF" + name.encode())
    return root


def write_set(folder, splits, *, names=("angry", "sad"), column="label", metadata=True, **columns):
    """Parquet as `push_to_hub` writes it; of each split (class, speaker) of every clip."""
    feature = {"names": list(names), "_type": "ClassLabel"}
    about = {"info": {"features": {"audio": {"_type": "Audio"}, column: feature}}}
    for path, rows in splits.items():
        audio = [{"bytes": f"{path} {n}".encode(), "path": f"{n}.wav"} for n in range(len(rows))]
        table = pa.table(
            {
                "audio": audio,
                column: [row[0] for row in rows],
                **{name: [row[1] for row in rows] for name in columns or ("speaker_id",)},
            }
        )
        if metadata:
            about["info"]["features"] |= {
                name: {"dtype": "int64", "_type": "Value"} for name in columns or ("speaker_id",)
            }
            table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, folder / path)
    return folder


HUB = {
    "data/train-00000-of-00002.parquet": [(0, 1), (1, 1)],
    "data/train-00001-of-00002.parquet": [(0, 2)],
    "data/test-00000-of-00001.parquet": [(1, 2), (-1, 2)],
}


@pytest.fixture
def talk(tmp_path):
    """Ten seconds on two channels, the samples of each its own."""
    samples = np.random.default_rng(2).uniform(-0.5, 0.5, (160_000, 2)).astype(np.float32)
    (tmp_path / "corpus").mkdir()
    soundfile.write(tmp_path / "corpus" / "talk.wav", samples, 16_000, subtype="FLOAT")
    return samples


TURNS = (
    "file,start,end,channel,label,speaker\n"
    "talk.wav,0.5,2,left,angry,ann\ntalk.wav,1.5,3,right,sad,bob\ntalk.wav,0:03,0:04.5,0,sad,ann\n"
    "talk.wav,0.5,2,left,angry,ann\ntalk.wav,9,10.2,B,angry,bob\ntalk.wav,9,12,A,angry,ann\n"
    "talk.wav,5,4,A,angry,ann\ntalk.wav,soon,4,A,angry,ann\ntalk.wav,5,6,A,glum,ann\n"
)


def test_segments_of_a_dialogue_are_clips_of_its_samples(talk, tmp_path):
    root = tmp_path / "corpus"
    (root / "labels.csv").write_text(TURNS)
    found, counts = opened(root)
    assert [clip[:3] for clip in found] == [
        ("talk.wav", "anger", "ann"), ("talk.wav", "sadness", "bob"),
        ("talk.wav", "sadness", "ann"), ("talk.wav", "anger", "bob"), ("talk.wav", "anger", "ann"),
    ]  # fmt: skip
    expected = [talk[8000:32000, 0], talk[24000:48000, 1], talk[48000:72000, 0], talk[144000:, 1]]
    for clip, samples in zip(found, expected, strict=False):
        assert clip[3][44:] == np.ascontiguousarray(samples).tobytes()
    assert counts == {
        "left out: ends before it starts": 1, "left out: start is no time": 1,
        "left out: label 'glum'": 1, "further lines of one clip": 1,
        "failed: ends behind the end of its recording": 1,
    }  # fmt: skip


def test_a_segment_that_is_not_there_is_a_failure_that_says_why(talk, tmp_path):
    root = tmp_path / "corpus"
    (root / "labels.csv").write_text(TURNS + "noise.wav,,,,sad,bob\n")
    (root / "noise.wav").write_bytes(b"RIFF and no more")
    with open_corpus(root, corpus_kind("mine", root)) as clips:
        scored = score_clips(clips, FakeModel(), FakeExtractor(), lambda: None)
    assert scored.outcomes.tolist() == ["scored"] * 4 + ["decode_error"] * 2
    why, damaged = scored.failed
    assert why == "ends behind the end of its recording"
    assert damaged and "noise.wav" not in damaged  # so that equal reasons are counted together


def test_segments_are_built_as_clips_of_their_own(talk, tmp_path):
    root = tmp_path / "corpus"
    (root / "labels.csv").write_text("".join(TURNS.splitlines(keepends=True)[:4]))
    build(root, tmp_path / "built", labels=root / "labels.csv")
    (shard,) = (tmp_path / "built" / "data").iterdir()
    table = parquet.read_table(shard)
    assert table["file_name"].to_pylist() == [
        "talk.wav 0.5-2 s, channel 1.wav", "talk.wav 1.5-3 s, channel 2.wav",
        "talk.wav 3-4.5 s, channel 1.wav",
    ]  # fmt: skip
    assert table["duration_s"].to_pylist() == pytest.approx([1.5, 1.5, 1.5])


def test_train_heads_reads_the_same_segments(talk, tmp_path):
    root = tmp_path / "corpus"
    (root / "metadata.jsonl").write_text(
        '{"path": "talk.wav", "begin": 1, "end": 2.5, "emotion": "anger", "actor": "x"}\n'
        '{"path": "talk.wav", "begin": "0:03", "end": 4, "emotion": "awe", "actor": "y"}\n'
        '{"path": "talk.wav", "begin": 8, "end": 14, "emotion": "awe", "actor": "y"}\n'
    )
    found = read_labels(root)
    assert found.names[:2] == ["talk.wav, 1-2.5 s", "talk.wav, 3-4 s"]
    assert found.speakers == ["x", "y", "y"]
    assert found.targets["Awe"].tolist() == [0.0, 4.0, 4.0]
    assert found.notes == ["ends behind the end of its recording: 1 clips"]
    assert np.array_equal(soundfile.read(found.clips[1])[0], talk[48000:64000])


def test_a_data_set_of_parquet_is_a_corpus_its_splits_joined_or_named(tmp_path):
    root = write_set(tmp_path / "set", HUB)
    clips, counts = said(root)
    assert clips == [
        ("0.wav", "anger", "1"), ("0.wav", "anger", "2"), ("0.wav", "sadness", "2"),
        ("1.wav", "sadness", "1"),
    ]  # fmt: skip
    assert counts == {"left out: no label": 1}
    found, _ = opened(root, split="train")
    assert [clip[3] for clip in found] == [
        b"data/train-00000-of-00002.parquet 0", b"data/train-00000-of-00002.parquet 1",
        b"data/train-00001-of-00002.parquet 0",
    ]  # fmt: skip
    with pytest.raises(UserError, match="dev"):
        folder_corpus(root, split="dev")


@pytest.mark.parametrize("speaker", ["speaker", "actor", "speaker_id", "SpkrID"])
def test_a_data_set_calls_its_columns_as_a_table_may(tmp_path, speaker):
    splits = {"train/0.parquet": [("Wut", "a"), ("Trauer", "b")], "test/0.parquet": [("joy", "a")]}
    root = write_set(tmp_path, splits, column="Emotion", metadata=False, **{speaker: 0})
    clips, _ = said(root)
    assert [clip[1:] for clip in clips] == [("anger", "a"), ("happiness", "a"), ("sadness", "b")]


def test_train_heads_reads_the_same_data_set(tmp_path):
    root = write_set(tmp_path / "set", HUB, names=("anger", "awe"))
    found = read_labels(root)
    assert (found.classes, found.speakers) == (["anger", "awe", "anger"], ["1", "1", "2"])
    assert found.clips[2] == b"data/train-00001-of-00002.parquet 0"


def test_a_row_without_sound_is_a_failure_and_its_path_opens_nothing_outside(tmp_path):
    audio = [{"bytes": None, "path": "/dev/zero"}, {"bytes": None, "path": "in.wav"},
             {"bytes": b"RIFF", "path": None}, None]  # fmt: skip
    table = pa.table({"audio": audio, "label": ["sad", "angry", "angry", "sad"]})
    parquet.write_table(table, tmp_path / "0.parquet")
    (tmp_path / "in.wav").write_bytes(b"inside")
    found, counts = opened(tmp_path)
    assert [clip[3] for clip in found] == [b"", b"inside", b"RIFF", b""]
    assert counts == {"failed: no audio in its row": 2, "speaker not known": 4}


@pytest.mark.parametrize(
    "audio",
    [
        pa.array([b"RIFF", b"RIFF"]),
        pa.array([{"bytes": b"RIFF"}] * 2),
        pa.array([{"path": "a", "bytes": b"RIFF"}] * 2,
                 pa.struct([("path", pa.large_string()), ("bytes", pa.large_binary())])),
        pa.array([{"array": [0.5, 0.25], "sampling_rate": 8000, "path": "a"}] * 2),
    ],
)  # fmt: skip
def test_sound_is_read_however_parquet_holds_it(tmp_path, audio):
    parquet.write_table(pa.table({"audio": audio, "label": ["sad", "joy"]}), tmp_path / "0.parquet")
    found, _ = opened(tmp_path)
    assert {clip[3][:4] for clip in found} == {b"RIFF"}
    assert len(found) == 2


def broken_file(folder):
    write_set(folder, HUB)
    (folder / "data" / "train-00001-of-00002.parquet").write_bytes(b"PAR1 and no end")


def features(**label):
    """A set whose schema says this of its labels."""

    def make(folder):
        about = {"info": {"features": {"audio": {"_type": "Audio"}, "label": label}}}
        table = pa.table({"audio": [{"bytes": b"RIFF", "path": None}], "label": [0]})
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
        parquet.write_table(table, folder / "0.parquet")

    return make


def with_text(name, text):
    def make(folder):
        write_set(folder, HUB)
        (folder / name).write_text(text)

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (broken_file, "data/train-00001-of-00002.parquet is damaged, or no Parquet"),
        (features(_type="os.system", x=1), "Feature type 'os.system' not found"),
        (features(_type="ClassLabel", names=5), "provide names as a list"),
        (with_text("set.py", "raise SystemExit('was run')"), "scripts are no longer supported"),
        (with_text("README.md", "---\nconfigs: [[[\n---\n"), "while parsing a flow node"),
        (with_text("README.md", "---\nconfigs:\n- config_name: a\n  data_files: data/*\n"
                   "- config_name: b\n  data_files: data/*\n---\n"), r"pick one .*\['a', 'b'\]"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_data_set_is_one_line_and_nothing_of_it_is_run(
    tmp_path, make, message
):
    (tmp_path / "set").mkdir()
    make(tmp_path / "set")
    with pytest.raises(UserError, match=message) as told:
        folder_corpus(tmp_path / "set")
    assert "\n" not in str(told.value)


def test_a_stored_data_set_is_read_too(tmp_path):
    import datasets

    data = datasets.Dataset.from_dict(
        {"audio": [{"bytes": b"RIFF", "path": None}] * 2, "label": ["sad", "joy"]}
    )
    datasets.DatasetDict({"a": data, "b": data}).save_to_disk(tmp_path / "set")
    assert len(said(tmp_path / "set")[0]) == 4
    assert len(said(tmp_path / "set", split="b")[0]) == 2


def test_a_data_set_of_the_hub_is_a_corpus(monkeypatch):
    import datasets

    def load(data, config, split, revision):
        assert (data, config, split) == ("someone/voices", "de", "test")
        audio = [{"bytes": b"RIFF", "path": None}] * 2
        pictures = [{"bytes": b"no picture", "path": None}] * 2
        made = datasets.Dataset.from_dict(
            {"audio": audio, "label": ["Wut", "Ekel"], "actor_id": [1, 2], "image": pictures}
        )
        return made.cast_column("image", datasets.Image())  # which nobody may open

    monkeypatch.setattr(datasets, "load_dataset", load)
    clips, _ = said("someone/voices", split="test", config="de")
    assert clips == [("clip 0", "anger", "1"), ("clip 1", "disgust", "2")]
    with pytest.raises(UserError, match="labels are of a folder"):
        folder_corpus("someone/voices", "labels.csv")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: (f / "a.parquet").write_bytes(b"PAR1"), "data .*set: "),
        (lambda f: parquet.write_table(pa.table({"audio": [{"bytes": b""}]}), f / "a.parquet"),
         "nothing beside the audio"),
        (lambda f: parquet.write_table(
            pa.table({"audio": [{"bytes": b""}], "x": [1]}), f / "a.parquet"),
         "has no column label; it has x, file_name"),
        (lambda f: touch(f, "a.wav"), "has no labels.csv or metadata.csv"),
    ],
)  # fmt: skip
def test_what_is_no_data_set_is_one_line(tmp_path, make, message):
    (tmp_path / "set").mkdir()
    make(tmp_path / "set")
    with pytest.raises(UserError, match=message):
        folder_corpus(tmp_path / "set")


@pytest.mark.parametrize(
    ("names", "expected", "pattern"),
    [
        (["angry/1.wav", "sad/1.wav", "sad/2.mp3"],
         [("anger", "unknown"), ("sadness", "unknown"), ("sadness", "unknown")], "{label}/{}"),
        (["train/Wut/1.wav", "test/Trauer/1.wav", "test/Wut/1.wav", "train/Trauer/2.wav"],
         [("anger", "unknown")] * 2 + [("sadness", "unknown")] * 2, "{label}/{}"),
        ([f"{who}/{what}/{who}_{n}.wav" for who in ("0001", "0002") for n in "12"  # ESD
          for what in ("Angry", "Sad")],
         [("anger", "0001"), ("anger", "0001"), ("anger", "0002"), ("anger", "0002"),
          ("sadness", "0001"), ("sadness", "0001"), ("sadness", "0002"), ("sadness", "0002")],
         "{speaker}/{label}/{}"),
        ([f"{what}/{who}/1.wav" for who in ("ann", "bob") for what in ("joy", "calm", "odd")],
         [("calm", "ann"), ("calm", "bob"), ("happiness", "ann"), ("happiness", "bob")],
         "{label}/{speaker}/{}"),
        ([f"{sex}/{what}/1.wav" for sex in ("male", "female") for what in ("joy", "calm")],
         [("calm", "unknown")] * 2 + [("happiness", "unknown")] * 2, "{label}/{}"),
    ],
)  # fmt: skip
def test_class_folders_are_understood_without_a_table(tmp_path, names, expected, pattern):
    clips, counts = said(touch(tmp_path, *names, "._x.wav", "notes.txt"))
    assert sorted(clip[1:] for clip in clips) == expected
    assert counts[f"read by their folders, {pattern}"] == len(names)
    assert ("left out: label 'odd'" in counts) == ("odd" in str(names))


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        ([f"AudioWAV/{who}_DFA_{what}_XX.wav" for who in (1001, 1002) for what in ("ANG", "SAD")],
         "{speaker}_{}_{label}_{}"),  # CREMA-D
        ([f"{who}_x/{who}_{word}_{what}.wav" for who in ("OAF", "YAF") for what in ("sad", "ps")
          for word in ("back", "bar")], "{speaker}_{}_{label}"),  # TESS
        ([f"{who}_{what}_1a_1.wav" for who in ("male1", "female2") for what in ("angry", "sad")],
         "{speaker}_{label}_{}_{}"),  # JL-Corpus
        ([f"{who}_b{text}_{what}.wav" for who, text, what in (
            ("03", 1, "anger"), ("03", 1, "sad"), ("08", 2, "anger"), ("08", 2, "sad"),
            ("09", 1, "anger"))], "{speaker}_{}_{label}"),  # one speaker of them in one class only
        ([f"{who}/{what}-{who}-b{n}.wav" for who in ("f1", "m1") for what in ("rab", "gio")
          for n in "12"], "{label}-{speaker}-{}"),  # EMOVO
    ],
)  # fmt: skip
def test_names_that_say_it_are_answered_with_the_pattern_to_type(tmp_path, names, pattern):
    (tmp_path / "sentences.csv").write_text("Filename,Sentence\nx,y\n")  # as CREMA-D's
    with pytest.raises(UserError) as told:
        corpus_kind("mine", touch(tmp_path, *names))
    assert str(told.value).endswith(f"its names look like {pattern}")
    assert said(tmp_path, labels=pattern)[0]


def test_train_heads_takes_folders_for_words(tmp_path):
    for word in ("anger", "awe"):
        write_clip(tmp_path / "set" / word / "1.wav", 0.5)
    assert read_labels(tmp_path / "set").classes == ["anger", "awe"]
    with pytest.raises(TrainingError, match="0 tables"):
        read_labels(tmp_path / "set" / "awe")


def test_tables_of_every_split_are_one_corpus(tmp_path):
    touch(tmp_path, "train/a.wav", "test/a.wav", "test/b.wav")
    (tmp_path / "train" / "metadata.csv").write_text("file_name,emotion,actor\na.wav,sad,1\n")
    (tmp_path / "test" / "metadata.jsonl").write_text(
        '{"file_name": "a.wav", "label": "joy", "speaker": 2}\n'
        '{"file_name": "b.wav", "speaker": 2}\n'
    )
    found, counts = opened(tmp_path)
    assert [clip[1:] for clip in found] == [
        ("happiness", "2", b"RIFFtest/a.wav"), ("sadness", "1", b"RIFFtrain/a.wav")
    ]  # fmt: skip
    assert counts == {"left out: no label": 1}
    assert (
        len(read_labels(tmp_path, label_map={"sad": {"Sadness": 4}, "joy": {}, "": {}}).clips) == 3
    )


def test_a_split_is_of_a_data_set(tmp_path):
    with pytest.raises(UserError, match="is no data set"):
        folder_corpus(touch(tmp_path, "sad/1.wav", "joy/1.wav"), split="train")
