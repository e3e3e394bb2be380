"""`emonet-voice train heads`: a folder of labels in, a model folder with a card out."""

import json

import pytest

from tests.support.command import run_command
from tests.support.training_maker import make_clips, read_table, write_table

QUICK = ("--epochs", "2", "--folds", "1", "--loss", "mse")


@pytest.fixture(scope="module")
def made(tmp_path_factory, labelled_folder):
    """A head on Nano, from words."""
    folder = tmp_path_factory.mktemp("cli")
    data = make_clips(folder / "clips", speakers=3, takes=1)
    rows = [row | {"label": row["label"] + "y"} for row in read_table(data)]
    write_table(data, rows)
    added = [
        part for word in ("angery", "awey", "painy", "pridey") for part in ("--new-head", word)
    ]
    code, out, err = run_command(
        "train", "heads", "--data", data, *added, "--output", folder / "mine", *QUICK
    )
    assert code == 0, err
    return folder / "mine", out, err


def test_it_says_what_was_measured_and_what_the_statistics_take(made):
    _, out, err = made
    assert "4 clips of 1 speakers, by heads that other speakers taught" in out
    assert "angery" in out and "12 clips: each encoded once: their statistics take" in err


def test_the_new_heads_stand_beside_nanos_and_the_card_names_them(made):
    folder, _, _ = made
    config = json.loads((folder / "config.json").read_text())
    names = [head["name"] for head in config["heads"]]
    assert (len(names), names[-4:]) == (44, ["angery", "awey", "painy", "pridey"])
    card = (folder / "README.md").read_text()
    assert "angery" in card and "The other 40 heads" in card


def test_auto_model_loads_it_where_the_package_cannot_be_imported(made, hub_user):
    answer = hub_user(
        "from transformers import AutoModel\n"
        "model = AutoModel.from_pretrained(folder, trust_remote_code=True)\n"
        "result = [type(model).__module__.split('.')[0], model.config.head_names[-4:]]",
        folder=str(made[0]),
    )
    assert answer == ["transformers_modules", ["angery", "awey", "painy", "pridey"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--loss", "rmse"], "loss 'rmse': choose mae, mse or huber"),
        (["--new-head", "Sarcasm=4"], "NAME or NAME=LOW:HIGH"),
        (["--kind", "half"], "choose full or pooled"),
        (["--corpus", "iemocap"], "choose from emodb, nemo, ravdess"),
        (["--model", "no/such/folder"], "no such folder"),
        (["--layers", "1"], "layers are cut from a Whisper encoder"),
        (["--data", "FULL/clip.wav"], "clip.wav is a file: name the folder that it is in"),
        (["--output", "FULL"], "the folder is not empty; choose another"),
        (["--label-map", "no.json"], "no.json cannot be read as JSON: No such file or directory"),
        (["--label-map", "FULL/clip.wav"], 'it looks like {"happy": {"Elation": 3}}'),
        (["--split", "by hand"], "choose auto, speaker, random"),
    ],
)
def test_a_mistake_is_one_line(labelled_folder, tmp_path, arguments, message):
    full = tmp_path / "full"
    full.mkdir()
    (full / "clip.wav").write_bytes(b"RIFF")
    arguments = [argument.replace("FULL", str(full)) for argument in arguments]
    code, _, err = run_command(
        "train", "heads", "--data", labelled_folder, "--output", tmp_path / "out", *arguments
    )
    assert code == 2
    assert message in err and err.count("error:") == 1 and "Traceback" not in err


@pytest.mark.real
def test_a_corpus_of_ours_is_read_by_its_name(shared):
    from emonet_voice.cli.train_heads import _corpus

    labelled = _corpus(str(shared / "data" / "emodb"), "emodb", None)
    assert (len(labelled.clips), len(set(labelled.speakers)), len(labelled.targets)) == (
        535,
        10,
        37,
    )
