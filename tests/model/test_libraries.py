"""The calls of today's libraries that quantise, adapt, save and export; slow, and skipped without.

Tried with torch 2.13.0, transformers 5.24.0, accelerate 1.15.0, peft 0.21.2, torchao 0.18.0,
onnx 1.23.2, onnxscript 0.7.2 and onnxruntime 1.32.0.
"""

import pytest
import torch

from modeling_empathic import EmpathicInsightConfig, EmpathicInsightModel
from tests.support.tiny import tiny_model

pytestmark = pytest.mark.slow


@torch.no_grad()
def test_torchao_quantises_while_loading(model_folder, features):
    pytest.importorskip("torchao")
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import TorchAoConfig

    model = EmpathicInsightModel.from_pretrained(
        model_folder, quantization_config=TorchAoConfig(Int8WeightOnlyConfig())
    )
    assert "Int8" in type(model.encoder.layers[0].fc1.weight).__name__
    torch.testing.assert_close(
        model(features).logits, tiny_model()(features).logits, atol=0.02, rtol=0.05
    )


def test_peft_trains_heads_beside_an_adapter_and_merges_both(model_folder, tmp_path, features):
    peft = pytest.importorskip("peft")
    lora = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], modules_to_save=["heads"])
    model = peft.get_peft_model(EmpathicInsightModel.from_pretrained(model_folder), lora).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    for _ in range(3):
        model(input_features=features, labels=torch.ones(3, 4)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval().save_pretrained(tmp_path / "adapter")
    with torch.no_grad():
        expected = model(input_features=features).logits
        assert (expected - tiny_model()(features).logits).abs().max() > 1e-3
        again = EmpathicInsightModel.from_pretrained(tmp_path / "adapter")
        torch.testing.assert_close(again(features).logits, expected)
        model.merge_and_unload().save_pretrained(tmp_path / "merged")
        merged = EmpathicInsightModel.from_pretrained(tmp_path / "merged")
        torch.testing.assert_close(merged(features).logits, expected)


@torch.no_grad()
@pytest.mark.parametrize("device_map", [None, "auto", {"": "cpu"}])
def test_what_accelerate_saves_is_read_by_accelerate_and_by_us(tmp_path, features, device_map):
    accelerate = pytest.importorskip("accelerate")
    model = tiny_model()
    accelerate.Accelerator(cpu=True).save_model(model, tmp_path)
    model.config.save_pretrained(tmp_path)
    expected = model(features).logits
    ours = EmpathicInsightModel.from_pretrained(tmp_path)
    torch.testing.assert_close(ours(features).logits, expected)
    with accelerate.init_empty_weights(include_buffers=False):
        empty = EmpathicInsightModel(EmpathicInsightConfig.from_pretrained(tmp_path))
    if device_map is None:
        empty.to_empty(device="cpu")
    theirs = accelerate.load_checkpoint_and_dispatch(empty, str(tmp_path), device_map=device_map)
    torch.testing.assert_close(theirs.eval()(features).logits, expected)


@torch.no_grad()
def test_accelerate_loads_what_we_save(tmp_path, features):
    """Without a map of devices: with one it looks for parameters by their names on disk."""
    accelerate = pytest.importorskip("accelerate")
    model = tiny_model()
    model.save_pretrained(tmp_path)
    theirs = accelerate.load_checkpoint_and_dispatch(
        EmpathicInsightModel(model.config), str(tmp_path)
    )
    torch.testing.assert_close(theirs.eval()(features).logits, model(features).logits)


@torch.no_grad()
def test_torch_export_gives_the_same_scores(features):
    model = tiny_model()
    program = torch.export.export(model, (features,))
    torch.testing.assert_close(program.module()(features).logits, model(features).logits)


@torch.no_grad()
def test_onnx_gives_the_same_scores_under_the_name_logits(tmp_path, features):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = tiny_model()
    program = torch.onnx.export(
        model, (features,), dynamo=True, output_names=["logits"], verbose=False
    )
    program.save(tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    (scores,) = session.run(["logits"], {"input_features": features.numpy()})
    torch.testing.assert_close(torch.from_numpy(scores), model(features).logits)
