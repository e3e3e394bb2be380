"""How stage 1 trains, as the one who trains chooses it."""

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class EncoderSettings:
    """How stage 1 trains.

    Attributes:
        model: Whisper checkpoint to start from, with decoder and tokenizer: folder or Hub id.
        revision: Of `model` on the Hub.
        window_s: Whole seconds of each clip that the encoder hears; below Whisper's 30 its
            positions are cut to it, and so is what the trained encoder can hear.
        layers: Only the first so many layers of the encoder; None: all. The first ones tell
            voices apart best, the last ones words.
        epochs: Times through the data; of a stream give `steps`.
        steps: Optimiser steps, instead of epochs.
        batch_size: Clips at a time on each device.
        accumulate: Batches to an optimiser step.
        learning_rate: At its highest.
        warmup: Share of the steps over which it rises; it falls linearly after them.
        spec_augment: Whether stretches of time and of mel bands are blanked (SpecAugment).
        bf16: Whether to compute in bfloat16; None: on CUDA.
        gradient_checkpointing: Less memory for a third more time.
        caption_column: Paraphrases, used where the data have them.
        eval_clips: Clips that are captioned at each evaluation.
        save_steps: Steps from one evaluation and checkpoint to the next.
        seed: Of captions, order, masks and dropout.
        device: `auto` or `cpu`.
        workers: Processes that decode audio.
        log: `trackio`, for a log on this machine.
    """

    model: str = "openai/whisper-small"
    revision: str | None = None
    window_s: int = 30
    layers: int | None = None
    epochs: float = 3.0
    steps: int | None = None
    batch_size: int = 16
    accumulate: int = 1
    learning_rate: float = 1e-5
    warmup: float = 0.1
    spec_augment: bool = True
    bf16: bool | None = None
    gradient_checkpointing: bool = False
    caption_column: str = "caption"
    eval_clips: int = 500
    save_steps: int = 500
    seed: int = 0
    device: str = "auto"
    workers: int = 0
    log: str | None = None
