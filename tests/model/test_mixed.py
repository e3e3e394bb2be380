"""`dtype="mixed"`: the heads, which are the memory, in bfloat16; the encoder in float32."""

import pytest
import torch
from transformers import AutoModel

from modeling_empathic import EmpathicInsightModel
from modeling_empathic.scoring.forward import score_windows
from modeling_empathic.scoring.loading import load_model
from tests.support.tiny import tiny_model


@pytest.fixture
def scored(model_folder, features):
    """Loads the tiny model as the command does, and scores with it."""

    def score(dtype):
        options = {"revision": None, "heads": [], "device": "cpu", "dtype": dtype}
        model, _, provenance = load_model(str(model_folder), **options)
        return provenance["dtype"], score_windows(model, features)

    return score


def types(model):
    heads, encoder = (
        {tensor.dtype for tensor in part.parameters()} for part in (model.heads, model.encoder)
    )
    return heads, encoder


@pytest.mark.parametrize("auto", [EmpathicInsightModel, AutoModel])
def test_the_heads_are_rounded_and_the_encoder_is_not(auto, model_folder):
    model = auto.from_pretrained(model_folder, dtype="mixed")
    assert types(model) == ({torch.bfloat16}, {torch.float32})
    exact = tiny_model().encoder.state_dict()
    assert all(torch.equal(model.encoder.state_dict()[name], exact[name]) for name in exact)


def test_its_scores_are_nearer_to_float32_than_those_of_bfloat16(scored):
    exact, mixed, half = (scored(dtype)[1] for dtype in ("float32", "mixed", "bfloat16"))
    assert 0 < abs(mixed - exact).mean() < abs(half - exact).mean()


def test_the_score_file_says_it(scored):
    assert [scored(dtype)[0] for dtype in ("mixed", "auto")] == ["mixed", "float32"]


def test_saved_and_loaded_it_stays_so_to_the_byte(model_folder, tmp_path):
    first = EmpathicInsightModel.from_pretrained(model_folder, dtype="mixed")
    first.save_pretrained(tmp_path / "first")
    second = EmpathicInsightModel.from_pretrained(tmp_path / "first")
    assert types(second) == types(first)
    second.save_pretrained(tmp_path / "second")
    files = sorted(file.name for file in (tmp_path / "first").iterdir())
    for name in files:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_another_type_asked_for_holds_for_all_of_it(dtype, model_folder, tmp_path):
    EmpathicInsightModel.from_pretrained(model_folder, dtype="mixed").save_pretrained(tmp_path)
    assert types(AutoModel.from_pretrained(tmp_path, dtype=dtype)) == ({dtype}, {dtype})


@torch.no_grad()
def test_heads_may_be_on_the_disk_and_an_encoder_that_would_be_rounded_there_may_not(
    model_folder, features, tmp_path
):
    pytest.importorskip("accelerate")
    options = {"dtype": "mixed", "offload_folder": tmp_path / "offloaded"}
    expected = AutoModel.from_pretrained(model_folder, dtype="mixed")(features).logits
    heads_there = AutoModel.from_pretrained(
        model_folder, device_map={"encoder": "cpu", "heads": "disk"}, **options
    )
    torch.testing.assert_close(heads_there(features).logits, expected)
    with pytest.raises(ValueError, match="dtype='mixed' with an encoder that is offloaded"):
        AutoModel.from_pretrained(
            model_folder, device_map={"encoder": "disk", "heads": "cpu"}, **options
        )


@torch.no_grad()
def test_a_model_that_is_partly_on_the_disk_is_saved_whole(model_folder, features, tmp_path):
    pytest.importorskip("accelerate")
    model = EmpathicInsightModel.from_pretrained(
        model_folder, device_map={"encoder": "cpu", "heads": "disk"}, offload_folder=tmp_path / "o"
    )
    model.save_pretrained(tmp_path / "again")
    again = EmpathicInsightModel.from_pretrained(tmp_path / "again")
    torch.testing.assert_close(again(features).logits, tiny_model()(features).logits)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int8, torch.bool, "int8", "big", 3])
def test_a_type_that_no_encoder_computes_in_is_refused(dtype, model_folder):
    with pytest.raises(ValueError, match="is not auto, mixed, float32, bfloat16 or float16"):
        EmpathicInsightModel.from_pretrained(model_folder, dtype=dtype)
