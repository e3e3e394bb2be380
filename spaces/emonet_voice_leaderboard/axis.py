"""Figures drawn on an axis that says where zero is, the same one in every row."""

import math
from collections.abc import Iterable
from typing import NamedTuple


class Axis(NamedTuple):
    """From `low` to `high` in equal steps of `step`; zero is on it.

    Example:
        >>> axis = axis_of([0.274, 0.418, None])
        >>> axis.high, axis.ticks, axis.at(0.25)
        (0.5, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5], 50.0)
    """

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> list[float]:
        """Values with a number below them."""
        n = round((self.high - self.low) / self.step)
        return [round(self.low + number * self.step, 6) for number in range(n + 1)]

    def at(self, value: float) -> float:
        """Where a value is, in per cent of the width."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def numbers(self) -> str:
        """The ticks' numbers, for the head of the column."""
        marks = "".join(
            f'<b style="left:{self.at(tick)}%">{f"{tick:g}".replace("-", "−")}</b>'
            for tick in self.ticks
        )
        return f'<span class="axis numbers" aria-hidden="true">{marks}</span>'

    def row(self, *marks: str) -> str:
        """A picture of one row: grid, zero, and marks."""
        steps = len(self.ticks) - 1
        zero = f'<i class="zero" style="left:{self.at(0)}%"></i>'
        return (
            f'<span class="axis" style="--steps:{steps}" aria-hidden="true">'
            f"{zero}{''.join(marks)}</span>"
        )

    def mark(self, kind: str, value: float | None) -> str:
        """A mark at a value, nothing where there is none."""
        return "" if value is None else f'<i class="{kind}" style="left:{self.at(value)}%"></i>'

    def span(self, kind: str, low: float | None, high: float | None) -> str:
        """A bar between two values, nothing where one is missing."""
        if low is None or high is None:
            return ""
        left = self.at(low)
        width = max(self.at(high) - left, 0)
        return f'<i class="{kind}" style="left:{left}%;width:{width:.2f}%"></i>'


def axis_of(values: Iterable[float | None]) -> Axis:
    """An axis for correlations, from zero or the least below it, ending on a step."""
    there = [value for value in values if value is not None]
    low, high = min([0.0, *there]), max([0.1, *there])
    step = next(step for step in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0) if high - low <= 8 * step)
    tiny = 1e-9
    return Axis(
        round(math.floor(low / step + tiny) * step, 6),
        round(math.ceil(high / step - tiny) * step, 6),
        step,
    )
