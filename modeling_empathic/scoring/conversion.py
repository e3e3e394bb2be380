"""What a conversion says of its folder: where the model is from, and the SHA-256 of each file."""

from pathlib import Path
from typing import Any

from modeling_empathic.report.files import read_json, sha256, write_json
from modeling_empathic.taxonomy import UserError

CONVERSION = "conversion.json"
FILES = "files"
_SUFFIXES = (".json", ".safetensors")
_QUICK_BYTES = 2**20
"""Configurations are smaller, weights are larger."""


def seal(folder: Path, about: dict[str, Any]) -> None:
    """Writes `conversion.json`, the last of a folder's files, with a SHA-256 of each other."""
    files = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
    digests = {path.name: sha256(path) for path in files if path.name != CONVERSION}
    write_json(folder / CONVERSION, {**about, FILES: digests})


def changed(folder: Path, *, weights: bool) -> list[str]:
    """Names of the files that are not as the conversion wrote them; none where nothing says so.

    Args:
        folder: Of a model.
        weights: Whether to read large files too, for which 6 GB take ten seconds.
    """
    try:
        digests = dict(read_json(folder / CONVERSION)[FILES])
    except (UserError, KeyError, TypeError, ValueError):
        return []
    return [name for name in digests if _differs(folder / Path(name).name, digests[name], weights)]


def _differs(path: Path, digest: Any, weights: bool) -> bool:
    if not path.is_file():
        return True
    return (weights or path.stat().st_size <= _QUICK_BYTES) and sha256(path) != digest
