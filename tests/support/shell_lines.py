"""The shell lines of a Markdown text: those of its blocks, and commands in its sentences."""

import re
import shlex
from functools import cache
from typing import Any

_BLOCK = re.compile(r"^ *```(?:bash|sh|shell|console)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_ANY_BLOCK = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
_SPOKEN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_PROGRAMS = r"(?:\w+=\S+ )?(?:emonet-voice|python|python3|pip|make|accelerate|git|source)"


def shell_lines(text: str) -> list[str]:
    """Every line that a reader can type, as it is written, without its comment.

    A sentence's command counts if it has something to work on: `emonet-voice evaluate` is a name.
    """
    lines = block_lines(text)
    for spoken in _SPOKEN.findall(_ANY_BLOCK.sub("", text)):
        line = " ".join(spoken.split())
        if re.fullmatch(rf"{_PROGRAMS} .+", line) and not is_name(line):
            lines.append(line)
    return lines


def block_lines(text: str) -> list[str]:
    """The lines of its blocks alone, in order."""
    blocks = (re.sub(r"\s*\\\n\s*", " ", block) for block in _BLOCK.findall(text))
    lines = (re.sub(r"(^|\s+)#.*", "", line).strip() for b in blocks for line in b.splitlines())
    return [line for line in lines if line]


def is_name(line: str) -> bool:
    """Whether a line names a command of ours, with at most an option, and is not typed so."""
    words = shlex.split(line)
    return words[0] == "emonet-voice" and all(
        word.startswith("-") or word.isupper() for word in command_of(words)[1]
    ) and line not in (f"emonet-voice {name}" for name in ("demo", "models"))  # fmt: skip


def command_of(words: list[str]) -> tuple[list[str], list[str]]:
    """Names of the command, such as `["bench", "build"]`, and what follows them."""
    inner, path, words = _app(), [], words[1:]
    while words and (inner := getattr(inner, "commands", {}).get(words[0])):
        path.append(words[0])
        words = words[1:]
    return path, words


@cache
def _app() -> Any:
    from typer.main import get_command

    from emonet_voice.cli.commands import app

    return get_command(app)
