"""The voice-emotion pipeline takes what people have, and says what it did with long audio."""

import io

import numpy as np
import pytest
import soundfile

from modeling_empathic import (
    AudioError,
    EmpathicInsightModel,
    EmpathicInsightPipeline,
    load_audio,
)
from tests.support.places import REPOSITORY


@pytest.fixture(scope="module")
def voice_emotion(model_folder):
    from transformers import pipeline

    return pipeline("voice-emotion", model=str(model_folder))


def scores(result):
    return {row["label"]: row["score"] for row in result}


def test_it_is_our_pipeline(voice_emotion):
    assert type(voice_emotion) is EmpathicInsightPipeline
    assert type(voice_emotion.model) is EmpathicInsightModel


def test_path_bytes_array_and_dict_give_the_same_scores(voice_emotion, tone, tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone, 16_000, subtype="FLOAT")
    expected = scores(voice_emotion(tone))
    for audio in (
        str(path),
        path,
        path.read_bytes(),
        {"array": tone, "sampling_rate": 16_000},
        {"bytes": path.read_bytes(), "path": None},
        {"bytes": None, "path": str(path)},
    ):
        assert scores(voice_emotion(audio)) == pytest.approx(expected, abs=1e-6)


def test_a_datasets_audio_decoder_is_taken(voice_emotion, tone):
    class Decoder:  # as torchcodec's, which needs FFmpeg to be installed
        def get_all_samples(self):
            import types

            import torch

            return types.SimpleNamespace(data=torch.from_numpy(tone)[None], sample_rate=16_000)

    assert scores(voice_emotion(Decoder())) == pytest.approx(scores(voice_emotion(tone)), abs=1e-6)


def test_emotions_come_first_and_each_group_from_the_top_down(voice_emotion, tone):
    labels = [row["label"] for row in voice_emotion(tone)]
    assert set(labels[:3]) == {"Anger", "Awe", "Pleasure/Ecstasy"}
    assert labels[3] == "Speech Quality"
    emotions = [row["score"] for row in voice_emotion(tone)[:3]]
    assert emotions == sorted(emotions, reverse=True)


def test_top_k_limits_the_labels(voice_emotion, tone):
    assert voice_emotion(tone, top_k=2) == voice_emotion(tone)[:2]


def test_settings_of_the_constructor_hold_until_a_call_says_otherwise(model_folder, tone):
    from transformers import pipeline

    configured = pipeline("voice-emotion", model=str(model_folder), top_k=1, long_audio="each")
    (window,) = configured(tone)
    assert len(window["scores"]) == 1
    assert len(configured(tone, top_k=3, long_audio="mean")) == 3


def test_long_audio_is_the_mean_of_its_windows_weighted_by_length(voice_emotion):
    rng = np.random.default_rng(0)
    loud_then_quiet = np.r_[rng.normal(size=480_000), 0.01 * rng.normal(size=160_000)]
    loud_then_quiet = loud_then_quiet.astype(np.float32) / 10
    each = voice_emotion(loud_then_quiet, long_audio="each")
    assert [(row["start_s"], row["end_s"]) for row in each] == [(0, 30), (30, 40)]
    first, second = (scores(row["scores"]) for row in each)
    assert first != pytest.approx(second, abs=1e-3)
    mean = scores(voice_emotion(loud_then_quiet))
    for name in mean:
        assert mean[name] == pytest.approx(0.75 * first[name] + 0.25 * second[name], abs=1e-5)
    assert scores(voice_emotion(loud_then_quiet, long_audio="first")) == pytest.approx(first)


def test_a_batch_gives_the_scores_of_single_calls(voice_emotion, tone):
    clips = [tone, tone[:8_000], np.tile(tone, 20)]
    together = voice_emotion([clip.copy() for clip in clips], batch_size=2)
    for result, clip in zip(together, clips, strict=True):
        assert scores(result) == pytest.approx(scores(voice_emotion(clip)), abs=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda speech: speech, ""),
        (lambda speech: 0.001 * speech, "too quiet"),
        (lambda speech: np.clip(30 * speech, -1, 1), "clipped"),
        (lambda speech: speech + np.float32(0.2), "DC offset"),
        (lambda speech: np.stack([speech, -0.9 * speech]), "channels cancel"),
    ],
)
def test_what_makes_scores_doubtful_is_said_and_warned_about(voice_emotion, change, said, recwarn):
    samples = change(load_audio(REPOSITORY / "examples" / "clips" / "de_anger.flac"))
    rows = voice_emotion(samples.astype(np.float32), sampling_rate=16_000, top_k=2)
    assert [row["quality"] for row in rows] == [said] * 2
    warned = [str(w.message) for w in recwarn if "doubtful" in str(w.message)]
    assert warned == ([f"the scores of a recording are doubtful: {said}"] if said else [])


def test_each_window_has_its_own_doubts(voice_emotion):
    speech = np.tile(load_audio(REPOSITORY / "examples" / "clips" / "de_anger.flac"), 20)[:480_000]
    recording = np.concatenate([speech, 0.001 * speech[:80_000]])
    each = voice_emotion(recording, sampling_rate=16_000, long_audio="each")
    assert "too quiet" not in each[0]["quality"]
    assert each[1]["quality"] == "too quiet"
    assert set(each[0]["scores"][0]) == {"label", "score"}
    (first, *_) = voice_emotion(recording, sampling_rate=16_000)
    assert first["quality"].endswith("too quiet")


def test_a_bad_recording_is_an_audio_error(voice_emotion):
    with pytest.raises(AudioError, match="digital silence"):
        voice_emotion(np.zeros(16_000, np.float32))
    with pytest.raises(AudioError):
        voice_emotion(io.BytesIO(b"not audio").read())


def test_wrong_parameters_are_errors_that_name_the_choices(voice_emotion, tone):
    with pytest.raises(ValueError, match="mean, first, each"):
        voice_emotion(tone, long_audio="last")
    with pytest.raises(TypeError, match="top_k, long_audio, hop_s, sampling_rate"):
        voice_emotion(tone, topk=3)
    with pytest.raises(ValueError, match="at least 1"):
        voice_emotion(tone, top_k=0)


def test_a_bare_array_without_its_rate_is_warned_about(voice_emotion, tone, recwarn):
    at_8_khz = tone[::2].copy()
    told = scores(voice_emotion({"array": at_8_khz, "sampling_rate": 8_000}))
    assert scores(voice_emotion(at_8_khz, sampling_rate=8_000)) == pytest.approx(told)
    assert not [w for w in recwarn if "without its rate" in str(w.message)]
    with pytest.warns(UserWarning, match="taken to be at 16000 Hz"):
        voice_emotion(at_8_khz)


def test_an_array_of_int16_is_read_by_its_full_scale(voice_emotion, tone):
    whole = np.round(tone * 32_768).astype(np.int16)
    expected = scores(voice_emotion(whole / np.float32(32_768), sampling_rate=16_000))
    found = scores(voice_emotion(whole, sampling_rate=16_000))
    assert found == pytest.approx(expected, abs=1e-5)
