"""Any text-to-speech program on this machine, as a command with placeholders."""

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .engines import EngineError, NoAnswerError, Speech

FIELDS = {
    "text": "text",
    "prompt": "prompt",
    "language": "language",
    "accent": "accent",
    "voice": "voice",
    "sex": "sex",
    "emotion": "target_emotion",
    "intensity": "target_intensity",
    "seed": "seed",
}
"""Placeholders beside `{output}`, and the plan's columns that take their place."""
TIMEOUT_S = 300
MAX_BYTES = 50 * 2**20
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Command:
    """Runs a program for each clip, without a shell; it writes a sound file to `{output}`.

    Args:
        template: Such as `piper --text {text} --output {output}`. Split like a shell line first,
            so that what takes a placeholder's place is always one argument, whatever is in it.

    Raises:
        EngineError: No program, an unknown placeholder, or neither `{text}` nor `{prompt}`.

    Example:
        >>> Command("cat {words} {output}")
        Traceback (most recent call last):
        dataset_scripts.generation.engines.EngineError: {words} is no placeholder; valid: {output}, {text}, {prompt}, {language}, {accent}, {voice}, {sex}, {emotion}, {intensity}, {seed}
    """  # noqa: E501 - a message is one line

    name = "command"

    def __init__(self, template: str):
        try:
            self._words = shlex.split(template)
        except ValueError as error:
            raise EngineError(f"engine={template!r} cannot be split into words: {error}") from None
        asked = _PLACEHOLDER.findall(template)
        for name in asked:
            if name not in FIELDS and name != "output":
                valid = ", ".join(f"{{{field}}}" for field in ("output", *FIELDS))
                raise EngineError(f"{{{name}}} is no placeholder; valid: {valid}")
        if not {"text", "prompt"} & set(asked):
            raise EngineError(f"engine={template!r} needs {{text}} or {{prompt}}")
        if shutil.which(self._words[0]) is None:
            raise EngineError(f"there is no program {self._words[0]!r} to run")
        self.settings: dict[str, Any] = {"command": template}

    def __call__(self, row: Mapping[str, Any]) -> Speech:
        """Speaks a row; see `Engine`."""
        with TemporaryDirectory(prefix="emonet-") as folder:
            output = Path(folder, "clip.wav")
            values = {name: str(row[column]) for name, column in FIELDS.items()}
            values["output"] = str(output)
            words = [_PLACEHOLDER.sub(lambda m: values[m[1]], word) for word in self._words]
            code, said = _run(words)
            if code != 0:
                raise NoAnswerError(f"exit code {code}{': ' if said else ''}{said}")
            if not output.is_file():
                raise NoAnswerError("wrote no file to {output}")
            with output.open("rb") as file:
                sound = file.read(MAX_BYTES + 1)
        if len(sound) > MAX_BYTES:
            raise NoAnswerError(f"wrote more than {MAX_BYTES // 2**20} MB to {{output}}")
        return Speech(sound, 0, row["accent"], row["voice"])


def _run(words: list[str]) -> tuple[int, str]:
    """Exit code, and the last line of what the program said of errors."""
    try:
        # A session of its own: what it started ends with it, and Ctrl-C does not reach it.
        program = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # a NUL in the text is the latter
        raise NoAnswerError(f"cannot be run: {error}") from None
    try:
        said = program.communicate(timeout=TIMEOUT_S)[1].decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"not done after {TIMEOUT_S} s") from None
    finally:
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()
    lines = said.strip().splitlines()
    return program.returncode, lines[-1][:200] if lines else ""
