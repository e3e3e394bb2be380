"""The public release in small: loose pickles and the Whisper that they belong to."""

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.support.tiny import TINY_ENCODER

STATES, POOLED = 1500 * 8, 4 * 8


def public_state(n_in=STATES, widths=(8, 8, 6, 4), seed=0, prefix=""):
    """A state dict with the keys of the public heads, small enough for a test."""
    torch.manual_seed(seed)
    p, h1, h2, h3 = widths
    layers = {"proj": (n_in, p), "mlp.2": (p, h1), "mlp.5": (h1, h2), "mlp.8": (h2, h3),
              "mlp.11": (h3, 1)}  # fmt: skip
    state = {}
    for name, (columns, rows) in layers.items():
        linear = nn.Linear(columns, rows)
        state[f"{prefix}{name}.weight"] = linear.weight.data
        state[f"{prefix}{name}.bias"] = linear.bias.data
    return state


def save_head(folder: Path, stem: str, **how) -> None:
    torch.save(public_state(**how), folder / f"model_{stem}_best.pth")


def save_whisper(folder: Path) -> Path:
    """Saves the Whisper, tiny and untrained, in a folder."""
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    torch.manual_seed(0)
    WhisperForConditionalGeneration(WhisperConfig(**TINY_ENCODER)).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session", name="whisper")
def whisper_fixture(tmp_path_factory) -> Path:
    return save_whisper(tmp_path_factory.mktemp("whisper"))


def save_release(folder: Path) -> Path:
    """Two full heads, one of them saved from a compiled module, and a pooled one."""
    folder.mkdir()
    save_head(folder, "Anger", seed=1)
    save_head(folder, "Jealousy_&_Envy", seed=2, prefix="_orig_mod.")
    save_head(folder, "score_speech_quality", seed=3, n_in=POOLED)
    return folder
