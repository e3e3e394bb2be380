"""Results that somebody has already: CSV and JSONL of any system, Hume's batch JSON.

A CSV or JSONL row names its clip by `clip_id`, or by `file_name` as in Bench. It is either long,
with `emotion` and `score`, or wide, with a column for each label. `start_s` and `end_s` make it a
window of its clip; `outcome` and `detail` say why there is no score.
"""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from unicodedata import normalize

from evaluate_metrics.emonet_voice import OUTCOMES
from modeling_empathic.report.files import as_object, json_lines, locked
from modeling_empathic.taxonomy import EMOTION_NAMES, UserError

from .errors import AdapterError
from .labels import Window, as_json, hume_emotions, hume_name, label_means, on_0_10, scale_ends
from .prediction_file import Predictions, check_output, now
from .replies import Reply, Row, canonical, failed, read_reply

_ABOUT = ("clip_id", "file_name", "start_s", "end_s", "outcome", "detail", "emotion", "score")


class Record(NamedTuple):
    """What a file says of one window of a clip.

    Attributes:
        where: File and row, for messages.
        clip_id: Of the clip, empty where the file has names only.
        file_name: Of the clip, empty where the file has ids.
        window: Start and end in seconds, None where the file does not say.
        scores: Value of each label: a number, or what stands in its place.
        outcome: `scored`, or why there is no score.
        detail: More of the why.
    """

    where: str
    clip_id: str
    file_name: str
    window: tuple[float, float] | None
    scores: dict[str, Any]
    outcome: str = "scored"
    detail: str = ""


def import_stored(
    file: Path,
    output: Path,
    *,
    system: str,
    hume: bool = False,
    scale: str | None = None,
    emotions: Sequence[str] = EMOTION_NAMES,
    clip_ids: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Writes stored results as a prediction file.

    A clip of the file gets a row for every emotion: one that it has no label for is `unmapped`.
    Scores outside the scale are a `parse_error`, except for Hume and on 0-4, which are clipped:
    the first says that its scores can leave 0 to 1, the second are unclamped regressions.

    Args:
        file: `.csv`, `.jsonl`, or `.json` as Hume's batch service gives it.
        output: `.parquet`, `.jsonl` or `.csv`.
        system: Its name in the provenance.
        hume: Labels are Hume's, for Table 8.
        scale: Of the scores; by default 0-10, Hume's 0-1.
        emotions: Canonical names of the rows to write.
        clip_ids: Id of each file name, for files that have no ids; see `ids_by_file_name`.

    Returns:
        As `runner.run`, and `unknown_files`: names that are not in `clip_ids`.

    Raises:
        AdapterError: The file cannot be used; with the row.
    """
    check_output(output, system)
    scale = scale or ("0-1" if hume else "0-10")
    scale_ends(scale)
    started = now()
    by_clip: dict[str, list[Record]] = {}
    unknown_files = set()
    for record in _records(file):
        clip_id = record.clip_id
        if not clip_id and clip_ids is None:
            raise AdapterError(
                f"{record.where} has a file name only: name the benchmark that has its id"
            )
        clip_id = clip_id or (clip_ids or {}).get(_base(record.file_name), "")
        if clip_id:
            by_clip.setdefault(clip_id, []).append(record)
        else:
            unknown_files.add(record.file_name)
    if not by_clip:
        raise AdapterError(f"{file.name} has no result of any clip in the benchmark")
    predictions = Predictions()
    for clip_id, records in by_clip.items():
        predictions.add(clip_id, *_rows(records, emotions, hume=hume, scale=scale))
    with locked(output):
        predictions.write(
            output,
            {
                "system": system,
                "source": file.name,
                "settings": {"scale": scale, "labels": "Table 8" if hume else "taxonomy"},
                "started": started,
                "finished": now(),
            },
        )
    return {**predictions.counts(), "unknown_files": len(unknown_files)}


def ids_by_file_name(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Clip id of each file name, without its folders.

    Raises:
        AdapterError: Two clips have one name.

    Example:
        >>> ids_by_file_name([("data/a.wav", "id1")])
        {'a.wav': 'id1'}
    """
    ids: dict[str, str] = {}
    for name, clip_id in pairs:
        if ids.setdefault(_base(name), clip_id) != clip_id:
            raise AdapterError(f"two clips have the file name {_base(name)}")
    return ids


def _base(name: str) -> str:
    """The last part of a path, in Unicode's composed form: file systems differ in it."""
    return normalize("NFC", PurePosixPath(name.replace("\\", "/")).name)


def _rows(
    records: list[Record], emotions: Sequence[str], *, hume: bool, scale: str
) -> tuple[list[Row], list[str]]:
    """Rows of one clip, and its unknown labels."""
    whole = next((r for r in records if r.outcome != "scored" and not r.scores), None)
    if whole and not any(r.outcome == "scored" and r.scores for r in records):
        return failed(emotions, whole.outcome, whole.detail), []
    lost = {
        canonical(hume_name(label) if hume else label): record
        for record in records
        if record.outcome != "scored"
        for label in record.scores
    }
    windows: list[Window] = []
    odd: dict[str, Any] = {}
    seen: set[str] = set()
    for record in (r for r in records if r.outcome == "scored"):
        numbers: dict[str, float] = {}
        for label, value in record.scores.items():
            if record.window is None and label in seen:
                raise AdapterError(f"{record.where}: {label} of this clip again, and no windows")
            seen.add(label)
            (numbers if isinstance(value, float) else odd)[label] = value
        start, end = record.window or (0.0, 1.0)
        windows.append((max(end - start, 1e-6), numbers))  # Hume's can be of no length
    scores: dict[str, Any] = label_means(windows)
    if hume:
        scores = hume_emotions(scores)
    scores = on_0_10(scores, scale, clip=hume or scale == "0-4")
    rows, unknown = read_reply(Reply(as_json({**scores, **odd}) if seen or lost else ""), emotions)
    return [
        Row(row.emotion, None, lost[row.emotion].outcome, lost[row.emotion].detail)
        if row.emotion in lost
        else row
        for row in rows
    ], unknown


def _records(file: Path) -> Iterator[Record]:
    suffix = file.suffix.lower()
    if suffix not in (".csv", ".jsonl", ".json"):
        raise AdapterError(f"{file}: choose a file that ends in .csv, .jsonl or .json (Hume's)")
    try:
        if suffix == ".json":
            yield from _hume_records(
                json.loads(file.read_bytes(), object_pairs_hook=as_object), file.name
            )
            return
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows: Iterable[Any] = (row for _, row in json_lines(file))
            if suffix == ".csv":
                rows = csv.DictReader(lines, strict=True)
                names = list(rows.fieldnames or ())
                if twice := [name for name in names if names.count(name) > 1]:
                    raise AdapterError(f"{file.name} has the column {twice[0]} more than once")
            for n, row in enumerate(rows, 1):
                if suffix == ".csv" and None in row.values():
                    raise AdapterError(f"{file.name}, row {n}: fewer cells than columns")
                yield _record(row, f"{file.name}, row {n}")
    except UserError as error:
        raise AdapterError(str(error)) from None
    except (UnicodeDecodeError, ValueError, RecursionError, csv.Error) as error:
        raise AdapterError(f"{file.name} cannot be read: {error}") from None


def _record(row: dict[Any, Any], where: str) -> Record:
    clip_id, name = (normalize("NFC", str(row.get(key) or "")) for key in ("clip_id", "file_name"))
    if not clip_id and not name:
        raise AdapterError(f"{where}: no clip_id and no file_name")
    if None in row:
        raise AdapterError(f"{where}: more cells than columns")
    outcome = row.get("outcome") or "scored"
    if outcome not in OUTCOMES:
        raise AdapterError(f"{where}: outcome {outcome!r} is not one of {', '.join(OUTCOMES)}")
    if "emotion" in row:
        values = {str(row["emotion"]): row.get("score")}
    else:
        values = {label: value for label, value in row.items() if label not in _ABOUT}
    # An empty cell of a wide row is no answer; a long row without score still names an emotion.
    scores = {str(k): _value(v) for k, v in values.items()}
    if "emotion" not in row:
        kept = outcome == "scored"
        scores = {label: value for label, value in scores.items() if kept and value is not None}
    window = None
    if row.get("end_s") not in (None, ""):
        start, end = _value(row.get("start_s") or 0), _value(row["end_s"])
        if not (isinstance(start, float) and isinstance(end, float) and end > start):
            raise AdapterError(f"{where}: start_s and end_s are no window")
        window = (start, end)
    return Record(where, clip_id, name, window, scores, outcome, str(row.get("detail") or ""))


def _value(cell: Any) -> Any:
    """A float where the cell is or spells one, None where it is empty or NaN, else the cell."""
    if isinstance(cell, bool) or "_" in str(cell):  # to Python 1_0 is a number
        return cell
    try:
        number = float(cell)
    except (TypeError, ValueError, OverflowError):
        return cell or None
    return None if math.isnan(number) else number


def _hume_records(batch: Any, where: str) -> Iterator[Record]:
    """Windows of the prosody model in the answer of Hume's old batch service."""
    try:
        for source in batch:
            for file in source["results"]["predictions"]:
                groups = (file["models"].get("prosody") or {}).get("grouped_predictions", [])
                windows = [window for group in groups for window in group["predictions"]]
                if not windows:
                    yield Record(
                        where, "", file["file"], None, {}, "parse_error", "no speech found"
                    )
                for window in windows:
                    scores = {row["name"]: float(row["score"]) for row in window["emotions"]}
                    span = (float(window["time"]["begin"]), float(window["time"]["end"]))
                    yield Record(where, "", file["file"], span, scores)
            for error in source["results"].get("errors") or []:
                yield Record(
                    where, "", error["file"], None, {}, "transport_error", error["message"]
                )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise AdapterError(
            f"{where} is not what Hume's batch service gives ({type(error).__name__}: {error})"
        ) from None
