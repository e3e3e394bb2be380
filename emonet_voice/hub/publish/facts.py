"""What a card may state: the paper's figures, and those measured on what is published.

In the order of use: of every card, of one repository, then what models add and what Bench adds.
"""

import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

from emonet_voice.hub.repositories import NAMESPACE, PAPER, REPOSITORIES, PublishError, Repository
from modeling_empathic.reference_scores import FILE_NAME as REFERENCE
from modeling_empathic.report.files import read_json, sha256
from modeling_empathic.scoring.loading import NANO, NANO_NAME, fingerprint, origin

METRIC_EXAMPLE: dict[str, Any] = {
    "predictions": [0.5, 3.5, 2.0, 1.0, None],
    "references": [0, 2, 1, 0, 2],
    "emotions": ["Awe", "Awe", "Pain", "Pain", "Pain"],
    "outcomes": ["scored", "scored", "scored", "scored", "refused"],
    "scale": "0-4",
    "reference_scale": "0-2",
}
"""What the metric's card computes."""


# Every card ---------------------------------------------------------------------------------------


def common_facts(namespace: str = NAMESPACE) -> dict[str, Any]:
    """What every template may use: `namespace`, `paper`, `version`, `ids` of repositories.

    Also `published`, the paper's figures, and the names of the `emotions`.
    """
    from modeling_empathic import __version__
    from modeling_empathic.taxonomy import EMOTION_NAMES

    ids = {repository.name: f"{namespace}/{repository.name}" for repository in REPOSITORIES}
    about = {"namespace": namespace, "paper": PAPER, "version": __version__, "ids": ids}
    return about | {"published": published_facts(), "emotions": EMOTION_NAMES}


def repository_facts(repository: Repository, namespace: str) -> dict[str, Any]:
    """The same, and of one repository `name`, `repo_id` and `url`; of a metric an `example`."""
    repo_id = f"{namespace}/{repository.name}"
    path = repo_id if repository.kind == "model" else f"{repository.kind}s/{repo_id}"
    own: dict[str, Any] = {"name": repository.name, "repo_id": repo_id}
    own["url"] = f"https://huggingface.co/{path}"
    if repository.role == "metric":
        from evaluate_metrics.emonet_voice import compute

        own["example"] = METRIC_EXAMPLE | {"result": compute(**METRIC_EXAMPLE)}
    return common_facts(namespace) | own


def published_facts() -> dict[str, Any]:
    """The paper's figures for a card, all from `evaluate_metrics/published`.

    Returns:
        `systems`: rows of Table 5 with a short `name`, `macro`, the mean of Table 6, and `n`, the
        emotions that is over. `by_emotion`: of each emotion each system's ρ by its short name.
        `coarse`: rows of Table 7. `slashed`: emotions without a ρ of GPT-4o Audio. `mapped`: how
        many emotions Table 11 maps to each corpus.
    """
    from evaluate_metrics import published
    from modeling_empathic.taxonomy import EMODB_CLASSES, EMOTION_NAMES, RAVDESS_CLASSES

    short = {published.SMALL: "Small", published.LARGE: "Large"}
    macro, table6 = published.published_macro(), published.published_table6()
    systems = []
    for row in published.published_table5():
        mean, n = macro[row["model"]]
        name = short.get(row["model"], row["model"])
        systems.append(row | {"name": name, "macro": mean, "n": n})
    return {
        "systems": sorted(systems, key=lambda row: -row["spearman"]),
        "by_emotion": {
            emotion: {short.get(name, name): table6[name][emotion] for name in table6}
            for emotion in EMOTION_NAMES
        },
        "coarse": published.published_table7(),
        "macro_fits": [len(systems) for systems in published.macro_fits()],
        "slashed": [name for name in EMOTION_NAMES if math.isnan(table6["GPT-4o Audio"][name])],
        "mapped": {
            "EmoDB": sum(map(len, EMODB_CLASSES.values())),
            "RAVDESS": sum(map(len, RAVDESS_CLASSES.values())),
        },
    }


# Models -------------------------------------------------------------------------------------------


def check_figures(name: str, folder: Path) -> None:
    """Refuses a model folder whose measured files are of other weights.

    `training.json` says how large the weights were that it measured, or their SHA-256;
    `reference_scores.json` has the fingerprint of the folder that gave the scores.

    Raises:
        PublishError: They are not those of this folder.
    """
    weights = folder / "model.safetensors"
    training = folder / "training.json"
    if training.is_file() and weights.is_file():
        report = read_json(training)
        measured = (report.get("model_bytes"), report.get("model_sha256"))
        actual = (weights.stat().st_size, sha256(weights) if measured[1] else None)
        if measured != actual:
            raise PublishError(
                f"{name}: training.json is of other weights: {measured} (bytes, SHA-256), "
                f"model.safetensors has {actual}; measure again"
            )
    if (folder / REFERENCE).is_file():
        revision = read_json(folder / REFERENCE).get("revision")
        if revision not in (fingerprint(folder), origin(folder)[1]):
            raise PublishError(
                f"{name}: {REFERENCE} is of other weights or settings ({revision}); make it again "
                "with examples/make_reference.py"
            )


def check_export(name: str, folder: Path) -> None:
    """Refuses an exported Nano that is of other weights than the Nano that is published.

    Raises:
        PublishError: It says so.
    """
    about = folder / "model.json"
    if about.is_file() and read_json(about).get("revision") != fingerprint(NANO):
        raise PublishError(f"{name}: {folder.name}/model.onnx is of another Nano; `make browser`")


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
        PublishError: No result, or one of other weights.
        EvaluationError: None of them can be read.
    """
    if results is None:
        return [], {}
    from evaluate_metrics.leaderboard.hub_files import write_hub_files
    from evaluate_metrics.leaderboard.merge import merge

    repo_id = f"{namespace}/{repository.name}"
    files = sorted(results.glob("*.json"))
    if not files:
        raise PublishError(f"results: there is no .json file in {results}")
    table = merge(files, published=False)
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


# Bench --------------------------------------------------------------------------------------------


def bench_facts(source: Path, folder: Path) -> dict[str, Any]:
    """What Bench's card tells of this very data; draws `agreement.png` into the staged folder.

    Args:
        source: A folder that `bench build` made.
        folder: The staged repository.

    Returns:
        `statistics`: `(title, Markdown)` of the paper's tables; `floors`: what predictors that
        hear nothing reach on the 40 emotions, by their name; `rows`: how many those are.
    """
    import numpy as np

    from dataset_scripts.stats import bench as bench_stats
    from dataset_scripts.stats import bench_plot, bench_tables
    from evaluate_metrics.emonet_voice import floors
    from modeling_empathic.taxonomy import EMOTION_NAMES

    statistics = bench_stats.stats(source)
    bench_plot.plot(statistics, folder / "agreement.png")
    titled = bench_tables.as_markdown(statistics).split("### ")[1:]
    items = bench_stats.read_ratings(source)
    items = items[np.isin(items.emotions, EMOTION_NAMES)]
    parts = {name: np.flatnonzero(items.emotions == name) for name in dict.fromkeys(items.emotions)}
    means = 5 * np.nanmean(items.scores, axis=1)  # ratings 0 to 2 on 0 to 10
    return {
        "statistics": [tuple(part.split("\n", 1)) for part in titled],
        "floors": floors(means, parts),
        "rows": len(means),
    }


def bench_eval_yaml() -> str:
    """`eval.yaml` of Bench: the tasks that a model's `.eval_results` may name."""
    from huggingface_hub.utils import yaml_dump

    from evaluate_metrics.leaderboard.hub_files import eval_yaml

    return yaml_dump(eval_yaml(), sort_keys=False)


# Big ----------------------------------------------------------------------------------------------


def big_facts(manifest: dict[str, Any]) -> dict[str, Any]:
    """What Big's card tells of this very data.

    Args:
        manifest: Of a folder that `big build` made.

    Returns:
        `statistics`: `(title, Markdown)` of the hours; `hours` of all; `configs` and what they are
        called in `titles`; `engines`, `annotators`, `voices`, those that are known; `language`,
        for the metadata.
    """
    from dataset_scripts.generation.factors import LANGUAGES
    from dataset_scripts.packing.statistics import TITLES, hours, sections
    from modeling_empathic.report.tables import as_markdown

    sums = manifest["statistics"]
    titled = f"\n{as_markdown(sections(sums))}".split("\n### ")[1:]  # a name may hold ### too
    names = {by: [name for name in values if name] for by, values in sums.items()}
    spoken = [name for name in names["language"] if name in LANGUAGES]
    return {
        "statistics": [tuple(part.split("\n", 1)) for part in titled],
        "hours": sum(map(hours, sums["configuration"].values())),
        "configs": [name for name in TITLES if name in names["configuration"]],
        "titles": TITLES,
        "engines": names["engine"],
        "annotators": names["annotator"],
        "voices": names["voice"],
        "language": spoken or ["multilingual"],
    }
