"""Configuration of EmpathicInsight-Voice: a Whisper encoder and an ordered list of heads."""

import copy
import dataclasses
import difflib
from itertools import pairwise
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig, WhisperConfig

from .taxonomy import UnknownNameError, UserError, resolve

HEAD_KINDS = ("full", "pooled")
HEAD_GROUPS = ("emotion", "attribute", "quality")
POOLINGS = {"mean_min_max_std": 4, "mean_std": 2, "mean": 1}  # statistics of each dimension
DTYPES = ("float32", "bfloat16", "float16", "mixed")
"""Types to store and to compute in; `mixed`: heads in bfloat16, the encoder in float32."""

# Keys that transformers itself puts into a config.json or passes along; anything else is a mistake.
_LIBRARY_KEYS = {
    "_attn_implementation",
    "_commit_hash",
    "_from_auto",
    "_name_or_path",
    "attn_implementation",
    "auto_map",
    "custom_pipelines",
    "model_type",
    "name_or_path",
    "num_labels",
    "output_attentions",
    "quantization_config",
    "tie_word_embeddings",
    "torch_dtype",
    "transformers_weights",
    "use_cache",
}


_OWN_KEYS = (
    "encoder_config",
    "heads",
    "projection_dim",
    "hidden_dims",
    "dropouts",
    "pooling",
    "cut_to_speech",
    "read_layers",
)


class HeadError(UserError):
    """A head that is missing, extra, duplicated, wrongly shaped or not what was asked for."""


@strict
class EmpathicInsightConfig(PreTrainedConfig):
    """Everything that decides the shape of an [`EmpathicInsightModel`] (paper section 3.4 and A.2).

    Unknown keys are errors: a misspelt key in a hand-edited `config.json` would otherwise pass
    unseen.

    Args:
        encoder_config: The Whisper encoder (`WhisperConfig` or its dict). Default: Whisper's own
            defaults; the release uses Whisper small (`d_model` 768, 1,500 positions of 20 ms).
        heads: The heads in output order, each `{"name", "kind", "scale", "group", "polarity"}`.
            `kind` is `"full"` (reads all encoder states, flattened: the paper's head) or
            `"pooled"` (reads their mean, minimum, maximum and standard deviation over time: the
            quality heads of the public "Plus" set). `scale` is the nominal range `[low, high]`:
            scores are regressions and may leave it. Only `name` is required; the rest defaults
            to a full emotion head on 0 to 4.
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

    Raises:
        HeadError: A head without a name, twice, of an unknown kind or group, or with a scale
            that is not an increasing pair.
        ValueError: Unknown keys, or widths that do not fit together.

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

    def __post_init__(self, **kwargs: Any) -> None:
        unknown = sorted(set(kwargs) - _LIBRARY_KEYS)
        if unknown:
            valid = ", ".join([*_OWN_KEYS])
            raise ValueError(f"unknown configuration keys {unknown}; this model knows {valid}")
        if not isinstance(self.encoder_config, PreTrainedConfig):
            self.encoder_config = WhisperConfig(**(self.encoder_config or {}))
        self.heads = [_checked_head(spec) for spec in self.heads]
        names = self.head_names
        twice = sorted({name for name in names if names.count(name) > 1})
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
        if min([self.projection_dim, *self.hidden_dims]) < 1:
            raise ValueError(f"widths must be positive: {self.projection_dim}, {self.hidden_dims}")
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling {self.pooling!r} is not one of {', '.join(POOLINGS)}")
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
        self.problem_type = "regression"
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
        names of heads are handed on to the model instead, which must see the whole list to tell
        a subset from a broken checkpoint, and so is `dtype="mixed"`, which is no type of torch.
        """
        handed_on: dict[str, Any] = {}
        heads = kwargs.get("heads")
        if heads and all(isinstance(head, str) for head in heads):
            handed_on["heads"] = kwargs.pop("heads")
        if kwargs.get("dtype") == "mixed":
            handed_on["dtype"] = kwargs.pop("dtype")
        result = super().from_dict(config_dict, **kwargs)
        if isinstance(result, tuple):
            return result[0], {**result[1], **handed_on}
        return result.subset(handed_on["heads"]) if "heads" in handed_on else result

    @classmethod
    def default_fields(cls) -> set[str]:
        """Names of the settings that a caller may override when loading."""
        fields = {field.name for field in dataclasses.fields(cls)}
        return fields - {"architectures", "dtype", "id2label", "label2id", "transformers_version"}

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

    @property
    def head_names(self) -> list[str]:
        """Names of the heads in output order."""
        return [spec["name"] for spec in self.heads]

    def heads_of_kind(self, kind: str) -> list[int]:
        """Output positions of the heads of one kind, in order."""
        return [i for i, spec in enumerate(self.heads) if spec["kind"] == kind]

    def head_in_features(self, kind: str) -> int:
        """Inputs of one head: 1500 * 768 for a full head of Whisper small, 4 * 768 for a pooled."""
        of_each = self.encoder.max_source_positions if kind == "full" else POOLINGS[self.pooling]
        return self.encoder.d_model * self.read_layers * of_each

    def head_shapes(self, kind: str) -> dict[str, tuple[int, ...]]:
        """Shapes of one head's tensors, by the name that follows `heads.<head>.` on disk."""
        widths = [self.projection_dim, *self.hidden_dims, 1]
        shapes: dict[str, tuple[int, ...]] = {
            "proj.weight": (self.projection_dim, self.head_in_features(kind)),
            "proj.bias": (self.projection_dim,),
        }
        for i, (n_in, n_out) in enumerate(pairwise(widths)):
            shapes[f"mlp.{i}.weight"] = (n_out, n_in)
            shapes[f"mlp.{i}.bias"] = (n_out,)
        return shapes

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
                near = difflib.get_close_matches(name, specs, n=3, cutoff=0) if specs else []
                raise HeadError(
                    f"no head named {name!r}; nearest of this model's {len(specs)}: "
                    f"{', '.join(near) or 'none'}"
                )
        if len(set(names)) != len(names) or not names:
            raise HeadError(f"heads must be distinct and at least one, not {names}")
        chosen = copy.deepcopy(self)
        chosen.heads = [specs[name] for name in names]
        chosen.id2label = dict(enumerate(names))
        chosen.label2id = {name: i for i, name in enumerate(names)}
        return chosen


def canonical(spelling: str) -> str:
    """Taxonomy name of a spelling; a converted model may hold heads from outside the taxonomy."""
    try:
        return resolve(spelling)
    except UnknownNameError:
        return spelling


def _checked_head(spec: Any) -> dict[str, Any]:
    """One head's spec with its defaults filled in, or a HeadError that says what is wrong."""
    if not isinstance(spec, dict) or not isinstance(spec.get("name"), str) or not spec["name"]:
        raise HeadError(f"a head is a dict with a name, not {spec!r}")
    defaults: dict[str, Any] = {
        "kind": "full",
        "scale": [0.0, 4.0],
        "group": "emotion",
        "polarity": "higher is stronger",
    }
    name = spec["name"]
    unknown = sorted(set(spec) - {"name", *defaults})
    if unknown:
        known = ", ".join(["name", *defaults])
        raise HeadError(f"head {name!r}: unknown keys {unknown}; known: {known}")
    head = {"name": name, **{key: spec.get(key, value) for key, value in defaults.items()}}
    if head["kind"] not in HEAD_KINDS:
        raise HeadError(f"head {name!r}: kind {head['kind']!r} is not one of {HEAD_KINDS}")
    if head["group"] not in HEAD_GROUPS:
        raise HeadError(f"head {name!r}: group {head['group']!r} is not one of {HEAD_GROUPS}")
    try:
        low, high = (float(bound) for bound in head["scale"])
    except (TypeError, ValueError):
        raise HeadError(f"head {name!r}: scale {head['scale']!r} is not [low, high]") from None
    if not low < high:
        raise HeadError(f"head {name!r}: scale {head['scale']!r} does not increase")
    head["scale"] = [low, high]
    return head
