"""Every statistic in every bootstrap resample, by row or by group.

By row, rows are drawn with replacement within each emotion: the benchmark fixes how many clips an
emotion has. By group (voice, prompt, clip), whole groups are drawn, whatever their emotions, since
the rows of a group are not independent. One draw serves all statistics: pooled, by emotion and
macro, and several systems on the same rows, so that their differences are paired.

Efron & Tibshirani (1993), "An introduction to the bootstrap", chapter 8; Davison & Hinkley (1997),
"Bootstrap methods and their application", section 3.2 (strata).
"""

import os
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from .scores import MetricError, same_length
from .weighted import Part, make_part, weighted_statistics

_WIDTH = 128  # resamples side by side, fewer where that would take too much memory


class Resampled(NamedTuple):
    """Statistics of resamples, `(systems, 4, resamples)` in the order of `scores.STATISTICS`.

    Attributes:
        pooled: Over all rows.
        macro: Means over the emotions where they are defined; NaN without emotions.
        per_emotion: Of each emotion.
        unit: What was drawn, `"row"` or `"group"`.
        n_units: How many; under `""` of all rows, else of each emotion. The only row of an emotion
            does not count: it is in every resample.
        n_strata: Parts that keep their size in every resample: emotions, or one of all groups.
    """

    pooled: np.ndarray
    macro: np.ndarray
    per_emotion: dict[str, np.ndarray]
    unit: str
    n_units: dict[str, int]
    n_strata: int

    def units(self, part: str) -> tuple[int, int]:
        """Units and strata of an emotion, or under `""` of pooled and macro figures."""
        return self.n_units[part], 1 if part else self.n_strata


class _Units(NamedTuple):
    """What is drawn: units 0, 1, ... of the first stratum, then those of the next."""

    sizes: np.ndarray  # (strata,) units of each
    of_rows: np.ndarray  # (rows,) the unit of each row


def missing(group: Hashable) -> bool:
    """Whether a row has no group and stands for itself: None, `""` or NaN.

    Example:
        >>> missing(None), missing(""), missing(float("nan")), missing(0)
        (True, True, True, False)
    """
    return group is None or group == "" or group != group


def resample(
    predictions: np.ndarray,
    references: np.ndarray,
    emotions: Sequence[str] | None = None,
    groups: Sequence[Hashable] | None = None,
    *,
    n_resamples: int = 1000,
    seed: int = 42,
) -> Resampled:
    """All statistics of bootstrap resamples. The order of the rows does not matter.

    Args:
        predictions: `(rows,)`, or `(systems, rows)` to compare systems on the same draws.
        references: `(rows,)`.
        emotions: The name of each row's emotion.
        groups: The group of each row; see [`missing`] for rows without one.
        n_resamples: How many.
        seed: Of the draws.

    Raises:
        MetricError: Columns of unequal length, missing values, or a negative `n_resamples`.

    Example:
        >>> drawn = resample(np.array([1.0, 2, 4, 8]), np.array([0.0, 5, 0, 10]), n_resamples=100)
        >>> drawn.pooled.shape, drawn.unit, drawn.n_units
        ((1, 4, 100), 'row', {'': 4})
    """
    systems = np.atleast_2d(np.asarray(predictions, dtype=float))
    references = np.asarray(references, dtype=float)
    same_length(predictions=systems[0], references=references, emotions=emotions, groups=groups)
    if n_resamples < 0:
        raise MetricError(f"n_resamples is {n_resamples}; it must be at least 0")
    if not (np.isfinite(systems).all() and np.isfinite(references).all()):
        raise MetricError("rows with missing values cannot be resampled; leave them out")
    names, emotion = _codes(emotions, len(references))
    if not len(references):
        nothing = np.full((len(systems), 4, n_resamples), np.nan)
        return Resampled(nothing, nothing, {}, "row", {"": 0}, 1)
    group = _codes(groups, len(references))[1]
    # Names and values decide how rows are drawn, never the order in which they came.
    order = np.lexsort((group, *systems, references, emotion))
    systems, references, emotion = systems[:, order], references[order], emotion[order]
    units = _units(group[order], emotion)
    bounds = np.searchsorted(emotion, np.arange(len(names) + 1))
    slices = {name: slice(*bounds[i : i + 2]) for i, name in enumerate(names)}
    parts = [make_part(systems, references, np.argsort(references, kind="stable"))]
    parts += [make_part(systems, references, rows) for rows in slices.values()]
    statistics = _run(parts, units, n_resamples, seed)
    drawn = np.repeat(units.sizes > 1, units.sizes)
    return Resampled(
        pooled=statistics[:, 0],
        macro=_mean_defined(statistics[:, 1:]),
        per_emotion={name: statistics[:, 1 + i] for i, name in enumerate(names)},
        unit="group" if (group >= 0).any() else "row",
        n_units={"": int(drawn.sum())}
        | {name: int(drawn[np.unique(units.of_rows[rows])].sum()) for name, rows in slices.items()},
        n_strata=int((units.sizes > 1).sum()),
    )


def _codes(labels: Sequence[Hashable] | None, n_rows: int) -> tuple[list[str], np.ndarray]:
    """The distinct labels in order, and which of them each row has; -1 for none."""
    if labels is None:
        return [], np.full(n_rows, -1)
    texts = ["" if missing(label) else str(label) for label in labels]
    names = sorted({*texts} - {""})
    place = {"": -1} | {name: i for i, name in enumerate(names)}
    return names, np.array([place[text] for text in texts], dtype=int)


def _units(group: np.ndarray, emotion: np.ndarray) -> _Units:
    alone = group < 0
    if alone.all():
        return _Units(np.unique(emotion, return_counts=True)[1], np.arange(len(group)))
    of_rows = group.copy()
    of_rows[alone] = group.max() + 1 + np.arange(alone.sum())
    return _Units(np.array([of_rows.max() + 1]), of_rows)


def _run(parts: list[Part], units: _Units, n_resamples: int, seed: int) -> np.ndarray:
    """`(systems, parts, 4, resamples)`. The same for any number of threads."""
    largest = max(len(chunk.rows) for chunks in parts[0].chunks for chunk in chunks)
    width = max(1, min(_WIDTH, 2**21 // largest, 2**26 // len(units.of_rows)))
    seeds = np.random.SeedSequence(seed).spawn(-(-n_resamples // width))

    def block(seed: np.random.SeedSequence) -> np.ndarray:
        counts = _draw(units, np.random.default_rng(seed), width)
        return np.stack([weighted_statistics(counts, part) for part in parts], axis=1)

    nothing = np.empty((len(parts[0].chunks), len(parts), 4, 0))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        blocks = [nothing, *pool.map(block, seeds)]
    return np.concatenate(blocks, axis=-1)[..., :n_resamples]


def _draw(units: _Units, rng: np.random.Generator, n: int) -> np.ndarray:
    """How often each row is in each of `n` resamples, `(rows, n)`."""
    first = np.repeat(np.cumsum(units.sizes) - units.sizes, units.sizes)
    size = np.repeat(units.sizes, units.sizes).astype(float)
    # A count beyond 255 needs as many units, and has a probability below 1e-500.
    counts = np.empty((n, len(size)), dtype=np.uint8)
    for row in counts:
        drawn = first + (rng.random(len(size)) * size).astype(int)
        row[:] = np.bincount(drawn, minlength=len(size))
    return np.asarray(np.ascontiguousarray(counts.T)[units.of_rows])


def _mean_defined(values: np.ndarray) -> np.ndarray:
    """Mean over the second axis of what is not NaN."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(defined, values, 0).sum(axis=1) / defined.sum(axis=1))
