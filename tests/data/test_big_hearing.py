"""What an engine gives is a clip of Big only if it is whole audio of 3 to 30 seconds."""

import numpy as np
import pytest

from dataset_scripts.generation.engines import Speech
from dataset_scripts.generation.hearing import RATE, NotAudioError, UnusableError, hear
from tests.support.speech_maker import sounds, speech_like, wav

TEXT = "The bus stops in front of the town hall, they say."
SOUNDS = sounds()


@pytest.mark.parametrize("name", ["good", "stereo 44.1 kHz"])
def test_speech_of_any_rate_and_channels_becomes_mono_at_24_khz(name):
    heard = hear(Speech(SOUNDS[name]), TEXT)
    assert heard.samples.shape == (pytest.approx(6 * RATE, abs=2),)
    assert heard.samples.dtype == np.float32 and heard.words_found is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("silence", "too quiet"),
        ("mostly silence", "mostly silence"),
        ("half a second", "0.50 s, at least 3 are needed"),
        ("45 seconds", "more than 30 s"),
        ("noise", "as steady as noise"),
        ("8 kHz", "8,000 Hz, at least 16,000 are needed"),
        ("clipped", "clipped"),
        ("cut off", "ends in the middle of a sound"),
    ],
)
def test_audio_that_is_no_clip_is_refused_with_the_reason(name, message):
    with pytest.raises(UnusableError, match=message):
        hear(Speech(SOUNDS[name]), TEXT)


@pytest.mark.parametrize(
    ("name", "message"),
    [("HTML", "an HTML page"), ("nothing", "0 bytes"), ("half a header", "30 bytes")],
)
def test_what_is_no_audio_is_called_so(name, message):
    with pytest.raises(NotAudioError, match=message):
        hear(Speech(SOUNDS[name]), TEXT)


@pytest.mark.parametrize(
    ("seconds", "usable"), [(2.99, False), (3, True), (30, True), (30.01, False)]
)
def test_the_limits_are_3_and_30_seconds(seconds, usable):
    speech = Speech(speech_like(seconds), RATE)
    if usable:
        hear(speech, "Here it stops.")
    else:
        with pytest.raises(UnusableError, match=" s"):
            hear(speech, "Here it stops.")


def test_a_text_that_is_too_long_for_its_clip_was_not_said_to_its_end():
    with pytest.raises(UnusableError, match=r"cut off: 510 characters in \d\.\d s of speech"):
        hear(Speech(speech_like(), RATE), TEXT * 10 + TEXT[:10])


def test_a_transcript_tells_another_language_or_other_words_and_allows_a_laugh():
    said = "Haha! The bus stops in front of the town hall, they say."
    assert hear(Speech(speech_like(), RATE, said=said), TEXT).words_found == 1
    for other in ("Der Bus hält vor dem Rathaus, sagen sie.", "I cannot help with that.", ""):
        with pytest.raises(UnusableError, match="other words than asked for"):
            hear(Speech(speech_like(), RATE, said=other), TEXT)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e3, 1e30, 1e38])
def test_samples_far_beyond_full_scale_are_refused_without_a_warning(scale):
    with pytest.raises(UnusableError, match="beyond full scale"):
        hear(Speech(wav(speech_like() * scale, subtype="FLOAT")), TEXT)


@pytest.mark.parametrize("rate", [0, 1, 2**31 - 1])
def test_a_file_that_is_none_gives_the_same_reason_each_time(rate):
    sound = bytearray(wav(speech_like()))
    sound[24:28] = rate.to_bytes(4, "little")
    with pytest.raises((NotAudioError, UnusableError)) as first:
        hear(Speech(bytes(sound)), TEXT)
    with pytest.raises(type(first.value)) as again:
        hear(Speech(bytes(sound)), TEXT)
    assert str(first.value) == str(again.value) and " at 0x" not in str(first.value)


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM", "GSM610"])
def test_libsndfile_is_given_no_codec_that_it_should_not_have(subtype, monkeypatch):
    sound = wav(speech_like(), subtype=subtype)
    monkeypatch.setattr("soundfile.SoundFile", None)
    hear(Speech(sound), "Here it stops.")


def test_what_was_clipped_and_made_quieter_afterwards_is_clipped():
    loud = 0.4 * (20 * speech_like(6.0)).clip(-1, 1)
    for rate in (RATE, 44_100):
        with pytest.raises(UnusableError, match="clipped"):
            hear(Speech(loud, rate), "Here it stops.")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(bad):
    samples = speech_like()
    samples[100] = bad
    with pytest.raises(UnusableError, match="no numbers"):
        hear(Speech(samples, RATE), TEXT)
