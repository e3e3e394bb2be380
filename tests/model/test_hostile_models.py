"""A model folder from anywhere loads as it says it is, or ends in one line that names the fault."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import WhisperFeatureExtractor

from modeling_empathic import EmpathicInsightConfig, HeadError
from modeling_empathic.configuration_empathic import RESERVED_NAMES
from modeling_empathic.frontend_empathic import FrontEndError, check_front_end, front_end
from modeling_empathic.scoring.file import score_schema
from modeling_empathic.scoring.lean import read_config
from modeling_empathic.scoring.loading import load_model
from modeling_empathic.taxonomy import UserError
from tests.support.tiny import MIXED_HEADS, TINY_ENCODER


@pytest.fixture
def folder(model_folder, tmp_path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


def load(folder):
    return load_model(str(folder), revision=None, heads=[], device="cpu", dtype="auto")


def edit(folder, file, change):
    content = json.loads((folder / file).read_text())
    change(content)
    (folder / file).write_text(json.dumps(content))


def assert_one_line(folder, match):
    with pytest.raises(UserError, match=match) as caught:
        load(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n_fft", 512), ("n_fft", 10**9), ("hop_length", 200), ("dither", 0.1), ("dither", None),
        ("padding_value", 1.0), ("padding_side", "left"), ("feature_size", 128),
        ("sampling_rate", 8_000), ("chunk_length", 10), ("chunk_length", float("nan")),
        ("feature_extractor_type", "ClapFeatureExtractor"),
    ],
)  # fmt: skip
def test_another_front_end_is_refused_by_name(folder, key, value):
    edit(folder, "preprocessor_config.json", lambda content: content.update({key: value}))
    assert_one_line(folder, f"{key} is|{value!r}")


def test_the_pipeline_refuses_another_front_end_too(model_folder):
    from transformers import pipeline

    with pytest.raises(FrontEndError, match="dither"):
        pipeline(
            "voice-emotion",
            model=str(model_folder),
            feature_extractor=WhisperFeatureExtractor(dither=0.5),
        )


def test_the_front_end_of_a_model_is_the_stock_extractor():
    config = EmpathicInsightConfig(heads=["Anger"])
    stock = WhisperFeatureExtractor()
    assert front_end(config).to_dict() == stock.to_dict()
    check_front_end(stock.to_dict(), config)
    wide = EmpathicInsightConfig(encoder_config={"num_mel_bins": 128}, heads=["Anger"])
    assert front_end(wide).mel_filters.shape == (201, 128)


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("heads", [{"name": f"head {i}"} for i in range(100_000)], "100,000 heads"),
        ("heads", [], "no heads"),
        ("hidden_dims", [4] * 1_000, "hidden_dims"),
        ("projection_dim", 10**9, "projection_dim"),
        ("dropouts", [2.0] * 4, "below 1"),
        ("encoder_config", [], "."),
    ],
)
def test_sizes_that_no_model_has_are_refused_before_it_is_built(folder, key, value, match):
    edit(folder, "config.json", lambda content: content.update({key: value}))
    assert_one_line(folder, match)


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("encoder_layers", 10**7, "encoder_layers is 10000000"),
        ("encoder_layers", 0, "encoder_layers is 0"),
        ("encoder_layers", 3, r"differ in encoder\.layers\.2"),
        ("encoder_ffn_dim", 3, "the encoder: .* has shape"),
        ("encoder_ffn_dim", 10**12, "encoder_ffn_dim"),
        ("encoder_attention_heads", 3, "no multiple"),
        ("max_source_positions", 10**9, "max_source_positions"),
        ("activation_function", "no such", "no such"),
        ("d_model", "wide", "d_model"),
        ("dropout", 1e9, "dropout"),
    ],
)
def test_an_encoder_that_cannot_be_is_refused_before_it_is_built(folder, key, value, match):
    edit(folder, "config.json", lambda content: content["encoder_config"].update({key: value}))
    assert_one_line(folder, match)


@pytest.mark.parametrize(
    "content", ["[" * 100_000, "[]", "3", "", "\x00", '{"heads": 3}'], ids=range(6)
)
@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
def test_a_file_that_is_no_configuration_is_one_line(folder, file, content):
    (folder / file).write_text(content)
    if file == "config.json" or not content.startswith("{"):
        assert_one_line(folder, ".")


@pytest.mark.parametrize("where", ["model", "encoder"])
def test_keys_that_choose_code_are_not_followed(folder, where):
    def plant(content):
        part = content if where == "model" else content["encoder_config"]
        part["_attn_implementation"] = part["attn_implementation"] = "owner/kernel"
        part["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_8bit": True}

    edit(folder, "config.json", plant)
    model, _, _ = load(folder)
    assert model.encoder.config._attn_implementation == "sdpa"
    assert not hasattr(model.config, "quantization_config")
    assert not hasattr(model.config.encoder, "quantization_config")


def test_keys_of_other_versions_and_notes_are_kept_with_a_warning():
    for key in ("torchscript", "loss_type", "my_note"):
        with pytest.warns(UserWarning, match=key):
            config = EmpathicInsightConfig(heads=["Anger"], **{key: "x"})
        assert config.to_dict()[key] == "x"


@pytest.mark.parametrize("key", ["subset", "forward", "encoder", "is_mixed", "head_names", "a b"])
def test_a_key_cannot_take_the_place_of_a_method(key):
    with pytest.warns(UserWarning, match="configuration key"):
        config = EmpathicInsightConfig(
            encoder_config=dict(TINY_ENCODER), heads=MIXED_HEADS, **{key: 3}
        )
    assert config.subset(["Awe"]).head_names == ["Awe"]
    assert config.encoder.d_model == 8


@pytest.mark.parametrize(
    "key", ["projection_dims", "hidden_dim", "droputs", "head", "poolings", "problem_typ"]
)
def test_our_keys_misspelt_are_errors(key):
    with pytest.raises(ValueError, match="did you mean"):
        EmpathicInsightConfig(**{key: 3})


@pytest.mark.parametrize(
    "key", ["encoder_attention_head", "Encoder_attention_heads", "encoder_attentiom_heads"]
)
def test_a_key_of_the_encoder_misspelt_is_no_default(folder, key):
    def misspell(content):
        encoder = content["encoder_config"]
        encoder[key] = encoder.pop("encoder_attention_heads")

    edit(folder, "config.json", misspell)
    assert_one_line(folder, f"{key}.*did you mean encoder_attention_heads")


@pytest.mark.parametrize("dtype", ["int7", "int8", "bool", "Tensor", "a b", 16, ["float32"]])
def test_a_type_that_is_none_of_torchs_is_not_read_past(folder, dtype):
    edit(folder, "config.json", lambda content: content.update(dtype=dtype))
    assert_one_line(folder, "dtype is .*choose from float32, bfloat16, float16")


def test_the_encoders_type_is_looked_at_too(folder):
    edit(folder, "config.json", lambda content: content["encoder_config"].update(dtype="int7"))
    assert_one_line(folder, "dtype is 'int7'")


def test_another_models_settings_are_refused():
    with pytest.raises(ValueError, match="model_type is 'whisper'"):
        EmpathicInsightConfig.from_dict({"model_type": "whisper", "heads": ["Anger"]})


def test_labels_renamed_in_the_file_are_said_to_count_for_nothing(folder):
    edit(folder, "config.json", lambda content: content["id2label"].update({"0": "Rage"}))
    with pytest.warns(UserWarning, match="names other heads"):
        config = EmpathicInsightConfig.from_pretrained(folder)
    assert config.id2label[0] == config.head_names[0] != "Rage"
    assert read_config(folder) is None  # nor is it read past without transformers


def test_no_head_takes_a_column_of_the_score_file():
    columns = score_schema({"heads": [], "channels": "separate"}).names
    assert set(columns) <= set(RESERVED_NAMES)
    for name in RESERVED_NAMES:
        with pytest.raises(HeadError, match="score files use"):
            EmpathicInsightConfig(heads=[name])


@pytest.mark.parametrize(
    "head",
    [
        {"name": "Anger\x1b[2J"}, {"name": "x" * 1_000}, {"name": "Awe\n"},
        {"name": "Awe", "scale": [0, float("inf")]}, {"name": "Awe", "scale": [-1e308, 1e308]},
        {"name": "Awe", "scale": ["0", "4"]}, {"name": "Awe", "scale": [False, 4]},
        {"name": "Awe", "polarity": ["x"]}, {"name": "Awe", "polarity": "\x1b[31m"},
    ],
)  # fmt: skip
def test_names_and_scales_that_would_be_misread_are_refused(head):
    with pytest.raises(HeadError):
        EmpathicInsightConfig(heads=[head])


@pytest.mark.parametrize(
    "key", ["heads.Anger.mlp.0.bias", "heads.Awe.proj.weight", "encoder.layer_norm.bias"]
)
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t > 0, "of type BOOL"),
        (lambda t: t.to(torch.int8), "of type I8"),
        (lambda t: t.to(torch.float8_e4m3fn), "of type F8_E4M3"),
        (lambda t: t.clone().fill_(-torch.inf), "not finite"),
        (lambda t: t.clone().fill_(torch.nan), "not finite"),
        (lambda t: t[:0], "has shape"),
    ],
    ids=["bool", "int8", "float8", "-inf", "nan", "empty"],
)
def test_weights_that_are_no_finite_floats_of_their_shape_are_named(folder, key, change, match):
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    tensors = load_file(folder / index[key])
    tensors[key] = change(tensors[key])
    save_file(tensors, folder / index[key], metadata={"format": "pt"})
    assert_one_line(folder, match)


def scores_of(folder, features):
    model, _, _ = load(folder)
    with torch.inference_mode():
        return model(input_features=features[:1]).logits


@pytest.mark.parametrize(
    "kind",
    ["config.json", "preprocessor_config.json", "model.safetensors.index.json", "weights"],
)
def test_flipped_bytes_are_one_line_or_change_no_score(folder, features, kind):
    """In a file of settings, or in the header of one of weights."""
    rng, expected, whole = random.Random(kind), scores_of(folder, features), {}
    files = sorted(folder.glob("*.safetensors")) if kind == "weights" else [folder / kind]
    for path in files:
        whole[path] = path.read_bytes()
    for _ in range(20):
        path = rng.choice(files)
        broken = bytearray(whole[path])
        n = 8 + int.from_bytes(broken[:8], "little") if kind == "weights" else len(broken)
        at = rng.randrange(n)
        broken[at] = rng.choice([broken[at] ^ 1 << rng.randrange(8), rng.randrange(32, 127)])
        path.write_bytes(broken)
        try:
            heard = scores_of(folder, features)
        except UserError as error:
            assert "\n" not in str(error) and len(str(error)) < 700
        else:
            torch.testing.assert_close(heard, expected, atol=1e-5, rtol=1e-5)
        path.write_bytes(whole[path])


@pytest.mark.parametrize("name", ["notes.json", "more.safetensors"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "endless device", "nowhere"])
def test_what_is_no_file_beside_a_model_holds_nobody_up(folder, name, kind):
    _, _, plain = load(folder)
    made = {
        "pipe": os.mkfifo,
        "folder": os.mkdir,
        "endless device": lambda path: path.symlink_to("/dev/zero"),
        "nowhere": lambda path: path.symlink_to("nowhere"),
    }
    made[kind](folder / name)
    assert load(folder)[2] == plain


@pytest.mark.parametrize(
    "name", ["config.json", "preprocessor_config.json", "model.safetensors.index.json"]
)
def test_a_pipe_in_the_place_of_a_models_file_is_one_line(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert_one_line(folder, "no config|no preprocessor|holds no model")


def test_settings_beyond_all_sizes_are_not_unpacked(folder):
    with (folder / "config.json").open("ab") as file:
        file.truncate(1 << 34)
    assert_one_line(folder, "config.json is larger than")


def test_a_trainers_notes_are_no_setting_however_long_they_are(folder):
    plain = load(folder)[2]
    with (folder / "trainer_state.json").open("ab") as file:
        file.truncate(1 << 25)
    assert {**load(folder)[2], "revision": ""} == {**plain, "revision": ""}  # which has all files


@pytest.mark.parametrize("value", [[0, 99], "x", None])
def test_a_setting_of_another_type_is_named_with_the_reason(folder, value):
    edit(folder, "config.json", lambda config: config.update(read_layers=value))
    with pytest.raises(UserError, match="read_layers") as refused:
        load(folder)
    assert not str(refused.value).endswith(":") and "int" in str(refused.value)
