"""The acoustic differences between emotions as text for a terminal and as Markdown for a card."""

import numpy as np

from dataset_scripts.stats.acoustics import MIN_CLIPS, Differences
from modeling_empathic.acoustics import FEATURES
from modeling_empathic.report import tables
from modeling_empathic.report.tables import plain
from modeling_empathic.taxonomy import short_name

HEADERS = ("Feature", "Clips", "ε²", "p", "Highest", "Lowest")


def as_text(tested: Differences, width: int = 80) -> str:
    """The table of [`as_markdown`] for a terminal, without units and intervals."""
    rows = [[name, *cells] for name, _, *cells in _rows(tested, intervals=False)]
    section = plain("", HEADERS, rows, _note(tested))._replace(text_last=2)
    return tables.as_text([section], width)


def as_markdown(tested: Differences) -> str:
    """A row a feature, those that tell emotions apart best first.

    With its unit, clips, ε², corrected p, and the emotions with the highest and lowest δ with their
    95 % intervals.
    """
    headers = (HEADERS[0], "Unit", *HEADERS[1:])
    section = plain("", headers, _rows(tested, intervals=True), _note(tested))
    return tables.as_markdown([section._replace(text_last=2)])


def _rows(tested: Differences, *, intervals: bool) -> list[list[str]]:
    rows = []
    for test in sorted(tested.features, key=lambda t: np.nan_to_num(-t.epsilon_squared, nan=1)):
        effects = [e for e in tested.effects if e.feature == test.feature and not e.reason]
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


def _note(tested: Differences) -> str:
    note = (
        "ε²: share of the ranks' variance between emotions (Kruskal-Wallis). Beside the names: "
        "Cliff's δ against all other clips, -1 to 1. "
        f"p: Holm-corrected over {tested.n_tests:,} tests; clips taken as independent."
    )
    missing = [f"{test.feature} {test.n_missing:,}" for test in tested.features if test.n_missing]
    if missing:
        note += f" Clips without a value, left out: {', '.join(missing)}."
    few = [effect for effect in tested.effects if effect.reason.startswith("fewer")]
    if few:
        which = ", ".join(f"{short_name(effect.emotion)} {effect.feature}" for effect in few[:5])
        more = f" and {len(few) - 5:,} more" if len(few) > 5 else ""
        note += f" Fewer than {MIN_CLIPS} clips with a value, no effect size: {which}{more}."
    return note
