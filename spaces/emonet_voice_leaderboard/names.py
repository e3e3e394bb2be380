"""Names of anybody's made harmless for the eye: no order turned round, no look-alike hyphens.

Two systems must not look the same, and none may look like what it is not. What cannot be seen is
taken out, every dash becomes a hyphen, and a word of two alphabets is said to be one.
"""

import unicodedata
from typing import Any

_DASHES = "\u2043\u02d7\u2212"
_UNSEEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
_BLANK = "\u2800\u3164\u115f\u1160"  # letters and signs by category, and nothing to see
_ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU")
MOST_MARKS = 2


def plain(value: Any) -> str:
    r"""A name as it may be shown; still to be escaped for HTML.

    Example:
        >>> plain("a\u202eb\u2011c\u200b  d\u0301\u0301\u0301")
        'ab-c d́́'
        >>> plain("\u202e")
        'unnamed'
    """
    kept: list[str] = []
    marks = 0
    for sign in unicodedata.normalize("NFKC", str(value)):
        kind = unicodedata.category(sign)
        marks = marks + 1 if kind[0] == "M" else 0
        if kind == "Pd" or sign in _DASHES:
            kept.append("-")
        elif kind in _UNSEEN or sign in _BLANK:
            kept.append(" " if kind[0] == "Z" or sign in "\t\n\r" else "")
        elif marks <= MOST_MARKS:
            kept.append(sign)
    return " ".join("".join(kept).split()) or "unnamed"


def alphabets(name: str) -> list[str]:
    r"""The alphabets of a word that mixes several, as a name does that imitates another one.

    Example:
        >>> alphabets("G\u0435mini 2.0"), alphabets("Gemini \u03c1")
        (['Latin', 'Cyrillic'], [])
    """
    for word in plain(name).replace("-", " ").split():
        of = [unicodedata.name(sign, "").split(" ")[0] for sign in word if sign.isalpha()]
        found = [alphabet for alphabet in _ALPHABETS if alphabet in of]
        if len(found) > 1:
            return [alphabet.capitalize() for alphabet in found]
    return []
