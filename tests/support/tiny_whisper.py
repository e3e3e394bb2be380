"""A tiny Whisper with a decoder and a tokenizer of its own, and clips for it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.tiny import TINY_ENCODER


@pytest.fixture(scope="session", name="tiny_whisper")
def tiny_whisper_fixture(tmp_path_factory) -> Path:
    """Folder of a Whisper checkpoint that knows the words of captions, with dropout."""
    import torch
    from transformers import (
        PreTrainedTokenizerFast,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    folder = tmp_path_factory.mktemp("tiny-whisper")
    words = tokenizer_of_captions()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>"
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = TINY_ENCODER | {"vocab_size": len(fast), "dropout": 0.1, "init_std": 0.02}
    WhisperForConditionalGeneration(WhisperConfig(**config)).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


def tokenizer_of_captions() -> Any:
    from tokenizers import ByteLevelBPETokenizer

    from modeling_empathic.training.captions import make_caption

    tokenizer = ByteLevelBPETokenizer()
    texts = [
        f" {make_caption(np.full(40, level), seed)}" for level in range(5) for seed in range(9)
    ]
    tokenizer.train_from_iterator(
        texts, vocab_size=600, special_tokens=["<pad>", "<bos>", "<eos>"], show_progress=False
    )
    return tokenizer._tokenizer


def made_clips(count: int, seed: int = 0) -> Any:
    """Noise of different loudness, with scores that follow it: a `datasets.Dataset`."""
    from datasets import Dataset

    random = np.random.default_rng(seed)
    return Dataset.from_list([clip(random, index % 5) for index in range(count)])


def clip(random: np.random.Generator, level: int) -> dict[str, Any]:
    samples = random.standard_normal(8_000) * 0.01 * (1 + level)
    scores = np.zeros(40)
    scores[[3, 7]] = level, 4 - level
    return {"audio": {"bytes": wav(samples), "path": None}, "emotion_scores": scores.tolist()}


def wav(samples: np.ndarray) -> bytes:
    import io

    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples.astype(np.float32), 16_000, format="WAV")
    return file.getvalue()
