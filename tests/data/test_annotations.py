"""The annotation protocol: who rates what, when it ends, and what the ratings say together."""

from collections import Counter
from fractions import Fraction
from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_scripts.annotations import (
    AGREEMENT_TYPES,
    CONSENSUS,
    SCORES,
    Protocol,
    Rating,
    agreement_type,
    may_rate,
    next_item,
    open_seats,
    seats,
    simulate,
    summarise,
)

SIX = {f"human-{i}": "fm"[i % 2] for i in range(1, 7)}
GENDERS = st.lists(st.sampled_from("fm"), min_size=4, max_size=7)
SHARES = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)


def scored(*scores: int) -> list[Rating]:
    return [Rating(f"human-{i}", score) for i, score in enumerate(scores, start=1)]


@st.composite
def protocols(draw) -> Protocol:
    fourth, third = draw(SHARES)
    raters = {f"r{i}": gender for i, gender in enumerate(draw(GENDERS))}
    return Protocol(raters, third, fourth, seed=draw(st.integers(0, 9)))


# --- what the ratings of one item say -----------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "majority", "agreement"),
    [
        ((0, 1), 0, "1:1"),  # both are as near to 0.5; the lower wins
        ((0, 2), 0, "1:1"),
        ((1, 2), 1, "2:0 (+)"),
        ((0, 1, 2), 1, "2:1 (+)"),  # a three-way tie: 1 is the mean
        ((0, 0, 2), 0, "2:1 (-)"),
        ((0, 0, 2, 2), 0, "2:2"),  # both one away from the mean
        ((0, 0, 1, 1), 0, "2:2"),
        ((1, 1, 2, 2), 1, "4:0 (+)"),
        ((0, 0, 0, 2), 0, "3:1 (-)"),
        ((0, 0, 0), 0, "3:0 (-)"),
        ((0, 2, 2, 1), 2, "3:1 (+)"),
    ],
)
def test_a_summary_by_hand(scores, majority, agreement):
    summary = summarise(scored(*scores))
    assert (summary.majority, summary.agreement) == (majority, agreement)
    assert summary.mean_0_10 == pytest.approx(5 * sum(scores) / len(scores))
    assert summary.unanimous_present is (min(scores) > 0)
    assert summary.n_raters == len(scores)


@given(st.lists(st.sampled_from(SCORES), min_size=1, max_size=7))
def test_majority_is_the_mode_and_among_modes_nearest_the_mean_then_lower(scores):
    mean = Fraction(sum(scores), len(scores))
    most = max(Counter(scores).values())
    modes = sorted(score for score, n in Counter(scores).items() if n == most)
    nearest = min(abs(score - mean) for score in modes)
    expected = next(score for score in modes if abs(score - mean) == nearest)
    assert summarise(scored(*scores)).majority == expected


@given(st.lists(st.sampled_from(SCORES), min_size=1, max_size=4), st.randoms())
def test_a_summary_does_not_depend_on_the_order(scores, random):
    ratings = scored(*scores)
    shuffled = random.sample(ratings, len(ratings))
    assert summarise(shuffled) == summarise(ratings)


def test_the_agreement_types_are_all_there_are_from_presence_to_absence():
    all_types = {agreement_type(present, n) for n in (2, 3, 4) for present in range(n + 1)}
    assert set(AGREEMENT_TYPES) == all_types
    assert len(AGREEMENT_TYPES) == len(all_types)

    def present_share(kind: str) -> Fraction:
        larger, smaller = (int(number) for number in kind.split(" ")[0].split(":"))
        return Fraction(smaller if kind.endswith("(-)") else larger, larger + smaller)

    shares = [present_share(kind) for kind in AGREEMENT_TYPES]
    assert shares == sorted(shares, reverse=True)
    mirrored = [kind.translate(str.maketrans("+-", "-+")) for kind in AGREEMENT_TYPES]
    assert mirrored[:5] == list(AGREEMENT_TYPES[::-1][:5])


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ([], "no ratings"),
        ([Rating("a", 3)], r"score 3 is not one of \(0, 1, 2\)"),
        ([Rating("a", -1)], "score -1"),
        ([Rating("a", float("nan"))], "score nan"),
        ([Rating("a", 0), Rating("a", 1)], "rater 'a' rated the same item twice"),
    ],
)
def test_ratings_that_make_no_sense_are_refused(ratings, message):
    with pytest.raises(ValueError, match=message):
        summarise(ratings)


def test_consensus_views_grow_stricter():
    for scores in product(SCORES, repeat=3):
        holds = {name for name, view in CONSENSUS.items() if view(scored(*scores))}
        assert ("unanimous_present" in holds) == summarise(scored(*scores)).unanimous_present
        assert ("unanimous" in holds) == bool({"unanimous_present", "unanimous_absent"} & holds)
        assert "same_score" not in holds or "unanimous" in holds


# --- who may rate what --------------------------------------------------------------------------


def test_a_third_rater_comes_when_both_find_the_emotion():
    protocol = Protocol(SIX, third_share=0, fourth_share=0)
    for first, second in product(SCORES, repeat=2):
        expected = 3 if first and second else 2
        assert seats("clip", scored(first, second), protocol) == expected
        assert seats("clip", scored(first, second, 0), protocol) == expected  # it does not decide


def test_a_drawn_share_gets_a_third_and_a_fourth_whatever_the_first_two_say():
    protocol = Protocol(SIX, third_share=0.3, fourth_share=0.1)
    wanted = [seats(f"clip-{i}", scored(0, 0), protocol) for i in range(5_000)]
    assert np.mean([n == 4 for n in wanted]) == pytest.approx(0.1, abs=0.015)
    assert np.mean([n == 3 for n in wanted]) == pytest.approx(0.2, abs=0.02)


def test_the_draw_is_the_same_in_every_process_and_changes_with_the_seed():
    def drawn(seed: int) -> str:
        protocol = Protocol(SIX, third_share=0.5, fourth_share=0.2, seed=seed)
        return "".join(str(seats(f"clip-{i}", scored(0, 0), protocol)) for i in range(24))

    # Written down once: a salted hash, or another library version, would not reproduce it.
    assert drawn(0) == "224424224223322224233333"
    assert drawn(1) != drawn(0)


def test_nobody_gets_an_item_twice_nor_a_seat_that_is_taken():
    protocol = Protocol(SIX, third_share=0, fourth_share=0)
    assert not may_rate("human-1", "clip", scored(0), protocol)
    assert not may_rate("human-1", "clip", [], protocol, pending={"human-1"})
    assert not may_rate("human-4", "clip", [], protocol, pending={"human-1", "human-2"})
    assert may_rate("human-2", "clip", [], protocol, pending={"human-1"})


def test_the_second_rater_has_the_other_gender_if_there_is_one_left():
    protocol = Protocol({"a": "f", "b": "f", "c": "m"}, third_share=0, fourth_share=0)
    assert not may_rate("b", "clip", [Rating("a", 1)], protocol)
    assert may_rate("c", "clip", [Rating("a", 1)], protocol)
    assert not may_rate("b", "clip", [], protocol, pending=["a"])
    women = Protocol(dict.fromkeys("abc", "f"), third_share=0, fourth_share=0)
    assert may_rate("b", "clip", [Rating("a", 1)], women)


def test_a_rater_who_left_keeps_their_seat_and_does_not_block_others():
    protocol = Protocol({"a": "f", "b": "f", "d": "f"}, third_share=0, fourth_share=0)
    assert may_rate("b", "clip", [Rating("gone", 1)], protocol)
    assert open_seats("clip", [Rating("gone", 1)], protocol) == 1


def test_scores_of_others_play_no_part_beyond_opening_the_third_seat():
    protocol = Protocol(SIX, third_share=0.4, fourth_share=0.1)
    for item in (f"clip-{i}" for i in range(50)):
        for scores in product(SCORES, repeat=3):
            other = [1 if score else 0 for score in scores]
            for rater in SIX:
                seen = may_rate(rater, item, scored(*scores), protocol)
                assert seen == may_rate(rater, item, scored(*other), protocol)
                one = may_rate(rater, item, scored(scores[0]), protocol)
                assert one == may_rate(rater, item, scored(0), protocol)


def test_protocols_that_cannot_be_played_are_refused():
    with pytest.raises(ValueError, match="2 raters, but an item may need 3"):
        Protocol({"a": "f", "b": "m"}, fourth_share=0)
    with pytest.raises(ValueError, match="3 raters, but an item may need 4"):
        Protocol(dict.fromkeys("abc", "f"))
    with pytest.raises(ValueError, match=r"fourth_share=0\.5, third_share=0\.2"):
        Protocol(SIX, third_share=0.2, fourth_share=0.5)
    with pytest.raises(ValueError, match="unknown rater 'eve'; choose from human-1"):
        may_rate("eve", "clip", [], Protocol(SIX))


# --- played through -----------------------------------------------------------------------------


def balance(protocol: Protocol, raters: list[str]) -> int:
    genders = Counter(protocol.raters[rater] for rater in raters)
    return abs(genders["f"] - genders["m"])


@given(protocols(), st.integers(0, 2**32))
def test_a_simulation_obeys_every_rule(protocol, seed):
    rng = np.random.default_rng(seed)
    played = simulate(
        [f"clip-{i}" for i in range(6)], protocol, rng, lambda *_: int(rng.integers(3))
    )
    finished = {
        item: [rating for _, rating in group] for item, group in groupby(played, key=lambda p: p[0])
    }
    assert len(finished) == 6
    for item, ratings in finished.items():
        raters = [rating.rater for rating in ratings]
        assert len(set(raters)) == len(raters)
        drawn = seats(item, scored(0, 0), protocol)
        both_present = min(ratings[0].score, ratings[1].score) > 0
        assert len(ratings) == max(drawn, 3 if both_present else 2)
        there = Counter(protocol.raters.values())
        if min(there["f"], there["m"]) >= 2:
            assert balance(protocol, raters) == len(raters) % 2
        elif there["f"] and there["m"]:
            assert balance(protocol, raters[:2]) == 0


@given(protocols(), st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.sampled_from(SCORES))))
def test_raters_at_work_side_by_side_never_break_a_rule(protocol, moves):
    ratings: dict[str, list[Rating]] = {f"clip-{i}": [] for i in range(3)}
    pending: dict[str, list[str]] = {item: [] for item in ratings}

    def take(rater: str) -> bool:
        item = next_item(rater, ratings, protocol, pending)
        if item is not None:
            assert rater not in pending[item]
            assert rater not in [rating.rater for rating in ratings[item]]
            pending[item].append(rater)
        return item is not None

    def answer(rater: str, score: int) -> None:
        held = [item for item in pending if rater in pending[item]]
        for item in held:
            pending[item].remove(rater)
            ratings[item].append(Rating(rater, score))

    names = list(protocol.raters)
    for number, takes, score in moves:
        rater = names[number % len(names)]
        if takes:
            take(rater)
        else:
            answer(rater, score)
        for item in ratings:
            on_it = len(ratings[item]) + len(pending[item])
            assert on_it <= seats(item, ratings[item], protocol)
    for rater in names:
        answer(rater, 1)
    while sum(take(rater) for rater in names):
        for rater in names:
            answer(rater, 1)
    for item, done in ratings.items():  # nothing hangs: every item ends with all its raters
        assert len(done) == seats(item, done, protocol)


def test_the_next_item_follows_one_order_that_all_raters_share():
    protocol = Protocol(SIX)
    items = {f"clip-{i}": [] for i in range(40)}
    assert next_item("human-1", items, protocol) == next_item("human-2", items, protocol)
    order = []
    while items:
        order.append(next_item("human-1", items, protocol))
        del items[order[-1]]
    assert order != sorted(order)
    assert next_item("human-1", {}, protocol) is None


def test_the_defaults_reproduce_table_4():
    protocol, rng = Protocol(SIX), np.random.default_rng(0)
    items = [f"clip-{i}" for i in range(4_000)]
    played = list(simulate(items, protocol, rng, lambda *_: int(rng.random() < 0.63)))
    sizes = Counter(Counter(item for item, _ in played).values())
    table_4 = {2: 4_538, 3: 7_719, 4: 343}
    for n, clips in table_4.items():
        assert sizes[n] / len(items) == pytest.approx(clips / 12_600, abs=0.02)


def test_a_score_that_is_not_on_the_scale_is_refused_while_playing():
    with pytest.raises(ValueError, match="score 7"):
        list(simulate(["clip"], Protocol(SIX), np.random.default_rng(0), lambda *_: 7))
