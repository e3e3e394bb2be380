"""Cards: Jinja templates of `cards/`, filled from facts, with metadata that was generated."""

import math
import re
from pathlib import Path
from typing import Any

from emonet_voice.hub.repositories import (
    NAMESPACE,
    PAPER,
    REPOSITORIES,
    PublishError,
    Repository,
    project_folder,
)

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)^---[ \t]*\n+", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"^```python[ \t]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
METRIC_EXAMPLE: dict[str, Any] = {
    "predictions": [0.5, 3.5, 2.0, 1.0, None],
    "references": [0, 2, 1, 0, 2],
    "emotions": ["Awe", "Awe", "Pain", "Pain", "Pain"],
    "outcomes": ["scored", "scored", "scored", "scored", "refused"],
    "scale": "0-4",
    "reference_scale": "0-2",
}
"""What the metric's card computes."""


def write_card(template: str, facts: dict[str, Any], metadata: dict[str, Any] | None = None) -> str:
    """A README: the template, and metadata that is not typed but measured in front of it.

    Args:
        template: File in `cards/`.
        facts: What the template may use; see [`common_facts`] for those of every card.
        metadata: Joins the template's front matter, and wins.

    Raises:
        PublishError: A fact that the template uses and that is not there, or bad YAML.
    """
    import jinja2
    from huggingface_hub.utils import yaml_dump

    # Markdown, not HTML: there is nothing to escape.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(project_folder("cards")),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["percent"] = lambda value: f"{100 * value:.1f} %"
    environment.filters["span"] = lambda pair: f"{100 * pair[0]:.1f} to {100 * pair[1]:.1f} %"
    environment.filters["figure"] = _figure
    environment.filters["head_parameters"] = head_parameters
    try:
        text = environment.get_template(template).render(facts)
    except jinja2.TemplateNotFound as error:
        where = project_folder("cards")
        raise PublishError(f"{error} is not among the templates in {where}") from None
    except jinja2.TemplateError as error:
        raise PublishError(f"cards/{template}: {error}") from None
    front, body = front_matter(text, f"cards/{template}")
    front |= metadata or {}
    # Wide lines: a folded tag or title would be another one to a reader that is line based.
    return f"---\n{yaml_dump(front, sort_keys=False, width=10_000)}---\n\n{body}"


def front_matter(text: str, where: str) -> tuple[dict[str, Any], str]:
    """Metadata and text of a card.

    Raises:
        PublishError: There is no front matter, or it is no YAML mapping.
    """
    import yaml  # type: ignore[import-untyped]

    found = _FRONT_MATTER.match(text)
    if found is None:
        raise PublishError(f"{where} does not begin with metadata between two lines ---")
    try:
        front = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        raise PublishError(f"{where}: metadata is no YAML: {error}") from None
    if not isinstance(front, dict):
        raise PublishError(f"{where}: metadata is no mapping, but {front!r:.80}")
    return front, text[found.end() :]


def common_facts(namespace: str = NAMESPACE) -> dict[str, Any]:
    """What every template may use: `namespace`, `paper`, `version`, `ids` of repositories.

    Also `published`, the paper's figures, and the names of the `emotions`.
    """
    from modeling_empathic import __version__
    from modeling_empathic.taxonomy import EMOTION_NAMES

    ids = {repository.name: f"{namespace}/{repository.name}" for repository in REPOSITORIES}
    about = {"namespace": namespace, "paper": PAPER, "version": __version__, "ids": ids}
    return about | {"published": published_facts(), "emotions": EMOTION_NAMES}


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
        "slashed": [name for name in EMOTION_NAMES if math.isnan(table6["GPT-4o Audio"][name])],
        "mapped": {
            "EmoDB": sum(map(len, EMODB_CLASSES.values())),
            "RAVDESS": sum(map(len, RAVDESS_CLASSES.values())),
        },
    }


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


def bench_facts(source: Path, folder: Path) -> dict[str, Any]:
    """What Bench's card tells of this very data; draws `agreement.png` into the staged folder.

    Args:
        source: A folder that `bench build` made.
        folder: The staged repository.

    Returns:
        `statistics`: `(title, Markdown)` of the paper's tables; `floors`: what predictors that
        hear nothing reach on the 40 emotions, by their name.
    """
    import numpy as np

    from dataset_scripts.stats import bench as bench_stats
    from dataset_scripts.stats import bench_plot, bench_tables
    from evaluate_metrics.emonet_voice import floors
    from modeling_empathic.taxonomy import EMOTION_NAMES

    found = bench_stats.stats(source)
    bench_plot.plot(found, folder / "agreement.png")
    titled = bench_tables.as_markdown(found).split("### ")[1:]
    items = bench_stats.read_ratings(source)
    items = items[np.isin(items.emotions, EMOTION_NAMES)]
    parts = {name: np.flatnonzero(items.emotions == name) for name in dict.fromkeys(items.emotions)}
    means = 5 * np.nanmean(items.scores, axis=1)  # ratings 0 to 2 on 0 to 10
    return {
        "statistics": [tuple(part.split("\n", 1)) for part in titled],
        "floors": floors(means, parts),
    }


def head_parameters(config: dict[str, Any], kind: str) -> int:
    """Parameters of one head of a model's `config.json`.

    Example:
        >>> small = {"encoder_config": {"d_model": 768}, "heads": [], "projection_dim": 64}
        >>> head_parameters(small, "full"), head_parameters(small, "pooled")
        (73734849, 203457)
    """
    from modeling_empathic.configuration_empathic import EmpathicInsightConfig

    shapes = EmpathicInsightConfig(**config).head_shapes(kind)
    return sum(math.prod(shape) for shape in shapes.values())


def _figure(value: float) -> str:
    """A figure of a table; what is undefined is a dash."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def python_blocks(text: str) -> list[str]:
    """The blocks of a card that are fenced as `python`; they must run.

    Example:
        >>> python_blocks("```python\\nprint(1)\\n```\\n```sh\\nls\\n```\\n")
        ['print(1)\\n']
    """
    return _BLOCK.findall(text)


def card_of(folder: Path) -> tuple[dict[str, Any], str]:
    """Metadata and text of a staged repository's README.

    Raises:
        PublishError: As [`front_matter`], or there is none.
    """
    readme = folder / "README.md"
    if not readme.is_file():
        raise PublishError(f"{folder.name} has no README.md")
    return front_matter(readme.read_text("utf-8"), f"{folder.name}/README.md")
