"""What a corpus has to say of itself, so that `bench build` and `generalize` can work with it.

A class is all there is: nothing is kept in an instance, and none is made.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import datasets

from dataset_scripts.corpora.clips import (
    Row,
    clip_columns,
    clip_files,
    count_copies,
    read_clip,
)
from dataset_scripts.corpora.raw_release import RawReleaseError


class Corpus:
    """A corpus: where its clips are, what is known of them, and what its card says.

    Attributes:
        SPLIT: The one split.
        TARGET: Column of the class; the same audio under one class twice is an error.
        CONFIG_FILES: Configuration -> the built files it reads, as a glob.
        DEFAULT: The configuration that is loaded where none is named.
        BUILT_BY: The command that makes it.
        CONFIG_FEATURES: Configuration -> columns that it declares otherwise than its files do.
        PUBLISHED: Counts of the whole corpus as its authors publish them, by the keys of `tally`.
        FACTS: `description`, `citation`, `homepage`, `license`, for the card and `builder.info`.
        CARD: Fields of the card's front matter beside those that are generated.
        NOTES: What a reader of the card has to know about the columns.
    """

    SPLIT: ClassVar[str] = "train"
    TARGET: ClassVar[str] = "label"
    CONFIG_FILES: ClassVar[dict[str, str]] = {"default": "data/*.parquet"}
    DEFAULT: ClassVar[str] = "default"
    BUILT_BY: ClassVar[str] = "emonet-voice bench build"
    CONFIG_FEATURES: ClassVar[dict[str, dict[str, Any]]] = {}
    PUBLISHED: ClassVar[dict[str, int]]
    FACTS: ClassVar[dict[str, str]]
    CARD: ClassVar[dict[str, Any]]
    NOTES: ClassVar[str]

    @classmethod
    def files(
        cls, source: str | Path, revision: str | None = None
    ) -> tuple[list[Path], str | None]:
        """The source's files in order, and the commit they are of."""
        raise NotImplementedError

    @classmethod
    def ignored(cls, source: str | Path) -> dict[str, int]:
        """What lies in the source and is left out, counted."""
        return {}

    @classmethod
    def features(cls, files: Sequence[Path]) -> datasets.Features:
        """The columns of a clip; which there are may depend on the source."""
        raise NotImplementedError

    @classmethod
    def labels(cls, file: Path) -> Iterator[Row]:
        """A file's clips without their audio: what `group` and `tally` need."""
        raise NotImplementedError

    @classmethod
    def clips(cls, file: Path) -> Iterator[Row]:
        """A file's clips with every column, in the order of `labels`."""
        raise NotImplementedError

    @classmethod
    def tally(cls, row: Row) -> dict[str, int]:
        """What one clip adds to the corpus's counts."""
        raise NotImplementedError

    @classmethod
    def group(cls, row: Row) -> str:
        """The name of the built files that a clip goes to."""
        return cls.SPLIT


class ActedCorpus(Corpus):
    """Acted speech in coarse classes: each clip a file whose name says who acts what.

    Attributes:
        CLASSES: Class -> the emotions that Table 11 maps to it, in the order of `label`.
        FOLDS: What the folds are, in words.
        SAMPLING_RATE: To decode to, in hertz.
        SUFFIXES: Of the files.
        COLUMNS: What `parse_name` gives, with its types: `speaker`, `label`, `fold` and more.
    """

    CLASSES: ClassVar[dict[str, tuple[str, ...]]]
    FOLDS: ClassVar[str]
    SAMPLING_RATE: ClassVar[int]
    SUFFIXES: ClassVar[tuple[str, ...]] = (".wav",)
    COLUMNS: ClassVar[dict[str, Any]]

    @staticmethod
    def parse_name(name: str) -> Row:
        """What a file's name says, by the names of `COLUMNS`.

        `label` is the number of the class, `fold` a speaker-independent one.

        Raises:
            RawReleaseError: A name that is not the corpus's.
        """
        raise NotImplementedError

    @classmethod
    def files(
        cls, source: str | Path, revision: str | None = None
    ) -> tuple[list[Path], str | None]:
        """The clips of a folder, however deep, ordered by name."""
        if revision is not None:
            raise RawReleaseError(f"{cls.__name__} is read from a folder, which has no revision")
        return clip_files(source, cls.SUFFIXES), None

    @classmethod
    def ignored(cls, source: str | Path) -> dict[str, int]:
        """How many copies of a clip `files` leaves out."""
        n = count_copies(source, cls.SUFFIXES)
        return {"left out: copies": n} if n else {}

    @classmethod
    def features(cls, files: Sequence[Path]) -> datasets.Features:
        """Columns of a clip."""
        return datasets.Features({**clip_columns(cls.SAMPLING_RATE), **cls.COLUMNS})

    @classmethod
    def labels(cls, file: Path) -> Iterator[Row]:
        """What the file's name says."""
        yield cls.parse_name(file.name)

    @classmethod
    def clips(cls, file: Path) -> Iterator[Row]:
        """The file's one clip."""
        yield {**read_clip(file), **cls.parse_name(file.name)}

    @classmethod
    def tally(cls, row: Row) -> dict[str, int]:
        """Clips of each class and speaker."""
        label = list(cls.CLASSES)[row["label"]]
        return {"clips": 1, f"label: {label}": 1, f"speaker: {row['speaker']}": 1}
