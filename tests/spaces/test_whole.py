"""A Space has every file of ours that it imports: on the Hub the package is not installed."""

import ast
from pathlib import Path

import pytest

from tests.support.places import REPOSITORY

OURS = ("dataset_scripts", "emonet", "evaluate_metrics", "modeling_empathic")
SPACES = sorted({path.parent for path in (REPOSITORY / "spaces").glob("*/app.py")})


def imported(file: Path, folder: Path) -> list[str]:
    """Modules of ours that a file of a Space imports as soon as it is imported itself."""
    found = []
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = file.relative_to(folder).parts[: -node.level] if node.level else ()
            found.append(".".join([*above, *filter(None, [node.module])]))
    return [name for name in found if name.partition(".")[0] in OURS]


@pytest.mark.parametrize("folder", SPACES, ids=lambda folder: folder.name)
def test_a_space_has_every_module_of_ours_that_it_imports(folder):
    absent = {
        f"{file.relative_to(folder)} imports {name}"
        for file in folder.rglob("*.py")
        for name in imported(file, folder)
        if not folder.joinpath(*name.split(".")).with_suffix(".py").is_file()
        and not folder.joinpath(*name.split(".")).is_dir()
    }
    assert not absent
