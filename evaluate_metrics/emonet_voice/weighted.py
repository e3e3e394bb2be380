"""The four statistics of rows that count several times or not at all, many weightings at once.

A bootstrap resample is nothing else: how often it contains each row. Moments are then a matrix
product, and average ranks are cumulated counts: the rank of a value is the number of rows below it
and half of those that share it. So Spearman's ρ is ranked anew in every resample, exactly, without
sorting anything again. Rows are gone through in chunks that a processor's cache holds.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .scores import constant

_CHUNK = 512  # rows
_BELOW_TWICE = 2 * np.tril(np.ones((32, 32))) - np.eye(32)


class Chunk(NamedTuple):
    """Rows that follow one another in the order of a system's predictions; all of equal ones."""

    rows: np.ndarray  # positions in the part
    levels: np.ndarray  # which distinct reference each row has
    firsts: np.ndarray  # of each prediction that several rows share, the first of them
    lasts: np.ndarray  # and the last
    tied: np.ndarray  # all rows that share their prediction
    shares: np.ndarray  # and which of these predictions each of them has


class Part(NamedTuple):
    """Rows that share statistics, such as an emotion's, in the order of their references."""

    rows: np.ndarray | slice  # where they are among all rows
    starts: np.ndarray  # (levels,) the first row of each distinct reference
    moments: np.ndarray  # (systems, 7, rows) |d|, d², p, r, p², r², pr; p and r about their means
    chunks: list[list[Chunk]]  # of each system


def make_part(systems: np.ndarray, references: np.ndarray, rows: np.ndarray | slice) -> Part:
    """Sorts out once what is the same in every resample.

    Args:
        systems: `(systems, all rows)` predictions.
        references: `(all rows,)`.
        rows: The rows of the part, at least one, ordered by reference.
    """
    predictions, r = systems[:, rows], references[rows]
    # What `scores.constant` calls the same is the same in every resample too.
    predictions = np.where(constant(predictions)[:, None], predictions[:, :1], predictions)
    r = np.full(len(r), r[0]) if constant(r) else r
    starts = np.flatnonzero(_begins(r))
    levels = np.cumsum(_begins(r)) - 1
    d = predictions - r
    p = predictions - predictions.mean(axis=1, keepdims=True)
    q = np.broadcast_to(r - r.mean(), p.shape)
    moments = np.stack([np.abs(d), d * d, p, q, p * p, q * q, p * q], axis=1)
    return Part(rows, starts, moments, [_chunks(column, levels) for column in predictions])


def _chunks(predictions: np.ndarray, levels: np.ndarray) -> list[Chunk]:
    order = np.argsort(predictions, kind="stable")
    starts = np.append(np.flatnonzero(_begins(predictions[order])), len(order))
    cuts = starts[np.searchsorted(starts, np.arange(0, len(order), _CHUNK))]
    chunks = []
    for a, b in pairwise(np.unique([*cuts, len(order)])):
        runs = starts[np.searchsorted(starts, a) : np.searchsorted(starts, b) + 1] - a
        sizes = np.diff(runs)
        shared = sizes > 1
        tied = np.flatnonzero(np.repeat(shared, sizes))
        shares = np.repeat(np.arange(shared.sum()), sizes[shared])
        rows = order[a:b]
        firsts, lasts = runs[:-1][shared], runs[1:][shared] - 1
        chunks.append(Chunk(rows, levels[rows], firsts, lasts, tied, shares))
    return chunks


def _begins(values: np.ndarray) -> np.ndarray:
    """Whether each value differs from the one before."""
    return np.append(True, values[1:] != values[:-1])


def weighted_statistics(counts: np.ndarray, part: Part) -> np.ndarray:
    """MAE, RMSE, Pearson's r and Spearman's ρ of each resample, NaN where undefined.

    Args:
        counts: `(all rows, resamples)` how often each row is in each resample.
        part: The rows that count.

    Returns:
        `(systems, 4, resamples)`.

    Example:
        >>> part = make_part(np.array([[1.0, 2, 4]]), np.array([0.0, 5, 5]), slice(None))
        >>> counts = np.array([[1, 0], [1, 3], [1, 0]])  # all three rows; the second, three times
        >>> mae, _, _, spearman = weighted_statistics(counts, part)[0]
        >>> mae.round(4), spearman.round(4)
        (array([1.6667, 3.    ]), array([0.866,   nan]))
    """
    counts = counts[part.rows]
    r_counts, sums = _sums(counts, part)
    n = r_counts.sum(axis=0)
    r_ranks = 2 * np.cumsum(r_counts, axis=0) - r_counts - n
    r_spread = np.einsum("lb,lb,lb->b", r_counts, r_ranks, r_ranks)
    absolute, square, p, r, pp, rr, pr = np.moveaxis(sums, 1, 0)
    ranks = [_rank_sums(counts, n, r_ranks, chunks) for chunks in part.chunks]
    shared, p_spread = np.stack(ranks, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        pearson = (pr - p * r / n) / np.sqrt((pp - p * p / n) * (rr - r * r / n))
        spearman = shared / np.sqrt(p_spread * r_spread)
        # Ranks are whole numbers: their spread is zero exactly where nothing varies.
        vary = (p_spread > 0) & (r_spread > 0)
        correlations = np.where(vary, np.clip([pearson, spearman], -1, 1), np.nan)
        return np.stack([absolute / n, np.sqrt(square / n), *correlations], axis=1)


def _sums(counts: np.ndarray, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Rows of each distinct reference, `(levels, resamples)`; moments, `(systems, 7, resamples)`.

    Both in one pass over chunks: `reduceat` over all rows at once takes ten times as long.
    """
    r_counts = np.zeros((len(part.starts), counts.shape[1]))
    sums = np.zeros((*part.moments.shape[:2], counts.shape[1]))
    for first in range(0, len(counts), _CHUNK):
        c = counts[first : first + _CHUNK].astype(float)
        sums += part.moments[..., first : first + _CHUNK] @ c
        low, high = np.searchsorted(part.starts, [first, first + len(c) - 1], side="right")
        levels = slice(low - 1, high)
        r_counts[levels] += np.add.reduceat(c, np.maximum(part.starts[levels] - first, 0))
    return r_counts, sums


def _rank_sums(
    counts: np.ndarray, n: np.ndarray, r_ranks: np.ndarray, chunks: list[Chunk]
) -> tuple[np.ndarray, np.ndarray]:
    """Σ p_rank r_rank and Σ p_rank² of each resample.

    Ranks are doubled and less the mean rank, and so whole numbers.

    Args:
        counts: `(rows, resamples)`.
        n: `(resamples,)` rows in each resample.
        r_ranks: `(levels, resamples)` of each distinct reference.
        chunks: The rows in the order of a system's predictions.
    """
    below, shared, spread = np.zeros((3, len(n)))
    for chunk in chunks:
        size = len(chunk.rows)
        # Sums of 32 rows are a matrix product; cumsum down the columns takes three times as long.
        blocks = np.zeros((-(-size // 32), 32, len(n)))
        c = blocks.reshape(-1, len(n))[:size]
        c[:] = counts[chunk.rows]
        within = _BELOW_TWICE @ blocks
        totals = (within[:, -1] + blocks[:, -1]) / 2
        ends = below + np.cumsum(totals, axis=0)
        within += (2 * (ends - totals) - n)[:, None]
        below = ends[-1]
        ranks = within.reshape(-1, len(n))[:size]
        if len(chunk.tied):
            low = ranks[chunk.firsts] - c[chunk.firsts]
            high = ranks[chunk.lasts] + c[chunk.lasts]
            ranks[chunk.tied] = ((low + high) / 2)[chunk.shares]
        c *= ranks
        spread += np.einsum("rb,rb->b", c, ranks)
        shared += np.einsum("rb,rb->b", c, r_ranks[chunk.levels])
    return shared, spread
