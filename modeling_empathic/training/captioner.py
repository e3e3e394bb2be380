"""Captions written by a Whisper of stage 1."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from ..audio import SAMPLE_RATE, load_audio

MAX_TOKENS = 200


def write_captions(
    model: str | os.PathLike[str],
    clips: Iterable[Any],
    *,
    batch_size: int = 16,
    device: str = "cpu",
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """The caption of each clip, by greedy decoding.

    Args:
        model: What `train_encoder` wrote: folder or Hub id.
        clips: Anything that `load_audio` reads; heard is the beginning that fits the window.
        batch_size: Clips at a time.
        device: Of torch.
        progress: Called with the number of clips that are done.

    Raises:
        AudioError: A clip cannot be read.

    Example:
        ```python
        write_captions("encoder/", ["clip.wav"])  # ['There is strong anger in ...']
        ```
    """
    import torch
    from transformers import AutoTokenizer, WhisperFeatureExtractor, WhisperForConditionalGeneration

    extractor = WhisperFeatureExtractor.from_pretrained(model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    whisper: Any = WhisperForConditionalGeneration.from_pretrained(model)
    whisper.to(device).eval()
    longest = min(MAX_TOKENS, whisper.config.max_target_positions - 1)
    captions: list[str] = []
    pending: list[Any] = []

    def caption() -> None:
        features = extractor(pending, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with torch.inference_mode():
            ids = whisper.generate(features["input_features"].to(device), max_length=longest)
        captions.extend(
            text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)
        )
        pending.clear()
        if progress is not None:
            progress(len(captions))

    for clip in clips:
        pending.append(load_audio(clip)[: extractor.n_samples])
        if len(pending) == batch_size:
            caption()
    if pending:
        caption()
    return captions
