"""Heads in int8: half of the bytes, nearly the same scores, and a checkpoint like any other."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModel

from emonet_voice import int8_card as module
from emonet_voice.hub.cards import front_matter
from emonet_voice.hub.quantize import quantize
from modeling_empathic import EmpathicInsightConfig, EmpathicInsightModel, HeadError
from modeling_empathic.int8_empathic import Int8Linear, quantized
from modeling_empathic.scoring.forward import score_windows
from modeling_empathic.scoring.lean import read_config, read_lean
from tests.support.command import run_command
from tests.support.public_heads import POOLED, save_head


@pytest.fixture(scope="session")
def int8_folder(model_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8") / "model"
    quantize(model_folder, folder)
    return folder


def test_no_weight_moves_by_more_than_half_a_step():
    torch.manual_seed(0)
    weight = torch.randn(5, 1000) * torch.tensor([1e-6, 1e-3, 1.0, 50.0, 0.0])[:, None]
    rows, scale = quantized(weight)
    assert rows.dtype == torch.int8 and rows.abs().max() == 127
    assert ((rows * scale[:, None] - weight).abs() <= scale[:, None] * 0.5001).all()
    assert torch.equal(scale, scale.bfloat16().float())  # bfloat16 holds the scales as they are


def test_weights_that_are_not_finite_are_refused():
    with pytest.raises(HeadError, match="not finite"):
        quantized(torch.tensor([[1.0, float("nan")]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_packed_product_is_that_of_the_widened_weights(dtype, monkeypatch):
    torch.manual_seed(0)
    layer = Int8Linear(640, 130)
    layer.weight.data, layer.scale.data = quantized(torch.randn(130, 640))
    inputs = torch.randn(3, 640).to(dtype)
    exact = inputs.double() @ (layer.weight.double() * layer.scale.double()[:, None]).T
    packed = layer(inputs)
    monkeypatch.delattr(torch, "_weight_int8pack_mm")
    widened = layer(inputs)
    for product in (packed, widened):
        assert product.dtype == dtype
        torch.testing.assert_close(product.double(), exact, rtol=0.01, atol=0.15)


def test_gradients_pass_through_to_what_is_heard():
    layer = Int8Linear(8, 4)
    layer.weight.data.fill_(2)
    inputs = torch.ones(1, 8, requires_grad=True)
    layer(inputs).sum().backward()
    assert torch.equal(inputs.grad, torch.full((1, 8), 8.0))


@pytest.mark.parametrize("auto", [EmpathicInsightModel, AutoModel])
@pytest.mark.parametrize("dtype", ["auto", "bfloat16", "mixed"])
def test_scores_stay_near_those_of_float32(auto, dtype, int8_folder, model_folder, features):
    exact = score_windows(EmpathicInsightModel.from_pretrained(model_folder), features)
    model = auto.from_pretrained(int8_folder, dtype=dtype)
    assert model.heads["full"].proj.weight.dtype == torch.int8
    error = np.abs(score_windows(model, features) - exact)
    assert 0 < error.max() < 0.05 * exact.std(0).max() + 0.05


def test_saved_and_loaded_it_stays_as_it_was_to_the_byte(int8_folder, tmp_path):
    AutoModel.from_pretrained(int8_folder).save_pretrained(tmp_path)
    files = sorted(file.name for file in int8_folder.glob("*.safetensors"))
    assert files
    for name in (*files, "config.json", "int8_empathic.py"):
        assert (tmp_path / name).read_bytes() == (int8_folder / name).read_bytes()


def test_the_quick_loader_gives_the_same_scores(int8_folder, features):
    config = read_config(int8_folder)
    assert config is not None
    found = read_lean(int8_folder, config, ["Anger"], "float32")
    whole = EmpathicInsightModel.from_pretrained(int8_folder, heads=["Anger"]).eval()
    assert np.array_equal(score_windows(found[0], features), score_windows(whole, features))


def test_float_weights_under_an_int8_configuration_are_an_error(model_folder, tmp_path):
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    config = json.loads((folder / "config.json").read_text()) | {"head_quantization": "int8"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(HeadError, match=r"proj\.scale|type F32"):
        EmpathicInsightModel.from_pretrained(folder)


def test_new_heads_are_refused(int8_folder):
    with pytest.raises(HeadError, match="takes no new heads"):
        AutoModel.from_pretrained(int8_folder, num_labels=2, ignore_mismatched_sizes=True)


DRIFT = {
    "machine": {"date": "2026-11-26", "cpu": "a processor"}, "clips": 7,
    "trained": {"clips": 5, "encoder": [6, 768_000]},
    "heads": {"Anger": {"spearman": 0.99876, "max_error": 0.0123, "mean_error": 0.00123}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("drift", "said"),
    [(DRIFT, "| Anger | 0.99876 | 0.0123 | 0.00123 |"), ({}, "Not measured yet")],
)
def test_a_card_states_the_drift_of_every_measured_head(drift, said, monkeypatch):
    monkeypatch.setattr(module, "measured_drift", lambda: drift)
    config = EmpathicInsightConfig(heads=["Anger"], head_quantization="int8")
    card = module.card("mine", config)
    assert said in card and "# mine" in card and "int8" in front_matter(card, "card")[0]["tags"]


def test_the_command_quantises_a_folder_and_the_public_pickles(
    model_folder, whisper, tmp_path, features
):
    code, out, _ = run_command("convert", model_folder, tmp_path / "a", "--quantize", "int8")
    assert code == 0 and "GB of int8" in out
    release = tmp_path / "release"
    release.mkdir()
    save_head(release, "Anger", seed=1)
    save_head(release, "score_speech_quality", seed=3, n_in=POOLED)
    options = ["--encoder", whisper, "--heads", "anger,speech quality"]
    assert run_command("convert", release, tmp_path / "b", *options)[0] == 0
    assert run_command("convert", release, tmp_path / "c", *options, "--quantize", "int8")[0] == 0
    exact, near = (
        score_windows(EmpathicInsightModel.from_pretrained(tmp_path / name), features)
        for name in "bc"
    )
    assert 0 < np.abs(exact - near)[:, 0].max() < 0.02
    assert np.array_equal(exact[:, 1], near[:, 1])  # pooled heads are as they were


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--quantize", "int4"], "--quantize int4: choose int8"),
        (["--quantize", "int8"], "is int8 already"),
        (["--to", "onnx"], "has int8 heads: export the model that it was made of"),
        *(
            (["--quantize", "int8", *ignored], "for the public heads")
            for ignored in (
                ["--dtype", "bfloat16"],
                ["--encoder", "openai/whisper-small"],
                ["--revision", "main"],
                ["--allow-unknown"],
            )
        ),
    ],
)
def test_what_cannot_be_quantised_is_one_line(arguments, error, int8_folder, tmp_path):
    code, _, err = run_command("convert", int8_folder, tmp_path / "out", *arguments)
    assert code == 2 and error in err
