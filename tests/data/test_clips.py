"""What every corpus knows of a clip without decoding it."""

import os
from io import BytesIO
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import soundfile

from dataset_scripts.corpora.clips import clip_files, duration_s
from modeling_empathic.taxonomy import UserError
from modeling_empathic.training.folder import read_folder


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


def test_no_format_that_opens_files_or_sockets_is_tried(monkeypatch):
    tried = {}
    monkeypatch.setattr("av.open", lambda *_, options, **__: tried.update(options) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        duration_s(b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n")
    formats = set(tried["format_whitelist"].split(","))
    assert "mp3" in formats
    assert not formats & {"sdp", "rtsp", "rtp", "hls", "dash", "concat", "image2", "lavfi"}


@pytest.mark.parametrize("seconds", [0, -1, 1e9, float("inf"), float("nan")])
def test_a_length_that_no_clip_has_is_none(seconds, monkeypatch):
    packet = SimpleNamespace(duration=seconds)
    container = MagicMock(demux=lambda _: [packet])
    container.streams.audio = [SimpleNamespace(time_base=1)]
    container.__enter__.return_value = container
    monkeypatch.setattr("av.open", lambda *_, **__: container)
    assert duration_s(b"x") is None


@pytest.mark.parametrize("content", [b"", b"text", b"\0" * 5000])
def test_what_is_no_audio_has_no_duration(content):
    assert duration_s(content) is None


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_no_clip_and_no_table(make, tmp_path):
    make(tmp_path / "03a01Fa.wav")
    with pytest.raises(UserError, match=r"03a01Fa\.wav is no regular file"):
        clip_files(tmp_path, (".wav",))
    make(tmp_path / "labels.csv")
    with pytest.raises(UserError, match="0 tables"):
        read_folder(tmp_path)
