"""Runs a notebook of `examples/` as a reader does, cell after cell, and without Jupyter."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from .places import REPOSITORY


def cells(name: str) -> list[dict]:
    """The cells of `examples/NAME.ipynb`."""
    text = (REPOSITORY / "examples" / f"{name}.ipynb").read_text("utf-8")
    return json.loads(text)["cells"]


def run_notebook(name: str, folder: Path, **environment: str) -> str:
    """What the code cells print, run in one process; a line that begins with `!` in a shell.

    Args:
        name: Of `examples/NAME.ipynb`.
        folder: The current one, which is empty.
        environment: Further variables.
    """
    code = "\n".join("".join(c["source"]) for c in cells(name) if c["cell_type"] == "code")
    shell = r"__import__('subprocess').run(f'''\1''', shell=True, check=True)"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-u", "-c", re.sub(r"^!(.*)$", shell, code, flags=re.MULTILINE)],
        cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PATH": path, "MPLBACKEND": "agg", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    return done.stdout
