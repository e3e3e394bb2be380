"""The prediction file: a row for every clip and emotion, with a score or the reason for none."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from evaluate_metrics.emonet_voice import count_outcomes
from modeling_empathic import __version__
from modeling_empathic.scoring.file import METADATA_KEY, stored_provenance, write_scores
from modeling_empathic.scoring.file import check_output as check_score_output

from .errors import AdapterError
from .replies import Row

SCALE = "0-10"
SHOWN_LABELS = 50
"""Unknown labels that are named; a language model can make up any number of them."""


class Predictions:
    """Rows of clips as they come, and what there is to say about all of them.

    Example:
        >>> predictions = Predictions()
        >>> rows = [Row("Awe", 7.0, "scored"), Row("Pain", None, "unmapped")]
        >>> predictions.add("a1", rows, ["joy"])
        >>> predictions.counts()["outcomes"]["unmapped"], predictions.counts()["unknown_labels"]
        (1, {'joy': 1})
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {
            name: [] for name in ("clip_id", "emotion", "score", "outcome", "detail")
        }
        self._unknown: Counter[str] = Counter()
        self._n_clips = self._n_failed = 0
        self._first_failure = ""

    def add(self, clip_id: str, rows: Iterable[Row], unknown_labels: Iterable[str] = ()) -> None:
        """Adds one clip."""
        n_scored = 0
        for row in rows:
            for name, value in zip(self._columns, (clip_id, *row), strict=True):
                self._columns[name].append(value)
            n_scored += row.outcome == "scored"
        self._unknown.update(set(unknown_labels))
        self._n_clips += 1
        if not n_scored:
            self._n_failed += 1
            self._first_failure = self._first_failure or f"{row.outcome}: {row.detail}"

    def counts(self) -> dict[str, Any]:
        """Clips, clips without any score, rows of each outcome, clips with each unknown label."""
        return {
            "clips": self._n_clips,
            "failed": self._n_failed,
            "first_failure": self._first_failure,
            "outcomes": count_outcomes(self._columns["outcome"]),
            "n_unknown_labels": len(self._unknown),
            "unknown_labels": dict(self._unknown.most_common(SHOWN_LABELS)),
        }

    def write(self, path: Path, provenance: dict[str, Any]) -> None:
        """Writes `.parquet`, `.jsonl` or `.csv` in one step, with what it was made from.

        A text file has its provenance beside it, in `<name>.meta.json`.
        """
        provenance = {
            "kind": "predictions",
            "scale": SCALE,
            "package": f"emonet-voice {__version__}",
            **provenance,
            "counts": self.counts(),
        }
        types = {"score": pa.float64()}
        metadata = {METADATA_KEY: json.dumps(provenance, sort_keys=True), b"scale": SCALE}
        schema = pa.schema(
            [(name, types.get(name, pa.string())) for name in self._columns], metadata
        )
        write_scores(pa.table(self._columns, schema=schema), path)


def check_output(path: Path, system: str) -> None:
    """Refuses an output that could not be written, or that is not a prediction file of the system.

    Raises:
        ScoringError: An unknown suffix, a folder, or a folder above that does not exist.
        AdapterError: Another file has this name.
    """
    check_score_output(path)
    if not path.exists():
        return
    provenance = stored_provenance(path)
    if provenance.get("kind") != "predictions":
        raise AdapterError(f"{path} exists and is no prediction file; choose another output")
    if provenance.get("system") != system:
        raise AdapterError(
            f"{path} has predictions of {provenance.get('system')}; choose another output"
        )


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
