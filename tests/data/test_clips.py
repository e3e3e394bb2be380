"""What every corpus knows of a clip without decoding it."""

from io import BytesIO

import numpy as np
import pytest
import soundfile

from dataset_scripts.corpora.clips import duration_s


def encoded(audio_format: str, seconds: float) -> bytes:
    noise = 0.1 * np.random.default_rng(0).normal(size=round(44_100 * seconds))
    file = BytesIO()
    soundfile.write(file, noise, 44_100, format=audio_format)
    return file.getvalue()


@pytest.mark.parametrize("seconds", [0.3, 10.36])
@pytest.mark.parametrize(("audio_format", "tolerance_s"), [("FLAC", 0), ("WAV", 0), ("MP3", 0.1)])
def test_a_duration_is_that_of_the_samples(audio_format, tolerance_s, seconds):
    measured_s = duration_s(encoded(audio_format, seconds))
    assert measured_s == pytest.approx(seconds, abs=tolerance_s + 1e-4)


@pytest.mark.parametrize("content", [b"", b"text", b"\0" * 5000])
def test_what_is_no_audio_has_no_duration(content):
    assert duration_s(content) is None
