"""How small a difference can a comparison of two systems find, and how many clips would it take?

The bootstrap's standard error of a difference between two systems that are there already (a pilot)
says what a comparison of two such systems on a Bench of any size can find. The smallest difference
that is found with a given power at the 5 % level is (t for 2.5 % + t for 1 - power) standard
errors: Bloom (1995), "Minimum detectable effects", Evaluation Review 19, 547-556. The standard
error falls with the root of the number of units, and t with the degrees of freedom that more units
have.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from statistics import NormalDist

from evaluate_metrics.bench.figures import FIGURES, Comparison, Difference
from evaluate_metrics.emonet_voice.student import quantile
from modeling_empathic.report.tables import Section, number, plain

POWERS = (0.8, 0.9)
TARGETS = (0.01, 0.02, 0.05)
"""Differences, of correlations; of errors they are ten times these, as is their scale."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Of one figure.

    Attributes:
        figure: Its name.
        standard_error: Of the pilot's difference.
        units: That the pilot drew: rows, or groups such as voices.
        detectable: Power -> smallest difference that is found with it.
        needed: Difference -> units that find it with a power of 80 %.
        power: Difference -> power on as many units as the pilot has.
    """

    figure: str
    standard_error: float
    units: int
    detectable: dict[str, float]
    needed: dict[str, int]
    power: dict[str, float]


def detectable(standard_error: float, df: int, power: float = 0.8) -> float:
    """The smallest difference that is found with this power at the 5 % level.

    Args:
        standard_error: Of the difference.
        df: Degrees of freedom: units less strata.
        power: 0.5 to less than 1.

    Example:
        >>> round(detectable(0.01, 10_000), 4), round(detectable(0.01, 10), 4)
        (0.028, 0.0311)
    """
    return standard_error * (quantile(df) + quantile(df, 2 * power - 1))


def power_of(difference: float, standard_error: float, df: int) -> float:
    """How often a true difference is found, the wrong sign left out: of the noncentral t.

    By its normal approximation, which four units need: Johnson & Welch (1940), Biometrika 31,
    362-389.

    Example:
        >>> round(power_of(detectable(0.01, 50), 0.01, 50), 3)
        0.8
    """
    t = quantile(df)
    beyond = abs(difference) / standard_error - t * (1 - 1 / (4 * df))
    return NormalDist().cdf(beyond / math.sqrt(1 + t * t / (2 * df)))


def units_needed(difference: float, standard_error: float, units: int, strata: int = 1) -> int:
    """The fewest units that find a difference with a power of 80 %.

    Args:
        difference: To be found, above 0.
        standard_error: Of the pilot.
        units: Of the pilot.
        strata: Parts that keep their size; each takes a degree of freedom.

    Example:
        >>> units_needed(0.05, 0.1, units=11)
        348
    """

    def enough(n: int) -> bool:
        return detectable(standard_error * (units / n) ** 0.5, n - strata) <= difference

    most = max(units, strata + 1)
    while not enough(most):
        most *= 2
    counts = range(strata + 1, most + 1)
    return counts[bisect_left(counts, True, key=enough)]


def plan(comparison: Comparison) -> list[Plan]:
    """What can be found with systems that differ as these two do.

    Args:
        comparison: Of [`comparison.compare`], the pilot.
    """
    found = []
    bootstrap = comparison.bootstrap
    # The only row of an emotion is drawn every time, and is no stratum of `resampling`.
    strata = sum(of.n > 1 for of in comparison.per_emotion.values())
    strata = 1 if bootstrap.unit == "group" else max(1, strata)
    df = bootstrap.n_units - strata
    for figure in FIGURES:
        error = _standard_error(comparison[figure], df)
        if math.isnan(error) or error <= 0:
            continue
        # Errors are on 0 to 10, correlations on -1 to 1.
        scale = 1 if figure.endswith(("pearson", "spearman")) else 10
        targets = [target * scale for target in TARGETS]
        found.append(
            Plan(
                figure=figure,
                standard_error=error,
                units=bootstrap.n_units,
                detectable={f"{power:.0%}": detectable(error, df, power) for power in POWERS},
                needed={
                    f"{target:g}": units_needed(target, error, bootstrap.n_units, strata)
                    for target in targets
                },
                power={f"{target:g}": power_of(target, error, df) for target in targets},
            )
        )
    return found


def section(plans: list[Plan], unit: str) -> Section:
    """The plans as a table; `unit` is what the pilot drew, such as `row` or `voice`."""
    word = f"{unit}s"
    rows = []
    for of in plans:
        largest = list(of.needed)
        cells = [number(of.standard_error, 4), *(number(d, 3) for d in of.detectable.values())]
        cells += [f"{of.needed[target]:,} for {target}" for target in largest]
        rows.append([of.figure.replace("_", " "), *cells])
    units = f"{plans[0].units:,} {word}" if plans else "none"
    note = (
        f"The pilot has {units}. Found: the smallest true difference that is significant at 5 % "
        f"with a power of 80 or 90 %, between systems that differ as these do. Needed: {word} for "
        "a power of 80 %."
    )
    headers = ("Difference in", "SE", "found 80 %", "found 90 %", *["needed"] * len(TARGETS))
    return plain("What a comparison can find", headers, rows, note)


def _standard_error(difference: Difference, df: int) -> float:
    """From the interval's length, which Student's t made of it."""
    if df < 1 or math.isnan(difference.p):
        return math.nan
    # Of its longer half: where a statistic ends, the interval does.
    value = difference.difference
    return max(difference.high - value, value - difference.low) / quantile(df)
