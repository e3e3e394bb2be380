"""The reward: the model's own scores, with gradients, and a choice that noise does not sway."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from modeling_empathic import NANO, EmpathicInsightModel, load_audio
from modeling_empathic.frontend_empathic import front_end
from modeling_empathic.reward import Reward, best_of, resampled
from modeling_empathic.taxonomy import UserError
from tests.support.places import REPOSITORY
from tests.support.tiny import tiny_model

HEADS = ["Anger", "Sadness", "Awe"]
SPEECH = load_audio(REPOSITORY / "examples" / "clips" / "en_elation.flac")[:30_000]


@pytest.fixture(scope="module")
def reward():
    model = EmpathicInsightModel.from_pretrained(NANO, heads=HEADS, dtype=torch.float32)
    return Reward(model)


@pytest.fixture(scope="module")
def scores(reward):
    features = front_end(reward.model.config)(SPEECH, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        return reward.model(features.input_features).logits[0]


def test_its_scores_are_those_of_the_model_padding_or_not(reward, scores):
    batch = torch.zeros(2, 50_000)
    batch[0, :30_000] = torch.from_numpy(SPEECH)
    batch[1] = torch.from_numpy(np.resize(SPEECH, 50_000))
    with torch.no_grad():
        found = reward.scores(batch, 16_000, lengths=[30_000, 50_000])
    torch.testing.assert_close(found[0], scores, atol=1e-4, rtol=0)


def test_the_reward_is_how_far_each_head_is_from_its_target(reward, scores):
    anger, awe = float(scores[0]), float(scores[2])
    audio = torch.from_numpy(SPEECH)
    with torch.no_grad():
        at_target = reward(audio, 16_000, {"anger": anger, "Awe": awe})
        beside = reward(audio, 16_000, {"anger": anger + 1, "Awe": awe + 0.5})
        tolerant = reward(audio, 16_000, {"anger": anger + 1, "Awe": awe + 0.5}, tolerance=0.5)
    assert float(at_target) == pytest.approx(0, abs=1e-4)
    assert float(beside) == pytest.approx(-(1 / 4 + 0.5 / 4) / 2, abs=1e-4)
    assert float(tolerant) == pytest.approx(-0.5 / 4 / 2, abs=1e-4)


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_a_step_along_the_gradient_is_what_it_says(rate, reward):
    audio = resampled(torch.from_numpy(SPEECH), 16_000)
    if rate != 16_000:
        import soxr

        audio = torch.from_numpy(soxr.resample(SPEECH, 16_000, rate))
    audio = audio.requires_grad_()
    target = {"Anger": 4.0, "Sadness": 0.0}
    value = reward(audio, rate, target)
    (gradient,) = torch.autograd.grad(value.sum(), audio)
    assert gradient.isfinite().all() and gradient.abs().max() > 0
    step = 1e-4 * gradient / gradient.norm()
    with torch.no_grad():
        changes = [float(reward(audio + sign * step, rate, target) - value) for sign in (1, -1)]
    expected = 1e-4 * float(gradient.norm())
    assert changes[0] == pytest.approx(expected, rel=0.2) and changes[1] < 0


@pytest.mark.parametrize("rate", [8_000, 22_050, 24_000, 44_100])
def test_another_rate_gives_the_sound_that_soxr_gives(rate):
    import soxr

    sound = soxr.resample(SPEECH, 16_000, rate)
    ours = resampled(torch.from_numpy(sound), rate).numpy()
    theirs = soxr.resample(sound, rate, 16_000)
    assert abs(len(ours) - len(theirs)) <= 1
    n = min(len(ours), len(theirs))
    inner = slice(400, n - 400)
    error = np.sqrt(np.mean((ours[inner] - theirs[inner]) ** 2))
    assert error < 0.03 * np.sqrt(np.mean(theirs[inner] ** 2))


def test_what_cannot_be_rewarded_is_said(reward):
    audio = torch.from_numpy(SPEECH)
    for arguments, words in (
        ((audio, 16_000, {}), "name at least one head of Anger"),
        ((audio, 16_000, {"Joyful": 1.0}), "no head 'Joyful'; there are Anger"),
        ((audio, 16_000, {"Awe": float("nan")}), "Awe is to be nan"),
        ((audio.double().long(), 16_000, {"Awe": 1.0}), "give floats of shape"),
        ((audio, 16_000, {"Awe": 1.0}, [50_000]), "give one of 1 to 30000"),
        ((audio, 16_000, {"Awe": 1.0}, 30_000), "give one of 1 to 30000"),
        ((audio, 16_000, {"Awe": 1.0}, [0.5]), "give one of 1 to 30000"),
        ((audio, 16_000, {"Awe": 1.0}, [[1, 2], [3]]), "give one of 1 to 30000"),
        ((audio, 16_000, {"Awe": 1.0}, "abc"), "lengths 'abc': give one of 1 to 30000"),
        ((audio, 16_000, {"Awe": 1.0}, None, True), "tolerance True: choose 0 or more"),
        ((0.1 * torch.ones(480_001), 16_000, {"Awe": 1.0}), "30.0001 s: at most 30 s"),
        ((audio, 16_000, {"Awe": 1.0}, None, -1), "tolerance -1: choose 0 or more"),
        ((audio, 16_000, {"Awe": 1.0}, None, "0.5"), "tolerance '0.5': choose 0 or more"),
        ((0.1 * torch.ones(31 * 16_000), 16_000, {"Awe": 1.0}), "at most 30 s"),
        ((audio, 16, {"Awe": 1.0}), "sampling rate 16 is not"),
    ):
        with pytest.raises(UserError, match=words):
            reward(*arguments)


NOISE = 0.1 * torch.randn(2, 16_000, generator=torch.manual_seed(0))


@pytest.mark.parametrize(
    ("audio", "rate", "target", "words"),
    [
        (torch.stack([NOISE[0], NOISE[1] * torch.nan]), 16_000, {"anger": 1}, "take 1: .* nan"),
        (NOISE * 32_767, 16_000, {"anger": 1}, "divide 16-bit integers by 32768"),
        (NOISE[:, :300], 16_000, {"anger": 1}, "take 0: shorter than 0.025 s"),
        (NOISE[:0], 16_000, {"anger": 1}, "shape"),
        (NOISE.numpy(), 16_000, {"anger": 1}, "give a torch tensor"),
        (NOISE, 22_050.5, {"anger": 1}, "sampling rate"),
        (NOISE, "16000", {"anger": 1}, "sampling rate"),
        (NOISE, 16_000, {"anger": 1, "Anger": 3}, "Anger is wanted twice"),
        (NOISE, 16_000, {"anger": None}, "no score"),
        (NOISE, 16_000, {"anger": 8.0}, "no score from 0 to 4"),  # as the screen shows it
        (NOISE, 16_000, ["anger"], "name at least one head"),
        (NOISE, 16_000, {3: 1.0}, "no head 3"),
        (NOISE * 0, 16_000, {"anger": 1}, "take 0: digital silence"),
    ],
)
def test_a_take_that_is_no_sound_or_a_wish_that_is_none_is_named(
    reward, audio, rate, target, words
):
    with pytest.raises(UserError, match=words):
        reward(audio, rate, target)


@given(st.lists(st.floats(-1, 0), min_size=1, max_size=8), st.floats(0, 0.5), st.integers(0, 255))
def test_the_take_that_is_kept_is_the_first_that_noise_cannot_tell_from_the_best(
    rewards, tolerance, doubts
):
    doubtful = [bool(doubts >> i & 1) for i in range(len(rewards))]
    kept = best_of(rewards, tolerance, doubtful)
    others = [i for i in range(len(rewards)) if not doubtful[i]] or list(range(len(rewards)))
    assert kept in others
    assert rewards[kept] >= max(rewards[i] for i in others) - tolerance
    assert all(rewards[i] < max(rewards[j] for j in others) - tolerance for i in others if i < kept)


def test_a_score_of_another_clip_may_be_wanted_though_it_is_below_zero(reward):
    assert reward(NOISE, 16_000, {"anger": -0.2}).isfinite().all()


def test_of_a_classifier_the_scores_are_probabilities():
    model = tiny_model(
        [{"name": name, "kind": "pooled", "scale": [0, 1]} for name in ("calm", "upset")],
        problem_type="single_label_classification",
    )
    torch.testing.assert_close(Reward(model).scores(NOISE, 16_000).sum(1), torch.ones(2))


def test_rewards_come_as_they_are_with_gradients_or_one_by_one():
    rewards = torch.tensor([-0.3, -0.1], requires_grad=True)
    assert best_of(rewards, 0.05) == best_of(list(rewards), 0.05) == 1
    assert best_of(iter([-0.3, -0.1]), np.float32(0.05)) == 1


@pytest.mark.parametrize(
    "rewards", [torch.zeros(1, 2), [None, -1], ["a"], -1.0, [], torch.tensor(1.0)]
)
def test_what_are_no_rewards_is_said(rewards):
    with pytest.raises(UserError, match="one number for each take"):
        best_of(rewards, 0.05)


def test_an_infinite_reward_is_the_highest_whatever_the_tolerance():
    assert best_of([-1, float("inf")], 0.1) == best_of([-1, float("inf")], float("inf")) == 1


def test_takes_without_a_reward_are_never_kept():
    assert best_of([float("nan"), -0.5], 0.1) == 1
    with pytest.raises(UserError, match="no take has one"):
        best_of([float("nan")], 0.1)
