"""Valence and arousal say what they are: a head's score or a combination, never both."""

import numpy as np
import pytest

from modeling_empathic.readings import ReadingError, arousal, public_norms, signs, valence
from modeling_empathic.taxonomy import EMODB_CLASSES, EMOTION_NAMES


def scores(**raised: float) -> dict[str, np.ndarray]:
    """A clip at every head's mean, but for some that are so many deviations above it."""
    norms = public_norms()
    return {
        name: np.array([norms[name][0] + raised.get(name, 0.0) * norms[name][1]])
        for name in EMOTION_NAMES
    }


@pytest.mark.parametrize(("read", "name"), [(valence, "Valence"), (arousal, "Arousal")])
def test_the_head_is_the_reading_where_there_is_one(read, name):
    given = scores(Anger=5.0) | {name: np.array([0.25])}
    found = read(given)
    assert (found.values.tolist(), found.source) == ([0.25], "head")


def test_a_missing_score_of_the_head_is_not_filled_from_the_emotions():
    assert np.isnan(valence(scores() | {"Valence": np.array([np.nan])}).values[0])


def test_a_clip_like_all_others_is_neutral():
    assert abs(valence(scores()).values[0]) < 1e-9
    assert abs(arousal(scores()).values[0]) < 1e-9


@pytest.mark.parametrize(
    ("emotion", "pleasant", "aroused"),
    [("Elation", 1, 1), ("Anger", -1, 1), ("Sadness", -1, -1), ("Contentment", 1, -1)],
)
def test_the_four_quadrants(emotion, pleasant, aroused):
    raised = scores(**{emotion: 3.0})
    assert np.sign(valence(raised).values[0]) == pleasant
    assert np.sign(arousal(raised).values[0]) == aroused


def test_it_is_the_plain_mean_of_deviations():
    rng = np.random.default_rng(0)
    given = {name: rng.uniform(0, 4, 7) for name in EMOTION_NAMES}
    norms = {name: (rng.uniform(), rng.uniform(0.1, 1)) for name in EMOTION_NAMES}
    for i in range(7):
        total = {1: [], -1: [], 0: []}
        for name in EMOTION_NAMES:
            mean, deviation = norms[name]
            total[signs("Valence")[name]].append((given[name][i] - mean) / deviation)
        expected = sum(total[1]) / len(total[1]) - sum(total[-1]) / len(total[-1])
        assert valence(given, norms).values[i] == pytest.approx(expected)


def test_half_of_the_emotions_are_refused():
    given = {name: [1.0] for name in EMOTION_NAMES[2:]}
    with pytest.raises(ReadingError, match="needs the head Valence or all 40 emotions; Amusement"):
        valence(given)
    with pytest.raises(ReadingError, match="no spread of 'Amusement'"):
        valence({name: [1.0] for name in EMOTION_NAMES}, {})


def test_the_signs_agree_with_table_11s_happiness_and_anger():
    pleasant = signs("Valence")
    assert all(pleasant[name] == 1 for name in EMODB_CLASSES["happiness"])
    assert all(pleasant[name] == -1 for name in EMODB_CLASSES["anger"])


def test_norms_are_there_for_every_emotion():
    assert list(public_norms()) == list(EMOTION_NAMES)
