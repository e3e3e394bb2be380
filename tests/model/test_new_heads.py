"""New labels on a pretrained encoder, and what the checks before loading say."""

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForAudioClassification

from modeling_empathic import EmpathicInsightConfig, EmpathicInsightModel, HeadError
from modeling_empathic.scoring.clips import score_files
from modeling_empathic.scoring.loading import load_model
from modeling_empathic.stacks_empathic import probabilities
from tests.support.places import REPOSITORY
from tests.support.tiny import tiny_model

CLIP = REPOSITORY / "examples" / "clips" / "de_anger.flac"
LABELS = {0: "angry", 1: "calm", 2: "Awe"}
EVERY_DOOR = pytest.mark.parametrize(
    "door", [EmpathicInsightModel, AutoModel, AutoModelForAudioClassification]
)


@EVERY_DOOR
def test_the_call_of_every_classifier_makes_new_heads(model_folder, features, door):
    model = door.from_pretrained(
        model_folder, num_labels=3, id2label=LABELS, ignore_mismatched_sizes=True
    )
    assert model.config.id2label == LABELS
    assert model.config.num_labels == 3
    with torch.no_grad():
        logits = model(features).logits
        whole = EmpathicInsightModel.from_pretrained(model_folder)(features).logits
    assert logits.shape == (3, 3) and logits.isfinite().all()
    torch.testing.assert_close(logits[:, 2], whole[:, 3])  # a head of that name is kept
    loss = model(features, labels=torch.tensor([0, 1, 2])).loss
    expected = torch.nn.functional.cross_entropy(model(features).logits, torch.tensor([0, 1, 2]))
    torch.testing.assert_close(loss, expected)


@EVERY_DOOR
def test_without_leave_new_labels_are_an_error_that_says_how(model_folder, door):
    with pytest.raises(HeadError, match=r"no heads angry, calm: ignore_mismatched_sizes=True"):
        door.from_pretrained(model_folder, num_labels=3, id2label=LABELS)
    with pytest.raises(HeadError, match="ignore_mismatched_sizes=True"):
        door.from_pretrained(model_folder, heads=["angry", "Awe"])


@EVERY_DOOR
def test_bare_names_of_heads_learn_numbers(model_folder, features, door):
    model = door.from_pretrained(model_folder, heads=["angry", "awe"], ignore_mismatched_sizes=True)
    assert model.config.head_names == ["angry", "Awe"]
    labels = torch.ones(3, 2)
    loss = model(features, labels=labels).loss
    torch.testing.assert_close(loss, (model(features).logits - labels).abs().mean())


def test_a_configuration_made_before_asks_for_the_same(model_folder):
    config = AutoConfig.from_pretrained(model_folder, num_labels=3, id2label=LABELS)
    model = AutoModel.from_pretrained(model_folder, config=config, ignore_mismatched_sizes=True)
    assert model.config.head_names == ["angry", "calm", "Awe"]


def test_new_heads_are_saved_and_come_back(model_folder, tmp_path, features):
    model = EmpathicInsightModel.from_pretrained(
        model_folder, num_labels=3, id2label=LABELS, ignore_mismatched_sizes=True
    )
    model.save_pretrained(tmp_path)
    again = EmpathicInsightModel.from_pretrained(tmp_path)
    assert again.config.problem_type == "single_label_classification"
    with torch.no_grad():
        assert torch.equal(again(features).logits, model(features).logits)


def test_a_configuration_takes_bare_names():
    config = EmpathicInsightConfig(heads=["angry", "calm"])
    assert config.head_names == ["angry", "calm"]


@pytest.mark.parametrize(
    "labels",
    [
        {"id2label": {0: "a", 2: "b"}},
        {"id2label": {0: "a", 1: "b"}, "num_labels": 3},
        {"id2label": {0: "a", 1: "a"}},
        {"id2label": ["a", "b"]},
        {"id2label": {0: "a", 1: "b"}, "label2id": {"a": 1, "b": 0}},
        {"id2label": {0: "path", 1: "b"}},
        {"num_labels": 2, "problem_type": "ranking"},
    ],
)
def test_labels_that_are_none_are_errors(model_folder, labels):
    with pytest.raises(HeadError):
        EmpathicInsightModel.from_pretrained(model_folder, ignore_mismatched_sizes=True, **labels)


def test_several_labels_at_once_are_learned_by_binary_cross_entropy(features):
    model = tiny_model()
    model.config.problem_type = "multi_label_classification"
    labels = torch.tensor([[0.0, 1, 1, 0]] * 3)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(model(features).logits, labels)
    torch.testing.assert_close(model(features, labels=labels).loss, expected)


def test_a_classifier_is_given_positions_not_numbers(features):
    model = tiny_model()
    model.config.problem_type = "single_label_classification"
    with pytest.raises(ValueError, match="position of the right label"):
        model(features, labels=torch.zeros(3, 4))


def test_classes_come_out_as_probabilities():
    logits = torch.tensor([[1.0, 3.0]])
    assert probabilities(logits, "single_label_classification").sum() == pytest.approx(1)
    assert torch.equal(probabilities(logits, "multi_label_classification"), logits.sigmoid())
    assert torch.equal(probabilities(logits, "regression"), logits)


@pytest.mark.parametrize("problem", ["single_label_classification", "multi_label_classification"])
def test_score_and_the_pipeline_say_the_same_probabilities(model_folder, tmp_path, problem):
    from transformers import WhisperFeatureExtractor, pipeline

    EmpathicInsightModel.from_pretrained(
        model_folder,
        num_labels=3,
        id2label=LABELS,
        problem_type=problem,
        ignore_mismatched_sizes=True,
    ).save_pretrained(tmp_path)
    WhisperFeatureExtractor().save_pretrained(tmp_path)
    options = {"revision": None, "heads": [], "device": "cpu", "dtype": "auto"}
    model, extractor, provenance = load_model(str(tmp_path), **options)
    (row,) = score_files([CLIP], model, extractor)
    scores = {name: row[name] for name in LABELS.values()}
    assert all(0 < score < 1 for score in scores.values())
    if problem == "single_label_classification":
        assert sum(scores.values()) == pytest.approx(1)
    assert provenance["problem_type"] == problem
    assert set(map(tuple, provenance["scales"].values())) == {(0.0, 1.0)}
    said = pipeline("voice-emotion", model=str(tmp_path))(str(CLIP))
    assert {one["label"]: one["score"] for one in said} == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"devic_map": "auto"}, TypeError, "did you mean 'device_map'"),
        ({"attn_implementation": "fastest"}, ValueError, "attn_implementation"),
        ({"use_safetensors": False}, ValueError, "only safetensors"),
        ({"problem_type": "ranking"}, HeadError, "regression, single_label"),
    ],
)
def test_a_wrong_keyword_is_told_before_a_weight_is_read(
    model_folder, monkeypatch, wrong, error, message
):
    monkeypatch.setattr("modeling_empathic.modeling_empathic.read", None)  # calling it fails
    with pytest.raises(error, match=message):
        EmpathicInsightModel.from_pretrained(model_folder, **wrong)


@torch.no_grad()
def test_what_to_return_is_taken_from_the_configuration_too(model_folder, features):
    model = EmpathicInsightModel.from_pretrained(
        model_folder, output_hidden_states=True, return_dict=False
    )
    _, hidden_states = model(features)
    assert len(hidden_states) == 3
    assert set(model(features, output_hidden_states=False, return_dict=True)) == {"logits"}


@torch.no_grad()
def test_weights_that_another_library_saved_stacked_are_read(tmp_path, features):
    from safetensors.torch import save_file

    model = tiny_model()
    save_file(model.state_dict(), tmp_path / "model.safetensors")  # as Accelerator.save_model does
    model.config.save_pretrained(tmp_path)
    scores = model(features).logits
    assert torch.equal(EmpathicInsightModel.from_pretrained(tmp_path)(features).logits, scores)
    two = EmpathicInsightModel.from_pretrained(tmp_path, heads=["Awe", "Anger"])
    torch.testing.assert_close(two(features).logits, scores[:, [3, 0]])


def test_an_adapter_without_peft_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "laion/x"}')
    monkeypatch.setattr(
        "modeling_empathic.adapters_empathic.importlib.util.find_spec", lambda _: None
    )
    with pytest.raises(ImportError, match="pip install peft"):
        EmpathicInsightModel.from_pretrained(tmp_path)
