"""Recordings become clips of 3 to 12 s that say where they are from."""

import hashlib
import itertools

import numpy as np
import pytest
import soundfile

from dataset_scripts.packing import segments
from dataset_scripts.packing.clips import PackingError
from dataset_scripts.packing.segments import segment
from dataset_scripts.packing.speech import Cutting, by_level, levels, pieces
from modeling_empathic.audio import load_audio
from tests.support.big_maker import clip_rows
from tests.support.command import run_command

RATE = 16_000


def voice(seconds, seed=0):
    """Noise in syllables of 0.2 s, as loud as speech."""
    t = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).standard_normal(len(t))
    return (0.1 * noise * (0.6 + 0.4 * np.sin(2 * np.pi * 5 * t))).astype(np.float32)


def quiet(seconds):
    return 1e-4 * np.random.default_rng(9).standard_normal(round(seconds * RATE))


def record(path, *parts, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.concatenate(parts), rate)
    return path


def test_speech_is_cut_out_with_its_offsets_and_short_stretches_are_not(tmp_path):
    record(tmp_path / "in/talk.wav", quiet(2), voice(5), quiet(3), voice(1), quiet(2), voice(4))
    counts = segment(tmp_path / "in", tmp_path / "out", language="de")
    assert counts == {"recordings": 1, "clips": 2, "copies": 0, "failed": 0}
    rows = clip_rows(tmp_path / "out")
    assert [(row["start_s"], row["end_s"]) for row in rows] == [
        pytest.approx((2, 7), abs=0.1),
        pytest.approx((13, 17), abs=0.1),
    ]
    for row in rows:
        file = tmp_path / "out" / row["path"]
        assert (row["source_file"], row["part"], row["language"]) == ("talk.wav", "wild", "de")
        assert row["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        sound = soundfile.info(file)
        assert (sound.samplerate, sound.channels, sound.format) == (24_000, 1, "FLAC")
        assert sound.duration == pytest.approx(row["end_s"] - row["start_s"], abs=0.02)
        assert row["duration_s"] == sound.duration
        assert row["target_emotion"] is None and row["voice"] is None


def test_a_recording_that_lies_there_twice_is_cut_once_and_the_folder_can_be_packed(tmp_path):
    for name in ("a/talk.wav", "b/again.wav"):
        record(tmp_path / "in" / name, quiet(1), voice(4), quiet(1))
    for name in ("silence.wav", "more silence.wav"):
        record(tmp_path / "in" / name, np.zeros(RATE))
    code, said, _ = run_command("big", "segment", tmp_path / "in", tmp_path / "out")
    assert code == 0 and "1 clips of 4 recordings, 2 the same as others" in said
    rows = clip_rows(tmp_path / "out")  # refuses an id that stands twice
    assert [(row["source_file"], row["outcome"]) for row in rows] == [
        ("a/talk.wav", "spoken"),
        ("b/again.wav", "copy"),
        ("more silence.wav", "no_speech"),
        ("silence.wav", "copy"),
    ]
    assert rows[1]["reason"] == "the same bytes as a/talk.wav"
    record(tmp_path / "in/0.wav", quiet(1), voice(4), quiet(1))  # comes later, and is read first
    assert segment(tmp_path / "in", tmp_path / "out")["copies"] == 3


def test_what_is_cut_out_is_what_was_there(tmp_path):
    t = np.arange(4 * 24_000) / 24_000
    tone = (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    still = np.zeros(24_000, np.float32)
    record(tmp_path / "in/a.flac", still, tone, still, rate=24_000)
    segment(tmp_path / "in", tmp_path / "out")
    [row] = clip_rows(tmp_path / "out")
    heard, _ = soundfile.read(tmp_path / "out" / row["path"])
    start = round(row["start_s"] * 24_000)
    expected = np.concatenate([still, tone, still])[start : start + len(heard)]
    assert np.abs(heard - expected).max() < 1e-3


def test_an_hour_without_a_pause_is_cut_where_it_is_quietest():
    level = np.full(100 * 60, -20.0, np.float32)
    breaths = np.arange(700, 6_000, 700)
    for at in breaths:
        level[at : at + 9] = -35
    cut = pieces([(0, 6_000)], level, Cutting())
    assert cut[0][0] == 0 and cut[-1][1] == 6_000
    assert all(a[1] == b[0] for a, b in itertools.pairwise(cut))
    assert all(300 <= end - start <= 1_200 for start, end in cut)
    assert all(np.abs(breaths + 4 - end).min() <= 5 for _, end in cut[:-1])


def test_quiet_of_a_noisy_room_is_no_speech():
    room = 0.01 * np.random.default_rng(1).standard_normal(4 * RATE)
    sound = np.concatenate([room, voice(5) + room[:1].mean(), room]).astype(np.float32)
    [(start, end)] = by_level(levels([sound], RATE))
    assert (start, end) == pytest.approx((400, 900), abs=15)


def test_a_recording_that_cannot_be_read_or_holds_no_speech_has_a_row_that_says_so(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.mp3").write_text("<html>404</html>")
    record(tmp_path / "in/b.wav", quiet(2), voice(1), quiet(2))
    record(tmp_path / "in/c.wav", voice(4))
    code, printed, _ = run_command("big", "segment", tmp_path / "in", tmp_path / "out")
    assert code == 1
    assert "1 clips of 3 recordings, 1 could not be read" in printed
    assert [row["outcome"] for row in clip_rows(tmp_path / "out")] == [
        "decode_error", "no_speech", "spoken",
    ]  # fmt: skip
    assert all(row["reason"] for row in clip_rows(tmp_path / "out")[:2])


def test_recordings_that_come_later_are_added_and_the_others_not_read_again(tmp_path, monkeypatch):
    record(tmp_path / "in/b.wav", voice(4))
    segment(tmp_path / "in", tmp_path / "out")
    before = clip_rows(tmp_path / "out")
    record(tmp_path / "in/a.wav", voice(4, seed=1))
    read = []
    of_users = segments._recording
    monkeypatch.setattr(
        segments, "_recording", lambda path, *rest: read.append(path.name) or of_users(path, *rest)
    )
    segment(tmp_path / "in", tmp_path / "out")
    assert read == ["a.wav"]
    assert clip_rows(tmp_path / "out")[1:] == before
    with pytest.raises(PackingError, match="made otherwise"):
        segment(tmp_path / "in", tmp_path / "out", cutting=Cutting(2, 10))


def test_clips_are_no_recordings_where_they_lie_among_them(tmp_path):
    record(tmp_path / "in/a.wav", voice(4))
    for _ in range(2):
        assert segment(tmp_path / "in", tmp_path / "in/out")["recordings"] == 1


def test_damaged_lines_of_a_killed_runs_journal_are_read_again(tmp_path):
    record(tmp_path / "in/a.wav", voice(4))
    segment(tmp_path / "in", tmp_path / "whole")
    (tmp_path / "out").mkdir()
    lines = (b'[{"source_file": "a.wav"}]', b"[]", b"7", b"[7]", b'{"a', b"\xff\0")
    (tmp_path / "out/segments.partial").write_bytes(b"\n".join(lines) + b"\n")
    segment(tmp_path / "in", tmp_path / "out")
    assert clip_rows(tmp_path / "out") == clip_rows(tmp_path / "whole")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shortest", "8"], "the longest is at least twice the shortest"),
        (["--longest", "40"], "at most 30 s"),
        (["--pause", "inf"], "--pause inf: it must be less than or equal to 30"),
        (["--speech", "ears"], "choose level or silero"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, options, message):
    record(tmp_path / "in/a.wav", voice(4))
    code, _, said = run_command("big", "segment", tmp_path / "in", tmp_path / "out", *options)
    assert (code, said.count("\n")) == (2, 1)
    assert message in said
    assert not (tmp_path / "out").exists()


def test_silero_hears_speech_and_not_noise(tmp_path):
    pytest.importorskip("silero_vad")
    from dataset_scripts.packing.silero import silero
    from tests.support.places import REPOSITORY

    noise = 0.1 * np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32)
    clip = sorted((REPOSITORY / "examples" / "clips").glob("*.flac"))[0]
    speech = load_audio(clip)
    [*found] = silero()([noise, speech, noise])
    assert found and found[0][0] >= 250 and found[-1][1] <= 300 + 100 * len(speech) / RATE + 50


def test_silence_however_long_is_no_speech():
    rng = np.random.default_rng(0)
    hours = np.zeros(3 * 3600 * 100, np.float32) - 120
    dither = levels([rng.integers(-1, 2, 60 * RATE) / 32768], RATE)
    for level_db in (hours, dither, hours[:5], hours[:0]):
        assert by_level(level_db) == []
    assert pieces([], hours[:0], Cutting()) == []


def test_a_recording_of_an_instant_or_of_eight_channels_stops_nobody(tmp_path):
    said = np.concatenate([voice(5), quiet(2)])
    folder = tmp_path / "in"
    record(folder / "instant.wav", voice(0.001))
    record(folder / "silence.wav", np.zeros(20 * RATE))
    record(folder / "eight.wav", np.stack([said] * 8, axis=1))
    record(folder / "one of eight.wav", np.stack([said] + [0 * said] * 7, axis=1))
    record(folder / "cancelling.wav", np.stack([said, -said], axis=1))
    whole = record(tmp_path / "whole.wav", said).read_bytes()
    (folder / "cut off.wav").write_bytes(whole[: len(whole) // 2])
    counts = segment(folder, tmp_path / "out")
    assert (counts["recordings"], counts["clips"], counts["failed"]) == (6, 2, 2)
    rows = {row["source_file"]: row for row in clip_rows(tmp_path / "out")}
    outcomes = {name: row["outcome"] for name, row in rows.items()}
    assert outcomes == {
        "eight.wav": "spoken", "one of eight.wav": "spoken", "instant.wav": "no_speech",
        "silence.wav": "no_speech", "cancelling.wav": "decode_error", "cut off.wav": "decode_error",
    }  # fmt: skip
    assert "cancel each other" in rows["cancelling.wav"]["reason"]
    assert "truncated" in rows["cut off.wav"]["reason"]
