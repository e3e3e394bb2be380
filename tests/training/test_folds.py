"""Nobody is in two parts of a fold, everybody is tested once, and chance is asked for."""

import numpy as np
import pytest

from modeling_empathic.training.folds import TEST, TRAIN, VALIDATION, make_folds
from modeling_empathic.training.settings import TrainingError

SPEAKERS = [f"s{i % 7}" for i in range(70)]
NAMES = [f"{i}.wav" for i in range(70)]


@pytest.mark.parametrize("n_folds", [1, 2, 3, 5, 7, 99])
def test_no_speaker_is_in_two_parts_of_a_fold(n_folds):
    for fold in make_folds(NAMES, SPEAKERS, n_folds=n_folds):
        for speaker in set(SPEAKERS):
            parts = {fold[i] for i in range(70) if SPEAKERS[i] == speaker}
            assert len(parts) == 1


@pytest.mark.parametrize("n_folds", [3, 5, 7])
def test_every_clip_is_tested_once_and_the_kept_heads_have_no_test(n_folds):
    folds = make_folds(NAMES, SPEAKERS, n_folds=n_folds)
    assert ((folds == TEST).sum(axis=0) == 1).all()
    assert not (folds[-1] == TEST).any()
    for fold in folds:
        assert (fold == TRAIN).any() and (fold == VALIDATION).any()


def test_two_speakers_are_refused_unless_chance_is_asked_for():
    two = ["a", "b"] * 35
    with pytest.raises(TrainingError, match=r"2 speakers cannot be split.*split='random'"):
        make_folds(NAMES, two, n_folds=1)
    assert make_folds(NAMES, two, n_folds=1, by="random").shape == (1, 70)


def test_splitting_by_speakers_that_nobody_knows_is_refused():
    with pytest.raises(TrainingError, match="no column speaker"):
        make_folds(NAMES, None, n_folds=1, by="speaker")


def test_a_random_split_follows_the_names_and_not_their_order():
    folds = make_folds(NAMES, None, n_folds=5)
    order = np.random.default_rng(0).permutation(70)
    shuffled = make_folds([NAMES[i] for i in order], None, n_folds=5)
    np.testing.assert_array_equal(folds[:, order], shuffled)


def test_parts_that_the_data_state_are_kept_and_an_empty_one_is_named():
    parts = ["train"] * 50 + ["validation"] * 10 + ["test"] * 10
    fold = make_folds(NAMES, SPEAKERS, n_folds=5, parts=parts)
    assert fold.shape == (1, 70)
    assert [int((fold == part).sum()) for part in (TRAIN, VALIDATION, TEST)] == [50, 10, 10]
    with pytest.raises(TrainingError, match="leaves no clip for validation"):
        make_folds(NAMES, SPEAKERS, n_folds=5, parts=["train"] * 70)


def test_parts_are_of_about_the_same_size():
    uneven = ["loud"] * 30 + [f"s{i}" for i in range(40)]
    folds = make_folds(NAMES, uneven, n_folds=5)
    sizes = [(fold == TEST).sum() for fold in folds[:-1]]
    assert sorted(sizes) == [10, 10, 10, 10, 30]
