"""What is to be read of a checkpoint, decided from its configuration and its index.

transformers is imported where it is needed only: `score` does without.
"""

import copy
import re
from dataclasses import dataclass
from typing import Any

import torch

from .heads_empathic import (
    HEAD_KINDS,
    LABEL_KEYS,
    HeadError,
    HeadLayout,
    canonical,
    label_names,
    problem_of,
)
from .source_empathic import HUB_KEYS, Source

# What Auto classes and older callers pass along and we have no use for.
_IGNORED_KEYS = (
    "_commit_hash",
    "_from_auto",
    "_from_pipeline",
    "code_revision",
    "trust_remote_code",
    "weights_only",
)
HEAD_TENSOR = re.compile(
    r"heads\.(?P<head>.+)\.(?P<key>proj\.(?:weight|bias|scale)|mlp\.\d+\.(?:weight|bias))"
)
"""Name of a head's tensor on disk."""


@dataclass
class Plan:
    """What is to be read of a checkpoint.

    Attributes:
        config: The configuration, of the heads that were asked for.
        new: Those of its heads that the checkpoint does not have.
        stored: The configuration of the checkpoint, with all of its heads.
        dtypes: Types of the heads and of the encoder.
        kwargs: The rest, for `PreTrainedModel.from_pretrained(None, ...)`.
    """

    config: Any
    new: set[str]
    stored: Any
    dtypes: tuple[torch.dtype, torch.dtype]
    kwargs: dict[str, Any]


def plan(source: Source, names: list[str] | None, kwargs: dict[str, Any]) -> Plan:
    """Decides from configuration and index, before a weight is read.

    Args:
        source: Where the checkpoint is.
        names: Heads to read, any spelling; `None` for all of the configuration.
        kwargs: Those of `from_pretrained`.

    Raises:
        HeadError: See [`EmpathicInsightModel.from_pretrained`].
        OSError: No weights in safetensors.
        ValueError: Another format, a weights variant or a type that this loader does not know.
    """
    from transformers import PreTrainedConfig

    from .configuration_empathic import EmpathicInsightConfig

    kwargs = {key: kwargs[key] for key in kwargs if key not in (*_IGNORED_KEYS, *HUB_KEYS)}
    if kwargs.pop("variant", None) is not None:
        raise ValueError("these checkpoints have no variants; use revision= or another folder")
    if kwargs.pop("use_safetensors", None) is False:
        raise ValueError("use_safetensors=False: pickles can run code, only safetensors are read")
    may_be_new = bool(kwargs.pop("ignore_mismatched_sizes", False))
    labels = {key: kwargs.pop(key) for key in LABEL_KEYS if key in kwargs}
    fields = EmpathicInsightConfig.default_fields()
    own = {key: kwargs.pop(key) for key in list(kwargs) if key in fields}
    stored = EmpathicInsightConfig.from_pretrained(source.path_or_id, **source.hub)
    config = copy.deepcopy(kwargs.pop("config", None))
    if not isinstance(config, PreTrainedConfig):  # remote code may come with a twin of our class
        origin = source.path_or_id if config is None else config
        config = EmpathicInsightConfig.from_pretrained(origin, **source.hub, **own)
    else:
        for key, value in own.items():  # an Auto class has read it, and not all of these
            setattr(config, key, value)
    if names is not None and may_be_new and not isinstance(names, str):
        known = stored.head_names
        names = [canonical(name) if canonical(name) in known else name for name in names]
        config = config.with_labels(names, labels.get("problem_type") or "regression")
    elif names is not None:
        config = config.subset(names)
    elif asked := label_names(labels):
        config = config.with_labels(asked, labels.get("problem_type"))
    elif labels.get("problem_type"):
        config.problem_type = problem_of(labels["problem_type"])
    if not config.heads:
        raise HeadError("the configuration has no heads")
    new = {name for name in config.head_names if name not in stored.head_names}
    if new and not may_be_new:
        raise HeadError(
            f"the checkpoint has no heads {', '.join(sorted(new)[:7])}: "
            "ignore_mismatched_sizes=True makes new, untrained ones; heads=[...] chooses among "
            f"its own, {', '.join(stored.head_names[:7])}, ..."
        )
    if new and config.is_int8("full"):
        raise HeadError("an int8 model takes no new heads: add them to the one it was made of")
    check_names(stored.head_names, heads_in(source.files, stored))
    if "attn_implementation" in kwargs:
        config._attn_implementation = kwargs.pop("attn_implementation")
    asked_type = kwargs.pop("dtype", None) or kwargs.pop("torch_dtype", None)
    dtypes = dtypes_of(asked_type, config)
    return Plan(config, new, stored, dtypes, {**kwargs, "dtype": dtypes[0]})


def check_names(expected: list[str], present: set[str]) -> None:
    """Raises a HeadError that names the heads missing from or foreign to a configuration."""
    missing = [name for name in expected if name not in present]
    extra = sorted(present - set(expected))
    if missing or extra:
        parts = [f"lack {', '.join(missing)}"] if missing else []
        parts += [f"hold {', '.join(extra)}, unknown to the configuration"] if extra else []
        raise HeadError(f"the weights {' and '.join(parts)}")


def heads_in(files: dict[str, str], config: HeadLayout) -> set[str]:
    """Names of the heads that a checkpoint has tensors of.

    Other writers (accelerate) save the stacks as they are in memory: `heads.full.proj.weight`.
    """
    heads = set()
    for key in files:
        match = HEAD_TENSOR.fullmatch(key)
        if match and match["head"] in HEAD_KINDS:
            heads |= {config.head_names[i] for i in config.heads_of_kind(match["head"])}
        elif match:
            heads.add(match["head"])
        elif not key.startswith("encoder."):
            raise HeadError(f"unknown tensor {key!r} in the weights")
    return heads


def dtypes_of(asked: Any, config: Any) -> tuple[torch.dtype, torch.dtype]:
    """The types to load heads and encoder in: as asked, else as stored, else float32."""
    if asked in (None, "auto"):
        asked = "mixed" if config.is_mixed else config.dtype or torch.float32
    if asked == "mixed":
        return torch.bfloat16, torch.float32
    dtype = getattr(torch, asked.removeprefix("torch."), None) if isinstance(asked, str) else asked
    if dtype not in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        raise ValueError(f"dtype {asked!r} is not auto, mixed, float32, bfloat16 or float16")
    return dtype, dtype
