"""A model that is cut to speech hears the speech: not its level, nor the silence around it."""

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from modeling_empathic import EmpathicInsightConfig, EmpathicInsightModel
from modeling_empathic.audio import load_audio
from modeling_empathic.modeling_empathic import pool
from modeling_empathic.speech_empathic import frame_energy, speech_features, speech_span, states_of
from tests.support.places import REPOSITORY
from tests.support.tiny import TINY_ENCODER, tiny_model

RATE = 16_000
HEADS = [{"name": "Anger", "kind": "pooled"}, {"name": "Awe", "kind": "pooled"}]
EXTRACTOR = WhisperFeatureExtractor()


@pytest.fixture(scope="module")
def model():
    return tiny_model(HEADS, hidden_dims=[], dropouts=[0.0], pooling="mean_std", cut_to_speech=True)


@pytest.fixture(scope="module")
def speech():
    return load_audio(REPOSITORY / "examples" / "clips" / "en_elation.flac")


def features(audio, padding="max_length"):
    inputs = EXTRACTOR(audio, sampling_rate=RATE, padding=padding, return_tensors="pt")
    return inputs.input_features


@torch.inference_mode()
def scores(model, audio, padding="max_length"):
    return model(input_features=features(audio, padding)).logits[0]


@pytest.mark.parametrize("gain_db", [-40, -12, 12])
def test_the_level_changes_nothing(model, speech, gain_db):
    louder = speech * 10 ** (gain_db / 20)
    assert scores(model, louder) == pytest.approx(scores(model, speech), abs=0.01)


@pytest.mark.parametrize(("before_s", "after_s"), [(1, 1), (0, 5), (3.3, 0)])
def test_silence_around_changes_next_to_nothing(model, speech, before_s, after_s):
    padded = np.pad(speech, (int(before_s * RATE), int(after_s * RATE)))
    assert scores(model, padded) == pytest.approx(scores(model, speech), abs=0.01)


def test_thirty_seconds_of_padding_are_no_input(model, speech):
    assert scores(model, speech, "do_not_pad") == pytest.approx(scores(model, speech), abs=0.01)


def test_a_clip_scores_the_same_in_a_batch_as_alone(model, speech):
    batch = torch.cat([features(speech), features(speech[: RATE // 2])])
    with torch.inference_mode():
        together = model(input_features=batch).logits
    assert together[0] == pytest.approx(scores(model, speech), abs=1e-5)
    assert together[1] == pytest.approx(scores(model, speech[: RATE // 2]), abs=1e-5)


def test_states_stand_where_the_speech_is_and_are_nan_elsewhere(model, speech):
    padded = np.pad(speech, (2 * RATE, 0))
    with torch.inference_mode():
        states = model.encoder(features(padded)).last_hidden_state[0]
    spoken = torch.nonzero(~states[:, 0].isnan())[:, 0]
    assert states.shape == (1500, 8)
    assert 95 <= spoken[0] <= 110  # from the second second on, 20 ms a position
    assert spoken[-1] < 50 * (2 + len(speech) / RATE) + 2
    assert len(spoken) == spoken[-1] - spoken[0] + 1


def test_the_span_is_that_of_a_naive_loop():
    rng = np.random.default_rng(0)
    for _ in range(50):
        energy = np.concatenate(
            [rng.uniform(-9, -6, rng.integers(0, 40)), rng.uniform(-1, 0, rng.integers(12, 60)),
             rng.uniform(-9, -6, rng.integers(0, 40))]
        )  # fmt: skip
        loud = sorted(energy)[-10]
        active = [i for i, value in enumerate(energy) if value > loud - 3.0]
        first = active[0] - 4
        first = max(first - first % 2, 0)
        last = active[-1] + 5
        last = min(last + last % 2, len(energy) - len(energy) % 2)
        assert speech_span(torch.tensor(energy)) == (first, last)


def test_energy_is_the_logarithm_of_the_power_of_all_bands():
    mel = torch.rand(80, 7) * 2 - 1
    assert frame_energy(mel) == pytest.approx((10 ** (4 * mel - 4)).sum(0).log10(), abs=1e-5)


def test_digital_silence_gives_finite_scores(model):
    assert torch.isfinite(scores(model, np.zeros(RATE, np.float32))).all()


def test_the_shortest_of_clips_gives_finite_scores(model):
    for n in (1, 200, 400):
        assert torch.isfinite(scores(model, np.ones(n, np.float32))).all()


def test_its_pooling_is_that_of_the_speech_alone(model, speech):
    cut = speech_features(features(speech)[0])[0]
    with torch.inference_mode():
        states = model.encoder(features(speech)).last_hidden_state
        alone = states_of(model.encoder, cut, model.config.read_layers)
    assert pool(states, "mean_std")[0] == pytest.approx(
        torch.cat([alone.mean(0), alone.std(0)]), abs=1e-5
    )


def test_it_trains_to_numbers(speech):
    model = tiny_model(HEADS, pooling="mean_std", cut_to_speech=True).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        loss = model(features(speech), labels=torch.tensor([[1.0, 3.0]])).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert model.encoder.conv1.weight.grad.abs().sum() > 0


def test_it_is_saved_and_read_back_whole(model, speech, tmp_path):
    model.save_pretrained(tmp_path)
    again = EmpathicInsightModel.from_pretrained(tmp_path).eval()
    assert again.config.cut_to_speech and again.config.pooling == "mean_std"
    assert scores(again, speech).tolist() == scores(model, speech).tolist()
    one = EmpathicInsightModel.from_pretrained(tmp_path, heads=["Awe"]).eval()
    assert scores(one, speech)[0] == pytest.approx(scores(model, speech)[1].item(), abs=1e-6)


def test_full_heads_cannot_be_cut_to_speech():
    with pytest.raises(ValueError, match="full heads read all 30 s"):
        EmpathicInsightConfig(
            encoder_config=dict(TINY_ENCODER),
            heads=[{"name": "Anger", "kind": "full"}],
            cut_to_speech=True,
        )
