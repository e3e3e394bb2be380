"""A run of stage 1 that has ended says what it measured: nothing is trained, nothing written."""

import json
import os
import shutil

import pytest

from modeling_empathic.report.files import as_json
from modeling_empathic.training.encoder import EncoderSettings, TrainingError, train_encoder
from tests.support.command import run_command
from tests.support.tiny_whisper import made_clips


def run(model, output, *, clips=4, progress=None, **change):
    given = {"window_s": 1, "steps": 2, "batch_size": 2, "learning_rate": 1e-3, "save_steps": 2}
    settings = EncoderSettings(model=str(model), device="cpu", **given | change)
    return train_encoder(made_clips(clips), made_clips(1, 1), output, settings, progress=progress)


@pytest.fixture(scope="module")
def first(tiny_whisper, tmp_path_factory):
    """Captions of one clip have no correlation: a figure that is undefined."""
    output = tmp_path_factory.mktemp("ended") / "encoder"
    return output, run(tiny_whisper, output)


@pytest.fixture
def ended(first, tmp_path):
    return shutil.copytree(first[0], tmp_path / "encoder")


def everything(folder):
    return {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


def test_the_same_arguments_give_the_same_figures(first, tiny_whisper, ended, tmp_path):
    before = everything(tmp_path)
    again = run(tiny_whisper, ended, workers=1, progress=lambda *step: 1 / 0)
    assert everything(tmp_path) == before
    assert again == json.loads(as_json(first[1]))
    assert again["result"]["spearman"] is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"learning_rate": 0.1}, "arguments: learning_rate was 0.001, is now 0.1"),
        ({"clips": 5}, "data: train"),
    ],
)
def test_other_arguments_are_named_and_nothing_changes(
    tiny_whisper, ended, tmp_path, change, named
):
    before = everything(tmp_path)
    with pytest.raises(TrainingError, match=f"begun with other {named}.*; name another output"):
        run(tiny_whisper, ended, **change)
    assert everything(tmp_path) == before


def test_another_model_under_the_same_name_is_another_run(tiny_whisper, ended, tmp_path):
    other = shutil.copytree(tiny_whisper, tmp_path / "other" / tiny_whisper.name)
    weights = other / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.rename(weights.with_name("model-00001-of-00001.safetensors"))  # a name of large ones
    index = {"metadata": {}, "weight_map": {}}
    from safetensors import safe_open

    moved = weights.with_name("model-00001-of-00001.safetensors")
    moved.write_bytes(content)
    with safe_open(moved, framework="pt") as file:
        index["weight_map"] = dict.fromkeys(file.keys(), moved.name)
    (other / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(TrainingError, match="begun with other model"):
        run(other, ended)


def test_killed_before_its_checkpoints_were_removed_it_has_ended(tiny_whisper, ended, tmp_path):
    left = tmp_path / ".encoder.training/checkpoint-2"
    left.mkdir(parents=True)
    run(tiny_whisper, ended, progress=lambda *step: 1 / 0)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_a_folder_without_figures_is_no_run_of_ours(tiny_whisper, tmp_path):
    (tmp_path / "encoder").mkdir()
    with pytest.raises(TrainingError, match="exists already"):
        run(tiny_whisper, tmp_path / "encoder")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["learning_rate", "epochs"])
def test_what_is_no_number_of_steps_or_rate_is_refused(tiny_whisper, tmp_path, name, bad):
    with pytest.raises(TrainingError, match=f"{name}={bad} must be above 0, and finite"):
        run(tiny_whisper, tmp_path / "encoder", **{"steps": None, name: bad})


def test_the_command_says_it_again_once_of_several_processes(
    tiny_whisper, first, tmp_path, monkeypatch
):
    from datasets import DatasetDict

    DatasetDict({"train": made_clips(4), "test": made_clips(1, 1)}).save_to_disk(tmp_path / "data")
    command = ("train", "encoder", tmp_path / "data", tmp_path / "out", "--model", tiny_whisper)
    command += ("--window-s", 1, "--steps", 2, "--batch", 2, "--save-steps", 2, "--device", "cpu")
    code, out, err = run_command(*command)
    assert code == 0 and "Spearman's ρ n/a" in out and "Written to" in out, err
    code, again, _ = run_command(*command)
    assert code == 0
    assert again == out.replace("Written to", "This run had ended; it is in")
    monkeypatch.setitem(os.environ, "RANK", "1")
    assert run_command(*command)[:2] == (0, "")
