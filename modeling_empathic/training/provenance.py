"""What shaped a training run, as it is kept beside the weights."""

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

FILE_NAME = "training_args.json"
PACKAGES = ("torch", "transformers", "datasets", "safetensors", "numpy", "accelerate")


def provenance() -> dict[str, Any]:
    """Versions, machine, time and the state of the code: nothing that names a user or a folder.

    Example:
        >>> sorted(provenance())
        ['command', 'git', 'machine', 'started', 'versions']
    """
    import torch

    from .. import __version__

    return {
        "versions": {"emonet-voice": __version__, "python": platform.python_version()}
        | {name: found for name in PACKAGES if (found := _version(name))},
        "machine": {
            "processor": platform.machine(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "git": git_state(),
        "command": Path(sys.argv[0]).name,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def git_state(folder: Path = Path(__file__).parent) -> str | None:
    """Commit of the code, with `-dirty` where files differ from it; `None` outside a checkout."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return None
    return done.stdout.strip() or None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
