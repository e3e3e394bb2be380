"""What a clip is called in a score file: one file has one name, wherever it is reached from.

Names are paths, relative ones from the folder in which the file was begun. Where that is not the
folder of the score file, `paths_from` in the provenance says how to get there from the latter, so
that a project can be moved as a whole.
"""

import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

PATHS_FROM = "paths_from"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # but tabs and line ends


def place(path: str | os.PathLike[str]) -> str:
    """Where a file is: folders without links and `..`, the file's own name as it is.

    A link to a file is a clip of its own; a folder reached through a link is the same folder.

    Example:
        >>> place("clips/../a.wav") == place("./a.wav")
        True
    """
    folder, name = os.path.split(os.fspath(path))
    return str(Path(_real(folder or os.curdir, os.getcwd()), name))  # noqa: PTH109


@lru_cache(maxsize=1024)
def _real(folder: str, _working: str) -> str:
    return os.path.realpath(folder)


def paths_from(output: Path) -> dict[str, str]:
    """The provenance's word for the working directory; none where the score file lies in it."""
    way = os.path.relpath(os.path.realpath(os.curdir), os.path.realpath(output.parent))
    return {} if way == os.curdir else {PATHS_FROM: way}


def start_of(output: Path, provenance: dict[str, object]) -> str:
    """The folder from which the relative names in a score file start."""
    way = str(provenance.get(PATHS_FROM, os.curdir))
    return os.path.realpath(Path(output).parent / way)


class ClipNames:
    """Path of a clip -> its name in a score file.

    Args:
        start: Of [`start_of`].
        known: Names that the file has; a clip that is one of them keeps it.
    """

    def __init__(self, start: str, known: Iterable[str] = ()):
        self.start = start
        self._known = {place(Path(start, name)): name for name in known}

    def __call__(self, path: str | os.PathLike[str]) -> str:
        """The name of a clip, as text that every file format can hold; an address is its own."""
        if "://" in os.fspath(path):
            return path_text(path)
        where = place(path)
        return self._known.get(path_text(where)) or path_text(self._new(path, where))

    def _new(self, path: str | os.PathLike[str], where: str) -> str:
        given = Path(path)
        if given.is_absolute():
            return str(given)
        at_home = os.path.realpath(os.curdir) == self.start
        return str(given) if at_home and ".." not in given.parts else relative(where, self.start)


def relative(path: str, start: str) -> str:
    """The path from a folder; as it is where there is none, between drives."""
    try:
        return os.path.relpath(path, start)
    except ValueError:
        return path


def path_text(path: str | os.PathLike[str]) -> str:
    r"""The path as text that every file format can hold and that commands no terminal.

    Example:
        >>> path_text("a\x1b[2J.wav")
        'a\\x1b[2J.wav'
    """
    text = os.fspath(path).encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def copies(clip_ids: Mapping[str, str | None]) -> list[tuple[str, str]]:
    """Clips with the very bytes of an earlier one, and its name.

    Args:
        clip_ids: SHA-256 by name; None where a file could not be read.

    Example:
        >>> copies({"a.wav": "1", "b.wav": "2", "old/a.wav": "1"})
        [('old/a.wav', 'a.wav')]
    """
    first: dict[str, str] = {}
    pairs = [(name, first.setdefault(sha, name)) for name, sha in clip_ids.items() if sha]
    return [(name, earlier) for name, earlier in pairs if name != earlier]
