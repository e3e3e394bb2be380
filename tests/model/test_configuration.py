"""The configuration refuses what cannot be a model."""

import json
import re

import pytest
from huggingface_hub.errors import StrictDataclassError
from hypothesis import given
from hypothesis import strategies as st

from modeling_empathic import EmpathicInsightConfig, HeadError
from modeling_empathic.heads_empathic import no_head
from modeling_empathic.taxonomy import EMOTION_NAMES
from tests.support.tiny import MIXED_HEADS, TINY_ENCODER


def test_unknown_keys_are_errors_that_list_the_known_ones():
    with pytest.raises(ValueError, match=r"projection_dims.*this model knows.*projection_dim"):
        EmpathicInsightConfig(projection_dims=64)


def test_two_heads_of_one_name_are_an_error_that_names_it():
    with pytest.raises(HeadError, match="Anger"):
        EmpathicInsightConfig(heads=[{"name": "Anger"}, {"name": "Anger", "kind": "pooled"}])


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ({"kind": "full"}, "a head is a dict with a name"),
        ({"name": ""}, "a head is a dict with a name"),
        ({"name": "Awe", "kind": "wide"}, "kind 'wide' is not one of"),
        ({"name": "Awe", "group": "mood"}, "group 'mood' is not one of"),
        ({"name": "Awe", "scale": [4, 0]}, "does not increase"),
        ({"name": "Awe", "scale": [0, 1, 2]}, "is not"),
        ({"name": "Awe", "scale": [0, float("nan")]}, "does not increase"),
        ({"name": "Awe", "width": 3}, "unknown keys"),
    ],
)
def test_a_wrong_head_is_an_error_that_says_what_is_wrong(head, reason):
    with pytest.raises(HeadError, match=reason):
        EmpathicInsightConfig(heads=[head])


def test_dropouts_must_be_one_more_than_the_hidden_widths():
    with pytest.raises(ValueError, match="need 2"):
        EmpathicInsightConfig(hidden_dims=[4], dropouts=[0.1])


def test_the_paper_sizes_have_the_paper_parameter_counts():
    """73.73 and 147.48 million parameters a head (paper A.2), exactly as the public files are."""
    for width, hidden, expected in (
        (64, (64, 32, 16), 73_734_849),
        (128, (128, 64, 32), 147_483_009),
    ):
        config = EmpathicInsightConfig(
            encoder_config={"d_model": 768}, projection_dim=width, hidden_dims=hidden
        )
        shapes = config.head_shapes("full").values()
        assert sum(rows * (cols[0] if cols else 1) for rows, *cols in shapes) == expected


def test_labels_follow_the_heads_whatever_an_edited_file_says():
    config = EmpathicInsightConfig(heads=MIXED_HEADS, id2label={0: "Joy"})
    assert config.id2label[0] == "Anger"
    assert config.num_labels == 4


def test_a_subset_keeps_the_order_asked_for_and_takes_any_spelling():
    config = EmpathicInsightConfig(heads=MIXED_HEADS)
    assert config.subset(["awe", "model_Pleasure_Ecstasy_best.pth"]).head_names == [
        "Awe",
        "Pleasure/Ecstasy",
    ]


def test_a_subset_with_an_absent_head_lists_the_heads_there_are():
    with pytest.raises(HeadError, match=r"no head named 'angr'; nearest: Anger"):
        EmpathicInsightConfig(heads=MIXED_HEADS).subset(["angr"])


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("happy", "Table 11 it stands for Amusement, Elation"),
        ("sad", "stands for Sadness, Longing"),
        ("scared", "stands for Fear, "),
        ("surprised", "stands for Astonishment/Surprise, Interest"),
        ("rage", "it is a word for Anger$"),
        ("xyzzy", "there are Amusement, .*, Jealousy & Envy$"),
    ],
)
def test_a_word_that_is_no_head_is_answered_with_what_it_may_mean(word, said):
    assert re.search(said, no_head(word, EMOTION_NAMES))


def test_saving_and_loading_gives_the_same_configuration(tmp_path):
    config = EmpathicInsightConfig(encoder_config=TINY_ENCODER, heads=MIXED_HEADS)
    config.save_pretrained(tmp_path)
    again = EmpathicInsightConfig.from_pretrained(tmp_path)
    assert again.to_dict() == config.to_dict()
    assert again.encoder.d_model == 8


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_KEYS = st.sampled_from(["heads", "projection_dim", "hidden_dims", "dropouts", "pooling", "other"])


@given(st.dictionaries(_KEYS, _JSON, max_size=3))
def test_any_json_is_a_configuration_or_a_clear_error(content):
    try:
        config = EmpathicInsightConfig(**json.loads(json.dumps(content)))
    except (ValueError, StrictDataclassError) as error:
        assert str(error)
    else:
        assert len(set(config.head_names)) == len(config.heads)
