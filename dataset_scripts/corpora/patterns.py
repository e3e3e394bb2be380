"""What the paths of recordings say of them: by a pattern, or by folders that are called as classes.

A pattern is of paths without suffix: `{label}`, `{speaker}`, `{text}`, `{}` for anything else,
`{label:1}` for one character; a field that comes twice is joined.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath

from dataset_scripts.corpora.raw_release import RawReleaseError
from modeling_empathic.scoring.listing import AUDIO_SUFFIXES
from modeling_empathic.training.tables import plain

_FIELD = re.compile(r"\{([a-z]*)(?::([1-9]\d?))?\}")
_FIELDS = ("", "label", "speaker", "text")
_NO_SPEAKERS = {
    *("train", "training", "test", "testing", "val", "valid", "validation", "dev", "development"),
    *("eval", "evaluation", "male", "female", "man", "woman", "men", "women", "m", "f", "wav"),
    *("wavs", "audio", "clean", "noisy"),
}
"""Folders that hold several people."""
_MOST = 0.5  # of the recordings are in classes that we know
IsClass = Callable[[str], str | None]
"""A word -> its class, or None."""


def recordings(root: Path) -> list[Path]:
    """The files with sound below a folder, by path; hidden ones are none."""
    return sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def by_pattern(root: Path, pattern: str) -> Iterator[tuple[Path, str, str, str]]:
    """Path, label, speaker and text of every recording that is named as a pattern says.

    Raises:
        RawReleaseError: No pattern, or no such recording.
    """
    pieces = _FIELD.split(unicodedata.normalize("NFC", pattern.replace("\\", "/")))
    fields = pieces[1::3]
    if "label" not in fields or "{" in "".join(pieces[::3]) or {*fields} - {*_FIELDS}:
        raise RawReleaseError(
            f"labels {pattern!r} is no pattern: it has {{label}}, and if wanted {{speaker}}, "
            "{text} and {} for anything; {label:1} is one character"
        )
    written = re.escape(pieces[0])
    for _, length, after in zip(fields, pieces[2::3], pieces[3::3], strict=True):
        written += f"([^/]{{{length}}})" if length else "([^/]+?)"
        written += re.escape(after)
    expression, depth = re.compile(written), pattern.count("/") + 1
    found = 0
    for path in recordings(root):
        below = path.relative_to(root)
        whole = "/".join(unicodedata.normalize("NFC", part) for part in below.parts[-depth:])
        match = expression.fullmatch(whole[: -len(path.suffix)]) or (
            pattern.lower().endswith(path.suffix.lower()) and expression.fullmatch(whole)
        )
        if match:
            found += 1
            parts: dict[str, list[str]] = defaultdict(list)
            for field, value in zip(fields, match.groups(), strict=True):
                parts[field].append(value)
            label, speaker, text = ("_".join(parts[field]) for field in _FIELDS[1:])
            yield path, label, speaker, text
    if not found:
        raise RawReleaseError(f"no recording in {root} is named as labels {pattern!r} says")


def of_folders(paths: Sequence[PurePath], class_of: IsClass) -> str | None:
    """The pattern of class folders, with whose folders there are; None where none are classes.

    Args:
        paths: Of recordings, below the corpus's folder.
        class_of: What a folder's name means.

    Example:
        >>> paths = [PurePath(f"{who}/{what}/1.wav") for who in "ab" for what in ("sad", "joy")]
        >>> of_folders(paths, {"sad": "sadness", "joy": "happiness"}.get)
        '{speaker}/{label}/{}'
    """
    folders = [path.parts[-2::-1] for path in paths]  # the innermost first
    for level in range(max(map(len, folders), default=0)):
        classes = [class_of(of[level]) if level < len(of) else None for of in folders]
        if len({*classes} - {None}) > 1 and _share(classes) >= _MOST:
            inner = ["{speaker}" if _speaks(folders, classes, level - 1) else "{}"]
            inner = inner + ["{}"] * (level - 1) if level else []
            outer = [] if inner[:1] == ["{speaker}"] else ["{speaker}"]
            outer = outer if _speaks(folders, classes, level + 1) else []
            return "/".join([*outer, "{label}", *inner, "{}"])
    return None


def of_names(paths: Sequence[PurePath], class_of: IsClass) -> str | None:
    """A pattern that the names of recordings seem to follow, to be looked at by people.

    Example:
        >>> paths = [PurePath(f"{who}_{what}_XX.wav") for who in "12" for what in ("SAD", "JOY")]
        >>> of_names(paths, {"SAD": "sadness", "JOY": "happiness"}.get)
        '{speaker}_{label}_{}'
    """
    for mark in "_-":
        split = [path.stem.split(mark) for path in paths]
        n, n_paths = Counter(map(len, split)).most_common(1)[0] if split else (0, 0)
        names = [parts for parts in split if len(parts) == n]
        if n < 2 or n_paths < _MOST * len(paths):
            continue
        for place in range(n):
            classes = [class_of(parts[place]) for parts in names]
            if len({*classes} - {None}) > 1 and _share(classes) >= _MOST:
                fields = ["{label}" if i == place else "{}" for i in range(n)]
                others = (i for i in range(n) if i != place and _speaks(names, classes, i))
                if (speaker := next(others, None)) is not None:
                    fields[speaker] = "{speaker}"
                return mark.join(fields)
    return None


def _share(classes: Sequence[str | None]) -> float:
    return sum(name is not None for name in classes) / len(classes)


def _speaks(parts: Sequence[Sequence[str]], classes: Sequence[str | None], place: int) -> bool:
    """Whether these parts may be speakers: several, most of whom are heard in several classes."""
    heard: dict[str, set[str]] = defaultdict(set)
    for of, name in zip(parts, classes, strict=True):
        if name is not None:
            if not 0 <= place < len(of) or plain(of[place]) in _NO_SPEAKERS:
                return False
            heard[of[place]].add(name)
    several = sum(len(names) > 1 for names in heard.values())
    return len(heard) > 1 and several > len(heard) / 2
