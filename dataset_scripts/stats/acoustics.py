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
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from modeling_empathic.acoustics import FEATURES
from modeling_empathic.report.statistics import holm
from modeling_empathic.taxonomy import BENCH_NAMES, short_name

PREFIX = "acoustics_"
MIN_CLIPS = 5
"""An emotion with fewer clips has no effect size: resamples of so few say nothing."""
ALPHA = 0.05

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
        ValueError: Lengths differ, a clip has no emotion, or there is no clip or no feature.

    Example:
        >>> pitch = [210.0, 220, 230, 240, 250, 110, 120, 130, 140, 150]
        >>> found = differences({"f0_median_hz": pitch}, ["Fear"] * 5 + ["Sadness"] * 5)
        >>> round(found.features[0].epsilon_squared, 2), found.effects[0][:5]
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
    found = set(emotions)
    names = [name for name in BENCH_NAMES if name in found]
    names += sorted(found.difference(names))
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
    from scipy.special import chdtrc, ndtr  # comes with librosa, which the core needs

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
    return weights * (total[:, first] + total[:, last] - total[:, -1:])


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
        some = weights[start : start + 100].astype(np.float32)
        drawn = some @ member
        with np.errstate(invalid="ignore", divide="ignore"):  # none of an emotion's with a value
            pairs = drawn * (some.sum(axis=1, keepdims=True) - drawn)
            deltas.append(_lead(some, first, last) @ member / pairs)
    ends[:, measured] = np.nanpercentile(np.concatenate(deltas), [2.5, 97.5], axis=0)
    return ends


def as_text(found: Differences, width: int = 80) -> str:
    """The table of [`as_markdown`] for a terminal, without units and intervals."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("Feature")
    for header in ("Clips", "ε²", "p"):
        table.add_column(header, justify="right")
    for header in ("Highest", "Lowest"):
        table.add_column(header, overflow="fold")
    for name, _, *cells in _rows(found, intervals=False):
        table.add_row(*map(Text, (name, *cells)))
    file = StringIO()
    console = Console(file=file, width=width, color_system=None)
    console.print(table, Text(_note(found)), sep="\n")
    return "".join(line.rstrip() + "\n" for line in file.getvalue().splitlines())


def as_markdown(found: Differences) -> str:
    """A row a feature, those that tell emotions apart best first.

    With its unit, clips, ε², corrected p, and the emotions with the highest and lowest δ with their
    95 % intervals.
    """
    rows = ["| Feature | Unit | Clips | ε² | p | Highest | Lowest |"]
    rows.append("| :-- | :-- | --: | --: | --: | :-- | :-- |")
    for row in _rows(found, intervals=True):
        rows.append(f"| {' | '.join(map(_escaped, row))} |")
    return "\n".join(rows) + f"\n\n{_escaped(_note(found))}\n"


def _escaped(text: str) -> str:
    for char in "\\|*_<>`":
        text = text.replace(char, f"\\{char}")
    return text


def _rows(found: Differences, *, intervals: bool) -> list[list[str]]:
    rows = []
    for test in sorted(
        found.features, key=lambda test: np.nan_to_num(-test.epsilon_squared, nan=1)
    ):
        effects = [e for e in found.effects if e.feature == test.feature and not e.reason]
        effects.sort(key=lambda effect: -effect.delta)
        ends = [effects[0], effects[-1]] if effects else []
        shown = [f"{short_name(effect.emotion)} {effect.delta:+.2f}" for effect in ends]
        if intervals:
            shown = [
                text if np.isnan(effect.low) else f"{text} [{effect.low:+.2f}, {effect.high:+.2f}]"
                for text, effect in zip(shown, ends, strict=True)
            ]
        p = "<0.001" if test.p_holm < 0.001 else f"{test.p_holm:.3f}"
        numbers = [f"{test.n:,}", f"{test.epsilon_squared:.3f}", p]
        numbers = [number.replace("nan", "NaN") for number in numbers]
        unit = FEATURES.get(test.feature, ("", ""))[0]
        rows.append([short_name(test.feature), unit, *numbers, *(shown or [test.reason, ""])])
    return rows


def _note(found: Differences) -> str:
    note = (
        "ε²: share of the ranks' variance between emotions (Kruskal-Wallis). Beside the names: "
        "Cliff's δ against all other clips, -1 to 1. "
        f"p: Holm-corrected over {found.n_tests:,} tests; clips taken as independent."
    )
    missing = [f"{test.feature} {test.n_missing:,}" for test in found.features if test.n_missing]
    if missing:
        note += f" Clips without a value, left out: {', '.join(missing)}."
    few = [effect for effect in found.effects if effect.reason.startswith("fewer")]
    if few:
        which = ", ".join(f"{short_name(effect.emotion)} {effect.feature}" for effect in few[:5])
        more = f" and {len(few) - 5:,} more" if len(few) > 5 else ""
        note += f" Fewer than {MIN_CLIPS} clips with a value, no effect size: {which}{more}."
    return note


def plot(found: Differences, path: str | Path) -> None:
    """A heat map of Cliff's δ, emotions down and features across.

    ColorBrewer's PuOr, which colour-blind readers tell apart; a dot where p is not below 0.05 after
    correction, grey where there is no value.

    Args:
        found: Of [`differences`].
        path: PNG or SVG to write, by its suffix.

    Raises:
        ValueError: Another suffix.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".svg"):
        raise ValueError(f"{path}: choose a name that ends in .png or .svg")
    import matplotlib
    from matplotlib.figure import Figure

    features = [test.feature for test in found.features]
    emotions = list(dict.fromkeys(effect.emotion for effect in found.effects))
    shape = len(emotions), len(features)
    delta = np.array([effect.delta for effect in found.effects]).reshape(shape)
    p = np.array([effect.p_holm for effect in found.effects]).reshape(shape)
    limit = np.ceil(10 * np.nanmax(np.abs(delta), initial=0.1)) / 10
    with matplotlib.rc_context({"font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "stats"}):
        size = (3.2 + 0.32 * shape[1], 2.4 + 0.23 * shape[0])
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        axes.set_facecolor("#d9d9d6")
        image = axes.imshow(delta, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
        rows, columns = np.nonzero(p >= ALPHA)
        axes.plot(columns, rows, "o", color="#555555", markersize=2.5, mec="white", mew=0.5)
        axes.set_xticks(range(shape[1]), features, rotation=55, ha="left", rotation_mode="anchor")
        axes.xaxis.tick_top()
        axes.set_yticks(range(shape[0]), [short_name(name) for name in emotions], parse_math=False)
        axes.set_xticks(np.arange(0.5, shape[1]), minor=True)
        axes.set_yticks(np.arange(0.5, shape[0]), minor=True)
        axes.grid(which="minor", color="white", linewidth=0.8)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=axes, orientation="horizontal", pad=0.02, aspect=40)
        bar.set_label("Cliff's δ against all other clips\ndot: corrected p ≥ 0.05, grey: none")
        bar.outline.set_visible(False)
        temporary = path.with_name(f".{path.name}.tmp{path.suffix}")
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
        figure.savefig(temporary, dpi=160, metadata=metadata)
    temporary.replace(path)
