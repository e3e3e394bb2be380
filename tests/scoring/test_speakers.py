"""Who speaks, and who does not: turns from RTTM, and windows without speech."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evaluate_metrics.bench.predictions import read_predictions
from modeling_empathic.audio import load_audio
from modeling_empathic.scoring import prepared, vad
from modeling_empathic.scoring.file import read_provenance, read_scores
from modeling_empathic.scoring.recordings import recordings
from modeling_empathic.scoring.turns import read_turns
from modeling_empathic.taxonomy import UserError
from modeling_empathic.timelines import audacity_labels, cues, webvtt
from tests.support.command import run_command
from tests.support.places import REPOSITORY
from tests.support.scoring_fakes import write_clip

RTTM = """
SPEAKER talk 1 0.50 4.00 <NA> <NA> anna <NA> <NA>
SPEAKER talk 1 4.00 3.20 <NA> <NA> b/ob <NA> <NA>
SPKR-INFO talk 1 <NA> <NA> <NA> unknown anna <NA> <NA>
SPEAKER talk 1 8.00 0.01 <NA> <NA> anna <NA> <NA>
"""


@pytest.fixture
def here(tmp_path, monkeypatch, faked):
    monkeypatch.chdir(tmp_path)
    write_clip(Path("talk.wav"), seconds=10)
    Path("turns.rttm").write_text(RTTM)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_row_has_its_speaker_and_lies_in_his_turn(here, suffix):
    options = ("--speakers", "turns.rttm", "--window", "2", "-o", f"x.{suffix}")
    code, out, error = run_command("score", "talk.wav", *options)
    assert code == 0, error
    rows = read_scores(Path(f"x.{suffix}")).to_pylist()
    assert [(row["speaker"], row["start_s"], row["end_s"], row["outcome"]) for row in rows] == [
        ("anna", 0.5, 2.5, "scored"),
        ("anna", 2.5, 4.5, "scored"),
        ("b/ob", 4.0, 6.0, "scored"),
        ("b/ob", 6.0, 7.2, "scored"),
        ("anna", 8.0, 8.01, "no_speech"),
    ]
    assert list(rows[0])[:4] == ["path", "clip_id", "speaker", "start_s"]
    assert "talk.wav, anna" in out and "4.0 s of 10.0 s" in out and "talk.wav, b/ob" in out
    Path("turns.rttm").write_text(RTTM.replace("4.00 3.20", "4.00 3.30"))
    code, _, error = run_command("score", "talk.wav", *options)
    assert code == 2 and "speakers by turns" in error


def test_an_overview_by_speaker_is_a_row_for_each(here, monkeypatch):
    command = ("score", "talk.wav", "--speakers", "turns.rttm", "--window", "2")
    code, out, _ = run_command(*command, "--aggregate", "time-weighted", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [row["speaker"] for row in rows] == ["anna", "b/ob"]
    assert run_command(*command, "--timeline", "t", "-q")[0] == 0
    names = {file.name for file in Path("t").iterdir()}
    assert {"talk.anna.vtt", "talk.b_ob.vtt", "talk.b_ob.png"} <= names
    assert "00:00:04.500 -->" not in Path("t/talk.anna.vtt").read_text()  # bob's turn is not hers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SPEAKER talk 1 x 4 <NA> <NA> a", "line 1: 'SPEAKER talk 1 x 4 <NA> <NA> a' is no turn"),
        ("SPEAKER talk 1 0 -4 <NA> <NA> a", "is no turn of RTTM: write SPEAKER file channel"),
        ("SPEAKER my talk 1 2.5 4 <NA> <NA> a <NA> <NA>", "names without spaces"),
        ("SPEAKER my talk 1 2.5 4 <NA> <NA> a <NA>", "names without spaces"),
        ("SPEAKER talk 1 2.5 4 <NA> <NA> anna b <NA> <NA>", "names without spaces"),
        ("SPEAKER talk 1 2.5 4 <NA> <NA> anna b <NA>", "names without spaces"),
        ("SPEAKER talk 1 2.5 1e12 <NA> <NA> a <NA> <NA>", "times within 24 h"),
        ("anna 0 4", "line 1: 'anna 0 4' is no turn"),
        ("", "no turn in it"),
    ],
)
def test_what_is_no_rttm_is_refused_with_its_line(here, text, words):
    Path("turns.rttm").write_text(text)
    code, out, error = run_command("score", "talk.wav", "--speakers", "turns.rttm")
    assert code == 2 and words in error and out == ""


def test_turns_of_another_recording_are_a_row_that_says_so(here):
    write_clip(Path("other.wav"), seconds=3)
    write_clip(Path("third.wav"), seconds=3)
    both = RTTM + "SPEAKER other 1 1.0 9.0 <NA> <NA> anna <NA> <NA>\n"
    Path("turns.rttm").write_text(both)
    code, out, _ = run_command(
        "score", "talk.wav", "other.wav", "third.wav", "--speakers", "turns.rttm", "--json"
    )
    rows = [json.loads(line) for line in out.splitlines()]
    failed = {Path(row["path"]).stem: row["error"] for row in rows if row["error"]}
    assert code == 1 and list(failed) == ["other", "third"]
    assert "ends at 10 s, behind the recording's end at 3 s" in failed["other"]
    assert "no turns of third in turns.rttm, which has talk, other" in failed["third"]
    code, _, error = run_command(
        "score", "talk.wav", "--speakers", "turns.rttm", "--channels", "separate"
    )
    assert code == 2 and "choose one" in error


def test_a_name_commands_no_terminal_and_each_speaker_has_a_timeline(here):
    names = ("a.b", "a:b", "a_b", "a\x1b[2Jb")
    turn = "SPEAKER talk 1 {} 1 <NA> <NA> {} <NA>\n".format
    Path("turns.rttm").write_text("".join(turn(i, name) for i, name in enumerate(names)))
    code, out, error = run_command(
        *("score", "talk.wav", "--speakers", "turns.rttm", "-o", "x.csv", "--timeline", "t")
    )
    assert code == 0, error
    assert "\x1b" not in out + Path("x.csv").read_text()
    notes = sorted(file.read_text().splitlines()[2] for file in Path("t").glob("*.vtt"))
    assert len(notes) == len(set(notes)) == 4, notes


def test_turns_of_one_speaker_that_overlap_are_one(tmp_path):
    line = "SPEAKER x 1 {} {} <NA> <NA> {} <NA> <NA>\n".format
    (tmp_path / "x.rttm").write_text(line(5, 1, "a") + line(0, 9, "a") + line(1, 2, "b"))
    assert read_turns(tmp_path / "x.rttm").of("x.wav") == ((0, 9, "a"), (1, 3, "b"))
    with pytest.raises(UserError, match="No such file"):
        read_turns(tmp_path / "no.rttm")


@pytest.fixture
def half_silent(here, monkeypatch):
    """Speech is what is loud; the recording has none from 4 to 8 s."""
    sound = 0.1 * np.random.default_rng(0).standard_normal(160_000)
    sound[64_000:128_000] = 1e-4 * sound[64_000:128_000]
    soundfile.write("talk.wav", sound, 16_000)
    monkeypatch.setattr(prepared, "speech_s", lambda samples: float(samples.std() > 0.01))
    monkeypatch.setattr(vad, "check_vad", lambda: None)
    monkeypatch.setattr(vad, "described", lambda: {"detector": "stub"})


def test_silence_has_a_row_and_no_score_and_does_not_count(half_silent):
    options = ("--window", "2", "--vad", "-o", "x.parquet", "--timeline", "t", "--report", "r.html")
    code, out, error = run_command("score", "talk.wav", *options)
    assert code == 0, error
    table = read_scores(Path("x.parquet"))
    assert table["outcome"].to_pylist() == ["scored"] * 2 + ["no_speech"] * 2 + ["scored"]
    silent = table.to_pylist()[2]
    assert (silent["Anger"], silent["quality"], silent["error"]) == (None, "no speech", None)
    provenance = read_provenance(Path("x.parquet"))
    assert provenance["vad"] == {"detector": "stub"}
    heads = [{"name": "Anger", "scale": [0, 4], "group": "emotion"}]
    (recording,) = recordings(table.to_pylist(), heads)
    assert recording.spans_s[:, 0].tolist() == [0, 2, 8] and len(recording.silent) == 2
    assert "mean of 3 windows" in out
    assert "00:00:04.000 --> 00:00:08" not in Path("t/talk.vtt").read_text()
    assert "00:00:08.000 --> 00:00:10.000" in Path("t/talk.vtt").read_text()
    said = read_predictions("x.parquet").rows.to_pylist()
    assert {row["outcome"] for row in said} == {"scored"}


def test_a_clip_without_speech_is_refused_and_never_a_zero(half_silent):
    soundfile.write("quiet.wav", np.full(32_000, 1e-5), 16_000, subtype="FLOAT")
    code, out, _ = run_command("score", "quiet.wav", "talk.wav", "--vad", "-o", "x.parquet")
    assert code == 1 and "quiet.wav: no speech" in out
    outcomes = {
        row["outcome"]: row["score"] for row in read_predictions("x.parquet").rows.to_pylist()
    }
    assert outcomes["refused"] is None and outcomes["scored"] > 0


def test_a_row_of_all_windows_reaches_over_them_speech_or_none(half_silent):
    turns = (("zoe", 0, 4), ("anna", 4, 4))  # in order of time; anna is the silence
    Path("turns.rttm").write_text(
        "".join(f"SPEAKER talk 1 {at} {s} <NA> <NA> {who} <NA> <NA>\n" for who, at, s in turns)
    )
    command = ("score", "talk.wav", "--speakers", "turns.rttm", "--window", "1", "--vad")
    code, out, _ = run_command(*command, "--aggregate", "p90", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["speaker"], row["start_s"], row["end_s"], row["outcome"]) for row in rows] == [
        ("zoe", 0, 4, "scored"),
        ("anna", 4, 8, "no_speech"),
    ]
    assert rows[1]["quality"] == "no speech" and rows[1]["Anger"] is None and code == 1


def test_cues_leave_out_what_no_window_covers():
    parts = cues([0, 2, 8], [2, 4, 10], 10.5, ["A"], [[1], [2], [3]])
    assert [(part.start_s, part.end_s) for part in parts] == [(0, 2), (2, 4), (8, 10.5)]
    assert audacity_labels(parts) == "0.000000\t4.000000\tA 2.0\n8.000000\t10.500000\tA 3.0\n"
    assert webvtt(parts, "x").count("-->") == 3


def test_the_detector_hears_speech_and_no_speech_without_a_download():
    pytest.importorskip("silero_vad")
    import torch

    n_threads = torch.get_num_threads()
    speech = load_audio(REPOSITORY / "examples" / "clips" / "en_elation.flac")
    assert vad.speech_s(speech) > 0.4 * len(speech) / 16_000
    hum = 0.1 * np.sin(np.arange(32_000) / 20).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.05, 32_000).astype(np.float32)
    assert all(vad.speech_s(sound) < vad.MIN_SPEECH_S for sound in (0 * hum, hum, noise))
    assert torch.get_num_threads() == n_threads
    assert vad.described()["detector"].startswith("silero-vad ")


def test_without_the_detector_the_extra_is_named(here, monkeypatch):
    monkeypatch.setattr(vad.importlib.util, "find_spec", lambda name: None)
    code, _, error = run_command("score", "talk.wav", "--vad")
    assert code == 2 and 'pip install "emonet-voice[vad]"' in error
