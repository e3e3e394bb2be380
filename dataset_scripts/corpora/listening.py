"""How each rating was heard, where a source says it: plays, seconds, time to answer, flags.

The annotation Space writes a text column `listening` beside the label, JSON by rater:

    {"human-1": {"plays": 2, "heard_s": 6.1, "answer_s": 9.4, "flags": ["music"]}}

The public release has none. Comments are not read: they are for those who made the ratings.
"""

import json
from typing import Any

import datasets

from dataset_scripts.annotations import Rating
from dataset_scripts.corpora.raw_release import RawReleaseError

FEATURES = {
    "plays": datasets.Value("int32"),
    "heard_s": datasets.Value("float32"),
    "answer_s": datasets.Value("float32"),
    "flags": datasets.List(datasets.Value("string")),
}
"""Columns that each rating gets; null where nothing is known of it."""
MAX_FLAGS = 20


def listening_of(text: str | None, ratings: list[Rating]) -> list[dict[str, Any]]:
    """What is known of each rating, in the order of the ratings.

    Args:
        text: The column's value; None where nothing is known.
        ratings: Of the same row. What is said of others is not read.

    Raises:
        RawReleaseError: It is no such JSON, or a value that cannot be.

    Example:
        >>> text = '{"a": {"plays": 1, "heard_s": 3.0, "answer_s": 4.5, "flags": []}}'
        >>> listening_of(text, [Rating("a", 2)])
        [{'plays': 1, 'heard_s': 3.0, 'answer_s': 4.5, 'flags': []}]
    """
    try:
        known = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise RawReleaseError(f"listening {text!r:.80} is not JSON: {error}") from None
    if not isinstance(known, dict):
        raise RawReleaseError(f"listening {text!r:.80} is not a table by rater")
    return [_checked(rating.rater, known.get(rating.rater)) for rating in ratings]


def _checked(rater: str, given: Any) -> dict[str, Any]:
    if given is None:
        return dict.fromkeys(FEATURES)
    where = f"listening of {rater!r:.80}"
    if not isinstance(given, dict):
        raise RawReleaseError(f"{where} is {given!r:.80}, not a table")
    plays, flags = given.get("plays"), given.get("flags") or []
    if plays is not None and (type(plays) is not int or not 0 <= plays <= 10**6):
        raise RawReleaseError(f"{where}: plays is {plays!r:.40}, not a count")
    for name in ("heard_s", "answer_s"):
        seconds = given.get(name)
        if seconds is not None and (type(seconds) not in (int, float) or not 0 <= seconds < 10**7):
            raise RawReleaseError(f"{where}: {name} is {seconds!r:.40}, not a number of seconds")
    if not isinstance(flags, list) or len(flags) > MAX_FLAGS:
        raise RawReleaseError(f"{where}: flags is {flags!r:.80}, not a list")
    if not all(isinstance(flag, str) and flag.isprintable() for flag in flags):
        raise RawReleaseError(f"{where}: flags {flags!r:.80} are not texts")
    return {**{name: given.get(name) for name in FEATURES}, "flags": flags}
