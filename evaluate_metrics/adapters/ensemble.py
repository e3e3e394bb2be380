"""Several answers of one system, to several wordings of the prompt, as one prediction file.

An audio language model's numbers move with the words of the question. The mean over wordings moves
less, and is what is compared with others; each wording's own file stays beside it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluate_metrics.bench.predictions import read_predictions

from .prediction_file import Predictions, now
from .replies import Row


def combine(files: Sequence[Path], output: Path, system: str) -> dict[str, Any]:
    """Writes the mean of the scores that each clip and emotion has in any of the files.

    What has a score in none keeps the outcome that it has in the first file. The provenance says
    how far apart the wordings are: the mean standard deviation of a score over them.

    Args:
        files: Prediction files of one system on the same clips.
        output: The file to write.
        system: Its name.

    Returns:
        Counts, as `runner.run` gives them.
    """
    answers: dict[tuple[str, str], list[tuple[float | None, str]]] = {}
    tables = [read_predictions(file) for file in files]
    for table in tables:
        for row in table.rows.to_pylist():
            key = row["clip_id"], row["emotion"]
            answers.setdefault(key, []).append((row["score"], row["outcome"]))
    by_clip: dict[str, list[Row]] = {}
    spreads = []
    for (clip_id, emotion), given in answers.items():
        scores = [score for score, outcome in given if outcome == "scored" and score is not None]
        if scores:
            row = Row(emotion, float(np.mean(scores)), "scored")
            spreads += [float(np.std(scores))] if len(scores) > 1 else []
        else:
            row = Row(emotion, None, given[0][1], f"in none of {len(given)} wordings")
        by_clip.setdefault(clip_id, []).append(row)
    predictions = Predictions()
    for clip_id, rows in by_clip.items():
        predictions.add(clip_id, rows)
    wordings = [table.provenance.get("prompt_sha256") for table in tables]
    provenance = {
        "system": system,
        "settings": tables[0].provenance.get("settings", {}) | {"prompt_sha256s": wordings},
        "models": tables[0].provenance.get("models", {}),
        "ensemble": {
            "prompts": len(files),
            "mean_sd_over_prompts": float(np.mean(spreads)) if spreads else None,
        },
        "finished": now(),
    }
    predictions.write(output, provenance)
    return predictions.counts()
