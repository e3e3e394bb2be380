"""Classifiers that are taught a corpus: folds without shared speakers, states of real frames."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

from evaluate_metrics.bench.result import EvaluationError
from evaluate_metrics.generalize.clips import CorpusClip
from evaluate_metrics.generalize.supervised import (
    acoustic_features,
    classify,
    encoder_states,
    fold_splits,
    random_splits,
    state_features,
)
from modeling_empathic import load_audio
from tests.support.scoring_fakes import write_clip
from tests.support.tiny import TINY_ENCODER


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whisper") / "tiny"
    torch.manual_seed(0)
    WhisperModel(WhisperConfig(**TINY_ENCODER)).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


@given(st.lists(st.integers(0, 5), min_size=2, max_size=40))
def test_every_clip_is_tested_once_and_never_beside_its_own_fold(folds):
    tested = []
    for train, test in fold_splits(folds):
        assert not {folds[i] for i in train} & {folds[i] for i in test}
        assert len(train) + len(test) == len(folds)
        tested += test.tolist()
    assert sorted(tested) == list(range(len(folds)))


def test_random_splits_hold_a_fifth_out_and_are_the_same_again():
    splits = random_splits(50)
    for train, test in splits:
        assert len(test) == 10
        assert sorted([*train, *test]) == list(range(50))
    again = random_splits(50)
    assert all((a[1] == b[1]).all() for a, b in zip(splits, again, strict=True))
    assert len({tuple(test) for _, test in splits}) == len(splits)


def test_answers_are_those_of_scikit_learns_own_cross_validation():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 90)
    features = rng.normal(size=(90, 5)) + truth[:, None] * [1, 0.5, 0, 0, 0]
    folds = np.repeat(range(6), 15)
    tested = classify(features, truth, fold_splits(folds))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    expected = cross_val_predict(model, features, truth, groups=folds, cv=LeaveOneGroupOut())
    assert (tested.said == expected[tested.rows]).all()
    assert np.mean(tested.top1) == pytest.approx((expected == truth).mean())


def test_the_clips_of_the_test_never_move_the_standardisation():
    features = np.array([[0.0], [1.0], [0.1], [1.1], [1e6], [0.05]])
    truth = np.array([0, 1, 0, 1, 1, 0])
    tested = classify(features, truth, [(np.arange(4), np.array([4, 5]))])
    assert tested.said.tolist() == [1, 0]


def test_a_missing_feature_takes_the_training_median():
    features = np.array([[0.0], [0.0], [0.0], [9.0], [9.0], [np.nan]])
    truth = np.array([0, 0, 0, 1, 1, 1])
    tested = classify(features, truth, [(np.arange(5), np.array([5]))])
    assert tested.said.tolist() == [0]


@pytest.mark.parametrize("truth", [[0, 0, 1], [0, 0, 0]])
def test_a_split_with_one_class_cannot_be_learnt(truth):
    with pytest.raises(EvaluationError, match="two classes to learn"):
        classify(np.zeros((3, 1)), np.array(truth), [(np.array([0, 1]), np.array([2]))])


def test_states_are_means_over_the_frames_that_hold_sound(whisper, tmp_path):
    path = str(write_clip(tmp_path / "a.wav", seconds=0.71))
    averages = encoder_states([path], whisper)[path]
    samples = load_audio(path)
    heard = WhisperFeatureExtractor()(samples, sampling_rate=16_000, return_tensors="pt")
    encoder = WhisperModel.from_pretrained(whisper).encoder.eval()
    with torch.no_grad():
        states = encoder(heard.input_features, output_hidden_states=True)
    n = math.ceil(len(samples) / 320)
    assert n == 36
    assert averages.shape == (TINY_ENCODER["encoder_layers"] + 1, TINY_ENCODER["d_model"])
    expected = states.last_hidden_state[0, :n].mean(0)
    np.testing.assert_allclose(averages[-1], expected, atol=1e-5)
    np.testing.assert_allclose(averages[0], states.hidden_states[0][0, :n].mean(0), atol=1e-5)


def test_windows_of_a_long_clip_count_by_their_length(whisper, tmp_path):
    rng = np.random.default_rng(0)
    import soundfile

    long, first, second = (str(tmp_path / f"{name}.wav") for name in ("long", "a", "b"))
    noise = rng.standard_normal(40 * 16_000) * 0.1
    noise[30 * 16_000 :] *= 0.05
    soundfile.write(long, noise, 16_000)
    soundfile.write(first, noise[: 30 * 16_000], 16_000)
    soundfile.write(second, noise[30 * 16_000 :], 16_000)
    states = encoder_states([long, first, second], whisper)
    np.testing.assert_allclose(
        states[long], 0.75 * states[first] + 0.25 * states[second], atol=1e-4
    )


def test_states_are_kept_and_only_new_clips_are_encoded(whisper, tmp_path, monkeypatch):
    from evaluate_metrics.generalize import supervised as module

    paths = [str(write_clip(tmp_path / f"{i}.wav", seed=i)) for i in range(3)]
    cache = tmp_path / "states.npz"
    before = encoder_states(paths[:2], whisper, cache)
    encoded = []
    real = module._encode
    monkeypatch.setattr(
        module, "_encode", lambda new, *rest: encoded.append(new) or real(new, *rest)
    )
    after = encoder_states(paths, whisper, cache)
    assert encoded == [paths[2:]]
    np.testing.assert_array_equal(after[paths[0]], before[paths[0]])


def test_a_stopped_run_keeps_what_it_encoded(whisper, tmp_path):
    paths = [str(write_clip(tmp_path / f"{i}.wav", seed=i)) for i in range(4)]
    cache = tmp_path / "states.npz"
    steps = iter([None, None])

    def stop():
        if next(steps, "end") == "end":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encoder_states(paths, whisper, cache, stop)
    (clip_ids,) = (name for name in np.load(cache).files if name.endswith("clip_ids"))
    assert len(np.load(cache)[clip_ids]) == 3


def test_one_cache_serves_several_encoders_by_their_digests(whisper, tmp_path, monkeypatch):
    from evaluate_metrics.generalize import supervised as module

    path = str(write_clip(tmp_path / "a.wav"))
    cache = tmp_path / "states.npz"
    # As 0.2 wrote it: one encoder a file.
    np.savez(cache, encoder="sha256:other", clip_ids=np.array(["a"]), states=np.zeros((1, 3, 8)))
    first = encoder_states([path], whisper, cache)[path]
    monkeypatch.setattr(module, "_encode", lambda new, *rest: (_ for _ in new))
    np.testing.assert_array_equal(encoder_states([path], whisper, cache)[path], first)
    assert np.load(cache)["sha256:other"].shape == (1, 3, 8)


def test_what_is_no_cache_is_refused(whisper, tmp_path):
    cache = tmp_path / "states.npz"
    cache.write_bytes(b"no zip")
    with pytest.raises(EvaluationError, match="no cache of encoder states"):
        encoder_states([str(write_clip(tmp_path / "a.wav"))], whisper, cache)


def test_the_device_reaches_the_encoder(whisper, tmp_path):
    from modeling_empathic.scoring.loading import ScoringError

    path = str(write_clip(tmp_path / "a.wav"))
    with pytest.raises(ScoringError, match="device cuda:99"):
        encoder_states([path], whisper, device="cuda:99")


def test_a_clip_that_cannot_be_decoded_has_no_states(whisper, tmp_path):
    good = str(write_clip(tmp_path / "good.wav"))
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    clips = [CorpusClip(path, "", 0, "03", 0) for path in (good, str(bad))]
    for features in state_features(clips, whisper, None, lambda: None).values():
        assert np.isfinite(features[0]).all()
        assert np.isnan(features[1]).all()


def test_a_checkpoint_without_the_encoders_weights_is_no_encoder(whisper, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "hollow"
    folder.mkdir()
    for file in whisper.glob("*.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    weights = load_file(whisper / "model.safetensors")
    kept = {k: v for k, v in weights.items() if not k.startswith("encoder.layers.0.fc1")}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    path = str(write_clip(tmp_path / "a.wav"))
    with pytest.raises(EvaluationError, match=r"lacks 2 weights .*: encoder\.layers\.0\.fc1\.bias"):
        encoder_states([path], folder)


def test_a_folder_without_a_checkpoint_is_named(tmp_path):
    with pytest.raises(EvaluationError, match=r"there is no config\.json"):
        encoder_states([], tmp_path)


def test_acoustics_that_the_corpus_was_built_with_are_taken():
    from modeling_empathic.acoustics import FEATURES

    measured = dict.fromkeys(FEATURES, 1.5) | {"f0_median_hz": None}
    clips = [CorpusClip("nowhere", "", 0, "03", 0, measured)]
    (table,) = acoustic_features(clips, lambda: None).values()
    assert np.isnan(table[0, 0])
    assert (table[0, 1:] == 1.5).all()
