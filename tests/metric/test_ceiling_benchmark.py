"""The raters of known agreement that the ceiling is measured on."""

import json

import numpy as np
import pytest

from benchmarks.ceiling import FIGURES, SHARES, ceiling_table, made, measure


def test_raters_agree_by_as_much_as_their_emotion_says():
    items = made(np.random.default_rng(0), 20_000)
    for share in SHARES:
        scores = items.scores[items.emotions == f"share {share:g}"]
        first, second = scores[:, 0], scores[:, 1]
        assert np.corrcoef(first, second)[0, 1] == pytest.approx(share**2, abs=0.03)
    n_raters = (~np.isnan(items.scores)).sum(axis=1)
    assert n_raters.min() == 2 and (n_raters == 3).mean() == pytest.approx(7719 / 12_600, abs=0.01)


def test_a_few_made_benches_lie_around_the_truth():
    rows = measure(12, 60, population=20_000)
    assert len(rows) == len(FIGURES) * (2 + len(SHARES))
    for row in rows:
        assert abs(row["mean"] - row["truth"]) < 5 * row["standard_error"] + 0.02
    assert np.mean([row["coverage"] for row in rows]) > 0.8


def test_the_table_has_a_line_a_figure():
    machine = {"date": "", "commit": "", "cpu": "x", "cores": 2, "cpu_flags": [], "memory_gb": 1}
    machine |= {"gpu": None, "python": "", "torch": "", "transformers": ""}
    row = {"how": "one_rater", "statistic": "mae", "part": "pooled", "truth": 1.0, "mean": 1.01}
    row |= {"standard_error": 0.01, "spread": 0.2, "coverage": 0.95, "undefined": 0}
    results = {"machine": machine, "benches": 9, "resamples": 5, "rows": [row]}
    table = ceiling_table(json.loads(json.dumps(results)))
    line = "| one rater, mae | pooled | 1.0000 | 1.0100 \u00b1 0.0100 | 0.2000 | 0.950 | 0 |"
    assert line in table
