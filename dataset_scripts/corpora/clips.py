"""What the corpora share: clips as rows, from files to Arrow tables, never decoded.

`datasets` would run every clip through torchcodec (`Audio.encode_example`); here the bytes stay as
they are.
"""

import filecmp
import hashlib
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import pyarrow as pa

from dataset_scripts.corpora.raw_release import RawReleaseError
from modeling_empathic.decoding_empathic import FFMPEG_FORMATS
from modeling_empathic.scoring.turns import MAX_DURATION_S

Row = dict[str, Any]


class Acoustics(NamedTuple):
    """Acoustic features to add to every clip.

    Attributes:
        names: Of the features; their columns are called `acoustics_<name>`, float32.
        measure: Undecoded clips -> their features by name; what is absent becomes NaN.
    """

    names: tuple[str, ...]
    measure: Callable[[Sequence[bytes]], Sequence[Mapping[str, float]]]


def clip_columns(sampling_rate: int) -> dict[str, Any]:
    """The features of what [`audio_columns`] gives; decoding resamples to `sampling_rate` hertz."""
    return {
        "clip_id": datasets.Value("string"),
        "audio": datasets.Audio(sampling_rate=sampling_rate),
        "file_name": datasets.Value("string"),
        "duration_s": datasets.Value("float32"),
    }


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
    where there is no sound to be found, or a length that no clip has.

    Example:
        >>> duration_s(b"no audio") is None
        True
    """
    import av

    try:
        # Without formats that open other files, and sockets: the clip may be a stranger's.
        options = {"format_whitelist": FFMPEG_FORMATS}
        with av.open(BytesIO(audio), "r", options=options, metadata_errors="ignore") as container:
            (stream, *_) = container.streams.audio
            ticks = [packet.duration or 0 for packet in container.demux(stream)]
            seconds = float(sum(ticks) * (stream.time_base or 0))
    except (av.FFmpegError, ValueError):  # ValueError: no audio stream
        return None
    return seconds if 0 < seconds <= MAX_DURATION_S else None


def acoustic_columns(names: Sequence[str]) -> dict[str, Any]:
    """The features of acoustic columns.

    Example:
        >>> acoustic_columns(["f0_hz"])
        {'acoustics_f0_hz': Value('float32')}
    """
    return {f"acoustics_{name}": datasets.Value("float32") for name in names}


def to_table(rows: Sequence[Row], features: datasets.Features) -> pa.Table:
    """Rows as an Arrow table with the types and the `huggingface` metadata of the features."""
    return pa.Table.from_pylist(list(rows), schema=features.arrow_schema)


def clip_files(folder: str | Path, suffixes: Sequence[str]) -> list[Path]:
    """Audio files of a corpus that comes as a folder, however deep, ordered by name.

    Of copies of a file, as in an archive that was unpacked into itself, the first is taken.

    Raises:
        RawReleaseError: No such folder, no audio in it, or files of one name that differ.
    """
    return _files_and_copies(folder, suffixes)[0]


def count_copies(folder: str | Path, suffixes: Sequence[str]) -> int:
    """How many files `clip_files` leaves out because they are there already."""
    return _files_and_copies(folder, suffixes)[1]


def _files_and_copies(folder: str | Path, suffixes: Sequence[str]) -> tuple[list[Path], int]:
    folder = Path(folder)
    if not folder.is_dir():
        raise RawReleaseError(f"{folder}: no such folder")
    paths = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and not path.name.startswith(".")
    ]
    if not paths:
        raise RawReleaseError(f"{folder} has no {' or '.join(suffixes)} files")
    by_name: dict[str, Path] = {}
    for path in sorted(paths):
        if not path.is_file():  # to open a pipe would wait for ever
            raise RawReleaseError(f"{path} is no regular file")
        other = by_name.setdefault(path.name, path)
        if other is not path and not filecmp.cmp(other, path, shallow=False):
            raise RawReleaseError(
                f"{path.name} is there twice, and the two differ: {other.parent} and {path.parent}"
            )
    return [by_name[name] for name in sorted(by_name)], len(paths) - len(by_name)


def read_clip(file: Path) -> Row:
    """`audio_columns` of a clip that is a file of its own.

    Raises:
        RawReleaseError: An empty file.
    """
    audio = file.read_bytes()
    if not audio:
        raise RawReleaseError(f"{file.name}: no audio")
    return audio_columns(audio, file.name)
