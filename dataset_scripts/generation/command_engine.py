"""Any text-to-speech program on this machine, as a command with placeholders."""

import errno
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any
from uuid import uuid4

from .engines import EngineError, NoAnswerError, RefusedError, Speech

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
LOOK_S = 0.5  # between looks at what a program that is not done has written
LOOKS = 5  # for what it left running
MARK = "EMONET_VOICE_CLIP"  # in the environment of all that it starts
SHOWN_BYTES = 2_000  # at the end of what it says of errors, the last line is looked for
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
        # What it did to its folder, where that cannot be removed, is no matter of ours.
        with TemporaryDirectory(prefix="emonet-", ignore_cleanup_errors=True) as folder:
            output = Path(folder, "clip.wav")
            values = {name: str(row[column]) for name, column in FIELDS.items()}
            values["output"] = str(output)
            words = [_PLACEHOLDER.sub(lambda m: values[m[1]], word) for word in self._words]
            code, said = _run(words, output)
            if code != 0:
                said = said.replace(folder, "…")  # another name each time, for the same failure
                raise NoAnswerError(f"exit code {code}{': ' if said else ''}{said}")
            sound = _read(output)
        return Speech(sound, 0, row["accent"], row["voice"])


def _run(words: list[str], output: Path) -> tuple[int, str]:
    """Exit code, and the last line of what the program said of errors."""
    mark = uuid4().hex
    with TemporaryFile() as log:  # without a name that the program could put something else under
        try:
            # A session of its own: Ctrl-C does not reach it, and what it started can be ended too.
            program = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                env={**os.environ, MARK: mark},
            )
        except (OSError, ValueError) as error:
            # A NUL in an argument, or too long a one: there it is again at every try.
            never = isinstance(error, ValueError) or error.errno == errno.E2BIG
            kind = RefusedError if never else NoAnswerError
            raise kind(f"cannot be run: {error}") from None
        try:
            code = _ended(program, output, log)
        finally:
            # Also of a program that is done: what it left running has nothing more to say.
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            _end_all(f"{MARK}={mark}".encode())
            program.wait()
        log.seek(max(0, os.fstat(log.fileno()).st_size - SHOWN_BYTES))
        lines = log.read(SHOWN_BYTES).decode("utf-8", "replace").strip().splitlines()
        return code, lines[-1][:200] if lines else ""


def _end_all(mark: bytes) -> None:
    """Ends what went into a session of its own (`setsid`, a daemon), where `/proc` tells it."""
    for _ in range(LOOKS):  # a process may start another while it is looked for
        found = [pid for pid in _processes() if mark in _environment(pid)]
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            break


def _processes() -> list[int]:
    with suppress(OSError):
        return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return []


def _environment(pid: int) -> bytes:
    with suppress(OSError):  # somebody else's, or gone
        return Path(f"/proc/{pid}/environ").read_bytes()
    return b""


def _read(output: Path) -> bytes:
    """The file itself: a link may lead to what is nobody's speech, a pipe may never end."""
    if output.is_symlink():
        raise NoAnswerError("wrote a link and no file to {output}")
    try:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(output, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NoAnswerError("wrote no file to {output}")
            sound = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise NoAnswerError("wrote no file to {output}") from None
    except OSError as error:
        raise NoAnswerError(f"what it wrote cannot be read: {error.strerror}") from None
    if len(sound) > MAX_BYTES:
        raise NoAnswerError(_too_much("to {output}"))
    return sound


def _ended(program: subprocess.Popen[bytes], output: Path, log: IO[bytes]) -> int:
    """The exit code of a program that ends in time and does not fill the disk."""
    until = time.monotonic() + TIMEOUT_S
    while True:
        with suppress(subprocess.TimeoutExpired):
            return program.wait(LOOK_S)
        with suppress(OSError):
            if output.stat().st_size > MAX_BYTES:
                raise NoAnswerError(_too_much("to {output}"))
        if os.fstat(log.fileno()).st_size > MAX_BYTES:
            raise NoAnswerError(_too_much("about errors"))
        if time.monotonic() > until:
            raise NoAnswerError(f"not done after {TIMEOUT_S} s")


def _too_much(where: str) -> str:
    return f"wrote more than {MAX_BYTES // 2**20} MB {where}"
