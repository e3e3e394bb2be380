"""EmpathicInsight-Voice: one Whisper encoder, all heads computed together (paper section 3.4)."""

import copy
import difflib
import inspect
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, PreTrainedModel
from transformers import initialization as init
from transformers.integrations.accelerate import load_offloaded_parameter
from transformers.models.whisper.modeling_whisper import WhisperEncoder
from transformers.utils import logging
from transformers.utils.generic import ModelOutput

from .adapters_empathic import adapter_of, add_adapter
from .checkpoint_empathic import read, stack_on_load, unstacked, without_bar
from .configuration_empathic import EmpathicInsightConfig, HeadError
from .plan_empathic import plan
from .saving_empathic import complete_card, write_checkpoint, write_code, write_config
from .source_empathic import Source
from .speech_encoder_empathic import SpeechEncoder
from .stacks_empathic import HeadStacks, StackedHeads, StackedLinear, loss_of, pool

__all__ = ["EmpathicInsightModel", "EmpathicInsightOutput", "StackedHeads", "pool"]


@dataclass
class EmpathicInsightOutput(ModelOutput):
    """What [`EmpathicInsightModel`] returns.

    Attributes:
        loss: Only with `labels`: mean absolute error over those that are not NaN, or the cross
            entropy of the configuration's `problem_type`.
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
    _warned_of_half = False

    def __init__(self, config: EmpathicInsightConfig):
        super().__init__(config)
        self.encoder = (
            SpeechEncoder(config.encoder, config.read_layers)
            if config.cut_to_speech
            else WhisperEncoder(config.encoder)
        )
        self.heads = HeadStacks(config)
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
            labels: `(batch, heads)` targets on each head's scale, NaN where unknown; or, by the
                configuration's `problem_type`, 0 and 1, or `(batch,)` positions of the right head.
            encoder_states: `(batch, 1500, d_model)` states computed before; the encoder is
                skipped. Give either these or `input_features`.
            output_projections: Also return the heads' first-layer outputs.
            output_last_hidden_state: Also return the encoder's states.
            output_hidden_states: Also return the states of every encoder layer; by default as
                the configuration says, and so the next two.
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
                "output_hidden_states": _first(
                    output_hidden_states, self.config.output_hidden_states or None
                ),
                "output_attentions": _first(
                    output_attentions, self.config.output_attentions or None
                ),
            }
            encoded = self.encoder(
                input_features.to(self.encoder.dtype),
                **{key: value for key, value in asked.items() if value is not None},
            )
            encoder_states = encoded.last_hidden_state
        assert encoder_states is not None
        logits, projections = self.heads(encoder_states)
        loss = None if labels is None else self._loss(logits, labels)
        output = EmpathicInsightOutput(
            loss=loss,
            logits=logits,
            projections=projections if output_projections else None,
            last_hidden_state=encoder_states if output_last_hidden_state else None,
            hidden_states=getattr(encoded, "hidden_states", None),
            attentions=getattr(encoded, "attentions", None),
        )
        return output if _first(return_dict, self.config.return_dict) else output.to_tuple()

    def get_input_embeddings(self) -> nn.Module:
        """The first convolution, as of every Whisper: quantisation and PEFT ask for it."""
        return self.encoder.conv1

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss of the configuration's `problem_type`."""
        if self.training and not self._warned_of_half:
            self._warned_of_half = True
            halves = {p.dtype for p in self.heads.parameters() if p.requires_grad}
            if halves & {torch.float16, torch.bfloat16}:
                warnings.warn(
                    f"heads in {halves.pop()} enter training: most steps are too small to move "
                    "them, and float16 ends in NaN; load with dtype=torch.float32",
                    stacklevel=3,
                )
        return loss_of(logits, labels, self.config.problem_type)

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
        weights, unless `ignore_mismatched_sizes=True` asks for new heads. And checkpoints hold one
        head a file, so that `heads` reads, and from the Hub downloads, only the encoder and what
        was asked for.

        Args:
            pretrained_model_name_or_path: Folder or Hub id; safetensors only. Of a PEFT adapter,
                its base model is loaded and the adapter put on it.
            *model_args: To the constructor.
            heads: Head names to load, in this order; default all. Any spelling that
                `taxonomy.resolve` knows.
            **kwargs: As in `PreTrainedModel.from_pretrained`. Names of `heads` or of `num_labels`
                and `id2label` that the checkpoint has no head of are new heads with
                `ignore_mismatched_sizes=True`, and an error without; after `id2label` the labels of
                training are positions (`problem_type` says otherwise).

        Raises:
            HeadError: A head is missing, extra, duplicated or of the wrong shape, or `heads`
                names one that the model does not have.
            OSError: No safetensors weights, or a file that is cut off.
            TypeError: A keyword that nothing takes; like a wrong `attn_implementation`, before
                weights are read.
            ValueError: `use_safetensors=False`, a variant, an unknown type.

        Example:
            >>> from modeling_empathic.scoring.loading import NANO
            >>> model = EmpathicInsightModel.from_pretrained(NANO, heads=["Anger", "Awe"])
            >>> model.config.head_names
            ['Anger', 'Awe']
        """
        if pretrained_model_name_or_path is None:  # the library's own way: config + state_dict
            return super().from_pretrained(None, *model_args, **kwargs)
        adapter = adapter_of(pretrained_model_name_or_path, kwargs)
        if adapter is not None:
            pretrained_model_name_or_path = adapter.base
        source = Source.pinned(pretrained_model_name_or_path, kwargs)
        commit = source.commit
        planned = plan(source, heads, kwargs)
        built = cls._check_buildable(planned.config, model_args, planned.kwargs)
        state_dict, kwargs = read(source, planned, built, _bar), planned.kwargs
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
                config=planned.config,
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
        if encoder and any(parameter.is_meta for parameter in model.encoder.parameters()):
            raise ValueError(
                "dtype='mixed' with an encoder that is offloaded: take another dtype, or a "
                "device_map that leaves the encoder in memory"
            )
        if encoder and getattr(model, "hf_quantizer", None) is None:
            # Of the library a model has one type; it has rounded the encoder to that of the heads.
            model.encoder.float().load_state_dict(encoder)
            model.config.encoder.dtype = torch.float32
        model.commit = commit
        model._code_source = source.lasting()
        model.name_or_path = model.config.name_or_path = str(pretrained_model_name_or_path)
        if adapter is not None:
            add_adapter(model, adapter)
        return (model, info) if wants_info else model

    @classmethod
    def _check_buildable(
        cls, config: EmpathicInsightConfig, model_args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, torch.Size]:
        """Shapes of the tensors; raises what the constructor would, before gigabytes are read."""
        # The library takes its keywords out by name, which so stand in its code.
        code = inspect.unwrap(PreTrainedModel.from_pretrained).__code__
        names = {name for const in code.co_consts for name in _strings(const)}
        unknown = sorted(set(kwargs) - names - set(code.co_varnames))
        if unknown and cls is EmpathicInsightModel:
            known = [*EmpathicInsightConfig.default_fields(), *code.co_varnames, *names]
            near = difflib.get_close_matches(unknown[0], [*known, "heads"], n=1)
            raise TypeError(
                f"from_pretrained got an unexpected keyword argument {unknown[0]!r}"
                + (f"; did you mean {near[0]!r}?" if near else "")
            )
        try:
            with torch.device("meta"):
                model = cls(copy.deepcopy(config), *model_args)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"config.json describes no model: {error!r:.200}") from error
        return {key: tensor.shape for key, tensor in model.state_dict().items()}

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
        state_dict = {  # from where a map of devices has left them
            name: load_offloaded_parameter(self, name) if tensor.is_meta else tensor
            for name, tensor in state_dict.items()
        }
        encoder = {
            key.removeprefix("encoder."): value
            for key, value in state_dict.items()
            if key.startswith("encoder.")
        }
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        write_code(folder, self._code_source)
        write_checkpoint(folder, self.config, encoder, unstacked(state_dict, self.config))
        types = [_float_of(part) for part in (self.heads, self.encoder)]
        write_config(folder, self.config, *types)
        if push_to_hub:
            self.push_to_hub(kwargs.pop("repo_id", folder.name), **kwargs)

    def _upload_modified_files(
        self, working_dir: str | os.PathLike[Any], *args: Any, **kwargs: Any
    ) -> Any:
        """The library's last step of every push; the card that it has made lacks what we know."""
        complete_card(Path(working_dir, "README.md"), self.config)
        return super()._upload_modified_files(working_dir, *args, **kwargs)


def _float_of(module: nn.Module) -> torch.dtype:
    return next(p.dtype for p in module.parameters() if p.is_floating_point())


def _bar(done: Iterable[Any], total: int) -> Iterable[Any]:
    bar: Iterable[Any] = logging.tqdm(done, total=total, desc="Reading weights", delay=2)
    return bar


def _strings(constant: Any) -> list[str]:
    parts = constant if isinstance(constant, tuple) else (constant,)
    return [part for part in parts if isinstance(part, str)]


def _first(given: bool | None, otherwise: bool | None) -> bool | None:
    return otherwise if given is None else given


if __name__.startswith("transformers_modules"):  # as remote code, without our package's register
    from transformers.pipelines import PIPELINE_REGISTRY

    from .pipeline_empathic import EmpathicInsightPipeline

    if "voice-emotion" not in PIPELINE_REGISTRY.get_supported_tasks():
        # For pipeline("voice-emotion", model=model), which looks for no code beside an object.
        PIPELINE_REGISTRY.register_pipeline(
            "voice-emotion",
            pipeline_class=EmpathicInsightPipeline,
            pt_model=AutoModel,
            type="audio",
        )
