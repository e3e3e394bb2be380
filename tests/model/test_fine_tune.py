"""What the README says of fine-tuning runs, and learns: finite in float32, the loss falling."""

import math
import re

import pytest
import torch
from transformers import Trainer, TrainingArguments

from modeling_empathic import NANO, EmpathicInsightModel, load_audio
from modeling_empathic.frontend_empathic import front_end
from tests.support.places import REPOSITORY
from tests.support.tiny import tiny_model

SECTION = (REPOSITORY / "README.md").read_text().split("## Fine-tune")[1].split("\n## ")[0]
TRAINER, LORA = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


def losses(trainer):
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]


def assert_learns(values):
    assert len(values) == 20
    assert all(math.isfinite(value) for value in values)
    assert sum(values[-5:]) < 0.8 * sum(values[:5])


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a block as it stands, which must print something; returns its variables."""

    def typed(code):
        monkeypatch.chdir(REPOSITORY)
        names = {}
        exec(code, names)
        assert capsys.readouterr().out.strip()
        return names

    return typed


def trained(model, data, folder, rate=1e-3):
    settings = TrainingArguments(
        folder, max_steps=20, per_device_train_batch_size=4, learning_rate=rate, logging_steps=1,
        report_to=[], save_strategy="no", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(model, settings, train_dataset=data)
    trainer.train()
    return trainer


def test_new_labels_on_nano_learn_and_are_saved(run):
    names = run(TRAINER)
    assert_learns(losses(names["trainer"]))
    saved = EmpathicInsightModel.from_pretrained(names["settings"].output_dir)
    assert saved.config.id2label == {0: "calm", 1: "upset"}
    assert saved.dtype == torch.float32
    features = torch.stack([row["input_features"] for row in names["data"]])
    with torch.no_grad():
        assert saved(features).logits.argmax(1).tolist() == [0, 0, 1, 1]


def test_an_adapter_with_heads_learns_and_comes_back(run, tmp_path):
    pytest.importorskip("peft")
    from transformers import AutoModel

    model = run(LORA)["model"]
    extractor = front_end(model.config)
    paths = sorted((REPOSITORY / "examples/clips").glob("*.flac"))
    targets = torch.rand(len(paths), 2, generator=torch.Generator().manual_seed(0)) * 4
    data = [
        {
            "input_features": extractor(
                load_audio(path), sampling_rate=16_000, return_tensors="pt"
            ).input_features[0],
            "labels": target,
        }
        for path, target in zip(paths, targets, strict=True)
    ]
    assert_learns(losses(trained(model, data, tmp_path / "run", 5e-3)))
    model.save_pretrained(tmp_path / "adapter")
    again = AutoModel.from_pretrained(tmp_path / "adapter", heads=["Anger", "Sadness"])
    features = torch.stack([row["input_features"] for row in data[:2]])
    with torch.no_grad():
        torch.testing.assert_close(again(features).logits, model.eval()(features).logits)


@pytest.mark.real
def test_seven_classes_on_real_clips_learn(shared, tmp_path):
    torch.manual_seed(0)
    letters = dict(enumerate("WLEAFTN"))  # EmoDB's own names of its classes, in its file names
    model = EmpathicInsightModel.from_pretrained(
        NANO, num_labels=7, id2label=letters, ignore_mismatched_sizes=True, dtype=torch.float32
    )
    model.encoder.requires_grad_(False)
    extractor = front_end(model.config)
    data = [
        {
            "input_features": extractor(
                load_audio(path), sampling_rate=16_000, return_tensors="pt"
            ).input_features[0],
            "labels": "WLEAFTN".index(path.stem[5]),
        }
        for path in sorted((shared / "data" / "emodb").glob("03*.flac"))[:8]
    ]
    values = losses(trained(model, data, tmp_path, 1e-3))
    assert all(math.isfinite(value) for value in values)
    assert sum(values[-5:]) < 0.9 * sum(values[:5])


def test_half_precision_heads_that_enter_training_say_so_once(features):
    model = tiny_model().to(torch.bfloat16).train()
    with pytest.warns(UserWarning, match=r"dtype=torch\.float32") as caught:
        model(features, labels=torch.ones(3, 4))
        model(features, labels=torch.ones(3, 4))
    assert len([w for w in caught if "enter training" in str(w.message)]) == 1


def test_float32_heads_enter_training_without_a_word(features, recwarn):
    tiny_model().train()(features, labels=torch.ones(3, 4))
    assert not [w for w in recwarn if "enter training" in str(w.message)]
