"""Nano is embedded, small, whole and as good as its papers say; its training script still runs."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from transformers import WhisperFeatureExtractor

from modeling_empathic.modeling_empathic import EmpathicInsightModel
from modeling_empathic.taxonomy import EMOTION_NAMES
from tests.support.places import REPOSITORY

ROOT = REPOSITORY
NANO = ROOT / "modeling_empathic" / "nano"
EMODB = ROOT.parent / "shared" / "data" / "emodb"
EXAMPLES = ROOT / "examples"


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


def test_the_measured_numbers_clear_the_bar_and_are_on_the_card(report):
    test = report["measured"]["emodb_test_speakers"]
    assert not report["smoke"]
    assert test["speakers"] == ["12", "14", "15", "16"]
    assert not set(test["speakers"]) & set(report["training"]["emodb_speakers"])
    assert test["top1"] >= 0.40
    assert test["top1"] > 1.5 * test["floor_always_anger"]
    low, high = test["top1_interval_by_clip"]
    assert low < test["top1"] < high
    assert np.trace(test["confusion_rows_are_truth"]) / test["clips"] == pytest.approx(
        test["top1"], abs=1e-4
    )


def test_the_card_is_what_the_script_writes_from_the_measured_numbers(report, nano_scripts):
    from nano_card import model_card

    card = (NANO / "README.md").read_text(encoding="utf-8")
    assert card == model_card(report)
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert f"**{100 * report['measured']['emodb_test_speakers']['top1']:.1f} %**" in card
    assert "Not for:" in card


def test_plain_speech_silence_and_length_behave(nano, report):
    assert report["measured"]["plain_speech_share_within_0_4"] > 0.9
    assert report["measured"]["fp16_against_fp32_max_error"] < 0.05
    extractor = WhisperFeatureExtractor.from_pretrained(NANO)
    silent = extractor([np.zeros(16_000)], sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        scores = nano(silent.input_features).logits
    assert scores.abs().max() < 1.0


def test_coarse_classes_follow_table_11(nano_scripts):
    data, measure = nano_scripts
    for label in measure.CLASSES:
        targets = data.emodb_targets(label)
        assert measure.CLASSES[int(measure.coarse_probabilities(targets[None]).argmax())] == label
    scores = np.stack([data.emodb_targets(c) for c in measure.CLASSES])
    result = measure.measure_emodb(scores, list(measure.CLASSES), ["a"] * 7, resamples=10)
    assert result["top1"] == result["uar"] == result["macro_f1"] == 1.0
    assert result["lenient_hit_rate"] == 1.0
    wrong = measure.measure_emodb(scores, ["anger"] * 7, ["a"] * 7, resamples=10)
    assert wrong["top1"] == pytest.approx(1 / 7, abs=1e-4)


def test_variations_keep_the_level_legal_and_the_length_free(nano_scripts):
    data, _ = nano_scripts
    rng = np.random.default_rng(0)
    hum = np.sin(np.arange(32_000) * 0.1).astype(np.float32)
    clips = [data.Clip(hum, np.zeros(40, np.float32), "anger", speaker) for speaker in "aab"]
    lengths = set()
    for _ in range(20):
        audio = data.vary(data.vary_length(clips[0], clips, rng), rng)
        assert audio.dtype == np.float32
        assert np.abs(audio).max() <= 1.0
        lengths.add(len(audio))
    assert min(lengths) < 32_000 < 64_000 < max(lengths)


def test_the_script_walks_the_whole_path_in_smoke_mode(tmp_path):
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
    run = subprocess.run([*command, "--output", out], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "distil: step 5/5" in run.stderr
    report = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert report["smoke"]
    assert report["training"]["emodb_speakers"] == ["03"]
    assert report["measured"]["emodb_test_speakers"]["speakers"] == ["12"]
    assert len(EmpathicInsightModel.from_pretrained(out).config.heads) == 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "--teacher and --emodb are needed"), (["--smoke"], "must not replace the real Nano")],
)
def test_the_script_says_what_it_needs(arguments, message):
    command = [sys.executable, EXAMPLES / "train_nano.py", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert message in run.stderr


@pytest.mark.real
@pytest.mark.skipif(not EMODB.is_dir(), reason="../shared/data/emodb is absent")
def test_the_shipped_checkpoint_gets_its_number_on_the_held_out_speakers(
    nano, report, nano_scripts
):
    data, measure = nano_scripts
    clips = [clip for clip in data.read_emodb(EMODB) if clip.speaker in data.TEST_SPEAKERS]
    extractor = WhisperFeatureExtractor.from_pretrained(NANO)
    scores = []
    with torch.inference_mode():
        for i in range(0, len(clips), 8):
            audios = [clip.audio for clip in clips[i : i + 8]]
            features = extractor(audios, sampling_rate=16_000, return_tensors="pt").input_features
            scores.append(nano(features).logits.numpy())
    result = measure.measure_emodb(
        np.concatenate(scores), [c.label for c in clips], [c.speaker for c in clips], resamples=1
    )
    assert result["top1"] == pytest.approx(
        report["measured"]["emodb_test_speakers"]["top1"], abs=0.01
    )
