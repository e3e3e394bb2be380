"""A caption says the levels of all 40 emotions, and they can be read back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling_empathic.norms import Norm, norm
from modeling_empathic.taxonomy import EMOTION_NAMES
from modeling_empathic.training.captions import (
    INTENSITIES,
    TEMPLATES,
    CaptionError,
    levels_of,
    make_caption,
    parse_caption,
)

SCORES = st.lists(st.floats(0, 4), min_size=40, max_size=40)
FEW = st.dictionaries(st.integers(0, 39), st.floats(0, 4), max_size=5)


@given(scores=SCORES, seed=st.integers(0, 2**32))
def test_the_levels_of_any_scores_are_read_back(scores, seed):
    assert parse_caption(make_caption(scores, seed)).tolist() == levels_of(scores).tolist()


@given(scores=SCORES, seed=st.integers(0, 2**32), name=st.sampled_from(["takes", "clips"]))
def test_the_levels_by_a_norm_are_whole_deviations_and_are_read_back(scores, seed, name):
    by, levels = norm(name), levels_of(scores, norm(name))
    assert parse_caption(make_caption(scores, seed, by)).tolist() == levels.tolist()
    for emotion, score, level in zip(EMOTION_NAMES, scores, levels, strict=True):
        z = (score - by.centre[emotion]) / by.spread[emotion]
        assert level == min(max(math.floor(z), 0), 4)


def test_a_norm_without_one_of_the_emotions_is_named():
    with pytest.raises(CaptionError, match="of two heads has no Amusement"):
        levels_of(np.zeros(40), Norm("two heads", {"Awe": 0.0}, {"Awe": 1.0}, ""))


@given(few=FEW, seed=st.integers(0, 2**32))
def test_the_levels_of_a_few_emotions_are_read_back(few, seed):
    scores = np.zeros(40)
    scores[list(few)] = list(few.values())
    assert parse_caption(make_caption(scores, seed)).tolist() == levels_of(scores).tolist()


@given(scores=SCORES)
def test_levels_are_the_nearest_whole_numbers(scores):
    levels = levels_of(scores)
    for score, level in zip(scores, levels, strict=True):
        assert all(abs(score - level) <= abs(score - other) for other in range(5))


@given(scores=SCORES, seed=st.integers(0, 2**32))
def test_the_same_seed_writes_the_same_caption(scores, seed):
    assert make_caption(scores, seed) == make_caption(scores, seed)


def test_seeds_use_every_template_and_every_word():
    captions = [make_caption(np.arange(40) % 5, seed) for seed in range(200)]
    for template in TEMPLATES:
        start = template.split("{}")[0]
        assert any(caption.startswith(start) for caption in captions), template
    for word in sum(INTENSITIES.values(), ()):
        assert any(f"{word} " in caption for caption in captions), word


def test_the_strongest_emotion_comes_first():
    scores = np.zeros(40)
    scores[[5, 20, 30]] = 1, 4, 3
    caption = make_caption(scores)
    named = [EMOTION_NAMES[i].split("/")[0].casefold() for i in (20, 30, 5)]
    assert sorted(named, key=caption.index) == named


def test_words_of_one_level_are_of_no_other():
    words = sum(INTENSITIES.values(), ())
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros(39), r"shape \(39,\)"),
        (np.full(40, 4.1), r"Amusement=4.1 is outside 0..4"),
        (np.full(40, -0.1), r"Amusement=-0.1"),
        ([0.0, np.nan] + 38 * [0.0], r"Elation=nan"),
    ],
)
def test_scores_that_make_no_caption_are_named(scores, message):
    with pytest.raises(CaptionError, match=message):
        make_caption(scores)


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "The bus stops in front of the town hall.",
        "The speaker sounds full of anger.",
        "I hear strong anger and faint anger in this voice.",
        "The voice conveys no emotion in particular and some awe.",
        "I hear strong angers in this voice.",
        "I hear strong",
    ],
)
def test_a_caption_whose_levels_cannot_be_told_is_refused(caption):
    with pytest.raises(CaptionError):
        parse_caption(caption)


@pytest.mark.parametrize(
    "caption",
    [
        "Well: a lot of JEALOUSY & ENVY,   then\nmoderate awe.",
        "Marked jealousy & envy; some awe",
        "strong Jealousy & Envy. Strong jealousy & envy! noticeable awe",
    ],
)
def test_other_sentences_are_read_too(caption):
    levels = parse_caption(caption)
    assert {EMOTION_NAMES[i]: levels[i] for i in levels.nonzero()[0]} == {
        "Awe": 2,
        "Jealousy & Envy": 3,
    }


@pytest.mark.parametrize("name", EMOTION_NAMES)
def test_whole_names_are_read_as_well_as_short_ones(name):
    assert parse_caption(f"strong {name}.")[EMOTION_NAMES.index(name)] == 3
