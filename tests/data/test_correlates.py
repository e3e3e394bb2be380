"""The acted voice moves as the literature says, rule by rule."""

from functools import cache

import pytest

pytest.importorskip("espeakng_loader")
from dataset_scripts.synthesis.acted import RULES, act
from dataset_scripts.synthesis.correlates import CORRELATES
from modeling_empathic.acoustics import FEATURES, acoustics

READINGS = (
    ("en-us", "f1", "There are seven books on the upper shelf, beside the door."),
    ("de", "m3", "Der Laden an der Ecke öffnet um acht, neben dem Museum."),
)


@cache
def features(emotion: str, intensity: float) -> list[dict[str, float]]:
    """Of each reading; an intensity of 0 is neutral, whatever the emotion."""
    clips = [
        act(text, language, voice, emotion, intensity, seed=1) for language, voice, text in READINGS
    ]
    return [acoustics(clip.audio, clip.sampling_rate) for clip in clips]


@pytest.mark.parametrize(
    "rule", CORRELATES, ids=lambda rule: f"{rule.emotion.split('/')[0]}-{rule.feature}"
)
def test_a_rule_moves_the_voice_as_its_source_says(rule):
    for neutral, acted in zip(features("Anger", 0.0), features(rule.emotion, 4.0), strict=True):
        assert rule.direction * (acted[rule.feature] - neutral[rule.feature]) > 0, rule


def test_every_entry_is_of_a_rule_and_of_a_feature_and_says_who_reports_it():
    for entry in CORRELATES:
        assert entry.emotion in RULES and entry.feature in FEATURES
        assert entry.direction in (1, -1) and entry.reported
    assert len({entry[:2] for entry in CORRELATES}) == len(CORRELATES)
