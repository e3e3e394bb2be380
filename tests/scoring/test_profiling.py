"""`score --profile`: where the time went, without counting a second twice."""

import threading
import time

import pytest

from modeling_empathic.scoring import profiling
from modeling_empathic.scoring.profiling import Profile, timed
from tests.support.command import run_command
from tests.support.scoring_fakes import write_clips


@pytest.fixture
def clock(monkeypatch):
    """A clock that only `pass_` moves."""
    now = [0.0]
    monkeypatch.setattr(profiling.time, "perf_counter", lambda: now[0])

    def pass_(seconds: float) -> None:
        now[0] += seconds

    yield pass_
    assert profiling.time is time


def test_shares_of_the_main_thread_are_the_whole_clock(clock):
    with Profile() as profile:
        with timed("encoder"):
            clock(6.0)
        with timed("heads"):
            clock(1.0)
        clock(3.0)
    rows = {row["stage"]: row for row in profile.rows(n_clips=2)}
    assert {name: row["share"] for name, row in rows.items()} == {
        "encoder": 0.6, "heads": 0.1, "rest": pytest.approx(0.3),
    }  # fmt: skip
    assert rows["encoder"]["clips_per_s"] == pytest.approx(2 / 6)


def test_what_runs_beside_is_a_share_of_all_those_threads(clock):
    with Profile() as profile:
        clock(5.0)

        def decode() -> None:
            with timed("decode"):
                clock(5.0)

        thread = threading.Thread(target=decode)
        thread.start()
        thread.join()
    rows = {(row["thread"], row["stage"]): row for row in profile.rows(n_clips=10, threads=2)}
    assert rows["beside", "decode"]["share"] == 5.0 / (2 * 10.0)
    assert rows["beside", "decode"]["clips_per_s"] == 10 * 2 / 5.0
    assert rows["main", "rest"]["seconds"] == 10.0


def test_a_run_that_found_all_done_has_no_rates(clock):
    with Profile() as profile, timed("write"):
        clock(1.0)
    assert {row["clips_per_s"] for row in profile.rows(n_clips=0)} == {None}


def test_nothing_is_counted_when_nobody_asked():
    with timed("encoder"):
        assert Profile.active is None


def test_the_command_prints_it_beside_the_rows(tmp_path, monkeypatch, faked):
    monkeypatch.chdir(write_clips(tmp_path, ["a.wav", "b.wav"]))
    code, out, err = run_command("score", "a.wav", "b.wav", "--profile", "--json")
    assert code == 0 and len(out.splitlines()) == 2
    assert "Where the time went" in err and "2 clips in" in err
    for stage in ("Whisper encoder", "log-mel features", "read, decode", "everything else"):
        assert stage in err
    assert Profile.active is None
