"""A folder as a whole: each emotion's mean, its strongest clips, and what is doubtful."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from typing import NamedTuple

import numpy as np

from modeling_empathic.reference_scores import Reference, percentiles

from .recordings import HeadSpec, Recording, emotions_of, on_0_10

N_STRONGEST = 3


class Moment(NamedTuple):
    """Where an emotion is strong.

    Attributes:
        intensity: From 0 to 10, of the clip's strongest window.
        name: Of the clip.
        start_s: Of that window; None where the clip has but one.
        percentile: Percent of the model's reference clips that score lower; None without them.
    """

    intensity: float
    name: str
    start_s: float | None
    percentile: float | None


class EmotionRow(NamedTuple):
    """One emotion over all clips.

    Attributes:
        name: Of the head.
        mean: Over clips, from 0 to 10.
        usual: Mean of the model's reference clips, from 0 to 10; None without them.
        strongest: Clips, strongest first.
    """

    name: str
    mean: float
    usual: float | None
    strongest: list[Moment]


@dataclass
class Overview:
    """Adds up clips as they come; memory does not grow with their number.

    Attributes:
        heads: Of the model.
        reference: Its scores of reference clips, if it has any.
        n_scored: Clips, or channels of clips, with scores.
        quality: How many of them are doubtful, by what makes them so.
    """

    heads: Sequence[HeadSpec]
    reference: Reference | None = None
    n_scored: int = 0
    quality: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._sum = np.zeros(len(self.heads))
        # The strongest so far of each head: (native score, minus its number, name, start).
        self._best: list[list[tuple[float, int, str, float | None]]] = [[] for _ in self.heads]
        names = {head["name"] for head in self.heads}
        if self.reference and not names <= self.reference.heads.keys():
            self.reference = None  # a reference of other heads is of another model

    def add(self, recording: Recording) -> None:
        """Counts one recording; a failed one not at all."""
        if recording.error is not None:
            return
        self.n_scored += 1
        self.quality.update(recording.quality)
        self._sum += recording.mean
        windows = recording.native.argmax(axis=0)
        for head, window in enumerate(windows.tolist()):
            start_s = recording.spans_s[window, 0] if len(recording.rows) > 1 else None
            score = float(recording.native[window, head])
            entry = (score, -self.n_scored, recording.name, start_s)  # the earlier of equal ones
            best = self._best[head]
            (heappush if len(best) < N_STRONGEST else heappushpop)(best, entry)

    def rows(self) -> list[EmotionRow]:
        """The emotions, or all heads of a model without any, the highest mean first."""
        if not self.n_scored:
            return []
        means = self._sum / self.n_scored
        order = sorted(emotions_of(self.heads), key=lambda head: -means[head])
        return [
            EmotionRow(
                self.heads[head]["name"],
                float(means[head]),
                usual(self.heads[head], self.reference),
                [self._moment(head, *entry) for entry in sorted(self._best[head], reverse=True)],
            )
            for head in order
        ]

    def _moment(self, head: int, score: float, _: int, name: str, start_s: float | None) -> Moment:
        spec = self.heads[head]
        intensity = float(on_0_10(np.array([score]), [spec])[0])
        return Moment(intensity, name, start_s, percentile(spec, score, self.reference))


def usual(head: HeadSpec, reference: Reference | None) -> float | None:
    """The mean of the reference clips, from 0 to 10."""
    if reference is None or head["name"] not in reference.heads:
        return None
    return float(on_0_10(np.array([reference.heads[head["name"]].mean]), [head])[0])


def percentile(head: HeadSpec, score: float, reference: Reference | None) -> float | None:
    """Percent of the reference clips that score lower than a native score."""
    if reference is None or head["name"] not in reference.heads:
        return None
    return float(percentiles({head["name"]: score}, reference)[head["name"]])
