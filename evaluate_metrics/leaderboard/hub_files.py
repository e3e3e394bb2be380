"""A leaderboard as the Hub takes it: `.eval_results/*.yaml`, `model-index`, and `eval.yaml`.

A model's repository says how it did, the data set's `eval.yaml` says what can be done, and the Hub
puts the two together (huggingface.co/docs/hub/eval-results; the data set must be on the Hub's list
of benchmarks). Only results by a model at a commit of the Hub, on all clips of a data set at one,
become entries; what was scored from a folder stays in the leaderboard alone.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluate_metrics.emonet_voice import OUTCOMES
from modeling_empathic.report.files import replacing

if TYPE_CHECKING:
    from huggingface_hub import EvalResultEntry

METRIC_SPACE = "https://huggingface.co/spaces/laion/emonet_voice"
ENTRIES = Path(".eval_results", "emonet-voice-bench.yaml")
SPLIT = "test"
CONFIGS = {"default": "", "all": "all_", "unanimous": "unanimous_"}
"""Configurations of Bench that are benchmarks, and how their tasks' names begin."""

TASKS = {
    "spearman": "Spearman's ρ, pooled over clips",
    "macro_spearman": "Spearman's ρ, mean over emotions",
    "pearson": "Pearson's r, pooled over clips",
    "macro_pearson": "Pearson's r, mean over emotions",
}
"""One a headline figure, as an entry has one value. The Hub puts the highest first: no errors."""

_METRICS = {
    **{name: ("spearmanr" if "spearman" in name else "pearsonr", title)
       for name, title in TASKS.items()},
    "mae": ("mae", "Mean absolute error, pooled over clips"),
    "macro_mae": ("mae", "Mean absolute error, mean over emotions"),
    "rmse": ("rmse", "Root mean squared error, pooled over clips"),
    "macro_rmse": ("rmse", "Root mean squared error, mean over emotions"),
}  # fmt: skip


def hub_model(row: dict[str, Any]) -> str | None:
    """The repository of a leaderboard row's model, or None if its result is none for the Hub.

    Example:
        >>> row = {"model": "laion/Empathic-Insight-Voice-Small", "revision": "a" * 40,
        ...        "bench_source": "laion/emonet-voice-bench", "bench_revision": "b" * 40,
        ...        "bench_config": "default", "without_prediction": 0}
        >>> hub_model(row), hub_model(row | {"model": "../../etc"})
        ('laion/Empathic-Insight-Voice-Small', None)
    """
    pinned = _is_at_commit(row["model"], row["revision"])
    on_bench = _is_at_commit(row["bench_source"], row["bench_revision"])
    # Figures on some of the clips would stand in one rank with figures on all of them.
    whole = row["bench_config"] in CONFIGS and not row["without_prediction"]
    return row["model"] if pinned and on_bench and whole else None


def _is_at_commit(repo_id: str | None, revision: str | None) -> bool:
    """A path may look like a repository, but has no commit."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    if not repo_id or not revision or not re.fullmatch(r"[0-9a-f]{40}", revision):
        return False
    try:
        validate_repo_id(repo_id)
    except HFValidationError:
        return False
    return repo_id.count("/") == 1


def eval_entries(rows: Sequence[dict[str, Any]]) -> list["EvalResultEntry"]:
    """What a model's `.eval_results` says: an entry a row and task, none where it is undefined.

    Args:
        rows: Of one model that [`hub_model`] names.
    """
    from huggingface_hub import EvalResultEntry

    return [
        EvalResultEntry(
            dataset_id=row["bench_source"],
            dataset_revision=row["bench_revision"],
            task_id=CONFIGS[row["bench_config"]] + figure,
            value=round(row[figure], 4),
            date=row["time"],
            source_url=METRIC_SPACE,
            source_name="EmoNet-Voice metric",
            notes=_notes(row, figure),
        )
        for row in rows
        for figure in TASKS
        if not math.isnan(row[figure])
    ]


def _notes(row: dict[str, Any], figure: str) -> str:
    low, high = row[f"{figure}_low"], row[f"{figure}_high"]
    notes = [f"model revision {row['revision']}"]
    if not math.isnan(low):
        notes.append(f"95 % interval {low:.4f} to {high:.4f}")
    notes.append(f"{row['used']:,} of {row['bench_rows']:,} rows")
    notes += [f"{row[name]:,} {name}" for name in OUTCOMES[1:] if row[name]]
    if row["emotions_left_out"]:
        notes.append(f"{row['emotions_left_out']} of {row['emotions']} emotions without a value")
    return "; ".join(notes)


def model_index(name: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same as the older `model-index` of a model card, errors included.

    Args:
        name: Of the model in its card.
        rows: Of one model that [`hub_model`] names.
    """
    from huggingface_hub.repocard_data import EvalResult, eval_results_to_model_index

    results = [
        EvalResult(
            task_type="audio-classification",
            task_name="Emotion intensity",
            dataset_type=row["bench_source"],
            dataset_name="EmoNet-Voice Bench",
            dataset_config=row["bench_config"],
            dataset_split=SPLIT,
            dataset_revision=row["bench_revision"],
            metric_type=kind,
            metric_name=title,
            metric_value=round(row[figure], 4),
            source_name="EmoNet-Voice metric",
            source_url=METRIC_SPACE,
        )
        for row in rows
        for figure, (kind, title) in _METRICS.items()
        if not math.isnan(row[figure])
    ]
    return eval_results_to_model_index(name, results)


def eval_yaml() -> dict[str, Any]:
    """What the data set's `eval.yaml` says: every task that an entry may name."""
    return {
        "name": "EmoNet-Voice Bench",
        "description": (
            "How well a model's intensities of 40 emotions in a voice clip agree with psychology "
            "experts' ratings (arXiv 2506.09827). Every figure is a correlation from -1 to 1: "
            + "; ".join(f"{name}: {title}" for name, title in TASKS.items())
            + ". Tasks that begin with all_ or unanimous_ are on the configuration of that name."
        ),
        "evaluation_framework": "emonet-voice",
        "tasks": [
            {"id": prefix + figure, "config": config, "split": SPLIT}
            for config, prefix in CONFIGS.items()
            for figure in TASKS
        ],
    }


def write_hub_files(table: dict[str, Any], folder: str | Path) -> list[Path]:
    """Writes what is to be uploaded, a folder a repository.

    `dataset/eval.yaml`, and of each model `models/ORG--NAME/.eval_results/emonet-voice-bench.yaml`
    and `models/ORG--NAME/model-index.yaml`. Those of an earlier run whose models are not in the
    table are removed; nothing else is.

    Args:
        table: Of [`evaluate_metrics.leaderboard.merge.merge`].
        folder: Made if it is not there.

    Returns:
        The files.
    """
    from huggingface_hub import eval_result_entries_to_yaml

    folder = Path(folder)
    contents: dict[Path, Any] = {folder / "dataset" / "eval.yaml": eval_yaml()}
    by_model: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for row in sorted(table["rows"], key=lambda row: row["time"] or ""):
        if model := hub_model(row):  # one entry a task: the newest, under whatever name it was run
            by_model.setdefault(model, {})[row["bench_source"], row["bench_config"]] = row
    for model, tasks in by_model.items():
        rows = list(tasks.values())
        # A repository's id has no "--" and no "..": two models never share a folder.
        place = folder / "models" / model.replace("/", "--")
        contents[place / ENTRIES] = eval_result_entries_to_yaml(eval_entries(rows))
        index = {"model-index": model_index(model.split("/")[1], rows)}
        contents[place / "model-index.yaml"] = index
    for pattern in (ENTRIES.as_posix(), "model-index.yaml"):
        for stale in set(folder.glob(f"models/*/{pattern}")) - set(contents):
            stale.unlink()
    for path, content in contents.items():
        _write_yaml(path, content)
    return list(contents)


def _write_yaml(path: Path, content: Any) -> None:
    from huggingface_hub.utils import yaml_dump

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(yaml_dump(content, sort_keys=False), "utf-8")
