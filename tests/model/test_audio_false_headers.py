"""Headers that say something else than the sound: the sound wins, or an error or a note says so."""

import re
import struct

import numpy as np
import pytest

from modeling_empathic.audio import AudioError, read_audio
from tests.support.sounds import (
    RATE,
    assert_tones,
    chunk,
    ogg_crc,
    pcm16,
    tone,
    with_ffmpeg,
    with_soundfile,
)

LOW, HIGH = (440.0, 1.0), (880.0, 1.5)


# FLAC


def flac_that_states(samples: int, rate: int = RATE, true_rate: int = RATE) -> bytes:
    flac = bytearray(with_soundfile(tone(*LOW, true_rate), true_rate, format="FLAC"))
    packed = int.from_bytes(flac[18:26], "big")
    kept = packed >> 36 & 0xFF  # channels and bits
    flac[18:26] = (rate << 44 | kept << 36 | samples).to_bytes(8, "big")
    return bytes(flac)


@pytest.mark.parametrize("stated", [0, 1, RATE // 2, RATE - 1, RATE])
def test_a_flac_is_as_long_as_its_frames(stated):
    assert_tones(read_audio(flac_that_states(stated)).samples, LOW)


@pytest.mark.parametrize("true_rate", [8_000, 16_000, 22_050, 37_000, 44_100, 48_000])
@pytest.mark.parametrize("stated", [8_000, 12_345, 32_000, 96_000])
def test_a_flac_is_played_at_the_rate_of_its_frames(stated, true_rate):
    assert_tones(read_audio(flac_that_states(true_rate, stated, true_rate)).samples, LOW)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_frames_of_flac_behind_the_stated_end_are_read(rate):
    low = with_soundfile(tone(*LOW), format="FLAC")
    high = with_soundfile(tone(*HIGH, rate), rate, format="FLAC")
    headless = high[high.index(b"\xff\xf8") :]
    assert_tones(read_audio(low + headless).samples, LOW, HIGH)


# Ogg Opus


def opus(hz: float = 440.0, noted_rate: int = 48_000, later: int = 0, ends: bool = True) -> bytes:
    """A second of Ogg Opus; its clock may begin later, and it may break off as a live stream."""
    whole = with_ffmpeg(tone(hz, 1.0, 48_000), "opus", "libopus", 48_000, page_duration="100000")
    made = b""
    for number, content in enumerate(re.split(b"(?=OggS)", whole)[1:]):
        page = bytearray(content)
        if number == 0:
            at = page.index(b"OpusHead") + 12
            page[at : at + 4] = struct.pack("<I", noted_rate)
        if number > 1:
            page[6:14] = struct.pack("<q", struct.unpack("<q", page[6:14])[0] + later)
            page[5] &= 0xFF if ends else ~4 & 0xFF
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", ogg_crc(bytes(page)))
        made += page
    return made


@pytest.mark.parametrize("noted", [0, 8_000, 12_000, 44_100, 192_000, 2**32 - 1])
def test_the_rate_that_opus_notes_is_not_the_rate_that_it_plays_at(noted):
    """At 8 kHz nothing would be left of a tone of 6 kHz."""
    assert_tones(read_audio(opus(6_000.0, noted)).samples, (6_000.0, 1.0))


@pytest.mark.parametrize("later", [0, 960, 48_000 * 3_600, 2**40])
@pytest.mark.parametrize("ends", [True, False])
def test_opus_of_a_live_stream_begins_and_ends_where_the_sound_does(later, ends):
    expected = read_audio(opus()).samples
    heard = read_audio(opus(later=later, ends=ends)).samples
    np.testing.assert_allclose(heard[: len(expected)], expected, atol=1e-3)
    assert len(heard) - len(expected) <= RATE // 50  # the last packet of 20 ms may be padded


def paged(whole: bytes, change) -> bytes:
    """An Ogg whose pages were changed, by their numbers; those count from the last, -1."""
    pages = [bytearray(page) for page in re.split(b"(?=OggS)", whole)[1:]]
    for number, page in enumerate(pages):
        change(number - len(pages), page)
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", ogg_crc(bytes(page)))
    return b"".join(map(bytes, pages))


@pytest.mark.parametrize("skipped", [12_001, 24_000, 65_535])
def test_opus_that_leaves_out_more_than_encoders_do_loses_none_of_its_sound(skipped):
    def change(number: int, page: bytearray) -> None:
        if (at := page.find(b"OpusHead")) >= 0:
            page[at + 10 : at + 12] = struct.pack("<H", skipped)

    assert_tones(read_audio(paged(opus(), change)).samples, LOW)


@pytest.mark.parametrize("codec", ["Opus", "Vorbis"])
@pytest.mark.parametrize("clock", ["last", "halved", "stopped"])
def test_a_clock_of_ogg_that_is_behind_its_sound_hides_none_of_it(clock, codec):
    def change(number: int, page: bytearray) -> None:
        granule = struct.unpack("<q", page[6:14])[0]
        if granule and (clock != "last" or number == -1):
            late = {"last": granule // 2, "halved": granule // 2, "stopped": 100}[clock]
            page[6:14] = struct.pack("<q", late)

    vorbis = with_soundfile(tone(*HIGH, 48_000), 48_000, format="OGG", subtype="VORBIS")
    whole, expected = (opus(), LOW) if codec == "Opus" else (vorbis, HIGH)
    assert_tones(read_audio(paged(whole, change)).samples, expected)


# WAV


def wav(
    samples: bytes,
    *more: bytes,
    channels: int = 1,
    rate: int = RATE,
    byte_rate: int | None = None,
    align: int | None = None,
    bits: int = 16,
    tag: int = 1,
) -> bytes:
    align = channels * bits // 8 if align is None else align
    byte_rate = rate * align if byte_rate is None else byte_rate
    body = b"WAVE" + b"".join(more)
    body += chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, byte_rate, align, bits))
    body += chunk(b"data", samples)
    return b"RIFF" + struct.pack("<I", len(body)) + body


MONO = pcm16(tone(*LOW))


@pytest.mark.parametrize(
    "header",
    [
        {"align": 1}, {"align": 4}, {"align": 3}, {"bits": 8, "align": 2}, {"bits": 24, "align": 2},
        {"bits": 32, "align": 2}, {"channels": 2, "align": 2}, {"channels": 2, "align": 8},
        {"bits": 24, "align": 4}, {"tag": 7, "bits": 8, "align": 2}, {"tag": 3, "align": 4},
        {"align": 4, "byte_rate": 0}, {"align": 4, "byte_rate": 99},
    ],
)  # fmt: skip
def test_a_wav_whose_header_leaves_open_how_wide_a_sample_is_is_refused(header):
    with pytest.raises(AudioError, match="header contradicts itself: channels and bits make"):
        read_audio(wav(MONO, **header))


@pytest.mark.parametrize(
    ("header", "notes"),
    [
        ({"align": 0}, ()),
        ({"byte_rate": 0}, ()),
        ({"bits": 0, "align": 2}, ()),
        ({"bits": 12, "align": 2}, ()),
        ({"align": 4, "byte_rate": 2 * RATE}, ("header contradicts itself",)),
        ({"byte_rate": RATE}, ("header contradicts itself",)),
        ({"byte_rate": 16 * RATE}, ("header contradicts itself",)),
    ],
)
def test_a_wav_of_which_enough_agrees_is_read_and_its_fault_told(header, notes):
    sound = read_audio(wav(MONO, **header))
    assert_tones(sound.samples, LOW)
    assert sound.notes == notes


@pytest.mark.parametrize("width", [1, 3, 4])
def test_a_caf_whose_header_leaves_open_how_wide_a_sample_is_is_refused(width):
    caf = bytearray(with_soundfile(tone(*LOW), format="CAF"))
    at = caf.index(b"desc") + 12 + 16
    assert caf[at : at + 4] == struct.pack(">I", 2)
    caf[at : at + 4] = struct.pack(">I", width)
    with pytest.raises(AudioError, match="header contradicts itself: channels and bits make"):
        read_audio(bytes(caf))


def test_an_aiff_that_counts_fewer_samples_than_it_holds_is_read_and_its_fault_told():
    aiff = bytearray(with_soundfile(tone(*LOW), format="AIFF"))
    at = aiff.index(b"COMM") + 10
    aiff[at : at + 4] = struct.pack(">I", RATE // 2)
    sound = read_audio(bytes(aiff))
    assert_tones(sound.samples, LOW)
    assert sound.notes == ("header contradicts itself",)


@pytest.mark.parametrize("name", [b"PA\0D", b"\0\0\0\0", b"\xa9xyz"])
def test_a_chunk_of_any_name_may_lie_before_the_sound(name):
    assert_tones(read_audio(wav(MONO, chunk(name, bytes(21)))).samples, LOW)


@pytest.mark.parametrize(
    ("behind", "told"),
    [(MONO, True), (bytes(9_000), False), (b"TAG" + bytes(125), False), (b"ID3\4" * 2_000, False)],
)
@pytest.mark.parametrize("form", ["WAV", "AIFF", "CAF", "W64"])
def test_what_lies_behind_the_stated_end_is_told_if_it_may_be_sound(form, behind, told):
    sound = read_audio(with_soundfile(tone(*LOW), format=form) + behind)
    assert_tones(sound.samples, LOW)
    assert any("behind the stated end" in note for note in sound.notes) == told


def test_an_au_that_states_too_little_is_read_to_its_end():
    au = bytearray(with_soundfile(tone(*LOW), format="AU"))
    au[8:12] = struct.pack(">I", RATE // 2)
    assert_tones(read_audio(bytes(au)).samples, LOW)


@pytest.mark.parametrize(
    ("form", "codec"), [("ac3", "ac3"), ("mp3", "libmp3lame"), ("spdif", "ac3")]
)
def test_coded_sound_in_a_wav_that_says_pcm_is_not_played_as_noise(form, codec):
    coded = with_ffmpeg(tone(440.0, 3.0, 48_000), form, codec, 48_000, 2)
    sound = read_audio(wav(coded, rate=48_000, channels=2))
    assert_tones(sound.samples, (440.0, 3.0))


# WavPack


APE_TAG = b"APETAGEX" + struct.pack("<IIII", 2000, 72, 1, 0xA0000000) + bytes(8) + b"z" * 40


@pytest.mark.parametrize(
    ("before", "behind"),
    [(b"", APE_TAG), (b"ID3\4\0\0\0\0\0\x0a" + bytes(10), b""), (b"", b"TAG" + bytes(125))],
)
def test_the_tags_of_a_wavpack_cost_no_sound(before, behind):
    sound = with_ffmpeg(tone(*LOW, 48_000), "wv", "wavpack", 48_000)
    assert_tones(read_audio(before + sound + behind).samples, LOW)


def test_a_wavpack_that_is_cut_short_is_an_error():
    sound = with_ffmpeg(tone(440.0, 3.0, 48_000), "wv", "wavpack", 48_000)
    for cut in (0.3, 0.6, 0.95):
        with pytest.raises(AudioError, match=r"damaged|truncated"):
            read_audio(sound[: int(cut * len(sound))])


# MP3 and AAC


def mp3_that_counts(frames: int | None) -> bytes:
    """Two seconds of MP3 whose first frame states how many follow; `None` for no statement."""
    whole = with_ffmpeg(tone(*HIGH), "mp3", "libmp3lame", RATE)
    place = max(whole.find(b"Info"), whole.find(b"Xing")) + 8
    true = int.from_bytes(whole[place : place + 4], "big")
    stated = 0 if frames is None else true + frames
    return whole[:place] + stated.to_bytes(4, "big") + whole[place + 4 :]


@pytest.mark.parametrize("fewer", [1, 2, 11, 30])
def test_an_mp3_that_counts_too_few_frames_loses_none_of_its_sound(fewer):
    all_of_it = read_audio(mp3_that_counts(None)).samples
    np.testing.assert_array_equal(read_audio(mp3_that_counts(-fewer)).samples, all_of_it)


@pytest.mark.parametrize("more", [0, 1, 500])
def test_an_mp3_whose_count_is_true_or_too_high_is_trimmed_as_ever(more):
    n = len(read_audio(mp3_that_counts(more)).samples)
    assert n == round(HIGH[1] * RATE) if not more else n >= round(HIGH[1] * RATE)


def mp3_padded(before: int, behind: int, rate: int = RATE) -> bytes:
    """A second and a half of MP3 that says how much its encoder has put around the sound."""
    whole = with_ffmpeg(tone(*HIGH, rate), "mp3", "libmp3lame", rate)
    place = re.search(b"(?s)(Info|Xing).{0,128}(LAME|Lav[cf])", whole).end() - 4 + 21
    return whole[:place] + (before << 12 | behind).to_bytes(3, "big") + whole[place + 3 :]


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
@pytest.mark.parametrize(("before", "behind"), [(4_095, 4_095), (2_305, 0), (0, 3_000)])
def test_an_mp3_that_says_more_padding_than_encoders_make_loses_none_of_its_sound(
    before, behind, rate
):
    all_of_it = read_audio(mp3_padded(0, 0, rate)).samples
    np.testing.assert_array_equal(read_audio(mp3_padded(before, behind, rate)).samples, all_of_it)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("seconds", [0.5, 1.0, 1.01, 1.02, 1.03, 1.05])
def test_the_padding_that_an_encoder_makes_is_no_sound(seconds, rate):
    whole = with_ffmpeg(tone(440.0, seconds, rate), "mp3", "libmp3lame", rate)
    assert abs(len(read_audio(whole).samples) - seconds * RATE) < RATE / 200  # LAME counts so


@pytest.mark.parametrize("rate", [24_000, 44_100])
def test_aac_that_is_said_to_be_he_aac_and_is_not_keeps_its_pitch_and_length(rate):
    plain = with_ffmpeg(tone(*HIGH, rate), "ipod", "aac", rate)
    config = plain.index(b"\x56\xe5\x00")  # "no spectral band replication"
    doubled = {24_000: 3, 44_100: 0}[rate]  # 48,000 and 96,000 Hz
    says_so = bytes([0x80 | doubled << 3])
    claimed = plain[: config + 2] + says_so + plain[config + 3 :]
    assert_tones(read_audio(claimed).samples, HIGH)
