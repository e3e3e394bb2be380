"""A run of training that has ended says its figures again: nothing is trained, nothing written."""

import json
import shutil

import pytest

from modeling_empathic.report.files import as_json
from modeling_empathic.training.base import load_base
from modeling_empathic.training.ended import ended_run
from modeling_empathic.training.labels import read_labels
from modeling_empathic.training.record import differences
from modeling_empathic.training.run import train_heads
from modeling_empathic.training.settings import Settings, TrainingError
from modeling_empathic.training.states import FreshStates
from tests.support.command import run_command
from tests.support.training_maker import make_clips, read_table, train, write_table

QUICK = ("--epochs", "1", "--folds", "1", "--loss", "mse", "--kind", "pooled")


def files_of(folder):
    """Everything that a write would change."""
    return {
        path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]
    }


@pytest.fixture
def ended(trained, tmp_path):
    return shutil.copytree(trained[0], tmp_path / "model")


@pytest.fixture
def untouched(ended, monkeypatch):
    """Fails where a clip is heard or a file changes."""
    monkeypatch.setattr(FreshStates, "_features", lambda self, row: 1 / 0)
    before = files_of(ended)
    yield ended
    assert files_of(ended) == before


def test_the_same_arguments_give_the_same_figures(trained, labelled_folder, whisper, untouched):
    again = train(labelled_folder, whisper, untouched)
    assert again == json.loads(as_json(trained[1]))
    assert train(labelled_folder, whisper, untouched, heads_per_pass=1, shard="data") == again


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 5}, "other settings: seed was 0, is now 5"),
        ({"epochs": 9, "loss": "mae"}, "loss was 'mse', is now 'mae', epochs was 3, is now 9"),
        ({"n_folds": 3}, "other folds: was 1, is now 3"),
        ({"from_scratch": True}, "other from_scratch: was False, is now True"),
    ],
)
def test_other_arguments_are_named_and_the_model_stays(
    labelled_folder, whisper, untouched, change, named
):
    with pytest.raises(TrainingError, match=f"holds a finished run with .*{named}"):
        train(labelled_folder, whisper, untouched, **change)


def test_other_kinds_scales_and_labels_are_other_runs_too(trained, labelled_folder, whisper, ended):
    def again(labelled, kind="pooled"):
        base = load_base(whisper, labelled.scales, kind=kind)
        settings = Settings(loss="mse", epochs=3, batch_size=8, save_every_s=0.0)
        return train_heads(base, labelled, ended, settings, n_folds=1)

    assert again(read_labels(labelled_folder))["trained"] == trained[1]["trained"]
    labelled = read_labels(labelled_folder)
    with pytest.raises(TrainingError, match=r"kinds: was \['pooled'\], is now \['full'\]"):
        again(labelled, "full")
    labelled.targets["Anger"] = labelled.targets["Anger"] + 0.5  # as another split of a data set
    with pytest.raises(TrainingError, match="other labels"):
        again(labelled)
    labelled = read_labels(labelled_folder)
    labelled.scales["Anger"] = (0.0, 5.0)
    with pytest.raises(TrainingError, match=r"scales: Anger was \[0.0, 4.0\], is now \[0.0, 5.0\]"):
        again(labelled)


def test_killed_before_its_work_was_removed_it_has_ended(labelled_folder, whisper, ended):
    for left in (("run.json", "00000.done.safetensors"), ()):  # the removal had begun, or was done
        (ended / ".training").mkdir()
        for name in left:
            (ended / ".training" / name).write_text("{}")
        weights = (ended / "model.safetensors").stat()
        with pytest.raises(TrainingError, match="a finished run with other settings"):
            train(labelled_folder, whisper, ended, seed=5)
        train(labelled_folder, whisper, ended)
        assert not (ended / ".training").exists()
        assert (ended / "model.safetensors").stat() == weights


def test_a_record_that_somebody_shortened_is_no_figures(ended):
    record = json.loads((ended / "training_args.json").read_text())
    del record["measured"]
    (ended / "training_args.json").write_text(json.dumps(record))
    with pytest.raises(TrainingError, match=r"its training_args\.json was changed"):
        ended_run(ended, {"stage": "heads"})


def test_a_record_of_many_heads_is_read_however_large(ended, monkeypatch):
    monkeypatch.setattr("modeling_empathic.report.files.LARGEST_JSON", 10)
    assert ended_run(ended, {"stage": "heads"})["stage"] == "heads"


@pytest.mark.parametrize("was", [None, [], {}, {"seed": None}, 5])
def test_whatever_a_record_says_the_difference_is_words(was):
    assert differences({"settings": was}, {"settings": {"seed": 1}}).startswith("settings: ")
    assert differences({"of": "x" * 500}, {"of": "y"}) == "of"


def test_the_command_shows_the_same_tables_and_leaves_an_edited_card(tmp_path):
    """One clip a class of each speaker: figures that are undefined come back as they went."""
    data = make_clips(tmp_path / "clips", speakers=3, takes=1)
    rows = [
        {key: row[key] for key in ("file_name", "speaker")} | {"Anger": "4", "Awe": str(n % 3)}
        for n, row in enumerate(read_table(data))
    ]
    write_table(data, rows)
    out = tmp_path / "mine"
    command = ("train", "heads", "--data", data, "--output", out, *QUICK)
    code, first, said = run_command(*command)
    assert code == 0 and "n/a" in first and "Written to" in said, said
    card = out / "README.md"
    written = card.read_text()
    card.unlink()
    code, again, said = run_command(*command)
    assert (code, again) == (0, first)
    assert "This run had ended; it is in" in said and "clips: each encoded" not in said
    assert card.read_text() == written
    card.write_text("mine")
    _, as_json, _ = run_command(*command, "--json")
    assert card.read_text() == "mine"
    assert json.loads(as_json)["measured"]["heads"]["Anger"]["spearman"] is None
    code, _, said = run_command(*command, "--seed", "7")
    assert code == 2 and said.count("\n") == 1 and "seed was 0, is now 7" in said


def test_of_several_processes_one_shows_what_had_ended(trained, labelled_folder, monkeypatch):
    monkeypatch.setattr("emonet_voice.cli.train_heads.ready", lambda *args, **kwargs: args[:2])
    monkeypatch.setattr("modeling_empathic.training.run.train_heads", lambda *a, **k: trained[1])
    monkeypatch.setenv("RANK", "1")
    from modeling_empathic import NANO

    command = ("train", "heads", "--data", labelled_folder, "--model", NANO, "--output")
    assert run_command(*command, trained[0], *QUICK)[:2] == (0, "")
    assert not (trained[0] / "README.md").exists()
