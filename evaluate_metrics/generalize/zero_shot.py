"""Section 4.2 of the paper: from 40 scores to a corpus's coarse classes, and how well that goes.

The rule: a softmax over the emotions that Table 11 maps, and a class is *present* when any of its
constituents has more than 1.5 times the uniform probability. Several classes may be present, or
none, so the share of clips whose own class is present (the paper's accuracy; its overall figure
is the share of all clips, not the mean of the classes) rewards saying yes. Beside it stand how many
classes are called a clip, how often a wrong one is, and the hit rate that the same calls would
have on shuffled clips; and what one answer a clip gives: top-1, unweighted average recall (UAR:
Schuller et al. 2009, "The Interspeech 2009 emotion challenge") and macro-F1.

The paper does not say on which scale its scores enter the softmax; here it is the heads' own, 0 to
4. The top class does not depend on it, presence does.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike

from evaluate_metrics.bench.result import EvaluationError
from evaluate_metrics.emonet_voice.intervals import LEVEL, percentile_interval, studentised
from evaluate_metrics.generalize.schema import OF_CLASSES, OVERALL, Rates

NOT_TAUGHT = "not taught here"
"""The protocol of a model that, for all that is known, never met the corpus."""
THRESHOLD = 1.5  # times uniform


class Calls(NamedTuple):
    """What a system says of the clips; a system may leave out one of the two.

    Attributes:
        present: `(clips, classes)`, which classes it calls present.
        top: `(clips,)`, the number of the one class it would say.
    """

    present: np.ndarray | None
    top: np.ndarray | None


def call_classes(scores: Mapping[str, ArrayLike], classes: Mapping[str, Sequence[str]]) -> Calls:
    """The paper's rule, and the class of the most probable emotion.

    Args:
        scores: `(clips,)` of every mapped emotion; on the heads' own scales, or z-scores.
        classes: Class -> its emotions, as `taxonomy.EMODB_CLASSES`.

    Raises:
        EvaluationError: An emotion without scores, or a score that is not a number.

    Example:
        >>> calls = call_classes({"Awe": [3.0, 0.0], "Fear": [0.0, 0.4], "Pain": [0.0, 0.3]},
        ...                      {"good": ["Awe"], "bad": ["Fear", "Pain"]})
        >>> calls.present.tolist(), calls.top.tolist()
        ([[True, False], [False, False]], [0, 1])
    """
    mapped = [name for names in classes.values() for name in names]
    absent = [name for name in mapped if name not in scores]
    if absent:
        raise EvaluationError(f"no scores of {', '.join(absent)}, which the rule needs")
    values = np.array([scores[name] for name in mapped], dtype=float).T
    undefined = [
        name for name, ok in zip(mapped, np.isfinite(values).all(axis=0), strict=True) if not ok
    ]
    if undefined:
        raise EvaluationError(f"scores of {', '.join(undefined)} are not all numbers")
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    probabilities = raised / raised.sum(axis=1, keepdims=True)
    first = np.cumsum([0, *(len(names) for names in classes.values())])[:-1]
    largest = np.maximum.reduceat(probabilities, first, axis=1)
    return Calls(largest > THRESHOLD / len(mapped), largest.argmax(axis=1))


def rates(
    calls: Calls,
    truth: np.ndarray,
    speakers: Sequence[str],
    n_classes: int,
    *,
    n_resamples: int = 1000,
    seed: int = 42,
) -> Rates:
    """Every rate, with 95 % percentile intervals from resampled speakers.

    Whole speakers are drawn with replacement, since clips of one speaker are not independent
    (cluster bootstrap: Davison & Hinkley 1997, "Bootstrap methods and their application", section
    3.8). The intervals are wider for few speakers, see `percentile_interval`. Rates of
    classes are over the classes that occur.

    Args:
        calls: What the system says.
        truth: `(clips,)`, the number of each clip's class.
        speakers: Of each clip.
        n_classes: How many classes there are.
        n_resamples: 0 for no intervals.
        seed: Of the draws.

    Returns:
        Figures, NaN where undefined, and the intervals of all of them.

    Example:
        >>> calls = Calls(None, np.array([0, 1, 1, 1]))
        >>> measured = rates(calls, np.array([0, 0, 1, 1]), ["a", "a", "b", "b"], 2)
        >>> measured["top1"], measured["uar"], measured["confusion"]
        (0.75, 0.75, [[1, 1], [0, 2]])
    """
    names, speaker = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    counts = _count(calls, truth, speaker, len(names), n_classes)
    clips, answers, called = (part.sum(axis=0) for part in counts)
    once = _statistics(clips, answers, called)
    rng = np.random.default_rng(seed)
    n = len(names)
    drawn = rng.multinomial(n, np.full(n, 1 / n), n_resamples) if n else np.zeros((n_resamples, 0))
    again = _statistics(*(np.tensordot(drawn, part, 1) for part in counts))
    # A class that one speaker has is the same in every resample, which is no certainty.
    having = (counts[0] > 0).sum(axis=0)
    others = (counts[0].sum(axis=1, keepdims=True) > counts[0]).sum(axis=0)
    of_class = dict.fromkeys(OF_CLASSES, having) | {"false_alarms": others}

    def interval(values: np.ndarray, most: float = 1.0, units: int = n) -> dict[str, Any]:
        ends = percentile_interval(values, units, within=(0.0, most))._asdict()
        return ends if units > 1 else {**ends, "reason": "fewer than two speakers to draw from"}

    measured = {
        **{name: float(once[name]) for name in OVERALL},
        "per_class": [
            {"n": int(clips[c])} | {name: float(once[name][c]) for name in OF_CLASSES}
            for c in range(n_classes)
        ],
        "confusion": None if calls.top is None else answers.astype(int).tolist(),
        "intervals": {
            **{
                name: interval(again[name], n_classes if name == "classes_a_clip" else 1)
                for name in OVERALL
            },
            "per_class": [
                {name: interval(again[name][:, c], units=of_class[name][c]) for name in OF_CLASSES}
                for c in range(n_classes)
            ],
        },
        "bootstrap": {
            "level": LEVEL,
            "unit": "speaker",
            "n_units": n,
            "n_resamples": n_resamples,
            "seed": seed,
        },
    }
    return cast(Rates, measured)  # OVERALL and OF_CLASSES are the names of its types


class UarDifference(NamedTuple):
    """UAR of one system less that of another, its 95 % interval and two-sided p."""

    difference: float
    low: float
    high: float
    p: float


def compare_answers(
    a: np.ndarray,
    b: np.ndarray,
    truth: np.ndarray,
    speakers: Sequence[str],
    n_classes: int,
    *,
    n_resamples: int = 1000,
    seed: int = 42,
) -> UarDifference:
    """Is one system's UAR higher than another's on the same clips?

    Paired bootstrap: both meet the same resamples of speakers; interval and p value are Student's
    (`emonet_voice.studentised`).

    Args:
        a: `(clips,)`, the number of the class that it says.
        b: The other system's.
        truth: `(clips,)`.
        speakers: Of each clip.
        n_classes: How many classes there are.
        n_resamples: How many.
        seed: Of the draws.

    Example:
        >>> truth = np.array([0, 1] * 4)
        >>> found = compare_answers(truth, np.zeros(8, int), truth, list("aabbccdd"), 2)
        >>> found.difference, found.p  # four speakers, all alike: no more than a sign test
        (0.5, 0.125)
    """
    names, speaker = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
    n = len(names)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), n_resamples)
    once, again = [], []
    for said in (a, b):
        counts = _count(Calls(None, said), truth, speaker, n, n_classes)
        once.append(float(_statistics(*(part.sum(axis=0) for part in counts))["uar"]))
        again.append(_statistics(*(np.tensordot(drawn, part, 1) for part in counts))["uar"])
    tested = studentised(once[0] - once[1], again[0] - again[1], n)
    return UarDifference(once[0] - once[1], tested.interval.low, tested.interval.high, tested.p)


def _count(
    calls: Calls, truth: np.ndarray, speaker: np.ndarray, n_speakers: int, n_classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By speaker: clips of each class; answers `(truth, said)`; calls `(truth, called)`."""
    clips = np.zeros((n_speakers, n_classes))
    said = np.zeros((n_speakers, n_classes, n_classes))
    called = np.zeros_like(said)
    np.add.at(clips, (speaker, truth), 1)
    if calls.top is None:
        said[:] = np.nan
    else:
        np.add.at(said, (speaker, truth, calls.top), 1)
    if calls.present is None:
        called[:] = np.nan
    else:
        np.add.at(called, (speaker, truth), calls.present)
    return clips, said, called


def _statistics(clips: np.ndarray, said: np.ndarray, called: np.ndarray) -> dict[str, np.ndarray]:
    """All figures of counts `(..., classes)`, `(..., classes, classes)` twice."""
    n = clips.sum(axis=-1)
    wrong = clips.shape[-1] - 1
    right, hits = (np.diagonal(part, axis1=-2, axis2=-1) for part in (said, called))
    every = called.sum(axis=-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = right / clips
        f1 = np.where(clips > 0, 2 * right / (clips + said.sum(axis=-2)), np.nan)
        return {
            "overall": hits.sum(axis=-1) / n,
            "false_alarm_rate": (every - hits).sum(axis=-1) / (n * wrong),
            "classes_a_clip": every.sum(axis=-1) / n,
            "overall_shuffled": (clips * every).sum(axis=-1) / n**2,
            "top1": right.sum(axis=-1) / n,
            "uar": _mean_defined(recall),
            "macro_f1": _mean_defined(f1),
            "hit_rate": hits / clips,
            "false_alarms": (every - hits) / (n[..., None] - clips),
            "hit_rate_shuffled": every / n[..., None],
            "recall": recall,
            "f1": f1,
        }


def _mean_defined(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not NaN."""
    defined = ~np.isnan(values)
    mean: np.ndarray = np.where(defined, values, 0).sum(axis=-1) / defined.sum(axis=-1)
    return mean
