"""Nano is embedded, small, whole and as good as its papers say; its training script still runs."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from transformers import WhisperFeatureExtractor

from modeling_empathic.modeling_empathic import EmpathicInsightModel
from modeling_empathic.taxonomy import EMOTION_NAMES
from tests.support.places import REPOSITORY

ROOT = REPOSITORY
NANO = ROOT / "modeling_empathic" / "nano"
EMODB = ROOT.parent / "shared" / "data" / "emodb"
EXAMPLES = ROOT / "examples"
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def nano() -> EmpathicInsightModel:
    return EmpathicInsightModel.from_pretrained(NANO, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def report() -> dict:
    return json.loads((NANO / "training.json").read_text(encoding="utf-8"))


@pytest.fixture
def nano_scripts(monkeypatch):
    """The recipe's own modules, as `python examples/train_nano.py` sees them."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import nano_data
    import nano_measure

    return nano_data, nano_measure


def test_nano_is_small_and_has_all_forty_heads(nano):
    assert (NANO / "model.safetensors").stat().st_size <= 10_000_000
    assert nano.config.head_names == list(EMOTION_NAMES)
    assert all(torch.isfinite(parameter).all() for parameter in nano.parameters())


def test_the_extractor_beside_nano_is_the_stock_one():
    shipped = WhisperFeatureExtractor.from_pretrained(NANO).to_dict()
    assert shipped == WhisperFeatureExtractor().to_dict()


def test_the_measured_numbers_clear_the_bar(report):
    test = report["measured"]["emodb_test_speakers"]
    assert not report["smoke"]
    assert test["speakers"] == ["12", "14", "15", "16"]
    assert not set(test["speakers"]) & set(report["training"]["emodb_speakers"])
    assert test["uar"] >= 0.85
    for change, uar in report["measured"]["emodb_test_speakers_under"].items():
        assert uar >= test["uar"] - 0.05 or change == "first two thirds", change
    assert report["measured"]["unseen_corpus"]["uar"] >= 0.45
    assert report["measured"]["acted_test_voices"]["mean_roc_area"] >= 0.80
    low, high = test["top1_interval_by_clip"]
    assert low < test["top1"] < high
    assert np.trace(test["confusion_rows_are_truth"]) / test["clips"] == pytest.approx(
        test["top1"], abs=1e-4
    )


def test_nano_is_stored_narrow_and_read_wide_without_a_difference(nano):
    stored = load_file(NANO / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    conv = stored["encoder.conv1.weight"]
    assert EmpathicInsightModel.from_pretrained(NANO).dtype == torch.float32
    assert torch.equal(nano.encoder.conv1.weight, conv.float())


@pytest.mark.real
def test_its_encoder_is_the_first_layers_of_whisper_tiny(nano, shared):
    (file,) = (shared / "models" / "whisper-tiny.en-encoder").glob("*.safetensors")
    real = {key.split("encoder.")[-1]: tensor for key, tensor in load_file(file).items()}
    for name, tensor in nano.encoder.state_dict().items():
        assert torch.equal(tensor, real[name].float()), name
    assert (NANO / "LICENSE.whisper").read_text().startswith("MIT License")


def test_the_card_is_what_the_script_writes_from_the_measured_numbers(report, nano_scripts):
    from nano_card import model_card

    card = (NANO / "README.md").read_text(encoding="utf-8")
    assert card == model_card(report)
    assert card.startswith("---\nlicense: apache-2.0\n")
    for corpus in ("emodb_test_speakers", "unseen_corpus"):
        assert f"**{100 * report['measured'][corpus]['uar']:.1f} %**" in card
    assert "Not for:" in card


def test_the_readme_shows_both_figures(report, nano_scripts):
    from nano_card import readme_figures

    assert f"<!-- nano -->\n{readme_figures(report)}\n<!-- /nano -->" in README
    assert len(readme_figures(report).splitlines()) == 4


def test_what_is_no_speech_conveys_nothing(nano, nano_scripts):
    data, _ = nano_scripts
    extractor = WhisperFeatureExtractor.from_pretrained(NANO)
    for clip in data.no_speech(8, np.random.default_rng(1)):
        inputs = extractor(clip.audio, sampling_rate=16_000, return_tensors="pt")
        with torch.inference_mode():
            assert nano(inputs.input_features).logits.max() < 1.5, clip.label


def test_coarse_classes_follow_table_11(nano_scripts):
    data, measure = nano_scripts
    for label in measure.CLASSES:
        targets = data.emodb_targets(label)
        assert measure.CLASSES[int(measure.coarse_probabilities(targets[None]).argmax())] == label
    scores = np.stack([data.emodb_targets(c) for c in measure.CLASSES])
    result = measure.measure_classes(scores, list(measure.CLASSES), ["a"] * 7, resamples=10)
    assert result["top1"] == result["uar"] == result["macro_f1"] == 1.0
    assert result["lenient_hit_rate"] == 1.0
    shifted = [*measure.CLASSES[1:], measure.CLASSES[0]]
    wrong = measure.measure_classes(scores, shifted, ["a"] * 7, resamples=10)
    assert wrong["top1"] == wrong["uar"] == 0.0
    two = measure.measure_classes(scores[:2], list(measure.CLASSES[:2]), ["a"] * 2, resamples=10)
    assert two["classes"] == list(measure.CLASSES[:2]) and two["floor_uar"] == 0.5


def test_variations_keep_the_sound_and_change_its_length(nano_scripts):
    data, _ = nano_scripts
    rng = np.random.default_rng(0)
    hum = (0.1 * np.sin(np.arange(32_000) * 0.1)).astype(np.float32)
    varied = [data.vary(hum, rng) for _ in range(20)]
    assert {audio.dtype for audio in varied} == {np.dtype(np.float32)}
    assert all(np.isfinite(audio).all() for audio in varied)
    assert min(map(len, varied)) < 30_000 and max(map(len, varied)) > 33_000


def test_noise_has_the_level_that_is_asked_for(nano_scripts):
    data, _ = nano_scripts
    hum = (0.1 * np.sin(np.arange(160_000) * 0.1)).astype(np.float32)
    for colour in (0, 1, 2):
        noise = data.add_noise(hum, 10, np.random.default_rng(0), colour) - hum
        assert 10 * np.log10(np.mean(hum**2) / np.mean(noise**2)) == pytest.approx(10, abs=0.1)


def test_the_script_walks_the_whole_path_in_smoke_mode(tmp_path, whisper):
    pytest.importorskip("espeakng_loader")
    emodb = tmp_path / "emodb"
    emodb.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for speaker in ("03", "12"):
        for emotion in ("anger", "neutral"):
            for version in "ab":
                name = f"{speaker}{emotion}{version}.flac"
                soundfile.write(emodb / name, 0.1 * rng.standard_normal(32_000), 16_000)
                rows.append({"file_name": name, "speaker": speaker, "emotion": emotion})
    with (emodb / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["file_name", "speaker", "emotion"])
        writer.writeheader()
        writer.writerows(rows)
    out = tmp_path / "nano"
    command = [sys.executable, EXAMPLES / "train_nano.py", "--smoke", "--emodb", emodb]
    command += ["--encoder", whisper, "--output", out]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "heads, seed 0: step 30/30" in run.stderr
    report = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert report["smoke"]
    assert report["training"]["emodb_speakers"] == ["03"]
    assert report["measured"]["emodb_test_speakers"]["speakers"] == ["12"]
    assert len(EmpathicInsightModel.from_pretrained(out).config.heads) == 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: --encoder"),
        (["--encoder", "x"], "--emodb is needed"),
        (["--encoder", "x", "--smoke"], "must not replace the real Nano"),
    ],
)
def test_the_script_says_what_it_needs(arguments, message, nano_scripts, monkeypatch, capsys):
    import train_nano

    monkeypatch.setattr(sys, "argv", ["train_nano.py", *arguments])
    with pytest.raises(SystemExit, match="2"):
        train_nano.main()
    assert message in capsys.readouterr().err


@pytest.mark.real
@pytest.mark.skipif(not EMODB.is_dir(), reason="../shared/data/emodb is absent")
def test_the_shipped_checkpoint_gets_its_number_on_the_held_out_speakers(
    nano, report, nano_scripts
):
    data, measure = nano_scripts
    clips = [clip for clip in data.read_emodb(EMODB) if clip.speaker in data.TEST_SPEAKERS]
    extractor = WhisperFeatureExtractor.from_pretrained(NANO)
    measured = report["measured"]["emodb_test_speakers"]

    def uar(padding, clips):
        rows = []
        for clip in clips:
            inputs = extractor(
                clip.audio, sampling_rate=16_000, padding=padding, return_tensors="pt"
            )
            with torch.inference_mode():
                rows.append(nano(inputs.input_features).logits.numpy())
        labels, speakers = [clip.label for clip in clips], [clip.speaker for clip in clips]
        return measure.measure_classes(np.concatenate(rows), labels, speakers, resamples=1)["uar"]

    assert uar("do_not_pad", clips) == pytest.approx(measured["uar"], abs=0.005)
    # Other pipelines pad to 30 s; a clip that was cut off in the middle of a word sounds finished.
    some = clips[::3]
    assert uar("max_length", some) == pytest.approx(uar("do_not_pad", some), abs=0.03)
