"""Which emotions sound different? Tests and effect sizes of acoustic features, emotion by emotion.

For every feature the Kruskal-Wallis test over all emotions with epsilon squared; for every emotion
and feature Cliff's δ of its clips against all others, with the Mann-Whitney test and a bootstrap
interval. Ranks throughout: F0 in hertz or a share of frames is nothing like normal. p values are
Holm-corrected over all tests together.

Two things to keep in mind. Clips are taken as independent; where few voices speak many clips, as in
acted corpora, p values are too small and intervals too narrow. And a feature that differs may tell
of who spoke, or of which engine, rather than of how.

Sources: Kruskal & Wallis (1952), J. Am. Stat. Assoc. 47, 583-621. Tomczak & Tomczak (2014), "The
need to report effect size estimates revisited", Trends in Sport Sciences 21, 19-25. Cliff (1993),
"Dominance statistics", Psychological Bulletin 114, 494-509. Mann & Whitney (1947), Ann. Math. Stat.
18, 50-60. Holm (1979), Scand. J. Stat. 6, 65-70. Efron & Tibshirani (1993), "An introduction to the
bootstrap", chapters 8 and 13.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dataset_scripts.stats.acoustic_columns import PREFIX
from modeling_empathic.report.statistics import holm
from modeling_empathic.taxonomy import BENCH_NAMES, UserError

MIN_CLIPS = 5
"""An emotion with fewer clips has no effect size: resamples of so few say nothing."""

NAN = float("nan")


class FeatureTest(NamedTuple):
    """Does a feature differ between emotions at all?

    Attributes:
        feature: Its name.
        n: Clips with a value.
        n_missing: Clips without one, left out.
        h: Kruskal-Wallis H, corrected for ties.
        epsilon_squared: H / (n - 1), the share of the ranks' variance between emotions.
        p: From the χ² approximation.
        p_holm: Corrected over all tests of the table.
        reason: Why the statistics are NaN, else empty.
    """

    feature: str
    n: int
    n_missing: int
    h: float = NAN
    epsilon_squared: float = NAN
    p: float = NAN
    p_holm: float = NAN
    reason: str = ""


class Effect(NamedTuple):
    """How one emotion's clips differ from all others in one feature.

    Attributes:
        emotion: Its name.
        feature: The feature's.
        n: Clips of the emotion with a value.
        n_rest: Of all the others.
        delta: Cliff's δ: how much more often a clip of the emotion has the higher value of two than
            the lower, -1 to 1.
        low: Lower end of the 95 % interval.
        high: Upper end.
        p: Mann-Whitney, normal approximation with corrections for ties and continuity.
        p_holm: Corrected over all tests of the table.
        reason: Why the statistics are NaN, else empty.
    """

    emotion: str
    feature: str
    n: int
    n_rest: int
    delta: float = NAN
    low: float = NAN
    high: float = NAN
    p: float = NAN
    p_holm: float = NAN
    reason: str = ""


class Differences(NamedTuple):
    """All of it: one row a feature, and one an emotion and feature.

    Attributes:
        features: In the order given.
        effects: Emotion by emotion, those of the taxonomy first and in the paper's order.
        n_tests: Over which p values are corrected.
    """

    features: list[FeatureTest]
    effects: list[Effect]
    n_tests: int


def differences(
    features: Mapping[str, Sequence[float] | np.ndarray] | pa.Table,
    emotions: Sequence[str],
    *,
    n_resamples: int = 1000,
    seed: int = 42,
) -> Differences:
    """Tests every feature over all emotions, and every emotion against the others.

    Values that are NaN, infinite or null are left out and counted. The bootstrap draws clips within
    each emotion, whose numbers are the design's and not chance.

    Args:
        features: Name -> `(clips,)` values; or a table, of which the columns `acoustics_*` count.
        emotions: The emotion of each clip.
        n_resamples: Bootstrap samples; 0 for no intervals.
        seed: Of the bootstrap; the same samples for all features.

    Raises:
        UserError: scipy is not installed.
        ValueError: Lengths differ, a clip has no emotion, or there is no clip or no feature.

    Example:
        >>> pitch = [210.0, 220, 230, 240, 250, 110, 120, 130, 140, 150]
        >>> tested = differences({"f0_median_hz": pitch}, ["Fear"] * 5 + ["Sadness"] * 5)
        >>> round(tested.features[0].epsilon_squared, 2), tested.effects[0][:5]
        (0.76, ('Fear', 'f0_median_hz', 5, 5, 1.0))
    """
    columns = _columns(features)
    if not (columns and len(emotions)):
        raise ValueError(f"{len(columns)} features of {len(emotions)} clips: nothing to compare")
    for name, values in columns.items():
        if len(values) != len(emotions):
            raise ValueError(f"{name} has {len(values)} values for {len(emotions)} clips")
    for i, emotion in enumerate(emotions):
        if not (isinstance(emotion, str) and emotion):
            raise ValueError(f"clip {i}: {emotion!r} is not the name of an emotion")
    names = [name for name in BENCH_NAMES if name in set(emotions)]
    names += sorted(set(emotions).difference(names))
    index = np.array([names.index(emotion) for emotion in emotions], dtype=int)
    weights = _resamples(index, len(names), n_resamples, seed)

    measured = [_measure(name, values, index, names, weights) for name, values in columns.items()]
    tests = [test for test, _ in measured]
    effects = [of_emotions[i] for i in range(len(names)) for _, of_emotions in measured]
    corrected = holm(np.array([*(test.p for test in tests), *(effect.p for effect in effects)]))
    numbers = iter(corrected)
    tests = [test._replace(p_holm=next(numbers)) for test in tests]
    effects = [effect._replace(p_holm=next(numbers)) for effect in effects]
    return Differences(tests, effects, int(np.isfinite(corrected).sum()))


def _columns(features: Mapping[str, Any] | pa.Table) -> dict[str, np.ndarray]:
    if isinstance(features, pa.Table):
        features = {
            name.removeprefix(PREFIX): features[name].to_numpy()
            for name in features.column_names
            if name.startswith(PREFIX)
        }
    return {name: np.asarray(values, dtype=float) for name, values in features.items()}


def _resamples(index: np.ndarray, n_emotions: int, n_resamples: int, seed: int) -> np.ndarray:
    """How often each clip is in each bootstrap sample, `(resamples, clips)`."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((n_resamples, len(index)), np.uint16)
    for emotion in range(n_emotions):
        clips = np.flatnonzero(index == emotion)
        share = np.full(len(clips), 1 / len(clips))
        weights[:, clips] = rng.multinomial(len(clips), share, size=n_resamples)
    return weights


def _measure(
    feature: str, values: np.ndarray, index: np.ndarray, names: list[str], weights: np.ndarray
) -> tuple[FeatureTest, list[Effect]]:
    """One feature: the test over all emotions, and the effects in the order of `names`."""
    try:
        from scipy.special import chdtrc, ndtr
    except ImportError as error:
        raise UserError(
            'tests of acoustic features need scipy: pip install "emonet-voice[acoustics]"'
        ) from error

    held = np.flatnonzero(np.isfinite(values))
    order = held[np.argsort(values[held], kind="stable")]
    n, n_missing = len(order), len(values) - len(order)
    sizes = np.bincount(index[order], minlength=len(names))
    effects = [Effect(names[i], feature, int(m), int(n - m)) for i, m in enumerate(sizes)]
    test = FeatureTest(feature, n, n_missing)
    ranked = values[order]
    present = sizes > 0
    reason = ""
    if present.sum() < 2:
        reason = "values of one emotion only" if n else "no values"
    elif ranked[0] == ranked[-1]:
        reason = "constant"
    if reason:
        return test._replace(reason=reason), [row._replace(reason=reason) for row in effects]

    member = np.zeros((n, len(names)))
    member[np.arange(n), index[order]] = 1
    first, last = np.searchsorted(ranked, ranked), np.searchsorted(ranked, ranked, "right")
    # Clips below minus clips above a clip. Within an emotion it sums to zero, so that its sum over
    # the emotion's clips is how often they are above the others minus how often below.
    dominance = (_lead(np.ones((1, n)), first, last) @ member)[0]
    ties = np.diff(np.flatnonzero(np.diff(ranked, prepend=-np.inf, append=np.inf)))
    tied = float((ties.astype(float) ** 3 - ties).sum())

    # The usual H in terms of dominance: the mean rank of an emotion is (n + 1 + dominance/size)/2.
    h = 3 / (n * (n + 1)) * (dominance[present] ** 2 / sizes[present]).sum()
    h /= 1 - tied / (n**3 - n)
    p = float(chdtrc(present.sum() - 1, h))
    test = test._replace(h=float(h), epsilon_squared=float(h / (n - 1)), p=p)

    low, high = _intervals(weights[:, order], member, first, last)
    for i, row in enumerate(effects):
        if min(row.n, row.n_rest) < MIN_CLIPS:
            effects[i] = row._replace(reason=f"fewer than {MIN_CLIPS} clips")
            continue
        pairs = float(row.n * row.n_rest)
        spread = np.sqrt(pairs / 12 * (n + 1 - tied / (n * (n - 1))))
        z = (abs(dominance[i]) / 2 - 0.5) / spread
        delta, p = float(dominance[i] / pairs), float(min(1, 2 * ndtr(-z)))
        effects[i] = row._replace(delta=delta, low=float(low[i]), high=float(high[i]), p=p)
    return test, effects


def _lead(weights: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Weight of each clip times the weight below it minus that above it, `(resamples, clips)`."""
    total = np.pad(np.cumsum(weights, axis=1), ((0, 0), (1, 0)))
    lead: np.ndarray = weights * (total[:, first] + total[:, last] - total[:, -1:])
    return lead


def _intervals(
    weights: np.ndarray, member: np.ndarray, first: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """Lower and upper ends of the percentile intervals of every emotion's δ, `(2, emotions)`."""
    ends = np.full((2, member.shape[1]), NAN)
    sizes = member.sum(axis=0)
    measured = np.flatnonzero(np.minimum(sizes, len(member) - sizes) >= MIN_CLIPS)
    if not (len(weights) and len(measured)):
        return ends
    member, deltas = member[:, measured].astype(np.float32), []
    for start in range(0, len(weights), 100):  # 100 resamples of 12,600 clips are 5 MB
        sample = weights[start : start + 100].astype(np.float32)
        drawn = sample @ member
        with np.errstate(invalid="ignore", divide="ignore"):  # none of an emotion's with a value
            pairs = drawn * (sample.sum(axis=1, keepdims=True) - drawn)
            deltas.append(_lead(sample, first, last) @ member / pairs)
    ends[:, measured] = np.nanpercentile(np.concatenate(deltas), [2.5, 97.5], axis=0)
    return ends
