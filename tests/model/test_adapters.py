"""PEFT adapters: what comes back is what was saved, or an error; never random numbers."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from modeling_empathic import EmpathicInsightModel
from modeling_empathic.scoring.loading import load_model
from modeling_empathic.taxonomy import UserError

peft = pytest.importorskip("peft")
HEADS = ["Awe", "Anger"]


@pytest.fixture(scope="module")
def saved(model_folder, tmp_path_factory, features) -> tuple[Path, torch.Tensor]:
    """An adapter of two heads of the tiny model, with these, and the scores that they give."""
    lora = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], modules_to_save=["heads"])
    model = peft.get_peft_model(
        EmpathicInsightModel.from_pretrained(model_folder, heads=HEADS), lora
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        scores = model.eval()(input_features=features).logits
    folder = tmp_path_factory.mktemp("peft") / "adapter"
    model.save_pretrained(folder)
    return folder, scores


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved[0], tmp_path / "adapter"))


@pytest.mark.parametrize("loader", [AutoModel, EmpathicInsightModel])
def test_an_adapter_comes_back_with_the_heads_that_it_was_trained_beside(
    saved, folder, loader, features
):
    model = loader.from_pretrained(folder, heads=HEADS)
    with torch.no_grad():
        torch.testing.assert_close(model(features).logits, saved[1])


def test_other_heads_than_its_own_are_said_to_be_others(folder):
    for heads in ({}, {"heads": ["Awe"]}):
        with pytest.raises(OSError, match=r"trained beside some heads.*heads=\[\.\.\.\]"):
            AutoModel.from_pretrained(folder, **heads)


@pytest.mark.parametrize("damage", ["a bit of a name", "missing", "extra", "size", "cut"])
def test_an_adapter_whose_tensors_are_not_as_it_says_is_an_error(folder, damage):
    file = folder / "adapter_model.safetensors"
    content, tensors = file.read_bytes(), load_file(file)
    name = next(key for key in tensors if "q_proj.lora_A" in key)
    if damage == "a bit of a name":
        file.write_bytes(content.replace(b"q_proj.lora_A", b"q_prnj.lora_A", 1))
    elif damage == "cut":
        file.write_bytes(content[:-10])
    else:
        changed = {
            "missing": {key: value for key, value in tensors.items() if key != name},
            "extra": tensors | {name.replace("q_proj", "o_proj"): tensors[name].clone()},
            "size": tensors | {name: tensors[name][:1].clone()},
        }[damage]
        save_file(changed, file, {"format": "pt"})
    words = "is damaged" if damage == "cut" else r"not those that its adapter_config\.json says"
    with pytest.raises(OSError, match=words):
        AutoModel.from_pretrained(folder, heads=HEADS)


def test_a_command_says_that_an_adapter_is_to_be_merged(folder):
    with pytest.raises(UserError, match="a PEFT adapter; merge it into its model first"):
        load_model(str(folder), revision=None, heads=[], device="cpu", dtype="auto")
