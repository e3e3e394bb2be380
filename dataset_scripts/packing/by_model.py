"""Annotation by a model of ours: its score file is what a killed run goes on with."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from modeling_empathic.scoring.clips import score_groups
from modeling_empathic.scoring.journal import ScoreFile
from modeling_empathic.taxonomy import EMOTION_NAMES

from .clips import PackingError, audio_file
from .scores import SCORED, Judge, Judgement, within_scale

FILE = "model_scores.parquet"


def by_model(
    out: Path,
    model: Any,
    extractor: Any,
    provenance: dict[str, Any],
    *,
    batch_size: int,
    workers: int,
    overwrite: bool = False,
    progress: Callable[[int], object] = lambda done: None,
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
        workers: Threads that decode.
        overwrite: Forget what another model said.
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

    def judge(clips: pa.Table) -> Iterator[Judgement]:
        order = clips["path"].to_pylist()
        with ScoreFile(out / FILE, provenance, overwrite=overwrite) as file:
            if len(file.done) < len(order) or not (out / FILE).exists():
                groups = score_groups(
                    [audio_file(out, path) for path in order],
                    model,
                    extractor,
                    batch_size=batch_size,
                    workers=workers,
                    done=file.done,
                    on_skip=lambda: progress(1),
                    name_of=lambda path: Path(path).relative_to(out).as_posix(),
                )
                for group in groups:
                    file.append(group)
                    progress(len(group))
            file.finish(order)
        yield from _judgements(out / FILE, order)

    return judge


def _judgements(file: Path, order: list[str]) -> Iterator[Judgement]:
    """One for each clip; of one in several windows, the first."""
    columns = ["path", *EMOTION_NAMES, "outcome", "error"]
    table = parquet.read_table(file, columns=columns)
    rows: dict[str, int] = {}
    for number, path in enumerate(table["path"].to_pylist()):
        rows.setdefault(path, number)
    for path in order:
        row = table.slice(rows[path], 1).to_pylist()[0]
        if row["outcome"] == SCORED:
            yield Judgement(within_scale(row[name] for name in EMOTION_NAMES))
        else:
            yield Judgement(None, row["outcome"], row["error"] or "")
