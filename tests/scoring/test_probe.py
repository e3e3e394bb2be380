"""Words or sound: what is left of a clip, and what each head loses."""

import numpy as np
import pytest

from modeling_empathic.norms import NormError, norm, robust_spread, z_against
from modeling_empathic.scoring.probe import _pitch, flatten_pitch, low_pass, probe
from tests.support.command import run_command
from tests.support.scoring_fakes import write_clip


@pytest.fixture(scope="module")
def nano():
    """Nano with two heads, and its front end."""
    from modeling_empathic.scoring.loading import load_model

    return load_model(None, revision=None, heads=["Anger", "Awe"], device="cpu", dtype="auto")[:2]


HZ = np.geomspace(120, 240, 9600)


@pytest.fixture
def glide():
    """A voice-like buzz that rises from 120 to 240 Hz in 0.6 s, and a quiet hiss after it."""
    phase = 2 * np.pi * np.cumsum(HZ) / 16_000
    buzz = sum(np.sin(k * phase) / k for k in range(1, 12)) * 0.2
    return np.concatenate([buzz, np.random.default_rng(0).normal(0, 0.001, 4000)])


@pytest.fixture
def known_pitch(monkeypatch):
    """The glide's own pitch, without pYIN, which takes seconds to compile."""

    def pitch(samples):
        f0 = np.full(len(samples) // 160 + 1, np.nan)
        f0[:60] = HZ[::160][: len(f0)][:60] if len(f0) >= 60 else np.nan
        return f0

    monkeypatch.setattr("modeling_empathic.scoring.probe._pitch", pitch)


def fundamentals(samples):
    """The lowest strong partial of every 64 ms."""
    found = []
    for start in range(1600, 8000, 400):
        part = samples[start : start + 1024] * np.hanning(1024)
        spectrum = np.abs(np.fft.rfft(part, 16_384))
        found.append(np.argmax(spectrum[90:290]) + 90)  # about a hertz a bin
    return np.array(found) * 16_000 / 16_384


def test_a_flat_pitch_is_the_clips_median_and_the_clip_stays_as_loud(glide, known_pitch):
    flat = flatten_pitch(glide)
    assert np.std(fundamentals(glide)) > 15
    assert np.std(fundamentals(flat)) < 3
    assert np.median(fundamentals(flat)) == pytest.approx(np.median(HZ[::160]), rel=0.03)
    loudness = [np.sqrt(np.mean(of[:9600] ** 2)) for of in (glide, flat)]
    assert loudness[1] == pytest.approx(loudness[0], rel=0.25)
    np.testing.assert_array_equal(flat[-2000:], glide[-2000:])


@pytest.mark.slow  # compiles pYIN
def test_the_pitch_is_found_where_there_is_one(glide):
    found = _pitch(glide)
    assert np.nanmedian(found / np.interp(np.arange(len(found)), range(60), HZ[::160])) == (
        pytest.approx(1, abs=0.03)
    )
    np.testing.assert_array_equal(flatten_pitch(np.zeros(8000)), np.zeros(8000))


def test_without_a_pitch_a_clip_is_left_alone(known_pitch):
    noise = np.random.default_rng(1).normal(0, 0.1, 3000)
    np.testing.assert_array_equal(flatten_pitch(noise), noise)


def test_nothing_above_the_cutoff_is_left(glide):
    spectrum = np.abs(np.fft.rfft(low_pass(glide))) ** 2
    hz = np.fft.rfftfreq(len(glide), 1 / 16_000)
    assert spectrum[hz > 510].sum() < 1e-9 * spectrum.sum()


def test_every_head_is_told_and_a_bad_clip_is_named(nano, tmp_path, known_pitch):
    model, extractor = nano
    good = [str(write_clip(tmp_path / f"{i}.wav", 0.6, i)) for i in range(3)]
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    heads, failed = probe([*good, str(tmp_path / "bad.wav")], model, extractor)
    assert [head.name for head in heads] == model.config.head_names
    assert list(failed) == [str(tmp_path / "bad.wav")]
    for head in heads:
        assert np.isfinite(head.means).all()
        assert head.losses[0] == pytest.approx(head.means[0] - head.means[1], abs=1e-9)


def test_the_command_shows_norms_and_probes(tmp_path, known_pitch):
    clip = write_clip(tmp_path / "a.wav", 0.6)
    code, shown, _ = run_command("score", clip, "--norm", "clips")
    assert "Against 722 multilingual clips" in shown
    code, shown, _ = run_command("score", clip, "--probe")
    assert (code, "Words or sound? 1 clip\n" in shown) == (0, True)
    assert "The 20 of 40 heads with the highest mean on the clips; --json has all." in shown
    code, _, said = run_command("score", clip, "--norm", "usual")
    assert (code, "choose from reference, takes, clips" in said) == (2, True)
    assert run_command("score", clip, "--probe", "--output", tmp_path / "a.csv")[0] == 2


def test_norms_are_laions_with_their_rule():
    public = norm("takes")
    assert (public.centre["Amusement"], public.spread["Amusement"]) == (0.222309, 0.487948)
    assert norm("clips").centre["Elation"] == 0.0124
    assert robust_spread(1.0, 2.0) == 1.4826
    assert z_against({"Anger": public.centre["Anger"], "Valence": 1.0}, public) == {"Anger": 0.0}
    with pytest.raises(NormError, match="choose from reference, takes, clips"):
        norm("mine")
    with pytest.raises(NormError, match="no reference clips"):
        norm("reference")


def test_an_option_that_would_change_nothing_is_refused(tmp_path):
    for option in (("--window", "2"), ("--vad",), ("--channels", "separate")):
        code, _, error = run_command("score", tmp_path, "--probe", *option)
        assert code == 2 and "--probe hears whole clips" in error
