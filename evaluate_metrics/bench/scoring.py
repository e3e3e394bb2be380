"""Scores the clips of a Bench with a model: into a new score file, or on with an old one."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from evaluate_metrics.bench.reader import iter_audio
from modeling_empathic.scoring.clips import DEFAULT_BATCH_SIZE, score_groups
from modeling_empathic.scoring.file import check_output
from modeling_empathic.scoring.journal import ScoreFile


def score_bench(
    loaded: tuple[Any, Any, dict[str, Any]],
    source: str | Path,
    scores: Path,
    *,
    config: str = "default",
    revision: str | None = None,
    on_clips: Callable[[int], None] | None = None,
) -> int:
    """Scores every clip once, as `emonet-voice score` would if it were a file.

    Only the next few clips are on disk, in a folder beside the score file that is removed at the
    end. Killed at any moment, the same call goes on where it was.

    Args:
        loaded: Model, feature extractor and provenance, of `score_model.load_model`.
        source: Folder or Hub id of the Bench.
        scores: Score file to write or to go on with.
        config: Configuration of the Bench.
        revision: Branch, tag or commit of a Hub id.
        on_clips: Called with the number of clips that are done, each time some more are.

    Returns:
        Clips that could not be decoded.

    Raises:
        ScoringError: A score file with other provenance, or one that cannot be written.
        EvaluationError: The Bench cannot be read.
    """
    model, extractor, provenance = loaded
    check_output(scores)
    folder = scores.with_name(f".{scores.name}.clips")
    report = on_clips or (lambda n: None)
    order: list[str] = []

    def paths(done: dict[str, str | None]) -> Iterator[str]:
        """Writes each clip that is not scored to a file when its turn comes."""
        for _, audio in iter_audio(source, config, revision):
            clip_id = hashlib.sha256(audio).hexdigest()  # never a name that the data chose
            path = str(folder / clip_id)
            order.append(path)
            if done.get(path) == clip_id:
                report(1)
            else:
                Path(path).write_bytes(audio)
                yield path

    with ScoreFile(scores, provenance) as file:
        shutil.rmtree(folder, ignore_errors=True)  # a killed run left it
        folder.mkdir()
        try:
            for group in score_groups(
                paths(file.done),
                model,
                extractor,
                batch_size=32 if model.device.type == "cuda" else DEFAULT_BATCH_SIZE,
                workers=min(8, os.cpu_count() or 1),
            ):
                file.append(group)
                for rows in group:
                    Path(rows[0]["path"]).unlink(missing_ok=True)
                report(len(group))
            table = file.finish(order)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    outcomes = zip(table["path"].to_pylist(), table["outcome"].to_pylist(), strict=True)
    return len({path for path, outcome in outcomes if outcome != "scored"})
