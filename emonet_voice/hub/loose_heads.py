"""The public layout: one pickle a head, `model_<STEM>_best.pth`, in a folder or on the Hub.

Here they are only listed; `convert.py` opens them.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from modeling_empathic.taxonomy import (
    ATTRIBUTES,
    EMOTION_NAMES,
    QUALITIES,
    UnknownNameError,
    UserError,
    resolve,
)

_FILE = re.compile(r"model_(?P<stem>.+)_best\.pth")
_ORDER = [*EMOTION_NAMES, *(head.name for head in (*ATTRIBUTES, *QUALITIES))]


class LooseHeadsError(UserError):
    """Files that are not one a head."""


class LooseHeads(NamedTuple):
    """What a folder or a repository has in the public layout.

    Attributes:
        source: Folder or Hub id.
        commit: Of the repository; None of a folder.
        is_model: Whether there is a `config.json`: then no pickle is needed.
        sizes: Bytes of each file with a head.
        heads: File of each head that the taxonomy knows, in its order.
        unknown: File of each other head, by its stem.
    """

    source: str
    commit: str | None
    is_model: bool
    sizes: dict[str, int]
    heads: dict[str, str]
    unknown: dict[str, str]

    def n_bytes(self, names: Sequence[str]) -> int:
        """Bytes of these heads' files."""
        return sum(self.sizes[self.heads[name]] for name in names)


def list_heads(source: str | os.PathLike[str], revision: str | None = None) -> LooseHeads:
    """Lists the heads of a folder or a repository; opens and downloads nothing.

    Args:
        source: Folder or Hub id.
        revision: Branch, tag or commit on the Hub.

    Raises:
        LooseHeadsError: Two files of one head.
        OSError: A folder or repository that cannot be read.
    """
    commit = None
    if Path(source).is_dir():
        entries = [path for path in Path(source).iterdir() if path.is_file()]
        sizes = {path.name: path.stat().st_size for path in entries}
    else:
        from huggingface_hub import HfApi

        from modeling_empathic.report.client import hub_answers

        with hub_answers(f"{source} is no folder here"):
            info = HfApi().model_info(str(source), revision=revision, files_metadata=True)
            commit = info.sha
            sizes = {str(file.rfilename): int(file.size or 0) for file in info.siblings or []}
    heads: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for file in sorted(sizes):
        if not (match := _FILE.fullmatch(file)):
            continue
        try:
            name = resolve(match["stem"])
        except UnknownNameError:
            unknown[match["stem"]] = file
            continue
        if name in heads:
            raise LooseHeadsError(f"head {name!r} is there twice: {heads[name]} and {file}")
        heads[name] = file
    ordered = {name: heads[name] for name in _ORDER if name in heads}
    files = {file: sizes[file] for file in (*ordered.values(), *unknown.values())}
    return LooseHeads(str(source), commit, "config.json" in sizes, files, ordered, unknown)


def lacking(loose: LooseHeads) -> str:
    """What is to be said where not all of the 40 emotions are there; "" where they are."""
    there = [name for name in EMOTION_NAMES if name in loose.heads]
    missing = [name for name in EMOTION_NAMES if name not in loose.heads]
    if not missing:
        return ""
    few = there if len(there) < len(missing) else missing
    verb = "has only" if few is there else "lacks"
    listed = ", ".join([*few[:8], *(["…"] if len(few) > 8 else [])])
    return (
        f"{loose.source} {verb} {len(few)} of the {len(EMOTION_NAMES)} emotions{listed and ':'} "
        f"{listed}"
    ).rstrip()
