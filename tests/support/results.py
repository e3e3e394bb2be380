"""Results of `evaluate` as it writes them, small enough to merge many."""

import numpy as np

from evaluate_metrics.emonet_voice import compute

BENCH = {"source": "laion/emonet-voice-bench", "revision": "b" * 40, "config": "default"}
SMALL = "laion/Empathic-Insight-Voice-Small"


def metric(skill=0.5, failures=0):
    rng = np.random.default_rng(1)
    references = rng.choice([0.0, 5.0, 10.0], 60)
    predictions = skill * references + 3 * rng.random(60)
    outcomes = ["refused"] * failures + ["scored"] * (60 - failures)
    names = ["Awe", "Pain", "Anger"] * 20
    return compute(np.clip(predictions, 0, 10), references, names, outcomes, n_resamples=50)


METRICS = {"good": metric(0.7), "bad": metric(0.1), "refusing": metric(0.5, failures=6)}


def result(system=SMALL, quality="good", time="2026-11-01T10:00:00+00:00", bench=(), **provenance):
    provenance = {"model": system, "revision": "a" * 40} | provenance
    return {
        "format": 1,
        "kind": "bench",
        "system": system,
        "made": {"time": time, "package": "0.1"},
        "bench": {**BENCH, "clips": 60, "rows": 60, **dict(bench)},
        "predictions": {"file": "p.csv", "sha256": "0", "provenance": provenance},
        "join": {"matched": 60, "without_prediction": 0},
        "metric": METRICS[quality],
        "baselines": {"rater_mean": METRICS["bad"]},
    }
