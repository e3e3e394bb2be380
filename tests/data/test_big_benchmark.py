"""The 40 targets can be heard in the acting, on texts and voices that were not learned from."""

import json

import pytest

from benchmarks.big import arithmetic, big_table, learned
from tests.support.places import REPOSITORY

RESULTS = REPOSITORY / "benchmarks" / "results" / "big.json"


@pytest.mark.slow
def test_the_targets_are_told_apart_far_above_chance():
    pytest.importorskip("espeakng_loader")
    found = learned(800)
    assert found["uar_95"][0] > 5 * found["chance"]
    assert found["shuffled"] < 3 * found["chance"]


@pytest.mark.skipif(not RESULTS.exists(), reason="not measured yet")
def test_the_sections_of_both_readmes_are_what_was_measured():
    results = json.loads(RESULTS.read_text("utf-8"))
    assert big_table(results) in (REPOSITORY / "benchmarks" / "README.md").read_text("utf-8")
    readme = REPOSITORY / "dataset_scripts" / "generation" / "README.md"
    if {"plan", "speak"} <= set(results):
        assert arithmetic(results) in readme.read_text("utf-8")
