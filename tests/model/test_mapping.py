"""Full heads are mapped as one matrix, not copied; where that cannot be, they are copied."""

import gc
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from modeling_empathic import EmpathicInsightModel
from modeling_empathic.mapping_empathic import map_rows
from tests.support.tiny import MIXED_HEADS, tiny_model

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files are mapped on Linux only")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A model whose first layers are whole pages, as those of the real heads are."""
    tiny_model(projection_dim=64).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def load(folder: Path, **kwargs) -> EmpathicInsightModel:
    return EmpathicInsightModel.from_pretrained(folder, **kwargs)


def mapped_shards(folder: Path) -> list[str]:
    """Names of the weight files mapped into this process."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    names = {line.split(maxsplit=5)[-1] for line in lines if str(folder) in line}
    return sorted(Path(name).name for name in names)


@torch.no_grad()
def test_full_heads_are_mapped_and_score_the_same(folder, features):
    model = load(folder)
    assert mapped_shards(folder) == [f"model-0000{n}-of-00003.safetensors" for n in (2, 3)]
    assert torch.equal(model(features).logits, tiny_model(projection_dim=64)(features).logits)


def test_a_subset_in_another_order_maps_its_own_files(folder):
    names = [head["name"] for head in MIXED_HEADS if "kind" not in head][::-1]
    whole, turned = load(folder), load(folder, heads=names)
    weight = whole.heads["full"].proj.weight
    assert torch.equal(turned.heads["full"].proj.weight, torch.cat(weight.split(64)[::-1]))
    del whole, weight, turned
    gc.collect()
    one = load(folder, heads=names[:1])
    assert mapped_shards(folder) == ["model-00003-of-00003.safetensors"]
    assert one.heads["full"].proj.weight.shape[0] == 64


def test_the_mapping_ends_with_the_model(folder):
    model = load(folder)
    assert mapped_shards(folder)
    del model
    gc.collect()
    assert mapped_shards(folder) == []


def test_another_type_is_copied(folder):
    model = load(folder, dtype="bfloat16")
    assert mapped_shards(folder) == []
    assert torch.equal(
        model.heads["full"].proj.weight, load(folder).heads["full"].proj.weight.bfloat16()
    )


def test_files_of_the_stock_writer_are_copied(folder, features):
    for file in folder.glob("*.safetensors"):
        save_file(load_file(file), file, metadata={"format": "pt"})
    model = load(folder)
    assert mapped_shards(folder) == []
    assert torch.equal(
        model.heads["full"].proj.weight, tiny_model(projection_dim=64).heads["full"].proj.weight
    )


def test_our_files_read_with_the_stock_reader(folder):
    tensors = load_file(folder / "model-00002-of-00003.safetensors")
    assert torch.equal(
        tensors["heads.Anger.proj.weight"],
        tiny_model(projection_dim=64).heads["full"].proj.weight[:64],
    )


def test_training_a_mapped_model_leaves_the_files_alone(folder, features):
    before = {file: file.read_bytes() for file in folder.glob("*.safetensors")}
    model = load(folder).train()
    model(features, labels=torch.ones(len(features), 4)).loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert not torch.equal(model.heads["full"].proj.weight, load(folder).heads["full"].proj.weight)
    assert all(file.read_bytes() == content for file, content in before.items())


def test_a_mapped_model_can_be_saved_over_its_own_folder(folder):
    model = load(folder)
    weight = model.heads["full"].proj.weight
    with torch.no_grad():
        weight.mul_(2)
    expected = weight.clone()
    model.save_pretrained(folder)
    assert torch.equal(weight, expected)
    assert torch.equal(load(folder).heads["full"].proj.weight, expected)


def test_a_truncated_file_is_an_error_and_not_a_crash(folder):
    file = folder / "model-00002-of-00003.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(OSError, match="model-00002-of-00003"):
        load(folder)


def test_what_is_not_on_pages_or_not_there_is_not_mapped(folder):
    file = str(folder / "model-00002-of-00003.safetensors")
    key = "heads.Anger.proj.weight"
    shape = tuple(load_file(file)[key].shape)
    assert map_rows([(file, key)], shape, torch.float32) is not None
    assert map_rows([(file, key)], (1, shape[1]), torch.float32) is None
    assert map_rows([(file, "other")], shape, torch.float32) is None
    assert map_rows([], shape, torch.float32) is None


def test_a_copied_folder_maps_as_well(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    load(folder)
    model = load(copy)
    assert len(mapped_shards(Path(copy))) == 2
    assert model.heads["full"].proj.weight.isfinite().all()
