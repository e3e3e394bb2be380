"""The house that CONTRIBUTING draws is the one that stands; every path it names is there."""

import re

from tests.support.places import REPOSITORY

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")
PACKAGES = ("emonet_voice", "evaluate_metrics", "dataset_scripts", "modeling_empathic")
NOT_OURS = {"build", "dist", "demo", "site", "screenshots", "shared", "__pycache__"}


def folders_drawn() -> list[str]:
    """`outer/inner` of each line of the tree."""
    tree = re.search(r"```\n(.*?)```", TEXT, re.DOTALL)
    assert tree
    drawn: list[str] = []
    path: list[str] = []
    for line in tree[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 4
        path[depth:] = [line.split()[0].rstrip("/")]
        drawn.append("/".join(path))
    return drawn


def folders_there() -> set[str]:
    """Top folders, every folder of the packages, and the Spaces."""
    tops = {path for path in REPOSITORY.iterdir() if path.is_dir()}
    inner = {path for name in PACKAGES for path in (REPOSITORY / name).rglob("*") if path.is_dir()}
    spaces = {path for path in (REPOSITORY / "spaces").iterdir() if path.is_dir()}
    return {
        path.relative_to(REPOSITORY).as_posix()
        for path in tops | inner | spaces
        if not path.name.startswith(".")
        and not path.name.endswith(".egg-info")
        and path.name not in NOT_OURS
    }


def test_the_tree_has_every_folder_once_and_no_other():
    drawn = folders_drawn()
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == folders_there()


def test_every_path_in_backticks_is_there():
    paths = re.findall(r"`([\w.]+(?:/[\w.]+)+/?)`", TEXT)
    assert len(paths) > 5
    made = {"board/leaderboard.json"}  # by the command of the same sentence
    for path in set(paths) - made:
        places = [REPOSITORY / path, REPOSITORY / "dataset_scripts" / path]
        assert any(place.exists() for place in places), path
