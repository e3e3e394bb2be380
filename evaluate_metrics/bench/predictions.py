"""What a system said about clips: a prediction file, or a score file that `score` wrote.

A prediction file (Parquet, JSONL or CSV) has a row a clip and emotion:

    clip_id   SHA-256 of the clip, as in Bench
    emotion   in any spelling that `taxonomy.resolve` knows
    score     on the system's own scale; empty where there is none
    outcome   scored, refused, unmapped, parse_error, transport_error or decode_error;
              without this column every row is `scored`, and must have a score
    scale     optional: 0-10, 0-4, 0-1 or 0-2, the same in every row

Rows are counted from 1 in messages, without the header and empty lines. Ids are compared in
Unicode's composed form (NFC), since file systems differ in it.

The scale may also be in the file's metadata, with the provenance: a JSON object under the key
`emonet_voice` of a Parquet schema, or in `<file>.meta.json`, as of a score file. It is 0-10 where
nothing says otherwise, and never guessed from the numbers.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evaluate_metrics.bench.result import EvaluationError
from evaluate_metrics.bench.table_files import read_columns, typed
from evaluate_metrics.emonet_voice import OUTCOMES, SCALES
from modeling_empathic.report.files import sha256
from modeling_empathic.scoring.clips import ScoringError
from modeling_empathic.scoring.file import (
    FORMATS,
    METADATA_KEY,
    meta_path,
    read_scores,
    stored_provenance,
)
from modeling_empathic.scoring.prepared import NO_SPEECH
from modeling_empathic.taxonomy import (
    BENCH_NAMES,
    EMOTION_SCALE,
    UnknownNameError,
    resolve,
)
from modeling_empathic.training.tables import listed

DEFAULT_SCALE = "0-10"
NEEDED = ("clip_id", "emotion", "score")


class Predictions(NamedTuple):
    """What a system said.

    Attributes:
        rows: `clip_id`, `emotion` (canonical), `score` (on `scale`, null unless scored) and
            `outcome`; a clip and an emotion occur together once. Its metadata has the file's name
            and SHA-256, see [`described`].
        scale: A key of `emonet_voice.SCALES`.
        provenance: What the file says of its making.
        all_emotions: Whether every clip has a row for every emotion of the file, two at least.
    """

    rows: pa.Table
    scale: str
    provenance: dict[str, Any]
    all_emotions: bool


def read_predictions(file: str | Path, scale: str | None = None) -> Predictions:
    r"""Reads a prediction file or a score file, told apart by their columns.

    Of a score file, the 42 categories of Bench are taken. A clip's score is the mean over its
    windows, and its channels where they are separate, weighted by their length, as
    `emonet-voice score` shows it. A clip in which no speech was found is one that was refused.
    Clips that could not be read at all have no `clip_id` and are left out.

    Args:
        file: `.parquet`, `.jsonl` or `.csv`.
        scale: Of a prediction file that does not say.

    Raises:
        EvaluationError: No such file, one of another kind, a missing column, an unknown name, a
            score that is missing, or a clip and emotion twice; with the file and, if any, the row.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "mine.csv")
        ...     text = "clip_id,emotion,score,outcome\na1,Surprise,7,\nb2,awe,,refused"
        ...     _ = file.write_text(text)
        ...     said = read_predictions(file)
        >>> said.rows.to_pylist()[0]
        {'clip_id': 'a1', 'emotion': 'Astonishment/Surprise', 'score': 7.0, 'outcome': 'scored'}
        >>> said.rows["outcome"].to_pylist(), said.scale
        (['scored', 'refused'], '0-10')
    """
    path = Path(file)
    if not path.is_file():
        raise EvaluationError(f"{path}: no such file")
    if path.suffix.lower() not in FORMATS:
        raise EvaluationError(f"{path}: choose a file that ends in {', '.join(FORMATS)}")
    table = read_columns(path)
    for name in table.column_names:
        if table.column_names.count(name) > 1:
            raise EvaluationError(f"{path.name} has the column {name} more than once")
    if "emotion" in table.column_names:
        provenance = _provenance(table, path)
        said = _scale(table, provenance, scale, path)
        scale, rows = said or DEFAULT_SCALE, _checked(table, path)
        if not said:
            _refuse_outside(rows["score"], path)
    else:
        rows, file_scale, provenance = _from_scores(path, table)
        if scale not in (None, file_scale):
            raise EvaluationError(f"{path.name} has scores on {file_scale}, not on {scale}")
        scale = file_scale
    n_clips, n_emotions = (pc.count_distinct(rows[c]).as_py() for c in ("clip_id", "emotion"))
    about = {"file": path.name, "sha256": sha256(path)}
    rows = rows.replace_schema_metadata({METADATA_KEY: json.dumps(about)})
    return Predictions(rows, scale, provenance, len(rows) == n_clips * n_emotions > n_clips)


def described(table: pa.Table) -> dict[str, Any]:
    """What the metadata of [`Predictions`]`.rows`, or of a Bench, says of where it comes from."""
    about: dict[str, Any] = json.loads((table.schema.metadata or {}).get(METADATA_KEY, b"{}"))
    return about


def _checked(table: pa.Table, path: Path) -> pa.Table:
    """The rows of a prediction file, every one of them sound."""
    for name in NEEDED:
        if name not in table.column_names:
            raise EvaluationError(
                f"{path.name} has no column {name}; a prediction file has {', '.join(NEEDED)} and "
                f"outcome, and this one has {listed(table.column_names)}"
            )
    if pa.types.is_boolean(table["score"].type):  # which Arrow makes 0 and 1 of
        raise EvaluationError(f"{path.name}: the column score holds true and false, no numbers")
    columns = {name: typed(table, name, path) for name in NEEDED}
    outcome = pa.nulls(len(table), pa.string())
    if "outcome" in table.column_names:
        outcome = typed(table, "outcome", path)
    scores = columns["score"]
    has_score = pc.fill_null(pc.is_finite(scores), False)
    outcome = pc.if_else(pc.and_(pc.is_null(outcome), has_score), "scored", outcome)
    scored = pc.equal(outcome, "scored")
    for name in NEEDED[:2]:
        _refuse(pc.fill_null(pc.equal(columns[name], ""), True), path, f"no {name}")
    reasons = ", ".join(OUTCOMES[1:])
    _refuse(pc.is_null(outcome), path, f"neither score nor outcome; why not is one of {reasons}")
    unknown = pc.invert(pc.is_in(outcome, value_set=pa.array(OUTCOMES)))
    _refuse(unknown, path, f"an outcome that is none of {', '.join(OUTCOMES)}", outcome)
    _refuse(pc.and_(scored, pc.invert(has_score)), path, "the outcome scored, and no score")
    rows = pa.table(
        {
            "clip_id": pc.utf8_normalize(columns["clip_id"], form="NFC"),
            "emotion": _canonical(columns["emotion"], path),
            "score": pc.if_else(scored, scores, None),
            "outcome": outcome,
        }
    )
    refuse_repeated(rows, path.name)
    return rows


def _refuse(bad: Any, path: Path, what: str, values: Any = None) -> None:
    row = pc.index(bad, True).as_py()
    if row >= 0:
        value = "" if values is None else f": {values[row].as_py()!r}"
        raise EvaluationError(f"{path.name}, row {row + 1} has {what}{value}")


def refuse_repeated(rows: pa.Table, where: str) -> None:
    """Refuses a table in which a `clip_id` and an `emotion` occur together twice.

    Raises:
        EvaluationError: With how many, and the first three.
    """
    counts = rows.group_by(["clip_id", "emotion"]).aggregate([([], "count_all")])
    twice = counts.filter(pc.greater(counts["count_all"], 1))
    if len(twice):
        first = ", ".join(f"{r['clip_id']} {r['emotion']}" for r in twice.slice(0, 3).to_pylist())
        raise EvaluationError(
            f"{where} has {len(twice):,} pairs of clip and emotion more than once: {first}"
        )


def _canonical(emotions: pa.Array, path: Path) -> pa.Array:
    encoded = emotions.dictionary_encode()
    names = []
    for spelling in encoded.dictionary.to_pylist():
        try:
            names.append(resolve(spelling))
        except UnknownNameError as error:
            row = pc.index(emotions, spelling).as_py()
            raise EvaluationError(f"{path.name}, row {row + 1}: {error}") from None
    return pc.take(pa.array(names, pa.string()), encoded.indices)


def _provenance(table: pa.Table, path: Path) -> dict[str, Any]:
    """The JSON object in the file's metadata, or beside it; `{}` where there is none."""
    if path.suffix.lower() != ".parquet":
        return stored_provenance(path)  # which `read_columns` has found to be whole
    text = (table.schema.metadata or {}).get(METADATA_KEY)
    try:
        provenance = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"{path.name}: its metadata is not JSON: {error}") from error
    if not isinstance(provenance, dict):
        raise EvaluationError(f"{path.name}: its metadata is {provenance!r:.60}, no object")
    return provenance


def _scale(
    table: pa.Table, provenance: dict[str, Any], given: str | None, path: Path
) -> str | None:
    """The scale that is said in any place, the same in all; None where nothing says it."""
    beside = path.name if path.suffix.lower() == ".parquet" else meta_path(path).name
    said = {"given": given, beside: provenance.get("scale")}
    said["metadata"] = (table.schema.metadata or {}).get(b"scale", b"").decode(errors="replace")
    if "scale" in table.column_names:
        values = pc.unique(typed(table, "scale", path)).to_pylist()
        said |= {f"column {value}": value for value in values}
    named = {where: scale for where, scale in said.items() if scale not in (None, "")}
    for where, scale in named.items():
        if not isinstance(scale, str) or scale not in SCALES:
            of = where if where == beside else path.name
            raise EvaluationError(f"{of}: scale {scale!r:.60} is not one of {', '.join(SCALES)}")
    scales = sorted(set(named.values()))
    if len(scales) > 1:
        raise EvaluationError(f"{path.name}: its scale is said to be {' and '.join(scales)}")
    return scales[0] if scales else None


def _refuse_outside(scores: pa.ChunkedArray, path: Path) -> None:
    """Refuses scores that the scale which nobody has named cannot hold, such as percentages."""
    ends = pc.min_max(scores).as_py()
    low, high = (float(end) for end in DEFAULT_SCALE.split("-"))
    for value in (ends["max"], ends["min"]):
        if value is not None and not low <= value <= high:
            raise EvaluationError(
                f"{path.name} has a score of {value:g} and does not say its scale, which is "
                f"{DEFAULT_SCALE} then: name one of {', '.join(SCALES)} (scale), or bring the "
                "scores to one"
            )


def _from_scores(path: Path, table: pa.Table) -> tuple[pa.Table, str, dict[str, Any]]:
    """Rows, scale and provenance of a score file."""
    try:
        table = read_scores(path)
    except ScoringError as error:
        if stored_provenance(path):
            raise EvaluationError(str(error)) from error
        raise EvaluationError(
            f"{path.name} is neither a prediction file (clip_id, emotion, score, outcome) nor a "
            f"score file with its provenance; it has {listed(table.column_names)}"
        ) from error
    provenance = json.loads(table.schema.metadata[METADATA_KEY])
    heads = _bench_heads(provenance["heads"])
    if not heads:
        raise EvaluationError(f"{path.name} has none of the {len(BENCH_NAMES)} categories of Bench")
    scale = _score_scale(provenance, heads, path)
    table = table.filter(table["clip_id"].is_valid())
    clips, clip = _codes(table["clip_id"])
    _, file = _codes(table["path"])
    # The same bytes under two names are one clip: its first file counts, which has all windows.
    firsts = np.unique(clip, return_index=True)[1]
    outcomes = table["outcome"].to_numpy()[firsts]
    # A channel that failed and a window without speech have no score; the others count.
    scored = table["outcome"].to_numpy() == "scored"
    kept = np.flatnonzero((file == file[firsts][clip]) & scored)
    clip = clip[kept]
    outcomes[clip] = "scored"
    outcomes[outcomes == NO_SPEECH] = "refused"
    length_s = (table["end_s"].to_numpy() - table["start_s"].to_numpy())[kept]
    total_s = np.bincount(clip, length_s, minlength=len(clips))
    columns = []
    with np.errstate(invalid="ignore"):  # 0 / 0 s where a clip has no scores
        for head in heads:
            scores = table[head].to_numpy()[kept].astype(float)
            columns.append(np.bincount(clip, length_s * scores, minlength=len(clips)) / total_s)
    n = len(clips)
    rows = pa.table(
        {
            "clip_id": pc.take(clips, pa.array(np.tile(np.arange(n), len(heads)))),
            "emotion": pa.array(np.repeat(np.array(list(heads.values())), n), pa.string()),
            "score": pa.array(np.concatenate(columns), pa.float64(), from_pandas=True),
            "outcome": pa.array(np.tile(outcomes, len(heads)), pa.string()),
        }
    )
    return rows, scale, provenance


def _bench_heads(heads: list[str]) -> dict[str, str]:
    """Column -> canonical name, of the heads that are categories of Bench."""
    names = {}
    for head in heads:
        try:
            name = resolve(head)
        except UnknownNameError:
            continue  # a head of somebody's own
        if name in BENCH_NAMES:
            names[head] = name
    return names


def _score_scale(provenance: dict[str, Any], heads: dict[str, str], path: Path) -> str:
    ranges = provenance.get("scales") or {}
    try:
        scales = {"{:g}-{:g}".format(*ranges.get(head, EMOTION_SCALE)) for head in heads}
    except (AttributeError, IndexError, TypeError, ValueError):
        beside = path.name if path.suffix.lower() == ".parquet" else meta_path(path).name
        raise EvaluationError(f"{beside}: scales is {ranges!r:.60}, no table of ranges") from None
    if len(scales) > 1 or not scales <= SCALES.keys():
        raise EvaluationError(
            f"{path.name} has heads on the scales {', '.join(sorted(scales))}; all must be on one "
            f"of {', '.join(SCALES)}"
        )
    return scales.pop()


def _codes(column: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """The distinct values in order of appearance, and which of them each row has."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.dictionary, encoded.indices.to_numpy()
