"""All of the sound in a file, or an error: what a decoder would stop in front of."""

import functools
import io
import re
import struct

import numpy as np
import pytest
import soundfile

from modeling_empathic.audio import AudioError, load_audio, read_audio
from tests.support.sounds import (
    RATE,
    assert_tones,
    chunk,
    ogg_crc,
    pcm16,
    riff,
    tone,
    with_ffmpeg,
    with_soundfile,
)

LOW, HIGH = (440.0, 1.0), (880.0, 1.5)


def ogg(subtype: str, of: tuple[float, float], rate: int, channels: int = 1) -> bytes:
    if subtype == "FLAC":
        return with_ffmpeg(tone(*of, rate), "ogg", "flac", rate, channels)
    samples = np.tile(tone(*of, rate)[:, None], (1, channels))
    return with_soundfile(samples, rate, format="OGG", subtype=subtype)


@pytest.mark.parametrize("second", ["VORBIS", "OPUS", "FLAC"])
@pytest.mark.parametrize("first", ["VORBIS", "OPUS", "FLAC"])
@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (48_000, 1), (24_000, 2)])
def test_every_link_of_a_chained_ogg_is_read(first, second, rate, channels):
    chained = ogg(first, LOW, 16_000) + ogg(second, HIGH, rate, channels)
    assert_tones(load_audio(chained), LOW, HIGH)


def test_three_links_and_what_lies_between_them_are_read():
    links = [ogg("VORBIS", LOW, 16_000), ogg("OPUS", HIGH, 48_000), ogg("VORBIS", LOW, 44_100)]
    assert_tones(load_audio((b"\0junk OggS junk" * 9).join(links)), LOW, HIGH, LOW)


def test_an_ogg_with_pages_missing_is_damaged():
    whole = ogg("VORBIS", (440.0, 20.0), 16_000)
    pages = [match.start() for match in re.finditer(b"OggS", whole)]
    assert len(pages) >= 6  # two with headers, the rest of 5 s
    holed = whole[: pages[3]] + whole[pages[-1] :]
    with pytest.raises(AudioError, match=r"damaged: \d+\.\d+ of \d+\.\d+ s"):
        load_audio(holed)


def w64(*data: bytes) -> bytes:
    tail = bytes.fromhex("f3acd3118cd100c04f8edb8a")

    def part(name: bytes, content: bytes) -> bytes:
        size = struct.pack("<Q", 24 + len(content))
        return name + tail + size + content + bytes(-len(content) % 8)

    fmt = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16)
    body = part(b"fmt ", fmt) + b"".join(part(b"data", samples) for samples in data)
    guid = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
    return guid + struct.pack("<Q", 40 + len(body)) + b"wave" + tail + body


def rf64(*data: bytes) -> bytes:
    sizes = struct.pack("<QQQI", 0, len(data[0]), len(data[0]) // 2, 0)
    first = b"data\xff\xff\xff\xff" + data[0]
    more = b"".join(chunk(b"data", samples) for samples in data[1:])
    wav = riff(first, more, magic=b"RF64")
    return b"RF64\xff\xff\xff\xffWAVE" + chunk(b"ds64", sizes) + wav[12:]


def wav_of(*data: bytes) -> bytes:
    between = chunk(b"LIST", b"INFOodd")
    return riff(*(chunk(b"data", samples) + between for samples in data))


def rifx(*data: bytes) -> bytes:
    big = [np.frombuffer(samples, "<i2").astype(">i2").tobytes() for samples in data]
    parts = [b"data" + struct.pack(">I", len(samples)) + samples for samples in big]
    fmt = struct.pack(">IHHIIHH", 16, 1, 1, RATE, RATE * 2, 2, 16)
    body = b"WAVEfmt " + fmt + b"".join(parts)
    return b"RIFX" + struct.pack(">I", len(body)) + body


@pytest.mark.parametrize("container", [wav_of, rf64, w64, rifx])
def test_every_data_chunk_of_a_wav_is_read(container):
    assert_tones(load_audio(container(pcm16(tone(*LOW)), pcm16(tone(*HIGH)))), LOW, HIGH)


@pytest.mark.parametrize("container", [wav_of, rf64, w64, rifx])
def test_a_second_data_chunk_that_is_cut_short_is_an_error(container):
    whole = container(pcm16(tone(*LOW)), pcm16(tone(*HIGH)))
    with pytest.raises(AudioError, match="truncated or damaged"):
        load_audio(whole[: -RATE // 2])


PLAIN = ("WAV", "W64", "AIFF", "CAF", "AU", "FLAC")


def plain(kind: str, of: tuple[float, float], rate: int, channels: int) -> bytes:
    samples = np.tile(tone(*of, rate)[:, None], (1, channels))
    return with_soundfile(samples, rate, format=kind)


JOINED = {kind: functools.partial(plain, kind) for kind in PLAIN} | {
    "MP3": lambda of, rate, n: with_ffmpeg(tone(*of, rate), "mp3", "libmp3lame", rate, n),
    "AAC": lambda of, rate, n: with_ffmpeg(tone(*of, rate), "adts", "aac", rate, n),
    "M4A": lambda of, rate, n: with_ffmpeg(tone(*of, rate), "ipod", "aac", rate, n),
    "WebM": lambda of, rate, n: with_ffmpeg(tone(*of, rate), "webm", "libopus", 48_000, n),
    "MKV": lambda of, rate, n: with_ffmpeg(tone(*of, rate), "matroska", "flac", rate, n),
    "WMA": lambda of, rate, n: with_ffmpeg(tone(*of, rate), "asf", "wmav2", rate, n),
    "TTA": lambda of, rate, n: with_ffmpeg(tone(*of, rate), "tta", "tta", rate, n),
    "WavPack": lambda of, rate, n: with_ffmpeg(tone(*of, rate), "wv", "wavpack", rate, n),
    "MS ADPCM": lambda of, rate, n: with_ffmpeg(tone(*of, rate), "wav", "adpcm_ms", rate, n),
}  # fmt: skip


@pytest.mark.parametrize("attached", ["image/png", "font/ttf", "video/x-matroska"])
def test_what_is_attached_to_a_matroska_costs_no_sound(attached):
    import av

    inner = with_ffmpeg(tone(*HIGH), "matroska", "flac", RATE)
    stream = io.BytesIO()
    with av.open(stream, "w", format="matroska") as output:
        track = output.add_stream("flac", rate=RATE, layout="mono")
        output.add_attachment("cover", attached, inner)
        frame = av.AudioFrame.from_ndarray(tone(*LOW)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        for packet in [*track.encode(frame), *track.encode(None)]:
            output.mux(packet)
    assert inner[:40] in stream.getvalue()
    assert_tones(load_audio(stream.getvalue()), LOW)


@pytest.mark.parametrize("kind", JOINED)
@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (44_100, 2)])
def test_files_that_were_joined_are_read_to_the_end(kind, rate, channels):
    make = JOINED[kind]
    if kind == "WebM" and rate != 48_000:
        rate = 48_000
    joined = make(LOW, 48_000, 1) + make(HIGH, rate, channels)
    assert_tones(load_audio(joined), LOW, HIGH, slack_s=0.2)


@pytest.mark.parametrize("junk", [b"\0" * 5_000, b"ID3 is not here" * 400, bytes(range(256)) * 20])
def test_junk_in_the_middle_of_an_mp3_costs_no_sound_behind_it(junk):
    low, high = (with_ffmpeg(tone(*of), "mp3", "libmp3lame", RATE) for of in (LOW, HIGH))
    assert_tones(load_audio(low + junk + high), LOW, HIGH, slack_s=0.25)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF - 36])
def test_samples_behind_a_size_that_was_never_filled_in_are_read(size):
    samples = pcm16(tone(*LOW))
    assert_tones(load_audio(riff(b"data" + struct.pack("<I", size) + samples)), LOW)


def test_a_size_of_zero_with_nothing_behind_it_is_empty():
    with pytest.raises(AudioError, match="empty: no samples"):
        load_audio(riff(chunk(b"data", b""), chunk(b"LIST", b"INFOnone")))


@pytest.mark.parametrize("form", ["WAV", "AIFF", "FLAC", "OGG"])
def test_an_id3_tag_in_front_does_not_matter(form):
    tag = b"ID3\x03\0\0" + bytes([0, 0, 1, 0]) + bytes(128)
    assert_tones(load_audio(tag + with_soundfile(tone(*LOW), format=form)), LOW)


def test_an_empty_packet_in_the_middle_costs_no_sound():
    whole = ogg("FLAC", LOW, 16_000)
    pages = [match.start() for match in re.finditer(b"OggS", whole)]
    at = pages[len(pages) // 2]
    page = bytearray(whole[at : at + 27])
    page[26] = 1
    page[22:26] = bytes(4)
    page += b"\0"
    page[22:26] = struct.pack("<I", ogg_crc(bytes(page)))
    load_audio(whole)
    assert_tones(load_audio(whole[:at] + bytes(page) + whole[at:]), LOW)


def test_the_first_of_two_tracks_is_taken_and_said():
    import av

    stream = io.BytesIO()
    with av.open(stream, "w", format="matroska") as output:
        tracks = [output.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in range(2)]
        for track, of in zip(tracks, (LOW, HIGH), strict=True):
            frame = av.AudioFrame.from_ndarray(tone(*of)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, 0
            for packet in [*track.encode(frame), *track.encode(None)]:
                output.mux(packet)
    sound = read_audio(stream.getvalue())
    assert sound.notes == ("first of 2 tracks",)
    assert_tones(sound.samples, LOW)
    with pytest.warns(UserWarning, match="first of 2 tracks"):
        load_audio(stream.getvalue())


@pytest.mark.parametrize("codec", ["flac", "libopus", "aac", "pcm_s16le"])
def test_a_matroska_that_is_cut_short_is_an_error(codec):
    noise = np.random.default_rng(0).normal(0, 0.1, 10 * 48_000).astype(np.float32)
    whole = with_ffmpeg(noise, "matroska", codec)
    assert len(load_audio(whole)) == pytest.approx(10 * RATE, rel=0.02)
    with pytest.raises(AudioError, match="truncated"):
        load_audio(whole[: len(whole) // 2])


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("form", ["WAV", "W64", "RF64", "AIFF", "CAF", "AU", "FLAC"])
def test_a_file_that_is_cut_short_is_an_error_where_its_header_says_so(form, share):
    whole = with_soundfile(tone(), format=form)
    with pytest.raises(AudioError, match="truncated or damaged"):
        load_audio(whole[: int(share * len(whole))])


@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
def test_blocks_are_resampled_as_the_whole_is(rate, monkeypatch):
    soxr = pytest.importorskip("soxr")
    noise = np.random.default_rng(0).normal(0, 0.1, rate + 7).astype(np.float32)
    flac = with_soundfile(noise, rate, format="FLAC")
    decoded, _ = soundfile.read(io.BytesIO(flac), dtype="float32")
    monkeypatch.setattr("modeling_empathic.decoding_empathic._BLOCK_SAMPLES", 4_099)
    expected = soxr.resample(decoded, rate, RATE, quality="HQ")
    audio = load_audio(flac)
    np.testing.assert_array_equal(audio[: len(expected)], expected[: len(audio)])
    assert len(audio) == -(-len(decoded) * RATE // rate)


def remuxed(sound: bytes, form: str, keep=lambda at_s: True, later_s: float = 0.0) -> bytes:
    """The same packets in another file, some left out, all of them later."""
    import av

    out = io.BytesIO()
    with av.open(io.BytesIO(sound)) as source, av.open(out, "w", format=form) as target:
        track = source.streams.audio[0]
        copy = target.add_stream_from_template(track)
        for packet in source.demux(track):
            if packet.pts is not None and keep(float(packet.pts * packet.time_base)):
                shift = round(later_s / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = copy
                target.mux(packet)
    return out.getvalue()


@pytest.mark.parametrize(
    ("form", "codec"), [("matroska", "libopus"), ("webm", "libopus"), ("asf", "wmav2")]
)
def test_sound_that_begins_late_is_whole(form, codec):
    sound = with_ffmpeg(tone(*HIGH, 48_000), form, codec, 48_000)
    late = remuxed(sound, form, later_s=5.0)
    assert len(load_audio(late)) == pytest.approx(len(load_audio(sound)), abs=0.1 * RATE)


def test_a_gap_in_time_is_no_end_and_is_told():
    sound = with_ffmpeg(tone(440.0, 20.0, 48_000), "webm", "libopus", 48_000)
    heard = read_audio(remuxed(sound, "webm", lambda at_s: not 5 < at_s < 5.5))
    assert len(heard.samples) == pytest.approx(19.5 * RATE, abs=0.1 * RATE)
    assert any(note.startswith("gaps: 0.5 s") for note in heard.notes)


@pytest.mark.parametrize(("codec", "width"), [(b"in24", 3), (b"in32", 4)])
def test_the_width_of_an_aifc_is_its_codecs_whatever_its_header_says(codec, width):
    samples = tone(*HIGH, 16_000)
    whole = (samples * 2 ** (8 * width - 1)).astype(">i4" if width == 4 else ">i8")
    raw = b"".join(int(x).to_bytes(width, "big", signed=True) for x in whole)
    rate = bytes.fromhex("400c fa00 0000 0000 0000".replace(" ", ""))
    comm = struct.pack(">HIH", 1, len(samples), 16) + rate + codec + b"\0\0"
    parts = b"".join(
        name + struct.pack(">I", len(body)) + body + b"\0" * (len(body) % 2)
        for name, body in ((b"COMM", comm), (b"SSND", bytes(8) + raw))
    )
    file = b"FORM" + struct.pack(">I", 4 + len(parts)) + b"AIFC" + parts
    assert_tones(load_audio(file), HIGH)
