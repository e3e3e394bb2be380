"""From what a system said about a clip to one row an emotion: a score, or why there is none.

Nothing is guessed and nothing becomes a zero. An answer that covers a part of the emotions gives
scores for these; the others are `unmapped`. A number outside 0 to 10 is a `parse_error` of its
emotion alone.
"""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from modeling_empathic.taxonomy import UnknownNameError, resolve

from .errors import one_line

# The beginnings of what language models say in place of an answer, apostrophes of both kinds; also
# in the languages of the clips, in which some answer.
_REFUSAL = re.compile(
    r"\W*(?:"
    r"(?:i['’]?m|i am|we['’]?re|we are) (?:very |really |so )?(?:sorry|unable|not able|afraid)"
    r"|i (?:apologi[sz]e|can['’]?t|cannot|can not|won['’]?t|will not|must decline|decline)"
    r"|sorry\b|unfortunately\b|as an ai\b|my apologies"
    r"|(?:es )?tut mir .{0,12}leid\b|leider\b|(?:bitte )?entschuldig|als (?:ki\b|sprachmodell)"
    r"|(?:ich|das|dabei|dazu) (?:kann|darf|bin|werde)\b.{0,60}?\b(?:nicht|kein)"
    r"|lo (?:siento|lamento)\b|lament|desafortunad|disculp|perd[oó]n"
    r"|no (?:me )?(?:puedo|podr[ée]|es posible|estoy)\b|como (?:una? )?(?:ia\b|modelo)"
    r"|(?:je suis |nous sommes )?(?:vraiment )?(?:d[ée]sol|navr)[ée]|je regrette|malheureusement"
    r"|je ne (?:peux|pourrai|suis|saurais)\b|il m['’]est impossible|en tant qu['’](?:ia\b|un mod)"
    r")",
    re.IGNORECASE,
)
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n?\s*```", re.DOTALL | re.IGNORECASE)


class Reply(NamedTuple):
    """What a system said about one clip; this is what the cache keeps.

    Attributes:
        text: A JSON object of labels and scores on 0 to 10, or whatever came in its place.
        refusal: Why the system declined, where it says so outside of the text.
        finish: Why it stopped, in its own words (`stop`, `MAX_TOKENS`).
        model: The model as the service names it in the answer.
    """

    text: str
    refusal: str = ""
    finish: str = ""
    model: str = ""


class Row(NamedTuple):
    """One emotion of one clip.

    Attributes:
        emotion: Canonical name.
        score: On 0 to 10; None unless the outcome is `scored`.
        outcome: One of `emonet_voice.OUTCOMES`.
        detail: Why there is no score, else empty.
    """

    emotion: str
    score: float | None
    outcome: str
    detail: str = ""


def failed(emotions: Sequence[str], outcome: str, detail: str) -> list[Row]:
    """The rows of a clip that failed as a whole."""
    return [Row(emotion, None, outcome, one_line(detail)) for emotion in emotions]


def read_reply(
    reply: Reply, emotions: Sequence[str], top: float = 10
) -> tuple[list[Row], list[str]]:
    """One row an emotion, and the labels of the answer that no name in the taxonomy matches.

    Args:
        reply: The system's answer about a clip.
        emotions: Canonical names that were asked for.
        top: The highest score that it was allowed.

    Example:
        >>> rows, unknown = read_reply(Reply('{"awe": 7, "pain": 11, "joy": 3}'),
        ...                            ["Awe", "Pain", "Shame"])
        >>> for row in rows:
        ...     print(*filter(None, row), sep=", ")
        Awe, 7.0, scored
        Pain, parse_error, outside 0 to 10: 11
        Shame, unmapped, not in the answer
        >>> unknown
        ['joy']
        >>> read_reply(Reply("I'm sorry, I can't help with that."), ["Awe"])[0][0].outcome
        'refused'
    """
    if reply.refusal:
        return failed(emotions, "refused", reply.refusal), []
    try:
        labels = _read_object(reply.text)
    except ValueError as error:
        if _REFUSAL.match(reply.text):
            return failed(emotions, "refused", reply.text), []
        stopped = f" (stopped by: {reply.finish})" if reply.finish.lower() != "stop" else ""
        return failed(emotions, "parse_error", f"{error}{stopped if reply.finish else ''}"), []
    given: dict[str, list[tuple[str, Any]]] = {}
    unknown = []
    for label, value in labels:
        name = canonical(label)
        if name is None:
            unknown.append(label[:100])
        else:
            given.setdefault(name, []).append((label, value))
    if not any(emotion in given for emotion in emotions):
        # {"error": "I'm sorry, but ..."}: a refusal that keeps to the form.
        texts = [value for _, value in labels if isinstance(value, str) and _REFUSAL.match(value)]
        if texts:
            return failed(emotions, "refused", texts[0]), unknown
    return [_row(emotion, given.get(emotion, []), top) for emotion in emotions], unknown


@lru_cache(maxsize=4096)
def canonical(label: str) -> str | None:
    """The name that a label is a spelling of, None where there is none."""
    try:
        return resolve(label)
    except UnknownNameError:
        return None


def _row(emotion: str, given: list[tuple[str, Any]], top: float) -> Row:
    if not given:
        return Row(emotion, None, "unmapped", "not in the answer")
    if len(given) > 1:
        return _unreadable(emotion, f"several scores: {', '.join(label for label, _ in given)}")
    value = given[0][1]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _unreadable(emotion, f"not a number: {json.dumps(value)[:60]}")
    if not 0 <= value <= top:
        return _unreadable(emotion, f"outside 0 to {top:g}: {str(value)[:60]}")
    return Row(emotion, float(value), "scored")


def _unreadable(emotion: str, detail: str) -> Row:
    return Row(emotion, None, "parse_error", one_line(detail))


def _read_object(text: str) -> list[tuple[str, Any]]:
    """Key and value pairs of a JSON object, those that come twice included."""
    text = text.strip()
    if not text:
        raise ValueError("empty answer")
    fenced = _FENCED.fullmatch(text)  # models without structured output like to add a fence
    shown = one_line(text[:80])
    try:
        pairs = json.loads(
            fenced[1] if fenced else text,
            object_pairs_hook=_Pairs,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError):  # ValueError: also a number of thousands of digits
        raise ValueError(f"not JSON: {shown}") from None
    if not isinstance(pairs, _Pairs):
        raise ValueError(f"not a JSON object: {shown}")
    return pairs


class _Pairs(list[tuple[str, Any]]):
    """Key and value pairs of a JSON object; a list in the JSON stays a plain list."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
