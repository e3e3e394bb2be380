"""The runner: what is asked, kept, repeated, given up and written."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from evaluate_metrics.adapters.attempts import Pace
from evaluate_metrics.adapters.cache import Answer, Cache
from evaluate_metrics.adapters.errors import AdapterError, RejectedError, TransientError
from evaluate_metrics.adapters.replies import Reply
from evaluate_metrics.adapters.runner import run
from evaluate_metrics.bench.predictions import read_predictions
from modeling_empathic.scoring.clips import ScoringError
from modeling_empathic.taxonomy import EMOTION_NAMES, UnknownNameError
from tests.support.adapter_fakes import FakeSystem, make_clips, outcomes_of, provenance_of, rows_of
from tests.support.places import REPOSITORY

CLIPS = make_clips(6)
TWO = ("Awe", "Pain")
GOOD = {"awe": 7, "pain": 2.5}


@pytest.fixture
def collect(tmp_path):
    """Runs a system; gives the counts. The rows are in `out.parquet`."""

    def collect(system, clips=CLIPS, output="out.parquet", **options):
        options = {"emotions": TWO, "sleep": lambda s: None, "workers": 2} | options
        return run(system, clips, tmp_path / output, cache_dir=tmp_path / "answers", **options)

    return collect


def test_every_clip_gets_a_row_for_every_emotion_in_the_order_of_the_clips(collect, tmp_path):
    def slow_at_first(samples, prompt):
        time.sleep(0.05 if samples[0] > 0 else 0)
        return Reply(json.dumps(GOOD))

    counts = collect(FakeSystem(slow_at_first), workers=4)
    rows = rows_of(tmp_path / "out.parquet")
    assert [row["clip_id"] for row in rows] == [clip for clip, _ in CLIPS for _ in TWO]
    assert [row["emotion"] for row in rows] == list(TWO) * 6
    assert [row["score"] for row in rows] == [7, 2.5] * 6
    assert (counts["clips"], counts["asked"]) == (6, 6)
    assert (counts["cached"], counts["failed"]) == (0, 0)


def test_the_evaluation_reads_what_is_written(collect, tmp_path):
    for name in ("out.parquet", "out.csv", "out.jsonl"):
        collect(FakeSystem(GOOD), output=name)
        predictions = read_predictions(tmp_path / name)
        assert predictions.scale == "0-10"
        assert predictions.rows["score"].to_pylist() == [7, 2.5] * 6
        assert predictions.provenance["system"] == "fake"


def test_provenance_says_model_prompt_settings_and_times(collect, tmp_path):
    system = FakeSystem(GOOD, model="asked-for", temperature=0)
    collect(system, emotions=EMOTION_NAMES, about={"bench": {"source": "b"}})
    provenance = provenance_of(tmp_path / "out.parquet")
    assert provenance["models"] == {"fake-1": 6}
    assert provenance["settings"]["model"] == "asked-for"
    assert provenance["prompt_sha256"] == provenance["settings"]["prompt_sha256"]
    assert provenance["settings"]["prompt"].startswith("Listen")
    assert provenance["bench"] == {"source": "b"}
    assert provenance["started"] <= provenance["answers"]["first"] <= provenance["answers"]["last"]
    assert provenance["answers"]["last"] <= provenance["finished"]
    assert provenance["scale"] == "0-10"


def test_the_seconds_of_a_request_are_measured_and_go_to_the_leaderboard(collect, tmp_path):
    class Slow(FakeSystem):
        def ask(self, audio, prompt):
            time.sleep(0.02)
            return super().ask(audio, prompt)

    collect(Slow(GOOD))
    measured = read_predictions(tmp_path / "out.parquet").provenance["seconds_a_clip"]
    assert measured >= 0.02
    collect(FakeSystem(GOOD))  # the answers are kept, and with them what they took
    assert read_predictions(tmp_path / "out.parquet").provenance["seconds_a_clip"] == measured


def test_a_second_run_asks_for_what_is_missing_only(collect, tmp_path):
    first = FakeSystem(GOOD)
    collect(first, clips=CLIPS[:4])
    second = FakeSystem(GOOD)
    counts = collect(second)
    assert (first.n_asked, second.n_asked) == (4, 2)
    assert (counts["asked"], counts["cached"]) == (2, 4)
    assert len(rows_of(tmp_path / "out.parquet")) == 12


def test_refusals_are_answers_and_lost_requests_are_asked_for_again(collect, tmp_path):
    system = FakeSystem(Reply("", refusal="no"), RejectedError("bad clip"), Reply(""), GOOD)
    collect(system, clips=CLIPS[:3], workers=1)
    outcomes = [row["outcome"] for row in rows_of(tmp_path / "out.parquet")][::2]
    assert outcomes == ["refused", "transport_error", "parse_error"]
    again = FakeSystem(GOOD)
    collect(again, clips=CLIPS[:3])
    assert again.n_asked == 1


@pytest.mark.parametrize("change", [{"model": "b"}, {"emotions": ("Awe",)}])
def test_other_settings_have_other_answers(collect, change):
    collect(FakeSystem(GOOD, model="a"))
    emotions = change.pop("emotions", TWO)
    other = FakeSystem(GOOD, **({"model": "a"} | change))
    collect(other, emotions=emotions)
    assert other.n_asked == 6


def test_a_damaged_answer_on_disk_is_asked_for_again(collect, tmp_path):
    collect(FakeSystem(GOOD))
    files = sorted((tmp_path / "answers").rglob("*.json"))
    files[0].write_text('{"clip_id": ')
    files[1].write_text("[]")
    again = FakeSystem(GOOD)
    collect(again)
    assert again.n_asked == 2


def test_a_clip_that_comes_twice_is_asked_about_once(collect, tmp_path):
    system = FakeSystem(GOOD)
    collect(system, clips=[CLIPS[0], CLIPS[1], CLIPS[0]])
    assert system.n_asked == 2
    assert len(rows_of(tmp_path / "out.parquet")) == 4


def test_an_id_that_looks_like_a_path_stays_inside_the_cache(collect, tmp_path):
    collect(FakeSystem(GOOD), clips=[("../../evil", CLIPS[0][1]), ("/etc/x", CLIPS[1][1])])
    outside = [p for p in tmp_path.rglob("*") if p.is_file() and "answers" not in p.parts]
    assert outside == [tmp_path / "out.parquet"]


def test_a_clip_that_cannot_be_decoded_is_never_sent(collect, tmp_path):
    system = FakeSystem(GOOD)
    collect(system, clips=[("a", b"not audio"), CLIPS[0]])
    assert system.n_asked == 1
    assert [row["outcome"] for row in rows_of(tmp_path / "out.parquet")][::2] == [
        "decode_error",
        "scored",
    ]


def test_transient_failures_are_repeated_with_growing_jittered_waits(collect):
    slept = []
    system = FakeSystem(*[TransientError("lost")] * 4, GOOD)
    counts = collect(system, clips=CLIPS[:1], sleep=slept.append)
    assert system.n_asked == 5
    assert counts["failed"] == 0
    assert all(0 <= wait <= limit for wait, limit in zip(slept, (2, 4, 8, 16), strict=True))
    assert len(set(slept)) == 4


def test_what_the_service_asks_to_wait_is_waited(collect):
    slept = []
    collect(FakeSystem(TransientError("busy", 7.0), GOOD), clips=CLIPS[:1], sleep=slept.append)
    assert len(slept) == 1
    assert 7 <= slept[0] <= 8


def test_attempts_end_and_the_clip_is_a_transport_error(collect, tmp_path):
    system = FakeSystem(GOOD, *[TransientError("lost")] * 3, GOOD)
    counts = collect(system, clips=CLIPS[:3], max_attempts=3, workers=1)
    assert system.n_asked == 5
    rows = rows_of(tmp_path / "out.parquet")
    assert [row["outcome"] for row in rows][::2] == ["scored", "transport_error", "scored"]
    assert rows[2]["detail"] == "lost"
    assert counts["outcomes"]["transport_error"] == 2


def test_rejected_is_never_repeated(collect):
    system = FakeSystem(RejectedError("HTTP 400"), GOOD)
    collect(system, clips=CLIPS[:2], workers=1)
    assert system.n_asked == 2


def test_an_error_of_the_whole_run_stops_it_and_keeps_answers(collect, tmp_path):
    system = FakeSystem(GOOD, GOOD, AdapterError("HTTP 401: no"))
    with pytest.raises(AdapterError, match="HTTP 401"):
        collect(system, workers=1)
    assert system.n_asked <= 4
    assert not (tmp_path / "out.parquet").exists()
    assert len(list((tmp_path / "answers").rglob("*.json"))) == 2


def test_a_run_in_which_nothing_ever_works_ends_after_five_clips(collect):
    system = FakeSystem(RejectedError("HTTP 400: no response_format"))
    with pytest.raises(AdapterError, match=r"none of the first 5 clips.*response_format"):
        collect(system, clips=make_clips(30), workers=1)
    assert system.n_asked < 9


def test_the_rate_holds_for_all_threads_and_repeated_requests(collect):
    slept = []
    pace = Pace(60, slept.append, clock=lambda: 100.0)
    threads = [threading.Thread(target=pace.wait) for _ in range(5)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(slept) == [1, 2, 3, 4]


def test_progress_counts_clips_that_are_on_disk(collect, tmp_path):
    def progress(done):
        assert done <= len(list((tmp_path / "answers").rglob("*.json")))
        seen.append(done)

    seen = []
    collect(FakeSystem(GOOD), progress=progress)
    assert seen[-1] == 6
    assert seen == sorted(seen)


def test_another_file_of_that_name_is_not_touched(collect, tmp_path):
    (tmp_path / "out.csv").write_text("mine")
    system = FakeSystem(GOOD)
    with pytest.raises(AdapterError, match="is no prediction file"):
        collect(system, output="out.csv")
    with pytest.raises(ScoringError, match="choose a name that ends in"):
        collect(system, output="out.txt")
    assert (system.n_asked, (tmp_path / "out.csv").read_text()) == (0, "mine")


def test_an_unknown_emotion_is_refused_before_anything_is_asked(collect):
    system = FakeSystem(GOOD)
    with pytest.raises(UnknownNameError, match="nearest"):
        collect(system, emotions=("Awwe",))
    assert system.n_asked == 0


def test_kill_9_loses_no_answer_that_was_reported(collect, tmp_path):
    code = (
        "import sys, time; sys.argv = ['emonet-voice']; from pathlib import Path;"
        "from tests.support.adapter_fakes import *;"
        "from evaluate_metrics.adapters.runner import run;"
        "slow = lambda samples, prompt: (time.sleep(0.05), {'awe': 1, 'pain': 2})[1];"
        f"run(FakeSystem(slow), make_clips(6), Path({str(tmp_path / 'out.parquet')!r}),"
        f" emotions={TWO!r}, cache_dir=Path({str(tmp_path / 'answers')!r}), workers=1,"
        " progress=lambda done: print(done, flush=True))"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )
    for line in process.stdout:
        if int(line) >= 2:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    again = FakeSystem(GOOD)
    counts = collect(again)
    assert counts["cached"] >= 2
    assert again.n_asked == 6 - counts["cached"]
    assert outcomes_of(tmp_path / "out.parquet") == {"scored"}


def test_two_runs_with_one_cache_do_not_disturb_each_other(tmp_path):
    def put(n):
        cache = Cache(tmp_path, {"system": "fake"})
        for i in range(100):
            cache.put("a", Answer(Reply(f"{n}", model=f"{i}"), "2026-01-01"))
            assert cache.get("a") is not None

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, range(4)))
    assert [file.suffix for file in tmp_path.rglob("*") if file.is_file()] == [".json"]
