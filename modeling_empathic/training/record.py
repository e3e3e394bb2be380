"""Everything that shaped a run, kept beside its weights, so that it can be told and repeated."""

import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from ..taxonomy import UserError

RECORD = "training_args.json"
LARGEST_RECORD = 2**28  # bytes; it has the curve of every head, and names what cannot be decoded
_PACKAGES = ("torch", "transformers", "accelerate", "datasets", "numpy", "librosa")
_TOLD, _TOLD_CHARS = 3, 120  # values of an argument that differ, and the longest two that are told
_CODE = Path(__file__).parents[1]


class TrainingError(UserError):
    """A run that cannot start or go on; the message says which argument to change."""


def surroundings() -> dict[str, Any]:
    """Versions, device and state of the code, as they are now; no host and no path.

    Example:
        >>> sorted(surroundings())
        ['device', 'git', 'versions']
    """
    import torch

    from .. import __version__

    versions = {"python": platform.python_version(), "emonet-voice": __version__}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):  # heads are trained without accelerate too
            versions[name] = metadata.version(name)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    return {"versions": versions, "device": device, "git": git_state()}


def git_state(folder: Path = _CODE.parent) -> dict[str, Any] | None:
    """Commit of a checkout and whether files differ from it; None where there is none."""
    if not (folder / ".git").exists():
        return None  # an installed package, maybe in the midst of a checkout of something else

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):  # no git here, or nothing committed
        return None


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What of a run's arguments another run had otherwise, in words; `""` if nothing.

    Args:
        old: As the other run wrote it, and maybe somebody edited; what only that has is no matter.
        new: Of this run.

    Example:
        >>> old = {"folds": 1, "settings": {"loss": "mae", "seed": 0}, "version": 1}
        >>> differences(old, {"folds": 5, "settings": {"loss": "mse", "seed": 0}})
        "folds: was 1, is now 5; settings: loss was 'mae', is now 'mse'"
    """
    found = []
    for name, value in new.items():
        was = old.get(name)
        pairs = {"": (was, value)}
        if isinstance(was, dict) and isinstance(value, dict):
            pairs = {f"{inner} ": (was.get(inner), value[inner]) for inner in value}
        told = [_told(one, *pair) for one, pair in pairs.items() if pair[0] != pair[1]]
        if told:
            found.append(": ".join(filter(None, (name, ", ".join(told[:_TOLD])))))
    return "; ".join(found)


def _told(name: str, was: Any, now: Any) -> str:
    values = f"was {was!r}, is now {now!r}"
    return f"{name}{values}" if len(values) <= _TOLD_CHARS else name.strip()


def origin(source: str | Path, revision: str | None = None) -> dict[str, str | None]:
    """Where something came from; of a folder only the name, since its path is nobody's business."""
    folder = Path(source)
    return {"name": folder.resolve().name if folder.is_dir() else str(source), "revision": revision}
