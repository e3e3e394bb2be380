"""Pieces of HTML that every part of the page uses."""

import re
from html import escape
from typing import Any
from urllib.parse import urlencode

from names import plain

from modeling_empathic.taxonomy import EMOTIONS

_SHORT = {emotion.name: emotion.bench_label for emotion in EMOTIONS}


def text(value: Any) -> str:
    """A name of anybody's as text in HTML, without what turns or hides letters.

    Example:
        >>> text("<b>")
        '&lt;b&gt;'
    """
    return escape(plain(value)) if str(value) else ""


def short(emotion: str) -> str:
    """The paper's short name of an emotion.

    Example:
        >>> from modeling_empathic.taxonomy import resolve
        >>> short(resolve("Hope_Optimism"))
        'Hope'
    """
    return _SHORT.get(emotion, emotion)


def address(**state: str) -> str:
    """The page in a state, as the value of `href`.

    Example:
        >>> address(system="a&b <c>")
        '?system=a%26b+%3Cc%3E'
    """
    return escape("?" + urlencode(state))


def brief(benchmark: str) -> str:
    """A benchmark's name with seven digits of its commit.

    Example:
        >>> brief("laion/emonet-voice-bench@" + 10 * "0123" + ", default, 12,000 rows")
        'laion/emonet-voice-bench@0123012, default, 12,000 rows'
    """
    return re.sub(r"@([0-9a-f]{7})[0-9a-f]{33}\b", r"@\1", benchmark)


def number(value: float | None, digits: int = 3, sign: str = "") -> str:
    """A figure with a true minus, `n/a` where there is none; `sign="+"` for differences.

    Example:
        >>> number(-0.0415, 2), number(0.5, sign="+"), number(None)
        ('−0.04', '+0.500', 'n/a')
    """
    if value is None:
        return "n/a"
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}".replace("-", "−")


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """Both ends in small type; nothing where there are none."""
    if low is None or high is None:
        return ""
    return f"<small>{number(low, digits)} to {number(high, digits)}</small>"


def tag(words: str, kind: str = "") -> str:
    """A mark beside a name."""
    return f' <span class="tag {kind}">{text(words)}</span>'


def box(label: str, table: str) -> str:
    """A table that scrolls by itself where the page is narrow, by keyboard too."""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(label)}">{table}</div>'
    )


def section(*parts: str) -> str:
    """What goes into one component of the page."""
    return f'<div class="board">{"".join(parts)}</div>'
