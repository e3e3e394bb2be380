"""What cannot be trusted is said, and speech is left alone."""

import numpy as np
import pytest

from modeling_empathic.audio import load_audio
from modeling_empathic.scoring.quality import JUDGEMENTS, judge
from tests.support.places import REPOSITORY

RATE = 16_000
CLIPS = sorted((REPOSITORY / "examples" / "clips").glob("*.flac"))


def noise(seconds=2.0, level=0.1):
    rng = np.random.default_rng(0)
    return (level * rng.standard_normal(int(seconds * RATE))).astype(np.float32)


def chord(seconds=2.0, hertz=(220.0, 277.2, 329.6)):
    t = np.arange(int(seconds * RATE)) / RATE
    return (0.1 * sum(np.sin(2 * np.pi * f * t) for f in hertz)).astype(np.float32)


@pytest.fixture(scope="module")
def speech():
    return load_audio(CLIPS[0])


@pytest.mark.parametrize("clip", CLIPS, ids=lambda path: path.stem)
@pytest.mark.parametrize("gain", [1.0, 0.1])
def test_speech_is_not_doubted_at_any_level(clip, gain):
    assert judge(load_audio(clip) * np.float32(gain)) == ""


@pytest.mark.parametrize(
    ("samples", "judgement"),
    [
        (np.zeros(RATE, np.float32), "too quiet"),
        (noise(level=1e-4), "too quiet"),
        (noise(), "not like speech"),
        (chord(), "not like speech"),
        (chord() + noise(level=0.02), "not like speech"),
        (chord(hertz=(50.0, 100.0, 150.0)), "not like speech"),
        (np.zeros(0, np.float32), "too short"),
    ],
)
def test_what_is_no_speech_is_named(samples, judgement):
    assert judge(samples) == judgement


def test_a_fifth_of_a_second_is_too_short(speech):
    assert "too short" in judge(speech[RATE // 2 : RATE // 2 + RATE // 5])


def test_a_clip_that_is_mostly_silence_is_named(speech):
    assert judge(np.pad(speech, 4 * RATE)) == ""
    click = np.zeros(60 * RATE, np.float32)
    click[:8000] = speech[8000:16000]
    click[-8000:] = speech[8000:16000]
    assert judge(click) == "mostly silence"


def test_clipping_and_an_offset_are_named(speech):
    assert judge(np.clip(speech * 50, -1, 1)) == "clipped"
    assert judge(speech + np.float32(0.3)) == "DC offset"


def test_noise_ten_decibels_below_is_still_speech(speech):
    power = np.sqrt(np.mean(speech**2))
    assert judge(speech + noise(len(speech) / RATE, 1.0)[: len(speech)] * power * 10**-0.5) == ""


def test_every_word_is_one_of_the_list(speech):
    words = judge(np.clip(noise(level=5), -1, 1)).split(", ")
    assert words and set(words) <= set(JUDGEMENTS)


@pytest.mark.real
def test_no_real_clip_is_doubted(shared):
    for corpus in ("emodb", "nemo"):
        clips = sorted((shared / "data" / corpus).glob("*.flac"))
        assert [clip.name for clip in clips if judge(load_audio(clip))] == []
