"""The encoder run by OpenVINO gives the scores that torch gives."""

import importlib.util

import pytest
import torch

from emonet_voice.cli.app import run
from modeling_empathic.scoring import openvino as module
from modeling_empathic.scoring.clips import ScoringError
from modeling_empathic.scoring.devices import choose_device
from modeling_empathic.scoring.file import read_provenance, read_scores
from modeling_empathic.scoring.openvino import OpenVINOEncoder
from tests.support.places import REPOSITORY
from tests.support.tiny import tiny_model

pytest.importorskip("openvino")


@torch.inference_mode()
def test_scores_are_those_of_torch(features):
    model = tiny_model()
    expected = model(features).logits
    model.encoder = OpenVINOEncoder(model.encoder)
    assert torch.allclose(model(features).logits, expected, atol=1e-4)
    assert expected.std() > 0.1  # otherwise equal scores would say nothing


@torch.inference_mode()
def test_it_computes_in_the_type_asked_for(features):
    model = tiny_model()
    exact = model(features, output_last_hidden_state=True).last_hidden_state
    states = OpenVINOEncoder(model.encoder, torch.bfloat16)(features).last_hidden_state
    assert states.dtype == torch.float32
    assert 0 < (states - exact).abs().max() < 0.1


def test_the_command_scores_through_it(tmp_path, model_folder):
    clip = sorted((REPOSITORY / "examples" / "clips").glob("*.flac"))[0]
    scores = {}
    for device in ("cpu", "openvino"):
        output = tmp_path / f"{device}.parquet"
        assert (
            run(
                [
                    "score",
                    str(clip),
                    "--model",
                    str(model_folder),
                    "--device",
                    device,
                    "-o",
                    str(output),
                    "-q",
                ]
            )
            == 0
        )
        provenance = read_provenance(output)
        assert provenance["device"] == device
        scores[device] = read_scores(output).select(provenance["heads"]).to_pandas().to_numpy()
    assert abs(scores["cpu"] - scores["openvino"]).max() < 1e-3


def test_a_model_that_is_cut_to_speech_is_refused(capsys):
    clip = sorted((REPOSITORY / "examples" / "clips").glob("*.flac"))[0]
    assert run(["score", str(clip), "--device", "openvino"]) == 2
    assert "nano (embedded) reads only speech, not all 30 s; take cpu" in capsys.readouterr().err


def test_without_openvino_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: None)
    with pytest.raises(ScoringError, match=r'pip install "emonet-voice\[openvino\]"'):
        choose_device("openvino")


@pytest.mark.parametrize("batch", [1, 3])
def test_any_number_of_windows_goes_in(batch):
    encoder = OpenVINOEncoder(tiny_model().encoder)
    assert encoder(torch.zeros(batch, 80, 3000)).last_hidden_state.shape[:2] == (batch, 1500)


@torch.inference_mode()
def test_a_compiled_encoder_is_kept_and_read_back(features, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    first = OpenVINOEncoder(tiny_model().encoder)(features).last_hidden_state
    (file,) = (tmp_path / "emonet-voice" / "openvino").iterdir()
    compiled = []
    monkeypatch.setattr(module, "_compiled", lambda *_: compiled.append(1))
    again = OpenVINOEncoder(tiny_model().encoder)(features).last_hidden_state
    assert torch.equal(again, first) and not compiled
    cut = file.read_bytes()[:1000]
    file.unlink()  # not written over: the encoder above reads it still
    file.write_bytes(cut)  # compiled anew
    OpenVINOEncoder(tiny_model().encoder)
    OpenVINOEncoder(tiny_model().encoder, torch.bfloat16)  # another type is another file
    assert compiled == [1, 1]
