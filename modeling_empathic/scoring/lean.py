"""A model as `score` needs it, read without transformers, whose import takes longer than a clip.

The same weights through the same operations, so the same scores to the bit. Only what is plainly
in order is read here: of any folder that is not, `read_lean` gives `None`, and the loader that
everybody uses reads it or says what is wrong with it.
"""

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import nn

from modeling_empathic.checkpoint_empathic import read
from modeling_empathic.frontend_empathic import check_front_end, window_s
from modeling_empathic.heads_empathic import (
    CHOOSES_CODE,
    DTYPES,
    POOLINGS,
    PROBLEM_TYPES,
    QUANTIZATIONS,
    HeadLayout,
    canonical,
    checked_head,
)
from modeling_empathic.plan_empathic import Plan, check_names, dtypes_of, heads_in
from modeling_empathic.source_empathic import Source
from modeling_empathic.speech_empathic import speech_states
from modeling_empathic.stacks_empathic import HeadStacks
from modeling_empathic.taxonomy import UserError

from .log_mel import LogMel

_OWN_KEYS = (
    *("heads", "encoder_config", "projection_dim", "hidden_dims", "dropouts", "pooling"),
    *("cut_to_speech", "read_layers", "head_quantization", "dtype", "problem_type"),
)
_LIBRARY_KEYS = (
    *("architectures", "auto_map", "custom_pipelines", "id2label", "label2id", "model_type"),
    *("transformers_version", "_name_or_path", "is_encoder_decoder", "return_dict"),
    *("output_hidden_states", "output_attentions", "chunk_size_feed_forward"),
)


_ENCODER_SIZES = (
    *("d_model", "encoder_attention_heads", "encoder_ffn_dim", "encoder_layers"),
    *("max_source_positions", "num_mel_bins"),
)
_UNUSUAL = (
    *(UserError, OSError, ValueError, RuntimeError, MemoryError),  # RecursionError is one of them
    *(TypeError, LookupError, AttributeError, ArithmeticError),  # of JSON that is none
)


class Encoded(NamedTuple):
    """What an encoder gives: `(batch, positions, d_model)`."""

    last_hidden_state: torch.Tensor


class Scored(NamedTuple):
    """What the model gives.

    Attributes:
        logits: `(batch, heads)`, on the heads' own scales.
        projections: `(batch, heads, projection_dim)`, if they were asked for.
    """

    logits: torch.Tensor
    projections: torch.Tensor | None = None


@dataclass
class LeanConfig(HeadLayout):
    """The settings of a `config.json` that scores depend on."""

    heads: list[dict[str, Any]]
    encoder: Any
    dtype: str
    projection_dim: int = 64
    hidden_dims: tuple[int, ...] = (64, 32, 16)
    dropouts: tuple[float, ...] = (0.0, 0.1, 0.1, 0.1)
    pooling: str = "mean_min_max_std"
    cut_to_speech: bool = False
    read_layers: int = 1
    head_quantization: str = "none"
    problem_type: str = "regression"
    _name_or_path: str = field(default="", repr=False)

    @property
    def is_mixed(self) -> bool:
        """Whether it is of heads in bfloat16 beside an encoder in float32."""
        return (self.dtype, self.encoder.dtype) == ("bfloat16", "float32")


class LeanEncoder(nn.Module):
    """Whisper's encoder (Radford et al., 2022), for scoring only.

    Args:
        config: Of the model; with `cut_to_speech` it reads the speech of each window alone.
    """

    def __init__(self, config: LeanConfig):
        super().__init__()
        self.config, self._model = config.encoder, config
        width = self.config.d_model
        self.conv1 = nn.Conv1d(self.config.num_mel_bins, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        # Of its own making it would draw random numbers, for which torch imports its compiler.
        positions = torch.empty(self.config.max_source_positions, width)
        self.embed_positions = nn.Embedding.from_pretrained(positions)
        self.layers = nn.ModuleList(_Layer(self.config) for _ in range(self.config.encoder_layers))
        self.layer_norm = nn.LayerNorm(width)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return self.conv1.weight.dtype

    def forward(self, input_features: torch.Tensor) -> Encoded:
        """`(batch, mel_bins, frames)` to states; of fewer frames than the window, fewer of them."""
        if self._model.cut_to_speech:
            return Encoded(speech_states(self, input_features, self._model.read_layers))
        gelu = nn.functional.gelu
        hidden = gelu(self.conv2(gelu(self.conv1(input_features)))).permute(0, 2, 1)
        hidden = hidden + self.embed_positions.weight[: hidden.shape[1]]
        for layer in self.layers:
            hidden = layer(hidden)
        return Encoded(self.layer_norm(hidden))


class _Layer(nn.Module):
    def __init__(self, config: Any):
        super().__init__()
        width = config.d_model
        self.self_attn = _Attention(width, config.encoder_attention_heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, config.encoder_ffn_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_dim, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, hidden: torch.Tensor, _: None = None) -> torch.Tensor:
        hidden = hidden + self.self_attn(self.self_attn_layer_norm(hidden))
        inner = nn.functional.gelu(self.fc1(self.final_layer_norm(hidden)))
        hidden = hidden + self.fc2(inner)
        if hidden.dtype == torch.float16:
            most = torch.finfo(torch.float16).max - 1000
            hidden = hidden.clamp(-most, most)
        return hidden


class _Attention(nn.Module):
    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads, self.scaling = n_heads, (width // n_heads) ** -0.5
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        query, key, value = (
            part.unflatten(-1, (self.n_heads, -1)).transpose(1, 2).contiguous()
            for part in (
                self.q_proj(hidden) * self.scaling,
                self.k_proj(hidden),
                self.v_proj(hidden),
            )
        )
        heard = nn.functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        states: torch.Tensor = self.out_proj(heard.transpose(1, 2).contiguous().flatten(2))
        return states


class LeanModel(nn.Module):
    """Encoder and heads, for `scoring` only; `EmpathicInsightModel` is for everything else.

    Args:
        config: Of the model.
    """

    commit: str | None = None

    def __init__(self, config: LeanConfig):
        super().__init__()
        self.config = config
        self.encoder: Any = LeanEncoder(config)
        self.heads = HeadStacks(config)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the encoder's weights."""
        dtype: torch.dtype = self.encoder.dtype
        return dtype

    @property
    def device(self) -> torch.device:
        """A CPU: this is for a quick start."""
        return torch.device("cpu")

    def forward(
        self,
        input_features: torch.Tensor | None = None,
        encoder_states: torch.Tensor | None = None,
        output_projections: bool = False,
    ) -> Scored:
        """Scores of a batch of windows, of their features or of their encoder states."""
        if encoder_states is None:
            assert input_features is not None
            encoder_states = self.encoder(input_features.to(self.encoder.dtype)).last_hidden_state
        logits, projections = self.heads(encoder_states)
        return Scored(logits, projections if output_projections else None)


def read_lean(
    folder: Path, stored: LeanConfig, names: list[str], dtype: str
) -> tuple[LeanModel, LogMel] | None:
    """Reads the model of a folder for scoring on a CPU.

    Args:
        folder: With `preprocessor_config.json` and weights in safetensors.
        stored: Of [`read_config`].
        names: Of the heads to load, in any spelling; empty for all.
        dtype: One of `heads_empathic.DTYPES`.

    Returns:
        The model and its front end, or `None` where anything is not as this package writes it.
    """
    if (folder / "processor_config.json").exists():  # which comes first for transformers
        return None
    try:
        settings = json.loads((folder / "preprocessor_config.json").read_text("utf-8"))
        check_front_end(settings, stored)
        config = copy.copy(stored)
        if names:
            by_name = {spec["name"]: spec for spec in stored.heads}
            config.heads = [by_name[canonical(name)] for name in names]
        with torch.device("meta"):
            model = LeanModel(config).eval()
        shapes = {key: value.shape for key, value in model.state_dict().items()}
        source = Source(str(folder))
        check_names(stored.head_names, heads_in(source.files, stored))
        planned = Plan(config, set(), stored, dtypes_of(dtype, config), {})
        model.load_state_dict(read(source, planned, shapes), assign=True)
    except _UNUSUAL:
        return None
    return model.requires_grad_(False), LogMel(config.encoder.num_mel_bins, int(window_s(config)))


def read_config(folder: Path) -> LeanConfig | None:
    """The configuration of a folder, or `None` where it is not as this package writes it."""
    try:
        return _config(folder)
    except _UNUSUAL:
        return None


def _config(folder: Path) -> LeanConfig:
    """The configuration of a folder; one of `_UNUSUAL` where it is."""
    settings = json.loads((folder / "config.json").read_text("utf-8"))
    unknown = set(settings) - {*_OWN_KEYS, *_LIBRARY_KEYS}
    if settings["model_type"] != "empathic_insight" or unknown:
        raise ValueError(f"unusual settings: {unknown}")
    encoder = SimpleNamespace(**settings["encoder_config"])
    rates = ("dropout", "attention_dropout", "activation_dropout", "encoder_layerdrop")
    cut = settings.get("cut_to_speech", False)
    own = {key: settings[key] for key in _OWN_KEYS if key in settings}
    del own["encoder_config"]
    own["heads"] = [checked_head(spec, "pooled" if cut else "full") for spec in own["heads"]]
    config = LeanConfig(encoder=encoder, _name_or_path=str(folder), **own)
    names = config.head_names
    sizes = [*(getattr(encoder, key) for key in _ENCODER_SIZES), config.read_layers]
    sizes += [config.projection_dim, *config.hidden_dims]
    usual = (
        all(type(size) is int and size >= 1 for size in sizes),  # True is none, nor is 4.0
        type(config.cut_to_speech) is bool,
        {config.dtype, getattr(encoder, "dtype", None) or config.dtype} <= {*DTYPES[:3]},
        getattr(encoder, "model_type", "whisper") == "whisper",
        config.problem_type in PROBLEM_TYPES,
        encoder.activation_function == "gelu",
        encoder.d_model % encoder.encoder_attention_heads == 0,
        len(set(names)) == len(names) > 0,
        list((settings.get("id2label") or dict(enumerate(names))).values()) == names,
        len(config.dropouts) == len(config.hidden_dims) + 1,
        config.pooling in POOLINGS,
        config.head_quantization in QUANTIZATIONS,
        not (cut and config.heads_of_kind("full")),
        config.read_layers == 1 or (cut and 1 <= config.read_layers <= encoder.encoder_layers),
        all(0 <= rate < 1 for rate in config.dropouts),
        all(0 <= getattr(encoder, rate, 0) < 1 for rate in rates),
        not any(getattr(encoder, key, None) for key in CHOOSES_CODE),
        window_s(config) == int(window_s(config)),
        1 <= encoder.encoder_layers <= 256,
        max(len(config.hidden_dims), len(names)) <= 2_048,
    )
    if not all(usual):
        raise ValueError("unusual settings")
    return config
