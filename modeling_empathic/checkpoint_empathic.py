"""Checkpoints: one head a file on disk, one stack of heads in memory.

On disk every tensor carries its head's name (`heads.Anger.proj.weight`), and every full head is a
shard of its own: `heads=["Anger"]` reads (and downloads) 295 MB instead of 11.8 GB, and a missing
head can be named. In memory the heads' first layers are one matrix, because one wide product is
what the hardware is good at. `benchmarks/README.md` has the measurements behind this choice.
"""

import copy
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import PreTrainedConfig
from transformers.utils import cached_file, extract_commit_hash, logging

from .configuration_empathic import EmpathicInsightConfig, HeadError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
# The code that a folder needs for `trust_remote_code=True`; all flat, all relative imports.
CODE_FILES = (
    "audio.py",
    "checkpoint_empathic.py",
    "configuration_empathic.py",
    "modeling_empathic.py",
    "pipeline_empathic.py",
    "taxonomy.py",
)
AUTO_MAP = {
    "AutoConfig": "configuration_empathic.EmpathicInsightConfig",
    "AutoModel": "modeling_empathic.EmpathicInsightModel",
    "AutoModelForAudioClassification": "modeling_empathic.EmpathicInsightModel",
}
PIPELINES = {
    "voice-emotion": {
        "impl": "pipeline_empathic.EmpathicInsightPipeline",
        "pt": ["AutoModel"],
        "type": "audio",
    }
}
_HUB_KEYS = (
    "cache_dir",
    "force_download",
    "local_files_only",
    "proxies",
    "revision",
    "subfolder",
    "token",
)
_SHARD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors")


# ---------------------------------------------------------------------------------------- writing


def write_checkpoint(
    folder: str | os.PathLike,
    config: EmpathicInsightConfig,
    encoder: dict[str, torch.Tensor],
    heads: Iterable[tuple[str, dict[str, torch.Tensor]]],
) -> dict[str, int]:
    """Writes weights head by head, so that memory holds one full head beside the encoder.

    The first shard has the encoder and the pooled heads (0.8 MB each), every full head one of
    its own. Without full heads there is one file. The index is written last: a folder cut off
    half way does not look complete.

    Args:
        folder: Existing folder.
        config: Says which heads are full, and their order.
        encoder: Encoder tensors by their name in the model, without the `encoder.` prefix.
        heads: `(name, tensors by name within the head)`, any order.

    Returns:
        Bytes by file name.

    Raises:
        HeadError: Heads differ from those of `config`, or a tensor has the wrong shape.
    """
    folder = Path(folder)
    for old in [*folder.glob("model*.safetensors"), folder / INDEX]:
        old.unlink(missing_ok=True)
    full = [config.heads[i]["name"] for i in config.heads_of_kind("full")]
    total = len(full) + 1
    first = WEIGHTS if not full else _shard(1, total)
    shard_of = {name: _shard(i, total) for i, name in enumerate(full, start=2)}
    small = {f"encoder.{name}": tensor for name, tensor in encoder.items()}
    weight_map = dict.fromkeys(small, first)
    parameters = sum(tensor.numel() for tensor in small.values())
    sizes = {first: sum(tensor.nbytes for tensor in small.values())}
    seen = set()
    for name, tensors in heads:
        _check_head(config, name, {key: tuple(value.shape) for key, value in tensors.items()})
        if name in seen:
            raise HeadError(f"head {name!r} comes twice")
        seen.add(name)
        named = {f"heads.{name}.{key}": value for key, value in tensors.items()}
        file = shard_of.get(name, first)
        weight_map.update(dict.fromkeys(named, file))
        parameters += sum(tensor.numel() for tensor in named.values())
        sizes[file] = sizes.get(file, 0) + sum(tensor.nbytes for tensor in named.values())
        if file == first:
            small.update(named)
        else:
            _save(named, folder / file)
        del tensors, named  # before the next head is read: one at a time is the point
    _check_names(config.head_names, seen)
    _save(small, folder / first)
    if full:
        metadata = {"total_parameters": parameters, "total_size": sum(sizes.values())}
        index = {"metadata": metadata, "weight_map": dict(sorted(weight_map.items()))}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return sizes


def write_config(
    folder: str | os.PathLike, config: EmpathicInsightConfig, dtype: torch.dtype
) -> None:
    """Writes `config.json` with what AutoModel and `pipeline` need to find the code beside it."""
    config = copy.deepcopy(config)
    config.dtype = config.encoder.dtype = dtype
    config.architectures = ["EmpathicInsightModel"]
    config.auto_map = dict(AUTO_MAP)
    config.custom_pipelines = PIPELINES
    config.save_pretrained(folder)


def write_code(folder: str | os.PathLike, source: str | None = None) -> None:
    """Copies the modelling code beside the weights; `source` is a repository to take it from.

    A class that was itself loaded as remote code has only some of the files beside it: the rest
    comes from the repository that it was loaded from.
    """
    for name in CODE_FILES:
        beside: str | Path | None = Path(__file__).with_name(name)
        if not Path(__file__).with_name(name).exists():
            beside = locate(source, name, {}) if source else None
        target = Path(folder) / name
        if beside is not None and not (target.exists() and target.samefile(beside)):
            shutil.copyfile(beside, target)


def unstack(
    state_dict: dict[str, torch.Tensor], config: EmpathicInsightConfig
) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Heads of a model's state dict one by one, as views: `(name, tensors within the head)`."""
    for kind in ("full", "pooled"):
        for row, position in enumerate(config.heads_of_kind(kind)):
            tensors = {}
            for key, shape in config.head_shapes(kind).items():
                rows = _rows(key, row, config.projection_dim)
                tensors[key] = state_dict[f"heads.{kind}.{key}"][rows].view(shape)
            yield config.heads[position]["name"], tensors


# ---------------------------------------------------------------------------------------- reading


def load_stacked(
    config_class: type[EmpathicInsightConfig],
    path_or_id: str | os.PathLike,
    names: list[str] | None,
    kwargs: dict[str, Any],
) -> tuple[EmpathicInsightConfig, dict[str, torch.Tensor], str | None, dict[str, Any]]:
    """Reads a checkpoint into the tensors that a model with the asked-for heads has.

    Args:
        config_class: Class that reads `config.json` when `kwargs` holds no configuration.
        path_or_id: Folder or Hub id.
        names: Heads to read, canonical names; `None` for all.
        kwargs: Those of `from_pretrained`; what concerns finding files is taken out.

    Returns:
        The configuration (of the subset), the state dict on the target device in the target
        type, the commit of a Hub repository (`None` for a folder), and the
        remaining `kwargs` for `PreTrainedModel.from_pretrained(None, ...)`.

    Raises:
        HeadError: See [`EmpathicInsightModel.from_pretrained`].
        OSError: No weights in safetensors, or a file that cannot be read to its end.
    """
    kwargs = dict(kwargs)
    hub = {key: kwargs.pop(key) for key in _HUB_KEYS if kwargs.get(key) is not None}
    for key in (*_HUB_KEYS, "_commit_hash", "_from_auto", "_from_pipeline", "adapter_kwargs"):
        kwargs.pop(key, None)
    for key in ("code_revision", "trust_remote_code", "use_safetensors", "weights_only"):
        kwargs.pop(key, None)  # safetensors is the only format, and it executes nothing
    config = kwargs.pop("config", None)
    if not isinstance(config, PreTrainedConfig):  # remote code may come with a twin of our class
        source = path_or_id if config is None else config
        if locate(source, "config.json", hub) is None:  # the library would take its defaults
            raise OSError(f"{source} holds no config.json")
        config = config_class.from_pretrained(source, **hub)
    files = weight_files(path_or_id, hub)
    _check_names(config.head_names, _heads_in(files))
    if names is not None:
        config = config.subset(names)
    if "attn_implementation" in kwargs:
        config._attn_implementation = kwargs.pop("attn_implementation")
    dtype = kwargs.pop("dtype", None) or kwargs.pop("torch_dtype", None) or "auto"
    if dtype == "auto":
        dtype = config.dtype or torch.float32
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    device = _single_device(kwargs.get("device_map"))
    state_dict = _read(path_or_id, hub, config, files, dtype, device)
    commit = extract_commit_hash(locate(path_or_id, "config.json", hub), None)
    return config, state_dict, commit, {**kwargs, "dtype": dtype}


def _read(
    path_or_id: str | os.PathLike,
    hub: dict[str, Any],
    config: EmpathicInsightConfig,
    files: dict[str, str],
    dtype: torch.dtype,
    device: torch.device,
) -> dict[str, torch.Tensor]:
    """The stacked tensors, filled file by file."""
    # Where each tensor goes: (stacked name, rows, shape that the file must have).
    targets: dict[str, tuple[str, slice, tuple[int, ...]]] = {}
    state_dict: dict[str, torch.Tensor] = {}
    for kind in ("full", "pooled"):
        positions = config.heads_of_kind(kind)
        for row, position in enumerate(positions):
            name = config.heads[position]["name"]
            for key, shape in config.head_shapes(kind).items():
                stacked = f"heads.{kind}.{key}"
                rows = _rows(key, row, config.projection_dim)
                targets[f"heads.{name}.{key}"] = (stacked, rows, shape)
                if row == 0:
                    size = (rows.stop * len(positions), *shape[1:])
                    if key.startswith("mlp"):
                        size = (len(positions), *shape)
                    state_dict[stacked] = torch.empty(size, dtype=dtype, device=device)
    absent = [key for key in targets if key not in files]
    if absent:
        raise HeadError(f"the weights lack {absent[0]!r}, which config.json says they have")
    by_file: dict[str, list[str]] = {}
    for key, file in files.items():
        if key in targets or key.startswith("encoder."):
            by_file.setdefault(file, []).append(key)
    for file, keys in logging.tqdm(by_file.items(), desc="Reading heads"):
        path = locate(path_or_id, file, hub)
        if path is None:
            raise OSError(f"{path_or_id} lacks {file}, which its index names")
        try:
            with safe_open(path, framework="pt") as tensors:
                inside = set(tensors.keys())
                for key in keys:
                    if key not in inside:
                        raise HeadError(f"{file} lacks {key!r}, which its index says it has")
                    if key not in targets:
                        state_dict[key] = tensors.get_tensor(key).to(device, dtype, copy=True)
                        continue
                    stacked, rows, shape = targets[key]
                    found = tuple(tensors.get_slice(key).get_shape())
                    if found != shape:
                        head = key.removeprefix("heads.").partition(".proj")[0].partition(".mlp")[0]
                        raise HeadError(
                            f"head {head!r}: {key} has shape {found}, the configuration says "
                            f"{shape}"
                        )
                    target = state_dict[stacked][rows]
                    target.copy_(tensors.get_tensor(key).view_as(target))
        except SafetensorError as error:
            raise OSError(f"{path} is not a whole safetensors file ({error})") from error
    return state_dict


def weight_files(path_or_id: str | os.PathLike, hub: dict[str, Any]) -> dict[str, str]:
    """File name of every tensor in a checkpoint, from its index or from its only file."""
    index = locate(path_or_id, INDEX, hub)
    if index is not None:
        try:
            content = json.loads(
                Path(index).read_text(encoding="utf-8"), object_pairs_hook=_no_repeats
            )
            files = dict(content["weight_map"])
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise OSError(f"{index} is not a safetensors index ({error!r})") from error
        for file in set(files.values()):
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


def _no_weights(path_or_id: str | os.PathLike) -> str:
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


def _heads_in(files: dict[str, str]) -> set[str]:
    """Names of the heads that a checkpoint has tensors of."""
    pattern = re.compile(r"heads\.(.+)\.(?:proj|mlp\.\d+)\.(?:weight|bias)")
    heads = set()
    for key in files:
        match = pattern.fullmatch(key)
        if match:
            heads.add(match[1])
        elif not key.startswith("encoder."):
            raise HeadError(f"unknown tensor {key!r} in the weights")
    return heads


def _check_names(expected: list[str], found: set[str]) -> None:
    missing = [name for name in expected if name not in found]
    extra = sorted(found - set(expected))
    if missing or extra:
        parts = [f"lack {', '.join(missing)}"] if missing else []
        parts += [f"hold {', '.join(extra)}, unknown to the configuration"] if extra else []
        raise HeadError(f"the weights {' and '.join(parts)}")


def _check_head(
    config: EmpathicInsightConfig, name: str, shapes: dict[str, tuple[int, ...]]
) -> None:
    kinds = {spec["name"]: spec["kind"] for spec in config.heads}
    if name not in kinds:
        raise HeadError(f"head {name!r} is not in the configuration")
    expected = config.head_shapes(kinds[name])
    if shapes != expected:
        raise HeadError(f"head {name!r} has tensors {shapes}, a {kinds[name]} head has {expected}")


def _rows(key: str, row: int, width: int) -> slice:
    """Rows of the `row`-th head in the stack of all heads' tensor `key`."""
    return slice(row * width, (row + 1) * width) if key.startswith("proj") else slice(row, row + 1)


def _shard(number: int, total: int) -> str:
    return f"model-{number:05d}-of-{total:05d}.safetensors"


def _save(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """One file, through a temporary name: a reader never sees half of it."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as temporary:
        half = Path(temporary) / path.name
        save_file({k: v.contiguous() for k, v in tensors.items()}, half, metadata={"format": "pt"})
        half.chmod(0o644)  # safetensors writes files that nobody else can read
        half.replace(path)


def locate(path_or_id: str | os.PathLike, file: str, hub: dict[str, Any]) -> str | None:
    return cached_file(path_or_id, file, _raise_exceptions_for_missing_entries=False, **hub)


def _single_device(device_map: Any) -> torch.device:
    """Device to assemble on: the map's only one, else the CPU (the library then spreads it)."""
    if isinstance(device_map, dict) and len(set(device_map.values())) == 1:
        device_map = next(iter(device_map.values()))
    if isinstance(device_map, (torch.device, int)):
        return torch.device(device_map)
    if isinstance(device_map, str) and re.fullmatch(r"(cpu|cuda|mps|xpu)(:\d+)?", device_map):
        return torch.device(device_map)
    return torch.device("cpu")
