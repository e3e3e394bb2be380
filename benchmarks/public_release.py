"""Makes folders that look like the public release, with random weights, and scores them its way.

The public recipe is reimplemented here from its description (one module a head, loaded one after
the other, called one clip and one head at a time), so that speed and parity have something to be
measured against.
"""

from pathlib import Path

import torch
from torch import nn

SIZES = {"small": (64, (64, 32, 16)), "large": (128, (128, 64, 32))}
STATES = 1500 * 768
POOLED = 4 * 768


class PublicHead(nn.Module):
    """A head as the public release defines it; `n_in` is 1,152,000 (full) or 3,072 (pooled)."""

    def __init__(self, n_in: int = STATES, size: str = "small"):
        super().__init__()
        width, (h1, h2, h3) = SIZES[size]
        self.proj = nn.Linear(n_in, width)
        self.mlp = nn.Sequential(
            nn.ReLU(), nn.Dropout(0.0), nn.Linear(width, h1),
            nn.ReLU(), nn.Dropout(0.1), nn.Linear(h1, h2),
            nn.ReLU(), nn.Dropout(0.1), nn.Linear(h2, h3),
            nn.ReLU(), nn.Dropout(0.1), nn.Linear(h3, 1),
        )  # fmt: skip

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`(batch, 1500, 768)` encoder states to `(batch, 1)` scores."""
        inputs = states.flatten(1)
        if self.proj.in_features != STATES:
            wide = states.float()
            pooled = torch.cat([wide.mean(1), wide.amin(1), wide.amax(1), wide.std(1)], dim=-1)
            inputs = pooled.to(states.dtype)
        scores: torch.Tensor = self.mlp(self.proj(inputs))
        return scores


def random_head(n_in: int, size: str, seed: int) -> dict[str, torch.Tensor]:
    """State dict of one head with random weights whose scores spread over a few units.

    First-layer weights have the size that keeps each layer's outputs near unit variance; with
    torch's own initialisation the scores of random heads would hardly differ between clips.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in PublicHead(n_in, size).state_dict().items()}
    state = {}
    for key, shape in shapes.items():
        fan_in = shape[-1] if key.endswith("weight") else 1
        scale = (2.0 / fan_in) ** 0.5 if key.endswith("weight") else 0.01
        # 4,096 columns drawn and repeated with random signs would be faster, but would also let
        # errors cancel that real heads have: draw every weight.
        state[key] = torch.empty(shape).normal_(generator=generator).mul_(scale)
    return state


def write_release(
    folder: Path, stems: list[str], size: str = "small", pooled: tuple[str, ...] = ()
) -> None:
    """Writes `model_<stem>_best.pth` files, every third with the `_orig_mod.` that some have."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, stem in enumerate(stems):
        path = folder / f"model_{stem}_best.pth"
        if path.exists():
            continue
        state = random_head(POOLED if stem in pooled else STATES, size, seed=number)
        if number % 3 == 1:
            state = {f"_orig_mod.{key}": value for key, value in state.items()}
        temporary = path.with_suffix(".writing")
        torch.save(state, temporary)
        temporary.rename(path)


def write_whisper(folder: Path, seed: int = 0) -> None:
    """Writes a Whisper small with random weights, as `laion/BUD-E-Whisper` is stored."""
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    if (folder / "model.safetensors").exists():
        return
    torch.manual_seed(seed)
    config = WhisperConfig(
        d_model=768,
        encoder_layers=12,
        decoder_layers=12,
        encoder_attention_heads=12,
        decoder_attention_heads=12,
        encoder_ffn_dim=3072,
        decoder_ffn_dim=3072,
    )
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)


def load_public_head(path: Path, size: str = "small") -> PublicHead:
    """One head as users load it today."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = {key.removeprefix("_orig_mod."): value for key, value in state.items()}
    head = PublicHead(state["proj.weight"].shape[1], size)
    head.load_state_dict(state)
    return head.eval()
