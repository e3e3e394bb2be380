"""Pitch, level, tempo and timbre of made sounds whose values are known."""

import fcntl
import hashlib
import io
import math
import os
import re
import sys

import numpy as np
import pytest
import scipy.fft
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling_empathic import acoustics as module
from modeling_empathic.acoustics import (
    FEATURES,
    acoustics,
    contours,
    summarise,
)
from modeling_empathic.acoustics_files import acoustics_files, acoustics_pool
from modeling_empathic.audio import AudioError
from modeling_empathic.taxonomy import UserError

RATE = 16_000


def voice(f0_hz, duration_s=1.0, loudness=0.05):
    """Harmonics of a pitch, constant or a `(samples,)` curve, falling by 6 dB an octave."""
    f0 = np.broadcast_to(f0_hz, (round(duration_s * RATE),))
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    parts = [np.sin(h * phase) / h for h in range(1, 40) if h * f0.max() < RATE / 2]
    return (loudness * np.sum(parts, axis=0)).astype(np.float32)


def noise(duration_s=1.0, seed=0):
    samples = np.random.default_rng(seed).normal(0, 0.05, round(duration_s * RATE))
    return samples.astype(np.float32)


def wav(samples, rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV")
    return file.getvalue()


@pytest.mark.parametrize("f0_hz", [70, 101, 147, 220, 333, 480, 750])
def test_the_pitch_of_a_voice_is_found_within_one_percent(f0_hz):
    features = acoustics(voice(f0_hz))
    assert features["f0_median_hz"] == pytest.approx(f0_hz, rel=0.01)
    assert features["f0_range_st"] <= 0.2
    assert features["voiced_share"] > 0.95


def test_one_process_at_a_time_compiles(monkeypatch):
    """Two that fill numba's cache at once leave machine code there that ends in SIGSEGV."""
    import librosa

    def locked():
        with module.compiling_lock().open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    seen = []
    module.load_librosa.cache_clear()
    monkeypatch.setattr(librosa, "pyin", lambda *_args, **_options: seen.append(locked()))
    assert module.load_librosa() is librosa
    assert seen == [True]
    assert not locked()


def test_the_range_of_a_glide_is_nine_tenths_of_it():
    octave = 150 * 2 ** np.linspace(0, 1, 3 * RATE)
    assert acoustics(voice(octave, 3.0))["f0_range_st"] == pytest.approx(0.9 * 12, abs=0.5)


def test_without_librosa_the_extra_that_brings_it_is_named(monkeypatch):
    module.load_librosa.cache_clear()
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(UserError, match=r'pip install "emonet-voice\[acoustics\]"'):
        acoustics(voice(200))
    with pytest.raises(UserError, match="acoustics"):
        list(acoustics_files(["clip.wav"]))


def test_hiss_has_no_pitch():
    features = acoustics(noise(2.0))
    assert features["voiced_share"] == 0
    assert math.isnan(features["f0_median_hz"]) and math.isnan(features["f0_range_st"])
    assert all(math.isfinite(features[name]) for name in list(FEATURES)[2:])


def test_half_hiss_half_voice_is_half_voiced():
    share = acoustics(np.concatenate([noise(1.0), voice(200)]))["voiced_share"]
    assert share == pytest.approx(0.5, abs=0.05)


def test_the_level_is_the_root_mean_square():
    samples = noise(2.0)
    expected = 10 * np.log10(np.mean(samples.astype(float) ** 2))
    assert acoustics(samples)["level_dbfs"] == pytest.approx(expected, abs=0.1)


def test_the_level_of_a_loud_and_a_soft_half_is_that_of_their_mean_power():
    level = acoustics(np.concatenate([noise(2.0), 0.1 * noise(2.0)]))["level_dbfs"]
    assert level == pytest.approx(20 * np.log10(0.05) + 10 * np.log10(1.01 / 2), abs=0.1)


def test_what_is_more_than_25_db_below_the_speech_is_a_pause():
    steps = np.concatenate([noise(2.0), 10**-1.15 * noise(2.0), 10**-1.35 * noise(2.0)])
    active = contours(steps)["active"]
    assert active[:198].all() and not active[203:].any()


def test_a_fade_of_20_db_has_nine_tenths_of_it_as_range():
    fade = 10 ** (np.linspace(0, -1, 4 * RATE))
    assert acoustics(noise(4.0) * fade)["level_range_db"] == pytest.approx(18, abs=1)


@settings(max_examples=8)
@given(st.floats(-40, 20))
def test_louder_changes_the_level_and_nothing_else_but_the_first_coefficient(gain_db):
    samples = np.concatenate([voice(180, 0.6), noise(0.4)])
    before, after = acoustics(samples), acoustics(samples * 10 ** (gain_db / 20))
    assert after["level_dbfs"] - before["level_dbfs"] == pytest.approx(gain_db, abs=1e-3)
    for name in FEATURES:
        if name not in ("level_dbfs", "mfcc_0"):
            assert after[name] == pytest.approx(before[name], rel=1e-2, abs=0.02), name


def test_silence_around_the_speech_does_not_count():
    samples = np.concatenate([voice(160, 0.8), noise(0.4), voice(210, 0.8)])
    padded = np.concatenate([np.zeros(RATE), samples, np.zeros(2 * RATE)])
    before, after = acoustics(samples), acoustics(padded)
    for name, (unit, _) in FEATURES.items():
        tolerance = {"Hz": 10, "dB": 2}.get(unit, 0.6)
        assert after[name] == pytest.approx(before[name], rel=0.05, abs=tolerance), name


@pytest.mark.parametrize("rate_hz", [2, 4, 6])
def test_beats_of_loudness_are_counted_as_syllables(rate_hz):
    time_s = np.arange(5 * RATE) / RATE
    beats = voice(150, 5.0) * (0.55 - 0.45 * np.cos(2 * np.pi * rate_hz * time_s))
    assert acoustics(beats)["syllable_rate_hz"] == pytest.approx(rate_hz, rel=0.05)
    middle = contours(beats)["rate_hz"][100:150]
    assert middle == pytest.approx(rate_hz, abs=0.6)


@pytest.mark.parametrize("f0_hz", [61, 70, 115, 240, 440])
def test_a_steady_tone_is_one_syllable_and_hiss_is_none(f0_hz):
    tone = 0.1 * np.sin(2 * np.pi * f0_hz * np.arange(3 * RATE) / RATE)
    assert acoustics(tone)["syllable_rate_hz"] == pytest.approx(1 / 3, rel=0.05)
    assert acoustics(noise(3.0))["syllable_rate_hz"] == 0


@pytest.mark.parametrize("f0_hz", [40, 50, 55, 1100, 1500, 2200, 3100, 5000])
@pytest.mark.parametrize("make", [voice, lambda f0: voice(f0) * 0 + 0.1 * np.sin(
    2 * np.pi * f0 * np.arange(RATE) / RATE)])  # fmt: skip
def test_what_lies_outside_the_range_of_pitch_has_none(f0_hz, make):
    features = acoustics(make(f0_hz))
    assert features["voiced_share"] < 0.05


@pytest.mark.parametrize("offset", [0.05, 0.3, -0.5])
def test_an_offset_of_the_samples_changes_nothing(offset):
    samples = voice(200, 2.0) + noise(2.0)
    before, after = acoustics(samples), acoustics(samples + np.float32(offset))
    for name, value in before.items():
        assert after[name] == pytest.approx(value, rel=1e-3, abs=0.02), name


def test_the_rate_of_a_scrap_is_undefined():
    scrap = voice(200, 0.3)
    assert math.isnan(acoustics(scrap)["syllable_rate_hz"])
    assert np.isnan(contours(scrap)["rate_hz"]).all()


def test_timbre_is_what_the_formulas_say():
    samples = noise(1.0) + voice(300)
    samples -= samples.mean()
    curves = contours(samples)
    padded = np.pad(samples, 512)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    hertz = np.arange(513) * RATE / 1024
    for frame in (0, 7, 50):
        spectrum = np.abs(np.fft.rfft(hann * padded[frame * 320 : frame * 320 + 1024]))
        centroid = (hertz * spectrum).sum() / spectrum.sum()
        below = np.cumsum(spectrum) / spectrum.sum()
        rolloff = hertz[np.flatnonzero(below >= 0.85)[0]]
        power = spectrum**2
        flatness = np.exp(np.log(power).mean()) / power.mean()
        assert curves["centroid_hz"][frame] == pytest.approx(centroid, rel=1e-4)
        assert curves["rolloff_hz"][frame] == pytest.approx(rolloff)
        assert curves["flatness"][frame] == pytest.approx(flatness, rel=1e-3)


def test_the_cepstral_coefficients_are_a_cosine_transform_of_40_mel_bands_in_db():
    import librosa

    samples = noise(1.0)
    samples -= samples.mean()
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    power = np.abs(np.fft.rfft(hann * samples[320 * 10 - 512 : 320 * 10 + 512])) ** 2
    bands = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=40) @ power
    expected = scipy.fft.dct(10 * np.log10(bands), norm="ortho")[:13]
    assert contours(samples)["mfcc"][:, 10] == pytest.approx(expected, abs=1e-3)


def test_a_long_recording_is_measured_in_blocks_that_do_not_show(monkeypatch):
    melody = 160 * 2 ** (0.5 * np.sin(2 * np.pi * 0.7 * np.arange(9 * RATE) / RATE))
    # Syllables in noise: where a voice begins and ends depends on what was before and comes after.
    syllables = np.arange(9 * RATE) % (RATE // 5) < 0.12 * RATE
    samples = voice(melody, 9.0) * syllables + 0.3 * noise(9.0)
    samples[-RATE:] *= 1e-5
    whole = contours(samples)
    monkeypatch.setattr(module, "_BLOCK", 30)
    blocks = contours(samples)
    assert list(whole) == list(blocks)
    for name in whole:
        if name != "f0_hz":
            assert np.allclose(whole[name], blocks[name], 1e-4, 1e-4, equal_nan=True), name
    same = np.isclose(whole["f0_hz"], blocks["f0_hz"], equal_nan=True)
    assert same.mean() > 0.995 and len(same) == 451


def test_the_features_are_a_summary_of_the_contours():
    samples = voice(190, 0.7)
    curves = contours(samples)
    assert summarise(curves) == acoustics(samples)
    n_frames = {name: curve.shape[-1] for name, curve in curves.items()}
    assert set(n_frames.values()) == {36}
    assert curves["mfcc"].shape == (13, 36)
    assert curves["time_s"][-1] == pytest.approx(0.7)


def test_every_feature_has_a_unit_and_a_source_and_there_are_no_others():
    features = acoustics(voice(200, 0.1))
    assert list(features) == list(FEATURES)
    assert all(type(value) is float for value in features.values())
    for unit, meaning in FEATURES.values():
        assert unit and re.search(r"(19|20)\d\d", meaning)


def test_other_rates_and_channels_are_read_as_everywhere():
    stereo = np.stack([voice(200, 0.5)] * 2)
    assert acoustics(stereo) == acoustics(stereo[0])
    halved = acoustics(voice(200, 0.5), sampling_rate=8_000)
    assert halved["f0_median_hz"] == pytest.approx(100, rel=0.01)


def test_the_shortest_clip_has_features_and_digital_silence_is_refused():
    assert acoustics(noise(0.025))["level_dbfs"] < 0
    with pytest.raises(AudioError, match="digital silence"):
        acoustics(np.zeros(RATE, np.float32))


class Deadly:
    """A clip that kills the process that unpacks it, as a crash in a decoder would."""

    def __reduce__(self):
        return os._exit, (1,)

    def __str__(self):
        return "deadly"


@pytest.fixture
def quick_workers(monkeypatch):
    """Workers do not import transformers, which they have no use for."""
    monkeypatch.setattr("sys.argv", ["emonet-voice"])


def test_files_come_out_in_order_and_a_bad_one_is_an_outcome(tmp_path, quick_workers):
    good = wav(voice(240, 0.5))
    path = tmp_path / "a clip.wav"
    path.write_bytes(good)
    clips = [path, b"no audio", "gone.wav", good, wav(np.zeros(RATE)), str(path)]
    outcomes = list(acoustics_files(iter(clips), workers=2))
    keys = [outcome.key for outcome in outcomes]
    assert keys[0] == keys[5] == str(path) and keys[2] == "gone.wav"
    assert keys[3] == hashlib.sha256(good).hexdigest()
    for i in (0, 3, 5):
        assert outcomes[i].features == acoustics(soundfile.read(path)[0])
        assert outcomes[i].error is None
    assert [outcomes[i].features for i in (1, 2, 4)] == [None] * 3
    assert outcomes[2].error == "No such file or directory"
    assert "not audio" in outcomes[1].error and "digital silence" in outcomes[4].error


def test_a_clip_that_kills_its_process_does_not_stop_the_others(quick_workers):
    with acoustics_pool(workers=1) as measure:
        errors = [outcome.error for outcome in measure([b"", Deadly(), b"", "gone.wav"])]
        assert "process died" in errors[1]
        assert errors[0] == errors[2] == "empty file" and "No such file" in errors[3]
        assert [outcome.error for outcome in measure([b""])] == ["empty file"]  # it goes on


def test_no_worker_is_an_error():
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        next(acoustics_files([], workers=0))


@pytest.mark.real
def test_a_hoarse_clip_of_which_praat_calls_a_third_voiced_has_a_pitch(shared):
    features = acoustics(*soundfile.read(shared / "data" / "emodb" / "10a04Wa.flac"))
    assert features["voiced_share"] > 0.2
    assert features["f0_median_hz"] == pytest.approx(180, rel=0.05)


@pytest.mark.real
def test_in_real_recordings_women_speak_higher_than_men(shared):
    folder = shared / "data" / "emodb"

    def medians(speaker):
        clips = [folder / f"{speaker}{text}Na.flac" for text in ("a01", "a02", "a05", "b03")]
        recordings = [soundfile.read(clip) for clip in clips if clip.exists()]
        return [acoustics(samples, rate)["f0_median_hz"] for samples, rate in recordings]

    men, women = medians("03") + medians("11"), medians("08") + medians("16")
    assert men and women
    assert max(men) < 160 < min(women) < 300
