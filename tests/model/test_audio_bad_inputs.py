"""Whatever is wrong with a clip: one exception type, the clip's name and the reason."""

import io
import math
import struct
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import soundfile

from modeling_empathic.audio import SAMPLE_RATE, AudioError, load_audio

TONE = (0.5 * np.sin(np.arange(2 * SAMPLE_RATE) / 10)).astype(np.float32)


def encode(samples: np.ndarray = TONE, rate: int = SAMPLE_RATE, **kind: str) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, **(kind or {"format": "WAV"}))
    return stream.getvalue()


def write_m4a(path: Path, **options: str) -> bytes:
    """Two seconds of AAC; a file on disk, as moving its index to the front needs a second pass."""
    with av.open(path, "w", format="mp4", options=options) as output:
        track = output.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(TONE[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 0
        for packet in [*track.encode(frame), *track.encode(None)]:
            output.mux(packet)
    return path.read_bytes()


def with_header(rate: int = SAMPLE_RATE, data_bytes: int | None = None) -> bytes:
    """A mono 16-bit WAV of 2 s whose header says what is asked for."""
    data = (TONE * 32_767).astype("<i2").tobytes()
    size = len(data) if data_bytes is None else data_bytes
    fmt = struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
    head = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + fmt
    return head + b"data" + struct.pack("<I", size) + data


def reason(source, *args, **kwargs) -> str:
    """Why the clip is refused, after checking that the message begins with its name."""
    with pytest.raises(AudioError) as caught:
        load_audio(source, *args, name="clip 7", **kwargs)
    name, _, text = str(caught.value).partition(": ")
    assert name == "clip 7"
    return text


# Files


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.wav"
    path.touch()
    assert reason(path) == reason(b"") == reason(io.BytesIO()) == "empty file"


def test_a_wav_without_samples_is_refused():
    assert reason(encode(TONE[:0])) == "empty: no samples"


def test_text_renamed_to_wav_is_refused(tmp_path):
    path = tmp_path / "notes.wav"
    path.write_text("This is not audio.\n" * 200)
    assert reason(path) == "not audio (no header of a known format)"


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_refused(seed):
    assert reason(np.random.default_rng(seed).bytes(20_000))


def test_raw_samples_without_a_header_are_refused(tmp_path):
    path = tmp_path / "clip.raw"
    path.write_bytes(TONE.tobytes())
    assert reason(path).startswith("not audio (no header")


def test_a_missing_file_is_refused_by_its_path():
    with pytest.raises(AudioError, match=r"^no/such\.wav: No such file or directory$"):
        load_audio("no/such.wav")


def test_a_url_is_not_fetched():
    for url in ("https://example.org/clip.wav", "hf://datasets/a/b/clip.wav", "s3://a/clip.wav"):
        assert reason(url).endswith("addresses are not read: download the file, give its path")


def test_a_path_with_a_null_byte_is_refused():
    assert "null byte" in reason("clip\0.wav")


def test_a_directory_is_refused(tmp_path):
    assert reason(tmp_path) == "not a regular file"


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "secret.wav"
    path.write_bytes(encode())

    def refuse(*args, **kwargs):  # the tests may run as root, whom no permission stops
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert reason(path) == "Permission denied"


def test_a_file_opened_as_text_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("text")
    with path.open() as file:
        assert reason(file) == "open the file in binary mode ('rb')"


def test_a_closed_file_is_refused():
    stream = io.BytesIO(encode())
    stream.close()
    assert "closed file" in reason(stream)


# Truncation


@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_truncated_flac_is_refused(share):
    flac = encode(format="FLAC")
    text = reason(flac[: int(share * len(flac))])
    assert text.startswith("truncated or damaged: ")
    assert text.endswith(" of 2.00 s")


def test_a_truncated_wav_is_refused():
    wav = encode()
    assert reason(wav[: len(wav) // 2]) == "truncated or damaged: 1.00 of 2.00 s"


def test_a_truncated_m4a_with_its_index_at_the_end_is_refused(tmp_path):
    m4a = write_m4a(tmp_path / "clip.m4a")
    text = reason(m4a[: len(m4a) // 2])
    assert text == "not audio (MP4: nothing behind its header can be decoded)"


def test_a_truncated_m4a_with_its_index_at_the_front_is_refused(tmp_path):
    m4a = write_m4a(tmp_path / "clip.m4a", movflags="faststart")
    text = reason(m4a[: len(m4a) // 2])
    assert text.startswith("truncated: ")
    assert text.endswith(" of 2.00 s")


@pytest.mark.parametrize("kind", [{"format": "MP3"}, {"format": "OGG"}], ids=["MP3", "OGG"])
def test_a_truncated_mp3_or_ogg_is_scored_as_what_it_holds(kind):
    noise = np.random.default_rng(0).normal(0, 0.1, 10 * SAMPLE_RATE).astype(np.float32)
    whole = encode(noise, **kind)
    audio = load_audio(whole[: len(whole) // 2])
    assert 0.2 * len(noise) < len(audio) < 0.8 * len(noise)


def test_an_mp3_that_is_cut_to_nothing_is_refused():
    assert reason(encode(format="MP3")[:100])


def test_a_truncated_mp3_prints_nothing(capfd):
    mp3 = encode(format="MP3")
    load_audio(mp3[: len(mp3) // 2])
    assert capfd.readouterr().err == ""


# Headers that lie


def test_a_wav_header_that_promises_more_than_there_is_is_refused():
    assert reason(with_header(data_bytes=256_000)) == "truncated or damaged: 2.00 of 8.00 s"


def test_a_wav_header_that_is_a_few_bytes_off_is_forgiven():
    assert len(load_audio(with_header(data_bytes=2 * len(TONE) + 44))) == len(TONE)


def test_a_wav_header_that_promises_less_is_believed_and_the_rest_is_told():
    with pytest.warns(UserWarning, match="32000 bytes behind the stated end are not read"):
        assert len(load_audio(with_header(data_bytes=SAMPLE_RATE * 2))) == SAMPLE_RATE


@pytest.mark.parametrize("rate", [0, 1, 2**31 - 1])
def test_a_wav_header_with_an_impossible_rate_is_refused(rate):
    assert reason(with_header(rate=rate))


@pytest.mark.parametrize("rate", [2, 999, 768_001, 2**31 - 1])
def test_a_rate_that_no_sound_has_is_named(rate):
    assert reason(with_header(rate=rate)).startswith(f"sampling rate {rate} is not a whole number")


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{}'\n",
    ],
    ids=["HLS", "concat"],
)
def test_a_playlist_does_not_open_other_files(playlist, tmp_path):
    other = tmp_path / "other.wav"
    other.write_bytes(encode())
    assert reason(playlist.format(other).encode()).startswith("not audio")


# Samples


@pytest.mark.parametrize("n_samples", [1, 384, 399])
def test_less_than_25_ms_is_refused(n_samples):
    assert reason(TONE[:n_samples]).startswith("too short: ")


def test_a_file_of_one_sample_is_refused():
    assert reason(encode(TONE[1:2])) == "too short: 0.0001 s, at least 0.025 s is needed"


def test_25_ms_are_enough():
    assert len(load_audio(TONE[:400])) == 400


@pytest.mark.parametrize("shape", [(0,), (0, 16_000), (16_000, 0)])
def test_an_array_without_samples_is_refused(shape):
    assert reason(np.zeros(shape, np.float32)) == "empty: no samples"


def test_digital_silence_is_refused():
    silence = np.zeros(SAMPLE_RATE, np.float32)
    assert reason(silence) == reason(encode(silence)) == "digital silence: nothing to score"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(value):
    broken = TONE.copy()
    broken[100] = value
    expected = "not finite: the samples hold NaN or Inf"
    assert reason(broken) == reason(encode(broken, format="WAV", subtype="FLOAT")) == expected


def test_float64_beyond_float32_is_refused():
    assert reason(TONE.astype(np.float64) * 1e300).startswith("not finite")


@pytest.mark.parametrize(
    "shape",
    [(), (2, 2, 8_000), (100, 16_000), (500, 500)],
    ids=["scalar", "3-D", "batch", "square"],
)
def test_an_array_that_is_not_one_clip_is_refused(shape):
    assert f"shape {shape} is not one clip" in reason(np.ones(shape, np.float32))


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, bool, complex])
def test_a_type_without_a_known_full_scale_is_refused(dtype):
    assert "use float, uint8, int8, int16 or int32" in reason(np.ones(16_000, dtype))


@pytest.mark.parametrize("source", [None, object(), ["a", "b"]])
def test_what_is_no_audio_at_all_is_refused(source):
    assert "give a path, bytes" in reason(source)


def test_a_ragged_list_is_refused():
    assert reason([[0.0, 1.0], [0.0]]).startswith("not an array of samples")


# Rates, limits and dicts


@pytest.mark.parametrize("rate", [0, -16_000, 16, 16_000.5, float("nan"), 10**9, "16000", True])
def test_an_impossible_sampling_rate_is_refused(rate):
    assert reason(TONE, rate).startswith(f"sampling rate {rate!r} is not a whole number of Hz")


def test_a_sampling_rate_for_a_file_is_refused():
    assert reason(encode(), 8_000).startswith("sampling_rate is for arrays")


def test_a_dict_with_two_sampling_rates_is_refused():
    row = {"array": TONE, "sampling_rate": 24_000}
    assert reason(row, 16_000) == "at 24000 Hz, but sampling_rate=16000 given"


@pytest.mark.parametrize("row", [{}, {"bytes": None, "path": None}, {"audio": TONE}])
def test_a_dict_without_audio_is_refused(row):
    assert reason(row) == (f"nothing under 'array', 'raw', 'bytes' or 'path' (keys: {list(row)})")


def test_the_path_of_a_dict_names_the_clip():
    with pytest.raises(AudioError, match=r"^a/b\.wav: empty file$"):
        load_audio({"bytes": b"", "path": "a/b.wav"})


@pytest.mark.parametrize("kind", [{"format": "WAV"}, {"format": "MP3"}], ids=["WAV", "MP3"])
def test_a_clip_over_the_limit_is_refused(kind):
    assert reason(encode(**kind), max_duration_s=1.5) == "longer than 1.5 s: split it"


def test_an_array_over_the_limit_is_refused():
    assert reason(TONE, max_duration_s=1.5) == "longer than 1.5 s: split it"


@pytest.mark.parametrize("format", ["FLAC", "MP3"])
def test_what_decodes_to_far_more_than_the_limit_is_not_decoded_whole(format):
    clip = io.BytesIO(encode(np.resize(TONE, 600 * 8_000), 8_000, format=format))  # 18 MiB decoded
    tracemalloc.start()
    try:
        assert reason(clip, max_duration_s=10) == "longer than 10 s: split it"
        assert tracemalloc.get_traced_memory()[1] < 5 * 2**20
    finally:
        tracemalloc.stop()


def test_a_damaged_audio_decoder_is_refused():
    def fail():
        raise RuntimeError("Invalid data found when processing input")

    decoder = SimpleNamespace(get_all_samples=fail)
    assert reason(decoder) == "Invalid data found when processing input"


# Unusual, but good


def test_ten_minutes_of_8_khz_are_read_whole(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.resize(TONE, 600 * 8_000), 8_000)
    assert len(load_audio(path)) == 600 * SAMPLE_RATE


def test_eight_channels_at_192_khz_are_read_in_blocks():
    wav = encode(np.tile(TONE[:, None], (20, 8)), 192_000)  # 640,000 frames: more than a block
    assert len(load_audio(wav)) == math.ceil(640_000 * SAMPLE_RATE / 192_000)
