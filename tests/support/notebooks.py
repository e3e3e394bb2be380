"""Runs a notebook of `examples/` as a reader does, cell after cell, and without Jupyter."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from .places import REPOSITORY

TYPED = """
def _typed(line):
    import shlex
    from emonet_voice.cli.app import run
    assert run(shlex.split(line)) == 0, line

"""


def cells(name: str) -> list[dict]:
    """The cells of `examples/NAME.ipynb`."""
    text = (REPOSITORY / "examples" / f"{name}.ipynb").read_text("utf-8")
    return json.loads(text)["cells"]


def run_notebook(name: str, folder: Path, **environment: str) -> str:
    """What the code cells print, run in one process, our command's lines (`!emonet-voice`) too.

    Args:
        name: Of `examples/NAME.ipynb`.
        folder: The current one, which is empty.
        environment: Further variables.
    """
    code = "\n".join("".join(c["source"]) for c in cells(name) if c["cell_type"] == "code")
    typed = re.sub(r"^!emonet-voice (.*)$", r"_typed(f'''\1''')", code, flags=re.MULTILINE)
    assert not re.search(r"^!", typed, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-u", "-c", TYPED + typed], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "MPLBACKEND": "agg", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    return done.stdout
