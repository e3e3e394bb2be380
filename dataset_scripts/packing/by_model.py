"""Annotation by a model of ours: its score file is what a killed run goes on with."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from modeling_empathic.scoring.clips import score_groups
from modeling_empathic.scoring.cuts import Cuts
from modeling_empathic.scoring.journal import ScoreFile
from modeling_empathic.scoring.ray_engine import Work, score_on_ray
from modeling_empathic.taxonomy import EMOTION_NAMES

from .clips import PackingError, audio_file, rows_of
from .scores import SCORED, Judge, Judgement, within_scale

FILE = "model_scores.parquet"


def by_model(
    out: Path,
    model: Any,
    extractor: Any,
    provenance: dict[str, Any],
    *,
    batch_size: int,
    workers: int | None,
    overwrite: bool = False,
    on_ray: dict[str, Any] | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Judge:
    """A judge that scores each clip's first 30 s, which is what Whisper hears (paper, A.2).

    Scores are regressions without bounds; what lies beyond 0 to 4 becomes 0 or 4, and stays as it
    was in `OUT/model_scores.parquet`.

    Args:
        out: Folder of the clips.
        model: As `scoring.loading.load_model` gives it.
        extractor: Likewise.
        provenance: Likewise.
        batch_size: Clips in a forward pass.
        workers: Threads that decode; on Ray, models that are loaded.
        overwrite: Forget what another model said.
        on_ray: What `load_model` takes, for workers to load it on all machines of a Ray cluster,
            each of which must have `out`; then `model` needs no weights.
        progress: Called with the clips that were done since.

    Raises:
        PackingError: The model has no head for one of the 40 emotions.
    """
    missing = [name for name in EMOTION_NAMES if name not in provenance["heads"]]
    if missing:
        raise PackingError(
            f"model {provenance['model']} has no head for {len(missing)} of the 40 emotions: "
            f"{', '.join(missing[:3])}"
        )

    def name_of(path: Any) -> str:
        return Path(path).relative_to(out).as_posix()

    def score_here(files: dict[str, Path], scores: ScoreFile) -> None:
        groups = score_groups(
            files.values(),
            model,
            extractor,
            batch_size=batch_size,
            workers=workers or 1,
            done=scores.done,
            on_skip=lambda: progress(1),
            name_of=name_of,
        )
        for group in groups:
            scores.append(group)
            progress(len(group))
        scores.finish(list(files))

    def score_there(files: dict[str, Path], scores: ScoreFile) -> None:
        work = Work(on_ray or {}, provenance, scores.provenance, batch_size, Cuts(), scores.done)
        clips = list(map(str, files.values()))
        score_on_ray(
            clips, scores, work, name_of, workers=workers, on_clips=progress, on_skip=progress
        )

    ran = False

    def judge(clips: pa.Table) -> Iterator[Judgement]:
        nonlocal ran
        order = clips["path"].to_pylist()
        safe = {path: file for path in order if (file := _file(out, path))}
        if not ran:
            with ScoreFile(out / FILE, provenance, overwrite=overwrite) as scores:
                (score_here if on_ray is None else score_there)(safe, scores)
            ran = True
        yield from _judgements(out / FILE, order, clips["sha256"].to_pylist())

    return judge


def _file(out: Path, path: str) -> Path | None:
    try:
        return audio_file(out, path)
    except PackingError:
        return None


def _judgements(file: Path, order: list[str], made: list[str]) -> Iterator[Judgement]:
    """One for each clip; of one in several windows, the first."""
    columns = ["path", "clip_id", *EMOTION_NAMES, "outcome", "error"]
    table = parquet.read_table(file, columns=columns)
    first: dict[str, int] = {}
    for number, path in enumerate(table["path"].to_pylist()):
        first.setdefault(path, number)
    rows = rows_of(table.take(pa.array([first.get(path) for path in order], pa.int64())))
    for row, sha256 in zip(rows, made, strict=True):
        if row["outcome"] == SCORED and row["clip_id"] != sha256:
            # Replaced since it was made: scores of it would stand beside the other's name.
            yield Judgement(None, "decode_error", "audio is not what was made")
        elif row["outcome"] == SCORED:
            yield Judgement(within_scale(row[name] for name in EMOTION_NAMES))
        else:  # without a row: a path that leads out of the folder was not read
            yield Judgement(None, row["outcome"] or "decode_error", row["error"] or "unsafe path")
