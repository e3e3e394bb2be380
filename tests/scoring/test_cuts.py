"""Windows of other lengths and channels that are kept apart, from the flags to the score file."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emonet_voice.cli import app as cli
from modeling_empathic.audio import AudioError, load_audio
from modeling_empathic.scoring import prepared
from modeling_empathic.scoring.clips import score_files
from modeling_empathic.scoring.cuts import Cuts
from modeling_empathic.scoring.file import read_provenance, read_scores
from modeling_empathic.scoring.stream import Stream
from tests.support.command import run_command
from tests.support.scoring_fakes import FakeExtractor, FakeModel, write_clip

LEFT, RIGHT = (0.1 * np.random.default_rng(seed).standard_normal(32_000) for seed in (1, 2))


@pytest.fixture
def here(tmp_path, monkeypatch, faked):
    monkeypatch.chdir(tmp_path)


def stereo(path, left=LEFT, right=RIGHT, rate=16_000, **options):
    soundfile.write(path, np.stack([left, right], axis=1), rate, **options)
    return path


def rows_of(path):
    return read_scores(Path(path)).to_pylist()


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_recording_has_a_row_a_window_of_the_length_that_was_asked_for(here, suffix):
    write_clip(Path("talk.wav"), seconds=25)
    options = ("--window", "10", "--hop", "5", "-o", f"x.{suffix}")
    assert run_command("score", "talk.wav", *options)[0] == 0
    spans = [(row["start_s"], row["end_s"]) for row in rows_of(f"x.{suffix}")]
    assert spans == [(0, 10), (5, 15), (10, 20), (15, 25)]
    windows = read_provenance(Path(f"x.{suffix}"))["windows"]
    assert windows == {"window_s": 10.0, "hop_s": 5.0, "min_tail_s": 1.0}
    before = Path(f"x.{suffix}").read_bytes()
    code, out, _ = run_command("score", "talk.wav", *options)
    assert code == 0 and "1 scored before" in out and Path(f"x.{suffix}").read_bytes() == before


def test_another_policy_is_refused_in_words(here):
    write_clip(Path("talk.wav"), seconds=25)
    assert cli.run(["score", "talk.wav", "--window", "10", "-q", "-o", "x.csv"]) == 0
    options = ("--window", "5", "--hop", "2.5", "--channels", "separate", "-o", "x.csv")
    code, _, error = run_command("score", "talk.wav", *options)
    assert code == 2 and "windows of 10 s every 10 s, now of 5 s every 2.5 s" in error
    assert "channels mixed, now separate" in error and "{" not in error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--window", "40"), "window 40 s: choose 1 to 30 s"),
        (("--window", "0.5"), "window 0.5 s: choose 1 to 30 s"),
        (("--window", "nan"), "window nan s"),
        (("--hop", "31"), "hop 31 s: choose 0.1 to 30 s"),
        (("--window", "5", "--hop", "6"), "hop 6 s: choose 0.1 to 5 s"),
        (("--hop", "0"), "hop 0 s"),
        (("--hop", "inf"), "hop inf s"),
        (("--channels", "both"), "--channels both: choose mixed or separate"),
    ],
)
def test_lengths_that_cannot_be_are_refused_before_anything_is_scored(here, options, words):
    write_clip(Path("talk.wav"))
    code, out, error = run_command("score", "talk.wav", *options, "-o", "x.csv")
    assert code == 2 and words in error and out == "" and not list(Path().glob("x.csv*"))


def test_a_window_of_several_is_scored_as_its_sound_alone_would_be(tmp_path):
    clip = write_clip(tmp_path / "talk.wav", seconds=12)
    samples = load_audio(clip)
    rows = list(score_files([clip], FakeModel(), FakeExtractor(), cuts=Cuts(4, 2)))
    for row in rows:
        part = tmp_path / "part.wav"
        start, end = (round(16_000 * row[key]) for key in ("start_s", "end_s"))
        soundfile.write(part, samples[start:end], 16_000, subtype="FLOAT")
        (alone,) = score_files([part], FakeModel(), FakeExtractor(), batch_size=8)
        assert row["Anger"] == pytest.approx(alone["Anger"], abs=2e-3)  # the batch's size


def test_the_windows_of_a_very_long_recording_are_not_all_held_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(prepared, "MAX_AHEAD", 6)
    clip = write_clip(tmp_path / "long.wav", seconds=130)
    extractor, ahead = FakeExtractor(), []

    class Counting(FakeModel):
        def __call__(self, encoder_states):
            ahead.append(len(made) - sum(self.batches))
            return super().__call__(encoder_states)

    made = []

    class Watched(FakeExtractor):
        def __call__(self, *arguments, **options):
            made.append(1)
            return extractor(*arguments, **options)

    rows = list(score_files([clip], Counting(), Watched(), batch_size=4, cuts=Cuts(1, 0.5)))
    assert len(rows) == 259 and max(ahead) <= 6


def test_separate_channels_have_rows_of_their_own(here):
    stereo("call.wav")
    soundfile.write("left.wav", LEFT, 16_000)
    options = ("--channels", "separate")
    assert run_command("score", "call.wav", "left.wav", *options, "-o", "x.parquet")[0] == 0
    call_left, call_right, alone = rows_of("x.parquet")
    assert [row["channel"] for row in (call_left, call_right, alone)] == [1, 2, 1]
    assert call_left["Anger"] == pytest.approx(alone["Anger"], abs=1e-4) != call_right["Anger"]
    assert call_left["clip_id"] == call_right["clip_id"]
    assert list(call_left)[:4] == ["path", "clip_id", "channel", "start_s"]
    code, out, _ = run_command("score", "call.wav", *options)
    assert code == 0 and "call.wav, channel 1" in out and "1 clip, 2.0 s of audio" in out


def test_without_the_flag_there_is_no_such_column(here):
    stereo("call.wav")
    assert run_command("score", "call.wav", "-o", "x.parquet")[0] == 0
    assert "channel" not in read_scores(Path("x.parquet")).column_names
    assert "channels" not in read_provenance(Path("x.parquet"))


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_killed_run_over_channels_ends_with_the_bytes_of_a_whole_one(here, suffix, monkeypatch):
    from modeling_empathic.scoring import loading
    from tests.support.scoring_fakes import fake_loader

    for number in range(5):
        stereo(f"{number}.wav", right=RIGHT * (number + 1) / 5)
    clips, options = (
        [f"{number}.wav" for number in range(5)],
        ["--channels", "separate", "--window", "1", "--batch-size", "2", "-q", "-o"],
    )
    assert cli.run(["score", *clips, *options, f"whole.{suffix}"]) == 0
    monkeypatch.setattr(loading, "load_model", fake_loader(stop_at=6))
    assert cli.run(["score", *clips, *options, f"again.{suffix}"]) == 130
    monkeypatch.setattr(loading, "load_model", fake_loader())
    assert cli.run(["score", *clips, *options, f"again.{suffix}"]) == 0
    assert Path(f"again.{suffix}").read_bytes() == Path(f"whole.{suffix}").read_bytes()


def test_the_silent_side_of_a_call_is_a_row_that_says_so_and_the_other_is_scored(here):
    stereo("call.wav", left=0 * LEFT)
    code, out, _ = run_command("score", "call.wav", "--channels", "separate", "-o", "x.csv")
    scored, failed = rows_of("x.csv")
    assert code == 1 and "1 failed" in out
    assert (scored["channel"], scored["outcome"], failed["channel"]) == (2, "scored", 1)
    assert failed["error"] == "channel 1: digital silence: nothing to score"


def test_json_has_the_channel_too(here):
    stereo("call.wav")
    _, out, _ = run_command("score", "call.wav", "--channels", "separate", "--json")
    assert [json.loads(line)["channel"] for line in out.splitlines()] == [1, 2]


def load_channels(path, max_duration_s=60.0):
    with path.open("rb") as file:
        name, separate = str(path), Cuts(separate=True)
        windows = list(Stream(file, name, separate, longest_s=30, max_duration_s=max_duration_s))
    return [window.samples for window in sorted(windows, key=lambda window: window.channel)]


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_each_channel_is_what_a_mono_file_of_it_would_be(tmp_path, subtype):
    both = load_channels(stereo(tmp_path / "both.wav", rate=8_000, subtype=subtype))
    for number, (channel, samples) in enumerate(zip(both, (LEFT, RIGHT), strict=True)):
        soundfile.write(tmp_path / f"{number}.wav", samples, 8_000, subtype=subtype)
        assert channel == pytest.approx(load_audio(tmp_path / f"{number}.wav"), abs=1e-6)


def test_channels_that_cancel_in_the_mean_are_heard_one_by_one(tmp_path):
    both = load_channels(stereo(tmp_path / "both.wav", right=-LEFT, subtype="FLOAT"))
    assert np.allclose(both[0], LEFT, atol=1e-6) and np.allclose(both[1], -LEFT, atol=1e-6)


@pytest.mark.parametrize("damage", ["cut", "text", "silent", "long"])
def test_a_file_that_is_refused_mixed_is_refused_in_channels(tmp_path, damage):
    path = stereo(tmp_path / "silence.wav", *([0 * LEFT] * 2 if damage == "silent" else []))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:60_000])
    if damage == "text":
        path.write_text("no sound")
    limit = 1.0 if damage == "long" else 60.0
    with pytest.raises(AudioError) as mixed:
        load_audio(path, max_duration_s=limit)
    with pytest.raises(AudioError) as separate:
        load_channels(path, max_duration_s=limit)
    assert str(separate.value) == str(mixed.value)
