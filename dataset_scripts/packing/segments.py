"""Recordings found in the wild as clips: speech of 3 to 12 s, with where it comes from.

    OUT/clips.parquet            a row a clip; a recording that gives none has a row that says why,
                                 as has one of the same bytes as another
    OUT/audio/<id[:2]>/<id>.flac 24 kHz mono

A recording is decoded twice, block by block: to find the speech, and to cut it out. However long it
is, a few seconds of it are in memory. What each gave is noted in a journal when its clips are on
disk; a killed run goes on there and ends with the same bytes.
"""

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from modeling_empathic.audio import AudioError
from modeling_empathic.decoding_empathic import decode
from modeling_empathic.mixing_empathic import CANCELLED, SAMPLE_RATE, check_rate
from modeling_empathic.report.files import locked, replacing
from modeling_empathic.scoring.file import METADATA_KEY, stored_provenance
from modeling_empathic.scoring.listing import find_audio
from modeling_empathic.scoring.names import path_text
from modeling_empathic.scoring.prepared import THIS_TIME, passing
from modeling_empathic.scoring.reading import opened

from .clips import (
    CLIPS,
    COLUMNS,
    SAMPLING_RATE,
    SPOKEN,
    PackingError,
    Row,
    read_clips,
    rows_of,
    write_table,
)
from .speech import FRAME_S, Cutting, Listener, Span, by_level, levels, pieces

JOURNAL = "segments.partial"
ENGINE, PART, COPY = "recording", "wild", "copy"
Block = npt.NDArray[np.float32]


def segment(
    folder: str | Path,
    out: str | Path,
    *,
    cutting: Cutting = Cutting(),
    listener: Listener | None = None,
    listener_name: str = "level",
    language: str | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> dict[str, int]:
    """Cuts the speech out of every recording of a folder.

    Args:
        folder: Recordings, however deep.
        out: Folder to make, or one that this made before: recordings that it has are not read.
        cutting: Lengths.
        listener: Who finds the speech; by default [`speech.by_level`].
        listener_name: What it is called.
        language: Of all that is spoken there, where it is known.
        progress: Called with recordings done, and all.

    Returns:
        `recordings`, `clips`, `copies`: recordings that are there under another name too, and
        `failed`: those that cannot be read.

    Raises:
        ScoringError: No recordings there.
        PackingError: Lengths that cannot be, or an `out` that holds other clips.
        UserError: Another run is writing `out`.
    """
    cutting.check()
    folder, out = Path(folder), Path(out)
    inside = out.resolve()  # OUT may lie in FOLDER: its clips are no recordings
    recordings = [
        path for path in find_audio([folder]) if not Path(path).resolve().is_relative_to(inside)
    ]
    about: dict[str, Any] = {"kind": "segments", "cutting": cutting._asdict()}
    about |= {"speech": listener_name, "language": language}
    out.parent.mkdir(parents=True, exist_ok=True)
    with locked(out):
        _refuse_other(out, about)
        out.mkdir(exist_ok=True)
        rows: dict[str, list[Row]] = {}
        for found in _rows_before(out):
            if not (found[0]["reason"] or "").startswith(THIS_TIME):
                rows[found[0]["source_file"]] = found
        first = {found[0]["source_sha256"]: name for name, found in rows.items()
                 if found[0]["outcome"] != COPY}  # fmt: skip
        with (out / JOURNAL).open("ab", buffering=0) as journal:
            for number, path in enumerate(recordings):
                progress(number, len(recordings))
                name = path_text(Path(path).relative_to(folder).as_posix())
                if name not in rows:
                    rows[name] = _recording(
                        Path(path), name, out, cutting, listener, language, first
                    )
                    journal.write(json.dumps(rows[name]).encode() + b"\n")
                    os.fsync(journal.fileno())
        progress(len(recordings), len(recordings))
        metadata = {METADATA_KEY: json.dumps(about, sort_keys=True)}
        ordered = [row for name in sorted(rows) for row in rows[name]]
        write_table(ordered, pa.schema(list(COLUMNS.items()), metadata), out / CLIPS)
        (out / JOURNAL).unlink()
    failed = sum(row["outcome"] == "decode_error" for row in ordered)
    clips, copies = (sum(row["outcome"] == kind for row in ordered) for kind in (SPOKEN, COPY))
    return {"recordings": len(rows), "clips": clips, "copies": copies, "failed": failed}


def _refuse_other(out: Path, about: dict[str, Any]) -> None:
    file = out / CLIPS
    if file.exists() and stored_provenance(file) != about:
        raise PackingError(f"{out} holds clips that were made otherwise; name another folder")
    ours = not out.exists() or file.exists() or (out / JOURNAL).exists()
    if not ours and (not out.is_dir() or any(out.iterdir())):
        raise PackingError(f"{out} exists and has no {CLIPS}; name another folder")


def _rows_before(out: Path) -> Iterator[list[Row]]:
    """The rows of each recording that a finished run wrote, or a killed one noted.

    A line that was cut off or damaged is none. A run that was killed between its last two steps
    left both.
    """
    if (out / CLIPS).exists():
        for _, rows in groupby(rows_of(read_clips(out)), key=lambda row: row["source_file"]):
            yield list(rows)
    try:
        lines = (out / JOURNAL).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return
    if lines and not lines[-1].endswith(b"\n"):
        os.truncate(out / JOURNAL, sum(map(len, lines[:-1])))
        lines.pop()
    for line in lines:
        try:
            found = json.loads(line)
            if all(set(COLUMNS) <= set(row) for row in found) and found[0]["source_file"]:
                yield found
        except (ValueError, TypeError, LookupError, RecursionError):
            continue  # damaged: its recording is read again


def _recording(
    path: Path,
    name: str,
    out: Path,
    cutting: Cutting,
    listener: Listener | None,
    language: str | None,
    first: dict[str, str],
) -> list[Row]:
    """The rows of one recording, its clips on disk; `first` has the name of each by its bytes."""
    row = dict.fromkeys(COLUMNS) | {"source_file": name, "part": PART, "engine": ENGINE}
    row |= {"language": language, "attempts": 1}
    try:
        with opened(path) as (file, sha256):
            row["source_sha256"] = sha256
            if (other := first.setdefault(sha256, name)) != name:
                reason = f"the same bytes as {other}"
                return [row | {"id": _id(name, (0, 0)), "outcome": COPY, "reason": reason}]
            level_db = levels(_mono(file, name, SAMPLE_RATE), SAMPLE_RATE)
            spans = listener(_mono(file, name, SAMPLE_RATE)) if listener else by_level(level_db)
            found = pieces(spans, level_db, cutting)
            rows = [
                row | _write(block, span, sha256, out)
                for span, block in _cut_out(_mono(file, name, SAMPLING_RATE), found)
            ]
    except (AudioError, OSError) as error:
        now = passing(error)  # too many open files, for one
        reason = f"{THIS_TIME}{now}" if now else str(error).removeprefix(f"{name}: ")
        return [row | {"id": _id(name, (0, 0)), "outcome": "decode_error", "reason": reason}]
    if rows:
        return rows
    reason = f"no stretch of speech of at least {cutting.shortest_s:g} s"
    return [row | {"id": _id(sha256, (0, 0)), "outcome": "no_speech", "reason": reason}]


def _mono(file: BinaryIO, name: str, rate: int) -> Iterator[Block]:
    """The recording's channels as one, at another rate, block by block."""
    import soxr

    file.seek(0)
    resampler: Any = None
    rate_now = 0
    before = after = 0.0  # of mixing: energy
    for block, own_rate in decode(file, name, lambda n, rate: None, []):
        if own_rate != rate_now:
            if resampler is not None:
                yield resampler.resample_chunk(np.empty(0, np.float32), last=True)
            rate_now = check_rate(own_rate, name)
            resampler = soxr.ResampleStream(rate_now, rate, 1, dtype="float32", quality="HQ")
        mono = np.ascontiguousarray(block.mean(axis=1), np.float32)
        if not np.isfinite(mono).all():
            raise AudioError(f"{name}: not finite: the samples hold NaN or Inf")
        before += float(np.vdot(block, block)) / block.shape[1] ** 2
        after += float(np.vdot(mono, mono))
        yield resampler.resample_chunk(mono)
    if after < CANCELLED * before:  # speech is there, and not in what would be listened to
        raise AudioError(f"{name}: the channels cancel each other: give one of them")
    if resampler is not None:
        yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def _cut_out(blocks: Iterator[Block], spans: list[Span]) -> Iterator[tuple[Span, Block]]:
    """The samples of each span, in order; a block and a piece are in memory."""
    size = round(SAMPLING_RATE * FRAME_S)
    held, at = np.empty(0, np.float32), 0
    waiting = list(reversed(spans))
    for block in blocks:
        held = np.concatenate([held, block])
        while waiting and (end := waiting[-1][1] * size) <= at + len(held):
            span = waiting.pop()
            yield span, held[span[0] * size - at : end - at]
        keep_from = min(waiting[-1][0] * size if waiting else at + len(held), at + len(held))
        if keep_from > at:
            held, at = held[keep_from - at :], keep_from
    for span in reversed(waiting):  # what resampling made a few samples shorter
        yield span, held[max(0, span[0] * size - at) : span[1] * size - at]


def _write(samples: Block, span: Span, sha256: str, out: Path) -> Row:
    import soundfile

    clip_id = _id(sha256, span)
    path = Path("audio", clip_id[:2], f"{clip_id}.flac")
    sound = io.BytesIO()
    soundfile.write(sound, samples, SAMPLING_RATE, format="FLAC", subtype="PCM_16")
    digest = hashlib.sha256(sound.getvalue()).hexdigest()
    try:
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        with replacing(out / path) as temporary:
            temporary.write_bytes(sound.getvalue())
    except OSError as error:  # a full disk says nothing about the recording
        raise PackingError(f"{out / path} cannot be written: {error.strerror or error}") from None
    return {
        "id": clip_id,
        "path": path.as_posix(),
        "sha256": digest,
        "duration_s": len(samples) / SAMPLING_RATE,
        "sampling_rate": SAMPLING_RATE,
        "outcome": SPOKEN,
        "start_s": round(span[0] * FRAME_S, 2),
        "end_s": round(span[1] * FRAME_S, 2),
    }


def _id(source: str, span: Span) -> str:
    """Of a clip: the same for the same stretch of the same recording."""
    return hashlib.sha256(f"{source}:{span[0]}:{span[1]}".encode()).hexdigest()[:16]
