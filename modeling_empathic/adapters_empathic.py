"""PEFT adapters: where a folder holds one, its base model is loaded and the adapter put on it."""

import importlib.util
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel
from transformers.utils import find_adapter_config_file

from .source_empathic import HUB_KEYS


@dataclass
class Adapter:
    """An adapter that was asked for.

    Attributes:
        path: Folder or Hub id of the adapter.
        base: Of the model that it belongs to.
        name: What the model shall call it.
        kwargs: For the Hub.
    """

    path: str
    base: str
    name: str = "default"
    kwargs: dict[str, Any] = field(default_factory=dict)


def adapter_of(path_or_id: str | os.PathLike[str], kwargs: dict[str, Any]) -> Adapter | None:
    """The adapter that a folder is, or that an Auto class found there; its keywords are taken.

    Raises:
        ImportError: PEFT is not installed.
        OSError: An adapter that does not say of which model.
    """
    name = kwargs.pop("adapter_name", "default")
    given = dict(kwargs.pop("adapter_kwargs", None) or {})
    found = given.pop("_adapter_model_path", None)
    if found is not None:  # an Auto class has replaced the path by the base model's
        _need_peft(found)
        return Adapter(str(found), str(path_or_id), name, given)
    if not Path(path_or_id).is_dir() or Path(path_or_id, "config.json").exists():
        return None
    hub = {key: kwargs[key] for key in HUB_KEYS if kwargs.get(key) is not None}
    file = find_adapter_config_file(str(path_or_id), **hub)
    if file is None:
        return None
    try:
        base = json.loads(Path(file).read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (ValueError, KeyError, TypeError, RecursionError):
        base = None
    if not isinstance(base, str) or not base:
        raise OSError(f"{file} does not say base_model_name_or_path, the model it belongs to")
    _need_peft(path_or_id)
    return Adapter(str(path_or_id), base, name, given)


def add_adapter(model: PreTrainedModel, adapter: Adapter) -> None:
    """Puts an adapter on its base model.

    The library leaves random numbers where tensors are missing, and only logs it.

    Raises:
        OSError: Its tensors are not those that its settings say, on these heads, or cannot be read.
    """
    from safetensors import SafetensorError

    try:
        info = model.load_adapter(
            adapter.path,
            adapter_name=adapter.name,
            adapter_kwargs=adapter.kwargs,
            ignore_mismatched_sizes=True,
        )
    except SafetensorError as error:
        raise OSError(f"the adapter {adapter.path} is damaged: {error}") from error
    sizes = {key for key, *_ in info.mismatched_keys}
    if other := sorted(sizes | info.missing_keys | set(info.unexpected_keys)):
        of_heads = any("heads." in key for key in other)
        advice = "; trained beside some heads, it wants these, in their order: heads=[...]"
        raise OSError(
            f"the tensors of the adapter {adapter.path} are not those that its adapter_config.json "
            f"says on {adapter.base}: {', '.join(other[:3])}{advice * of_heads}"
        )


def _need_peft(path: str | os.PathLike[str]) -> None:
    if importlib.util.find_spec("peft") is None:  # before the base model is downloaded
        raise ImportError(f"{path} is a PEFT adapter: pip install peft")
