"""A model as ONNX scores as it does in torch."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

pytest.importorskip("onnxscript")

from emonet_voice.hub import onnx_export
from emonet_voice.hub.convert import ConversionError
from emonet_voice.hub.onnx_export import export, run
from emonet_voice.hub.publish import stage as publish_stage
from emonet_voice.hub.publish.stage import stage
from emonet_voice.hub.repositories import PublishError, chosen, folder_of
from modeling_empathic import NANO, load_audio
from modeling_empathic.scoring.loading import fingerprint
from tests.support.command import run_command
from tests.support.places import REPOSITORY
from tests.support.tiny import tiny_model
from tests.support.voice_in_browser import SPACE, python_scores

CLIPS = sorted((REPOSITORY / "examples" / "clips").glob("*.flac"))
PAGE = "empathic-insight-voice-browser"


@pytest.fixture
def session(nano_onnx):
    """A function: waveforms to scores."""
    return lambda batch: run(nano_onnx / "model.onnx", batch)


def test_nano_takes_samples_and_scores_as_the_command_does(session):
    sounds = [load_audio(clip) for clip in CLIPS]
    expected = np.array([[*python_scores(clip).values()] for clip in CLIPS])
    longest = max(map(len, sounds))
    batch = np.stack([np.pad(sound, (0, longest - len(sound))) for sound in sounds])
    assert np.abs(session(batch) - expected).max() < 1e-4  # other lengths than alone, one batch
    assert np.abs(session(sounds[0][None]) - expected[:1]).max() < 1e-4
    assert expected.std() > 0.1  # otherwise equal scores would say nothing


@pytest.mark.parametrize("n_samples", [400, 4_001, 16_000 * 30])
def test_every_length_of_a_window_is_scored_as_the_command_does(session, n_samples, tmp_path):
    import soundfile

    clip = tmp_path / "clip.wav"
    soundfile.write(clip, np.resize(load_audio(CLIPS[0]), n_samples), 16_000, subtype="FLOAT")
    scores = session(load_audio(clip)[None])[0]
    assert np.abs(scores - [*python_scores(clip).values()]).max() < 1e-4


def test_nano_is_one_file_below_12_mb_that_rounding_did_not_move(nano_onnx):
    import onnx

    assert (nano_onnx / "model.onnx").stat().st_size < 12e6
    names = {path.name for path in nano_onnx.iterdir()}
    assert names == {"model.onnx", "model.json", "LICENSE.whisper"}
    about = json.loads((nano_onnx / "model.json").read_text())
    assert about["moved_by_rounding"] == 0  # the checkpoint has them in float16 already
    assert about["revision"] == fingerprint(NANO) and len(about["heads"]) == 40
    model = onnx.load(nano_onnx / "model.onnx")
    assert {"": about["opset"]} == {one.domain: one.version for one in model.opset_import}
    inside = json.loads({one.key: one.value for one in model.metadata_props}["emonet_voice"])
    assert inside["heads"] == about["heads"]


def test_a_model_of_windows_takes_features_in_any_batch_and_may_lie_in_two_files(
    model_folder, features, tmp_path, monkeypatch
):
    monkeypatch.setattr(onnx_export, "ONE_FILE_BYTES", 0)
    out = tmp_path / "onnx"
    code, said, err = run_command("convert", str(model_folder), str(out), "--to", "onnx")
    assert code == 0, err
    assert "opset 20: input_features (batch, 80, 3000) to 4 scores" in said
    assert "from torch's" in said and "rounding" not in said
    assert {path.name for path in out.iterdir()} == {"model.onnx", "model.onnx.data", "model.json"}
    with torch.no_grad():
        expected = tiny_model()(features).logits.numpy()
    for batch in (1, 3):
        scores = run(out / "model.onnx", features[:batch].numpy())
        assert np.abs(scores - expected[:batch]).max() < 1e-4
    assert expected.std() > 0.1


def test_a_cut_model_of_other_layers_and_statistics_is_exported_too(tmp_path):
    heads = [{"name": "Anger"}, {"name": "Awe"}]
    several = "multi_label_classification"  # each a probability
    model = tiny_model(
        heads, cut_to_speech=True, read_layers=2, pooling="mean_min_max_std", problem_type=several
    )
    model.save_pretrained(tmp_path / "model")
    WhisperFeatureExtractor().save_pretrained(tmp_path / "model")
    about = export(tmp_path / "model", tmp_path / "onnx", dtype="float16", heads=["awe"])
    assert [head["name"] for head in about["heads"]] == ["Awe"]
    assert about["largest_difference"] < 1e-4 and 0 < about["moved_by_rounding"] < 0.1


@pytest.mark.parametrize("cut", [True, False])
def test_of_a_classifier_the_scores_are_probabilities_as_everywhere(cut, tmp_path, monkeypatch):
    heads = [{"name": name, "kind": "pooled", "scale": [0, 1]} for name in ("calm", "upset")]
    problem = "single_label_classification"
    tiny_model(heads, cut_to_speech=cut, problem_type=problem).save_pretrained(tmp_path / "model")
    WhisperFeatureExtractor().save_pretrained(tmp_path / "model")
    exported = []
    program = SimpleNamespace(
        model=SimpleNamespace(metadata_props={}), save=lambda *_, **__: None
    )  # that of torch takes a while
    monkeypatch.setattr(onnx_export, "_program", lambda *args: exported.append(args) or program)
    monkeypatch.setattr(onnx_export, "run", lambda *_: onnx_export._torch_scores(*exported[0][:2]))
    about = export(tmp_path / "model", tmp_path / "onnx")
    assert about["problem_type"] == problem
    graph = exported[0][0]
    clip = load_audio(CLIPS[0])
    features = WhisperFeatureExtractor()(clip, sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        (scores,) = graph(torch.from_numpy(clip)[None] if cut else features.input_features)
    code, out, _ = run_command("score", CLIPS[0], "--model", tmp_path / "model", "--json")
    row = json.loads(out)
    assert code == 0 and scores.sum() == pytest.approx(1)
    assert scores.tolist() == pytest.approx([row["calm"], row["upset"]], abs=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "tflite"], "--to tflite: choose safetensors or onnx"),
        (["--to", "onnx", "--dtype", "mixed"], "--dtype mixed: of ONNX choose float32 or float16"),
        (
            ["--to", "onnx", "--encoder", "x"],
            "--encoder, --allow-unknown and --quantize are for safetensors",
        ),
        (["--to", "onnx", "--heads", "Anger,Joyness"], "Joyness"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_line(options, message, tmp_path):
    code, _, err = run_command("convert", "nano", str(tmp_path / "out"), *options)
    assert (code, err.count("\n")) == (2, 1) and message in err
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("mine")
    code, _, err = run_command("convert", "nano", str(tmp_path), "--to", "onnx")
    assert code == 2 and "exists already" in err


def test_scores_that_are_others_make_no_folder(model_folder, tmp_path, monkeypatch):
    program = SimpleNamespace(model=SimpleNamespace(metadata_props={}), save=lambda *_, **__: None)
    monkeypatch.setattr(onnx_export, "_program", lambda *_: program)
    monkeypatch.setattr(onnx_export, "run", lambda *_: 9.0)
    with pytest.raises(ConversionError, match="away from torch's"):
        export(model_folder, tmp_path / "onnx")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def built(nano_onnx, tmp_path, monkeypatch):
    """A project in which `make browser` was run, with a runtime that only looks like one."""
    shutil.copytree(SPACE, tmp_path / "spaces" / "voice_in_browser")
    made = tmp_path / "examples" / "browser"
    shutil.copytree(nano_onnx, made / "model")
    (made / "runtime").mkdir()
    (made / "runtime" / "ort.mjs").write_text('HOME = "/home/web_user"')  # as Emscripten's have
    monkeypatch.setattr(publish_stage, "ROOT", tmp_path)
    monkeypatch.setattr(publish_stage, "project_folder", lambda name: tmp_path / name)
    return made


def test_the_page_is_staged_with_its_model_and_its_runtime(built, tmp_path):
    folder = folder_of(stage(tmp_path / "out", only=[PAGE]).folder, chosen([PAGE])[0])
    for name in ("index.html", "page.js", "page.css", "example.flac"):
        assert (folder / name).read_bytes() == (SPACE / name).read_bytes()
    assert (folder / "model" / "LICENSE.whisper").is_file()
    assert (folder / "model" / "model.onnx").stat().st_size > 9e6
    assert (folder / "runtime" / "ort.mjs").is_file()


def test_a_page_with_another_nano_or_without_its_runtime_is_not_staged(built, tmp_path):
    about = built / "model" / "model.json"
    about.write_text(about.read_text().replace("sha256:", "sha256:0"))
    with pytest.raises(PublishError, match=r"is of another Nano; `make browser`"):
        stage(tmp_path / "out", only=[PAGE])
    shutil.rmtree(built / "runtime")
    with pytest.raises(PublishError, match="there is no examples/browser/runtime; `make browser`"):
        stage(tmp_path / "out", only=[PAGE])
