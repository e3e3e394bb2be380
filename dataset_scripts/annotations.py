"""Ratings as data, and the paper's annotation protocol as code (section 3.3, Table 4).

An item is a clip shown with one target emotion. Two raters judge it; a third follows when both
found the emotion, and a random share of items gets a third or a fourth rater whatever the first
two said. The groups are balanced in gender and nobody sees anybody else's score.

Everything is a pure function of an item's ratings so far, so that an annotation Space with a
database and a simulation run the same rules. What to show comes from [`next_item`], what a
finished item means from [`summarise`].
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from modeling_empathic.taxonomy import UserError

SCORES = (0, 1, 2)
"""Not perceived; mildly present at low intensity; intensely present (paper 3.3)."""

AGREEMENT_TYPES = (
    *("4:0 (+)", "3:0 (+)", "2:0 (+)", "3:1 (+)", "2:1 (+)"),
    *("2:2", "1:1"),
    *("2:1 (-)", "3:1 (-)", "2:0 (-)", "3:0 (-)", "4:0 (-)"),
)
"""Figure 1's types for two to four raters, in the order of its bars: presence to absence."""


class Rating(NamedTuple):
    """One rater's score of one item, 0, 1 or 2."""

    rater: str
    score: int


class Summary(NamedTuple):
    """What the ratings of one item say together.

    Attributes:
        n_raters: Number of ratings.
        mean_0_10: Mean score times five, on the paper's 0 to 10 scale.
        majority: The most frequent score; of tied ones the nearest to the mean, then the lower.
        agreement: Raters on the larger and on the smaller side and which side won, as in Figure 1:
            `"2:1 (+)"` where two of three found the emotion (score 1 or 2), `"1:1"` for a draw.
        unanimous_present: Whether every rater found the emotion.
    """

    n_raters: int
    mean_0_10: float
    majority: int
    agreement: str
    unanimous_present: bool


@dataclass(frozen=True)
class Protocol:
    """Who rates, and how many items get more raters than they need.

    The paper publishes no shares. The defaults reproduce Table 4 (36, 61 and 3 % of items with two,
    three and four raters) when raters find the emotion 63 times in a hundred.

    Attributes:
        raters: Gender of each rater, in any words: `{"human-1": "f", "human-2": "m"}`. One who
            leaves is taken out; the seats they filled stay filled.
        third_share: Share of items with at least three raters whatever the first two say.
        fourth_share: Share of items with four raters, part of `third_share`.
        seed: Of the draw. Processes that share it draw the same items.

    Raises:
        UserError: Shares out of order, or fewer raters than an item may need.
    """

    raters: Mapping[str, str]
    third_share: float = 0.4
    fourth_share: float = 343 / 12_600
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.fourth_share <= self.third_share <= 1:
            raise UserError(
                "shares must be 0 <= fourth_share <= third_share <= 1, not "
                f"fourth_share={self.fourth_share}, third_share={self.third_share}"
            )
        needed = 4 if self.fourth_share else 3
        if len(self.raters) < needed:
            raise UserError(f"{len(self.raters)} raters, but an item may need {needed}")


def summarise(ratings: Sequence[Rating]) -> Summary:
    """Mean, majority and agreement of one item's ratings; their order does not matter.

    Raises:
        UserError: No rating, a score that is not 0, 1 or 2, or a rater who rated twice.

    Example:
        >>> summarise([Rating("human-1", 0), Rating("human-2", 2), Rating("human-4", 1)])
        Summary(n_raters=3, mean_0_10=5.0, majority=1, agreement='2:1 (+)', unanimous_present=False)
    """
    if not ratings:
        raise UserError("no ratings to summarise")
    raters = [rating.rater for rating in ratings]
    if len(set(raters)) < len(raters):
        twice = next(rater for rater in raters if raters.count(rater) > 1)
        raise UserError(f"rater {twice!r} rated the same item twice")
    scores = [_checked(rating.score) for rating in ratings]
    n, total = len(scores), sum(scores)
    present = n - scores.count(0)
    # In whole numbers (times n), so that no rounding breaks or makes a tie.
    majority = min(set(scores), key=lambda s: (-scores.count(s), abs(n * s - total), s))
    return Summary(n, 5 * total / n, majority, agreement_type(present, n), present == n)


def agreement_type(n_present: int, n_raters: int) -> str:
    """Figure 1's name for an item in which `n_present` of `n_raters` found the emotion.

    Example:
        >>> agreement_type(3, 3), agreement_type(1, 2), agreement_type(1, 3)
        ('3:0 (+)', '1:1', '2:1 (-)')
    """
    n_absent = n_raters - n_present
    sign = "" if n_present == n_absent else " (+)" if n_present > n_absent else " (-)"
    return f"{max(n_present, n_absent)}:{min(n_present, n_absent)}{sign}"


def _checked(score: int) -> int:
    if score not in SCORES:
        raise UserError(f"score {score!r} is not one of {SCORES}")
    return int(score)


CONSENSUS: dict[str, Callable[[Sequence[Rating]], bool]] = {
    "unanimous_present": lambda ratings: all(rating.score > 0 for rating in ratings),
    "unanimous_absent": lambda ratings: all(rating.score == 0 for rating in ratings),
    "unanimous": lambda ratings: len({rating.score > 0 for rating in ratings}) == 1,
    "same_score": lambda ratings: len({rating.score for rating in ratings}) == 1,
}
"""Views of a data set by how far its raters agree, from one item's ratings.

`unanimous_present` is the release's 4,692 clips; `same_score` is stricter, mild is not intense."""


def seats(item_id: str, ratings: Sequence[Rating], protocol: Protocol) -> int:
    """How many raters the item should have, as far as its ratings so far tell: 2, 3 or 4.

    Args:
        item_id: Any stable name; the random share is drawn from it and the protocol's seed.
        ratings: In the order in which they came in; the first two decide about a third.
        protocol: Shares and seed.
    """
    if len(ratings) < 2:
        return 2
    draw = _draw("extra", protocol, item_id)
    if draw < protocol.fourth_share:
        return 4
    both_present = all(rating.score > 0 for rating in ratings[:2])
    return 3 if both_present or draw < protocol.third_share else 2


def open_seats(
    item_id: str, ratings: Sequence[Rating], protocol: Protocol, pending: Collection[str] = ()
) -> int:
    """Seats of an item that are neither filled nor held by a rater who is judging it now.

    Args:
        item_id: As in [`seats`].
        ratings: As in [`seats`].
        protocol: Raters, shares and seed.
        pending: Raters who were given the item and have not answered.

    Example:
        >>> protocol = Protocol({"a": "f", "b": "m", "c": "f"}, third_share=0, fourth_share=0)
        >>> both = [Rating("a", 1), Rating("b", 2)]
        >>> open_seats("clip", [], protocol), open_seats("clip", both, protocol)
        (2, 1)
        >>> open_seats("clip", both, protocol, pending={"c"})
        0
    """
    return max(0, seats(item_id, ratings, protocol) - len(ratings) - len(pending))


def may_rate(
    rater: str,
    item_id: str,
    ratings: Sequence[Rating],
    protocol: Protocol,
    pending: Collection[str] = (),
) -> bool:
    """Whether this rater may be given this item now.

    There must be an open seat, the rater must be new to the item, and of a gender that the group
    has least of, among the genders of all raters who could still join it. The scores of others play
    no part beyond opening the third seat.

    Raises:
        UserError: The rater is not one of the protocol's.
    """
    if rater not in protocol.raters:
        raise UserError(f"unknown rater {rater!r}; choose from {', '.join(protocol.raters)}")
    seated = {rating.rater for rating in ratings} | set(pending)
    if rater in seated or not open_seats(item_id, ratings, protocol, pending):
        return False
    group = Counter(protocol.raters[name] for name in seated if name in protocol.raters)
    could_join = {gender for name, gender in protocol.raters.items() if name not in seated}
    return group[protocol.raters[rater]] == min(group[gender] for gender in could_join)


def next_item(
    rater: str,
    ratings: Mapping[str, Sequence[Rating]],
    protocol: Protocol,
    pending: Mapping[str, Collection[str]] | None = None,
) -> str | None:
    """The item to show this rater next, or None while there is none.

    Items come in one random order that all raters share, so that emotions mix and groups fill up
    from its front. Call it in the transaction that records the rater as pending, and drop pending
    raters who went away, or their seats stay taken.

    Args:
        rater: One of the protocol's.
        ratings: Every item with its ratings so far, also those without one.
        protocol: Raters, shares and seed.
        pending: Raters who are judging an item now, by item.

    Example:
        >>> protocol = Protocol({"a": "f", "b": "m", "c": "f"}, third_share=0, fourth_share=0)
        >>> next_item("c", {"clip": [Rating("a", 0)]}, protocol) is None  # a man's turn
        True
        >>> next_item("b", {"clip": [Rating("a", 0)]}, protocol)
        'clip'
    """
    held = pending or {}
    allowed = (
        item_id
        for item_id, so_far in ratings.items()
        if may_rate(rater, item_id, so_far, protocol, held.get(item_id, ()))
    )
    return min(allowed, key=lambda item_id: _draw("order", protocol, item_id), default=None)


def simulate(
    items: Iterable[str],
    protocol: Protocol,
    rng: np.random.Generator,
    perceive: Callable[[str, str], int],
) -> Iterator[tuple[str, Rating]]:
    """Plays the protocol: item by item, a random rater of those who may, until no seat is open.

    Args:
        items: Item names.
        protocol: Raters, shares and seed.
        rng: Chooses the raters.
        perceive: `(item_id, rater) -> score` of 0, 1 or 2: what this rater hears in this item.

    Yields:
        Item name and rating, all ratings of an item in succession.

    Example:
        >>> protocol = Protocol({"a": "f", "b": "m", "c": "f"}, third_share=0, fourth_share=0)
        >>> played = simulate(["x", "y"], protocol, np.random.default_rng(0), lambda *_: 1)
        >>> [item_id for item_id, _ in played]
        ['x', 'x', 'x', 'y', 'y', 'y']
    """
    for item_id in items:
        ratings: list[Rating] = []
        while able := [r for r in protocol.raters if may_rate(r, item_id, ratings, protocol)]:
            rater = able[rng.integers(len(able))]
            ratings.append(Rating(rater, _checked(perceive(item_id, rater))))
            yield item_id, ratings[-1]


def _draw(purpose: str, protocol: Protocol, item_id: str) -> float:
    """A number in [0, 1) that every process draws alike, unlike Python's salted `hash`."""
    text = f"{purpose}:{protocol.seed}:{item_id}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
