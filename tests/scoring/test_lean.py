"""A quick start: `score` reads models without transformers, and gives the very same scores."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from modeling_empathic import NANO, EmpathicInsightModel, load_audio
from modeling_empathic.frontend_empathic import front_end
from modeling_empathic.scoring.forward import project_windows, score_windows
from modeling_empathic.scoring.lean import LeanModel, read_config, read_lean
from modeling_empathic.scoring.loading import load_model
from modeling_empathic.scoring.log_mel import LogMel, mel_filters
from tests.support.places import REPOSITORY

CLIPS = REPOSITORY / "examples" / "clips"
HEAVY = {
    *("transformers", "librosa", "numba", "scipy", "sklearn", "datasets", "pandas", "pyarrow"),
    *("torch._dynamo", "torch._inductor", "sympy", "torch.distributed.tensor", "huggingface_hub"),
    *("openvino", "matplotlib", "av"),
}


def lean(folder, names=(), dtype="float32"):
    config = read_config(Path(folder))
    return config and read_lean(Path(folder), config, list(names), dtype)


def test_one_clip_with_nano_imports_nothing_that_takes_seconds():
    program = (
        "import sys\n"
        "from emonet_voice.cli.app import run\n"
        "code = run(sys.argv[1:])\n"
        f"print(code, sorted({HEAVY} & set(sys.modules)))\n"
    )
    arguments = ["score", str(CLIPS / "de_anger.flac"), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 []", done.stdout[-500:]


def test_features_are_those_of_the_library_to_the_bit():
    config = read_config(NANO)
    theirs, ours = front_end(config), LogMel(80, 30)
    assert np.array_equal(mel_filters(80), theirs.mel_filters)
    samples = load_audio(CLIPS / "de_anger.flac")
    for length in (None, len(samples) + 3_200, 8_000):
        expected = theirs(samples, sampling_rate=16_000, return_tensors="np", max_length=length)
        given = ours(samples, max_length=length)
        assert np.array_equal(given["input_features"], expected["input_features"])


@torch.inference_mode()
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "mixed"])
@pytest.mark.parametrize("model", ["nano", "tiny"])
def test_scores_are_those_of_the_model_to_the_bit(model, dtype, model_folder, features):
    folder = NANO if model == "nano" else model_folder
    if model == "nano":  # which reads no more than there is
        features = features[..., :600]
    found = lean(folder, dtype=dtype)
    assert found is not None
    whole = EmpathicInsightModel.from_pretrained(folder, dtype=dtype).eval()
    expected, given = score_windows(whole, features), score_windows(found[0], features)
    assert np.array_equal(given, expected) and given.std() > 0
    assert np.array_equal(project_windows(found[0], features), project_windows(whole, features))
    kinds = [{name: p.dtype for name, p in one.state_dict().items()} for one in (found[0], whole)]
    assert kinds[0] == kinds[1]


def test_heads_come_in_any_spelling_and_in_the_order_asked_for(model_folder, features):
    found = lean(model_folder, ["awe", "Anger"])
    assert found is not None and found[0].config.head_names == ["Awe", "Anger"]
    whole = EmpathicInsightModel.from_pretrained(model_folder, heads=["Awe", "Anger"]).eval()
    assert np.array_equal(score_windows(found[0], features), score_windows(whole, features))


def changed(folder, **settings):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def encoder_changed(folder, **settings):
    old = json.loads((folder / "config.json").read_text())["encoder_config"]
    changed(folder, encoder_config=old | settings)


def reweighted(folder, change):
    file = next(folder.glob("model-00002*"))
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


UNUSUAL = {
    "a setting that nobody knows": lambda f: changed(f, colour="red"),
    "another model": lambda f: changed(f, model_type="whisper"),
    "heads that are no list": lambda f: changed(f, heads=7),
    "a head twice": lambda f: changed(f, heads=["Anger", "Anger"]),
    "a head without weights": lambda f: changed(f, heads=["Anger", "Pain"]),
    "a pooling that there is not": lambda f: changed(f, pooling="median"),
    "no JSON": lambda f: (f / "config.json").write_text("{"),
    "a front end that comes first": lambda f: (f / "processor_config.json").write_text("{}"),
    "a word for a switch": lambda f: changed(f, cut_to_speech="false"),
    "nothing for a switch": lambda f: changed(f, cut_to_speech=None),
    "a switch for a number": lambda f: changed(f, read_layers=True),
    "a number that is not whole": lambda f: encoder_changed(f, encoder_attention_heads=2.0),
    "a problem that there is not": lambda f: changed(f, problem_type="regressionn"),
    "a type that there is not": lambda f: changed(f, dtype="float99"),
    "nested JSON": lambda f: (f / "config.json").write_text("[" * 100_000),
    "another front end": lambda f: (f / "preprocessor_config.json").write_text('{"n_fft": 512}'),
    "a file that is cut": lambda f: next(f.glob("model-00002*")).write_bytes(b"\0" * 40),
    "a wrong shape": lambda f: reweighted(f, lambda t: t.update(
        {k: v[:, :-1].clone() for k, v in t.items() if k.endswith("proj.weight")})),
    "a value that is not finite": lambda f: reweighted(f, lambda t: next(
        v for k, v in t.items() if k.endswith("proj.bias")).fill_(float("nan"))),
}  # fmt: skip


@pytest.mark.parametrize("what", UNUSUAL)
def test_what_is_not_plainly_in_order_is_left_to_the_loader_that_says_why(
    what, model_folder, tmp_path
):
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    assert lean(folder) is not None
    UNUSUAL[what](folder)
    assert lean(folder) is None


def test_a_run_says_the_same_of_its_model_whichever_loader_read_it(model_folder, monkeypatch):
    options = {"revision": None, "heads": [], "device": "cpu", "dtype": "auto"}
    quick = load_model(str(model_folder), **options)
    monkeypatch.setattr("modeling_empathic.scoring.lean.read_config", lambda folder: None)
    whole = load_model(str(model_folder), **options)
    assert isinstance(quick[0], LeanModel) and isinstance(whole[0], EmpathicInsightModel)
    assert quick[2] == whole[2]


def test_a_file_cannot_have_the_scores_without_their_names(model_folder, tmp_path, features):
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    changed(folder, return_dict=False, note="not lean")
    options = {"revision": None, "heads": [], "device": "cpu", "dtype": "auto"}
    with pytest.warns(UserWarning, match="note"):
        model = load_model(str(folder), **options)[0]
    assert isinstance(model, EmpathicInsightModel)
    expected = score_windows(lean(model_folder)[0], features)
    assert np.array_equal(score_windows(model, features), expected)


def test_features_of_a_batch_are_those_of_each_clip():
    rng = np.random.default_rng(0)
    clips = [rng.uniform(-0.5, 0.5, n).astype(np.float32) for n in (16_000, 400, 500_000)]
    log_mel = LogMel(80, 30)
    together = log_mel.of(clips)
    assert together.shape == (3, 80, 3000)
    for clip, features in zip(clips, together.numpy(), strict=True):
        np.testing.assert_allclose(features, log_mel(clip)["input_features"][0], atol=1e-5)
