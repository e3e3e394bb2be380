"""What the data set builders share: clips go from files to Arrow tables, never decoded.

`datasets.GeneratorBasedBuilder` would run every clip through torchcodec (`Audio.encode_example`);
an Arrow-based builder hands over the bytes as they are. `load_dataset` no longer runs scripts, so
these classes are for `build.py`, which publishes Parquet, and for a corpus in its own files:

    builder = EmoDB(data_dir="path/to/emodb")
    builder.download_and_prepare()
    dataset = builder.as_dataset("train")
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import datasets
import pyarrow as pa
from datasets.builder import Key

from dataset_scripts.corpora.raw_release import RawReleaseError

Row = dict[str, Any]
CLIPS_A_TABLE = 100


class Acoustics(NamedTuple):
    """Acoustic features to add to every clip.

    Attributes:
        names: Of the features; their columns are called `acoustics_<name>`, float32.
        measure: Undecoded clips -> their features by name; what is absent becomes NaN.
    """

    names: tuple[str, ...]
    measure: Callable[[Sequence[bytes]], Sequence[Mapping[str, float]]]


@dataclass
class ClipsConfig(datasets.BuilderConfig):
    """A configuration of a corpus.

    Attributes:
        source: Folder, or Hub id where the corpus has one; `data_dir` does the same for folders.
        revision: Branch, tag or commit of a source on the Hub.
    """

    source: str | None = None
    revision: str | None = None


class ClipBuilder(datasets.ArrowBasedBuilder):
    """A corpus: where its clips are, what is known of them, and what its card says.

    Subclasses set the class attributes and the methods that raise `NotImplementedError`.

    Attributes:
        SPLIT: The one split.
        TARGET: Column of the class; the same audio under one class twice is an error.
        CONFIG_FILES: Configuration -> the built files it reads, as a glob.
        PUBLISHED: Counts of the whole corpus as its authors publish them, by the keys of `tally`.
        FACTS: `description`, `citation`, `homepage`, `license`: what `DatasetInfo` says.
        CARD: Fields of the card's front matter beside those that are generated.
        NOTES: What a reader of the card has to know about the columns.
    """

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = ClipsConfig
    SPLIT: ClassVar[str] = "train"
    TARGET: ClassVar[str] = "label"
    CONFIG_FILES: ClassVar[dict[str, str]] = {"default": "data/*.parquet"}
    PUBLISHED: ClassVar[dict[str, int]]
    FACTS: ClassVar[dict[str, str]]
    CARD: ClassVar[dict[str, Any]]
    NOTES: ClassVar[str]

    @staticmethod
    def files(source: str | Path, revision: str | None = None) -> tuple[list[Path], str | None]:
        """The source's files in order, and the commit they are of."""
        raise NotImplementedError

    @staticmethod
    def ignored(source: str | Path) -> dict[str, int]:
        """What lies in the source and is left out, counted."""
        return {}

    @staticmethod
    def clip_features(files: Sequence[Path]) -> Any:
        """The columns of a clip as `datasets.Features`; the source may have some or not."""
        raise NotImplementedError

    @staticmethod
    def labels(file: Path) -> Iterator[Row]:
        """A file's clips without their audio: what `group` and `tally` need."""
        raise NotImplementedError

    @staticmethod
    def clips(file: Path) -> Iterator[Row]:
        """A file's clips with every column, in the order of `labels`."""
        raise NotImplementedError

    @staticmethod
    def tally(row: Row) -> dict[str, int]:
        """What one clip adds to the corpus's counts."""
        raise NotImplementedError

    @staticmethod
    def group(row: Row) -> str:
        """The name of the built files that a clip goes to."""
        return "train"

    def rows(self, file: Path) -> Iterator[Row]:
        """The rows that this configuration makes of a file."""
        return self.clips(file)

    def _features(self, files: Sequence[Path]) -> Any:
        return self.clip_features(files)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(**self.FACTS)

    def _split_generators(self, dl_manager: Any) -> list[Any]:
        source = self.config.source or self.config.data_dir
        if not source:
            raise RawReleaseError(f"{type(self).__name__} needs data_dir= or source=")
        files, _ = self.files(source, self.config.revision)
        # Here and not in _info: which columns there are depends on the source.
        self.info.features = self._features(files)
        names = [str(file) for file in files]
        return [datasets.SplitGenerator(name=self.SPLIT, gen_kwargs={"files": names})]

    def _generate_tables(self, files: Sequence[str]) -> Iterator[tuple[Key, pa.Table]]:
        for number, file in enumerate(files):
            rows = self.rows(Path(file))
            for part, some in enumerate(batches(rows, CLIPS_A_TABLE)):
                yield Key(number, part), to_table(some, self.info.features)


def audio_columns(audio: bytes, name: str | None) -> Row:
    """`clip_id` (SHA-256 of the bytes), `audio`, `file_name` and `duration_s` of a clip.

    Example:
        >>> audio_columns(b"RIFF", "a.wav")["audio"]
        {'bytes': b'RIFF', 'path': 'a.wav'}
    """
    return {
        "clip_id": hashlib.sha256(audio).hexdigest(),
        "audio": {"bytes": audio, "path": name},
        "file_name": name,
        "duration_s": duration_s(audio),
    }


def duration_s(audio: bytes) -> float | None:
    """Seconds of sound in a file, from the lengths of its packets: nothing is decoded.

    What an encoder put before the sound and after it counts: up to 0.1 s of an MP3 file. `None`
    where there is no sound to be found.

    Example:
        >>> duration_s(b"no audio") is None
        True
    """
    import av

    try:
        with av.open(BytesIO(audio), "r", metadata_errors="ignore") as container:
            (stream, *_) = container.streams.audio
            ticks = [packet.duration or 0 for packet in container.demux(stream)]
            seconds = float(sum(ticks) * (stream.time_base or 0))
    except (av.FFmpegError, ValueError):  # ValueError: no audio stream
        return None
    return seconds or None


def acoustic_columns(names: Sequence[str]) -> dict[str, Any]:
    """The features of acoustic columns.

    Example:
        >>> acoustic_columns(["f0_hz"])
        {'acoustics_f0_hz': Value('float32')}
    """
    return {f"acoustics_{name}": datasets.Value("float32") for name in names}


def to_table(rows: Sequence[Row], features: Any) -> pa.Table:
    """Rows as an Arrow table with the types and the `huggingface` metadata of the features."""
    return pa.Table.from_pylist(list(rows), schema=features.arrow_schema)


def batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Lists of `size` rows, the last one shorter.

    Example:
        >>> [len(some) for some in batches(iter([{}] * 5), 2)]
        [2, 2, 1]
    """
    rows = iter(rows)
    while some := list(islice(rows, size)):
        yield some


def clip_files(folder: str | Path, suffixes: Sequence[str]) -> list[Path]:
    """Audio files of a corpus that comes as a folder, however deep, ordered by name.

    Raises:
        RawReleaseError: No such folder, no audio in it, or one name twice (an archive that was
            unpacked into itself).
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RawReleaseError(f"{folder}: no such folder")
    found = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and not path.name.startswith(".")
    ]
    if not found:
        raise RawReleaseError(f"{folder} has no {' or '.join(suffixes)} files")
    by_name: dict[str, Path] = {}
    for path in sorted(found):
        other = by_name.setdefault(path.name, path)
        if other is not path:
            raise RawReleaseError(f"{path.name} is there twice: {other.parent} and {path.parent}")
    return [by_name[name] for name in sorted(by_name)]


def read_clip(file: Path) -> Row:
    """`audio_columns` of a clip that is a file of its own.

    Raises:
        RawReleaseError: An empty file.
    """
    audio = file.read_bytes()
    if not audio:
        raise RawReleaseError(f"{file.name}: no audio")
    return audio_columns(audio, file.name)
