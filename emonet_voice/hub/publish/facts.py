"""Measured figures for cards, and whether they are of what is published."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from emonet_voice.hub.repositories import PublishError, Repository
from modeling_empathic.reference_scores import FILE_NAME as REFERENCE
from modeling_empathic.scoring.loading import NANO_NAME, fingerprint


def check_figures(name: str, folder: Path) -> None:
    """Refuses a model folder whose measured files are of other weights.

    `training.json` says how large the weights were that it measured, or their SHA-256;
    `reference_scores.json` has the fingerprint of the folder that gave the scores.

    Raises:
        PublishError: They are not those of this folder.
    """
    from dataset_scripts.building.manifest import sha256

    weights = folder / "model.safetensors"
    training = folder / "training.json"
    if training.is_file() and weights.is_file():
        report = json.loads(training.read_text("utf-8"))
        measured = (report.get("model_bytes"), report.get("model_sha256"))
        found = (weights.stat().st_size, sha256(weights) if measured[1] else None)
        if measured != found:
            raise PublishError(
                f"{name}: training.json is of other weights: {measured} (bytes, SHA-256), "
                f"model.safetensors has {found}; measure again"
            )
    if (folder / REFERENCE).is_file():
        revision = json.loads((folder / REFERENCE).read_text("utf-8")).get("revision")
        if revision != fingerprint(folder):
            raise PublishError(
                f"{name}: {REFERENCE} is of other weights or settings ({revision}); make it again "
                "with examples/make_reference.py"
            )


def model_results(
    repository: Repository, folder: Path, results: Path | None, namespace: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A model's rows of the leaderboard, and what the Hub takes of them.

    Writes `.eval_results/` into the folder where there are results of a commit on the Hub.

    Args:
        repository: The model.
        folder: Its staged folder, code not yet in it.
        results: Folder of results of `emonet-voice evaluate`, or None.
        namespace: Where the model will be.

    Returns:
        The rows, and metadata for the card: `model-index`, if there is any.

    Raises:
        PublishError: A result that cannot be read, or is of other weights.
    """
    if results is None:
        return [], {}
    from evaluate_metrics.bench.predictions import EvaluationError
    from evaluate_metrics.leaderboard.hub_files import write_hub_files
    from evaluate_metrics.leaderboard.merge import merge

    repo_id = f"{namespace}/{repository.name}"
    try:
        table = merge(sorted(results.glob("*.json")), published=False)
    except EvaluationError as error:
        raise PublishError(f"--results {results}: {error}") from None
    names = {repo_id, repository.name}
    if repository.folders and Path(repository.folders[0]).name == "nano":
        names.add(NANO_NAME)
    rows = [row for row in table["rows"] if row["model"] in names]
    now = fingerprint(folder)
    for row in rows:
        # A commit names the weights for ever; a folder's fingerprint must be that of this one.
        if row["model"] != repo_id and row["revision"] != now:
            raise PublishError(
                f"{repository.name}: {row['file']} is of other weights ({row['revision']}); "
                "evaluate them again"
            )
    with tempfile.TemporaryDirectory() as temporary:
        write_hub_files(table, temporary)
        own = Path(temporary, "models", repo_id.replace("/", "--"))
        if not own.is_dir():
            return rows, {}
        shutil.copytree(own / ".eval_results", folder / ".eval_results")
        import yaml  # type: ignore[import-untyped]

        return rows, yaml.safe_load((own / "model-index.yaml").read_text("utf-8"))


def bench_eval_yaml() -> str:
    """`eval.yaml` of Bench: the tasks that a model's `.eval_results` may name."""
    from huggingface_hub.utils import yaml_dump

    from evaluate_metrics.leaderboard.hub_files import eval_yaml

    return yaml_dump(eval_yaml(), sort_keys=False)
