"""Scoring from Python: finding clips, decoding ahead, batches, and the durable score file."""

import hashlib
import os
import threading
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from modeling_empathic.scoring import clips as scoring
from modeling_empathic.scoring import journal as score_journal
from modeling_empathic.scoring import prepared
from modeling_empathic.scoring.clips import (
    ScoringError,
    find_audio,
    prefetch,
    score_files,
    score_groups,
)
from modeling_empathic.scoring.file import read_provenance, read_scores, rows_of
from modeling_empathic.scoring.journal import ScoreFile, journal_path
from modeling_empathic.scoring.loading import describe
from modeling_empathic.taxonomy import UserError
from tests.support.scoring_fakes import HEADS, FakeExtractor, FakeModel, write_clip

PROVENANCE = {"model": "fake", "heads": list(HEADS), "dtype": "float32"}


def score_into(output, clips, batch_size=4, stop_after=None, provenance=PROVENANCE):
    """What the command does between loading the model and the table."""
    model = FakeModel()
    with ScoreFile(Path(output), provenance) as file:
        groups = score_groups(
            clips, model, FakeExtractor(), batch_size=batch_size, workers=2, done=file.done
        )
        for n, group in enumerate(groups, 1):
            file.append(group)
            if n == stop_after:
                groups.close()
                return model
        file.finish(clips)
    return model


def test_a_folder_is_searched_recursively_for_audio_in_sorted_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "d/b.wav",
        "d/a.FLAC",
        "d/sub/c.mp3",
        "d/notes.txt",
        "d/.hidden.wav",
        "d/.x/y.wav",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    assert find_audio(["d"]) == ["d/a.FLAC", "d/b.wav", "d/sub/c.mp3"]


def test_a_clip_reached_twice_is_listed_once_where_it_came_first(clips):
    paths = find_audio([clips[3], "./clips/3.wav", os.path.abspath(clips[3]), "clips"])  # noqa: PTH100
    assert paths == [clips[3], *clips[:3], *clips[4:]]


def test_globs_give_audio_only_and_a_named_file_is_taken_whatever_its_suffix(clips):
    Path("clips/notes.txt").touch()
    assert find_audio(["clips/[0-2]*", "clip*/"]) == clips
    assert find_audio(["clips/notes.txt"]) == ["clips/notes.txt"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(clips):
    write_clip(Path("take[1].wav"))
    assert find_audio(["take[1].wav"]) == ["take[1].wav"]


@pytest.mark.parametrize("path", ["nowhere", "clips/none-*.wav", "empty", ""])
def test_a_path_that_leads_to_no_audio_is_an_error_that_names_it(clips, path):
    Path("empty").mkdir()
    with pytest.raises(ScoringError, match=path.replace("*", r"\*") or "empty path"):
        find_audio([path])


def test_a_row_holds_the_clip_its_window_and_a_score_a_head(clips):
    row = next(score_files(clips, FakeModel(), FakeExtractor()))
    times = ["start_s", "end_s", "duration_s"]
    assert list(row) == ["path", "clip_id", *times, *HEADS, "quality", "outcome", "error"]
    assert row["clip_id"] == hashlib.sha256(Path(clips[0]).read_bytes()).hexdigest()
    assert (row["start_s"], row["end_s"], row["duration_s"]) == (0.0, 0.5, 0.5)
    assert (row["outcome"], row["error"]) == ("scored", None)


def test_ten_minutes_give_twenty_windows(tmp_path):
    clip = write_clip(tmp_path / "long.wav", seconds=600)
    model = FakeModel()
    rows = list(score_files([clip], model, FakeExtractor(), batch_size=8))
    assert [(row["start_s"], row["end_s"]) for row in rows] == [
        (30.0 * i, 30.0 * i + 30.0) for i in range(20)
    ]
    assert {row["duration_s"] for row in rows} == {600.0}
    assert model.batches == [8, 8, 4]


def test_windows_have_the_length_that_the_feature_extractor_reads(tmp_path):
    clip = write_clip(tmp_path / "long.wav", seconds=25)
    extractor = FakeExtractor()
    extractor.n_samples = 10 * 16_000
    rows = list(score_files([clip], FakeModel(), extractor))
    assert [(row["start_s"], row["end_s"]) for row in rows] == [(0, 10), (10, 20), (20, 25)]
    windows = describe(FakeModel(), extractor, "fake", "1")["windows"]
    assert windows == {"window_s": 10.0, "hop_s": 10.0, "min_tail_s": 1.0}


def test_a_small_file_of_25_hours_is_refused_before_it_is_decoded(tmp_path):
    clip = tmp_path / "long.flac"
    hour = np.ones(3600 * 1_000, np.int16)
    with soundfile.SoundFile(clip, "w", 1_000, 1) as file:
        for _ in range(25):
            file.write(hour)
    assert clip.stat().st_size < 2**19
    tracemalloc.start()
    try:
        (row,) = score_files([clip], FakeModel(), FakeExtractor())
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert (row["outcome"], row["error"]) == ("decode_error", "longer than 24 h: split it")


def test_a_clip_that_cannot_be_decoded_gives_one_row_and_the_rest_go_on(clips):
    Path(clips[1]).write_bytes(b"not audio")
    Path(clips[2]).unlink()
    Path(clips[2]).symlink_to("nowhere")
    rows = list(score_files(clips, FakeModel(), FakeExtractor()))
    assert [row["outcome"] for row in rows] == ["scored", *["decode_error"] * 2, *["scored"] * 7]
    assert rows[1]["clip_id"] and rows[2]["clip_id"] is None
    assert rows[1]["error"] and "1.wav" not in rows[1]["error"]
    assert rows[2]["error"] == "cannot read the file: No such file or directory"
    assert all(row[name] is None for row in rows[1:3] for name in (*HEADS, "start_s", "duration_s"))


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (row,) = score_files([tmp_path / "pipe.wav"], FakeModel(), FakeExtractor())
    assert row["error"] == "not a regular file"


def test_a_path_that_is_not_utf8_still_gets_a_row_that_can_be_written(tmp_path):
    clip = os.fsencode(write_clip(tmp_path / "x.wav"))
    odd = os.fsdecode(clip.replace(b"x.wav", b"\xff.wav"))
    try:
        Path(os.fsdecode(clip)).rename(odd)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (row,) = score_files([odd], FakeModel(), FakeExtractor())
    assert row["outcome"] == "scored" and row["path"].endswith(r"\udcff.wav")


def test_scores_that_are_not_finite_stop_the_run(clips):
    model = FakeModel()
    model.encoder = lambda features: SimpleNamespace(last_hidden_state=features * float("inf"))
    model.encoder.dtype = torch.float32
    with pytest.raises(ScoringError, match=r"not finite in torch\.float32"):
        list(score_files(clips, model, FakeExtractor()))


def test_only_a_bounded_number_of_clips_is_decoded_ahead():
    started, lock = [], threading.Lock()

    def decode(path):
        with lock:
            started.append(path)
        return path

    for n, path in enumerate(prefetch(decode, map(str, range(1000)), workers=3, ahead=5)):
        assert path == str(n)
        assert len(started) - n <= 6  # those ahead, and the one in hand


def test_big_files_are_decoded_one_at_a_time(clips, monkeypatch):
    monkeypatch.setattr(scoring, "AHEAD_BYTES", 1)
    started = []
    for n, _ in enumerate(prefetch(started.append, clips, workers=3, ahead=5)):
        assert len(started) - n <= 1


def test_a_fault_of_the_program_in_a_decoding_thread_is_not_hidden(clips):
    with pytest.raises(ZeroDivisionError):
        list(prefetch(lambda path: 1 / 0, clips, workers=2, ahead=2))


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_an_interrupted_and_resumed_file_is_the_uninterrupted_one_byte_for_byte(clips, suffix):
    Path(clips[5]).write_bytes(b"not audio")
    write_clip(Path(clips[6]), seconds=75)
    score_into("whole" + suffix, clips)
    stopped = score_into("resumed" + suffix, clips, stop_after=1)
    assert len(stopped.batches) == 1 and not Path("resumed" + suffix).exists()
    again = score_into("resumed" + suffix, clips)
    assert again.batches == [4, 1, 2]  # clips 4 to 7 without 5, in five windows; then 8 and 9
    assert Path("whole" + suffix).read_bytes() == Path("resumed" + suffix).read_bytes()
    assert not list(Path().glob("*.partial")) and not list(Path().glob(".*.tmp*"))


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_a_journal_that_was_cut_off_loses_its_last_group_only(clips, cut):
    score_into("whole.parquet", clips)
    score_into("cut.parquet", clips, stop_after=2)
    journal = journal_path(Path("cut.parquet"))
    journal.write_bytes(journal.read_bytes()[:-cut])
    with ScoreFile(Path("cut.parquet"), PROVENANCE) as file:
        assert set(file.done) == set(clips[:4])
    assert score_into("cut.parquet", clips).batches == [4, 2]
    assert Path("whole.parquet").read_bytes() == Path("cut.parquet").read_bytes()


def test_a_journal_that_was_cut_in_its_first_line_is_begun_anew(clips):
    journal_path(Path("x.csv")).write_bytes(b'{"model": "fa')
    assert score_into("x.csv", clips).batches == [4, 4, 2]


def test_a_second_run_scores_nothing_and_leaves_the_file_alone(clips):
    score_into("x.parquet", clips)
    before = Path("x.parquet").stat()
    assert score_into("x.parquet", clips).batches == []
    assert Path("x.parquet").stat().st_mtime_ns == before.st_mtime_ns


def test_a_clip_whose_bytes_changed_is_scored_again_in_its_place(clips):
    Path(clips[4]).write_bytes(b"not audio")
    score_into("x.jsonl", clips)
    write_clip(Path(clips[4]), seed=99)
    write_clip(Path(clips[0]), seed=98)
    assert score_into("x.jsonl", clips).batches == [2]
    rows = list(rows_of(read_scores(Path("x.jsonl"))))
    assert [row["path"] for row in rows] == clips
    assert {row["outcome"] for row in rows} == {"scored"}
    assert rows[4]["clip_id"] == hashlib.sha256(Path(clips[4]).read_bytes()).hexdigest()


def test_a_clip_that_changes_between_a_kill_and_the_next_run_has_one_row(clips):
    score_into("x.csv", clips, stop_after=1)
    write_clip(Path(clips[1]), seed=99)
    score_into("x.csv", clips)
    rows = list(rows_of(read_scores(Path("x.csv"))))
    assert [row["path"] for row in rows] == clips
    assert rows[1]["clip_id"] == hashlib.sha256(Path(clips[1]).read_bytes()).hexdigest()


def test_failed_clips_are_not_tried_again_unless_their_bytes_change(clips, monkeypatch):
    Path(clips[1]).write_bytes(b"not audio")
    Path("clips/gone.wav").symlink_to("nowhere")
    score_into("x.csv", find_audio(["clips"]))
    decoded = []
    monkeypatch.setattr(prepared, "Stream", decoded.append)
    score_into("x.csv", find_audio(["clips"]))
    assert decoded == []
    assert len(read_scores(Path("x.csv"))) == 11


def test_clips_of_other_runs_stay_in_the_file(clips):
    score_into("x.parquet", clips[5:])
    with ScoreFile(Path("x.parquet"), PROVENANCE) as file:
        for group in score_groups(clips[:5], FakeModel(), FakeExtractor(), batch_size=4, workers=1):
            file.append(group)
        shown = file.finish(clips[:5])
    assert shown["path"].to_pylist() == clips[:5]
    assert read_scores(Path("x.parquet"))["path"].to_pylist() == clips[5:] + clips[:5]


def test_the_three_formats_hold_the_same_float32_rows(clips):
    Path(clips[1]).write_bytes(b"not audio")
    Path(clips[2]).rename('clips/a, "b"\nc.wav')
    paths = find_audio(["clips"])
    tables = []
    for suffix in (".parquet", ".jsonl", ".csv"):
        score_into("x" + suffix, paths)
        assert read_provenance(Path("x" + suffix)) == PROVENANCE
        tables.append(read_scores(Path("x" + suffix)))
    assert tables[0].equals(tables[1]) and tables[0].equals(tables[2])
    assert tables[0].schema.field("Anger").type == "float"
    direct = score_files(paths, FakeModel(), FakeExtractor(), batch_size=4)
    assert tables[0].to_pylist() == list(direct)


@pytest.mark.parametrize("finished", [True, False])
def test_other_provenance_is_refused_with_what_differs(clips, finished):
    score_into("x.csv", clips, stop_after=None if finished else 1)
    with pytest.raises(ScoringError, match=r"numbers in float32, now in float16.*or overwrite"):
        score_into("x.csv", clips, provenance=PROVENANCE | {"dtype": "float16"})
    score_into("x.csv", clips)  # what was there is still good


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_file_that_is_not_a_score_file_is_not_touched(clips, suffix):
    Path("mine" + suffix).write_text("a,b\n1,2\n")
    with pytest.raises(ScoringError, match="not a score file"):
        score_into("mine" + suffix, clips)
    assert Path("mine" + suffix).read_text() == "a,b\n1,2\n"
    assert not list(Path().glob("*.partial"))


def test_two_runs_cannot_write_the_same_file(clips):
    pytest.importorskip("fcntl")
    with ScoreFile(Path("x.csv"), PROVENANCE):
        with pytest.raises(UserError, match="another run is writing"):
            ScoreFile(Path("x.csv"), PROVENANCE)
        assert journal_path(Path("x.csv")).exists()


@pytest.mark.parametrize("groups", [0, 1])
def test_a_journal_is_removed_while_it_is_still_locked(clips, monkeypatch, groups):
    pytest.importorskip("fcntl")
    remove = Path.unlink

    def refused_then_removed(path, missing_ok=False):
        with pytest.raises(UserError, match="another run is writing"):
            ScoreFile(Path("x.csv"), PROVENANCE)
        remove(path, missing_ok)

    with ScoreFile(Path("x.csv"), PROVENANCE) as file:
        monkeypatch.setattr(Path, "unlink", refused_then_removed)
        for _ in range(groups):
            file.append([list(score_files(clips[:1], FakeModel(), FakeExtractor()))])
            file.finish(clips[:1])
    assert not journal_path(Path("x.csv")).exists()


def test_a_run_that_had_opened_the_journal_when_another_ended_has_one_of_its_own(
    clips, monkeypatch
):
    pytest.importorskip("fcntl")
    other, lock = ScoreFile(Path("x.csv"), PROVENANCE), score_journal.lock

    def lock_late(file, path):
        monkeypatch.setattr(score_journal, "lock", lock)
        other.close()
        lock(file, path)

    monkeypatch.setattr(score_journal, "lock", lock_late)
    with ScoreFile(Path("x.csv"), PROVENANCE):
        assert journal_path(Path("x.csv")).exists()
        with pytest.raises(UserError, match="another run is writing"):
            ScoreFile(Path("x.csv"), PROVENANCE)
