"""Sounds and encoded files for the tests of what reads them."""

import io
import math
import struct

import av
import numpy as np
import soundfile

RATE = 16_000


def tone(hz: float = 440.0, duration_s: float = 1.0, rate: int = RATE) -> np.ndarray:
    t = np.arange(round(duration_s * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def with_soundfile(samples: np.ndarray, rate: int = RATE, **kind: str) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, **kind)
    return stream.getvalue()


def with_ffmpeg(
    samples: np.ndarray,
    container: str,
    codec: str,
    rate: int = 48_000,
    channels: int = 1,
    **options,
) -> bytes:
    """`(samples,)` by PyAV, the same on every channel; ValueError without the encoder."""
    stream = io.BytesIO()
    with av.open(stream, "w", format=container, options=options) as output:
        layout = {1: "mono", 2: "stereo"}[channels]
        track = output.add_stream(codec, rate=rate, layout=layout)
        track.codec_context.options = {"strict": "-2"}
        if codec.startswith("wma"):
            track.bit_rate = 128_000
        planes = np.ascontiguousarray(np.tile(samples, (channels, 1)))
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        for packet in [*track.encode(frame), *track.encode(None)]:
            output.mux(packet)
    return stream.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) & 1)


def riff(*chunks: bytes, rate: int = RATE, magic: bytes = b"RIFF") -> bytes:
    """A mono 16-bit WAV of these chunks behind its format."""
    body = b"WAVE" + chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16))
    body += b"".join(chunks)
    return magic + struct.pack("<I", len(body)) + body


def pcm16(samples: np.ndarray) -> bytes:
    return (samples * 32_767).astype("<i2").tobytes()


def ogg_crc(page: bytes) -> int:
    """Of a page whose own checksum is 0."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = ((crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


def loudest_hz(audio: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return float(np.argmax(spectrum)) * RATE / len(audio)


def assert_tones(audio: np.ndarray, *tones: tuple[float, float], slack_s: float = 0.15) -> None:
    """That the sound is these tones of `(hertz, seconds)`, one behind the other, at half scale."""
    assert len(audio) == round_(sum(seconds for _, seconds in tones), slack_s * len(tones))
    at = 0.0
    for hz, seconds in tones:
        inner = audio[int((at + slack_s) * RATE) : int((at + seconds - slack_s / 2) * RATE)]
        assert abs(loudest_hz(inner) - hz) < 5, (hz, loudest_hz(inner))
        assert abs(float(inner.std()) - 0.5 / math.sqrt(2)) < 0.06
        at += seconds


class round_:  # noqa: N801 - reads as a function
    """Equal to a number of samples within some seconds."""

    def __init__(self, seconds: float, slack_s: float) -> None:
        self.seconds, self.slack_s = seconds, slack_s

    def __eq__(self, n: object) -> bool:
        return isinstance(n, int) and abs(n / RATE - self.seconds) <= self.slack_s

    def __hash__(self) -> int:
        return hash((self.seconds, self.slack_s))

    def __repr__(self) -> str:
        return f"{self.seconds} s +- {self.slack_s}"
