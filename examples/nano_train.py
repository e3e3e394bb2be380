"""Nano's two training steps: distil an encoder, then fit 40 pooled heads on it.

Part of `train_nano.py`.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from modeling_empathic.modeling_empathic import EmpathicInsightModel, pool

log = logging.getLogger("train_nano")


def log_mel(audios: list[np.ndarray], extractor: WhisperFeatureExtractor) -> torch.Tensor:
    """`(clips, 80, 3000)` log-mel features, each clip padded with digital silence to 30 s."""
    return extractor(audios, sampling_rate=16_000, return_tensors="pt").input_features


@torch.inference_mode()
def cache_teacher(
    windows: list[np.ndarray],
    teacher: WhisperEncoder,
    layer: int,
    extractor: WhisperFeatureExtractor,
    file: Path,
) -> tuple[torch.Tensor, np.ndarray]:
    """Features of `windows` and the teacher's states after `layer` layers, fp16, in `file`."""
    del teacher.layers[layer:]  # what is not read need not be computed
    teacher.layer_norm = nn.Identity()
    size = (len(windows), teacher.config.max_source_positions, teacher.config.d_model)
    states = np.lib.format.open_memmap(file, "w+", np.float16, size)
    features = []
    start = time.monotonic()
    for i, window in enumerate(windows):
        features.append(log_mel([window], extractor))
        states[i] = teacher(features[-1]).last_hidden_state[0].half().numpy()
        if i % 25 == 24 or i + 1 == len(windows):
            log.info("teacher: window %d/%d, %.0f s", i + 1, size[0], time.monotonic() - start)
    return torch.cat(features), states


def distil(
    student: WhisperEncoder,
    features: torch.Tensor,
    states: np.ndarray,
    epochs: int,
    learning_rate: float,
    batch: int,
    seed: int,
) -> list[float]:
    """Train `student` so that a linear map of its states gives the teacher's.

    The loss is the mean squared error on teacher states standardised per dimension (some of
    Whisper's dimensions are a hundred times larger than the rest and would be all the loss).

    Returns:
        The mean loss of each epoch: the share of the teacher's variance that is not explained.
    """
    generator = torch.Generator().manual_seed(seed)
    sample = torch.from_numpy(np.asarray(states[:: max(len(states) // 64, 1)])).float()
    mean, std = sample.mean((0, 1)), sample.std((0, 1)).clamp(min=1e-3)
    to_teacher = nn.Linear(student.config.d_model, states.shape[-1])
    parameters = [
        *(p for p in student.parameters() if p.requires_grad),
        *to_teacher.parameters(),
    ]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01)
    steps = epochs * -(-len(states) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps, pct_start=0.15)
    losses = []
    start = time.monotonic()
    student.train()
    for epoch in range(epochs):
        total = 0.0
        for index in torch.randperm(len(states), generator=generator).split(batch):
            target = torch.from_numpy(np.asarray(states[index.numpy()])).float()
            loss = F.mse_loss(
                to_teacher(student(features[index]).last_hidden_state), (target - mean) / std
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(index)
        losses.append(total / len(states))
        log.info(
            "distil: epoch %d/%d, unexplained variance %.3f, %.0f s",
            epoch + 1,
            epochs,
            losses[-1],
            time.monotonic() - start,
        )
    student.eval()
    return losses


@torch.inference_mode()
def pooled_states(
    model: EmpathicInsightModel,
    audios: list[np.ndarray],
    extractor: WhisperFeatureExtractor,
    batch: int = 8,
) -> torch.Tensor:
    """`(clips, 4 * d_model)` statistics over the padded 30 s, exactly what the heads will see."""
    model.eval()
    pooled = []
    start = time.monotonic()
    for i in range(0, len(audios), batch):
        features = log_mel(audios[i : i + batch], extractor)
        pooled.append(pool(model.encoder(features).last_hidden_state))
        if i // batch % 50 == 49 or i + batch >= len(audios):
            done = min(i + batch, len(audios))
            log.info("pooled states: %d/%d, %.0f s", done, len(audios), time.monotonic() - start)
    return torch.cat(pooled)
