"""Good audio in every container and form becomes the same float32 mono at 16 kHz."""

import io
import math
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from modeling_empathic.audio import SAMPLE_RATE, load_audio, windows


def tone(hz: float = 440.0, duration_s: float = 1.0, rate: int = SAMPLE_RATE) -> np.ndarray:
    t = np.arange(round(duration_s * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def with_soundfile(samples: np.ndarray, rate: int = SAMPLE_RATE, **kind: str) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, **kind)
    return stream.getvalue()


def with_ffmpeg(samples: np.ndarray, container: str, codec: str, rate: int = 48_000, **options):
    stream = io.BytesIO()
    with av.open(stream, "w", format=container, options=options) as output:
        track = output.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        for packet in [*track.encode(frame), *track.encode(None)]:
            output.mux(packet)
    return stream.getvalue()


def loudest_hz(audio: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return float(np.argmax(spectrum)) * SAMPLE_RATE / len(audio)


def assert_is_tone(audio: np.ndarray, hz: float = 440.0, duration_s: float = 1.0) -> None:
    assert audio.dtype == np.float32
    assert audio.ndim == 1
    assert len(audio) == pytest.approx(duration_s * SAMPLE_RATE, abs=0.05 * SAMPLE_RATE)
    assert loudest_hz(audio) == pytest.approx(hz, abs=2)
    assert audio.std() == pytest.approx(0.5 / math.sqrt(2), rel=0.1)


@pytest.fixture(scope="module")
def wav() -> bytes:
    return with_soundfile(tone(), format="WAV", subtype="FLOAT")


@pytest.mark.parametrize(
    "kind",
    [
        {"format": "WAV", "subtype": "PCM_16"},
        {"format": "WAV", "subtype": "PCM_U8"},
        {"format": "WAV", "subtype": "DOUBLE"},
        {"format": "FLAC"},
        {"format": "MP3"},
        {"format": "OGG", "subtype": "VORBIS"},
        {"format": "OGG", "subtype": "OPUS"},
        {"format": "AIFF"},
    ],
    ids=lambda kind: "-".join(kind.values()),
)
def test_formats_of_libsndfile_are_read(kind):
    assert_is_tone(load_audio(with_soundfile(tone(rate=48_000), 48_000, **kind)))


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("ipod", "aac"),
        ("mp4", "aac"),
        ("adts", "aac"),
        ("webm", "libopus"),
        ("matroska", "aac"),
        ("mp3", "libmp3lame"),
        ("wav", "pcm_s24le"),
    ],
)
def test_formats_of_ffmpeg_are_read(container, codec):
    assert_is_tone(load_audio(with_ffmpeg(tone(rate=48_000), container, codec)))


def test_a_variable_rate_mp3_without_a_length_header_is_read_to_its_end():
    busy = np.random.default_rng(0).normal(0, 0.2, 4 * 44_100).astype(np.float32)
    mp3 = with_soundfile(
        np.concatenate([tone(duration_s=2, rate=44_100), busy]), 44_100, format="MP3"
    )
    assert b"Xing" in mp3  # the tag with the number of frames
    no_length = mp3.replace(b"Xing", bytes(4))
    estimate = soundfile.info(io.BytesIO(no_length)).duration
    assert estimate < 4  # where libsndfile would stop
    assert len(load_audio(no_length)) == pytest.approx(6 * SAMPLE_RATE, rel=0.02)


def test_an_mp3_is_decoded_as_libsndfile_does_where_that_is_right():
    mp3 = with_soundfile(tone(), format="MP3")
    reference, _ = soundfile.read(io.BytesIO(mp3), dtype="float32")
    np.testing.assert_allclose(load_audio(mp3), reference, atol=1e-5)


def test_a_flac_from_a_pipe_without_its_length_is_read():
    flac = bytearray(with_soundfile(tone(), format="FLAC"))
    flac[21] &= 0xF0  # the 36 bits of STREAMINFO that count the samples; 0 is "unknown"
    flac[22:26] = bytes(4)
    assert_is_tone(load_audio(bytes(flac)))


def test_a_wav_from_a_pipe_with_a_placeholder_length_is_read(wav):
    at = wav.index(b"data") + 4
    streamed = wav[:at] + b"\xff\xff\xff\xff" + wav[at + 4 :]
    np.testing.assert_array_equal(load_audio(streamed), tone())


def test_a_tag_in_no_known_encoding_does_not_matter():
    mp3 = with_soundfile(tone(), format="MP3")
    title = b"TIT2" + (4).to_bytes(4, "big") + b"\0\0" + b"\x03\xff\xfe\xfa"  # claims UTF-8
    assert_is_tone(load_audio(b"ID3\x03\0\0" + bytes([0, 0, 0, len(title)]) + title + mp3))


def test_path_bytes_file_object_array_and_dicts_give_the_same_samples(wav, tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(wav)
    sources = [
        path,
        str(path),
        wav,
        bytearray(wav),
        memoryview(wav),
        io.BytesIO(wav),
        tone(),
        tone().tolist(),
        torch.from_numpy(tone()),
        {"array": tone(), "sampling_rate": SAMPLE_RATE},
        {"raw": tone(), "sampling_rate": SAMPLE_RATE},
        {"bytes": wav, "path": None},
        {"bytes": None, "path": str(path)},
    ]
    for source in sources:
        np.testing.assert_array_equal(load_audio(source), tone())


def test_an_open_file_is_read_from_where_it_stands(wav, tmp_path):
    path = tmp_path / "clip.bin"
    path.write_bytes(b"header" + wav)
    with path.open("rb") as file:
        file.seek(6)
        np.testing.assert_array_equal(load_audio(file), tone())


def test_bytes_win_over_the_path_of_a_dataset_row(wav):
    np.testing.assert_array_equal(load_audio({"bytes": wav, "path": "gone.wav"}), tone())


def test_the_array_wins_over_the_path_of_an_old_dataset_row():
    row = {"path": "gone.wav", "array": tone(), "sampling_rate": SAMPLE_RATE}
    np.testing.assert_array_equal(load_audio(row), tone())


@pytest.mark.parametrize("tensor", [torch.from_numpy, np.asarray])
def test_an_audio_decoder_is_read_without_torchcodec(tensor):
    stereo = np.stack([tone(rate=24_000), tone(rate=24_000)])
    samples = SimpleNamespace(data=tensor(stereo), sample_rate=24_000)
    decoder = SimpleNamespace(get_all_samples=lambda: samples)
    assert_is_tone(load_audio(decoder))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_integers_are_scaled_by_the_range_of_their_type(dtype):
    full_scale = -float(np.iinfo(dtype).min)
    audio = load_audio((tone() * full_scale).astype(dtype))
    np.testing.assert_allclose(audio, tone(), atol=1 / 127)


def test_an_int16_array_equals_the_16_bit_file_of_it():
    pcm = (tone() * 32_767).astype(np.int16)
    file = with_soundfile(pcm, format="WAV", subtype="PCM_16")
    np.testing.assert_array_equal(load_audio(pcm), load_audio(file))


def test_unsigned_bytes_are_centred_on_128():
    audio = load_audio((tone() * 127 + 128).astype(np.uint8))
    np.testing.assert_allclose(audio, tone(), atol=1 / 64)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_floats_of_any_width_become_float32(dtype):
    audio = load_audio(tone().astype(dtype))
    assert audio.dtype == np.float32
    np.testing.assert_allclose(audio, tone(), atol=1e-3)


def test_a_bfloat16_tensor_on_a_graph_is_read():
    tensor = torch.from_numpy(tone()).bfloat16().requires_grad_()
    np.testing.assert_allclose(load_audio(tensor), tone(), atol=0.01)


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_channels_first_and_last_are_both_mixed_by_their_mean(channels):
    gains = np.linspace(0.2, 1.0, channels, dtype=np.float32)
    first = gains[:, None] * tone()
    audio = load_audio(first)
    np.testing.assert_allclose(audio, tone() * gains.mean(), atol=1e-6)
    np.testing.assert_array_equal(load_audio(first.T), audio)
    as_file = with_soundfile(first.T, format="WAV", subtype="FLOAT")
    np.testing.assert_array_equal(load_audio(as_file), audio)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 192_000])
def test_a_sine_keeps_its_frequency_and_length_at_any_rate(rate):
    audio = load_audio(tone(rate=rate), rate)
    assert len(audio) == SAMPLE_RATE
    assert_is_tone(audio)


def test_resampling_is_that_of_librosa_with_soxr_hq():
    librosa = pytest.importorskip("librosa")
    noise = np.random.default_rng(0).normal(0, 0.1, 44_100 + 7).astype(np.float32)
    expected = librosa.resample(
        noise, orig_sr=44_100, target_sr=SAMPLE_RATE, res_type="soxr_hq", scale=False
    )
    np.testing.assert_array_equal(load_audio(noise, 44_100), expected)


def test_the_callers_array_is_neither_changed_nor_shared():
    original = tone()
    load_audio(original)[:] = 0
    np.testing.assert_array_equal(original, tone())


def test_a_clip_as_long_as_the_limit_is_accepted():
    assert len(load_audio(tone(), max_duration_s=1.0)) == SAMPLE_RATE


def test_heavy_imports_wait_for_the_first_call():
    source = Path(load_audio.__code__.co_filename).read_text(encoding="utf-8")
    top_level = {line for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert not [line for line in top_level if any(x in line for x in ("av", "soundfile", "soxr"))]


lengths = st.integers(min_value=1, max_value=200_000)


@st.composite
def cuts(draw):
    """(number of samples, window, hop, shortest tail) in samples; at 100 Hz to keep them few."""
    window = draw(st.integers(min_value=1, max_value=5_000))
    hop = draw(st.integers(min_value=max(1, window // 50), max_value=window))
    tail = draw(st.integers(min_value=0, max_value=window))
    return draw(lengths), window, hop, tail


@given(cuts())
def test_windows_cover_the_clip_in_order_and_within_it(cut):
    n_samples, window, hop, tail = cut
    got = windows(n_samples, window / 100, hop / 100, sampling_rate=100, min_tail_s=tail / 100)
    assert got[0].start == 0
    assert [b.start - a.start for a, b in pairwise(got)] == [hop] * (len(got) - 1)
    assert all(0 < w.stop - w.start <= window for w in got)
    assert all(w.stop - w.start == window for w in got[:-1])
    assert n_samples - tail <= got[-1].stop <= n_samples
    assert all(w.stop < n_samples for w in got[:-1])  # none after the one that reaches the end


@given(lengths)
def test_windows_without_overlap_are_a_partition(n_samples):
    got = windows(n_samples, window_s=3, sampling_rate=1_000, min_tail_s=0)
    assert [w.stop for w in got[:-1]] == [w.start for w in got[1:]]
    assert got[-1].stop == n_samples


@pytest.mark.parametrize(
    ("duration_s", "expected"), [(29.99, 1), (30.0, 1), (30.01, 1), (30.99, 1), (31.0, 2), (61, 3)]
)
def test_a_tail_under_one_second_gets_no_window_of_its_own(duration_s, expected):
    assert len(windows(round(duration_s * SAMPLE_RATE))) == expected


def test_a_clip_shorter_than_the_tail_rule_keeps_its_only_window():
    assert windows(400) == [slice(0, 400)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 0}, "n_samples must be at least 1, got 0"),
        ({"n_samples": -5}, "got -5"),
        ({"window_s": 0}, "window_s must hold a sample at 16000 Hz, got 0"),
        ({"window_s": math.nan}, "got nan"),
        ({"window_s": math.inf}, "got inf"),
        ({"hop_s": -1}, "hop_s must hold a sample"),
        ({"hop_s": 1e-6}, "hop_s must hold a sample"),
        ({"hop_s": 31}, "hop_s must not exceed window_s=30.0 .*, got 31"),
        ({"sampling_rate": 0}, "at 0 Hz"),
        ({"min_tail_s": -1}, "min_tail_s must be within 0 and window_s=30.0, got -1"),
        ({"min_tail_s": 31}, "got 31"),
        ({"min_tail_s": math.nan}, "got nan"),
    ],
)
def test_windows_refuse_arguments_that_make_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        windows(**{"n_samples": 1_000, **arguments})
