"""The CSV that says what clips are, however it was written, and the files that it names.

Corpora and spreadsheets write commas, semicolons or tabs, UTF-8 with or without a mark, or Latin-1;
call a column FileName or path; and name files by a path of another machine, without the suffix, or
with umlauts in two characters.
"""

import csv
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..report.files import sha256
from ..scoring.listing import AUDIO_SUFFIXES
from ..taxonomy import UserError

COLUMNS = {
    "file": ("filename", "filepath", "path", "audio", "audiopath", "audiofile", "wav", "wavfile",
             "clip", "datei", "dateiname", "pfad", "fichier", "archivo", "arquivo", "plik"),
    "label": ("emotion", "class", "emoclass", "emotionlabel", "emovote", "labels", "gefuhl",
              "klasse", "emocion", "emozione", "emocao", "emocja", "emotie", "classe", "clase"),
    "speaker": ("speakerid", "spkrid", "spkr", "spk", "spkid", "actor", "actorid", "sprecher",
                "sprecherin", "locuteur", "locutor", "hablante", "parlante", "falante", "spreker"),
    "text": ("transcript", "transcription", "sentence", "utterance", "satz", "phrase", "frase"),
    "start": ("starttime", "starts", "begin", "onset", "from", "anfang", "debut", "inicio"),
}  # fmt: skip
"""What a column is for -> what corpora call it besides, in small letters without `_`."""
SHOWN = 10  # names in a message
_DELIMITERS = ",;\t|"


class LabelsError(UserError):
    """A CSV that cannot be read, or a file that it does not name without doubt."""


def plain(text: str) -> str:
    """A word as it is compared: small letters and digits only, without accents.

    Example:
        >>> plain("Dégoût "), plain("pleasant_Surprise")
        ('degout', 'pleasantsurprise')
    """
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


def listed(names: Iterable[object]) -> str:
    """Names for a message: a table may have ten thousand columns, or words.

    Example:
        >>> listed("abc"), listed(range(1_000))
        ('a, b, c', '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 990 more')
    """
    shown = [f"{name!s:.60}" for name in names]
    more = f" and {len(shown) - SHOWN:,} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more


def read_csv(table: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The columns, and number and cells of each line; lines without any cell are left out.

    Raises:
        LabelsError: No file, no header, two columns of one name, or lines of other lengths.
    """
    try:
        lines = _decoded(table.read_bytes()).splitlines(keepends=True)
        delimiter, first = "", 0
        if lines and lines[0].lower().startswith("sep=") and len(lines[0].strip()) == 5:
            delimiter, first = lines[0][4], 1  # as Excel writes
        header = lines[first] if len(lines) > first else ""
        delimiter = delimiter or max(
            _DELIMITERS, key=lambda mark: len(next(csv.reader([header], delimiter=mark), []))
        )
        reader = csv.reader(lines[first:], delimiter=delimiter)
        names = [name.strip() for name in next(reader, [])]
        rows = [(reader.line_num + first, cells) for cells in reader if any(map(str.strip, cells))]
    except OSError as error:
        raise LabelsError(f"{table}: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelsError(f"{table} cannot be read as CSV: {error}") from None
    if "\0" in header:
        raise LabelsError(f"{table} cannot be read as CSV: it is no text")
    named = [name for name in names if name]
    if len(set(named)) < len(named):
        raise LabelsError(f"{table}: two columns of one name; there are {listed(named)}")
    for number, cells in rows:
        if len(cells) != len(names):
            raise LabelsError(
                f"{table}, line {number} has {len(cells)} cells and the header {len(names)}: what "
                f"has a {delimiter!r} in it stands in quotes"
            )
    return named, [(n, {k: c.strip() for k, c in zip(names, r, strict=True) if k}) for n, r in rows]


def _decoded(data: bytes) -> str:
    """Text of UTF-8 or UTF-16 by its mark, else of Windows' and Excel's Latin-1."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def copies(files: Sequence[str], of: Sequence[str]) -> list[int]:
    """Places of files that hold the same bytes as an earlier one that is of somebody else.

    Args:
        files: Of which only those of one size are read.
        of: Whose each is.
    """
    by_size: dict[int, list[int]] = defaultdict(list)
    for place, file in enumerate(files):
        by_size[Path(file).stat().st_size].append(place)
    found = []
    for places in by_size.values():
        first: dict[str, str] = {}
        for place in places if len({of[place] for place in places}) > 1 else ():
            if first.setdefault(sha256(files[place]), of[place]) != of[place]:
                found.append(place)
    return sorted(found)


def column(names: list[str], what: str) -> str | None:
    """The column that is for one of `COLUMNS`: the first of its names that is there.

    Example:
        >>> column(["FileName", "EmoClass"], "file"), column(["a"], "speaker")
        ('FileName', None)
    """
    by_name = {plain(name): name for name in reversed(names)}
    return next((by_name[name] for name in (what, *COLUMNS[what]) if name in by_name), None)


class Files:
    """The files below a folder, found by what a table calls them.

    A name is a path below the folder, or the end of one (`a.wav` of `wav/a.wav`), or ends in one
    (`C:/mine/wav/a.wav`), in any case and Unicode form; of audio the suffix may be missing.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path):
        self.root = root.resolve()
        self._by_name: dict[str, list[tuple[tuple[str, ...], Path]]] | None = None

    def find(self, name: str) -> Path | None:
        """The file, or None where there is none.

        Raises:
            LabelsError: A name that no file can have, one of several files, or of one elsewhere.
        """
        try:
            path = self.root / name
            if not path.is_file():
                path = self._elsewhere(name) or path
            path, there = path.resolve(), path.is_file()
        except (ValueError, RuntimeError, OSError) as error:  # a NUL, links in a circle, too long
            raise LabelsError(f"{name[:80]!r} is no file's name ({str(error)[:80]})") from None
        if there and not path.is_relative_to(self.root):
            raise LabelsError(f"{name!r} leads out of {self.root}")
        return path if there else None

    def _elsewhere(self, name: str) -> Path | None:
        windows = "\\" in name
        pure = PureWindowsPath(name) if windows else PurePosixPath(name)
        parts = _key(part for part in pure.parts if part not in (pure.anchor, "..", "."))
        if not parts:
            return None
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for path in sorted(self.root.rglob("*")):
                if path.is_file():
                    key = _key(path.relative_to(self.root).parts)
                    self._by_name[key[-1]].append((key, path))
                    if path.suffix.lower() in AUDIO_SUFFIXES:
                        stem = _key([path.stem])[0]
                        self._by_name[stem].append(((*key[:-1], stem), path))
        found: dict[int, list[Path]] = {}
        for key, path in self._by_name.get(parts[-1], ()):
            n = min(len(key), len(parts))
            if key[-n:] == parts[-n:]:  # one ends in the other
                found.setdefault(n, []).append(path)
        best = found[max(found)] if found else []
        if len(best) > 1:
            both = " or ".join(str(path.relative_to(self.root)) for path in best[:2])
            raise LabelsError(f"{name!r} may be {both}: write its whole path")
        return best[0] if best else None


def _key(parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", part).casefold() for part in parts)
