"""EmpathicInsight-Voice: one Whisper encoder, all heads computed together (paper section 3.4)."""

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.models.whisper.modeling_whisper import WhisperEncoder
from transformers.utils.generic import ModelOutput

from .checkpoint_empathic import load_stacked, stack_on_load, unstacked, without_bar
from .configuration_empathic import EmpathicInsightConfig, HeadError
from .saving_empathic import write_checkpoint, write_code, write_config
from .source_empathic import Source
from .speech_empathic import SpeechEncoder


@dataclass
class EmpathicInsightOutput(ModelOutput):
    """What [`EmpathicInsightModel`] returns.

    Attributes:
        loss: Mean absolute error over the labels that are not NaN; only with `labels`.
        logits: `(batch, heads)` float32 scores, each on its head's native scale, unclamped.
        projections: `(batch, heads, projection_dim)` first-layer outputs, before the ReLU; only
            with `output_projections=True`.
        last_hidden_state: `(batch, positions, d_model)` encoder states; only with
            `output_last_hidden_state=True`.
        hidden_states: States of every encoder layer; only with `output_hidden_states=True`.
        attentions: Attention maps; only with `output_attentions=True` (needs eager attention).
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    projections: torch.Tensor | None = None
    last_hidden_state: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


class StackedLinear(nn.Module):
    """The same layer of every head, each with weights of its own."""

    def __init__(self, n_heads: int, n_in: int, n_out: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_heads, n_out, n_in))
        self.bias = nn.Parameter(torch.empty(n_heads, n_out))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """`(heads, batch, n_in)` to `(heads, batch, n_out)`."""
        # In float32: these layers cost nothing, and a bfloat16 score near 3 would move in steps
        # of 1/64.
        return torch.baddbmm(self.bias.float().unsqueeze(1), hidden, self.weight.float().mT)


class StackedHeads(nn.Module):
    """All heads of one kind as one module: one wide product, then grouped small layers.

    The first layer holds nearly all weights (73.7 of 73.7 million a Small head), so the heads'
    first layers are the rows of a single `nn.Linear`: one product for 40 heads instead of 40.
    """

    def __init__(self, config: EmpathicInsightConfig, kind: str):
        super().__init__()
        n_heads = len(config.heads_of_kind(kind))
        widths = [config.projection_dim, *config.hidden_dims, 1]
        self.n_heads = n_heads
        self.dropouts = list(config.dropouts)
        self.proj = nn.Linear(config.head_in_features(kind), n_heads * config.projection_dim)
        self.mlp = nn.ModuleList(
            StackedLinear(n_heads, n_in, n_out) for n_in, n_out in pairwise(widths)
        )

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`(batch, in_features)` to scores `(batch, heads)` and projections `(batch, heads, P)`."""
        # The encoder may be kept in a wider type than the heads, which hold nearly all weights.
        inputs = inputs.to(self.proj.bias.dtype)  # which quantisation leaves alone
        projections = self.proj(inputs).unflatten(-1, (self.n_heads, -1))
        hidden = projections.float().transpose(0, 1)
        for layer, rate in zip(self.mlp, self.dropouts, strict=True):
            hidden = layer(nn.functional.dropout(hidden.relu(), rate, self.training))
        return hidden.squeeze(-1).transpose(0, 1), projections


class EmpathicInsightModel(PreTrainedModel):
    """Whisper encoder and emotion heads (EmpathicInsight-Voice, arXiv 2506.09827, section 3.4).

    Example:
        >>> config = EmpathicInsightConfig(
        ...     encoder_config={"d_model": 8, "encoder_layers": 1, "encoder_attention_heads": 2,
        ...                     "encoder_ffn_dim": 16, "max_source_positions": 50},
        ...     heads=[{"name": "Anger"}, {"name": "Awe", "kind": "pooled"}])
        >>> model = EmpathicInsightModel(config).eval()
        >>> model(torch.zeros(3, 80, 100)).logits.shape
        torch.Size([3, 2])
    """

    config_class = EmpathicInsightConfig
    base_model_prefix = ""
    main_input_name = "input_features"
    input_modalities = ["audio"]  # noqa: RUF012 - the library's own protocol
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _no_split_modules = ["WhisperEncoderLayer", "StackedHeads"]  # noqa: RUF012

    config: EmpathicInsightConfig
    commit: str | None = None  # of the Hub repository that the weights came from
    accepts_loss_kwargs = False  # the Trainer, not the loss, divides by accumulation steps
    _code_source: Source | None = None

    def __init__(self, config: EmpathicInsightConfig):
        super().__init__(config)
        self.encoder = (
            SpeechEncoder(config.encoder, config.read_layers)
            if config.cut_to_speech
            else WhisperEncoder(config.encoder)
        )
        self.heads = nn.ModuleDict(
            {
                kind: StackedHeads(config, kind)
                for kind in ("full", "pooled")
                if config.heads_of_kind(kind)
            }
        )
        self.register_load_state_dict_pre_hook(stack_on_load)  # type: ignore[no-untyped-call]
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)  # type: ignore[no-untyped-call]
        # Only modules that hold parameters themselves get here: for classes from outside its own
        # package transformers passes over a module whose parameters all sit in its children.
        if isinstance(module, StackedLinear):
            init.normal_(module.weight, mean=0.0, std=(2 / module.weight.shape[-1]) ** 0.5)
            init.zeros_(module.bias)

    def forward(
        self,
        input_features: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        encoder_states: torch.Tensor | None = None,
        output_projections: bool = False,
        output_last_hidden_state: bool = False,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> EmpathicInsightOutput | tuple[torch.Tensor, ...]:
        """Scores a batch of 30 s windows.

        Args:
            input_features: `(batch, mel_bins, 3000)` log-mel features of the stock
                `WhisperFeatureExtractor`, padded to the encoder's window.
            labels: `(batch, heads)` targets on each head's scale; NaN where unknown.
            encoder_states: `(batch, 1500, d_model)` states computed before; the encoder is
                skipped. Give either these or `input_features`.
            output_projections: Also return the heads' first-layer outputs.
            output_last_hidden_state: Also return the encoder's states.
            output_hidden_states: Also return the states of every encoder layer.
            output_attentions: Also return attention maps (eager attention only).
            return_dict: `False` for a plain tuple.

        Returns:
            [`EmpathicInsightOutput`].

        Raises:
            ValueError: Both inputs or neither, features that do not fill the window, or labels
                of another shape than the scores.
        """
        if (input_features is None) == (encoder_states is None):
            raise ValueError("give either input_features or encoder_states")
        encoded = None
        if input_features is not None:
            asked = {
                "output_hidden_states": output_hidden_states,
                "output_attentions": output_attentions,
            }
            encoded = self.encoder(
                input_features.to(self.encoder.dtype),
                **{key: value for key, value in asked.items() if value is not None},
            )
            encoder_states = encoded.last_hidden_state
        assert encoder_states is not None
        logits, projections = self._score(encoder_states)
        loss = None
        if labels is not None:
            if labels.shape != logits.shape:
                raise ValueError(
                    f"labels have shape {tuple(labels.shape)}, the scores {tuple(logits.shape)}"
                )
            known = ~labels.isnan()
            errors = (logits - labels.to(logits).nan_to_num()).abs() * known
            loss = errors.sum() / known.sum().clamp(min=1)  # MAE (paper section 3.4)
        output = EmpathicInsightOutput(
            loss=loss,
            logits=logits,
            projections=projections if output_projections else None,
            last_hidden_state=encoder_states if output_last_hidden_state else None,
            hidden_states=getattr(encoded, "hidden_states", None),
            attentions=getattr(encoded, "attentions", None),
        )
        return output.to_tuple() if return_dict is False else output

    def _score(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores and projections of all heads in the order of the configuration."""
        scores, projections = [], []
        for kind, stack in self.heads.items():
            inputs = states.flatten(1) if kind == "full" else pool(states, self.config.pooling)
            kind_scores, kind_projections = stack(inputs)
            scores.append(kind_scores)
            projections.append(kind_projections)
        if len(scores) == 1:
            return scores[0], projections[0]
        stacked_order = [i for kind in self.heads for i in self.config.heads_of_kind(kind)]
        order = sorted(range(len(stacked_order)), key=stacked_order.__getitem__)
        return torch.cat(scores, 1)[:, order], torch.cat(projections, 1)[:, order]

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str] | None,
        *model_args: Any,
        heads: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Loads a model, or only some of its heads.

        Works as in every transformers model (`dtype`, `device_map`, `attn_implementation`,
        `revision`, `token`, ...), with three differences. `dtype="mixed"` keeps the encoder in
        float32 beside heads in bfloat16: half of the memory, float32's ranking of clips. Tensors
        that are missing, extra, duplicated or wrongly shaped raise instead of becoming random
        weights. And checkpoints hold one head a file, so that `heads` reads, and from the Hub
        downloads, only the encoder and what was asked for.

        Args:
            pretrained_model_name_or_path: Folder or Hub id; safetensors only.
            *model_args: To the constructor.
            heads: Head names to load, in this order; default all. Any spelling that
                `taxonomy.resolve` knows.
            **kwargs: As in `PreTrainedModel.from_pretrained`.

        Raises:
            HeadError: A head is missing, extra, duplicated or of the wrong shape, or `heads`
                names one that the model does not have.
            OSError: No safetensors weights, or a file that is cut off.

        Example:
            >>> from modeling_empathic.scoring.loading import NANO
            >>> model = EmpathicInsightModel.from_pretrained(NANO, heads=["Anger", "Awe"])
            >>> model.config.head_names
            ['Anger', 'Awe']
        """
        if pretrained_model_name_or_path is None:  # the library's own way: config + state_dict
            return super().from_pretrained(None, *model_args, **kwargs)
        source = Source.pinned(pretrained_model_name_or_path, kwargs)
        commit = source.commit
        stacked = load_stacked(source, heads, kwargs)
        state_dict, kwargs = stacked.state_dict, stacked.kwargs
        encoder = {
            key.removeprefix("encoder."): tensor
            for key, tensor in state_dict.items()
            if key.startswith("encoder.") and tensor.dtype != kwargs["dtype"]
        }
        wants_info = kwargs.pop("output_loading_info", False)
        with without_bar():
            loaded: Any = super().from_pretrained(
                None,
                *model_args,
                config=stacked.config,
                state_dict=state_dict,
                output_loading_info=True,
                **kwargs,
            )
        model, info = loaded
        for keys in (info["missing_keys"], info["unexpected_keys"]):
            if keys:  # the library only logs this, and leaves random weights behind
                raise OSError(
                    f"the weights of {pretrained_model_name_or_path} and its config.json differ in "
                    f"{', '.join(sorted(keys)[:3])}"
                )
        if encoder and getattr(model, "hf_quantizer", None) is None:
            # Of the library a model has one type; it has rounded the encoder to that of the heads.
            model.encoder.float().load_state_dict(encoder)
            model.config.encoder.dtype = torch.float32
        model.commit = commit
        model._code_source = source.lasting()
        model.name_or_path = model.config.name_or_path = str(pretrained_model_name_or_path)
        return (model, info) if wants_info else model

    def save_pretrained(  # type: ignore[override]
        self,
        save_directory: str | os.PathLike[str],
        is_main_process: bool = True,
        state_dict: dict[str, torch.Tensor] | None = None,
        push_to_hub: bool = False,
        max_shard_size: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        """Saves configuration, weights (one full head a shard) and the code to load them with.

        Args:
            save_directory: Folder to write, made if absent.
            is_main_process: `False` writes nothing (distributed training).
            state_dict: Weights to save instead of the model's own (as the Trainer passes them).
            push_to_hub: Also upload; `repo_id` and the rest of `kwargs` as in `push_to_hub`.
            max_shard_size: Ignored: shards are one head each, 0.6 GB at most in the release.
            **kwargs: For `push_to_hub`.

        Raises:
            HeadError: Weights that are not of this model, or not all of them.
            ValueError: A quantised model, which this layout cannot hold yet.
        """
        if getattr(self, "_hf_peft_config_loaded", False):  # then only the adapter is saved
            super().save_pretrained(
                save_directory, is_main_process, state_dict, push_to_hub, **kwargs
            )
            return
        if getattr(self, "hf_quantizer", None) is not None:
            raise ValueError("a quantised model cannot be saved; save it before quantising")
        if not is_main_process:
            return
        state_dict = state_dict or self.state_dict()
        differing = set(state_dict) ^ set(self.state_dict())
        if differing:
            raise HeadError(f"these weights are not the model's: {sorted(differing)[:3]}")
        encoder = {
            key.removeprefix("encoder."): value
            for key, value in state_dict.items()
            if key.startswith("encoder.")
        }
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        write_code(folder, self._code_source)
        write_checkpoint(folder, self.config, encoder, unstacked(state_dict, self.config))
        types = [next(part.parameters()).dtype for part in (self.heads, self.encoder)]
        write_config(folder, self.config, *types)
        if push_to_hub:
            self.push_to_hub(kwargs.pop("repo_id", folder.name), **kwargs)


def pool(states: torch.Tensor, pooling: str = "mean_min_max_std") -> torch.Tensor:
    """Statistics over time, as pooled heads read them.

    Args:
        states: `(batch, time, d_model)` encoder states: all of the window, padding included, or
            NaN where there is no speech (`cut_to_speech`).
        pooling: `"mean_min_max_std"`, which is the public release's, `"mean_std"` or `"mean"`.

    Returns:
        `(batch, 4 * d_model)` or `(batch, 2 * d_model)`; statistics in float32, then back to the
        input's type.

    Example:
        >>> pool(torch.tensor([[[1.0], [3.0], [torch.nan]]]))
        tensor([[2.0000, 1.0000, 3.0000, 1.4142]])
        >>> pool(torch.tensor([[[1.0], [3.0]]]), "mean_std")
        tensor([[2.0000, 1.4142]])
    """
    wide = states.float()
    speech = ~wide[..., :1].isnan()
    count = speech.sum(1)
    held = wide.where(speech, 0.0)
    mean = held.sum(1) / count
    squares = (held - mean.unsqueeze(1)).where(speech, 0.0).square().sum(1)
    of_each = {
        "mean": mean,
        "min": wide.where(speech, torch.inf).amin(1),
        "max": wide.where(speech, -torch.inf).amax(1),
        "std": (squares / (count - 1).clamp(min=1)).sqrt(),
    }
    return torch.cat([of_each[name] for name in pooling.split("_")], dim=-1).to(states.dtype)
