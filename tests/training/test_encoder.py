"""Stage 1 makes a Whisper checkpoint, says what shaped it, and refuses what cannot work."""

import json
import shutil
from dataclasses import replace
from importlib.metadata import version

import pytest
import torch
from safetensors.torch import load_file

from modeling_empathic.training.caption_data import DataError
from modeling_empathic.training.encoder import EncoderSettings, TrainingError, train_encoder
from tests.support.tiny_whisper import made_clips


@pytest.fixture(scope="module")
def settings(tiny_whisper):
    return EncoderSettings(
        model=str(tiny_whisper), window_s=1, steps=4, batch_size=2, learning_rate=1e-3,
        save_steps=2, device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(settings, tmp_path_factory):
    """The folder of a run, its outcome, and the progress it told."""
    output, told = tmp_path_factory.mktemp("stage1") / "encoder", []
    outcome = train_encoder(
        made_clips(6), made_clips(3, 1), output, settings,
        source={"name": "noise"}, progress=lambda *step: told.append(step),
    )  # fmt: skip
    return output, outcome, told


def run(settings, folder, clips=None, heard=None):
    clips = made_clips(6) if clips is None else clips
    return train_encoder(clips, heard or made_clips(3, 1), folder / "out", settings)


def test_the_result_is_a_whole_whisper_checkpoint_of_the_window(trained):
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(trained[0])
    assert model.config.max_source_positions == 50
    assert not model.config.apply_spec_augment
    assert WhisperFeatureExtractor.from_pretrained(trained[0]).n_samples == 16_000
    assert [path.name for path in trained[0].parent.iterdir()] == ["encoder"]


def test_training_moves_the_encoder_and_the_positions_stay(trained, tiny_whisper):
    before = load_file(tiny_whisper / "model.safetensors")
    after = load_file(trained[0] / "model.safetensors")
    positions = "model.encoder.embed_positions.weight"
    assert torch.equal(after[positions], before[positions][:50])
    moved = [key for key in after if "encoder.layers" in key and "q_proj" in key]
    assert moved
    assert all(not torch.equal(after[key], before[key]) for key in moved)


def test_the_encoder_can_be_cut_to_its_first_layers(settings, tmp_path):
    from transformers import WhisperForConditionalGeneration

    run(replace(settings, layers=1), tmp_path)
    model = WhisperForConditionalGeneration.from_pretrained(tmp_path / "out")
    assert model.config.encoder_layers == len(model.model.encoder.layers) == 1


def test_convert_takes_the_encoder(trained, tmp_path):
    from emonet_voice.hub.convert import convert
    from modeling_empathic import EmpathicInsightModel
    from tests.support.public_heads import save_head

    save_head(tmp_path, "Anger", n_in=50 * 8)
    convert(tmp_path, tmp_path / "model", trained[0], heads=["Anger"])
    model = EmpathicInsightModel.from_pretrained(tmp_path / "model")
    mine = load_file(trained[0] / "model.safetensors")["model.encoder.conv1.weight"]
    assert torch.equal(model.encoder.conv1.weight, mine)
    assert model(torch.randn(1, 80, 100)).logits.shape == (1, 1)


def test_what_shaped_the_run_is_beside_the_weights(trained, settings):
    record = json.loads((trained[0] / "training_args.json").read_text())
    assert record["arguments"]["learning_rate"] == settings.learning_rate
    assert record["arguments"]["seed"] == 0
    assert len(record["model"]["sha256"]) == len(record["data"]["train"]["sha256"]) == 64
    assert record["data"]["source"] == {"name": "noise"}
    assert record["data"]["train"]["rows"] == 6
    (start,) = record["starts"]
    assert start["step"] == 0
    assert start["versions"]["torch"] == version("torch")  # as installed: no "+cu130" there
    assert set(start["git"] or {"commit": 0, "dirty": 0}) == {"commit", "dirty"}


def test_the_record_names_no_folder_above_the_model(trained, settings, tiny_whisper):
    record = json.loads((trained[0] / "training_args.json").read_text())
    assert record["arguments"]["model"] == tiny_whisper.name
    assert str(tiny_whisper.parent) not in json.dumps(record)


def test_loss_and_levels_read_back_are_evaluated_from_the_start(trained):
    _, outcome, told = trained
    evaluated = [entry for entry in outcome["history"] if "eval_loss" in entry]
    assert [entry["step"] for entry in evaluated] == [0, 2, 4]
    assert evaluated[-1]["eval_loss"] < evaluated[0]["eval_loss"]
    assert outcome["result"]["clips"] == 3
    assert outcome["result"]["loss"] == evaluated[-1]["eval_loss"]
    assert len(outcome["result"]["captions"]) == 3
    assert [step[:2] for step in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    written = json.loads((trained[0] / "evaluation.json").read_text())
    assert written["result"]["loss"] == outcome["result"]["loss"]


def test_a_trained_whisper_captions_any_clip(trained, tone):
    from modeling_empathic.training.captioner import write_captions

    captions = write_captions(trained[0], [tone, tone, {"array": tone}], batch_size=2)
    assert len(captions) == 3
    assert captions[0] == captions[1] == captions[2]


def test_the_same_seed_gives_the_same_weights_and_another_does_not(trained, settings, tmp_path):
    for seed in (0, 1):
        train_encoder(
            made_clips(6), made_clips(3, 1), tmp_path / str(seed), replace(settings, seed=seed)
        )
    first, same, other = (
        load_file(folder / "model.safetensors")
        for folder in (trained[0], tmp_path / "0", tmp_path / "1")
    )
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize(
    "change",
    [{"bf16": True}, {"gradient_checkpointing": True}, {"accumulate": 2}, {"spec_augment": False}],
    ids=str,
)
def test_every_way_to_train_trains(settings, tmp_path, change):
    outcome = run(replace(settings, steps=4, save_steps=4, **change), tmp_path)
    losses = [entry["eval_loss"] for entry in outcome["history"] if "eval_loss" in entry]
    assert losses[1] < losses[0]


def test_a_stream_is_learned_from(settings, tmp_path):
    clips = made_clips(6).to_iterable_dataset()
    assert run(settings, tmp_path, clips)["result"]["step"] == 4
    with pytest.raises(TrainingError, match="steps is missing"):
        run(replace(settings, steps=None), tmp_path / "other", clips)


def test_clips_that_cannot_be_read_are_counted_not_learned(settings, tmp_path):
    from_list, rows = type(made_clips(1)).from_list, made_clips(6).to_list()
    rows[3]["audio"]["bytes"] = b"no audio"
    outcome = run(replace(settings, steps=6), tmp_path, from_list(rows))
    assert len(outcome["unreadable"]) == 1
    alone = replace(settings, batch_size=1, steps=6)
    assert len(run(alone, tmp_path / "alone", from_list(rows))["unreadable"]) == 1
    assert outcome["result"]["clips"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "nowhere"}, "model nowhere: no such folder, and not a Hub id"),
        ({"window_s": 31}, "window_s=31; .* hears 1 to 30 s"),
        ({"layers": 3}, "layers=3; the encoder of .* has 2"),
        ({"layers": 0}, "layers=0; "),
        ({"batch_size": 0}, "batch_size=0 must be above 0"),
        ({"steps": 0}, "steps=0 must be above 0"),
        ({"steps": None, "epochs": 0.0}, "epochs=0.0 must be above 0"),
        ({"device": "cuda:7"}, "device='cuda:7'; valid: 'auto', 'cpu'"),
        ({"log": "wandb"}, "log='wandb'; valid: 'trackio'"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_arguments_that_cannot_work_are_named(settings, tmp_path, change, message):
    with pytest.raises(TrainingError, match=message):
        run(replace(settings, **change), tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_log_needs_its_package(settings, tmp_path, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "trackio" else found(name, *a)
    )
    with pytest.raises(TrainingError, match="pip install trackio"):
        run(replace(settings, log="trackio"), tmp_path)


def test_an_output_that_exists_is_kept(settings, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(TrainingError, match="exists already"):
        run(settings, tmp_path)


def test_a_model_that_is_no_whisper_is_named(settings, tmp_path, model_folder):
    with pytest.raises(TrainingError, match="is no whole Whisper checkpoint"):
        run(replace(settings, model=str(model_folder)), tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run(settings, tiny_whisper, tmp_path):
    from safetensors.torch import save_file

    broken = shutil.copytree(tiny_whisper, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["model.encoder.conv1.bias"][0] = float("nan")
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        TrainingError, match=r"loss is nan after 0 steps: lower learning_rate=0.001"
    ):
        run(replace(settings, model=str(broken)), tmp_path)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA"), RuntimeError("can't allocate memory")]
)  # fmt: skip
def test_out_of_memory_says_what_to_change(settings, tmp_path, monkeypatch, error):
    from modeling_empathic.training.caption_trainer import CaptionTrainer

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(CaptionTrainer, "training_step", fail)
    with pytest.raises(TrainingError, match="out of memory with batch_size=2: choose a smaller"):
        run(settings, tmp_path)


def test_wrong_clips_are_refused_before_training(settings, tmp_path):
    with pytest.raises(DataError, match="no column 'emotion_scores'"):
        run(settings, tmp_path, made_clips(3).remove_columns("emotion_scores"))
    with pytest.raises(DataError, match="there are no clips"):
        run(settings, tmp_path, made_clips(3).select([]))
