"""How a rater came to an answer: what was heard, how long it took, and what is odd in the clip."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from modeling_empathic.taxonomy import UserError

FLAGS = ("no speech", "two speakers", "music", "cut off")
"""What a rater can say of a clip beside the score."""
MAX_COMMENT = 500
LONGEST_S = 86_400.0
MOST_PLAYS = 1_000


class HearingError(UserError):
    """What came with an answer cannot be so."""


class Hearing(NamedTuple):
    """What came with a score.

    Attributes:
        plays: How often the clip was started at its beginning; None where it is not known.
        heard_s: Seconds of it that were played, repeats included.
        answer_s: From the moment at which it could be played to the answer.
        flags: Of `FLAGS`.
        comment: The rater's own words, at most `MAX_COMMENT` characters.
    """

    plays: int | None = None
    heard_s: float | None = None
    answer_s: float | None = None
    flags: tuple[str, ...] = ()
    comment: str = ""


def read_hearing(given: Mapping[str, Any]) -> Hearing:
    """What the page sent, checked.

    Raises:
        HearingError: Other keys, a value that cannot be, or a clip that was not heard.

    Example:
        >>> read_hearing({"plays": 1, "heard_s": 3, "answer_s": 5.25, "flags": ["music"],
        ...               "comment": ""})
        Hearing(plays=1, heard_s=3.0, answer_s=5.25, flags=('music',), comment='')
    """
    if given.keys() != set(Hearing._fields):
        raise HearingError(f"needed of the hearing: {', '.join(Hearing._fields)}")
    plays, flags, comment = given["plays"], given["flags"], given["comment"]
    if type(plays) is not int or not 0 <= plays <= MOST_PLAYS:
        raise HearingError(f"plays {plays!r:.40} is not a number of plays")
    heard_s, answer_s = (_seconds(name, given[name]) for name in ("heard_s", "answer_s"))
    if not plays or not heard_s:
        raise HearingError("listen to the recording first")
    if not isinstance(flags, list) or any(flag not in FLAGS for flag in flags):
        raise HearingError(f"flags {flags!r:.80} are not of {', '.join(FLAGS)}")
    if not isinstance(comment, str) or len(comment) > MAX_COMMENT:
        raise HearingError(f"the comment is not a text of at most {MAX_COMMENT} characters")
    known = tuple(flag for flag in FLAGS if flag in flags)
    return Hearing(plays, heard_s, answer_s, known, " ".join(comment.split()))


def _seconds(name: str, value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= LONGEST_S:
        raise HearingError(f"{name} {value!r:.40} is not a number of seconds")
    return round(float(value), 2)
