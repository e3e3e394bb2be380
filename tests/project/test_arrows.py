"""Imports point one way, from room to room and from file to file; nobody imports in a circle."""

import pytest

from tests.support.imports import House
from tests.support.places import REPOSITORY
from tests.support.rules import (
    BESIDE,
    ROOMS,
    RULES,
    against_the_inner_rooms,
    against_the_rooms,
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
