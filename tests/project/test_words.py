"""What is said in many places is said in the same words."""

import re

from tests.support.places import REPOSITORY

ROOMS = ("cards", "dataset_scripts", "docs", "emonet_voice", "evaluate_metrics", "examples",
         "modeling_empathic", "spaces")  # fmt: skip
KINDS = {".css", ".html", ".ipynb", ".jinja", ".js", ".md", ".py"}


def texts():
    """Every text of ours that somebody may read, with its path."""
    files = [file for room in ROOMS for file in sorted((REPOSITORY / room).rglob("*"))]
    for file in [*REPOSITORY.glob("*.md"), *files]:
        if file.suffix in KINDS and "node_modules" not in file.parts and file.is_file():
            yield file.relative_to(REPOSITORY), file.read_text("utf-8")


def test_correlations_are_called_spearmans_rho_in_sentences_and_spearman_rho_in_heads():
    # A year, or a work of the name, is no figure.
    named = r"(?:\\?'s)?\s+[ρr]\b| \(\d{4}\)|-Brown"
    other = re.compile(rf"(?:Spearman|Pearson)(?!{named})[^\"\n]{{0,30}}")
    found = [(str(path), match) for path, text in texts() for match in other.findall(text)]
    assert found == []
