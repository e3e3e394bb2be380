"""Nano's two training steps: distil an encoder, then fit 40 pooled heads on it.

Part of `train_nano.py`.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import gelu, mse_loss
from transformers import WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from modeling_empathic.modeling_empathic import EmpathicInsightModel, pool

log = logging.getLogger("train_nano")
SHORT_S = 3  # seconds of the windows that the encoder learns from
TARGET_LOSS = 0.5  # weight of the clips' targets beside the teacher's states
PRESENT_WEIGHT = 3.0  # added to the weight of a squared error whose target is above 0
INPUT_NOISE = 0.7  # of a standard deviation: another speaker is not exactly like the taught ones


def log_mel(
    audios: list[np.ndarray], extractor: WhisperFeatureExtractor, seconds: int = 30
) -> torch.Tensor:
    """`(clips, 80, 100 * seconds)` log-mel features, clips padded with digital silence or cut."""
    features: torch.Tensor = extractor(
        audios, sampling_rate=16_000, max_length=seconds * 16_000, return_tensors="pt"
    ).input_features
    return features


def encode_short(
    encoder: WhisperEncoder, features: torch.Tensor, layers: int | None = None, start: int = 0
) -> torch.Tensor:
    """States of features shorter than 30 s: `(clips, 80, 2 n)` to `(clips, n, d_model)`.

    `WhisperEncoder.forward` insists on 30 s, of which a 2 s clip would waste 28.

    Args:
        encoder: Teacher or student.
        features: Log-mel features.
        layers: How many layers; fewer than all leave out the final norm.
        start: Position that the clip is said to begin at (20 ms each).
    """
    states = gelu(encoder.conv2(gelu(encoder.conv1(features)))).transpose(1, 2)
    states = states + encoder.embed_positions.weight[start : start + states.shape[1]]
    for layer in encoder.layers[:layers]:
        states = layer(states, None)
        states = states[0] if isinstance(states, tuple) else states
    return states if layers else encoder.layer_norm(states)


@torch.inference_mode()
def cache_teacher(
    audios: list[np.ndarray],
    teacher: WhisperEncoder,
    layer: int,
    extractor: WhisperFeatureExtractor,
    file: Path,
) -> tuple[torch.Tensor, np.ndarray]:
    """Features and teacher states (after `layer` layers) of `SHORT_S` windows; states in `file`."""
    size = (len(audios), SHORT_S * 50, teacher.config.d_model)
    states = np.lib.format.open_memmap(file, "w+", np.float16, size)
    features = torch.empty(len(audios), 80, SHORT_S * 100, dtype=torch.float16)
    start = time.monotonic()
    for i in range(0, len(audios), 16):
        batch = log_mel(audios[i : i + 16], extractor, SHORT_S)
        features[i : i + 16] = batch.half()
        states[i : i + 16] = encode_short(teacher, batch, layer).half().numpy()
        if i // 16 % 50 == 49:
            log.info("teacher: clip %d/%d, %.0f s", i + 16, size[0], time.monotonic() - start)
    return features, states


def distil(
    student: WhisperEncoder,
    features: torch.Tensor,
    states: np.ndarray,
    targets: torch.Tensor,
    weights: torch.Tensor,
    steps: int,
    learning_rate: float,
    seed: int,
    batch: int = 16,
) -> dict[str, float]:
    """Train `student` on two tasks at once: the teacher's states and the clips' own targets.

    The first loss is the mean squared error of a linear map from student to teacher states, which
    are standardised per dimension (some of Whisper's are a hundred times larger than the rest and
    would be all the loss).  The second is that of a linear map from pooled student states to the
    40 targets.  Both maps are thrown away.

    Returns:
        Means over the last hundred steps: `unexplained_variance` of the teacher's states, and
        `squared_error` of the targets.
    """
    torch.manual_seed(seed)
    rescale(student)
    sample = torch.from_numpy(np.asarray(states[:: max(len(states) // 256, 1)])).float()
    mean, std = sample.mean((0, 1)), sample.std((0, 1)).clamp(min=1e-3)
    width = student.config.d_model
    to_teacher = nn.Linear(width, states.shape[-1])
    to_targets = nn.Sequential(
        nn.BatchNorm1d(4 * width, affine=False), nn.Dropout(0.3), nn.Linear(4 * width, 40)
    )
    parts = nn.ModuleList([student, to_teacher, to_targets])
    parameters = [p for p in parts.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps, pct_start=0.15)
    losses = []
    start = time.monotonic()
    parts.train()
    for step in range(steps):
        index = torch.multinomial(weights, batch, replacement=True)
        offset = int(torch.randint(0, student.config.max_source_positions - SHORT_S * 50, ()))
        seen = encode_short(student, features[index].float(), start=offset if step % 2 else 0)
        wanted = (torch.from_numpy(states[index.numpy()]).float() - mean) / std
        alike = mse_loss(to_teacher(seen), wanted)
        right = mse_loss(to_targets(pool(seen)), targets[index])
        optimizer.zero_grad()
        (alike + TARGET_LOSS * right).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        losses.append((alike.item(), right.item()))
        if step % 100 == 99 or step + 1 == steps:
            recent = np.mean(losses[-100:], axis=0)
            log.info(
                "distil: step %d/%d, unexplained variance %.3f, squared error %.3f, %.0f s",
                step + 1,
                steps,
                *recent,
                time.monotonic() - start,
            )
    parts.eval()
    recent = np.mean(losses[-100:], axis=0)
    return {
        "unexplained_variance": round(float(recent[0]), 4),
        "squared_error": round(float(recent[1]), 4),
    }


def rescale(encoder: WhisperEncoder) -> None:
    """Start from variance-preserving weights and a quiet position table.

    With Whisper's own initialisation (0.02 everywhere) a narrow encoder hears its position table
    a hundred times louder than the sound, and most of a short training goes into undoing that.
    """
    for module in encoder.modules():
        if isinstance(module, nn.Conv1d | nn.Linear):
            nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
    with torch.no_grad():
        encoder.embed_positions.weight *= 0.1


@torch.inference_mode()
def pooled_states(
    model: EmpathicInsightModel,
    audios: list[np.ndarray],
    extractor: WhisperFeatureExtractor,
    batch: int = 8,
) -> torch.Tensor:
    """`(clips, 4 * d_model)` statistics over the padded 30 s, exactly what the heads will see."""
    model.eval()  # type: ignore[no-untyped-call]
    pooled = []
    start = time.monotonic()
    for i in range(0, len(audios), batch):
        features = log_mel(audios[i : i + batch], extractor)
        pooled.append(pool(model.encoder(features).last_hidden_state))
        if i // batch % 50 == 49 or i + batch >= len(audios):
            done = min(i + batch, len(audios))
            log.info("pooled states: %d/%d, %.0f s", done, len(audios), time.monotonic() - start)
    return torch.cat(pooled)


def fit_heads(
    model: EmpathicInsightModel,
    pooled: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor,
    steps: int,
    learning_rate: float,
    weight_decay: float,
    seed: int,
    batch: int = 64,
) -> float:
    """Fit all pooled heads on frozen states by squared error; returns the last hundred's mean.

    Squared and not absolute error: 39 of 40 targets of a clip are 0, whose median answer is 0.

    The inputs are standardised for training and the standardisation is then folded into the first
    layer, so that the finished head reads raw statistics as every other head does.

    Args:
        model: Receives the heads; its encoder is not touched.
        pooled: `(clips, 4 * d_model)`.
        targets: `(clips, heads)`, 0-4.
        weights: `(clips,)`, how often a clip is drawn.
        steps: Batches to draw.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: Of AdamW.
        seed: Of drawing and dropout.
        batch: Clips in a step.
    """
    torch.manual_seed(seed)
    stack: Any = model.heads["pooled"]
    nn.init.normal_(stack.proj.weight, std=(2 / stack.proj.in_features) ** 0.5)
    nn.init.zeros_(stack.proj.bias)
    for layer in stack.mlp:
        nn.init.normal_(layer.weight, std=(2 / layer.weight.shape[-1]) ** 0.5)
        nn.init.zeros_(layer.bias)
    mean, std = pooled.mean(0), pooled.std(0).clamp(min=1e-2)
    inputs = (pooled - mean) / std
    optimizer = torch.optim.AdamW(stack.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps, pct_start=0.1)
    losses = []
    stack.train()
    for step in range(steps):
        index = torch.multinomial(weights, batch, replacement=True)
        noisy = inputs[index] + INPUT_NOISE * torch.randn(batch, inputs.shape[1])
        wanted = targets[index]
        # Most targets are 0; equal weights let rare emotions settle on a constant 0.
        loss = ((stack(noisy)[0] - wanted).square() * (1 + PRESENT_WEIGHT * (wanted > 0))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 500 == 499 or step + 1 == steps:
            log.info("heads: step %d/%d, squared error %.3f", step + 1, steps, losses[-1])
    stack.eval()
    with torch.no_grad():
        stack.proj.weight /= std
        stack.proj.bias -= stack.proj.weight @ mean
    return float(np.mean(losses[-100:]))
