"""Shared fixtures: a tiny model in the shape of the real one, and where real data may be."""

import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may reach for the Hub

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from .scoring_fakes import write_clip

# On a fresh checkout the first text strategy builds its table of characters, which takes seconds;
# how long an example takes says nothing here, so neither draws nor runs are timed.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

REPOSITORY = Path(__file__).parents[1]
SHARED = Path(os.environ.get("EMONET_SHARED", REPOSITORY.parent / "shared"))
TINY_ENCODER = {
    "d_model": 8,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 16,
    "init_std": 0.3,  # states that differ between inputs, unlike the usual 0.02
    "vocab_size": 10,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
}
MIXED_HEADS = [
    {"name": "Anger"},
    {"name": "Speech Quality", "kind": "pooled", "scale": [1, 5], "group": "quality"},
    {"name": "Pleasure/Ecstasy"},
    {"name": "Awe", "kind": "pooled"},
]


@pytest.fixture
def shared() -> Path:
    """The folder with real weights and recordings; the test is skipped where it is absent."""
    if not (SHARED / "data" / "emodb").is_dir():
        pytest.skip("the real recordings are not on this machine")
    return SHARED


def tiny_model(heads=MIXED_HEADS, **config):
    """A model with random weights whose scores differ between clips and heads."""
    import torch

    from modeling_empathic import EmpathicInsightConfig, EmpathicInsightModel

    config = {"projection_dim": 8, "hidden_dims": [8, 6, 4], **config}
    torch.manual_seed(0)
    model = EmpathicInsightModel(
        EmpathicInsightConfig(encoder_config=dict(TINY_ENCODER), heads=heads, **config)
    )
    return model.eval()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    """A saved tiny model with two full and two pooled heads, and its feature extractor."""
    from transformers import WhisperFeatureExtractor

    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_model().save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def features():
    """`(3, 80, 3000)` mel features of three noises of different loudness."""
    import torch

    noise = torch.randn(3, 80, 3000, generator=torch.Generator().manual_seed(1))
    return noise * torch.tensor([0.2, 1.0, 3.0])[:, None, None]


@pytest.fixture
def clips(tmp_path, monkeypatch) -> list[str]:
    """Ten short clips in `clips/`, seen from the folder above."""
    monkeypatch.chdir(tmp_path)
    return [str(write_clip(Path(f"clips/{i}.wav"), seed=i)) for i in range(10)]


@pytest.fixture(scope="session")
def tone() -> np.ndarray:
    """Two seconds of a 220 Hz tone at 16 kHz."""
    return (0.3 * np.sin(2 * np.pi * 220 * np.arange(32_000) / 16_000)).astype(np.float32)
