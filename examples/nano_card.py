"""Nano's model card, written from what `train_nano.py` measured and never by hand.

python examples/nano_card.py modeling_empathic/nano    # after a change of the template
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from emonet_voice.hub.publish.cards import write_card


def model_card(report: dict[str, Any]) -> str:
    """The card's Markdown with Hub front matter, from `cards/nano.md.jinja`.

    Args:
        report: The content of `training.json`.

    Raises:
        PublishError: The report lacks a figure that the card states.
    """
    return write_card("nano.md.jinja", {"report": report})


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    report = json.loads((folder / "training.json").read_text())
    (folder / "README.md").write_text(model_card(report))
