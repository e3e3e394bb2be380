"""Which recordings are shown, and in which order: `Anger > 2 and Awe <= 1`, by the peak of Fear."""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from modeling_empathic.heads_empathic import canonical, no_head
from modeling_empathic.taxonomy import UserError

from .recordings import HeadSpec, Recording

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
# "and" stands in names too: a condition ends behind its number only.
_CONDITION = re.compile(
    r"\s*(?P<name>[^<>=]+?)\s*(?P<sign>>=|<=|>|<)\s*(?P<limit>\d+(?:\.\d+)?)\s*"
    r"(?:,|&&?|\band\b|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Condition:
    """A head's peak against a limit from 0 to 10."""

    head: int
    name: str
    sign: str
    limit: float

    def holds(self, recording: Recording) -> bool:
        """Whether a recording's strongest window is above (or below) the limit."""
        return bool(_COMPARE[self.sign](recording.peak[self.head], self.limit))

    def __str__(self) -> str:
        return f"{self.name} {self.sign} {self.limit:g}"


def conditions(text: str, heads: Sequence[HeadSpec]) -> list[Condition]:
    """Reads `NAME > NUMBER and NAME <= NUMBER …`; nothing in it is ever run.

    Args:
        text: Names in any spelling, numbers from 0 to 10, signs `>`, `>=`, `<`, `<=`; more than one
            with `and` or a comma between them.
        heads: Of the model.

    Raises:
        UserError: Anything else, with the valid names.

    Example:
        >>> heads = [{"name": "Anger"}, {"name": "Impatience and Irritability"}]
        >>> [str(c) for c in conditions("anger>2 and impatience and irritability<=1.5", heads)]
        ['Anger > 2', 'Impatience and Irritability <= 1.5']
    """
    found: list[Condition] = []
    at = 0
    while at < len(text) or not found:
        match = _CONDITION.match(text, at)
        if match is None:
            raise UserError(
                f"filter {text!r}: cannot read {text[at:].strip() or 'an empty condition'!r}; "
                "write NAME > NUMBER, as in 'Anger > 2 and Awe <= 1.5', with >, >=, < or <= and "
                f"numbers from 0 to 10; names are {_known(heads)}"
            )
        limit = float(match["limit"])
        if limit > 10:
            raise UserError(f"filter {text!r}: {limit:g} is not from 0 to 10, the scale of scores")
        head = head_number(match["name"], heads, "filter")
        found.append(Condition(head, heads[head]["name"], match["sign"], limit))
        at = match.end()
    return found


def head_number(name: str, heads: Sequence[HeadSpec], argument: str) -> int:
    """The number of a head by its name in any spelling.

    Raises:
        UserError: The model has none of that name; with what the name may mean, or all there are.
    """
    names = [head["name"] for head in heads]
    try:
        return names.index(canonical(name.strip()))
    except ValueError:  # not in the list; or no spelling of anything
        raise UserError(f"{argument}: {no_head(name.strip(), names)}") from None


def chosen(
    recordings: Iterable[Recording], filters: Sequence[Condition], sort: int | None
) -> Iterator[Recording]:
    """The recordings for which every condition holds, strongest first where a head is given.

    A recording counts by its strongest window, so that a long one does not hide an outburst in its
    mean. What could not be scored is left out where there are conditions, and last in order.

    Args:
        recordings: In any order; all are held in memory only to be sorted.
        filters: Of [`conditions`].
        sort: Number of a head.
    """
    kept = (
        recording
        for recording in recordings
        if not filters
        or (recording.error is None and all(condition.holds(recording) for condition in filters))
    )
    if sort is None:
        yield from kept
    else:
        yield from sorted(
            kept, key=lambda one: float("inf") if one.error is not None else -one.peak[sort]
        )


def _known(heads: Sequence[HeadSpec]) -> str:
    return ", ".join(head["name"] for head in heads)
