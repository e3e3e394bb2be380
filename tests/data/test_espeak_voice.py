"""The offline voice speaks, obeys its knobs and repeats itself exactly."""

import time

import numpy as np
import pytest

pytest.importorskip("espeakng_loader")
from dataset_scripts.synthesis.espeak import speak, variants

TEXT = "The train leaves at nine from the second platform."


def pitch_hz(audio: np.ndarray, sampling_rate: int) -> float:
    """Mean pitch of the whole clip: the strongest lag of its autocorrelation, 60-400 Hz."""
    spectrum = np.fft.rfft(audio, 2 * len(audio))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)
    low, high = sampling_rate // 400, sampling_rate // 60
    return sampling_rate / (low + int(correlation[low:high].argmax()))


def test_it_speaks_mono_float32_at_22050_hz():
    audio, sampling_rate = speak(TEXT, voice="en")
    assert sampling_rate == 22_050
    assert audio.dtype == np.float32
    assert audio.ndim == 1
    assert 1.5 < len(audio) / sampling_rate < 6
    assert 0.1 < np.abs(audio).max() <= 1.0


@pytest.mark.parametrize("voice", ["en+f3", "de+m3", "fr+whisper"])
def test_the_same_words_give_the_same_samples_whatever_was_said_before(voice):
    first, _ = speak(TEXT, voice=voice)
    speak("Something else in between.", voice="es+m1")
    time.sleep(1.1)  # breathy voices once took their noise from the clock's second
    again, _ = speak(TEXT, voice=voice)
    np.testing.assert_array_equal(first, again)


def test_faster_is_shorter_and_a_word_gap_is_longer():
    normal = len(speak(TEXT, rate_wpm=175)[0])
    assert len(speak(TEXT, rate_wpm=300)[0]) < 0.75 * normal
    assert len(speak(TEXT, word_gap=20)[0]) > 1.2 * normal


def test_louder_is_louder_and_higher_is_higher():
    quiet, rate = speak(TEXT, voice="en", volume=40)
    loud, _ = speak(TEXT, voice="en", volume=100)
    assert np.std(loud) > 1.5 * np.std(quiet)
    low, high = (speak(TEXT, voice="en+m3", pitch=p)[0] for p in (20, 80))
    assert pitch_hz(high, rate) > 1.2 * pitch_hz(low, rate)


def test_every_language_of_the_project_has_a_voice():
    assert {"f1", "f3", "m1", "m3", "whisper", "whisperf"} <= set(variants())
    lengths = {len(speak("Maria, Anna, Paula.", voice=v)[0]) for v in ("en", "de", "es", "fr")}
    assert len(lengths) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": "  "}, "empty"),
        ({"text": TEXT, "voice": "xx"}, "unknown voice 'xx'"),
        ({"text": TEXT, "voice": "de+nobody"}, "unknown variant 'nobody'"),
        ({"text": TEXT, "rate_wpm": 20}, "rate_wpm=20 is outside 80..450"),
    ],
)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        speak(**arguments)
