"""Nano's training: heads are fitted on the first layers of a real Whisper, which stay as they are.

Part of `train_nano.py`.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import WhisperConfig, WhisperFeatureExtractor

from modeling_empathic.configuration_empathic import EmpathicInsightConfig
from modeling_empathic.modeling_empathic import EmpathicInsightModel, pool
from modeling_empathic.taxonomy import EMODB_CLASSES, EMOTION_NAMES

log = logging.getLogger("train_nano")
CLASSES = tuple(sorted(EMODB_CLASSES))
MEMBERS = [[EMOTION_NAMES.index(name) for name in EMODB_CLASSES[c]] for c in CLASSES]


@dataclass(frozen=True)
class Recipe:
    """Every number that decides what Nano becomes."""

    seed: int = 0
    encoder_layers: int = 2
    projection_dim: int = 4
    shared_dim: int = 64  # what the heads share: all read this many sums of the statistics
    emodb_views: int = 10  # variations of each EmoDB clip
    acted_per_emotion: int = 30
    acted_views: int = 2
    acted_test_per_emotion: int = 8
    no_speech_clips: int = 200
    mildest: float = 0.4  # of the way from a speaker's neutral voice to what was acted
    input_noise: float = 0.7  # of a standard deviation: another speaker is never quite like these
    members: int = 2  # trained from different seeds, and averaged
    steps: int = 2500
    learning_rate: float = 2e-3
    weight_decay: float = 0.3


def new_model(encoder_folder: Path, recipe: Recipe) -> EmpathicInsightModel:
    """Nano: the first layers of a real Whisper encoder, and 40 pooled heads without weights yet.

    Args:
        encoder_folder: A Whisper checkpoint with `config.json` and safetensors.
        recipe: Of which `encoder_layers` and `projection_dim` count here.
    """
    known = json.loads((encoder_folder / "config.json").read_text(encoding="utf-8"))
    keys = ("d_model", "encoder_attention_heads", "encoder_ffn_dim", "num_mel_bins")
    encoder = WhisperConfig(
        **{key: known[key] for key in (*keys, "max_source_positions")},
        encoder_layers=recipe.encoder_layers,
        decoder_layers=0,
        vocab_size=8,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=0,
    )
    config = EmpathicInsightConfig(
        encoder_config=encoder,
        heads=[{"name": name, "kind": "pooled"} for name in EMOTION_NAMES],
        projection_dim=recipe.projection_dim * recipe.members,
        hidden_dims=[],
        dropouts=[0.0],
        pooling="mean_std",
        cut_to_speech=True,
    )
    model: EmpathicInsightModel = EmpathicInsightModel(config).train(False)
    weights: dict[str, torch.Tensor] = {}
    for file in sorted(encoder_folder.glob("*.safetensors")):
        for key, tensor in load_file(file).items():
            name = key.removeprefix("model.").removeprefix("encoder.")
            if name in model.encoder.state_dict() and "decoder" not in key:
                weights[name] = tensor.float()
    model.encoder.load_state_dict(weights)
    return model


@torch.inference_mode()
def statistics(model: EmpathicInsightModel, audios: list[np.ndarray], what: str) -> torch.Tensor:
    """`(clips, 2 * d_model)`: what the heads read of each clip, each a window of its own length."""
    extractor = WhisperFeatureExtractor(feature_size=model.config.encoder.num_mel_bins)
    rows, start = [], time.monotonic()
    for i, audio in enumerate(audios, start=1):
        features = extractor(audio, sampling_rate=16_000, padding="do_not_pad", return_tensors="pt")
        states = model.encoder(features.input_features).last_hidden_state
        rows.append(pool(states, model.config.pooling))
        if i % 500 == 0 or i == len(audios):
            log.info("%s: clip %d/%d, %.0f s", what, i, len(audios), time.monotonic() - start)
    return torch.cat(rows)


class _Heads(nn.Module):
    """40 heads over a shared linear bottleneck, which folds into their first layers."""

    def __init__(self, n_in: int, recipe: Recipe):
        super().__init__()
        self.width = recipe.projection_dim
        self.shared = nn.Linear(n_in, recipe.shared_dim)
        self.proj = nn.Linear(recipe.shared_dim, len(EMOTION_NAMES) * self.width)
        self.out = nn.Parameter(torch.randn(len(EMOTION_NAMES), self.width) * self.width**-0.5)
        self.bias = nn.Parameter(torch.zeros(len(EMOTION_NAMES)))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """`(batch, n_in)` to `(batch, 40)`."""
        shared = nn.functional.dropout(self.shared(inputs), 0.3, self.training)
        hidden = self.proj(shared).relu().unflatten(1, (len(EMOTION_NAMES), self.width))
        scores: torch.Tensor = (hidden * self.out).sum(-1) + self.bias
        return scores


@dataclass(frozen=True)
class Taught:
    """What the heads learn from: `(clips, n)` statistics, 40 targets each, and of EmoDB the class.

    Attributes:
        inputs: `(clips, 2 * d_model)`.
        targets: `(clips, 40)`, 0 to 4.
        classes: `(clips,)` index in `CLASSES`; -1 for what is not of EmoDB.
        neutral: `(clips, 2 * d_model)` mean of the speaker's neutral clips; the clip's own
            statistics where there is none.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    classes: torch.Tensor
    neutral: torch.Tensor


def fit_heads(model: EmpathicInsightModel, taught: Taught, recipe: Recipe) -> None:
    """Fits the pooled heads and writes them into the model, standardisation folded in.

    Half of a batch is EmoDB: its class must win by Table 11's rule (cross-entropy over the largest
    score of each class) and its scores be near their targets. Actors overdo it, and a boundary
    between neutral and emotional that was drawn at their shouting calls milder speech neutral: so
    a clip is moved a random part of the way towards its speaker's neutral voice, and is still of
    its class. The other half are acted clips of all 40 and what is no speech.
    """
    mean = taught.inputs.mean(0)
    scale = taught.inputs.std(0).clamp(min=1e-2)
    members = [
        _fit(taught, mean, scale, recipe, recipe.seed * 1000 + k) for k in range(recipe.members)
    ]
    _write(model, members, mean, scale)


def _fit(
    taught: Taught, mean: torch.Tensor, scale: torch.Tensor, recipe: Recipe, seed: int
) -> _Heads:
    torch.manual_seed(seed)
    heads = _Heads(taught.inputs.shape[1], recipe)
    optimizer = torch.optim.AdamW(
        heads.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, recipe.steps)
    real = torch.nonzero(taught.classes >= 0)[:, 0]
    other = torch.nonzero(taught.classes < 0)[:, 0]
    counts = torch.bincount(taught.classes[real], minlength=len(CLASSES)).clamp(min=1)
    weights = 1.0 / counts[taught.classes[real]]
    half = 64
    heads.train()
    for step in range(recipe.steps):
        inputs, targets = [], []
        if len(real):
            index = real[torch.multinomial(weights, half, replacement=True)]
            part = torch.empty(half, 1).uniform_(recipe.mildest, 1.0)
            part[taught.classes[index] == CLASSES.index("neutral")] = 1.0
            neutral = taught.neutral[index]
            inputs.append(neutral + part * (taught.inputs[index] - neutral))
            targets.append(taught.targets[index] * part.clamp(min=0.5))
        drawn = other[torch.randint(len(other), (half,))]
        inputs.append(taught.inputs[drawn])
        targets.append(taught.targets[drawn])
        standard = (torch.cat(inputs) - mean) / scale
        scores = heads(standard + recipe.input_noise * torch.randn_like(standard))
        wanted = torch.cat(targets)
        # Nearly all targets are 0; equal weights let rare emotions settle on a constant 0.
        loss = ((scores - wanted).square() * (1 + 4 * (wanted > 0))).mean()
        if len(real):
            best = torch.stack([scores[:half, m].amax(1) for m in MEMBERS], 1)
            loss = 1.5 * loss + nn.functional.cross_entropy(best, taught.classes[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 199 or step + 1 == recipe.steps:
            log.info("heads, seed %d: step %d/%d, loss %.3f", seed, step + 1, recipe.steps, loss)
    return heads.eval()


@torch.no_grad()
def _write(
    model: EmpathicInsightModel, members: list[_Heads], mean: torch.Tensor, scale: torch.Tensor
) -> None:
    """The average of the members as one head each, on raw statistics and rounded to float16.

    Rounded here, before anything is measured: what float16 on disk holds is then exactly this.
    """
    stack: Any = model.heads["pooled"]
    n = len(EMOTION_NAMES)
    rows, offsets = [], []
    for member in members:
        first, second = member.shared, member.proj
        weight = second.weight @ first.weight / scale
        offset = second.weight @ first.bias + second.bias - weight @ mean
        rows.append(weight.unflatten(0, (n, member.width)))
        offsets.append(offset.unflatten(0, (n, member.width)))
    stack.proj.weight.copy_(torch.cat(rows, 1).flatten(0, 1))
    stack.proj.bias.copy_(torch.cat(offsets, 1).flatten())
    out = torch.cat([member.out for member in members], 1) / len(members)
    stack.mlp[0].weight.copy_(out[:, None])
    stack.mlp[0].bias.copy_(torch.stack([member.bias for member in members]).mean(0)[:, None])
    for parameter in stack.parameters():
        parameter.copy_(parameter.half().float())
