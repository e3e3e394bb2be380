"""Configuration of EmpathicInsight-Voice: a Whisper encoder and an ordered list of heads."""

import copy
import dataclasses
import difflib
import warnings
from collections import Counter
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig, WhisperConfig

from .heads_empathic import (
    CHOOSES_CODE,
    DTYPES,
    HEAD_GROUPS,
    HEAD_KINDS,
    LABEL_KEYS,
    POOLINGS,
    QUANTIZATIONS,
    RESERVED_NAMES,
    HeadError,
    HeadLayout,
    canonical,
    checked_head,
    label_names,
    no_head,
    problem_of,
)

__all__ = [
    "DTYPES",
    "HEAD_GROUPS",
    "HEAD_KINDS",
    "POOLINGS",
    "RESERVED_NAMES",
    "EmpathicInsightConfig",
    "HeadError",
    "canonical",
]


# Keys that transformers itself puts into a config.json or passes along.
_LIBRARY_KEYS = {
    "_attn_implementation",
    "_commit_hash",
    "_from_auto",
    "_name_or_path",
    "attn_implementation",
    "auto_map",
    "custom_pipelines",
    "experts_implementation",
    "model_type",
    "name_or_path",
    "num_labels",
    "output_attentions",
    "tie_word_embeddings",
    "torch_dtype",
    "transformers_weights",
    "use_cache",
}
_MOST = {  # of what is built layer by layer, or allocated before a weight is seen
    "d_model": 16_384,
    "encoder_attention_heads": 1_024,
    "encoder_ffn_dim": 131_072,
    "encoder_layers": 256,
    "max_source_positions": 30_000,
    "num_mel_bins": 1_024,
}
_STORED = (*DTYPES[:3], "float64")  # types of a file
_MOST_HEADS, _MOST_WIDTH, _MOST_HIDDEN = 2_048, 16_384, 16
_OWN_KEYS = (
    "encoder_config",
    "heads",
    "projection_dim",
    "hidden_dims",
    "dropouts",
    "pooling",
    "cut_to_speech",
    "read_layers",
    "head_quantization",
)


@strict
class EmpathicInsightConfig(PreTrainedConfig, HeadLayout):
    """Everything that decides the shape of an [`EmpathicInsightModel`] (paper section 3.4 and A.2).

    A near-misspelling of one of the keys below is an error, since in a hand-edited `config.json` it
    would otherwise pass unseen; any other unknown key is kept, with a warning.

    Args:
        encoder_config: The Whisper encoder (`WhisperConfig` or its dict). Default: Whisper's own
            defaults; the release uses Whisper small (`d_model` 768, 1,500 positions of 20 ms).
        heads: The heads in output order, each `{"name", "kind", "scale", "group", "polarity"}`.
            `kind` is `"full"` (reads all encoder states, flattened: the paper's head) or
            `"pooled"` (reads their mean, minimum, maximum and standard deviation over time: the
            quality heads of the public "Plus" set). `scale` is the nominal range `[low, high]`:
            scores are regressions and may leave it. Only `name` is required; the rest defaults
            to a full emotion head on 0 to 4 (pooled with `cut_to_speech`), and a bare name is a
            head of that name.
        projection_dim: Width P of a head's first layer: 64 (Small) or 128 (Large).
        hidden_dims: Widths after it: `[64, 32, 16]` (Small) or `[128, 64, 32]` (Large).
        dropouts: Dropout before each of the layers that follow the projection, one more than
            `hidden_dims`.
        pooling: Statistics over time that pooled heads read: `"mean_min_max_std"`, those of the
            public release, `"mean_std"` or `"mean"`.
        cut_to_speech: Encode only the speech of each window, on one level, instead of all 30 s
            (see `speech_empathic.py`). For models with pooled heads only: Nano.
        read_layers: How many of the encoder's last layers heads read, side by side, with
            `cut_to_speech`: the layers in the middle tell voices apart best, each in its way.
        head_quantization: `"none"`, or `"int8"`: the first layers of full heads in whole numbers of
            eight bits, with a scale a unit (`emonet-voice convert --quantize int8`).
        problem_type: What `labels` are, which decides the loss: `"regression"` (default), numbers
            on each head's scale; `"single_label_classification"`, the position of the one head
            that is right; `"multi_label_classification"`, 0 or 1 for each head.

    Raises:
        HeadError: A head without a name, twice, of an unknown kind or group, with a name that
            score files use for something else, or with a scale that is not an increasing pair.
        ValueError: A misspelt key, sizes that do not fit together or that no encoder has.

    Example:
        >>> config = EmpathicInsightConfig(heads=[{"name": "Anger"}, {"name": "Awe"}])
        >>> config.head_names
        ['Anger', 'Awe']
        >>> config.heads[0]["kind"], config.heads[0]["scale"]
        ('full', [0.0, 4.0])
    """

    model_type = "empathic_insight"
    sub_configs = {"encoder_config": WhisperConfig}  # noqa: RUF012 - the library's own protocol

    encoder_config: dict[str, Any] | PreTrainedConfig | None = None
    heads: list[Any] | tuple[Any, ...] = ()
    projection_dim: int = 64
    hidden_dims: list[Any] | tuple[Any, ...] = (64, 32, 16)
    dropouts: list[Any] | tuple[Any, ...] = (0.0, 0.1, 0.1, 0.1)
    pooling: str = "mean_min_max_std"
    cut_to_speech: bool = False
    read_layers: int = 1
    head_quantization: str = "none"

    def __post_init__(self, **kwargs: Any) -> None:
        for key in sorted(set(kwargs) - _LIBRARY_KEYS):
            self._take_unknown(key, kwargs)
        if not isinstance(self.encoder_config, PreTrainedConfig):
            self.encoder_config = _encoder_config(self.encoder_config or {})
        if len(self.heads) > _MOST_HEADS:
            raise HeadError(f"{len(self.heads):,} heads; at most {_MOST_HEADS:,} are built")
        kind = "pooled" if self.cut_to_speech else "full"
        self.heads = [checked_head(spec, kind) for spec in self.heads]
        names = self.head_names
        twice = sorted(name for name, times in Counter(names).items() if times > 1)
        if twice:
            raise HeadError(f"heads named more than once: {', '.join(twice)}")
        try:
            self.hidden_dims = [int(width) for width in self.hidden_dims]
            self.dropouts = [float(rate) for rate in self.dropouts]
        except TypeError:
            raise ValueError(
                f"hidden_dims and dropouts are numbers, not {self.hidden_dims}, {self.dropouts}"
            ) from None
        if len(self.dropouts) != len(self.hidden_dims) + 1:
            raise ValueError(
                f"dropouts has {len(self.dropouts)} rates; hidden_dims of length "
                f"{len(self.hidden_dims)} need {len(self.hidden_dims) + 1}"
            )
        widths = [self.projection_dim, *self.hidden_dims]
        if not 1 <= min(widths) <= max(widths) <= _MOST_WIDTH or len(widths) > _MOST_HIDDEN:
            raise ValueError(
                f"projection_dim and hidden_dims must be 1 to {_MOST_WIDTH:,}, at most "
                f"{_MOST_HIDDEN} of them: {self.projection_dim}, {self.hidden_dims[:_MOST_HIDDEN]}"
            )
        if not all(0 <= rate < 1 for rate in self.dropouts):
            raise ValueError(f"dropouts must be 0 or more and below 1, not {self.dropouts}")
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling {self.pooling!r} is not one of {', '.join(POOLINGS)}")
        if self.head_quantization not in QUANTIZATIONS:
            raise ValueError(
                f"head_quantization {self.head_quantization!r} is not one of "
                f"{', '.join(QUANTIZATIONS)}"
            )
        if self.cut_to_speech and self.heads_of_kind("full"):
            raise ValueError("cut_to_speech is for pooled heads: full heads read all 30 s")
        if not 1 <= self.read_layers <= self.encoder.encoder_layers:
            raise ValueError(
                f"read_layers is {self.read_layers}; this encoder has 1 to "
                f"{self.encoder.encoder_layers} layers"
            )
        if self.read_layers > 1 and not self.cut_to_speech:
            raise ValueError("read_layers above 1 is for models with cut_to_speech")
        # Labels are the heads: whatever an edited file says, these two cannot disagree with them.
        self.id2label = dict(enumerate(names))
        self.label2id = {name: i for i, name in enumerate(names)}
        self.problem_type = problem_of(self.problem_type or "regression")
        kwargs.pop("num_labels", None)
        if not __name__.startswith("transformers_modules"):
            # With this package imported the pipeline is registered; transformers would otherwise
            # insist on running the repository's own copy of it.
            kwargs.pop("custom_pipelines", None)
        super().__post_init__(**kwargs)  # type: ignore[no-untyped-call]

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As in every configuration, but `heads=["Anger", ...]` asks for a subset.

        Auto classes treat keyword arguments that a configuration knows as new values for it;
        names of heads and labels are handed on to the model instead, which must see the whole
        list to tell a subset from a broken checkpoint, and so is `dtype="mixed"`, which is no type
        of torch. What in a file would choose the code that runs is dropped.

        Raises:
            ValueError: Another model's file, or a type that torch has not.
        """
        for key in CHOOSES_CODE:
            if config_dict.get(key) is not None:
                warnings.warn(
                    f"{key} {config_dict[key]!r:.80} of the configuration is not followed; give it "
                    "to from_pretrained if you want it",
                    stacklevel=2,
                )
        config_dict = {key: config_dict[key] for key in config_dict if key not in CHOOSES_CODE}
        _check_library_keys(config_dict, cls.model_type)
        if isinstance(encoder := config_dict.get("encoder_config"), dict):
            _check_library_keys(encoder, WhisperConfig.model_type)
        labels = {key: kwargs.pop(key) for key in LABEL_KEYS if key in kwargs}
        handed_on: dict[str, Any] = dict(labels)
        heads = kwargs.get("heads")
        if heads and all(isinstance(head, str) for head in heads):
            handed_on["heads"] = kwargs.pop("heads")
        if kwargs.get("dtype") == "mixed":
            handed_on["dtype"] = kwargs.pop("dtype")
        result = super().from_dict(config_dict, **kwargs)
        if isinstance(result, tuple):
            return result[0], {**result[1], **handed_on}
        if names := label_names(labels):
            return result.with_labels(names, labels.get("problem_type"))
        return result.subset(handed_on["heads"]) if "heads" in handed_on else result

    @classmethod
    def default_fields(cls) -> set[str]:
        """Names of the settings that a caller may override when loading."""
        fields = {field.name for field in dataclasses.fields(cls)}
        return fields - {"architectures", "dtype", "transformers_version", *LABEL_KEYS}

    def _take_unknown(self, key: str, kwargs: dict[str, Any]) -> None:
        """A key that is not ours: kept and warned about, refused if it is one of ours misspelt."""
        if near := difflib.get_close_matches(key, (*_OWN_KEYS, "problem_type"), 1, 0.8):
            raise ValueError(
                f"unknown configuration key {key!r}, did you mean {near[0]}? this model knows "
                f"{', '.join(_OWN_KEYS)}"
            )
        if key in CHOOSES_CODE:
            kept = "is not followed"
        elif hasattr(type(self), key) or not key.isidentifier() or key.startswith("__"):
            kept = "is dropped, it would hide something of the class"
        else:
            kept = "is kept, and changes nothing"
        warnings.warn(f"configuration key {key!r} is not of this model: it {kept}", stacklevel=4)
        if not kept.startswith("is kept"):
            kwargs.pop(key)

    @property
    def encoder(self) -> WhisperConfig:
        """The encoder's configuration."""
        assert isinstance(self.encoder_config, WhisperConfig)
        return self.encoder_config

    @property
    def is_mixed(self) -> bool:
        """Whether it is of heads in bfloat16 beside an encoder in float32."""
        types = [str(part.dtype).removeprefix("torch.") for part in (self, self.encoder)]
        return types == ["bfloat16", "float32"]

    def subset(self, names: list[str]) -> "EmpathicInsightConfig":
        """A copy with only the named heads (any spelling), in the order asked for.

        Raises:
            HeadError: A name that this model has no head for, or one named twice.
        """
        if isinstance(names, str):
            raise HeadError(f"heads is a list of names, not {names!r}")
        specs = {spec["name"]: spec for spec in self.heads}
        names = [name if name in specs else canonical(name) for name in names]
        for name in names:
            if name not in specs:
                error = HeadError(no_head(name, list(specs)))
                # Of a traceback only: the command line shows the message, and no Python.
                error.add_note(
                    "For new, untrained heads: from_pretrained(..., ignore_mismatched_sizes=True)"
                )
                raise error
        if len(set(names)) != len(names) or not names:
            raise HeadError(f"heads must be distinct and at least one, not {names}")
        return self._of([specs[name] for name in names])

    def with_labels(
        self, names: list[str], problem_type: str | None = None
    ) -> "EmpathicInsightConfig":
        """A copy with a head a name: this model's own where it has one of just that name.

        The others are new, of the kind of this model's first head, and have no weights yet. With
        `num_labels` and `id2label` of `from_pretrained` this is what classification asks for.

        Args:
            names: Of the heads, in this order.
            problem_type: What the labels are, if there are new heads; by default
                `"single_label_classification"`, as `num_labels` means elsewhere.

        Example:
            >>> config = EmpathicInsightConfig(heads=["Anger", "Awe"])
            >>> config.with_labels(["happy", "Awe"]).head_names
            ['happy', 'Awe']
        """
        specs = {spec["name"]: spec for spec in self.heads}
        kind = self.heads[0]["kind"] if self.heads else "full"
        new = {"kind": kind, "scale": [0.0, 1.0]}
        chosen = self._of(
            [specs.get(name) or checked_head({"name": name, **new}, kind) for name in names]
        )
        if len(set(names)) != len(names):
            raise HeadError(f"labels must be distinct, not {names}")
        if not set(names) <= set(specs):
            chosen.problem_type = problem_of(problem_type or "single_label_classification")
            if len(names) == 1 and chosen.problem_type == "single_label_classification":
                chosen.problem_type = "regression"  # one class among one is no question
        elif problem_type:
            chosen.problem_type = problem_of(problem_type)
        if chosen.problem_type != "regression":  # then scores are probabilities, of any head
            chosen.heads = [{**head, "scale": [0.0, 1.0]} for head in chosen.heads]
        return chosen

    def _of(self, heads: list[dict[str, Any]]) -> "EmpathicInsightConfig":
        """A copy with these heads."""
        chosen = copy.deepcopy(self)
        chosen.heads = heads
        chosen.id2label = dict(enumerate(chosen.head_names))
        chosen.label2id = {name: i for i, name in enumerate(chosen.head_names)}
        return chosen


def _check_library_keys(stored: dict[str, Any], model_type: str) -> None:
    """What transformers writes into a file and reads past: a wrong value would count unseen."""
    if (found := stored.get("model_type", model_type)) != model_type:
        raise ValueError(f"model_type is {found!r:.80}, and this model's is {model_type!r}")
    for key in ("dtype", "torch_dtype"):
        kind = stored.get(key) or "float32"
        name = kind if isinstance(kind, str) else str(kind).removeprefix("torch.")
        if name not in _STORED:
            raise ValueError(f"{key} is {stored[key]!r:.80}; choose from {', '.join(_STORED)}")
    names = [head["name"] if isinstance(head, dict) and "name" in head else head
             for head in stored.get("heads") or ()]  # fmt: skip
    labels = stored.get("id2label")
    if labels and names and list(labels.values()) != names:
        warnings.warn(
            "id2label of the configuration names other heads than `heads` does, in whose order "
            "scores come: it is not followed",
            stacklevel=3,
        )


def _encoder_config(settings: dict[str, Any]) -> WhisperConfig:
    """The encoder's configuration, of a size that can be built."""
    known = {field.name for field in dataclasses.fields(WhisperConfig)}
    known |= set(WhisperConfig.attribute_map)
    for key in sorted(set(settings) - known):  # for which the default would count, unseen
        if near := difflib.get_close_matches(key, [*_MOST, "activation_function"], 1, cutoff=0.85):
            raise ValueError(f"encoder_config: unknown key {key!r}, did you mean {near[0]}?")
    encoder = WhisperConfig(**{k: settings[k] for k in settings if k not in CHOOSES_CODE})
    for key, most in _MOST.items():
        if not 1 <= (size := getattr(encoder, key)) <= most:
            raise ValueError(f"encoder_config: {key} is {size}; 1 to {most:,} can be built")
    for key in ("dropout", "attention_dropout", "activation_dropout", "encoder_layerdrop"):
        if not 0 <= getattr(encoder, key) < 1:
            raise ValueError(
                f"encoder_config: {key} is {getattr(encoder, key)}, not 0 or more and below 1"
            )
    encoder.return_dict, encoder.output_hidden_states = True, False  # the model's decide
    if encoder.d_model % encoder.encoder_attention_heads:
        raise ValueError(
            f"encoder_config: d_model {encoder.d_model} is no multiple of the "
            f"{encoder.encoder_attention_heads} encoder_attention_heads"
        )
    return encoder
