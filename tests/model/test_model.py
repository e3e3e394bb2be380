"""The model computes what 40 separate heads would, and behaves as transformers models do."""

import pytest
import torch
from torch import nn

from benchmarks.public_release import PublicHead
from modeling_empathic import EmpathicInsightModel
from modeling_empathic.checkpoint_empathic import unstacked
from modeling_empathic.modeling_empathic import pool
from tests.support.tiny import MIXED_HEADS, tiny_model


def separate_scores(model, states):
    """A naive second implementation: one nn.Sequential a head, one clip at a time."""
    kinds = {spec["name"]: spec["kind"] for spec in model.config.heads}
    columns = {}
    for name, tensors in unstacked(model.state_dict(), model.config):
        layers = [nn.Linear(*tensors["proj.weight"].shape[::-1])]
        layers[0].load_state_dict({k[5:]: v for k, v in tensors.items() if k.startswith("proj")})
        for i in range(4):
            weight, bias = tensors[f"mlp.{i}.weight"], tensors[f"mlp.{i}.bias"]
            linear = nn.Linear(*weight.shape[::-1])
            linear.load_state_dict({"weight": weight, "bias": bias})
            layers += [nn.ReLU(), linear]
        head = nn.Sequential(*layers).eval()
        column = []
        for state in states:
            statistics = [state.mean(0), state.min(0)[0], state.max(0)[0], state.std(0)]
            inputs = state.flatten() if kinds[name] == "full" else torch.cat(statistics)
            column.append(head(inputs).item())
        columns[name] = column
    return torch.tensor([columns[name] for name in model.config.head_names]).T


@torch.no_grad()
def test_stacked_heads_equal_separate_heads(features):
    model = tiny_model()
    output = model(features, output_last_hidden_state=True)
    expected = separate_scores(model, output.last_hidden_state)
    assert expected.std(0).min() > 5e-4  # the comparison is of scores that differ
    torch.testing.assert_close(output.logits, expected, atol=2e-6, rtol=1e-5)


@torch.no_grad()
def test_a_head_equals_the_public_module_of_full_width():
    """At the real width of the states, with the class the public release defines."""
    torch.manual_seed(0)
    public = PublicHead(4 * 768).eval()
    model = tiny_model(
        [{"name": "Awe", "kind": "pooled"}], projection_dim=64, hidden_dims=[64, 32, 16]
    )
    states = torch.randn(2, 1500, 768)
    stack = model.heads["pooled"]
    stack.proj = public.proj
    for i, layer in enumerate((2, 5, 8, 11)):
        stack.mlp[i].weight.data = public.mlp[layer].weight.data[None]
        stack.mlp[i].bias.data = public.mlp[layer].bias.data[None]
    torch.testing.assert_close(stack(pool(states))[0], public(states), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_scores_do_not_depend_on_the_rest_of_the_batch(features):
    model = tiny_model()
    together = model(features).logits
    order = [2, 0, 1]
    torch.testing.assert_close(model(features[order]).logits, together[order])
    torch.testing.assert_close(model(features[1:2]).logits, together[1:2])


@torch.no_grad()
def test_states_computed_before_give_the_same_scores(features):
    model = tiny_model()
    states = model(features, output_last_hidden_state=True).last_hidden_state
    assert torch.equal(model(encoder_states=states).logits, model(features).logits)
    with pytest.raises(ValueError, match="either"):
        model(features, encoder_states=states)


@torch.no_grad()
def test_projections_and_states_come_only_on_request(features):
    model = tiny_model()
    assert set(model(features).keys()) == {"logits"}
    output = model(features, output_projections=True, output_last_hidden_state=True)
    assert output.projections.shape == (3, 4, 8)
    assert output.last_hidden_state.shape == (3, 1500, 8)


def test_the_loss_is_the_mean_absolute_error_over_known_labels(features):
    model = tiny_model()
    labels = torch.tensor([[1.0, 2, 3, 4], [0, 0, 0, 0], [1, 1, 1, 1]])
    labels[0, 1] = labels[2, 3] = float("nan")
    output = model(features, labels=labels)
    errors = [
        abs(score - label)
        for scores, row in zip(output.logits.tolist(), labels.tolist(), strict=True)
        for score, label in zip(scores, row, strict=True)
        if label == label
    ]
    assert len(errors) == 10
    assert output.loss.item() == pytest.approx(sum(errors) / 10, rel=1e-5)


def test_labels_that_are_all_unknown_give_a_zero_loss_with_zero_gradients(features):
    model = tiny_model()
    loss = model(features, labels=torch.full((3, 4), float("nan"))).loss
    loss.backward()
    assert loss.item() == 0
    assert model.heads["full"].proj.weight.grad.abs().sum() == 0


def test_gradient_checkpointing_gives_the_same_gradients(features):
    gradients = []
    for checkpointing in (False, True):
        model = tiny_model(dropouts=[0.0] * 4).train()
        if checkpointing:
            model.activation_checkpointing_enable()
        model(features, labels=torch.ones(3, 4)).loss.backward()
        gradients.append(model.encoder.layers[0].fc1.weight.grad)
    assert gradients[0].abs().sum() > 0
    torch.testing.assert_close(*gradients)


def test_labels_of_another_shape_are_an_error_not_broadcast(features):
    model = tiny_model()
    for shape in ((3,), (4,), (3, 1)):
        with pytest.raises(ValueError, match="labels have shape"):
            model(features, labels=torch.zeros(shape))


def test_a_misspelt_argument_is_an_error(features):
    with pytest.raises(TypeError, match="output_projection"):
        tiny_model()(features, output_projection=True)


@torch.no_grad()
def test_hidden_states_and_attentions_come_on_request(model_folder, features):
    model = EmpathicInsightModel.from_pretrained(model_folder, attn_implementation="eager")
    output = model(features, output_hidden_states=True, output_attentions=True)
    assert len(output.hidden_states) == 3
    assert output.attentions[0].shape == (3, 2, 1500, 1500)


@torch.no_grad()
def test_eager_and_sdpa_attention_agree(model_folder, features):
    sdpa = EmpathicInsightModel.from_pretrained(model_folder)
    eager = EmpathicInsightModel.from_pretrained(model_folder, attn_implementation="eager")
    assert sdpa.encoder.config._attn_implementation == "sdpa"
    assert eager.encoder.config._attn_implementation == "eager"
    torch.testing.assert_close(sdpa(features).logits, eager(features).logits, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_bfloat16_scores_are_float32_and_close(model_folder, features):
    model = EmpathicInsightModel.from_pretrained(model_folder, dtype="bfloat16")
    exact = EmpathicInsightModel.from_pretrained(model_folder)(features).logits
    scores = model(features).logits
    assert model.dtype == torch.bfloat16
    assert scores.dtype == torch.float32
    # Each head against its own spread over the clips, which are of very different loudness.
    assert ((scores - exact).abs().amax(0) < 0.1 * (exact.amax(0) - exact.amin(0))).all()


@pytest.mark.slow  # half a minute of a C++ compiler
@torch.no_grad()
def test_compiled_and_eager_scores_agree(features):
    model = tiny_model()
    expected = model(features).logits
    torch.testing.assert_close(
        torch.compile(model)(features).logits, expected, atol=1e-5, rtol=1e-4
    )


def test_device_map_auto_places_the_whole_model(model_folder, features):
    model = EmpathicInsightModel.from_pretrained(model_folder, device_map="auto")
    assert not [name for name, p in model.named_parameters() if p.device.type == "meta"]
    assert model(features.to(model.device)).logits.shape == (3, 4)


def test_features_that_do_not_fill_the_window_are_an_error():
    with pytest.raises(ValueError, match="3000"):
        tiny_model()(torch.zeros(1, 80, 2999))


def test_no_loop_over_heads_is_left_in_the_forward_pass(features):
    """The number of operations does not grow with the number of heads."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            self.calls += 1
            return function(*args, **(kwargs or {}))

    counts = []
    for heads in (MIXED_HEADS, [{"name": f"{spec['name']} {i}", "kind": spec.get("kind", "full")}
                                for spec in MIXED_HEADS for i in range(10)]):  # fmt: skip
        model = tiny_model(heads)
        with torch.no_grad(), Count() as count:
            model(features)
        counts.append(count.calls)
    assert counts[0] == counts[1]


def test_every_parameter_of_a_fresh_model_is_initialised():
    """transformers skips modules it thinks are done; memory that was never written shows."""
    filled = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)  # makes torch.empty return NaN
    torch.utils.deterministic.fill_uninitialized_memory = True
    try:
        model = EmpathicInsightModel(tiny_model().config)
    finally:
        torch.use_deterministic_algorithms(False)
        torch.utils.deterministic.fill_uninitialized_memory = filled
    for name, parameter in model.named_parameters():
        assert parameter.isfinite().all(), name
        assert "weight" not in name or parameter.std() > 0 or "norm" in name, name


def test_pooling_matches_numpy():
    states = torch.randn(2, 50, 3)
    array = states.numpy()
    expected = [array.mean(1), array.min(1), array.max(1), array.std(1, ddof=1)]
    torch.testing.assert_close(
        pool(states), torch.cat([torch.from_numpy(part) for part in expected], 1)
    )
