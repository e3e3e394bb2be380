"""Scoring on many machines by Ray Data: the function of one machine, a worker a GPU or CPU slot.

    driver    plans blocks (`blocks`), keeps finished ones, writes the score file last
    worker    loads the model once; a block in, the rows of its clips out, as a Parquet file

A finished block is `OUTPUT.parts/<digest>.parquet`, beside the output on the machine that started
the run: workers need no disk in common for it. A run that was killed finds the blocks that are
there, whoever scored them, and does the others. Where a worker or a machine is lost, Ray gives its
blocks to another; a block that arrives twice is the same file. Inputs, and a model that is a
folder, must be there under the same name on every machine, and the package be installed.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from modeling_empathic.report.files import replacing
from modeling_empathic.report.machines import errors_of_workers, mapped, slots, started

from .blocks import Block, clips_of, plan_blocks
from .clips import score_groups
from .cuts import Cuts
from .differences import differences
from .file import score_schema
from .journal import ScoreFile
from .listing import AnyPath, ScoringError
from .loading import load_model
from .names import place

_NAMES = b"clips"


@dataclass(frozen=True)
class Work:
    """What a worker is to do with every block.

    Attributes:
        model: What `load_model` takes.
        made_by: What it must say of the model, on every machine.
        provenance: Of the score file.
        batch_size: Windows in a forward pass.
        cuts: How clips become rows.
        done: SHA-256 of the clips that need no scoring, by name.
        threads: That decode.
    """

    model: dict[str, Any]
    made_by: dict[str, Any]
    provenance: dict[str, Any]
    batch_size: int
    cuts: Cuts
    done: dict[str, str | None]
    threads: int = 1


class Worker:
    """Scores blocks; the model is loaded once, when it starts."""

    def __init__(self, work: Work):
        self.work = work
        self.model, self.extractor, here = load_model(**work.model)
        if other := differences(work.made_by, here):
            raise ScoringError(f"a machine would score otherwise: {'; '.join(other)}")

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """A block as JSON in; its digest and its part out."""
        block = Block.from_json(row["block"])
        part = score_block(block, self.work, self.model, self.extractor)
        return {"digest": block.digest, "part": part}


def score_block(block: Block, work: Work, model: Any, extractor: Any) -> bytes:
    """The rows of a block as a Parquet file, whose metadata names its clips, skipped ones too."""
    names: list[str] = []
    of_file: dict[str, str] = {}

    def clips() -> Iterator[AnyPath]:
        for clip, name in clips_of(block):
            names.append(name)
            if isinstance(clip, str):
                of_file[clip] = name
            yield clip

    groups = score_groups(
        clips(),
        model,
        extractor,
        batch_size=work.batch_size,
        workers=work.threads,
        done=work.done,
        cuts=work.cuts,
        name_of=lambda clip: of_file.get(str(clip), str(clip)),
    )
    rows = [row for group in groups for clip_rows in group for row in clip_rows]
    schema = score_schema(work.provenance)
    metadata = {**schema.metadata, _NAMES: json.dumps(names)}
    content = BytesIO()
    table = pa.Table.from_pylist(rows, schema.with_metadata(metadata))
    parquet.write_table(table, content, write_page_checksum=True)
    return content.getvalue()


def look_at_model(workers: int | None, **model: Any) -> tuple[Any, Any, dict[str, Any]]:
    """What `load_model` gives on a worker's machine, but for the weights.

    The machine that starts a run may have neither a GPU nor room for the model.

    Args:
        workers: As of [`score_on_ray`].
        model: What `load_model` takes.

    Raises:
        UserError: As `load_model` does, or there is no Ray.
    """

    def look(model: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
        loaded, extractor, provenance = load_model(**model)
        about = {name: getattr(loaded, name, None) for name in ("config", "choice", "commit")}
        return SimpleNamespace(**about, device=loaded.device), extractor, provenance

    ray = started()
    takes = slots(model["device"], workers)[1]
    with errors_of_workers():
        found: tuple[Any, Any, dict[str, Any]] = ray.get(ray.remote(**takes)(look).remote(model))
    return found


def score_on_ray(
    inputs: Sequence[str],
    file: ScoreFile,
    work: Work,
    name_of: Callable[[AnyPath], str],
    *,
    workers: int | None = None,
    on_plan: Callable[[int | None], object] = lambda n_clips: None,
    on_clips: Callable[[int], object] = lambda n_clips: None,
    on_skip: Callable[[int], object] = lambda n_clips: None,
) -> tuple[list[str], pa.Table]:
    """Scores inputs by all workers that there are, and finishes the score file.

    Args:
        inputs: Files with a clip each, Parquet files and tars, here or at addresses.
        file: Where the rows go in the end.
        work: What to do.
        name_of: What a file is called in the score file.
        workers: How many; None for one a GPU or, where there is none, one a CPU.
        on_plan: Gets the number of clips; None where it is not known.
        on_clips: Gets the number of clips that were scored since.
        on_skip: Gets the number of those that were there.

    Returns:
        The names of the clips in the order of the inputs, and their rows.

    Raises:
        UserError: What a worker says of the model or the device, or there is no Ray.
    """
    inputs = [path for path in inputs if place(path) != place(file.path)]  # a Parquet file too
    blocks = plan_blocks(inputs, name_of, [work.provenance, work.done], work.batch_size)
    unknown = any(block.n_clips is None for block in blocks)
    on_plan(None if unknown else sum(block.n_clips or 0 for block in blocks))
    folder = parts_folder(file.path)
    folder.mkdir(exist_ok=True)
    waiting: dict[str, Block] = {}
    for block in blocks:
        kept = _kept(folder / f"{block.digest}.parquet")
        if kept is None:
            waiting[block.digest] = block
        else:
            on_skip(len(_names(kept.schema)))
    if waiting:
        for digest, content in _scored(list(waiting.values()), work, workers):
            with replacing(folder / f"{digest}.parquet") as temporary:
                temporary.write_bytes(content)
            part = parquet.read_table(BytesIO(content), columns=["path"])
            n_scored = len(set(part["path"].to_pylist()))
            on_clips(n_scored)
            on_skip(len(_names(part.schema)) - n_scored)
    parts = [folder / f"{block.digest}.parquet" for block in blocks]
    order = [name for part in parts for name in _names(parquet.read_schema(part))]
    rows = file.finish(order, (parquet.read_table(part).cast(file.schema) for part in parts))
    shutil.rmtree(folder)
    return order, rows


def parts_folder(output: Path) -> Path:
    """Where the finished blocks of a run are, until its score file is there."""
    return output.with_name(output.name + ".parts")


def _scored(blocks: list[Block], work: Work, workers: int | None) -> Iterator[tuple[str, bytes]]:
    """Digests and parts, in the order in which they are done."""
    rows = ({"block": block.as_json()} for block in blocks)
    n_workers, takes = slots(work.model["device"], workers)
    work = replace(work, threads=int(takes["num_cpus"]))
    for row in mapped(rows, Worker, work, device=work.model["device"], workers=n_workers):
        yield row["digest"], row["part"]


def _kept(part: Path) -> pa.Table | None:
    """A part of an earlier run; None where there is none, or a disk has damaged it since."""
    if not part.is_file():
        return None
    try:
        table = parquet.read_table(part, page_checksum_verification=True)
        _names(table.schema)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return None
    return table


def _names(part: pa.Schema) -> list[str]:
    names: list[str] = json.loads((part.metadata or {})[_NAMES])
    return names
