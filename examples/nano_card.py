"""Nano's model card, written from what `train_nano.py` measured and never by hand.

python examples/nano_card.py modeling_empathic/nano    # after a change of the template
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parents[1] / "cards"


def model_card(report: dict[str, Any]) -> str:
    """The card's Markdown with Hub front matter, from `cards/nano.md.jinja`.

    Args:
        report: The content of `training.json`.

    Raises:
        jinja2.UndefinedError: The report lacks a figure that the card states.
    """
    import jinja2

    # The output is Markdown, not HTML: there is nothing to escape.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["percent"] = lambda value: f"{100 * value:.1f} %"
    environment.filters["span"] = lambda pair: f"{100 * pair[0]:.1f} to {100 * pair[1]:.1f} %"
    return environment.get_template("nano.md.jinja").render(report=report)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    report = json.loads((folder / "training.json").read_text())
    (folder / "README.md").write_text(model_card(report))
