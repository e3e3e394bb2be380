"""What `--filter` and `--sort` read, refuse and choose."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling_empathic.scoring.choice import chosen, conditions, head_number
from modeling_empathic.scoring.recordings import recordings
from modeling_empathic.taxonomy import EMOTION_NAMES, UserError
from tests.support.command import run_command
from tests.support.scoring_fakes import HEADS

SPECS = [{"name": name, "scale": [0.0, 4.0], "group": "emotion"} for name in EMOTION_NAMES]


def made(scores, heads=SPECS):
    """A recording a list of windows, each `{emotion: native score}`."""
    rows = [
        {
            **{head["name"]: 0.0 for head in heads},
            **window,
            "path": f"{number}.wav",
            "start_s": 30.0 * i,
            "end_s": 30.0 * i + 30,
            "duration_s": 30.0 * len(windows),
            "outcome": "scored" if window is not None else "decode_error",
            "quality": "",
        }
        for number, windows in enumerate(scores)
        for i, window in enumerate(windows)
    ]
    return list(recordings(rows, heads))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Anger>2", ["Anger > 2"]),
        ("  anger >= 2.5 ", ["Anger >= 2.5"]),
        ("Anger > 2 and Awe <= 1", ["Anger > 2", "Awe <= 1"]),
        ("Anger > 2, Awe < 1 AND pain>0", ["Anger > 2", "Awe < 1", "Pain > 0"]),
        ("impatience and irritability>1", ["Impatience and Irritability > 1"]),
        ("Awe<9 and Impatience and Irritability>1", ["Awe < 9", "Impatience and Irritability > 1"]),
        ("Jealousy & Envy > 3 & pain<10", ["Jealousy & Envy > 3", "Pain < 10"]),
    ],
)  # fmt: skip
def test_conditions_are_read(text, read):
    assert [str(condition) for condition in conditions(text, SPECS)] == read


@pytest.mark.parametrize(
    "text",
    ["", " ", "Anger", "Anger>", ">2", "Anger=2", "Anger>two", "Anger>-1", "Anger>2 Awe>1",
     "2>Anger", "Anger>2 or Awe>1", "__import__('os').system('true')", "Anger>1e1",
     "Anger>2;Awe>1"],
)  # fmt: skip
def test_what_is_no_condition_is_refused_with_an_example_and_the_names(text):
    with pytest.raises(UserError, match="write NAME > NUMBER") as error:
        conditions(text, SPECS)
    assert all(name in str(error.value) for name in EMOTION_NAMES)


@pytest.mark.parametrize("name", EMOTION_NAMES)
def test_every_emotion_can_be_asked_for(name):
    assert str(conditions(f"{name} > 1", SPECS)[0]) == f"{name} > 1"
    assert head_number(name.lower(), SPECS, "sort") == EMOTION_NAMES.index(name)


def test_a_limit_beyond_the_scale_says_the_scale():
    with pytest.raises(UserError, match="20 is not from 0 to 10"):
        conditions("Anger > 20", SPECS)


@pytest.mark.parametrize("read", [lambda name: conditions(f"{name}>2", SPECS),
                                  lambda name: head_number(name, SPECS, "sort")])  # fmt: skip
def test_an_emotion_that_is_none_is_answered_with_those_there_are(read):
    with pytest.raises(UserError, match=r"no head named 'glum'; there are Amusement, .*, Anger"):
        read("glum")
    with pytest.raises(UserError, match=r"'happy'; .* Table 11 it stands for .*Elation"):
        read("happy")


@given(st.text(max_size=60))
def test_no_text_is_anything_but_conditions_or_a_users_error(text):
    try:
        assert conditions(text, SPECS)
    except UserError as error:
        assert str(error)


@given(st.lists(st.tuples(st.floats(0, 4), st.floats(0, 4)), min_size=1, max_size=8))
def test_the_chosen_are_those_whose_strongest_window_fulfils_every_condition(scores):
    clips = made([[{"Anger": a, "Awe": b}, {"Anger": 0.0, "Awe": 0.0}] for a, b in scores])
    found = chosen(clips, conditions("Anger > 5 and Awe <= 5", SPECS), None)
    expected = [f"{i}.wav" for i, (a, b) in enumerate(scores) if 2.5 * a > 5 and 2.5 * b <= 5]
    assert [clip.path for clip in found] == expected


def test_an_outburst_is_found_that_the_mean_hides():
    clips = made([[{"Anger": 1.0}] * 8, [{"Anger": 0.1}] * 7 + [{"Anger": 3.0}]])
    assert [clip.path for clip in chosen(clips, conditions("Anger>5", SPECS), None)] == ["1.wav"]
    order = chosen(clips, [], head_number("anger", SPECS, "sort"))
    assert [clip.path for clip in order] == ["1.wav", "0.wav"]


def test_what_could_not_be_scored_is_last_in_order_and_fulfils_nothing():
    clips = made([[{"Anger": 1.0}], [{"Anger": 3.0}]])
    clips[0].rows[0] |= {"outcome": "decode_error", "error": "broken"}
    assert [c.path for c in chosen(clips, [], 31)] == ["1.wav", "0.wav"]
    assert [c.path for c in chosen(clips, conditions("Anger<9", SPECS), None)] == ["1.wav"]


def test_the_command_shows_some_and_the_file_has_all(clips, faked):
    options = ("clips", "-o", "x.jsonl", "--sort", "awe", "--filter", "Awe > 0.5", "--filter")
    code, out, _ = run_command("score", *options, "anger<=10", "--json")
    shown = [json.loads(line) for line in out.splitlines()]
    peaks = [row["Awe"] for row in shown]
    every = [json.loads(line) for line in Path("x.jsonl").read_text().splitlines()]
    assert code == 0 and len(every) == 10 and 0 < len(shown) < 10
    assert peaks == sorted(peaks, reverse=True) and min(peaks) > 0.2
    assert len(shown) == int(np.sum([2.5 * row["Awe"] > 0.5 for row in every]))
    code, out, _ = run_command("score", *options, "anger<=10")
    assert f"{len(shown)} of 10 clips have Awe > 0.5 and Anger <= 10" in " ".join(out.split())
    assert "Awe of each clip, from 0 to 10, highest first" in out and "10 clips, " in out


@pytest.mark.parametrize("option", [("--sort", "Pain"), ("--filter", "Pain>1")])
def test_a_name_the_model_lacks_stops_before_anything_is_scored(clips, faked, option):
    code, out, err = run_command("score", "clips", *option, "-o", "x.csv")
    assert code == 2 and out == "" and f"there are {', '.join(HEADS)}" in err
    assert not list(Path().glob("x.csv*"))
