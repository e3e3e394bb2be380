"""Results of `evaluate` as it writes them, small enough to merge many."""

import numpy as np

from evaluate_metrics.bench.figures import FIGURES
from evaluate_metrics.bench.result import Result
from evaluate_metrics.emonet_voice import compute

BENCH = {"source": "laion/emonet-voice-bench", "revision": "b" * 40, "config": "default"}
JOIN = {
    "matched": 60,
    "without_prediction": 0,
    "without_prediction_clips": [],
    "unknown_clips": 0,
    "unknown_clips_first": [],
    "unmapped_emotions": {},
}
SMALL = "laion/Empathic-Insight-Voice-Small"


def metric(skill=0.5, failures=0):
    rng = np.random.default_rng(1)
    references = rng.choice([0.0, 5.0, 10.0], 60)
    predictions = skill * references + 3 * rng.random(60)
    outcomes = ["refused"] * failures + ["scored"] * (60 - failures)
    names = ["Awe", "Pain", "Anger"] * 20
    return compute(np.clip(predictions, 0, 10), references, names, outcomes, n_resamples=50)


def one_refused():
    """A metric of a system that refuses one of three emotions."""
    rng = np.random.default_rng(1)
    references = rng.choice([0.0, 5.0, 10.0], 60)
    names = ["Awe", "Pain", "Anger"] * 20
    outcomes = ["refused" if name == "Pain" else "scored" for name in names]
    return compute(references * rng.random(60), references, names, outcomes, n_resamples=50)


METRICS = {
    "good": metric(0.7),
    "bad": metric(0.1),
    "refusing": metric(0.5, failures=6),
    "all of one refused": one_refused(),
}


def baseline(metric):
    """A baseline with the figures of a metric."""
    figures = {name: metric[name] for name in (*FIGURES, "per_emotion", "undefined")}
    return figures | {"n": 60, "left_out": {}, "note": "made"}


def result(system=SMALL, quality="good", time="2026-11-01T10:00:00+00:00", bench=(), **provenance):
    provenance = {"model": system, "revision": "a" * 40} | provenance
    return {
        "format": 1,
        "kind": "bench",
        "system": system,
        "made": {"time": time, "package": "0.1"},
        "bench": {**BENCH, "clips": 60, "rows": 60, **dict(bench)},
        "predictions": {"file": "p.csv", "sha256": "0", "scale": "0-10", "provenance": provenance},
        "join": JOIN,
        "metric": METRICS[quality],
        "baselines": {"rater_mean": baseline(METRICS["bad"])},
    }


def typed(metric, system=SMALL):
    """The same as Python has it, with a metric of one's own."""
    return Result.from_json(result(system) | {"metric": metric})
