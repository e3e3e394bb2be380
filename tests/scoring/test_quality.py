"""What cannot be trusted is said, and speech is left alone."""

import numpy as np
import pytest
import soundfile

from benchmarks.quality import cases
from modeling_empathic.audio import load_audio, read_audio
from modeling_empathic.quality_empathic import JUDGEMENTS, judge
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


MADE = cases(load_audio(CLIPS[0]))


@pytest.mark.parametrize("name", MADE)
def test_made_sounds_get_their_word(name):
    word, makers = MADE[name]
    for make in makers:
        sound = read_audio(make())
        assert word in judge(sound.samples, sound.notes).split(", "), name


def test_what_the_decoder_noticed_comes_first(speech):
    assert judge(speech, ["channels cancel"]) == "channels cancel"
    assert judge(speech + np.float32(0.3), ["first of 2 tracks"]) == "first of 2 tracks, DC offset"
    assert judge(speech[:300], ["channels cancel"]) == "channels cancel, too short"


def test_the_notes_of_the_decoder_reach_the_column(tmp_path, speech, nano):
    from modeling_empathic.scoring.clips import score_files

    soundfile.write(tmp_path / "a.wav", np.stack([speech, -0.8 * speech], axis=1), RATE)
    (row,) = score_files([tmp_path / "a.wav"], *nano)
    assert row["outcome"] == "scored" and row["quality"] == "channels cancel"


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_clipping_is_seen_at_every_rate_before_resampling_rounds_it(tmp_path, speech, nano, rate):
    import soxr

    from modeling_empathic.scoring.clips import score_files

    loud = soxr.resample(speech, RATE, rate) if rate != RATE else speech
    loud = loud / np.abs(loud).max()
    for name, gain in (("a", 0.95), ("b", 4.0), ("c", 30.0)):
        soundfile.write(tmp_path / f"{name}.wav", np.clip(gain * loud, -1, 1), rate, "PCM_16")
    rows = score_files([tmp_path / f"{name}.wav" for name in "abc"], *nano)
    assert [row["quality"].split(", ").count("clipped") for row in rows] == [0, 1, 1]


def test_a_clip_that_cannot_be_sound_is_a_row_and_the_rest_go_on(tmp_path, speech, nano):
    from modeling_empathic.scoring.clips import score_files

    for name, gain in (("a", 1.0), ("b", 1e20), ("c", 32_767.0), ("d", 1.0)):
        soundfile.write(tmp_path / f"{name}.wav", speech * np.float32(gain), RATE, "FLOAT")
    paths = [*(tmp_path / f"{name}.wav" for name in "abcd"), "https://a/b.wav", tmp_path / "gone"]
    rows = list(score_files(paths, *nano))
    assert [row["outcome"] == "scored" for row in rows] == [True, False, False, True, False, False]
    assert "sound lies in [-1, 1]" in rows[1]["error"] and "[-1, 1]" in rows[2]["error"]
    assert "addresses are not read" in rows[4]["error"] and "No such file" in rows[5]["error"]


@pytest.fixture(scope="module")
def nano():
    from modeling_empathic.scoring.loading import load_model

    model, extractor, _ = load_model(None, revision=None, heads=[], device="cpu", dtype="auto")
    return model, extractor


@pytest.mark.real
@pytest.mark.parametrize("corpus", ["emodb", "nemo"])
def test_at_most_two_real_clips_in_a_hundred_are_doubted(shared, corpus):
    clips = sorted((shared / "data" / corpus).glob("*.flac"))
    sounds = ((clip.name, read_audio(clip)) for clip in clips)
    doubted = {name: said for name, sound in sounds if (said := judge(sound.samples, sound.notes))}
    assert clips and len(doubted) <= 0.02 * len(clips), doubted
