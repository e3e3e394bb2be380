"""Every suffix that is listed decodes, with the codecs that people put there."""

import av
import numpy as np
import pytest

from modeling_empathic.audio import AudioError, load_audio
from modeling_empathic.scoring.listing import AUDIO_SUFFIXES
from tests.support.sounds import assert_tones, tone, with_ffmpeg, with_soundfile

TONE = (440.0, 1.5)
# Suffixes: container and codecs as FFmpeg calls them. What PyAV's wheel cannot write (Speex, DTS,
# GSM) is in `benchmarks/audio_files.py`.
WRITTEN = {
    (".wav", ".wave", ".bwf"): (
        "wav",
        "pcm_u8 pcm_s16le pcm_s24le pcm_s32le pcm_s64le pcm_f32le pcm_f64le pcm_alaw pcm_mulaw "
        "adpcm_ima_wav adpcm_ms libmp3lame g722 mp2 ac3 wmav2",
    ),
    (".w64",): ("w64", "pcm_s16le pcm_f32le adpcm_ms"),
    (".rf64",): ("wav", "pcm_s16le pcm_s24le"),
    (".aif", ".aiff"): ("aiff", "pcm_s8 pcm_s16be pcm_s24be pcm_s32be"),
    (".aifc",): ("aiff", "pcm_s16le pcm_f32be pcm_f64be pcm_alaw pcm_mulaw adpcm_ima_qt"),
    (".caf",): (
        "caf",
        "pcm_s16le pcm_s24be pcm_f32le pcm_f64be pcm_alaw pcm_mulaw alac adpcm_ima_qt libopus",
    ),
    (".au", ".snd"): ("au", "pcm_s16be pcm_s24be pcm_f32be pcm_f64be pcm_alaw pcm_mulaw"),
    (".flac",): ("flac", "flac"),
    (".ogg", ".oga", ".ogx"): ("ogg", "vorbis libopus flac"),
    (".ogv", ".ogm"): ("ogv", "vorbis"),
    (".opus",): ("opus", "libopus"),
    (".mp3", ".mpga", ".mpa"): ("mp3", "libmp3lame"),
    (".mp2",): ("mp2", "mp2"),
    (".aac", ".adts"): ("adts", "aac"),
    (".m4a", ".m4b", ".m4r"): ("ipod", "aac alac"),
    (".mp4", ".m4v", ".f4v"): ("mp4", "aac alac libmp3lame libopus flac ac3"),
    (".mov", ".qt"): ("mov", "pcm_s16le pcm_s24be pcm_mulaw aac alac adpcm_ima_qt"),
    (".3gp",): ("3gp", "aac libopencore_amrnb"),
    (".3g2",): ("3g2", "aac"),
    (".mkv", ".mka"): ("matroska", "pcm_s16le aac libopus vorbis flac libmp3lame ac3 tta wavpack"),
    (".webm", ".weba"): ("webm", "libopus vorbis"),
    (".avi",): ("avi", "pcm_s16le libmp3lame ac3 aac"),
    (".ts", ".mts", ".m2ts"): ("mpegts", "aac mp2 ac3 libmp3lame"),
    (".mpg", ".mpeg", ".vob"): ("mpeg", "mp2 ac3"),
    (".flv",): ("flv", "libmp3lame aac"),
    (".wma", ".wmv", ".asf"): ("asf", "wmav1 wmav2"),
    (".ac3",): ("ac3", "ac3"),
    (".eac3",): ("eac3", "eac3"),
    (".tta",): ("tta", "tta"),
    (".wv",): ("wv", "wavpack"),
    (".amr",): ("amr", "libopencore_amrnb"),
    (".voc",): ("voc", "pcm_s16le pcm_u8"),
}
READ_ONLY = {
    ".ape": "nobody's free encoder writes it",
    ".awb": "AMR-WB, which FFmpeg only reads",
    ".dts": "experimental, by the ffmpeg program alone",
    ".spx": "Speex, by the ffmpeg program alone",
    ".nist": "as .sph",
    ".sph": "test_a_sphere_file_is_read",
    ".thd": "TrueHD, experimental",
}
CASES = [
    pytest.param(container, codec, id=f"{suffixes[0][1:]}-{codec}")
    for suffixes, (container, codecs) in WRITTEN.items()
    for codec in codecs.split()
]


@pytest.mark.parametrize(("container", "codec"), CASES)
def test_the_usual_codecs_of_a_suffix_are_read(container, codec):
    rate = {"libopencore_amrnb": 8_000, "g722": 16_000}.get(codec, 48_000)
    try:
        channels = 2 if codec == "vorbis" else 1
        clip = with_ffmpeg(tone(*TONE, rate), container, codec, rate, channels)
    except (ValueError, av.FFmpegError) as error:
        pytest.skip(f"no such encoder here: {error}")
    assert_tones(load_audio(clip), TONE, slack_s=0.2)


def test_every_suffix_has_a_case_or_a_reason():
    written = {suffix for suffixes in WRITTEN for suffix in suffixes}
    assert written | set(READ_ONLY) == set(AUDIO_SUFFIXES)
    assert not written & set(READ_ONLY)


def test_a_sphere_file_is_read():
    samples = (tone(*TONE) * 32_767).astype("<i2").tobytes()
    fields = {"channel_count -i": 1, "sample_count -i": len(samples) // 2}
    fields |= {"sample_rate -i": 16_000, "sample_n_bytes -i": 2, "sample_byte_format -s2": "01"}
    fields |= {"sample_coding -s3": "pcm"}
    text = "NIST_1A\n   1024\n" + "".join(f"{k} {v}\n" for k, v in fields.items()) + "end_head\n"
    assert_tones(load_audio(text.encode().ljust(1024) + samples), TONE)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.parametrize("form", ["WAV", "WAVEX", "W64", "RF64", "AIFF", "CAF", "AU", "FLAC"])
def test_any_rate_and_number_of_channels_is_read(form, rate, channels):
    samples = np.tile(tone(*TONE, rate)[:, None], (1, channels))
    assert_tones(load_audio(with_soundfile(samples, rate, format=form)), TONE)


@pytest.mark.parametrize(
    ("form", "subtype"),
    [
        ("W64", "IMA_ADPCM"), ("WAV", "G721_32"), ("WAV", "GSM610"), ("WAV", "NMS_ADPCM_16"),
        ("AU", "G723_24"), ("MAT5", "PCM_16"), ("MAT4", "PCM_16"), ("PAF", "PCM_16"),
        ("SVX", "PCM_16"), ("IRCAM", "PCM_16"), ("VOC", "PCM_16"), ("XI", "DPCM_16"),
        ("HTK", "PCM_16"), ("SDS", "PCM_16"), ("AVR", "PCM_16"), ("PVF", "PCM_16"),
        ("CAF", "ALAC_16"), ("AIFF", "IMA_ADPCM"), ("AIFF", "GSM610"), ("WVE", "ALAW"),
        ("MPC2K", "PCM_16"), ("NIST", "PCM_16"),
    ],
)  # fmt: skip
def test_libsndfile_is_given_nothing_but_what_is_on_its_list(form, subtype, monkeypatch):
    import soundfile

    rate = 8_000 if form in ("WVE", "XI") else 16_000
    try:
        clip = with_soundfile(tone(*TONE, rate), rate, format=form, subtype=subtype)
    except (soundfile.LibsndfileError, ValueError):
        pytest.skip("libsndfile does not write it here")

    def refuse(*args, **kwargs):
        raise AssertionError("libsndfile was reached")

    monkeypatch.setattr(soundfile, "SoundFile", refuse)
    try:
        audio = load_audio(clip)
    except AudioError:
        return
    assert_tones(audio, TONE, slack_s=0.2)
