"""What is rated: a CSV file of clips with one target emotion each, and the audio beside it."""

import csv
import hashlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from dataset_scripts.annotations import SCORES
from modeling_empathic.taxonomy import BENCH_NAMES, Emotion, UserError, head, resolve

MEDIA_TYPES = {
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
}
TEXTS = ("language", "voice", "voice_gender", "accent", "text")
"""Columns that go into the export where the batch has them, as `bench build` reads them."""


class BatchError(UserError):
    """A batch file that cannot be used; the message names the line."""


class Item(NamedTuple):
    """A clip with the emotion that it is judged for.

    Attributes:
        clip: The audio file.
        emotion: Canonical name, one of `taxonomy.BENCH_NAMES`.
        texts: Those of `TEXTS` that the batch has.
        gold: The scores that are right, where that is known; empty of an item that is rated.
    """

    clip: Path
    emotion: str
    texts: dict[str, str]
    gold: tuple[int, ...] = ()

    @property
    def about(self) -> str:
        """What the emotion means: its descriptors (paper A.1), or what a high attribute is."""
        meant = head(self.emotion)
        if not isinstance(meant, Emotion):
            return meant.polarity
        # A.1 prints some of them with a capital, and a few twice.
        return ", ".join(dict.fromkeys(term.lower() for term in meant.descriptors))


def read_batch(file: Path) -> dict[str, Item]:
    """The items of a batch by their id, 16 digits of a SHA-256 of audio and emotion.

    Raters see ids and never file names, which often say what was acted. The same audio with the
    same emotion is refused: `bench build` would refuse it after all the work.

    Args:
        file: CSV with the columns `clip` (path from the file's folder) and `emotion` (any spelling
            that `taxonomy.resolve` knows), any of `TEXTS`, and `gold`: the right score, or
            several with spaces between them, of items that watch the raters.

    Raises:
        BatchError: Anything else, with the number of the line.
    """
    items: dict[str, Item] = {}
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = csv.DictReader(lines, strict=True)
            columns = list(rows.fieldnames or ())
            if not {"clip", "emotion"} <= set(columns) or not set(columns) <= {*_COLUMNS}:
                raise BatchError(
                    f"{file.name}: columns {columns}; needed are clip and emotion, and "
                    f"there may be {', '.join((*TEXTS, 'gold'))}"
                )
            for row in rows:
                where = f"{file.name}, line {rows.line_num}"
                if None in row or None in row.values():
                    raise BatchError(f"{where}: not {len(columns)} values")
                try:
                    item_id, item = _item(file.parent, row)
                except (UserError, OSError) as error:
                    raise BatchError(f"{where}: {error}") from None
                if item_id in items:
                    raise BatchError(f"{where}: the same audio and emotion as a line before")
                items[item_id] = item
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BatchError(f"{file}: {error}") from None
    if all(item.gold for item in items.values()):
        raise BatchError(f"{file.name} has no items")
    return items


_COLUMNS = ("clip", "emotion", *TEXTS, "gold")


def _item(folder: Path, row: dict[str, str]) -> tuple[str, Item]:
    emotion = resolve(row["emotion"])
    if emotion not in BENCH_NAMES:
        raise BatchError(f"{emotion!r} is not one of the {len(BENCH_NAMES)} categories of Bench")
    clip = PurePosixPath(row["clip"])
    if clip.is_absolute() or ".." in clip.parts or "\\" in row["clip"]:
        raise BatchError(f"clip {row['clip'][:80]!r} is not a path inside the folder of the batch")
    if clip.suffix.lower() not in MEDIA_TYPES:
        raise BatchError(f"clip {row['clip'][:80]!r}: not one of {', '.join(MEDIA_TYPES)}")
    digest = hashlib.sha256((folder / clip).read_bytes())
    digest.update(emotion.encode())
    texts = {name: row[name] for name in TEXTS if name in row}
    return digest.hexdigest()[:16], Item(folder / clip, emotion, texts, _gold(row.get("gold", "")))


def _gold(given: str) -> tuple[int, ...]:
    if not set(given.split()) <= {str(score) for score in SCORES}:
        raise BatchError(f"gold {given[:40]!r} is not of {', '.join(map(str, SCORES))}")
    return tuple(sorted({int(score) for score in given.split()}))
