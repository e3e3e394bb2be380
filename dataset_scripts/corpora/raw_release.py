"""Reads the raw release of Bench: Parquet shards of MP3 bytes and labels that are Python source.

A row of the release has two columns (and here may have a few of text):

    audioId  {bytes: 44.1 kHz MP3, path: "1a2b3c4d_….mp3"}
    label    "[{'human-1': {'Sexual%20Lust': 1}}, {'human-4': {'Sexual%20Lust': 2}}]"

One target category a row, two to four raters, scores 0, 1 or 2. Labels come from a repository that
anybody may have written: they are matched against that one shape and never evaluated. Rows are
counted from 0 in each file, as Arrow and pandas count them.
"""

import ast
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from dataset_scripts.annotations import SCORES, Rating
from modeling_empathic.report.files import is_hub_id
from modeling_empathic.taxonomy import BENCH_NAMES, UnknownNameError, UserError, resolve

PUBLIC_RELEASE = "t1a5anu-anon/emonet-voice-bench"
LISTENING = "listening"
TEXT_COLUMNS = ("language", "voice", "voice_gender", "accent", "text", LISTENING)
"""Facts about a clip that are kept where a source has them; the public release has none.

`LISTENING` is about its ratings, see `corpora.listening`."""

MAX_LABEL_CHARS = 2_000  # four raters of the longest category take 400
MAX_TEXT_BYTES = 4 * MAX_LABEL_CHARS
MAX_PACKED = 64  # times that audio in Parquet may unpack to
CLIPS_A_BATCH = 32  # clips of 90 kB held at once while reading

_STRING = r"""(?:'[^'"{}\\]+'|"[^'"{}\\]+")"""
_RATING = rf"\{{\s*{_STRING}\s*:\s*\{{\s*{_STRING}\s*:\s*[\w.+-]{{1,8}}\s*\}}\s*\}}"
_LABEL = re.compile(rf"\s*\[\s*(?:{_RATING}(?:\s*,\s*{_RATING})*)?\s*\]\s*")


class RawReleaseError(UserError):
    """A source that is not what its corpus publishes; the message names the file and the row."""


class Label(NamedTuple):
    """Where a row is, counted from 1, and what its raters said."""

    file: Path
    row: int
    emotion: str
    ratings: list[Rating]


class Clip(NamedTuple):
    """A label with its audio: undecoded bytes, and the base name of the path stored with them."""

    label: Label
    audio: bytes
    file_name: str | None
    texts: dict[str, str | None]


def parse_label(text: str | None) -> tuple[str, list[Rating]]:
    """The canonical category of a raw label and its ratings, in their order.

    Args:
        text: The label as stored: a list of `{rater: {category: score}}`, in Python's notation,
            the category in any spelling that `taxonomy.resolve` knows, URL-encoded or not.

    Raises:
        RawReleaseError: Anything else. Also no ratings, a rater twice, two categories, one that is
            none of the 42, or a score that is not the whole number 0, 1 or 2.

    Example:
        >>> parse_label("[{'human-1': {'Jealousy%20%26%20Envy': 1}}]")
        ('Jealousy & Envy', [Rating(rater='human-1', score=1)])
        >>> parse_label("__import__('os').system('true')")
        Traceback (most recent call last):
        ...
        dataset_scripts.corpora.raw_release.RawReleaseError: \
label "__import__('os').system('true')" is not a list of {rater: {category: score}}
    """
    if not text:
        raise RawReleaseError("no label")
    if len(text) > MAX_LABEL_CHARS:
        raise RawReleaseError(f"label of {len(text):,} characters, over {MAX_LABEL_CHARS:,}")
    # The pattern decides what is read at all: no calls, no nesting beyond two dictionaries, and one
    # key in each, so that no key can hide another.
    if not _LABEL.fullmatch(text):
        raise RawReleaseError(f"label {_cut(text)} is not a list of {{rater: {{category: score}}}}")
    try:
        entries = ast.literal_eval(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RawReleaseError(f"label {_cut(text)} cannot be read: {error}") from None
    categories: dict[str, str] = {}
    ratings: dict[str, Rating] = {}
    for entry in entries:
        ((rater, judged),) = entry.items()
        # "human-1 " is nobody else, nor is who has their accents as letters of their own.
        rater = " ".join(unicodedata.normalize("NFC", rater).split())
        ((spelling, score),) = judged.items()
        if type(score) is not int or score not in SCORES:  # True is not 1, and 1.0 is not either
            raise RawReleaseError(f"score {score!r} of {_cut(rater)} is not one of 0, 1, 2")
        if rater in ratings:
            raise RawReleaseError(f"{_cut(rater)} rated twice")
        ratings[rater] = Rating(rater, score)
        categories.setdefault(_category(spelling), spelling)
    if not ratings:
        raise RawReleaseError("no ratings in the label")
    if len(categories) > 1:
        raise RawReleaseError(f"two categories in one label: {', '.join(categories)}")
    return next(iter(categories)), list(ratings.values())


@lru_cache(maxsize=1024)
def _category(spelling: str) -> str:
    try:
        name = resolve(spelling)
    except UnknownNameError as error:
        raise RawReleaseError(str(error)) from None
    if name not in BENCH_NAMES:
        raise RawReleaseError(f"{name!r} is not one of the {len(BENCH_NAMES)} categories of Bench")
    return name


def _cut(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


def raw_files(source: str | Path, revision: str | None = None) -> tuple[list[Path], str | None]:
    """The release's Parquet shards in order, and the commit they are of (None for a folder).

    Args:
        source: Folder with `data/*.parquet` or `*.parquet`, or Hub id such as `PUBLIC_RELEASE`.
        revision: Branch, tag or commit on the Hub; it is resolved once, so that all shards are
            of one commit.

    Raises:
        RawReleaseError: Neither a folder nor a Hub id, no Parquet files, or not to be had.
    """
    folder, commit = Path(source), None
    if folder.is_dir():
        if revision is not None:
            raise RawReleaseError("a revision is for a source on the Hub, not for a folder")
    elif not is_hub_id(str(source)):
        raise RawReleaseError(f"{source}: no such folder, and not a Hub id (owner/name)")
    else:
        folder = _snapshot(str(source), revision)
        commit = folder.name
    files = sorted(folder.glob("data/*.parquet")) or sorted(folder.glob("*.parquet"))
    if not files:
        raise RawReleaseError(f"{source} has no data/*.parquet and no *.parquet")
    return files, commit


def _snapshot(repo_id: str, revision: str | None) -> Path:
    """Downloads the shards; the Hub's client resolves the revision to a commit first."""
    from huggingface_hub import errors, snapshot_download

    from modeling_empathic.report.client import hub_answers

    try:
        with hub_answers(f"{repo_id} is no folder here"):
            return Path(
                snapshot_download(
                    repo_id, repo_type="dataset", revision=revision, allow_patterns="*.parquet"
                )
            )
    except errors.RevisionNotFoundError:
        reason = f"no revision {revision!r} there"
    except errors.RepositoryNotFoundError:
        reason = "no such dataset that this user may see (`hf auth login`)"
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, ConnectionError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
    raise RawReleaseError(f"{repo_id}: no such folder, and not to be had from the Hub: {reason}")


def text_columns(files: Sequence[Path]) -> tuple[str, ...]:
    """Those of `TEXT_COLUMNS` that the release has; all its shards must have the same ones.

    Raises:
        RawReleaseError: A shard that is not whole, lacks a column or has another type for it.
    """
    columns = []
    for file in files:
        with _open(file) as opened:
            columns.append(_text_columns(opened))
        if columns[-1] != columns[0]:
            raise RawReleaseError(
                f"{file.name} has the text columns {list(columns[-1])}, but {files[0].name} has "
                f"{list(columns[0])}"
            )
    return columns[0]


def read_labels(files: Iterable[Path]) -> Iterator[Label]:
    """Every row's label, in the order of the release; the audio is not read.

    Raises:
        RawReleaseError: A label or a shard that cannot be read; names the file and the row.
    """
    for file in files:
        for row, values in _rows(file, with_audio=False):
            yield _label(file, row, values["label"])


def read_clips(file: Path) -> Iterator[Clip]:
    """The clips of one shard, a few in memory at a time.

    Raises:
        RawReleaseError: As `read_labels`, and a row without audio.
    """
    for row, values in _rows(file, with_audio=True):
        label = _label(file, row, values["label"])
        audio = values["audioId"] or {}
        if not audio.get("bytes"):
            raise RawReleaseError(f"{file.name}, row {row}: no audio")
        # A stranger's path: only its last part is kept, and nothing is ever opened by it.
        name = PurePosixPath((audio["path"] or "").replace("\\", "/")).name
        texts = {column: values[column] for column in TEXT_COLUMNS if column in values}
        yield Clip(label, audio["bytes"], None if name in ("", "..") else name, texts)


def _label(file: Path, row: int, text: str | None) -> Label:
    try:
        return Label(file, row, *parse_label(text))
    except RawReleaseError as error:
        raise RawReleaseError(f"{file.name}, row {row}: {error}") from None


def _rows(file: Path, *, with_audio: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """Numbers, from 1, and values of a shard's rows, read a batch at a time."""
    first = 1
    with _open(file) as opened:
        columns = ["label"]
        if with_audio:
            columns += ["audioId", *_text_columns(opened)]
        n_rows = CLIPS_A_BATCH if with_audio else 4_096
        batches = opened.iter_batches(n_rows, columns=columns, use_threads=False)
        while True:
            try:
                batch = next(batches, None)
                if batch is not None:
                    _refuse_long(batch, file, first)
                rows = [] if batch is None else batch.to_pylist()
            except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
                raise RawReleaseError(
                    f"{file.name} is damaged at row {first} or after it: {error}"
                ) from None
            if batch is None:
                return
            yield from enumerate(rows, first)
            first += len(rows)


def _open(file: Path) -> parquet.ParquetFile:
    """A shard whose columns have been checked."""
    try:
        # Buffered: a column is read page by page, however large its row group is.
        # Of a value that is in many rows, one copy is made: ten kilobytes could hold gigabytes.
        stored = parquet.read_metadata(file).schema
        columns = [stored.column(i) for i in range(len(stored.names))]
        once = [
            column.path
            for column in columns
            if column.physical_type == "BYTE_ARRAY" and column.path in ("label", *TEXT_COLUMNS)
        ]
        opened = parquet.ParquetFile(
            file, buffer_size=2**20, pre_buffer=False, read_dictionary=once
        )
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise RawReleaseError(f"{file.name} is not a whole Parquet file: {error}") from None
    _refuse_large(opened, file)
    schema = opened.schema_arrow
    for name in ("audioId", "label", *_text_columns(opened)):
        if name not in schema.names:
            raise RawReleaseError(
                f"{file.name} has no column {name!r}; it has {_cut(', '.join(schema.names))}"
            )
        kind = schema.field(name).type
        fits = _is_audio(kind) if name == "audioId" else _is_text(kind)
        if not fits:
            wanted = "struct<bytes: binary, path: string>" if name == "audioId" else "string"
            raise RawReleaseError(f"{file.name}: column {name!r} is {kind}, not {wanted}")
    return opened


def _refuse_large(opened: parquet.ParquetFile, file: Path) -> None:
    """Refuses pages that would be unpacked to more than any release has, before they are."""
    about = opened.metadata
    for group in map(about.row_group, range(about.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            name = column.path_in_schema
            most = MAX_TEXT_BYTES * group.num_rows
            if name == "audioId.bytes":  # which is packed already
                most = MAX_PACKED * column.total_compressed_size
            if column.total_uncompressed_size > most + 2**20:
                raise RawReleaseError(
                    f"{file.name}: column {name!r} unpacks to {column.total_uncompressed_size:,} "
                    f"bytes in {group.num_rows:,} rows"
                )


def _refuse_long(batch: pa.RecordBatch, file: Path, first: int) -> None:
    """Refuses texts longer than any release has, before each row gets its own copy."""
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        if name == "audioId":
            continue
        texts = values.dictionary if pa.types.is_dictionary(values.type) else values
        longest = pc.max(pc.binary_length(texts)).as_py() or 0
        if longest > MAX_TEXT_BYTES:
            raise RawReleaseError(
                f"{file.name}: a {name} of {longest:,} bytes, over {MAX_TEXT_BYTES:,}, at row "
                f"{first} or after it"
            )


def _text_columns(opened: parquet.ParquetFile) -> tuple[str, ...]:
    return tuple(name for name in TEXT_COLUMNS if name in opened.schema_arrow.names)


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_audio(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind) or {field.name for field in kind} != {"bytes", "path"}:
        return False
    stored = kind.field("bytes").type
    binary = bool(pa.types.is_binary(stored) or pa.types.is_large_binary(stored))
    return binary and _is_text(kind.field("path").type)
