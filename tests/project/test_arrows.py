"""Imports point one way, from room to room and from file to file; nobody imports in a circle."""

from pathlib import Path

import pytest

from modeling_empathic.saving_empathic import CODE_FILES
from tests.support.imports import House, circles
from tests.support.places import REPOSITORY

ROOMS = (  # each may import those below it, and nothing else of ours
    "emonet_voice",
    "spaces",
    "evaluate_metrics",
    "dataset_scripts",
    "modeling_empathic",
)
BESIDE = ("tests", "examples", "benchmarks")  # they import the rooms, and no room imports them
CORE = "modeling_empathic"
SHIPPED = {f"{CORE}.{Path(name).stem}" for name in CODE_FILES}


def room(name: str) -> str:
    """The outer folder of a dotted name."""
    return name.split(".")[0]


def against_the_rooms(house: House) -> list[str]:
    rank = {name: floor for floor, name in enumerate(ROOMS)}
    return [
        str(arrow)
        for arrow in house.arrows
        if room(arrow.importing) in ROOMS
        and (end := room(arrow.imported)) in (*ROOMS, *BESIDE)
        and (end in BESIDE or rank[end] < rank[room(arrow.importing)])
    ]


def against_the_inner_rooms(house: House) -> list[str]:
    """Shipped files see each other, report sees the taxonomy, the metric sees itself."""
    report, metric = f"{CORE}.report", "evaluate_metrics.emonet_voice"
    faults = []
    for arrow in house.arrows:
        start, end = arrow.importing, arrow.imported
        ships = start in SHIPPED and end not in SHIPPED
        reports = inside(start, report) and not (inside(end, report) or end == f"{CORE}.taxonomy")
        measures = inside(start, metric) and not inside(end, metric)
        if room(end) in ROOMS and (ships or reports or measures):
            faults.append(str(arrow))
    return faults


def inside(name: str, package: str) -> bool:
    return f"{name}.".startswith(f"{package}.")


def circles_of_files(house: House) -> list[list[str]]:
    return circles((arrow.importing, arrow.imported) for arrow in house.arrows if arrow.at_import)


def circles_of_folders(house: House) -> list[list[str]]:
    """Between folders, late imports count: a room that needs another's room is above it."""
    folder = {
        name: name if path.name == "__init__.py" else name.rpartition(".")[0]
        for name, path in house.files.items()
    }
    return circles(
        (folder[arrow.importing], folder[arrow.imported])
        for arrow in house.arrows
        if room(arrow.importing) in ROOMS and arrow.imported in folder
    )


def imports_of_test_modules(house: House) -> list[str]:
    return [
        str(arrow)
        for arrow in house.arrows
        if room(arrow.imported) == "tests" and ".test_" in arrow.imported
    ]


RULES = (
    against_the_rooms,
    against_the_inner_rooms,
    circles_of_files,
    circles_of_folders,
    imports_of_test_modules,
)


@pytest.fixture(scope="module")
def house() -> House:
    return House.read(REPOSITORY, (*ROOMS, *BESIDE))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule, house):
    assert rule(house) == []


BROKEN = {
    "at the top": (against_the_rooms, "modeling_empathic/a.py", "from dataset_scripts import b"),
    "upstairs": (against_the_rooms, "evaluate_metrics/a.py", "import emonet_voice.cli.app"),
    "a Space": (against_the_rooms, "evaluate_metrics/a.py", "import spaces.demo.app"),
    "in a function": (
        against_the_rooms,
        "dataset_scripts/a.py",
        "def f():\n    from evaluate_metrics.bench import reader",
    ),
    "for types": (
        against_the_rooms,
        "dataset_scripts/a.py",
        "if TYPE_CHECKING:\n    import evaluate_metrics",
    ),
    "by name": (
        against_the_rooms,
        "dataset_scripts/a.py",
        "importlib.import_module('evaluate_metrics.bench')",
    ),
    "in a program": (
        against_the_rooms,
        "dataset_scripts/a.py",
        "P = '''\n    import sys\n    from emonet_voice.cli import app\n'''",
    ),
    "the tests": (against_the_rooms, "emonet_voice/a.py", "from tests.support import places"),
    "out of what ships": (
        against_the_inner_rooms,
        "modeling_empathic/audio.py",
        "from .report import files",
    ),
    "out of report": (
        against_the_inner_rooms,
        "modeling_empathic/report/files.py",
        "def f():\n    from .. import audio",
    ),
    "out of the metric": (
        against_the_inner_rooms,
        "evaluate_metrics/emonet_voice/scores.py",
        "from ..bench import reader",
    ),
    "between files": (circles_of_files, "dataset_scripts/one.py", "from .two import x"),
    "between a Space's files": (circles_of_files, "spaces/demo/one.py", "import two"),
    "between folders": (
        circles_of_folders,
        "evaluate_metrics/leaderboard/one.py",
        "def f():\n    from ..bench import two",
    ),
    "from a test": (
        imports_of_test_modules,
        "tests/a/test_one.py",
        "from tests.b.test_two import x",
    ),
    "from a test beside it": (
        imports_of_test_modules,
        "tests/a/test_one.py",
        "from . import test_b",
    ),
}
OTHERS = {  # what closes the circles, and what the names above are
    "dataset_scripts/two.py": "from . import one",
    "spaces/demo/two.py": "from one import x",
    "evaluate_metrics/bench/two.py": "def f():\n    from evaluate_metrics.leaderboard import one",
    "modeling_empathic/report/files.py": "",
    "tests/a/test_b.py": "",
}


@pytest.mark.parametrize(("rule", "file", "text"), BROKEN.values(), ids=BROKEN)
def test_a_broken_arrow_is_seen(rule, file, text, tmp_path):
    for name, content in {**OTHERS, file: text}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    faults = rule(House.read(tmp_path, (*ROOMS, *BESIDE)))
    assert len(faults) == 1, faults
    (tmp_path / file).write_text("import os\nfrom pathlib import Path")
    assert rule(House.read(tmp_path, (*ROOMS, *BESIDE))) == []


def test_late_imports_and_those_for_types_close_no_circle_of_files(tmp_path):
    (tmp_path / "dataset_scripts").mkdir()
    (tmp_path / "dataset_scripts" / "one.py").write_text("import dataset_scripts.two")
    late = "if TYPE_CHECKING:\n    from .one import A\ndef f():\n    from .one import B"
    (tmp_path / "dataset_scripts" / "two.py").write_text(late)
    house = House.read(tmp_path, ROOMS)
    assert len(house.arrows) == 3
    assert circles_of_files(house) == []
