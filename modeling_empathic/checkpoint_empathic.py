"""Reads checkpoints: one head a file on disk, one stack of heads in memory.

On disk every tensor carries its head's name (`heads.Anger.proj.weight`), and every full head is a
shard of its own: `heads=["Anger"]` reads (and downloads) 295 MB instead of 11.8 GB, and a missing
head can be named. In memory the heads' first layers are one matrix, because one wide product is
what the hardware is good at. `benchmarks/README.md` has the measurements behind this choice.

transformers is imported for what is its own only: `score` reads models without it, in a third of
the time.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from .heads_empathic import HeadError, HeadLayout
from .mapping_empathic import map_rows
from .plan_empathic import HEAD_TENSOR, Plan
from .source_empathic import Source

_FLOATS = ("F64", "F32", "F16", "BF16")  # as safetensors calls them
_COPIERS = 4  # files read at once: first touch of new memory is what takes the time


@dataclass
class _Part:
    """Where one head's tensor stands: its name in a file, the whole's shape, the head's rows."""

    key: str
    shape: tuple[int, ...]
    row: int | None = None


def read(
    source: Source,
    planned: Plan,
    shapes: dict[str, torch.Size],
    watched: Callable[[Iterable[Any], int], Iterable[Any]] = lambda done, total: done,
) -> dict[str, torch.Tensor]:
    """The tensors that a model has: mapped where the files allow it, else copied to their rows.

    Args:
        source: Where the checkpoint is.
        planned: What of it.
        shapes: Of the model's tensors, by name.
        watched: Shows how far it is, as `tqdm` does.

    Raises:
        HeadError: A tensor that is missing, of another shape or type, or not finite.
        OSError: A file that cannot be read to its end.
    """
    config, (dtype, encoder_dtype) = planned.config, planned.dtypes
    device = _single_device(planned.kwargs.get("device_map"))
    files = source.files
    parts = _parts(planned, files)
    by_file: dict[str, list[str]] = {}
    for target, part in parts.items():
        if part.key not in files:
            raise HeadError(f"the weights lack {part.key!r}, which config.json says they have")
        by_file.setdefault(files[part.key], []).append(target)
    of_encoder = {key for key in files if key.startswith("encoder.")}
    differing = of_encoder ^ {key for key in shapes if key.startswith("encoder.")}
    if differing:
        raise OSError(
            f"the weights of {source.path_or_id} and its config.json differ in "
            f"{', '.join(sorted(differing)[:3])}"
        )
    for key in files:
        if key in of_encoder:
            by_file.setdefault(files[key], []).append(key)
            parts[key] = _Part(key, tuple(shapes[key]))
    paths = source.locate_all(list(by_file))
    big = [f"heads.{name}.proj.weight" for name, kind, _ in _heads(config) if kind == "full"]
    int8 = set(big) if config.is_int8("full") else set()
    for file, targets in by_file.items():
        _check_header(paths[file], file, targets, parts, int8)
    with torch.inference_mode(False):  # the files are copied in threads, which do not inherit it
        mapped = None
        of_its_own = all(key in parts and parts[key].row is None for key in big)
        if big and of_its_own and device.type == "cpu":
            shape = config.head_shapes("full")["proj.weight"]
            stored = torch.int8 if int8 else dtype
            mapped = map_rows([(paths[files[key]], key) for key in big], shape, stored)
        stacks, rows = _targets(config, dtype, device, mapped)
    _initialise(planned.new, rows)

    def copy_file(file: str) -> dict[str, torch.Tensor]:
        others = {}
        try:
            with safe_open(paths[file], framework="pt") as tensors:
                for target in by_file[file]:
                    part = parts[target]
                    if target in of_encoder:
                        tensor = tensors.get_tensor(target)
                        _check_finite(tensor, target)
                        others[target] = tensor.to(device, encoder_dtype, copy=True)
                    elif mapped is None or target not in big:
                        view = rows[target]
                        if part.row is None:
                            tensor = tensors.get_tensor(part.key)
                        else:
                            height = view.shape[0] if ".proj." in target else 1
                            first = part.row * height
                            tensor = tensors.get_slice(part.key)[first : first + height]
                        if target not in big:  # gigabytes, which would be read twice
                            _check_finite(tensor, target)
                        view.copy_(tensor.view(view.shape))
        except SafetensorError as error:
            raise OSError(f"{paths[file]} is not a whole safetensors file ({error})") from error
        return others

    with ThreadPoolExecutor(_COPIERS) as pool:
        done = pool.map(copy_file, by_file)
        for others in watched(done, len(by_file)):
            stacks.update(others)
    return stacks


def _parts(planned: Plan, files: dict[str, str]) -> dict[str, _Part]:
    """Where every tensor of the heads that are read stands, by its name for a head of its own."""
    parts = {}
    rows = {name: (kind, row) for name, kind, row in _heads(planned.stored)}
    for name, kind, _ in _heads(planned.config):
        if name in planned.new:
            continue
        stored_kind, row = rows[name]
        for key, shape in planned.config.head_shapes(kind).items():
            target, stacked = f"heads.{name}.{key}", f"heads.{stored_kind}.{key}"
            if stacked not in files:
                parts[target] = _Part(target, shape)
                continue
            count = len(planned.stored.heads_of_kind(stored_kind))
            whole = (count * shape[0], *shape[1:]) if key.startswith("proj") else (count, *shape)
            parts[target] = _Part(stacked, whole, row)
    return parts


def _check_header(
    path: str, file: str, targets: list[str], parts: dict[str, _Part], int8: set[str]
) -> None:
    """Types and shapes, from a file's header: before memory is taken for what it says."""
    try:
        with safe_open(path, framework="pt") as tensors:
            inside = set(tensors.keys())
            for target in targets:
                part = parts[target]
                key = part.key
                if key not in inside:
                    raise HeadError(f"{file} lacks {key!r}, which its index says it has")
                header = tensors.get_slice(key)
                allowed = ("I8",) if target in int8 else _FLOATS
                if header.get_dtype() not in allowed:
                    raise HeadError(
                        f"{file}: {key} is of type {header.get_dtype()}; weights are "
                        f"{', '.join(allowed)}"
                    )
                shape = tuple(header.get_shape())
                if shape != part.shape:
                    head = HEAD_TENSOR.fullmatch(target)
                    whose = f"head {head['head']!r}" if head else "the encoder"
                    raise HeadError(
                        f"{whose}: {key} has shape {shape}, the configuration says {part.shape}"
                    )
    except SafetensorError as error:
        raise OSError(f"{path} is not a whole safetensors file ({error})") from error


def _check_finite(tensor: torch.Tensor, key: str) -> None:
    if not tensor.isfinite().all():
        raise HeadError(f"{key} has values that are not finite: the weights are damaged")


@torch.no_grad()
def _initialise(new: set[str], rows: dict[str, torch.Tensor]) -> None:
    """Random weights for heads that have none, as a fresh model's (He et al., 2015)."""
    for key, view in rows.items():
        head = HEAD_TENSOR.fullmatch(key)
        if head and head["head"] in new:
            if key.endswith("weight"):
                view.normal_(0.0, (2 / view.shape[-1]) ** 0.5)
            else:
                view.zero_()
    if new:
        from transformers.utils import logging

        logging.get_logger(__name__).warning(
            f"{len(new)} heads are new and untrained: {', '.join(sorted(new)[:7])}"
        )


@contextmanager
def without_bar() -> Iterator[None]:
    """Silences the library's bar over weights that are in memory already."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _targets(
    config: HeadLayout,
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
                else torch.empty(
                    size,
                    dtype=torch.int8 if key == "proj.weight" and config.is_int8(kind) else dtype,
                    device=device,
                )
            )
    for name, kind, row in _heads(config):
        for key, shape in config.head_shapes(kind).items():
            targets[f"heads.{name}.{key}"] = _rows(stacks[f"heads.{kind}.{key}"], key, row, shape)
    return stacks, targets


def unstacked(
    state_dict: dict[str, torch.Tensor], config: HeadLayout
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


def _heads(config: HeadLayout) -> Iterable[tuple[str, str, int]]:
    """`(name, kind, row in the stack of its kind)` of every head."""
    for kind in ("full", "pooled"):
        for row, position in enumerate(config.heads_of_kind(kind)):
            yield config.heads[position]["name"], kind, row


def _rows(stack: torch.Tensor, key: str, row: int, shape: tuple[int, ...]) -> torch.Tensor:
    """View of the `row`-th head's tensor `key` in the stack of all heads."""
    height = shape[0] if key.startswith("proj") else 1
    return stack[row * height : (row + 1) * height].view(shape)


def _single_device(device_map: Any) -> torch.device:
    """Device to assemble on: the map's only one, else the CPU (the library then spreads it)."""
    if isinstance(device_map, dict) and len(set(device_map.values())) == 1:
        device_map = next(iter(device_map.values()))
    if isinstance(device_map, (torch.device, int)):
        return torch.device(device_map)
    if isinstance(device_map, str) and re.fullmatch(r"(cpu|cuda|mps|xpu)(:\d+)?", device_map):
        return torch.device(device_map)
    return torch.device("cpu")
