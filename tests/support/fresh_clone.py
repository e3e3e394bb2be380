"""The README typed line by line where nothing is: a fresh clone, an empty home, a local Hub.

What is public is there in small, but Bench has its whole number of clips, as its build demands.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emonet_voice.hub.local.server import LocalHub

from .places import REPOSITORY
from .servers import answers, reserved_port, wait_until
from .shell_lines import block_lines
from .stand_ins import make_emodb, serve_public_release

LAST = 12  # lines of a line's output that are kept


def follow_readme(
    work: Path,
    whisper: Path,
    left_out: Callable[[str], str | None],
    show: Callable[[str], object] = print,
) -> list[dict[str, Any]]:
    """Types every shell line of the README's blocks.

    Args:
        work: Empty folder.
        whisper: A tiny Whisper as the public encoder.
        left_out: Why a line is not typed, if it is not.
        show: Gets each line before it is typed, and how it ended.

    Returns:
        A row a line: `line`, `seconds`, `code` (None if it was left out), `output` (its end, or why
        it was left out).
    """
    clone, home, rows = work / "clone", work / "home", []
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)
    home.mkdir()
    make_emodb(clone)
    with LocalHub(work / "hub") as hub:
        serve_public_release(hub, work / "public", whisper, scale=1)
        environment = _environment(home) | hub.environment(home / "huggingface")
        for line in block_lines((clone / "README.md").read_text("utf-8")):
            show(f"$ {line}")
            reason = left_out(line)
            if reason:
                row = {"line": line, "seconds": 0.0, "code": None, "output": reason}
            else:
                row = _type(line, clone, environment, work / "log.txt", str(work))
            rows.append(row)
            show(f"{row['output']}\n[{row['code']}, {row['seconds']:.0f} s]")
            if line.startswith("source ") and row["code"] == 0:  # each line has a shell of its own
                programs = clone / line.split()[1]
                environment["PATH"] = f"{programs.parent}:{environment['PATH']}"
        assert hub.unknown == [], "the local Hub lacks an endpoint that clients use"
    return rows


def _environment(home: Path) -> dict[str, str]:
    """Of somebody who has just come: the machine's programs and package index, and no more."""
    ours = str(Path(sys.prefix))
    path = [part for part in os.environ["PATH"].split(":") if not part.startswith(ours)]
    kept = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_"))}
    return {**kept, "PATH": ":".join(path), "HOME": str(home), "LANG": "C.UTF-8"}


def _type(
    line: str, clone: Path, environment: dict[str, str], log: Path, work: str
) -> dict[str, Any]:
    """Runs a line to its end; a server until it gives a page."""
    start = time.perf_counter()
    with log.open("w") as output, reserved_port() as port:
        served = line.startswith("emonet-voice demo")
        # The shell becomes the server, so that it ends with it.
        process = subprocess.Popen(
            ["bash", "-c", f"exec {line}" if served else line], cwd=clone,
            env=environment | {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "0"},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            if served:
                url = f"http://127.0.0.1:{port}/"
                wait_until(lambda: process.poll() is not None or answers(url), "a page")
                code = process.poll() or 0
            else:
                code = process.wait()
        finally:
            process.kill()
            process.wait()
    said = re.sub(r"\x1b\[[\d;]*m", "", log.read_text("utf-8", "replace")).replace(work, "…")
    said = re.sub(r"#code=\w+", "#code=…", said)  # of a rater: no secret goes into a transcript
    end = "\n".join([text.rstrip() for text in said.splitlines() if text.strip()][-LAST:])
    return {"line": line, "seconds": time.perf_counter() - start, "code": code, "output": end}
