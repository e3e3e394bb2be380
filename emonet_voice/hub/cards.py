"""Cards: Jinja templates of `cards/`, filled from facts, with metadata that was generated."""

import math
import re
from pathlib import Path
from typing import Any

from emonet_voice.hub.repositories import PublishError, project_folder

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)^---[ \t]*\n+", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"^```python[ \t]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def write_card(template: str, facts: dict[str, Any], metadata: dict[str, Any] | None = None) -> str:
    """A README: the template, and metadata that is not typed but measured in front of it.

    Args:
        template: File in `cards/`.
        facts: What the template may use; see [`facts.common_facts`] for those of every card.
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

    match = _FRONT_MATTER.match(text)
    if match is None:
        raise PublishError(f"{where} does not begin with metadata between two lines ---")
    try:
        front = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        raise PublishError(f"{where}: metadata is no YAML: {error}") from None
    if not isinstance(front, dict):
        raise PublishError(f"{where}: metadata is no mapping, but {front!r:.80}")
    return front, text[match.end() :]


def _figure(value: float) -> str:
    """A figure of a table; what is undefined is a dash."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def python_blocks(text: str) -> list[str]:
    r"""The blocks of a card that are fenced as `python`; they must run.

    Example:
        >>> python_blocks("```python\nprint(1)\n```\n```sh\nls\n```\n")
        ['print(1)\n']
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
