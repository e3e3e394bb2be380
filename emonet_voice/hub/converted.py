"""Loose heads converted once, into a folder below `HF_HOME` that every later run uses.

    HF_HOME/emonet-voice/OWNER--NAME/COMMIT/        one folder a version of the pickles
        download/                                   pickles on their way; gone once converted
        mixed/NAME/                                 the model: by type, and by heads if not all

A model appears under its name when it is whole. What was downloaded survives a killed run.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from modeling_empathic.heads_empathic import canonical, no_head
from modeling_empathic.report.files import as_json, locked, read_json, replacing
from modeling_empathic.taxonomy import UserError

from .loose_heads import LooseHeads, list_heads
from .repositories import ENCODER

_DOWNLOADS = 4  # files at a time
_SLACK = 2**30  # of a disk, left for others


class ConvertedModelError(UserError):
    """Why there is no model to load."""


class Plan(NamedTuple):
    """A conversion that is to be done.

    Attributes:
        loose: Where the heads are.
        heads: Their names.
        dtype: Type to store, as of `convert`.
        folder: Where the model will be.
        n_download: Bytes to download, the encoder's included.
        n_disk: Bytes of the model.
        n_read: Bytes of the heads' pickles.
    """

    loose: LooseHeads
    heads: list[str]
    dtype: str
    folder: Path
    n_download: int
    n_disk: int
    n_read: int


def cache() -> Path:
    """Where converted models are kept."""
    from huggingface_hub.constants import HF_HOME

    return Path(HF_HOME, "emonet-voice")


def stored_dtype(dtype: str) -> str:
    """The type to convert to, so that a model loads in `dtype` without needless rounding.

    `mixed` has half of float32's bytes and ranks clips as it does (`benchmarks/README.md`, drift).

    Example:
        >>> stored_dtype("auto"), stored_dtype("float16")
        ('mixed', 'float32')
    """
    return "float32" if dtype in ("float32", "float16") else "mixed"


def look_up(source: str, revision: str | None) -> LooseHeads | None:
    """The loose heads of a model that has nothing else; None where it loads as it is.

    Without the Hub it is what the Hub said last.

    Args:
        source: Folder or Hub id.
        revision: Branch, tag or commit on the Hub.

    Raises:
        LooseHeadsError: Two files of one head.
    """
    if Path(source).is_dir():
        if Path(source, "config.json").exists():
            return None
        loose = list_heads(source)
        return loose if loose.heads else None
    from huggingface_hub import errors

    from modeling_empathic.report.client import careful_hub

    careful_hub()
    told = _home(source) / "refs" / f"{_slug(revision or 'main')}.json"
    try:
        loose = list_heads(source, revision)
    except errors.HfHubHTTPError:  # absent, gated, …: the loader says so
        return None
    except OSError:
        if not told.is_file():  # the loader has it, or says that the Hub is away
            return None
        loose = LooseHeads(**read_json(told))
    if loose.is_model or not loose.heads:
        return None
    told.parent.mkdir(parents=True, exist_ok=True)
    with replacing(told) as temporary:
        temporary.write_text(as_json(loose._asdict()), "utf-8")
    return loose


def find(loose: LooseHeads, heads: Sequence[str], dtype: str) -> Path | None:
    """The folder of a model with these heads, and maybe more, that was converted before."""
    for config in sorted(_version(loose).glob(f"{stored_dtype(dtype)}*/*/config.json")):
        if heads_of(config).issuperset(heads):
            return config.parent
    return None


def heads_of(config: Path) -> set[str]:
    """Names of the heads of a `config.json`; none of one that is damaged."""
    try:
        return {spec["name"] for spec in read_json(config)["heads"]}
    except (UserError, KeyError, TypeError):
        return set()


def chosen_heads(loose: LooseHeads, heads: Sequence[str]) -> list[str]:
    """Names of the heads that are asked for, in any spelling; all that are known where none is.

    Raises:
        ConvertedModelError: One that is not there.
    """
    names = [canonical(name) for name in heads] or list(loose.heads)
    for name in names:
        if name not in loose.heads:
            raise ConvertedModelError(f"{loose.source}: {no_head(name, list(loose.heads))}")
    return sorted(set(names), key=list(loose.heads).index)


def plan(loose: LooseHeads, heads: list[str], dtype: str) -> Plan:
    """What converting these heads takes.

    Raises:
        ConvertedModelError: The encoder is not on this machine and cannot be had.
    """
    import torch
    from huggingface_hub import errors
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    stored = stored_dtype(dtype)
    try:
        n_encoder_download = sum(_encoder_files().values())
        with torch.device("meta"):
            encoder = WhisperEncoder(WhisperConfig.from_pretrained(ENCODER))
    except (OSError, errors.HTTPError) as error:
        raise ConvertedModelError(
            f"{ENCODER}, the encoder that the heads need, cannot be had ({type(error).__name__})"
        ) from None
    n_read = loose.n_bytes(heads)
    n_encoder = 4 * sum(tensor.numel() for tensor in encoder.state_dict().values())
    whole = heads == list(loose.heads)
    mark = "" if whole else "-" + hashlib.sha256("\n".join(heads).encode()).hexdigest()[:8]
    name = loose.source.rsplit("/", 1)[-1] if loose.commit else Path(loose.source).resolve().name
    return Plan(
        loose=loose,
        heads=heads,
        dtype=stored,
        folder=_version(loose) / f"{stored}{mark}" / name,
        n_download=(n_read if loose.commit else 0) + n_encoder_download,
        n_disk=n_encoder + (n_read if stored == "float32" else n_read // 2),
        n_read=n_read,
    )


def converted(
    loose: LooseHeads,
    heads: list[str],
    dtype: str,
    *,
    ask: Callable[[Plan], None],
    on_wait: Callable[[], None],
    on_bytes: Callable[[int], None],
    on_head: Callable[[str, int, int], None],
) -> Path:
    """The folder of the model, converted now unless it was before, here or by another run.

    Args:
        loose: Where the heads are.
        heads: Their names, as of [`chosen_heads`].
        dtype: To load in.
        ask: Called before anything is downloaded; raises where it is not to be done.
        on_wait: Called where another run is at this model, before this one waits for it.
        on_bytes: Called with the number of bytes that have come.
        on_head: As `progress` of `convert`.

    Raises:
        ConvertedModelError: There is not enough room.
        UserError: What `ask` raises, and a pickle that is no head.
    """
    if folder := find(loose, heads, dtype):
        return folder
    version = _version(loose)
    version.mkdir(parents=True, exist_ok=True)
    with locked(version, on_wait=on_wait):
        if folder := find(loose, heads, dtype):
            return folder
        todo = plan(loose, heads, dtype)
        ask(todo)
        _check_room(todo, version)
        source = _download(loose, heads, version / "download", on_bytes) if loose.commit else None
        from .convert import convert

        origin: dict[str, str | None] = {"name": loose.source, "revision": None}
        convert(
            source or loose.source,
            todo.folder,
            ENCODER,
            dtype=todo.dtype,
            heads=heads,
            progress=on_head,
            origin={**origin, "commit": loose.commit} if loose.commit else None,
        )
        shutil.rmtree(version / "download", ignore_errors=True)
    return todo.folder


def _check_room(todo: Plan, version: Path) -> None:
    """Raises where the pickles and the model do not fit on the disk together."""
    there = sum(file.stat().st_size for file in version.rglob("download/**/*") if file.is_file())
    needed = todo.n_disk + max(0, todo.n_download - there) + _SLACK
    free = shutil.disk_usage(version).free
    if free < needed:
        raise ConvertedModelError(
            f"{todo.loose.source} needs {needed / 1e9:.1f} GB of disk while it is converted, "
            f"and {cache()} has {free / 1e9:.1f} GB free; HF_HOME names another place"
        )


def _download(
    loose: LooseHeads, heads: list[str], folder: Path, on_bytes: Callable[[int], None]
) -> Path:
    """Heads and encoder from the Hub; those that its own cache has are linked.

    Raises:
        ConvertedModelError: The Hub went away, or the disk is full.
    """
    from huggingface_hub import errors, hf_hub_download, try_to_load_from_cache

    folder.mkdir(exist_ok=True)
    come: dict[str, int] = {}

    def count(file: str, n: int) -> None:
        come[file] = max(n, come.get(file, 0))
        on_bytes(sum(list(come.values())))

    def fetch(repo: str, file: str, size: int, **where: Any) -> None:
        hf_hub_download(repo, file, tqdm_class=_counting(partial(count, file)), **where)
        count(file, size)

    jobs = [partial(fetch, ENCODER, file, size) for file, size in _encoder_files().items()]
    for file in (loose.heads[name] for name in heads):
        size, where = loose.sizes[file], {"revision": loose.commit}
        cached = try_to_load_from_cache(loose.source, file, **where)
        if isinstance(cached, str) and sys.platform != "win32":
            (folder / file).unlink(missing_ok=True)
            (folder / file).symlink_to(cached)
            count(file, size)
        else:
            jobs.append(partial(fetch, loose.source, file, size, local_dir=folder, **where))
    try:
        with ThreadPoolExecutor(_DOWNLOADS) as pool:
            list(pool.map(lambda job: job(), jobs))
    except (OSError, errors.HTTPError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ConvertedModelError(
            f"{loose.source}: not all of it came ({reason}); the same command goes on"
        ) from None
    return folder


def _encoder_files() -> dict[str, int]:
    """Files of the encoder's weights that are not on this machine yet, with their bytes."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(ENCODER, "model.safetensors"), str):
        return {}
    siblings = HfApi().model_info(ENCODER, files_metadata=True).siblings or []
    return {
        file.rfilename: file.size or 0
        for file in siblings
        if file.rfilename.endswith(".safetensors")
    }


def _counting(count: Callable[[int], None]) -> Any:
    """A bar for the Hub's client that shows nothing and tells how much of a file has come."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    class Counting(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any):
            super().__init__(*args, **{**options, "disable": True})
            self.n = int(options.get("initial") or 0)

        def update(self, n: float | None = 1) -> None:
            self.n += int(n or 0)
            count(self.n)

    return Counting


def _home(source: str) -> Path:
    """Folder of all versions of a Hub repository, or of a folder by its name."""
    if Path(source).is_dir():
        return cache() / _slug(Path(source).resolve().name)
    return cache() / source.replace("/", "--")


def _version(loose: LooseHeads) -> Path:
    """Folder of one version: a commit, or what a folder's files are like."""
    if loose.commit:
        return _home(loose.source) / loose.commit[:12]
    folder = Path(loose.source).resolve()
    files = [(name, (folder / name).stat().st_mtime_ns, n) for name, n in loose.sizes.items()]
    mark = hashlib.sha256(json.dumps([str(folder), files]).encode()).hexdigest()
    return _home(loose.source) / mark[:12]


def _slug(name: str) -> str:
    return "".join(char if char.isalnum() or char in "-._" else "_" for char in name).lstrip(".")
