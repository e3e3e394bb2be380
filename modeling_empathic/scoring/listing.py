"""Which files are clips: folders, patterns, and lists of paths as other programs write them."""

import codecs
import glob
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from modeling_empathic.taxonomy import UserError

from .names import place

AUDIO_SUFFIXES = (
    *(".3g2", ".3gp", ".aac", ".ac3", ".adts", ".aif", ".aifc", ".aiff", ".amr", ".ape"),
    *(".asf", ".au", ".avi", ".awb", ".bwf", ".caf", ".dts", ".eac3", ".f4v", ".flac"),
    *(".flv", ".m2ts", ".m4a", ".m4b", ".m4r", ".m4v", ".mka", ".mkv", ".mov", ".mp2"),
    *(".mp3", ".mp4", ".mpa", ".mpeg", ".mpg", ".mpga", ".mts", ".nist", ".oga", ".ogg"),
    *(".ogm", ".ogv", ".ogx", ".opus", ".qt", ".rf64", ".snd", ".spx", ".sph", ".thd"),
    *(".ts", ".tta", ".vob", ".voc", ".w64", ".wav", ".wave", ".weba", ".webm", ".wma"),
    *(".wmv", ".wv"),
)
"""Of files with sound that can be decoded; films too."""

AnyPath = str | os.PathLike[str]


class ScoringError(UserError):
    """Something the caller can put right: a path, an argument, a model, an output."""


def find_audio(
    paths: Iterable[AnyPath],
    *,
    listed: bool = False,
    passed_over: Counter[str] | None = None,
    suffixes: tuple[str, ...] = AUDIO_SUFFIXES,
    at_address: Callable[[str, tuple[str, ...]], list[str]] | None = None,
) -> list[str]:
    """Turns files, folders and glob patterns into a list of clips.

    Folders are read recursively in sorted order and, like globs, give only files with an audio
    suffix (`AUDIO_SUFFIXES`), not hidden ones. A file that is named itself is taken whatever its
    suffix. A clip that is reached twice is listed once, where it came first.

    Args:
        paths: Files, folders, or patterns such as `"clips/**/*.wav"`.
        listed: The paths come from a list: what does not exist is kept, to become a row that says
            so, instead of stopping all.
        passed_over: Gets the suffixes of the files that were left out, and how often.
        suffixes: Of the files that are taken from folders and patterns.
        at_address: Lists what an address such as `s3://…` names; None where none is read.

    Returns:
        Paths as strings, in the order of the arguments.

    Raises:
        ScoringError: A path that does not exist, or a folder or pattern without audio.

    Example:
        >>> find_audio(["no/such/clip.wav"])
        Traceback (most recent call last):
        modeling_empathic.scoring.listing.ScoringError: no such file or folder: no/such/clip.wav
    """
    left_out: set[str] = set()  # absolute paths: a pattern may reach a file more than once
    reached: dict[str, str] = {}  # where it is -> path as it was reached
    for given in (os.fspath(path) for path in paths):
        if at_address and "://" in given:
            file = Path(given).suffix.lower() in suffixes and not glob.has_magic(given)
            clips = [given] if listed and file else at_address(given, suffixes)
        elif os.path.isdir(given):  # noqa: PTH112 - Path("") would be the working directory
            clips = _audio_in(given, suffixes, left_out)
        elif os.path.lexists(given) and given:
            clips = [str(Path(given))]
        elif glob.has_magic(given) and (
            matches := sorted(glob.glob(given, recursive=True))  # noqa: PTH207 - absolute ones too
        ):
            clips = [clip for match in matches for clip in _audio_at(match, suffixes, left_out)]
        elif listed and given:
            clips = [given]
        elif "://" in given:
            raise ScoringError(
                f"addresses are not read: {given}; download the file, give its path, or choose "
                "engine ray"
            )
        elif glob.has_magic(given):
            clips = []
        else:
            raise ScoringError(f"no such file or folder: {given or '(empty path)'}")
        if not clips and not listed:
            others = passed_over_line(_suffixes(left_out))
            raise ScoringError(
                f"no audio found in {given} (looked for {' '.join(suffixes)})"
                f"{'; ' if others else ''}{others}"
            )
        for clip in clips:
            reached.setdefault(place(clip), clip)
    if passed_over is not None:
        passed_over.update(_suffixes(left_out))
    return list(reached.values())


def _audio_in(folder: str, suffixes: tuple[str, ...], left_out: set[str]) -> list[str]:
    """Audio files below a folder, sorted by path; links to folders are not followed (loops)."""
    clips = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found = (Path(root, name) for name in files)
        clips += [path for path in found if _is_audio(path, suffixes, left_out)]
    return [str(clip) for clip in sorted(clips)]


def _audio_at(match: str, suffixes: tuple[str, ...], left_out: set[str]) -> list[str]:
    if Path(match).is_dir():
        return _audio_in(match, suffixes, left_out)
    return [str(Path(match))] if _is_audio(Path(match), suffixes, left_out) else []


def _is_audio(path: Path, suffixes: tuple[str, ...], left_out: set[str]) -> bool:
    if path.name.startswith("."):
        return False
    if path.suffix.lower() in suffixes and not _is_typescript(path):
        return True
    left_out.add(str(path.absolute()))
    return False


def _is_typescript(path: Path) -> bool:
    """Whether a `.ts` or `.mts` is source code: a film's first or fifth byte is G."""
    if path.suffix.lower() not in (".ts", ".mts"):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(5)
    except OSError:
        return False  # to be a row that says so
    return bool(head) and b"G" not in (head[:1], head[4:])


def _suffixes(left_out: set[str]) -> Counter[str]:
    return Counter(Path(path).suffix.lower() or "no suffix" for path in left_out)


def passed_over_line(suffixes: Counter[str]) -> str:
    """What was left out of the folders, for people; `""` if nothing.

    Example:
        >>> passed_over_line(Counter({".pdf": 1, ".txt": 2}))
        '3 files passed over: .txt 2, .pdf 1'
    """
    if not suffixes:
        return ""
    n = suffixes.total()
    if n == 1:
        return f"1 file passed over: {next(iter(suffixes))}"
    most = [f"{suffix} {count:,}" for suffix, count in suffixes.most_common(8)]
    more = f", and {len(suffixes) - 8} other kinds" if len(suffixes) > 8 else ""
    return f"{n:,} file{'s' * (n != 1)} passed over: {', '.join(most)}{more}"


def read_list(content: bytes) -> list[str]:
    r"""The paths of a list, as `find`, an editor or a spreadsheet wrote it.

    One a line, or between null characters (`find -print0`). A byte order mark is no part of the
    first, and quotes and spaces around a path are none of it unless there is such a file.

    Example:
        >>> read_list(b'\xef\xbb\xbfa.wav\r\n"b c.wav"\r\n\r\n')
        ['a.wav', 'b c.wav']
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", "replace").encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    if b"\0" in content:
        return [os.fsdecode(path) for path in content.split(b"\0") if path]
    lines = (os.fsdecode(line.removesuffix(b"\r")) for line in content.split(b"\n"))
    return [_path_of(line) for line in lines if line.strip()]


def _path_of(line: str) -> str:
    if os.path.lexists(line):
        return line
    path = line.strip()
    if len(path) > 1 and path[0] == path[-1] and path[0] in "'\"" and not os.path.lexists(path):
        path = path[1:-1]
    return path
