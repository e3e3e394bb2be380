"""EmoDB and RAVDESS: what their file names say, folds without shared speakers, built and loaded."""

from collections import Counter
from itertools import product
from pathlib import Path

import datasets
import pytest

from dataset_scripts.building.build import build
from dataset_scripts.building.manifest import BuildError
from dataset_scripts.corpora import emodb
from dataset_scripts.corpora.emodb import EmoDB
from dataset_scripts.corpora.ravdess import RAVDESS
from dataset_scripts.corpora.raw_release import RawReleaseError
from modeling_empathic.taxonomy import EMODB_CLASSES, RAVDESS_CLASSES
from tests.support.scoring_fakes import write_clips

EMODB_COUNTS = {
    "anger": 127, "boredom": 81, "disgust": 46, "fear": 69, "happiness": 71, "neutral": 79,
    "sadness": 62,
}  # fmt: skip


def load(folder: Path, cache: Path) -> datasets.Dataset:
    loaded = datasets.load_dataset(str(folder), split="train", cache_dir=str(cache))
    return loaded.cast_column("audio", datasets.Audio(decode=False))


def all_ravdess_names() -> list[str]:
    """The 1,440 names of the speech archive: neutral has no strong intensity."""
    parts = product(range(1, 9), (1, 2), (1, 2), (1, 2), range(1, 25))
    return [
        f"03-01-{emotion:02}-{intensity:02}-{statement:02}-{repetition:02}-{actor:02}.wav"
        for emotion, intensity, statement, repetition, actor in parts
        if (emotion, intensity) != (1, 2)
    ]


@pytest.mark.parametrize(
    ("letter", "name"),
    [
        ("W", "anger"), ("L", "boredom"), ("E", "disgust"), ("A", "fear"), ("F", "happiness"),
        ("N", "neutral"), ("T", "sadness"),
    ],
)  # fmt: skip
def test_emodb_letters_stand_for_german_words(letter, name):
    assert list(EMODB_CLASSES)[EmoDB.parse_name(f"08b03{letter}a.wav")["label"]] == name


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("01", "neutral"), ("02", "calm"), ("03", "happy"), ("04", "sad"), ("05", "angry"),
        ("06", "fearful"), ("07", "disgust"), ("08", "surprised"),
    ],
)  # fmt: skip
def test_ravdess_codes_stand_for_classes(code, name):
    row = RAVDESS.parse_name(f"03-01-{code}-01-01-01-01.wav")
    assert list(RAVDESS_CLASSES)[row["label"]] == name


def test_an_emodb_name_says_who_and_what():
    assert EmoDB.parse_name("14a05Lb.flac") == {
        "speaker": "14", "gender": "female", "age": 35, "label": 1, "sentence": "a05",
        "text": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
        "version": "b", "fold": 7,
    }  # fmt: skip


def test_a_ravdess_name_says_who_and_what():
    assert RAVDESS.parse_name("03-01-04-02-01-02-24.wav") == {
        "speaker": "24", "gender": "female", "label": 6, "intensity": "strong",
        "text": "Kids are talking by the door", "repetition": 2, "fold": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parse", "name", "message"),
    [
        (EmoDB.parse_name, "hello.wav", "hello.wav is not a name of EmoDB's"),
        (EmoDB.parse_name, "04a01Fa.wav", "speaker '04' is not one of 03, 08"),
        (EmoDB.parse_name, "03a03Fa.wav", "sentence 'a03' is not one of a01, a02"),
        (EmoDB.parse_name, "03a01Xa.wav", "letter 'X' is not one of W, L, E"),
        (RAVDESS.parse_name, "hello.wav", "hello.wav is not a name of RAVDESS speech"),
        (RAVDESS.parse_name, "03-01-09-01-01-01-01.wav", "emotion '09' is not one of 01 to 08"),
        (RAVDESS.parse_name, "03-01-01-03-01-01-01.wav", "intensity '03' is not one of 01 to 02"),
        (RAVDESS.parse_name, "03-01-01-01-01-01-25.wav", "actor '25' is not one of 01 to 24"),
    ],
)
def test_another_name_is_refused(parse, name, message):
    with pytest.raises(RawReleaseError) as refused:
        parse(name)
    assert message in str(refused.value)


def test_the_whole_speech_archive_has_the_published_counts_and_fair_folds():
    rows = [RAVDESS.parse_name(name) for name in all_ravdess_names()]
    counts = Counter()
    for row in rows:
        counts.update(RAVDESS.tally(row))
    assert counts == RAVDESS.PUBLISHED
    folds = {row["speaker"]: row["fold"] for row in rows}
    assert all(row["fold"] == folds[row["speaker"]] for row in rows)  # no speaker in two folds
    by_gender = Counter((row["fold"], row["gender"]) for row in rows)
    assert by_gender == {(fold, gender): 120 for fold in range(6) for gender in ("female", "male")}


def test_emodb_has_a_fold_for_each_speaker():
    rows = [EmoDB.parse_name(f"{speaker}a01Fa.wav") for speaker in emodb.SPEAKERS]
    assert [row["fold"] for row in rows] == list(range(10))
    assert Counter(row["gender"] for row in rows) == {"male": 5, "female": 5}


def test_songs_and_films_are_left_out_and_counted(tmp_path):
    names = ["03-01-06-01-02-01-12", "03-02-06-01-02-01-12", "03-02-06-01-01-01-12",
             "01-01-06-01-02-01-12"]  # fmt: skip
    source = write_clips(tmp_path / "raw", [f"Actor_12/{name}.wav" for name in names])
    assert [file.stem for file in RAVDESS.files(source)[0]] == names[:1]
    manifest, _ = build(source, tmp_path / "out", corpus="ravdess", assert_counts=False)
    left_out = {key: n for key, n in manifest["counts"].items() if key.startswith("left out")}
    assert left_out == {"left out: songs (03-02)": 2, "left out: not audio only": 1}
    assert load(tmp_path / "out", tmp_path / "cache")["file_name"][:] == [names[0] + ".wav"]


def test_songs_alone_are_no_corpus(tmp_path):
    write_clips(tmp_path, ["Actor_01/03-02-06-01-02-01-01.wav"])
    with pytest.raises(RawReleaseError, match=r"has no speech \(03-01-\*\.wav\)"):
        RAVDESS.files(tmp_path)


CLIP_OF = {"ravdess": "03-01-06-01-02-01-12.wav", "emodb": "03a01Fa.wav"}


@pytest.mark.parametrize("corpus", CLIP_OF)
def test_an_archive_unpacked_into_itself_is_read_once_and_its_copies_are_counted(corpus, tmp_path):
    name = CLIP_OF[corpus]
    source = write_clips(tmp_path / "raw", [f"Actor_12/{name}"])
    (source / "speech" / "Actor_12").mkdir(parents=True)
    (source / "speech" / "Actor_12" / name).write_bytes((source / "Actor_12" / name).read_bytes())
    manifest, _ = build(source, tmp_path / "out", corpus=corpus, assert_counts=False)
    assert manifest["counts"]["clips"] == 1
    assert manifest["counts"]["left out: copies"] == 1


def test_two_recordings_of_one_name_are_an_error(tmp_path):
    name = CLIP_OF["ravdess"]
    write_clips(tmp_path, [f"Actor_12/{name}", f"speech/Actor_12/{name}"])
    (tmp_path / "Actor_12" / name).write_bytes(b"RIFF, but another")
    with pytest.raises(RawReleaseError, match=rf"{name} is there twice, and the two differ: "):
        RAVDESS.files(tmp_path)


def test_a_stray_recording_is_an_error_and_other_files_are_not(tmp_path):
    source = write_clips(tmp_path / "raw", ["wav/03a01Fa.wav"])
    (source / "erklaerung.txt").write_text("Read me")
    (source / "wav" / "._03a01Fa.wav").write_bytes(b"resource fork")
    assert len(EmoDB.files(source)[0]) == 1
    write_clips(source, ["wav/extra.wav"])
    with pytest.raises(RawReleaseError, match=r"extra\.wav is not a name of EmoDB's"):
        build(source, tmp_path / "out", corpus="emodb", assert_counts=False)


def test_an_empty_recording_is_named(tmp_path):
    source = write_clips(tmp_path / "raw", ["03a01Fa.wav", "03a01Wa.wav"])
    (source / "03a01Wa.wav").write_bytes(b"")
    with pytest.raises(RawReleaseError, match=r"03a01Wa\.wav: no audio"):
        build(source, tmp_path / "out", corpus="emodb", assert_counts=False)
    assert list(tmp_path.iterdir()) == [source]


def test_a_recording_under_two_names_of_one_class_is_named(tmp_path):
    source = write_clips(tmp_path / "raw", ["03a01Fa.wav"])
    (source / "03a01Fb.wav").write_bytes((source / "03a01Fa.wav").read_bytes())
    with pytest.raises(BuildError, match=r"03a01Fb\.wav, row 1: the audio and the label of 03a01F"):
        build(source, tmp_path / "out", corpus="emodb", assert_counts=False)


def test_a_part_of_a_corpus_is_not_taken_for_the_whole(tmp_path):
    source = write_clips(tmp_path / "raw", ["03a01Fa.wav"])
    with pytest.raises(BuildError, match=r"clips 1 \(published: 535\); label: anger 0 \(pub"):
        build(source, tmp_path / "out", corpus="emodb")


def test_clips_come_speaker_by_speaker_with_their_bytes(tmp_path):
    names = ["03-01-01-01-01-01-02.wav", "03-01-02-01-01-01-01.wav", "03-01-01-01-01-01-01.wav"]
    source = write_clips(tmp_path / "raw", [f"Actor_{name[-6:-4]}/{name}" for name in names])
    build(source, tmp_path / "out", corpus="ravdess", assert_counts=False)
    rows = load(tmp_path / "out", tmp_path / "cache")
    assert rows["file_name"][:] == [names[2], names[1], names[0]]
    for row in rows:
        file = source / f"Actor_{row['speaker']}" / row["file_name"]
        assert row["audio"]["bytes"] == file.read_bytes()


@pytest.mark.real
def test_the_real_emodb_has_its_published_counts(shared, tmp_path):
    build(shared / "data" / "emodb", tmp_path / "out", corpus="emodb")
    dataset = load(tmp_path / "out", tmp_path / "cache")
    assert len(dataset) == 535
    names = dataset.features["label"].names
    assert Counter(names[label] for label in dataset["label"]) == EMODB_COUNTS
    assert len(set(dataset["speaker"])) == 10
    folds = set(zip(dataset["speaker"], dataset["fold"], strict=True))
    assert len(folds) == 10
    assert len(set(dataset["text"])) == 10
