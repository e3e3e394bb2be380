"""Clips that sound alike in emotion: the heads' projections as an embedding, and exact search.

An embedding is what a model's heads see before they decide: the first layer of every head (its
`projections`), averaged over the clip's windows by length. Two clips are as alike as the cosine of
their embeddings, from which the mean over the collection is taken away first: most of a projection
is what all speech has in common.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from modeling_empathic.report.files import replacing
from modeling_empathic.report.packed import read_table
from modeling_empathic.report.statistics import window_mean

from .clips import AHEAD_FEATURES, prefetch
from .devices import enough_memory
from .forward import project_windows
from .listing import AnyPath, ScoringError
from .names import path_text
from .prepared import prepare_clip
from .reading import Budget

ROUNDING = 1e-5  # of a vector's length: so far the same sound in other batches may be apart
METADATA_KEY = b"emonet_voice_index"


_SCHEMA = pa.schema(
    {"path": pa.string(), "clip_id": pa.string(), "embedding": pa.list_(pa.float32())}
)


class Embedded(NamedTuple):
    """One clip.

    Attributes:
        path: As it was given.
        clip_id: SHA-256 of the file; None where it could not be read.
        vector: `(heads * projection_dim,)` float32; None where there is none.
        error: Why there is none.
    """

    path: str
    clip_id: str | None
    vector: np.ndarray | None
    error: str | None = None


def embed(
    paths: Iterable[AnyPath],
    model: Any,
    feature_extractor: Any,
    *,
    known: Mapping[str, Embedded] | None = None,
    workers: int = 2,
) -> Iterator[Embedded]:
    """The embeddings of clips, in their order, decoding the next ones meanwhile.

    Args:
        paths: Audio files, as `find_audio` lists them.
        model: An `EmpathicInsightModel`, on its device, in evaluation mode.
        feature_extractor: The `WhisperFeatureExtractor` that belongs to it.
        known: Of an earlier run, by path: a file that has not changed is not decoded again.
        workers: Threads that decode.

    Example:
        >>> from modeling_empathic.scoring.loading import load_model
        >>> model, extractor, _ = load_model(
        ...     None, revision=None, heads=["Anger"], device="cpu", dtype="auto")
        >>> [clip.error for clip in embed(["no.wav"], model, extractor)]
        ['cannot read the file: No such file or directory']
    """
    import torch

    files, known = list(paths), known or {}
    prepare = partial(
        prepare_clip,
        feature_extractor=feature_extractor,
        heads=(),
        done={path: clip.clip_id for path, clip in known.items()},
        cut=getattr(model.config, "cut_to_speech", False),
    )
    clips = prefetch(prepare, files, workers=workers, ahead=16, budget=Budget(AHEAD_FEATURES))
    with closing(clips):
        for path, clip in zip(map(path_text, files), clips, strict=True):
            if clip is None:
                yield known[path]
                continue
            vectors, lengths_s = [], []
            for row, features in clip.windows:
                with enough_memory(model.device, "fewer heads or the device cpu"):
                    inputs = torch.from_numpy(features)[None].to(model.device)
                    vectors.append(project_windows(model, inputs)[0].ravel())
                lengths_s.append(row["end_s"] - row["start_s"])
            row = clip.rows[0]
            if row["error"] is not None:
                yield Embedded(path, row["clip_id"], None, row["error"])
            else:
                mean = window_mean(vectors, lengths_s).astype(np.float32)
                if not np.isfinite(mean).all():
                    raise ScoringError(
                        f"the model gives projections that are not finite in {model.dtype}"
                    )
                yield Embedded(path, row["clip_id"], mean)


def nearest(vectors: np.ndarray, query: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """The clips most like one, by exact search.

    Args:
        vectors: `(clips, dimensions)`, of the collection.
        query: `(dimensions,)`.
        top: How many.

    Returns:
        Numbers of the clips, most alike first, and the cosine of each, -1 to 1.

    Example:
        >>> vectors = np.array([[1.0, 0.0], [0.9, 0.3], [0.0, 1.0]], np.float32)
        >>> nearest(vectors, np.array([1.0, 0.0], np.float32), top=2)[0].tolist()
        [0, 1]
    """
    mean = vectors.mean(axis=0, dtype=float).astype(np.float32) if len(vectors) > 1 else 0 * query
    unit, wanted = _unit(vectors, mean), _unit(query[None], mean)[0]
    top = min(top, len(vectors))
    if not wanted.any():  # it is what they have in common, and so are its copies
        same = np.where(unit.any(axis=1), 0.0, 1.0)
        order = np.argsort(-same, kind="stable")[:top]
        return order, same[order]
    try:
        import faiss
    except ImportError:
        alike = unit @ wanted
        order = np.argsort(-alike, kind="stable")[:top]
        return order, alike[order]
    index = faiss.IndexFlatIP(unit.shape[1])
    index.add(unit)
    found, numbers = index.search(wanted[None], top)
    return numbers[0], found[0]


def _unit(vectors: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Directions from the mean, `(clips, dimensions)`; 0 where only rounding is between them."""
    unit: np.ndarray = (vectors - mean).astype(np.float32, copy=False)
    length = np.linalg.norm(unit, axis=1, keepdims=True)
    no_way = length <= ROUNDING * np.linalg.norm(vectors, axis=1, keepdims=True)
    unit /= np.where(no_way, np.inf, length)  # in place: gigabytes of a large collection
    return unit


def write_index(path: Path, clips: Iterable[Embedded], provenance: dict[str, Any]) -> None:
    """Keeps embeddings for later runs, as Parquet: `path`, `clip_id`, `embedding`."""
    kept = [clip for clip in clips if clip.vector is not None]
    columns = [[clip[i] for clip in kept] for i in range(len(_SCHEMA))]
    table = pa.table(columns, _SCHEMA.with_metadata({METADATA_KEY: json.dumps(provenance)}))
    with replacing(path) as temporary:
        parquet.write_table(table, temporary)


def read_index(path: Path, provenance: dict[str, Any]) -> dict[str, Embedded]:
    """The clips of [`write_index`], by path; none where there is no file yet.

    Raises:
        ScoringError: It is no such file, or of another model.
    """
    if not path.exists():
        return {}
    try:
        table = read_table(path, lists=("embedding",))
        stored = json.loads((table.schema.metadata or {})[METADATA_KEY])
        table = table.select(_SCHEMA.names).cast(_SCHEMA)
        names, clip_ids = (table[name].to_pylist() for name in _SCHEMA.names[:2])
        vectors = _vectors(table["embedding"])
        if not isinstance(stored, dict):
            raise ValueError("its rows are of different models")
    except (pa.ArrowException, KeyError, TypeError, ValueError, OSError, RecursionError) as error:
        raise ScoringError(f"index {path} is no index of clips: {error}") from None
    other = [key for key in provenance if stored.get(key) != provenance[key]]
    if other:
        raise ScoringError(
            f"index {path} was made by another model ({', '.join(other)} differ): choose another "
            "file or delete it"
        )
    return {
        name: Embedded(name, clip_id, vector)
        for name, clip_id, vector in zip(names, clip_ids, vectors, strict=True)
    }


def _vectors(column: pa.ChunkedArray) -> list[np.ndarray]:
    """Rows of the column as they lie in memory: as Python's numbers they take ten times as much.

    Raises:
        ValueError: One is missing, of another length, or not finite.
    """
    if column.null_count or len(pc.unique(pc.list_value_length(column))) > 1:
        raise ValueError("its rows are of different models")
    parts = [(len(part), part.flatten().to_numpy(zero_copy_only=False)) for part in column.chunks]
    if not all(np.isfinite(values).all() for _, values in parts):
        raise ValueError("an embedding is not finite")
    return [row for n_rows, values in parts if n_rows for row in values.reshape(n_rows, -1)]
