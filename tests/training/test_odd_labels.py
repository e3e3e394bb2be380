"""Labels as strangers have them: each mistake is one short line, nothing is left out in silence."""

import unicodedata

import pytest

from modeling_empathic.training.labels import read_labels
from modeling_empathic.training.settings import Settings, TrainingError
from tests.support.command import run_command
from tests.support.training_maker import make_clips, read_table, write_table


@pytest.fixture
def folder(tmp_path):
    return make_clips(tmp_path / "clips", speakers=3, takes=1)


def with_columns(folder, columns):
    """The folder, its table with these columns of `(number, row)` in place of the label."""
    rows = read_table(folder)
    write_table(
        folder,
        [
            {"file_name": row["file_name"], "speaker": row["speaker"]} | columns(number, row)
            for number, row in enumerate(rows)
        ],
    )
    return folder


def test_one_class_teaches_nothing(folder):
    with_columns(folder, lambda number, row: {"label": "anger"})
    with pytest.raises(TrainingError, match="every clip's label is 'anger': a head learns from"):
        read_labels(folder)
    with pytest.raises(TrainingError, match="every clip's label is 'anger'"):
        read_labels(folder, label_map={"anger": {"Anger": 3}, "calm": {}})


def test_heads_that_are_asked_for_are_all_and_no_others(folder):
    labelled = read_labels(folder, heads=["Anger"])
    assert list(labelled.targets) == ["Anger"]
    assert labelled.label_map["awe"] == {} and labelled.classes[0] == "anger"
    assert len(read_labels(folder).targets) == 4
    for asked in ({"heads": ["Shame"]}, {"new_heads": {"Sarcasm": (0.0, 4.0)}}):
        with pytest.raises(TrainingError, match=r"no label means (Shame|Sarcasm); there are anger"):
            read_labels(folder, **asked)


@pytest.mark.parametrize("name", ["file_name", "speaker", "split", "label", "emotion"])
def test_a_head_is_not_called_as_a_column_that_says_something_else(folder, name):
    with pytest.raises(TrainingError, match=f"head '{name}': a column of that name"):
        read_labels(folder, new_heads={name: (0.0, 4.0)})


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_the_same_in_both_unicode_forms(folder, form):
    with_columns(folder, lambda n, row: {unicodedata.normalize(form, "Gefühl"): str(n % 5)})
    other = unicodedata.normalize("NFD" if form == "NFC" else "NFC", "Gefühl")
    assert list(read_labels(folder, new_heads={other: (0.0, 4.0)}).targets) == ["Gefühl"]
    word = unicodedata.normalize(form, "Gefühl")
    with_columns(folder, lambda n, row: {"label": (word, "awe")[n % 2]})
    assert set(read_labels(folder, new_heads={other: (0.0, 4.0)}).targets) == {"Gefühl", "Awe"}


def test_ten_thousand_words_or_columns_are_a_short_line(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"RIFF")
    rows = [{"file_name": "a.wav", "label": f"word {number}"} for number in range(10_000)]
    write_table(folder, rows)
    with pytest.raises(TrainingError, match="and 9,990 more is the name of no head") as error:
        read_labels(folder)
    assert len(str(error.value)) < 500
    write_table(folder, [{"file_name": "a.wav"} | {f"column {n}": "" for n in range(10_000)}])
    with pytest.raises(TrainingError, match=r"there are file_name.* and 9,991 more") as error:
        read_labels(folder)
    assert len(str(error.value)) < 500


def test_a_label_a_hair_beyond_its_scale_is_shown_as_it_is(folder):
    with_columns(folder, lambda number, row: {"Anger": "4.0000001"})
    with pytest.raises(TrainingError, match=r"Anger is 4\.0000001, outside its scale of 0 to 4"):
        read_labels(folder)


def test_who_speaks_is_known_of_all_clips_or_of_none(folder):
    with_columns(folder, lambda number, row: {"Anger": "1", "speaker": ""})
    assert read_labels(folder).speakers is None
    with_columns(folder, lambda n, row: {"Anger": "1", "speaker": " " if n == 5 else "s"})
    with pytest.raises(TrainingError, match=r"1 of 12 clips have no speaker \(1-0-awe\.wav\)"):
        read_labels(folder)


@pytest.mark.parametrize("change", [
    {"weight_decay": -1.0}, {"weight_decay": float("nan")}, {"learning_rate": float("inf")},
])  # fmt: skip
def test_what_is_no_rate_is_refused_before_anything_is_read(change):
    with pytest.raises(TrainingError, match=f"{next(iter(change))} .* finite"):
        Settings(**change)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--new-head", "=0:1"], "NAME or NAME=LOW:HIGH"),
        (["--new-head", "Sarcasm=4:0"], "NAME or NAME=LOW:HIGH"),
        (["--new-head", "Sarcasm=0:inf"], "NAME or NAME=LOW:HIGH"),
        (["--new-head", "Sarcasm", "--new-head", "Sarcasm=0:9"], "is named twice"),
        (["--folds", "-1"], "--folds -1"),
    ],
)
def test_options_that_cannot_be_are_one_line(folder, tmp_path, options, message):
    with_columns(folder, lambda number, row: {"Sarcasm": "1", "Anger": "1"})
    command = ("train", "heads", "--data", folder, "--output", tmp_path / "out", *options)
    code, _, said = run_command(*command)
    assert code == 2 and message in said and said.count("\n") == 1


def test_what_a_run_takes_is_said_of_the_folds_that_there_will_be(folder, tmp_path):
    command = ("train", "heads", "--data", folder, "--output", tmp_path / "out", "--epochs", 1)
    code, _, said = run_command(*command, "--folds", 10**9)
    assert code == 0 and "4 fits of each (3 to measure" in " ".join(said.split())


def test_a_clip_that_two_speakers_have_is_told(folder, tmp_path):
    first = (folder / "0-0-anger.wav").read_bytes()
    for name in ("1-0-anger.wav", "0-0-awe.wav"):  # another's, and the speaker's own
        (folder / name).write_bytes(first)
    (note,) = read_labels(folder).notes
    assert note.startswith("1 of 12 clips are copies of another speaker's (1-0-anger.wav)")
    command = ("train", "heads", "--data", folder, "--output", tmp_path / "out", "--epochs", 1)
    code, _, said = run_command(*command, "--folds", 1)
    assert code == 0 and note in " ".join(said.split())


@pytest.mark.parametrize("nobody", ["", "n/a", "NaN", "unknown", "-"])
def test_whoever_is_called_nothing_is_no_speaker(folder, nobody):
    with_columns(folder, lambda n, row: {"label": ("anger", "awe")[n % 2], "speaker": nobody})
    assert read_labels(folder).speakers is None
    with_columns(folder, lambda n, row: {"speaker": nobody if n == 1 else "anna"})
    with pytest.raises(TrainingError, match="clips have no speaker"):
        read_labels(folder)
