"""Where a checkpoint lies, a folder or a repository on the Hub, and the files that it has.

transformers is imported for the Hub only: it takes seconds, and a folder needs nothing of it.
"""

import json
import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from .heads_empathic import HeadError

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
_SHARD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors")


@dataclass(frozen=True)
class Source:
    """A folder or a repository with a checkpoint, and how its files are got.

    Attributes:
        path_or_id: Folder or Hub id.
        hub: Those of `HUB_KEYS` that were given.
    """

    path_or_id: str | os.PathLike[str]
    hub: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def pinned(cls, path_or_id: str | os.PathLike[str], kwargs: dict[str, Any]) -> "Source":
        """One whose files are all of one commit, with what `kwargs` say about the Hub."""
        from transformers.utils.hub import resolve_revision

        hub = {key: kwargs[key] for key in HUB_KEYS if kwargs.get(key) is not None}
        where = {key: hub[key] for key in ("token", "cache_dir", "local_files_only") if key in hub}
        hub["revision"] = resolve_revision(path_or_id, hub.get("revision"), **where)
        return cls(path_or_id, hub)

    def lasting(self) -> "Source":
        """The same to be kept: without a token, and wherever the working directory moves."""
        folder = Path(self.path_or_id)
        path_or_id = str(folder.absolute() if folder.is_dir() else self.path_or_id)
        return Source(path_or_id, {key: self.hub[key] for key in self.hub if key != "token"})

    @property
    def _folder(self) -> Path | None:
        """The folder with the files, if it is one."""
        folder = Path(self.path_or_id)
        return folder / self.hub.get("subfolder", "") if folder.is_dir() else None

    def locate(self, file: str) -> str | None:
        """Local path of a file, downloaded if need be; `None` if absent."""
        if self._folder is not None:
            path = self._folder / file
            return str(path) if path.is_file() else None
        from transformers.utils.hub import cached_file

        return cached_file(
            self.path_or_id, file, _raise_exceptions_for_missing_entries=False, **self.hub
        )

    def locate_all(self, names: list[str]) -> dict[str, str]:
        """Local paths of weight files by name; from the Hub they download together."""
        if self._folder is not None:
            paths = {name: path for name in names if (path := self.locate(name))}
        else:
            from transformers.utils.hub import cached_files

            cached = cached_files(
                self.path_or_id, names, _raise_exceptions_for_missing_entries=False, **self.hub
            )
            paths = {Path(path).name: path for path in cached or ()}
        for name in names:
            if name not in paths:
                raise OSError(f"{self.path_or_id} lacks {name}, which its index names")
        return paths

    @property
    def commit(self) -> str | None:
        """The commit of a Hub repository; `None` for a folder.

        Raises:
            OSError: There is no `config.json`, for which the library would take its defaults.
        """
        file = self.locate("config.json")
        if file is None:
            raise OSError(f"{self.path_or_id} holds no config.json")
        from transformers.utils.hub import extract_commit_hash

        return extract_commit_hash(file, None)

    @cached_property
    def files(self) -> dict[str, str]:
        """File name of every tensor, from the index or from the only file.

        Raises:
            HeadError: A tensor named twice.
            OSError: No weights, an index that is none, or one that points anywhere but to
                safetensors files beside it.
        """
        index = self.locate(INDEX)
        if index is not None:
            return _read_index(index)
        single = self.locate(WEIGHTS)
        if single is None:
            raise OSError(_no_weights(self.path_or_id))
        try:
            with safe_open(single, framework="pt") as tensors:
                return dict.fromkeys(tensors.keys(), WEIGHTS)
        except SafetensorError as error:
            raise OSError(f"{single} is not a whole safetensors file ({error})") from error


def _read_index(index: str) -> dict[str, str]:
    """File name of every tensor that an index has."""
    try:
        content = json.loads(Path(index).read_text(encoding="utf-8"), object_pairs_hook=_no_repeats)
        files = dict(content["weight_map"])
    except HeadError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise OSError(f"{index} is not a safetensors index ({error!r})") from error
    for file in files.values():
        # The index comes from a repository: its names are never used as paths elsewhere.
        if not isinstance(file, str) or not _SHARD_NAME.fullmatch(file):
            raise OSError(f"{index} names {file!r}; only *.safetensors beside it are read")
    return files


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
