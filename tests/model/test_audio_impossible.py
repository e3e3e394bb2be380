"""What is no sound, what only looks like a file of it, and whatever a decoder raises."""

import gzip
import io
import zipfile

import numpy as np
import pytest
import soundfile

from modeling_empathic.audio import AudioError, load_audio, read_audio
from tests.support.places import REPOSITORY
from tests.support.sounds import RATE, tone, with_ffmpeg, with_soundfile

EXAMPLE = REPOSITORY / "examples" / "clips" / "en_doubt.flac"


def reason(source: object, *args: object) -> str:
    with pytest.raises(AudioError) as caught:
        load_audio(source, *args, name="clip 7")
    name, _, text = str(caught.value).partition(": ")
    assert name == "clip 7"
    return text


def as_is(samples: np.ndarray) -> np.ndarray:
    return samples


def as_file(samples: np.ndarray) -> bytes:
    return with_soundfile(samples, format="WAV", subtype="FLOAT")


def as_decoder(samples: np.ndarray) -> object:
    from types import SimpleNamespace

    data = np.atleast_2d(samples.T if samples.ndim > 1 else samples)
    return SimpleNamespace(get_all_samples=lambda: SimpleNamespace(data=data, sample_rate=RATE))


@pytest.mark.parametrize("form", [as_is, as_file, as_decoder])
@pytest.mark.parametrize("scale", [20.0, 127.0, 32_767.0, 2.0**31, 1e20, -1e20])
def test_floats_far_beyond_full_scale_are_refused(form, scale):
    assert "sound lies in [-1, 1]" in reason(form(tone() * np.float32(2 * scale)))


@pytest.mark.parametrize("form", [as_is, as_file, as_decoder])
def test_one_impossible_sample_is_enough(form):
    samples = tone()
    samples[7_000] = 1e20
    assert "samples reach 1e+20" in reason(form(samples))


def test_floats_in_the_range_of_16_bits_are_told_what_to_do():
    assert reason(tone() * 32_767).endswith("divide 16-bit integers by 32768")


@pytest.mark.parametrize("form", [as_is, as_file, as_decoder])
@pytest.mark.parametrize("factor", [-1.0, -0.999, -0.98])
def test_channels_that_leave_nothing_of_each_other_are_refused(form, factor):
    pair = np.stack([tone(), np.float32(factor) * tone()], axis=1)
    assert reason(form(pair)).startswith("the channels cancel each other")


@pytest.mark.parametrize("form", [as_is, as_file, as_decoder])
def test_channels_that_take_most_of_each_other_are_said(form):
    pair = np.stack([tone(), np.float32(-0.8) * tone()], axis=1)
    assert read_audio(form(pair)).notes == ("channels cancel",)


@pytest.mark.parametrize("channels", [2, 3, 6, 8])
def test_channels_that_have_nothing_in_common_or_are_silent_do_not_cancel(channels):
    rng = np.random.default_rng(0)
    apart = rng.normal(0, 0.1, (RATE, channels)).astype(np.float32)
    alone = np.zeros((RATE, channels), np.float32)
    alone[:, 0] = tone()
    for samples in (apart, alone, np.repeat(tone()[:, None], channels, axis=1)):
        assert read_audio(samples).notes == ()


@pytest.mark.parametrize("form", ["FLAC", "WAV-PCM_24", "WAV-FLOAT", "AU-PCM_16"])
@pytest.mark.parametrize("quieter", [1.0, 0.5, 0.05])
def test_a_recording_that_was_clipped_is_told_however_quiet_it_was_made(form, quieter):
    speech, rate = soundfile.read(EXAMPLE, dtype="float32")
    tops = np.clip(4 * speech / np.abs(speech).max(), -1, 0.5)
    name, _, subtype = form.partition("-")
    kind = {"format": name} | ({"subtype": subtype} if subtype else {})
    whole, spoilt = (
        read_audio(with_soundfile(quieter * 0.99 * samples, rate, **kind)).notes
        for samples in (speech, tops)
    )
    assert (whole, spoilt) == ((), ("clipped",))


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.wav", with_soundfile(tone(), format="WAV"))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n", "git-LFS"),
        (b"/annex/objects/SHA256E-s9--4d7a.wav\n", "git-annex"),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "an HTML page"),
        (b"\n  <HTML>Sign in</HTML>", "an HTML page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML text"),
        (b'{"error": "rate limited"}', "a JSON text"),
        (gzip.compress(b"RIFF" * 99, mtime=0), "a gzip archive"),
        (zipped(), "a zip archive"),
        (b"BZh91AY&SY" + bytes(99), "a bzip2 archive"),
        (b"\xfd7zXZ\0" + bytes(99), "an xz archive"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(99), "a 7z archive"),
        (bytes(257) + b"ustar\x0000" + bytes(999), "a tar archive"),
        (b"MThd\0\0\0\6" + bytes(99), "a MIDI file"),
        (b"%PDF-1.7\n" + bytes(99), "a PDF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "a picture"),
        (b"PAR1" + bytes(99), "a Parquet table"),
        (b"#EXTM3U\nhttp://example.org/a.mp3\n", "a playlist"),
        (b"\x93NUMPY\x01\0" + bytes(99), "a NumPy array"),
    ],
)
def test_the_first_bytes_say_what_is_no_audio(content, said):
    assert reason(content).startswith("not audio but ")
    assert said in reason(content)


DAMAGED = [
    "WAV",
    "W64",
    "AIFF",
    "CAF",
    "AU",
    "FLAC",
    "OGG",
    "mp3",
    "wma",
    "mka",
    "m4a",
    "ts",
    "caf",
]


def encoded(kind: str) -> bytes:
    ours = {"mp3": ("mp3", "libmp3lame"), "wma": ("asf", "wmav2"), "mka": ("matroska", "ac3")}
    ours |= {"m4a": ("ipod", "aac"), "ts": ("mpegts", "mp2"), "caf": ("caf", "alac")}
    if kind in ours:
        return with_ffmpeg(tone(rate=48_000), *ours[kind])
    return with_soundfile(tone(), format=kind)


@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_is_the_same_error_or_the_same_sound_from_a_path_and_from_bytes(kind, tmp_path):
    rng = np.random.default_rng(len(kind))
    whole = encoded(kind)
    for number in range(12):
        broken = bytearray(whole)
        head = 400 if number % 2 else len(broken)  # headers are where decoders break
        for at in rng.integers(0, min(head, len(broken)), 1 + number):
            broken[at] = rng.integers(256)
        broken = broken[: int(rng.uniform(0.3, 1.0) * len(broken))] if number % 3 else broken
        path = tmp_path / f"{number}.{kind}"
        path.write_bytes(broken)
        heard = []
        for source in (path, bytes(broken)):
            try:
                heard.append(read_audio(source, name="x"))
            except AudioError as error:
                heard.append(str(error))
        if isinstance(heard[0], str):
            assert heard[0] == heard[1]
        else:
            np.testing.assert_array_equal(heard[0].samples, heard[1].samples)
            assert np.isfinite(heard[0].samples).all()


@pytest.mark.parametrize("error", [RuntimeError, OSError, KeyError, TypeError, OverflowError])
def test_whatever_a_decoder_raises_is_the_clips_error(error, monkeypatch):
    def fail(*args, **kwargs):
        raise error("deep inside")

    monkeypatch.setattr(soundfile.SoundFile, "read", fail)
    assert "deep inside" in reason(with_soundfile(tone(), format="WAV"))


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_what_is_not_the_clips_fault_is_not_its_error(error, monkeypatch):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(soundfile.SoundFile, "read", fail)
    with pytest.raises(error):
        load_audio(with_soundfile(tone(), format="WAV"))


@pytest.mark.parametrize("rate", [16_000, 192_000])
def test_a_bomb_of_silence_never_fills_the_memory(rate):
    """A block at its own rate, and what comes of it at 16 kHz; numpy's memory is traced."""
    import tracemalloc

    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", rate, 1, "PCM_16", format="FLAC") as file:
        for _ in range(30):
            file.write(np.zeros(20 * rate, np.int16))
    assert len(stream.getvalue()) < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(AudioError, match="digital silence"):
            load_audio(stream.getvalue())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 600 * RATE * 4 + 80 * 2**20  # 600 s at 192 kHz are 460 MB, as float32
