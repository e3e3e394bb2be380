"""The notebooks run as they stand. They are committed without outputs: what a machine once printed
would be neither checked nor kept up to date, and pictures would make every change unreadable."""

import pytest

from tests.support.notebooks import cells, run_notebook
from tests.support.places import REPOSITORY

NOTEBOOKS = sorted(path.stem for path in (REPOSITORY / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_output_is_committed(name):
    assert not [c for c in cells(name) if c.get("outputs") or c.get("execution_count")]


def test_every_notebook_is_in_the_readme():
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    for name in NOTEBOOKS:
        assert f"(examples/{name}.ipynb)" in readme


def test_the_quick_start_shows_scores_a_pipeline_and_the_model(tmp_path):
    pytest.importorskip("matplotlib")
    printed = run_notebook("quick_start", tmp_path)
    assert "8 clips" in printed and "none failed" in printed
    assert printed.count("de_anger") >= 3  # found, scored, in the table
    assert "{'Anger': " in printed and "'Sadness': " in printed


def test_a_system_is_measured_with_intervals_floors_and_a_picture(tmp_path):
    pytest.importorskip("espeakng_loader")
    pytest.importorskip("matplotlib")
    printed = run_notebook("measure_a_system", tmp_path)
    assert "96 clips of 8 emotions" in printed
    spearman = next(line.split() for line in printed.splitlines() if line.startswith("spearman"))
    value, low, high = (float(word) for word in spearman[1:] if word != "to")
    assert low < value < high
    assert value > 0.3  # Nano has learned from this voice
    assert "floor constant_0" in printed and ".png" in printed
