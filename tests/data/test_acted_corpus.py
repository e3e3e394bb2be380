"""The acted corpus is a rule per emotion, scaled by intensity, and the same for the same seed."""

import numpy as np
import pytest

pytest.importorskip("espeakng_loader")
from dataset_scripts.synthesis.acted import (
    RULES,
    SENTENCES,
    TEST_VOICES,
    TRAIN_VOICES,
    Prosody,
    act,
    acted_corpus,
    apply_voice_quality,
)
from dataset_scripts.synthesis.espeak import variants
from modeling_empathic.taxonomy import EMOTION_NAMES

TEXT = "The bus stops in front of the town hall."


def test_every_emotion_has_a_rule_of_its_own():
    assert tuple(RULES) == tuple(EMOTION_NAMES)
    assert len(set(RULES.values())) == 40
    assert Prosody() not in RULES.values()


def test_intensity_zero_is_neutral_and_four_is_the_whole_rule():
    for rule in RULES.values():
        assert rule.scaled(0) == Prosody()
        assert rule.scaled(4) == rule
    half = Prosody(pitch_st=4, range_x=4.0).scaled(2)
    assert half == Prosody(pitch_st=2, range_x=2.0)


def test_anger_is_louder_and_faster_than_sadness_as_the_literature_says():
    anger = act(TEXT, "en", "f2", "Anger", 4.0)
    sadness = act(TEXT, "en", "f2", "Sadness", 4.0)
    assert np.std(anger.audio) > 2 * np.std(sadness.audio)
    assert len(anger.audio) < 0.8 * len(sadness.audio)


def test_at_intensity_zero_all_emotions_sound_the_same():
    clips = [act(TEXT, "de", "m2", emotion, 0.0, seed=3).audio for emotion in ("Anger", "Awe")]
    np.testing.assert_array_equal(*clips)


def test_voice_quality_turns_its_knobs():
    rng = np.random.default_rng(0)
    hum = np.sin(2 * np.pi * 150 * np.arange(22_050) / 22_050).astype(np.float32)

    def high_share(rule: Prosody) -> float:
        power = np.abs(np.fft.rfft(apply_voice_quality(hum, 22_050, rule, rng))) ** 2
        return float(power[2_000:].sum() / power.sum())

    assert high_share(Prosody(breath=0.8)) > 10 * high_share(Prosody())
    assert high_share(Prosody(rough=0.8)) > 2 * high_share(Prosody())
    for rule in RULES.values():
        audio = apply_voice_quality(hum, 22_050, rule, rng)
        assert audio.dtype == np.float32
        assert np.isfinite(audio).all()
        assert np.abs(audio).max() <= 1


def test_the_corpus_repeats_itself_for_a_seed_and_not_for_another():
    first, again = (list(acted_corpus(1, "test", seed=5)) for _ in range(2))
    assert [clip[2:] for clip in first] == [clip[2:] for clip in again]
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.audio, two.audio)
    assert [c[2:] for c in first] != [c[2:] for c in acted_corpus(1, "test", seed=6)]


def test_train_and_test_share_no_voice_and_no_sentence():
    train, test = (list(acted_corpus(2, split)) for split in ("train", "test"))
    assert {clip.emotion for clip in train} == set(EMOTION_NAMES)
    assert {clip.language for clip in train} == set(SENTENCES)
    assert not {clip.voice for clip in train} & {clip.voice for clip in test}
    assert not {clip.text for clip in train} & {clip.text for clip in test}
    assert all(0.5 < len(clip.audio) / clip.sampling_rate < 12 for clip in train + test)


def test_the_voices_exist_and_the_sentences_are_parallel():
    assert {*TRAIN_VOICES, *TEST_VOICES} <= set(variants())
    assert not set(TRAIN_VOICES) & set(TEST_VOICES)
    assert len({len(texts) for texts in SENTENCES.values()}) == 1


def test_a_wrong_argument_is_named():
    with pytest.raises(ValueError, match="unknown emotion 'Rage'"):
        act(TEXT, "en", "f2", "Rage", 1.0)
    with pytest.raises(ValueError, match=r"intensity=5.0 is outside 0\.\.4"):
        act(TEXT, "en", "f2", "Anger", 5.0)
    with pytest.raises(ValueError, match="split='dev'"):
        next(acted_corpus(1, "dev"))
