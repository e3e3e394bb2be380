"""Nano's model card, written from what `train_nano.py` measured and never by hand.

python examples/nano_card.py modeling_empathic/nano    # after a change of the template
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from emonet_voice.hub.cards import write_card
from modeling_empathic.report.files import replacing


def model_card(report: dict[str, Any]) -> str:
    """The card's Markdown with Hub front matter, from `cards/nano.md.jinja`.

    Args:
        report: The content of `training.json`.

    Raises:
        PublishError: The report lacks a figure that the card states.
    """
    return write_card("nano.md.jinja", {"report": report})


def readme_figures(report: dict[str, Any]) -> str:
    """What the project's README tells of Nano: speakers never met, and a corpus never met."""
    rows = [
        "| Nano, recall (UAR), top-1 by Table 11 | | 95 % interval by speaker | chance |",
        "|---|---|---|---|",
    ]
    for key, what in (
        ("emodb_test_speakers", "EmoDB, {n} speakers it never met, sentences it did, {k} classes"),
        ("unseen_corpus", "{name}, a corpus and a language it never met, {k} classes"),
    ):
        row = report["measured"].get(key)
        if row:
            low, high = (100 * bound for bound in row["uar_interval_by_speaker"])
            name = what.format(
                n=len(row["speakers"]), k=len(row["classes"]), name=row.get("name", "")
            )
            rows.append(
                f"| {name} | **{100 * row['uar']:.1f} %** | {low:.1f} to {high:.1f} % "
                f"| {100 * row['floor_uar']:.1f} % |"
            )
    return "\n".join(rows)


def renew_readme(report: dict[str, Any], readme: Path) -> None:
    """Puts [`readme_figures`] between the marks `nano` of a README."""
    before, rest = readme.read_text("utf-8").split("<!-- nano -->", 1)
    after = rest.split("<!-- /nano -->", 1)[1]
    text = f"{before}<!-- nano -->\n{readme_figures(report)}\n<!-- /nano -->{after}"
    with replacing(readme) as temporary:
        temporary.write_text(text, "utf-8")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    report = json.loads((folder / "training.json").read_text())
    (folder / "README.md").write_text(model_card(report))
    renew_readme(report, Path(__file__).parents[1] / "README.md")
