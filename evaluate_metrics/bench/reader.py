"""Reads a Bench, built here or on the Hub, with or without its audio."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from dataset_scripts.building.manifest import MANIFEST
from dataset_scripts.stats.bench import only_classes
from evaluate_metrics.bench.predictions import refuse_repeated
from evaluate_metrics.bench.result import EvaluationError
from modeling_empathic.report.files import is_hub_id, sha256
from modeling_empathic.scoring.file import METADATA_KEY
from modeling_empathic.taxonomy import UnknownNameError, resolve

CONFIGS = ("default", "all", "unanimous")
"""The configurations of Bench with a row a clip; `dataset_scripts.corpora.bench` has them."""
NEEDED = ("clip_id", "emotion", "mean_0_10")
OPTIONAL = (
    *("n_raters", "majority", "unanimous_present", "file_name", "ratings"),
    *("language", "voice", "voice_gender", "group"),
)
LABEL_BLOCK_BYTES = 2**15


def read_bench(
    source: str | Path, config: str = "default", revision: str | None = None
) -> pa.Table:
    """The labels of a Bench. Audio is neither read nor, from the Hub, fetched.

    Args:
        source: What `emonet-voice bench build` made, or a Hub id.
        config: One of `CONFIGS`.
        revision: Branch, tag or commit of a Hub id.

    Returns:
        One row a clip and its one target emotion: `clip_id`, `emotion` (canonical name),
        `mean_0_10` and, where the Bench has them, `OPTIONAL` and `acoustics_*`. The metadata has
        `source`, `revision` (a folder's: SHA-256 of its manifest) and `config`; see
        [`predictions.described`].

    Raises:
        EvaluationError: No such Bench, configuration or column; a row without id or emotion, or
            with a mean off its scale; or a clip and emotion twice.

    Example:
        >>> read_bench("bench/").column_names[:3]    # doctest: +SKIP
        ['clip_id', 'emotion', 'mean_0_10']
    """
    commit = _commit(source, config, revision)
    features = _open(source, config, commit).features
    acoustics = [name for name in features if name.startswith("acoustics_")]
    columns = [name for name in (*NEEDED, *OPTIONAL, *acoustics) if name in features]
    for name in NEEDED:
        if name not in columns:
            raise EvaluationError(f"{source} is no Bench: it has no column {name}")
    try:
        batches = _open(source, config, commit, columns).with_format("arrow").iter(batch_size=2000)
        table = pa.concat_tables(batches).select(columns)
    except (OSError, ValueError) as error:
        raise _cannot_read(source, error) from error
    if not len(table):
        raise EvaluationError(f"{source} has no clips in the configuration {config!r}")
    for name in NEEDED[:2]:
        if table[name].null_count:
            row = pc.index(table[name].is_null(), True).as_py()
            where = f"{source}, configuration {config!r}, row {row + 1}"
            raise EvaluationError(f"{where} has no {name}")
    names = _names(table["emotion"], features["emotion"], source)
    table = table.set_column(columns.index("emotion"), "emotion", names)
    try:
        ids = pc.utf8_normalize(table["clip_id"].cast(pa.string()), form="NFC")
        table = table.set_column(columns.index("clip_id"), "clip_id", ids)
        for name in ("mean_0_10", *acoustics):
            table = table.set_column(columns.index(name), name, table[name].cast(pa.float64()))
    except pa.ArrowException as error:
        raise EvaluationError(f"{source} is no Bench: {error}") from error
    means = table["mean_0_10"].combine_chunks()
    off = pc.index(pc.or_(pc.less(means, 0), pc.greater(means, 10 + 1e-6)), True).as_py()
    if off >= 0:
        where = f"{source}, configuration {config!r}, row {off + 1}"
        raise EvaluationError(f"{where}: mean_0_10 is {means[off].as_py():g}, not from 0 to 10")
    refuse_repeated(table, str(source))
    about = {"source": _name(source), "revision": commit, "config": config}
    return table.replace_schema_metadata({METADATA_KEY: json.dumps(about)})


def iter_audio(
    source: str | Path, config: str = "default", revision: str | None = None
) -> Iterator[tuple[str, bytes]]:
    """The clips of a Bench as they are stored, one after the other, every one once.

    Args:
        source: As of [`read_bench`].
        config: One of `CONFIGS`.
        revision: Branch, tag or commit of a Hub id.

    Yields:
        `clip_id` and the bytes of the audio file.

    Raises:
        EvaluationError: No such Bench or configuration, or a clip without audio.

    Example:
        >>> for clip_id, audio in iter_audio("bench/"):    # doctest: +SKIP
        ...     print(clip_id, len(audio))
    """
    import datasets

    commit = _commit(source, config, revision)
    features = _open(source, config, commit).features
    if not {"clip_id", "audio"} <= features.keys():
        raise EvaluationError(f"{source} has no columns clip_id and audio")
    seen: set[str] = set()
    clips = _open(source, config, commit, ["clip_id", "audio"])
    try:
        for row in clips.cast_column("audio", datasets.Audio(decode=False)):
            if row["clip_id"] in seen:  # the same sound may be judged for two emotions
                continue
            seen.add(row["clip_id"])
            if not (row["audio"] or {}).get("bytes"):
                raise EvaluationError(f"{source}: clip {row['clip_id']} has no audio")
            yield row["clip_id"], row["audio"]["bytes"]
    except OSError as error:
        raise _cannot_read(source, error) from error


def _commit(source: str | Path, config: str, revision: str | None) -> str | None:
    """Checks the arguments, and pins what is read: the commit on the Hub, or a folder's state."""
    if config not in CONFIGS:
        raise EvaluationError(f"unknown configuration {config!r}; choose {', '.join(CONFIGS)}")
    if Path(source).is_dir():
        if revision is not None:
            raise EvaluationError("a revision is for a Bench on the Hub, not for a folder")
        manifest = Path(source, MANIFEST)
        return f"sha256:{sha256(manifest)}" if manifest.is_file() else None
    if not is_hub_id(str(source)):
        raise EvaluationError(f"{source}: no such folder, and not a Hub id (owner/name)")
    from huggingface_hub import HfApi

    from modeling_empathic.report.client import hub_answers

    try:
        with hub_answers(f"{source} is no folder here"):
            return HfApi().dataset_info(str(source), revision=revision).sha
    except OSError as error:
        raise _cannot_read(source, error) from error


def _open(
    source: str | Path, config: str, commit: str | None, columns: list[str] | None = None
) -> Any:
    """The data set as a stream, which reads the columns that it is asked for and no others."""
    import datasets
    from httpx2 import HTTPError  # of huggingface_hub: what it does not wrap, such as no network

    if Path(source).is_dir() and (why := only_classes(Path(source), _columns(Path(source)))):
        raise EvaluationError(why)
    on_hub: dict[str, Any] = {} if Path(source).is_dir() else {"revision": commit}
    if columns and "audio" not in columns:
        # It would read 5 MB ahead of every few labels, and so half of the audio between them.
        on_hub["storage_options"] = {"hf": {"block_size": LABEL_BLOCK_BYTES}}
    try:
        stream = datasets.load_dataset(
            str(source), config, split="test", streaming=True, columns=columns, **on_hub
        )
    except (OSError, ValueError, HTTPError, RuntimeError) as error:
        # RuntimeError: torch has no shared memory left, of which datasets wants eight bytes.
        raise _cannot_read(source, error) from error
    if stream.features is None:
        raise EvaluationError(f"{source} is no Bench: it has no columns")
    return stream


def _columns(folder: Path) -> list[str]:
    """Of the first file of what `bench build` made; none where it cannot be read."""
    first = next(iter(sorted(folder.glob("data/*.parquet"))), None)
    try:
        return list(parquet.read_schema(first).names) if first else []
    except (OSError, pa.ArrowException):  # load_dataset says what is wrong
        return []


def _cannot_read(source: str | Path, error: Exception) -> EvaluationError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return EvaluationError(f"cannot read the Bench {source}: {reason}")


def _name(source: str | Path) -> str:
    """A folder's own name: where it lies on one machine is nobody's business."""
    return Path(source).resolve().name if Path(source).is_dir() else str(source)


def _names(emotions: pa.ChunkedArray, feature: Any, source: str | Path) -> pa.Array:
    """Canonical names of a column of classes, or of names."""
    column = emotions.combine_chunks()
    try:
        if hasattr(feature, "names"):
            return pc.take(pa.array([resolve(name) for name in feature.names]), column)
        encoded = column.cast(pa.string()).dictionary_encode()
        names = [resolve(name) for name in encoded.dictionary.to_pylist()]
    except (UnknownNameError, pa.ArrowException, IndexError) as error:
        raise EvaluationError(f"{source}: column emotion: {error}") from error
    return pc.take(pa.array(names), encoded.indices)
