"""Each bug that was found has a test that is still there."""

import ast
import csv

import pytest

from benchmarks.reliability import BUGS
from tests.support.places import REPOSITORY

with BUGS.open(encoding="utf-8", newline="") as file:
    TESTS = sorted({bug["test"] for bug in csv.DictReader(file)})


@pytest.mark.parametrize("test", TESTS)
def test_a_bug_is_still_tested_for(test):
    file, _, name = test.partition("::")
    tree = ast.parse((REPOSITORY / "tests" / file).read_text("utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
