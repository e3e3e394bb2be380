"""Speaks a plan: many clips at a time, each written whole, the table of all at the end.

`OUT/plan.parquet` is a copy of the plan, `OUT/audio/<id[:2]>/<id>.flac` the clips, and
`OUT/clips.parquet` a row for every row of the plan, in its order, whatever became of it. It is
written last; until then `OUT/clips.parquet.partial` is the journal, from which a run that was
killed goes on.
"""

import json
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from modeling_empathic.report.files import locked_folder, replacing, sha256
from modeling_empathic.report.machines import mapped
from modeling_empathic.report.packed import most_bytes, refuse_bomb

from .engines import ESPEAK, Engine, EngineError, make_engine
from .hearing import RATE
from .journal import Journal
from .plan import SCHEMA, Row
from .plan_checks import GenerationError, check_cells, check_row_groups
from .speaking import CLIPS_SCHEMA, SPOKEN, TRANSPORT_ERROR, Spoken, audio_path, speak_row

PLAN, CLIPS = "plan.parquet", "clips.parquet"
BATCH = 2_000
LOCAL, RAY = RUNNERS = ("local", "ray")
TOGETHER = 8
"""Rows that a worker of a cluster takes at a time."""
HOPELESS = 5
"""A run ends when an engine gave nothing for so many rows, and never yet anything."""


def generate(
    plan: Path,
    out: Path,
    engine: str = ESPEAK,
    *,
    model: str | None = None,
    base_url: str | None = None,
    attempts: int = 3,
    workers: int | None = 1,
    runner: str = LOCAL,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> dict[str, int]:
    """Speaks every row of a plan.

    Killed or stopped, the same call goes on where it was. On a finished folder it asks again only
    for rows whose engine gave nothing.

    Args:
        plan: What `write_plan` made, or any Parquet file with its columns.
        out: Folder to make or to go on with.
        engine: See `make_engine`.
        model: For `openai`.
        base_url: For `openai`.
        attempts: Tries for a clip, at most.
        workers: Processes that speak; 1 is this one. With `ray`, None is one a processor.
        runner: `local`, or `ray`: the machines of a cluster, each of which must have `out`.
        progress: Gets the number of rows that are done, and of all.

    Returns:
        How many rows had each outcome.

    Raises:
        GenerationError: No plan, another plan or engine than `out` was begun with, or an engine
            that gives nothing at all.
        EngineError: An engine that cannot start or go on.
        OSError: A full disk, for one; what is done is kept.
    """
    if runner not in RUNNERS:
        raise GenerationError(f"runner={runner}: choose {' or '.join(RUNNERS)}")
    workers = workers if runner == RAY else workers or 1
    if attempts < 1 or (workers is not None and workers < 1):
        raise GenerationError(f"attempts={attempts}, workers={workers}: at least 1 of each")
    if not plan.is_file():
        raise GenerationError(f"plan={plan} is no file")
    mark = sha256(plan)
    _check_plan(plan)
    speaker = make_engine(engine, model, base_url)
    out.mkdir(parents=True, exist_ok=True)
    with locked_folder(out):
        copy = _keep_plan(plan, out, mark)
        about = {
            "plan": mark,
            "engine": speaker.name,
            "settings": speaker.settings,
            "attempts": attempts,
        }
        journal = _go_on(out, about, parquet.read_metadata(copy).num_rows)
        try:
            if journal is not None:
                work = _Work(engine, model, base_url, out.absolute(), attempts)
                _speak_missing(copy, journal, work, speaker, workers, runner, progress)
                if sha256(copy) != mark:  # its rows would stand beside clips of others
                    raise GenerationError(
                        f"{copy} was changed while it was spoken: put {plan.name} there again"
                    )
                _write_clips(copy, out / CLIPS, journal, about)
                journal.path.unlink()
        finally:
            if journal is not None:
                journal.close()
    return outcomes(out / CLIPS)


def outcomes(clips: Path) -> dict[str, int]:
    """How many rows of a `clips.parquet` have each outcome."""
    column = parquet.read_table(clips, columns=["outcome"])["outcome"]
    return {row["values"]: row["counts"] for row in column.value_counts().to_pylist()}


def read_rows(plan: Path) -> Iterator[Row]:
    """The rows of a plan in order, few in memory at a time."""
    for batch in _batches(plan):
        yield from batch.to_pylist()


def _batches(plan: Path) -> Iterator[pa.RecordBatch]:
    texts = [field.name for field in SCHEMA if field.type == pa.string()]
    try:
        with parquet.ParquetFile(plan, read_dictionary=texts) as file:
            for group in range(file.num_row_groups):
                for batch in file.iter_batches(BATCH, [group], columns=SCHEMA.names):
                    refuse_bomb(batch)
                    batch = batch.select(SCHEMA.names).cast(SCHEMA)
                    batch.validate(full=True)  # a text that is none
                    yield batch
    except pa.ArrowException as error:
        raise GenerationError(f"plan={plan} cannot be read as a plan: {error}") from None


def _check_plan(plan: Path) -> None:
    """Whether a file, which may be a stranger's, is a plan whose ids can name files."""
    try:
        with parquet.ParquetFile(plan) as file:
            most_bytes(plan, file.metadata)  # before one huge cell is unpacked
            check_row_groups(plan, file.metadata)
            names = file.schema_arrow.names
        missing = [name for name in SCHEMA.names if name not in names]
        if missing:
            raise GenerationError(f"plan={plan} has no column {', '.join(missing)}")
        if twice := [name for name in SCHEMA.names if names.count(name) > 1]:
            raise GenerationError(f"plan={plan} has the column {twice[0]} twice")
        ids = []
        for batch in _batches(plan):
            check_cells(batch, f"plan={plan}")
            ids.append(pc.utf8_lower(batch["id"]))
    except pa.ArrowException as error:
        raise GenerationError(f"plan={plan} cannot be read as a plan: {error}") from None
    if not ids:
        raise GenerationError(f"plan={plan} has no rows")
    names = pa.chunked_array(ids)
    if pc.count_distinct(names).as_py() != len(names):
        raise GenerationError(f"plan={plan} has an id twice")


def _keep_plan(plan: Path, out: Path, mark: str) -> Path:
    copy = out / PLAN
    if copy.exists():
        if sha256(copy) != mark:
            raise GenerationError(f"out={out} was begun with another plan; choose another folder")
        return copy
    with replacing(copy) as temporary:
        shutil.copyfile(plan, temporary)
        if sha256(temporary) != mark:  # what was checked is what is spoken
            raise GenerationError(f"plan={plan} was changed while it was read; run it again")
    return copy


def _go_on(out: Path, about: dict[str, Any], n_rows: int) -> Journal | None:
    """The journal of this run, or None where nothing is left to do."""
    path = out / f"{CLIPS}.partial"
    done = out / CLIPS
    if done.exists():
        try:
            metadata = parquet.read_schema(done).metadata or {}
            before = dict(json.loads(metadata.get(b"emonet_clips", b"{}")))
            reached = outcomes(done) if before else {}
        except (pa.ArrowException, OSError, ValueError, TypeError, RecursionError) as error:
            raise GenerationError(f"{done} cannot be read: {str(error).splitlines()[0]}") from None
        _same(before, about, out)
        if TRANSPORT_ERROR not in reached:
            path.unlink(missing_ok=True)  # of a run that was killed just before it did this
            return None
        if not path.exists():
            _journal_of(done, path, about, n_rows)
    journal = Journal(path, about, n_rows)
    try:
        _same(journal.about, about, out)
    except GenerationError:
        journal.close()
        raise
    return journal


def _journal_of(done: Path, path: Path, about: dict[str, Any], n_rows: int) -> None:
    """The journal that a finished table was made of."""
    with parquet.ParquetFile(done) as file, replacing(path) as temporary:
        missing = [name for name in Spoken._fields if name not in file.schema_arrow.names]
        if missing or file.metadata.num_rows != n_rows:
            why = f"no column {missing[0]}" if missing else f"other rows than the plan's {n_rows:,}"
            raise GenerationError(f"{done} has {why}: remove it, and the same run goes on")
        with closing(Journal(temporary, about, n_rows)) as journal:
            number = 0
            for batch in file.iter_batches(BATCH):
                for row in batch.to_pylist():
                    spoken = Spoken(*(row[name] for name in Spoken._fields))
                    journal.add(number, spoken, durable=False)
                    number += 1


def _same(old: dict[str, Any], about: dict[str, Any], out: Path) -> None:
    other = [name for name in about if old.get(name) != json.loads(json.dumps(about[name]))]
    if other:
        was = "; ".join(f"{name} was {old.get(name)!r}" for name in other)
        raise GenerationError(
            f"out={out} was spoken otherwise: {was}. Go on with that, or choose another folder"
        )


class _Work:
    """What a worker does with a row; it makes an engine of its own when it starts."""

    def __init__(
        self, engine: str, model: str | None, base_url: str | None, out: Path, attempts: int
    ):
        self.engine = (engine, model, base_url)
        self.out, self.attempts = out, attempts
        self.speaker: Engine | None = None

    def __call__(self, row: Row) -> Spoken:
        if self.speaker is None:
            self.speaker = make_engine(*self.engine)
        return speak_row(row, self.speaker, self.out, self.attempts)


def _speak_missing(
    plan: Path,
    journal: Journal,
    work: _Work,
    speaker: Engine,
    workers: int | None,
    runner: str,
    progress: Callable[[int, int], object],
) -> None:
    n_rows = parquet.read_metadata(plan).num_rows
    missing = ((n, row) for n, row in enumerate(read_rows(plan)) if n not in journal)
    progress(journal.n_done, n_rows)
    nothing = HOPELESS if journal.n_done == 0 else 0  # rows in a row until there is no hope
    if runner == RAY:
        results = _on_ray(missing, work, workers)
    elif workers == 1:
        work.speaker = speaker
        results = ((n, work(row)) for n, row in missing)
    else:
        results = _in_processes(missing, work, workers or 1)
    with closing(results):
        for number, spoken in results:
            journal.add(number, spoken)
            progress(journal.n_done, n_rows)
            if spoken.outcome != TRANSPORT_ERROR:
                nothing = 0
            elif nothing:
                nothing -= 1
                if not nothing:
                    raise EngineError(
                        f"nothing came for the first {HOPELESS} clips: {spoken.reason}"
                    )


_worker: _Work | None = None


def _start(work: _Work) -> None:
    """In a new process: a worker that ends with its parent, however that ends."""
    global _worker
    _worker = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to say
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def _speak_in_worker(row: Row) -> Spoken:
    assert _worker is not None
    return _worker(row)


def _in_processes(
    rows: Iterator[tuple[int, Row]], work: _Work, workers: int
) -> Generator[tuple[int, Spoken], None, None]:
    """Rows as they are done, few of them waiting at a time."""
    running: dict[Future[Spoken], int] = {}
    pool = ProcessPoolExecutor(workers, SpawnContext(), initializer=_start, initargs=(work,))
    try:
        while True:
            while len(running) < 4 * workers and (following := next(rows, None)) is not None:
                running[pool.submit(_speak_in_worker, following[1])] = following[0]
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
    except BrokenProcessPool:
        raise GenerationError(
            "a worker was killed, for want of memory perhaps; the same run goes on where it was"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


class _RayWorker:
    """A worker on some machine; rows travel with their numbers."""

    def __init__(self, work: _Work):
        self.work = work

    def __call__(self, row: Row) -> Row:
        return {"number": row["number"], **self.work(row)._asdict()}


def _on_ray(
    rows: Iterator[tuple[int, Row]], work: _Work, workers: int | None
) -> Generator[tuple[int, Spoken], None, None]:
    numbered = ({"number": number, **row} for number, row in rows)
    for row in mapped(numbered, _RayWorker, work, workers=workers, together=TOGETHER):
        yield row["number"], Spoken(*(row[name] for name in Spoken._fields))


def _write_clips(plan: Path, path: Path, journal: Journal, about: dict[str, Any]) -> None:
    schema = CLIPS_SCHEMA.with_metadata({"emonet_clips": json.dumps(about)})
    with (
        replacing(path) as temporary,
        parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        rows: list[Row] = []
        for number, row in enumerate(read_rows(plan)):
            rows.append(_clip(row, journal[number], about["engine"]))
            if len(rows) == BATCH:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows = []
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, schema))


def _clip(row: Row, spoken: Spoken, engine: str) -> Row:
    there = spoken.outcome == SPOKEN
    about_file = {
        "path": audio_path(row["id"]) if there else "",
        "sampling_rate": RATE if there else 0,
        "engine": engine,
    }
    return {**row, **spoken._asdict(), **about_file}
