"""A checkpoint loads whole, or not at all with the reason; subsets read only their bytes."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from modeling_empathic import EmpathicInsightConfig, EmpathicInsightModel, HeadError
from modeling_empathic.mapping_empathic import save_mappable
from tests.support.tiny import tiny_model


@pytest.fixture
def broken(model_folder, tmp_path) -> Path:
    """A copy of the tiny model to break."""
    return Path(shutil.copytree(model_folder, tmp_path / "broken"))


def edit_index(folder: Path, change) -> None:
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    change(index["weight_map"])
    path.write_text(json.dumps(index))


def edit_shard(folder: Path, number: int, change) -> None:
    path = folder / f"model-{number:05d}-of-00003.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def load(folder):
    return EmpathicInsightModel.from_pretrained(folder)


@torch.no_grad()
def test_a_saved_model_scores_the_same_when_loaded(model_folder, features):
    model, info = EmpathicInsightModel.from_pretrained(model_folder, output_loading_info=True)
    assert not any(info.values())
    assert torch.equal(model(features).logits, tiny_model()(features).logits)
    assert not model.training


def test_save_load_save_gives_the_same_bytes(model_folder, tmp_path):
    load(model_folder).save_pretrained(tmp_path)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert "model-00003-of-00003.safetensors" in written
    for name in written:
        assert (tmp_path / name).read_bytes() == (model_folder / name).read_bytes(), name


def test_every_buffer_and_parameter_survives_the_meta_device(model_folder):
    loaded = dict(load(model_folder).state_dict())
    for name, tensor in tiny_model().state_dict().items():
        assert torch.equal(loaded[name], tensor), name
    positions = loaded["encoder.embed_positions.weight"]
    assert positions.abs().sum() > 0


def test_each_full_head_is_a_shard_of_its_own(model_folder):
    index = json.loads((model_folder / "model.safetensors.index.json").read_text())
    files = {key: file for key, file in index["weight_map"].items() if ".proj.weight" in key}
    assert files == {
        "heads.Anger.proj.weight": "model-00002-of-00003.safetensors",
        "heads.Pleasure/Ecstasy.proj.weight": "model-00003-of-00003.safetensors",
        "heads.Speech Quality.proj.weight": "model-00001-of-00003.safetensors",
        "heads.Awe.proj.weight": "model-00001-of-00003.safetensors",
    }


def test_pooled_heads_alone_make_one_file(tmp_path):
    tiny_model([{"name": "Awe", "kind": "pooled"}]).save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.glob("model*.safetensors*")] == ["model.safetensors"]
    assert load(tmp_path).config.head_names == ["Awe"]


def test_saving_fewer_heads_over_a_folder_leaves_no_old_shard(broken):
    model = EmpathicInsightModel.from_pretrained(broken, heads=["Anger"])
    model.save_pretrained(broken)
    assert len(list(broken.glob("model-*.safetensors"))) == 2
    assert load(broken).config.head_names == ["Anger"]


@torch.no_grad()
def test_a_subset_of_heads_scores_as_the_whole(model_folder, features):
    whole = load(model_folder)(features).logits
    two = EmpathicInsightModel.from_pretrained(model_folder, heads=["awe", "ANGER"])
    assert two.config.head_names == ["Awe", "Anger"]
    torch.testing.assert_close(two(features).logits, whole[:, [3, 0]])


def test_a_subset_opens_only_the_shards_it_needs(model_folder, tmp_path):
    """With the other shards gone it still loads: nothing of them is read."""
    folder = Path(shutil.copytree(model_folder, tmp_path / "part"))
    (folder / "model-00003-of-00003.safetensors").unlink()
    model = EmpathicInsightModel.from_pretrained(folder, heads=["Anger", "Awe"])
    assert model.config.head_names == ["Anger", "Awe"]
    with pytest.raises(OSError, match="model-00003-of-00003"):
        load(folder)


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux's memory maps")
def test_a_subset_from_one_file_maps_only_its_own_bytes(tmp_path):
    """100 pooled heads share one file; reading two of them touches about 2 % of its pages."""
    import subprocess
    import sys

    heads = [{"name": f"head {i}", "kind": "pooled"} for i in range(100)]
    encoder = {"d_model": 64, "encoder_layers": 1, "encoder_attention_heads": 2,
               "encoder_ffn_dim": 16, "max_source_positions": 10}  # fmt: skip
    config = EmpathicInsightConfig(encoder_config=encoder, heads=heads, projection_dim=128)
    EmpathicInsightModel(config).save_pretrained(tmp_path)
    size = (tmp_path / "model.safetensors").stat().st_size
    program = (
        "import re, sys, pathlib\n"
        "from modeling_empathic import EmpathicInsightModel\n"
        "import modeling_empathic.checkpoint_empathic as checkpoint\n"
        "mapped = []\n"
        "class Watched:\n"
        "    def __init__(self, *where, opened=checkpoint.safe_open, **how):\n"
        "        self.file = opened(*where, **how)\n"
        "    def __enter__(self):\n"
        "        return self.file.__enter__()\n"
        "    def __exit__(self, *error):\n"
        "        lines = iter(pathlib.Path('/proc/self/smaps').read_text().splitlines())\n"
        "        for line in lines:\n"
        "            if 'model.safetensors' in line:\n"
        "                mapped.append(next(int(l.split()[1]) for l in lines if l[:4] == 'Rss:'))\n"
        "        return self.file.__exit__(*error)\n"
        "checkpoint.safe_open = Watched\n"
        "for n in (2, 100):\n"
        "    mapped.clear()\n"
        "    names = [f'head {i}' for i in range(n)]\n"
        "    EmpathicInsightModel.from_pretrained(sys.argv[1], heads=names)\n"
        "    print(1024 * max(mapped))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)],
                          capture_output=True, text=True, check=True)  # fmt: skip
    few, many = map(int, done.stdout.split()[-2:])
    assert many > 0.9 * size
    assert few < 0.25 * size


def test_auto_classes_take_a_subset_too(model_folder):
    from transformers import AutoConfig, AutoModel

    assert AutoModel.from_pretrained(model_folder, heads=["Awe"]).config.head_names == ["Awe"]
    assert AutoConfig.from_pretrained(model_folder, heads=["Awe"]).head_names == ["Awe"]


def test_a_configuration_of_a_subset_loads_that_subset(model_folder):
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(model_folder, heads=["Awe"])
    assert AutoModel.from_pretrained(model_folder, config=config).config.head_names == ["Awe"]


def test_settings_can_be_overridden_when_loading(model_folder):
    from transformers import AutoModel

    for load_with in (EmpathicInsightModel.from_pretrained, AutoModel.from_pretrained):
        model = load_with(model_folder, dropouts=[0.0, 0.2, 0.2, 0.2])
        assert model.heads["full"].dropouts == [0.0, 0.2, 0.2, 0.2]


def test_a_model_can_be_loaded_in_inference_mode_and_trained_afterwards(model_folder, features):
    with torch.inference_mode():
        model = load(model_folder)
    model(features, labels=torch.ones(3, 4)).loss.backward()
    assert model.heads["full"].proj.weight.grad is not None


def test_what_this_loader_does_not_know_is_refused(model_folder):
    for wrong, message in (
        ({"variant": "fp16"}, "variants"),
        ({"dtype": "fp16"}, "dtype 'fp16' is not"),
        ({"heads": "Anger"}, "heads is a list"),
        ({"use_safetensors": False}, "pickles can run code"),
    ):
        with pytest.raises(ValueError, match=message):
            EmpathicInsightModel.from_pretrained(model_folder, **wrong)


def test_a_configuration_passed_in_is_not_changed(model_folder):
    config = EmpathicInsightConfig.from_pretrained(model_folder)
    before = config.to_dict()
    EmpathicInsightModel.from_pretrained(
        model_folder, config=config, heads=["Awe"], attn_implementation="eager"
    )
    assert config.to_dict() == before


def test_a_save_that_fails_leaves_the_old_weights(broken, monkeypatch):
    model = load(broken)
    state_dict = model.state_dict()
    state_dict.pop("heads.full.mlp.3.bias")
    with pytest.raises(HeadError, match="not the model's"):
        model.save_pretrained(broken, state_dict=state_dict)
    written = []

    def full_disk(tensors, path, last):
        written.append(path)
        if len(written) == 2:
            raise OSError("No space left on device")
        save_mappable(tensors, path, last)

    model.heads["full"].proj.weight.data.zero_()
    monkeypatch.setattr("modeling_empathic.saving_empathic.save_mappable", full_disk)
    with pytest.raises(OSError, match="No space left"):
        model.save_pretrained(broken)
    assert load(broken).heads["full"].proj.weight.abs().sum() > 0
    assert not (broken / ".writing").exists()


def test_saving_leaves_files_of_other_names_alone(broken):
    (broken / "model_ema.safetensors").write_bytes(b"mine")
    load(broken).save_pretrained(broken)
    assert (broken / "model_ema.safetensors").read_bytes() == b"mine"


def test_an_unknown_head_is_an_error_that_lists_the_heads(model_folder):
    with pytest.raises(HeadError, match=r"no head named 'Pain'; there are Anger, "):
        EmpathicInsightModel.from_pretrained(model_folder, heads=["Pain"])


def test_a_missing_head_is_named(broken):
    edit_index(broken, lambda files: [files.pop(key) for key in list(files) if ".Anger." in key])
    with pytest.raises(HeadError, match="lack Anger"):
        load(broken)


def test_a_head_missing_from_its_shard_is_named(broken):
    edit_shard(broken, 2, lambda tensors: tensors.pop("heads.Anger.mlp.2.bias"))
    with pytest.raises(HeadError, match=r"00002-of-00003.* lacks 'heads\.Anger\.mlp\.2\.bias'"):
        load(broken)


def test_one_missing_tensor_of_a_head_is_named(broken):
    edit_index(broken, lambda files: files.pop("heads.Awe.mlp.0.weight"))
    with pytest.raises(HeadError, match=r"heads\.Awe\.mlp\.0\.weight"):
        load(broken)


def test_an_extra_head_is_named(broken):
    config = json.loads((broken / "config.json").read_text())
    config["heads"] = [head for head in config["heads"] if head["name"] != "Awe"]
    (broken / "config.json").write_text(json.dumps(config))
    with pytest.raises(HeadError, match="hold Awe, unknown to the configuration"):
        load(broken)


def test_a_head_twice_in_the_index_is_named(broken):
    path = broken / "model.safetensors.index.json"
    line = '    "heads.Awe.proj.bias": "model-00001-of-00003.safetensors",\n'
    assert line in path.read_text()
    path.write_text(path.read_text().replace(line, line * 2))
    with pytest.raises(HeadError, match=r"names 'heads\.Awe\.proj\.bias' twice"):
        load(broken)


def test_a_head_of_the_wrong_shape_is_named(broken):
    def widen(tensors):
        tensors["heads.Anger.proj.weight"] = torch.zeros(8, 99)

    edit_shard(broken, 2, widen)
    with pytest.raises(HeadError, match=r"head 'Anger'.*\(8, 99\).*\(8, 12000\)"):
        load(broken)


def test_a_tensor_that_belongs_to_nothing_is_named(broken):
    edit_index(broken, lambda files: files.update(surprise="model-00001-of-00003.safetensors"))
    with pytest.raises(HeadError, match="unknown tensor 'surprise'"):
        load(broken)


def test_a_missing_encoder_tensor_is_an_error(broken):
    edit_index(broken, lambda files: files.pop("encoder.conv1.weight"))
    with pytest.raises(OSError, match=r"encoder\.conv1\.weight"):
        load(broken)


def test_a_folder_without_weights_says_so(broken):
    for path in broken.glob("model*.safetensors*"):
        path.unlink()
    with pytest.raises(OSError, match=r"holds no model\.safetensors"):
        load(broken)


def test_a_pickle_alone_is_refused_and_does_not_run(broken, tmp_path):
    import pickle

    class Payload:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path / 'ran'}",))

    for path in broken.glob("model*.safetensors*"):
        path.unlink()
    (broken / "pytorch_model.bin").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(OSError, match=r"pytorch_model\.bin is a pickle"):
        load(broken)
    assert not (tmp_path / "ran").exists()


def test_a_truncated_shard_is_named(broken):
    path = broken / "model-00002-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(OSError, match=r"00002-of-00003.* is not a whole safetensors file"):
        load(broken)


@pytest.mark.parametrize(
    "content",
    [b"", b"short", b"\xff" * 64, b"\x08\x00\x00\x00\x00\x00\x00\x00not json"],
    ids=["empty", "short", "huge header", "not json"],
)
def test_a_file_that_is_no_safetensors_is_named(broken, content):
    (broken / "model-00002-of-00003.safetensors").write_bytes(content)
    with pytest.raises(OSError, match="00002-of-00003"):
        load(broken)


@pytest.mark.parametrize(
    "file",
    ["pytorch_model.bin", "../model.safetensors", "/etc/passwd", "C:\\x.safetensors",
     "\\\\host\\share\\x.safetensors", "a/b.safetensors", ".hidden.safetensors", 3],
)  # fmt: skip
def test_an_index_cannot_point_elsewhere(broken, file):
    edit_index(broken, lambda files: files.update({"heads.Awe.proj.bias": file}))
    with pytest.raises(OSError, match=r"names .*; only"):
        load(broken)


def test_an_index_that_is_not_json_is_named(broken):
    (broken / "model.safetensors.index.json").write_text("{")
    with pytest.raises(OSError, match="is not a safetensors index"):
        load(broken)


def test_a_folder_without_a_configuration_says_so(broken):
    (broken / "config.json").unlink()
    with pytest.raises(OSError, match=r"config\.json"):
        load(broken)


def test_loading_a_small_model_draws_no_bar(model_folder, capsys):
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.enable_progress_bar()
    try:
        EmpathicInsightModel.from_pretrained(model_folder)
        assert logging.is_progress_bar_enabled()
    finally:
        if not shown:
            logging.disable_progress_bar()
    assert capsys.readouterr().err == ""
