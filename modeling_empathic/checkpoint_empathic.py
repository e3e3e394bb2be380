"""Reads checkpoints: one head a file on disk, one stack of heads in memory.

On disk every tensor carries its head's name (`heads.Anger.proj.weight`), and every full head is a
shard of its own: `heads=["Anger"]` reads (and downloads) 295 MB instead of 11.8 GB, and a missing
head can be named. In memory the heads' first layers are one matrix, because one wide product is
what the hardware is good at. `benchmarks/README.md` has the measurements behind this choice.
"""

import copy
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedConfig
from transformers.utils import logging

from .configuration_empathic import EmpathicInsightConfig, HeadError
from .mapping_empathic import map_rows
from .source_empathic import HUB_KEYS, Source

# What Auto classes and older callers pass along and we have no use for: safetensors is the only
# format, and it executes nothing.
_IGNORED_KEYS = (
    "_commit_hash",
    "_from_auto",
    "_from_pipeline",
    "code_revision",
    "trust_remote_code",
    "use_safetensors",
    "weights_only",
)
_HEAD_TENSOR = re.compile(r"heads\.(?P<head>.+)\.(?P<key>(?:proj|mlp\.\d+)\.(?:weight|bias))")
_COPIERS = 4  # files read at once: first touch of new memory is what takes the time


@dataclass
class Stacked:
    """What was read of a checkpoint.

    Attributes:
        config: The configuration, of the heads that were asked for.
        state_dict: The tensors that a model of it has, on the target device in the target type.
        kwargs: The rest, for `PreTrainedModel.from_pretrained(None, ...)`.
    """

    config: EmpathicInsightConfig
    state_dict: dict[str, torch.Tensor]
    kwargs: dict[str, Any]


def load_stacked(source: Source, names: list[str] | None, kwargs: dict[str, Any]) -> Stacked:
    """Reads a checkpoint into the tensors that a model with the asked-for heads has.

    Args:
        source: Where it is.
        names: Heads to read, any spelling; `None` for all of the configuration.
        kwargs: Those of `from_pretrained`.

    Raises:
        HeadError: See [`EmpathicInsightModel.from_pretrained`].
        OSError: No weights in safetensors, or a file that cannot be read to its end.
        ValueError: A weights variant or an adapter, which this loader does not know.
    """
    kwargs = {key: kwargs[key] for key in kwargs if key not in (*_IGNORED_KEYS, *HUB_KEYS)}
    if kwargs.pop("variant", None) is not None:
        raise ValueError("these checkpoints have no variants; use revision= or another folder")
    if (kwargs.pop("adapter_kwargs", None) or {}).get("_adapter_model_path"):
        raise ValueError("load the base model, then model.load_adapter(...)")
    fields = EmpathicInsightConfig.default_fields()
    own = {key: kwargs.pop(key) for key in list(kwargs) if key in fields}
    stored = EmpathicInsightConfig.from_pretrained(source.path_or_id, **source.hub)
    config = copy.deepcopy(kwargs.pop("config", None))
    if not isinstance(config, PreTrainedConfig):  # remote code may come with a twin of our class
        origin = source.path_or_id if config is None else config
        config = EmpathicInsightConfig.from_pretrained(origin, **source.hub, **own)
    check_names(stored.head_names, _heads_in(source.files))
    config = config.subset(config.head_names if names is None else names)
    if "attn_implementation" in kwargs:
        config._attn_implementation = kwargs.pop("attn_implementation")
    asked = kwargs.pop("dtype", None) or kwargs.pop("torch_dtype", None)
    dtypes = _dtypes(asked, config)
    state_dict = _read(source, config, dtypes, _single_device(kwargs.get("device_map")))
    return Stacked(config, state_dict, {**kwargs, "dtype": dtypes[0]})


def _read(
    source: Source,
    config: EmpathicInsightConfig,
    dtypes: tuple[torch.dtype, torch.dtype],
    device: torch.device,
) -> dict[str, torch.Tensor]:
    """The stacked tensors: mapped where the files allow it, else copied straight to their rows.

    `dtypes` are those of the heads and of the encoder.
    """
    files, (dtype, encoder_dtype) = source.files, dtypes
    wanted = {
        f"heads.{name}.{key}": kind
        for name, kind, _ in _heads(config)
        for key in config.head_shapes(kind)
    }
    absent = [key for key in wanted if key not in files]
    if absent:
        raise HeadError(f"the weights lack {absent[0]!r}, which config.json says they have")
    by_file: dict[str, list[str]] = {}
    for key in (*wanted, *(key for key in files if key.startswith("encoder."))):
        by_file.setdefault(files[key], []).append(key)
    paths = source.locate_all(list(by_file))
    with torch.inference_mode(False):  # the files are copied in threads, which do not inherit it
        big = [
            key for key, kind in wanted.items() if kind == "full" and key.endswith("proj.weight")
        ]
        mapped = None
        if big and device.type == "cpu":
            shape = config.head_shapes("full")["proj.weight"]
            mapped = map_rows([(paths[files[key]], key) for key in big], shape, dtype)
        stacks, targets = _targets(config, dtype, device, mapped)

    def copy_file(file: str) -> dict[str, torch.Tensor]:
        others = {}
        try:
            with safe_open(paths[file], framework="pt") as tensors:
                inside = set(tensors.keys())
                for key in by_file[file]:
                    if key not in inside:
                        raise HeadError(f"{file} lacks {key!r}, which its index says it has")
                    if key in targets:
                        shape = tuple(tensors.get_slice(key).get_shape())
                        if shape != tuple(targets[key].shape):
                            head = _HEAD_TENSOR.fullmatch(key)
                            raise HeadError(
                                f"head {head and head['head']!r}: {key} has shape {shape}, the "
                                f"configuration says {tuple(targets[key].shape)}"
                            )
                        if mapped is None or key not in big:
                            targets[key].copy_(tensors.get_tensor(key))
                    else:
                        tensor = tensors.get_tensor(key)
                        others[key] = tensor.to(device, encoder_dtype, copy=True)
        except SafetensorError as error:
            raise OSError(f"{paths[file]} is not a whole safetensors file ({error})") from error
        return others

    with ThreadPoolExecutor(_COPIERS) as pool:
        done = pool.map(copy_file, by_file)
        for others in logging.tqdm(done, total=len(by_file), desc="Reading weights", delay=2):
            stacks.update(others)
    return stacks


@contextmanager
def without_bar() -> Iterator[None]:
    """Silences the library's bar over weights that are in memory already."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _targets(
    config: EmpathicInsightConfig,
    dtype: torch.dtype,
    device: torch.device,
    mapped: torch.Tensor | None,
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Empty stacks by their name in the model, and views of them by the tensors' names on disk."""
    stacks, targets = {}, {}
    for kind in ("full", "pooled"):
        positions = config.heads_of_kind(kind)
        for key, shape in config.head_shapes(kind).items() if positions else ():
            rows = [len(positions) * shape[0], *shape[1:]]
            size = rows if key.startswith("proj") else [len(positions), *shape]
            stacks[f"heads.{kind}.{key}"] = (
                mapped
                if mapped is not None and (kind, key) == ("full", "proj.weight")
                else torch.empty(size, dtype=dtype, device=device)
            )
    for name, kind, row in _heads(config):
        for key, shape in config.head_shapes(kind).items():
            targets[f"heads.{name}.{key}"] = _rows(stacks[f"heads.{kind}.{key}"], key, row, shape)
    return stacks, targets


def unstacked(
    state_dict: dict[str, torch.Tensor], config: EmpathicInsightConfig
) -> Iterable[tuple[str, dict[str, torch.Tensor]]]:
    """Heads of a model's state dict one by one, as views: `(name, tensors within the head)`."""
    for name, kind, row in _heads(config):
        shapes = config.head_shapes(kind).items()
        yield (
            name,
            {key: _rows(state_dict[f"heads.{kind}.{key}"], key, row, s) for key, s in shapes},
        )


@torch.no_grad()
def stack_on_load(model: Any, state_dict: dict[str, torch.Tensor], prefix: str, *_: Any) -> None:
    """Hook of `load_state_dict`: takes tensors named as on disk, a shard at a time.

    The Trainer reads checkpoints back this way (`load_best_model_at_end`, resuming).
    """
    own = dict(model.named_parameters())
    for name, kind, row in _heads(model.config):
        for key, shape in model.config.head_shapes(kind).items():
            tensor = state_dict.pop(f"{prefix}heads.{name}.{key}", None)
            if tensor is not None:
                stack = own[f"heads.{kind}.{key}"]
                _rows(stack.data, key, row, shape).copy_(tensor)
                state_dict[f"{prefix}heads.{kind}.{key}"] = stack.data


def _heads(config: EmpathicInsightConfig) -> Iterable[tuple[str, str, int]]:
    """`(name, kind, row in the stack of its kind)` of every head."""
    for kind in ("full", "pooled"):
        for row, position in enumerate(config.heads_of_kind(kind)):
            yield config.heads[position]["name"], kind, row


def _rows(stack: torch.Tensor, key: str, row: int, shape: tuple[int, ...]) -> torch.Tensor:
    """View of the `row`-th head's tensor `key` in the stack of all heads."""
    height = shape[0] if key.startswith("proj") else 1
    return stack[row * height : (row + 1) * height].view(shape)


def check_names(expected: list[str], present: set[str]) -> None:
    """Raises a HeadError that names the heads missing from or foreign to a configuration."""
    missing = [name for name in expected if name not in present]
    extra = sorted(present - set(expected))
    if missing or extra:
        parts = [f"lack {', '.join(missing)}"] if missing else []
        parts += [f"hold {', '.join(extra)}, unknown to the configuration"] if extra else []
        raise HeadError(f"the weights {' and '.join(parts)}")


def _heads_in(files: dict[str, str]) -> set[str]:
    """Names of the heads that a checkpoint has tensors of."""
    heads = set()
    for key in files:
        match = _HEAD_TENSOR.fullmatch(key)
        if match:
            heads.add(match["head"])
        elif not key.startswith("encoder."):
            raise HeadError(f"unknown tensor {key!r} in the weights")
    return heads


def _dtypes(asked: Any, config: EmpathicInsightConfig) -> tuple[torch.dtype, torch.dtype]:
    """The types to load heads and encoder in: as asked, else as stored, else float32."""
    if asked in (None, "auto"):
        asked = "mixed" if config.is_mixed else config.dtype or torch.float32
    if asked == "mixed":
        return torch.bfloat16, torch.float32
    dtype = getattr(torch, asked.removeprefix("torch."), None) if isinstance(asked, str) else asked
    if not isinstance(dtype, torch.dtype):
        raise ValueError(
            f"dtype {asked!r} is not auto, mixed, float32, bfloat16, float16 or a torch type"
        )
    return dtype, dtype


def _single_device(device_map: Any) -> torch.device:
    """Device to assemble on: the map's only one, else the CPU (the library then spreads it)."""
    if isinstance(device_map, dict) and len(set(device_map.values())) == 1:
        device_map = next(iter(device_map.values()))
    if isinstance(device_map, (torch.device, int)):
        return torch.device(device_map)
    if isinstance(device_map, str) and re.fullmatch(r"(cpu|cuda|mps|xpu)(:\d+)?", device_map):
        return torch.device(device_map)
    return torch.device("cpu")
