"""A head learns by itself: the same weights whatever learns beside it."""

import numpy as np
import pytest
import torch

from modeling_empathic.training.heads import (
    ExpertHead,
    HeadSpec,
    Learner,
    Scaling,
    error,
    first_guess,
)
from modeling_empathic.training.settings import Settings, TrainingError
from tests.support.tiny import tiny_model

SPEC = HeadSpec("Awe", "pooled", (12, 8, 8, 6, 4, 1), (0.0, 0.5, 0.5, 0.5))
CPU = torch.device("cpu")


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def taught(spec: HeadSpec = SPEC, steps: int = 5, **settings) -> dict[str, torch.Tensor]:
    learner = Learner(spec, Settings(**settings), CPU)
    for step in range(steps):
        learner.step(draw(6, 12, seed=step), draw(6, seed=100 + step), step)
    return learner.head.state_dict()


def test_it_computes_what_the_models_stack_of_heads_does():
    from modeling_empathic.checkpoint_empathic import unstacked

    model = tiny_model([{"name": "Anger", "kind": "pooled"}, {"name": "Awe", "kind": "pooled"}])
    states = draw(3, 1500, 8)
    expected = model(encoder_states=states).logits
    from modeling_empathic.modeling_empathic import pool

    for column, (_, tensors) in enumerate(unstacked(model.state_dict(), model.config)):
        head = ExpertHead(HeadSpec("x", "pooled", (32, 8, 8, 6, 4, 1), (0.0,) * 4))
        head.load_state_dict(tensors)
        torch.testing.assert_close(head(pool(states)), expected[:, column])


def test_global_randomness_and_other_heads_change_nothing():
    alone = taught()
    torch.manual_seed(123)
    taught(SPEC._replace(name="Anger"))
    for key, tensor in taught().items():
        assert torch.equal(tensor, alone[key]), key


@pytest.mark.parametrize("other", [{"name": "Anger"}, {"fold": 2}])
def test_another_name_or_fold_draws_other_weights(other):
    weight = taught(steps=0)["proj.weight"]
    assert not torch.equal(weight, taught(SPEC._replace(**other), steps=0)["proj.weight"])


def test_a_batch_without_a_label_leaves_the_head_as_it_is():
    learner = Learner(SPEC, Settings(), CPU)
    learner.step(draw(6, 12), draw(6), 0)
    before = {key: value.clone() for key, value in learner.head.state_dict().items()}
    learner.step(draw(6, 12), torch.full((6,), torch.nan), 1)
    for key, value in learner.head.state_dict().items():
        assert torch.equal(value, before[key])


def test_a_missing_target_says_as_little_as_a_missing_clip():
    spec = SPEC._replace(dropouts=(0.0,) * 4)
    targets = draw(6)
    targets[3:] = torch.nan
    with_gap, without = (Learner(spec, Settings(input_dropout=0), CPU) for _ in range(2))
    with_gap.step(draw(6, 12), targets, 0)
    without.step(draw(6, 12)[:3], targets[:3], 0)
    for key, value in with_gap.head.state_dict().items():
        torch.testing.assert_close(value, without.head.state_dict()[key])


@pytest.mark.parametrize("loss", ["mae", "mse", "huber"])
def test_errors_are_those_of_a_plain_loop(loss):
    scores, targets = draw(20) * 2, draw(20, seed=1) * 2
    expected = []
    for score, target in zip(scores.tolist(), targets.tolist(), strict=True):
        gap = abs(score - target)
        huber = gap * gap / 2 if gap < 1 else gap - 0.5
        expected.append({"mae": gap, "mse": gap * gap, "huber": huber}[loss])
    np.testing.assert_allclose(error(scores, targets, loss), expected, rtol=1e-5)


def test_scaling_becomes_part_of_the_weights_and_comes_out_again():
    scaling = Scaling(draw(4), draw(4, seed=1).abs() + 0.5)
    head = ExpertHead(SPEC)
    head.draw(torch.Generator().manual_seed(0), 0.0)
    inputs = draw(5, 12, seed=2) * 3
    scores = head(scaling.apply(inputs))
    stored = scaling.absorbed(head.state_dict())
    plain = ExpertHead(SPEC)
    plain.load_state_dict(stored)
    torch.testing.assert_close(plain(inputs), scores, rtol=1e-4, atol=1e-5)
    for key, value in scaling.taken_out(stored).items():
        torch.testing.assert_close(value, head.state_dict()[key], rtol=1e-4, atol=1e-5)


def test_it_stops_after_epochs_without_progress_and_keeps_the_best():
    learner = Learner(SPEC, Settings(patience=2), CPU)
    assert learner.judge(1.0)
    best = {key: value.clone() for key, value in learner.head.state_dict().items()}
    learner.step(draw(6, 12), draw(6), 0)
    assert learner.judge(1.5)
    assert not learner.judge(1.0)
    assert learner.best_epoch == 1
    assert all(torch.equal(value, best[key]) for key, value in learner.best.items())


def test_a_loss_that_is_no_number_is_one_clear_error():
    learner = Learner(SPEC, Settings(learning_rate=0.5), CPU)
    learner.step(draw(6, 12) * torch.inf, draw(6), 0)
    with pytest.raises(TrainingError, match=r"loss of 'Awe' is not a number.*below 0\.5"):
        learner.judge(0.0)


def test_it_continues_from_a_file_as_if_nothing_had_happened(tmp_path):
    whole = Learner(SPEC, Settings(), CPU)
    half = Learner(SPEC, Settings(), CPU)
    for step in range(6):
        whole.step(draw(6, 12, seed=step), draw(6, seed=9 + step), step)
        if step < 3:
            half.step(draw(6, 12, seed=step), draw(6, seed=9 + step), step)
        if step == 2:
            whole.judge(1.0)
    half.judge(1.0)
    half.save(tmp_path / "half.safetensors", 3)
    again = Learner(SPEC._replace(), Settings(), CPU)
    again.load(tmp_path / "half.safetensors")
    for step in range(3, 6):
        again.step(draw(6, 12, seed=step), draw(6, seed=9 + step), step)
    for key, value in whole.head.state_dict().items():
        assert torch.equal(value, again.head.state_dict()[key]), key
    assert (again.epoch, again.best_loss) == (1, 1.0)


@pytest.mark.parametrize(("loss", "guess"), [("mae", 1.0), ("mse", 2.0)])
def test_the_first_guess_has_the_least_error_of_all_constants(loss, guess):
    values = torch.tensor([0.0, 1.0, 5.0, torch.nan])
    known = values[:3]
    assert first_guess(values, loss) == guess
    best = error(torch.full((3,), guess), known, loss).mean()
    for constant in np.linspace(0, 5, 51):
        assert error(torch.full((3,), float(constant)), known, loss).mean() >= best - 1e-6


def test_without_patience_the_last_epoch_is_kept_whatever_its_loss():
    learner = Learner(SPEC, Settings(patience=0, epochs=3), CPU)
    going = []
    for epoch, loss in enumerate([1.0, 2.0, 3.0]):
        learner.step(draw(6, 12), draw(6), epoch)
        going.append(learner.judge(loss))
    assert going == [True, True, False]
    for key, value in learner.head.state_dict().items():
        assert torch.equal(learner.best[key], value), key
