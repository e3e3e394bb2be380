"""Levels in captions are compared with scores; a caption that does not parse is no zero."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from modeling_empathic.taxonomy import EMOTION_NAMES
from modeling_empathic.training.captions import levels_of, make_caption
from modeling_empathic.training.read_back import read_back


@pytest.fixture(scope="module")
def scores():
    return np.random.default_rng(0).uniform(0, 4, (30, 40))


def test_each_emotion_is_what_scipy_says(scores):
    noisy = np.clip(scores + np.random.default_rng(1).normal(0, 1, scores.shape), 0, 4)
    result = read_back([make_caption(row) for row in noisy], scores)
    levels = np.array([levels_of(row) for row in noisy])
    for index, name in enumerate(EMOTION_NAMES):
        expected = spearmanr(levels[:, index], scores[:, index]).statistic
        assert result["per_emotion"][name] == pytest.approx(expected)
    assert result["spearman"] == pytest.approx(np.mean(list(result["per_emotion"].values())))
    assert result["spearman_pooled"] == pytest.approx(
        spearmanr(levels.ravel(), scores.ravel()).statistic
    )


def test_captions_that_do_not_parse_are_counted_and_left_out(scores):
    captions = [make_caption(row) for row in scores]
    captions[4] = captions[9] = "La la la."
    kept = np.delete(np.arange(30), [4, 9])
    result, without = read_back(captions, scores), read_back(
        [captions[i] for i in kept], scores[kept]
    )  # fmt: skip
    assert (result.pop("unparsed"), without.pop("unparsed")) == (2, 0)
    assert (result.pop("clips"), without.pop("clips")) == (30, 28)
    assert result == without


def test_an_emotion_that_captions_never_vary_counts_zero():
    scores = np.zeros((4, 40))
    scores[:, 0] = scores[:, 1] = [0, 1, 2, 3]
    named = scores.copy()
    named[:, 1] = 2
    result = read_back([make_caption(row) for row in named], scores)
    assert result["per_emotion"] == {EMOTION_NAMES[0]: 1.0, EMOTION_NAMES[1]: 0.0}
    assert (result["spearman"], result["silent_on"]) == (0.5, 1)


def test_without_a_caption_that_parses_there_is_no_correlation(scores):
    result = read_back(30 * ["?"], scores)
    assert result["unparsed"] == 30
    assert np.isnan(result["spearman"]) and np.isnan(result["spearman_pooled"])
