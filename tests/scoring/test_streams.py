"""Recordings of any length: cut while they are decoded, into what the whole would be cut into."""

import io
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling_empathic import decoding_empathic
from modeling_empathic.audio import read_audio
from modeling_empathic.scoring import prepared
from modeling_empathic.scoring.aggregates import in_words
from modeling_empathic.scoring.clips import score_files
from modeling_empathic.scoring.cuts import Cuts
from modeling_empathic.scoring.file import read_provenance, read_scores
from modeling_empathic.scoring.stream import Cutter, Stream
from modeling_empathic.scoring.turns import Turn
from tests.support.command import run_command
from tests.support.scoring_fakes import HEADS, FakeExtractor, FakeModel, write_clip
from tests.support.sounds import with_ffmpeg

NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, 16_000 * 14).astype(np.float32)


@settings(max_examples=60)
@given(
    st.integers(1, len(NOISE)),
    st.floats(1, 5),
    st.floats(0.05, 1),
    st.lists(st.integers(0, 90_000), max_size=6),
)
def test_whatever_the_blocks_the_windows_are_those_of_the_whole(n, window_s, share, blocks):
    cuts = Cuts(window_s, max(0.1, share * window_s))
    cutter, edges = Cutter(cuts, 30), sorted({0, n, *(block for block in blocks if block < n)})
    parts = [NOISE[start:end] for start, end in pairwise(edges)]
    found = [window for part in parts for window in cutter.add(part)] + list(cutter.end())
    assert [window.span for window in found] == cuts.spans(n, 30)
    for window in found:
        np.testing.assert_array_equal(window.samples, NOISE[:n][window.span])


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0, 12), st.floats(0.01, 6), st.sampled_from("ab")), min_size=1),
    st.integers(1_000, 200_000),
)
def test_no_window_leaves_its_turn_and_all_come_in_order_of_time(drawn, block):
    turns = sorted(Turn(start, min(start + length, 14), who) for start, length, who in drawn)
    cutter = Cutter(Cuts(2, 1), 30, turns)
    parts = [NOISE[at : at + block] for at in range(0, len(NOISE), block)]
    found = [window for part in parts for window in cutter.add(part)] + list(cutter.end())
    starts = [window.span.start for window in found]
    assert starts == sorted(starts) and found
    for window in found:
        np.testing.assert_array_equal(window.samples, NOISE[window.span])
        assert any(
            turn.speaker == window.speaker
            and round(16_000 * turn.start_s) <= window.span.start < window.span.stop
            and window.span.stop <= max(round(16_000 * turn.end_s), window.span.start + 1)
            for turn in turns
        )


def encoded(kind: str, rate: int) -> bytes:
    sound = NOISE[: 6 * rate] if rate * 6 <= len(NOISE) else np.resize(NOISE, 6 * rate)
    if kind == "mp3":
        return with_ffmpeg(sound, "mp3", "mp3", rate)
    stream = io.BytesIO()
    soundfile.write(stream, np.stack([sound, 0.5 * sound], axis=1), rate, format=kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("kind", "rate"), [("WAV", 16_000), ("FLAC", 44_100), ("OGG", 48_000), ("mp3", 44_100)]
)
def test_a_file_in_blocks_gives_what_the_whole_file_gives(kind, rate, monkeypatch):
    content = encoded(kind, rate)
    whole = read_audio(content)
    for block in (777, 10_007, 1 << 17):
        monkeypatch.setattr(decoding_empathic, "_BLOCK_SAMPLES", block)
        stream = Stream(io.BytesIO(content), "x", Cuts(2, 1), 30, 60)
        found = list(stream)
        assert [window.span for window in found] == Cuts(2, 1).spans(len(whole.samples), 30)
        assert stream.duration_s == len(whole.samples) / 16_000 and stream.notes == whole.notes
        for window in found:
            np.testing.assert_allclose(window.samples, whole.samples[window.span], atol=1e-6)


def test_memory_does_not_grow_with_the_recording(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding_empathic, "_BLOCK_SAMPLES", 1 << 16)
    monkeypatch.setattr(prepared, "MAX_AHEAD", 3)
    monkeypatch.setattr(prepared, "judge", lambda samples: "")
    peaks = []
    for minutes in (1, 6):
        clip = tmp_path / f"{minutes}.flac"
        with soundfile.SoundFile(clip, "w", 16_000, 1) as file:
            for _ in range(minutes * 6):
                file.write(NOISE[: 10 * 16_000])
        tracemalloc.start()
        try:
            rows = list(score_files([clip], FakeModel(), FakeExtractor()))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert len(rows) == 2 * minutes and {row["duration_s"] for row in rows} == {60.0 * minutes}
    assert peaks[1] < peaks[0] + 2**21  # all of it would be 19 MB more


def test_a_long_recording_that_ends_damaged_is_one_row_that_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding_empathic, "_BLOCK_SAMPLES", 1 << 15)
    monkeypatch.setattr(prepared, "MAX_AHEAD", 1)
    whole, clip = write_clip(tmp_path / "whole.flac", seconds=11.5), tmp_path / "long.flac"
    clip.write_bytes(whole.read_bytes()[:-30_000])
    model = FakeModel()
    first, second = score_files([clip, whole], model, FakeExtractor(), cuts=Cuts(11))
    assert model.batches and (first["outcome"], first["start_s"]) == ("decode_error", None)
    assert "truncated" in first["error"] and all(first[name] is None for name in HEADS)
    assert second["outcome"] == "scored"


def test_a_silent_side_of_a_long_call_is_known_at_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding_empathic, "_BLOCK_SAMPLES", 1 << 15)
    monkeypatch.setattr(prepared, "MAX_AHEAD", 1)
    sides = np.stack([np.zeros(96_000), NOISE[:96_000]], axis=1)
    soundfile.write(tmp_path / "call.wav", sides, 16_000)
    cuts = Cuts(2, separate=True)
    rows = list(score_files([tmp_path / "call.wav"], FakeModel(), FakeExtractor(), cuts=cuts))
    assert [(row["channel"], row["outcome"]) for row in rows] == [
        *[(2, "scored")] * 3,
        (1, "decode_error"),
    ]


@pytest.mark.parametrize(
    ("how", "of"),
    [
        ("mean", lambda scores, lengths: scores.mean()),
        ("time-weighted", lambda scores, lengths: np.average(scores, weights=lengths)),
        ("max", lambda scores, lengths: scores.max()),
        ("p25", lambda scores, lengths: np.percentile(scores, 25)),
    ],
)
def test_windows_become_one_row_as_the_file_says(how, of, tmp_path, monkeypatch, faked):
    monkeypatch.chdir(tmp_path)
    parts = [level * NOISE[:80_000] for level in (0.1, 1.0, 0.4)]
    soundfile.write("talk.wav", np.concatenate([*parts, NOISE[:20_000]]), 16_000)
    assert run_command("score", "talk.wav", "--window", "5", "-o", "windows.csv")[0] == 0
    command = ("score", "talk.wav", "--window", "5", "--aggregate")
    code, shown, _ = run_command(*command, how, "-o", "one.parquet")
    assert code == 0 and f"from 0 to 10, by {in_words(how)}" in shown
    windows = read_scores(Path("windows.csv")).to_pandas()
    (row,) = read_scores(Path("one.parquet")).to_pylist()
    lengths = (windows.end_s - windows.start_s).to_numpy()
    assert row["Anger"] == pytest.approx(of(windows["Anger"].to_numpy(), lengths), rel=1e-5)
    assert (row["start_s"], row["end_s"]) == (0, 16.25)
    assert read_provenance(Path("one.parquet"))["aggregate"] == how
    code, _, error = run_command(*command, "median", "-o", "one.parquet")
    assert code == 2 and "aggregate median: choose mean, time-weighted, max, or a" in error
    code, _, error = run_command("score", "talk.wav", "--window", "5", "-o", "one.parquet")
    assert code == 2 and f"rows of {how}, now of each window" in error
