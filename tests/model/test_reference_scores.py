"""How unusual is a score: against the textbook, and files that are not what they should be."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from modeling_empathic import NANO
from modeling_empathic.reference_scores import (
    FILE_NAME,
    ReferenceScoresError,
    make_reference,
    percentiles,
    read_reference,
    write_reference,
    z_scores,
)
from modeling_empathic.taxonomy import EMOTION_NAMES
from tests.support.places import REPOSITORY

numbers = st.floats(-5, 5, width=32)


def reference(values, ids=()):
    return make_reference(
        {"Awe": values}, clips="Made clips.", model="m", revision="r", clip_ids=ids
    )


@given(arrays(float, st.integers(2, 200), elements=numbers))
def test_z_scores_of_the_reference_clips_are_standardised(values):
    z = z_scores({"Awe": values}, reference(values))["Awe"]
    if values.std() > 1e-3:
        np.testing.assert_allclose(z, stats.zscore(values), atol=1e-2)


def test_a_head_that_never_moves_has_no_z_score():
    assert np.isnan(z_scores({"Awe": 1.0}, reference([2.0, 2.0]))["Awe"])


@given(arrays(float, st.integers(101, 300), elements=numbers), numbers)
def test_percentiles_agree_with_scipy_to_two_percent(values, score):
    ranks = percentiles({"Awe": score}, reference(values))["Awe"]
    # A rounding to six digits may move a score across its own ties, hence both bounds.
    low = stats.percentileofscore(values, score - 1e-4, "strict")
    high = stats.percentileofscore(values, score + 1e-4, "weak")
    assert low - 2.01 <= ranks <= high + 2.01


@given(arrays(float, 150, elements=numbers), st.lists(numbers, min_size=2, max_size=20))
def test_a_higher_score_has_no_lower_percentile(values, scores):
    ranks = percentiles({"Awe": np.sort(scores)}, reference(values))["Awe"]
    assert (np.diff(ranks) >= -1e-9).all()
    assert ((ranks >= 0) & (ranks <= 100)).all()


def test_the_middle_of_many_equal_scores_is_taken_and_nan_stays():
    ranks = percentiles({"Awe": [1.0, np.nan]}, reference([1.0] * 50))["Awe"]
    assert ranks[0] == 50
    assert np.isnan(ranks[1])


def test_a_single_number_gives_a_single_number():
    two = reference([0.0, 1.0])
    assert isinstance(z_scores({"Awe": 1}, two)["Awe"], float)
    assert isinstance(percentiles({"Awe": 1}, two)["Awe"], float)


def test_a_head_without_reference_is_named():
    for function in (z_scores, percentiles):
        with pytest.raises(ReferenceScoresError, match="lacks Pain; it has Awe"):
            function({"Pain": 1.0}, reference([0.0, 1.0]))


def test_what_is_written_is_read(tmp_path):
    made = reference(np.random.default_rng(0).normal(size=20), ["ab" * 32])
    write_reference(made, tmp_path / FILE_NAME)
    assert read_reference(tmp_path) == made
    assert made.clip_ids == ("ab" * 8,)


def test_a_model_without_a_reference_has_none(tmp_path):
    assert read_reference(tmp_path) is None


def test_a_repository_on_the_hub_has_one_or_none(local_hub, hub_client, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    local_hub.add("laion/without", folder, "model")
    write_reference(reference([0.0, 1.0, 5.0]), folder / FILE_NAME)
    local_hub.add("laion/with", folder, "model")
    hub_client("import sys; sys.path.insert(0, repository)", repository=str(REPOSITORY))
    answers = hub_client(
        "from modeling_empathic.reference_scores import read_reference\n"
        "result = [read_reference(f'laion/{name}') for name in ('with', 'without')]"
    )
    assert answers[0][1] == 3
    assert answers[1] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": {"Awe": {"mean": 0, "sd": 1, "quantiles": [0, 1]}}}, "101 quantiles"),
        ({"heads": {"Awe": {"mean": 0, "sd": -1, "quantiles": [0] * 101}}}, "101 quantiles"),
        ({"heads": {"Awe": {"mean": 0, "sd": 1, "quantiles": [*range(100), 0]}}}, "that fall"),
        ({"heads": {"Awe": {"mean": 0, "sd": 1, "quantiles": ["x"] * 101}}}, "not a reference"),
        ({"heads": []}, "not a reference"),
        ({"n_clips": None}, "not a reference"),
    ],
)
def test_a_file_that_is_no_reference_is_refused(tmp_path, change, message):
    file = tmp_path / FILE_NAME
    write_reference(reference([0.0, 1.0]), file)
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ReferenceScoresError, match=message):
        read_reference(tmp_path)


@pytest.mark.parametrize("values", [[1.0], [1.0, np.nan], []])
def test_too_few_or_missing_scores_make_no_reference(values):
    with pytest.raises(ReferenceScoresError, match="Awe: at least two finite scores"):
        reference(values)


def test_nanos_reference_is_of_acted_clips_and_small():
    stored = read_reference(NANO)
    assert tuple(stored.heads) == EMOTION_NAMES
    training = json.loads((NANO / "training.json").read_text())["training"]
    assert training["acted_clips"] == stored.n_clips
    assert all(head.sd > 0 for head in stored.heads.values())
    assert (NANO / FILE_NAME).stat().st_size < 100_000
