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


@pytest.fixture(scope="module")
def glide():
    """A voice-like buzz that rises from 120 to 240 Hz in 0.6 s, and a quiet hiss after it."""
    hz = np.geomspace(120, 240, 9600)
    phase = 2 * np.pi * np.cumsum(hz) / 16_000
    buzz = sum(np.sin(k * phase) / k for k in range(1, 12)) * 0.2
    return np.concatenate([buzz, np.random.default_rng(0).normal(0, 0.001, 4000)])


def test_a_flat_pitch_is_the_clips_median_and_the_clip_stays_as_loud(glide):
    flat = flatten_pitch(glide)
    before, after = _pitch(glide), _pitch(flat)
    middle = slice(8, 52)
    assert np.nanstd(before[middle]) > 20
    assert np.nanstd(after[middle]) < 3
    assert np.nanmedian(after[middle]) == pytest.approx(np.nanmedian(before), rel=0.03)
    loudness = [np.sqrt(np.mean(of[:9600] ** 2)) for of in (glide, flat)]
    assert loudness[1] == pytest.approx(loudness[0], rel=0.25)
    np.testing.assert_array_equal(flat[-2000:], glide[-2000:])


def test_noise_without_a_pitch_is_left_alone():
    noise = np.random.default_rng(1).normal(0, 0.1, 8000)
    np.testing.assert_array_equal(flatten_pitch(np.zeros(8000)), np.zeros(8000))
    assert len(flatten_pitch(noise)) == 8000


def test_nothing_above_the_cutoff_is_left(glide):
    spectrum = np.abs(np.fft.rfft(low_pass(glide))) ** 2
    hz = np.fft.rfftfreq(len(glide), 1 / 16_000)
    assert spectrum[hz > 510].sum() < 1e-9 * spectrum.sum()


def test_every_head_is_told_and_a_bad_clip_is_named(nano, tmp_path):
    model, extractor = nano
    good = [str(write_clip(tmp_path / f"{i}.wav", 0.6, i)) for i in range(3)]
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    heads, failed = probe([*good, str(tmp_path / "bad.wav")], model, extractor)
    assert [head.name for head in heads] == model.config.head_names
    assert list(failed) == [str(tmp_path / "bad.wav")]
    for head in heads:
        assert np.isfinite(head.means).all()
        assert head.losses[0] == pytest.approx(head.means[0] - head.means[1], abs=1e-9)


def test_the_command_shows_norms_and_probes(tmp_path):
    clip = write_clip(tmp_path / "a.wav", 0.6)
    code, shown, _ = run_command("score", clip, "--norm", "clips", "--quiet")
    assert code == 0
    code, shown, _ = run_command("score", clip, "--norm", "clips")
    assert "Against 722 multilingual clips" in shown
    code, shown, _ = run_command("score", clip, "--probe")
    assert (code, "Words or sound?" in shown) == (0, True)
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
