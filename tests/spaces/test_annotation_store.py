"""The annotation Space's ratings: no seat is shared, and nothing that was confirmed is lost."""

import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_scripts.annotations import Protocol, Rating, may_rate, next_item, open_seats, seats
from tests.support.places import REPOSITORY

sys.path.append(str(REPOSITORY / "spaces" / "emotion_annotation"))

from rating_store import HOLD_S, Store, StoreError

FOUR = {"a": "f", "b": "m", "c": "f", "d": "m"}
PLAIN = Protocol(FOUR, third_share=0, fourth_share=0)  # a third rater on agreement alone
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # hundreds of commits wait for no disk


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path, clock) -> Store:
    return Store(tmp_path / "ratings.sqlite", ["x"], PLAIN, clock)


def judge(store: Store, rater: str, score: int) -> str:
    item = store.take(rater)
    assert item is not None
    store.answer(rater, item, score)
    return item


# --- interleavings --------------------------------------------------------------------------------

STEP = st.tuples(
    st.sampled_from("abcd"),
    st.sampled_from(["take", "take", "answer", "answer", "answer", "undo", "wait"]),
    st.integers(0, 2),
)


@settings(max_examples=25)
@given(st.lists(STEP, max_size=40), st.floats(0, 1), st.integers(0, 99))
def test_any_interleaving_shows_what_the_protocol_says_and_keeps_every_answer(steps, share, seed):
    protocol = Protocol(FOUR, third_share=share, fourth_share=share / 2, seed=seed)
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        clock = Clock()
        store = Store(Path(folder) / "db", [f"item-{i}" for i in range(4)], protocol, clock)
        answers: dict[tuple[str, str], int] = {}  # what was confirmed
        held: dict[str, str] = {}

        def play(rater: str, action: str, score: int) -> None:
            ratings = store.ratings()
            pending = defaultdict(set)
            for name, item in held.items():
                pending[item].add(name)
            if action == "wait":
                clock.now += HOLD_S + 1
                held.clear()
            elif action == "take":
                expected = held.get(rater) or next_item(rater, ratings, protocol, pending)
                assert store.take(rater) == expected
                if expected:
                    held[rater] = expected
            elif action == "answer" and rater in held:
                item = held.pop(rater)
                store.answer(rater, item, score)
                answers[item, rater] = score
            elif action == "undo":
                before = dict(answers)
                if store.undo(rater):
                    held[rater] = store.take(rater)
                    del answers[held[rater], rater]
                assert len(before) - len(answers) <= 1
            rated = store.ratings().items()
            assert {(i, r.rater): r.score for i, each in rated for r in each} == answers

        for step in steps:
            play(*step)
        while any(store.take(rater) for rater in FOUR):
            for rater in FOUR:
                play(rater, "take", 0)
                play(rater, "answer", seed % 3)
        for item, ratings in store.ratings().items():
            assert not open_seats(item, ratings, protocol)
            assert len({rating.rater for rating in ratings}) == len(ratings)


def rate_until_finished(path: Path, items: list[str], rater: str, log: Path) -> None:
    """One rater's process: every line of the log is an answer that was confirmed."""
    store, rng = Store(path, items, Protocol(FOUR, 0.5, 0.2)), Random(f"{rater}{time.time()}")
    with log.open("a") as confirmed:
        while not store.progress(rater).finished:
            item = store.take(rater)
            time.sleep(rng.random() * 0.004)
            if item is not None:
                score = rng.randrange(3)
                store.answer(rater, item, score)
                print(json.dumps([item, rater, score]), file=confirmed, flush=True)


def test_four_processes_finish_a_batch_together_though_one_is_killed_on_the_way(tmp_path):
    path, log = tmp_path / "db", tmp_path / "confirmed.jsonl"
    items = [f"item-{i}" for i in range(30)]
    fork = multiprocessing.get_context("fork")

    def start(rater: str):
        process = fork.Process(target=rate_until_finished, args=(path, items, rater, log))
        process.start()
        return process

    processes = {rater: start(rater) for rater in FOUR}
    for _ in range(3):
        time.sleep(0.15)
        os.kill(processes["a"].pid, signal.SIGKILL)
        processes["a"].join()
        processes["a"] = start("a")
    for process in processes.values():
        process.join()
        assert process.exitcode == 0
    ratings = Store(path, items, PLAIN).ratings()
    kept = [(i, r.rater, r.score) for i, each in ratings.items() for r in each]
    confirmed = [tuple(json.loads(line)) for line in log.read_text().splitlines()]
    assert set(confirmed) <= set(kept)
    assert len(kept) - len(confirmed) <= 3  # killed between the answer and its line
    for item, each in ratings.items():
        assert len(each) == seats(item, each, Protocol(FOUR, 0.5, 0.2))
        assert len({rating.rater for rating in each}) == len(each)


def test_two_tabs_of_one_rater_show_the_same_item(tmp_path):
    store = Store(tmp_path / "db", [f"item-{i}" for i in range(20)], PLAIN)
    shown: list[str | None] = []
    tabs = [threading.Thread(target=lambda: shown.append(store.take("a"))) for _ in range(8)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert len(shown) == 8
    assert len(set(shown)) == 1


# --- one rater's steps ----------------------------------------------------------------------------


def test_an_answer_is_in_the_file_for_whoever_opens_it_next(store, tmp_path):
    judge(store, "a", 2)
    assert Store(tmp_path / "ratings.sqlite", ["x"], PLAIN).ratings() == {"x": [Rating("a", 2)]}


def test_the_file_is_in_wal_mode_and_every_connection_waits_for_the_disk(store):
    with store._open() as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_an_answer_sent_twice_counts_once(store):
    judge(store, "a", 1)
    store.answer("a", "x", 1)
    assert store.ratings()["x"] == [Rating("a", 1)]


def test_another_score_for_the_same_item_is_refused(store):
    judge(store, "a", 1)
    with pytest.raises(StoreError, match="answered this recording with 1"):
        store.answer("a", "x", 2)


def test_an_item_that_was_not_given_to_the_rater_is_refused(store):
    with pytest.raises(StoreError, match="not given to you"):
        store.answer("a", "x", 1)


@pytest.mark.parametrize("score", [3, -1, True, 1.0, "1", None])
def test_a_score_that_is_none_of_the_three_is_refused(store, score):
    store.take("a")
    with pytest.raises(StoreError, match="not one of 0, 1, 2"):
        store.answer("a", "x", score)


def test_a_held_item_goes_to_somebody_else_when_its_rater_stays_away(store, clock):
    store.take("a")
    store.take("b")
    assert store.take("c") is None
    clock.now += HOLD_S + 1
    assert store.take("c") == "x"


def test_a_late_answer_is_kept_while_the_seat_is_free_and_refused_after(store, clock):
    store.take("a")
    clock.now += HOLD_S + 1
    store.answer("a", "x", 0)
    store.take("b")
    clock.now += HOLD_S + 1
    judge(store, "d", 0)
    with pytest.raises(StoreError, match="somebody else"):
        store.answer("b", "x", 2)
    assert store.ratings()["x"] == [Rating("a", 0), Rating("d", 0)]


def test_undo_shows_the_item_again_and_keeps_its_place(store):
    judge(store, "a", 2)
    judge(store, "b", 2)
    assert store.undo("a")
    assert not may_rate("c", "x", store.ratings()["x"], PLAIN, pending={"a"})
    assert store.take("c") is None  # the seat is still taken
    assert store.take("a") == "x"
    store.answer("a", "x", 0)
    assert store.ratings()["x"] == [Rating("a", 0), Rating("b", 2)]


def test_only_the_last_answer_can_be_taken_back(tmp_path):
    store = Store(tmp_path / "db", ["x", "y", "z"], PLAIN)
    judge(store, "a", 1)
    second = judge(store, "a", 2)
    third = store.take("a")
    assert store.progress("a").can_undo
    assert store.undo("a")
    assert not store.progress("a").can_undo
    assert not store.undo("a")
    assert judge(store, "a", 0) == second
    assert store.take("a") == third


def test_nothing_to_take_back_is_no_error(store):
    assert not store.undo("a")
    store.take("a")
    assert not store.undo("a")


def test_a_clip_that_cannot_be_played_is_not_given_to_that_rater_again(store):
    store.report_unplayable("a", store.take("a"))
    assert store.take("a") is None
    assert store.take("c") == "x"
    assert store.unplayable() == {"x": ["a"]}


def test_progress_tells_nothing_about_the_scores_of_others(tmp_path):
    seen = []
    for score in (0, 2):  # with 2 a third seat opens
        store = Store(tmp_path / f"db-{score}", ["x", "y"], PLAIN)
        judge(store, "a", score)
        judge(store, "b", score)
        seen.append(store.progress("a"))
    assert seen[0] == seen[1]
    assert seen[0].first_round == 0.5


def test_a_batch_is_finished_when_no_seat_is_open_or_held(store):
    judge(store, "a", 1)
    store.take("b")
    assert not store.progress("a").finished
    store.answer("b", "x", 0)
    assert store.progress("a").finished


def test_ratings_of_another_batch_are_not_taken_over(store, tmp_path):
    judge(store, "a", 1)
    with pytest.raises(StoreError, match="another batch: 1 of its 1 items"):
        Store(tmp_path / "ratings.sqlite", ["y"], PLAIN)


def test_a_restored_store_has_the_same_ratings_and_takes_none_of_them_back(store, tmp_path):
    judge(store, "b", 2)
    judge(store, "a", 1)
    copy = Store(tmp_path / "copy", ["x"], PLAIN)
    copy.restore([("x", rater, score) for rater, score in store.ratings()["x"]])
    assert copy.ratings() == store.ratings()
    assert not copy.undo("a")
    with pytest.raises(StoreError, match="only an empty store"):
        copy.restore([("x", "c", 0)])
