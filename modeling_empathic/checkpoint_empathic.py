"""Reads checkpoints: one head a file on disk, one stack of heads in memory.

On disk every tensor carries its head's name (`heads.Anger.proj.weight`), and every full head is a
shard of its own: `heads=["Anger"]` reads (and downloads) 295 MB instead of 11.8 GB, and a missing
head can be named. In memory the heads' first layers are one matrix, because one wide product is
what the hardware is good at. `benchmarks/README.md` has the measurements behind this choice.
"""

import copy
import json
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedConfig
from transformers.utils import logging
from transformers.utils.hub import (
    cached_file,
    cached_files,
    extract_commit_hash,
    resolve_revision,
)

from .configuration_empathic import EmpathicInsightConfig, HeadError
from .mapping_empathic import map_rows

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
HUB_KEYS = (
    "cache_dir",
    "force_download",
    "local_files_only",
    "proxies",
    "revision",
    "subfolder",
    "token",
)
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
_SHARD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors")
_HEAD_TENSOR = re.compile(r"heads\.(?P<head>.+)\.(?P<key>(?:proj|mlp\.\d+)\.(?:weight|bias))")
_COPIERS = 4  # files read at once: first touch of new memory is what takes the time


def load_stacked(
    config_class: type[EmpathicInsightConfig],
    path_or_id: str | os.PathLike[str],
    names: list[str] | None,
    kwargs: dict[str, Any],
) -> tuple[EmpathicInsightConfig, dict[str, torch.Tensor], str | None, dict[str, Any]]:
    """Reads a checkpoint into the tensors that a model with the asked-for heads has.

    Args:
        config_class: Class that reads `config.json`.
        path_or_id: Folder or Hub id.
        names: Heads to read, any spelling; `None` for all of the configuration.
        kwargs: Those of `from_pretrained`; what concerns finding files is taken out.

    Returns:
        The configuration (of the subset), the state dict on the target device in the target
        type, the commit of a Hub repository (`None` for a folder), and the remaining `kwargs`
        for `PreTrainedModel.from_pretrained(None, ...)`.

    Raises:
        HeadError: See [`EmpathicInsightModel.from_pretrained`].
        OSError: No weights in safetensors, or a file that cannot be read to its end.
        ValueError: A weights variant or an adapter, which this loader does not know.
    """
    kwargs = {key: value for key, value in kwargs.items() if key not in _IGNORED_KEYS}
    hub = {key: kwargs.pop(key, None) for key in HUB_KEYS}
    hub = {key: value for key, value in hub.items() if value is not None}
    if kwargs.pop("variant", None) is not None:
        raise ValueError("these checkpoints have no variants; use revision= or another folder")
    if (kwargs.pop("adapter_kwargs", None) or {}).get("_adapter_model_path"):
        raise ValueError("load the base model, then model.load_adapter(...)")
    where = {key: hub[key] for key in ("token", "cache_dir", "local_files_only") if key in hub}
    hub["revision"] = resolve_revision(path_or_id, hub.get("revision"), **where)
    config_file = locate(path_or_id, "config.json", hub)
    if config_file is None:  # the library would take its defaults
        raise OSError(f"{path_or_id} holds no config.json")
    own = {key: kwargs.pop(key) for key in list(kwargs) if key in config_class.default_fields()}
    stored = config_class.from_pretrained(path_or_id, **hub)
    config = copy.deepcopy(kwargs.pop("config", None))
    if not isinstance(config, PreTrainedConfig):  # remote code may come with a twin of our class
        source = path_or_id if config is None else config
        config = config_class.from_pretrained(source, **hub, **own)
    files = weight_files(path_or_id, hub)
    check_names(stored.head_names, _heads_in(files))
    config = config.subset(config.head_names if names is None else names)
    if "attn_implementation" in kwargs:
        config._attn_implementation = kwargs.pop("attn_implementation")
    asked = kwargs.pop("dtype", None) or kwargs.pop("torch_dtype", None)
    dtype, encoder_dtype = _dtypes(asked, config)
    device = _single_device(kwargs.get("device_map"))
    state_dict = _read(path_or_id, hub, config, files, dtype, encoder_dtype, device)
    commit = extract_commit_hash(config_file, None)
    return config, state_dict, commit, {**kwargs, "dtype": dtype}


def _read(
    path_or_id: str | os.PathLike[str],
    hub: dict[str, Any],
    config: EmpathicInsightConfig,
    files: dict[str, str],
    dtype: torch.dtype,
    encoder_dtype: torch.dtype,
    device: torch.device,
) -> dict[str, torch.Tensor]:
    """The stacked tensors: mapped where the files allow it, else copied straight to their rows."""
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
    paths = locate_all(path_or_id, list(by_file), hub)
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
        for others in logging.tqdm(done, total=len(by_file), desc="Reading weights"):
            stacks.update(others)
    return stacks


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


# ------------------------------------------------------------------------------------------ files


def weight_files(path_or_id: str | os.PathLike[str], hub: dict[str, Any]) -> dict[str, str]:
    """File name of every tensor in a checkpoint, from its index or from its only file.

    Raises:
        HeadError: A tensor named twice.
        OSError: No weights, an index that is none, or one that points anywhere but to
            safetensors files beside it.
    """
    index = locate(path_or_id, INDEX, hub)
    if index is not None:
        try:
            content = json.loads(
                Path(index).read_text(encoding="utf-8"), object_pairs_hook=_no_repeats
            )
            files = dict(content["weight_map"])
        except HeadError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise OSError(f"{index} is not a safetensors index ({error!r})") from error
        for file in files.values():
            # The index comes from a repository: its names are never used as paths elsewhere.
            if not isinstance(file, str) or not _SHARD_NAME.fullmatch(file):
                raise OSError(f"{index} names {file!r}; only *.safetensors beside it are read")
        return files
    single = locate(path_or_id, WEIGHTS, hub)
    if single is None:
        raise OSError(_no_weights(path_or_id))
    try:
        with safe_open(single, framework="pt") as tensors:
            return dict.fromkeys(tensors.keys(), WEIGHTS)
    except SafetensorError as error:
        raise OSError(f"{single} is not a whole safetensors file ({error})") from error


def locate(path_or_id: str | os.PathLike[str], file: str, hub: dict[str, Any]) -> str | None:
    """Local path of a file in a folder or repository, downloaded if need be; `None` if absent."""
    return cached_file(path_or_id, file, _raise_exceptions_for_missing_entries=False, **hub)


def locate_all(
    path_or_id: str | os.PathLike[str], names: list[str], hub: dict[str, Any]
) -> dict[str, str]:
    """Local paths of weight files by name; from the Hub they download together."""
    cached = cached_files(path_or_id, names, _raise_exceptions_for_missing_entries=False, **hub)
    paths = {Path(path).name: path for path in cached or ()}
    for name in names:
        if name not in paths:
            raise OSError(f"{path_or_id} lacks {name}, which its index names")
    return paths


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


def _no_weights(path_or_id: str | os.PathLike[str]) -> str:
    """Message for a folder or repository without weights, naming what is there instead."""
    message = f"{path_or_id} holds no {WEIGHTS} and no {INDEX}"
    folder = Path(path_or_id)
    pickles = sorted(p.name for p in folder.glob("*") if p.suffix in {".bin", ".pth", ".pt"})
    if pickles:
        message += (
            f"; {', '.join(pickles[:3])} {'are pickles' if len(pickles) > 1 else 'is a pickle'}, "
            "which can run code and are not read (emonet-voice convert turns public heads into "
            "safetensors)"
        )
    return message


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, refusing a key that stands twice (json would keep the last unseen)."""
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise HeadError(f"the index names {key!r} twice")
        content[key] = value
    return content


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
