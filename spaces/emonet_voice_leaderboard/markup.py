"""Pieces of HTML that every part of the page uses."""

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from modeling_empathic.taxonomy import EMOTIONS

_SHORT = {emotion.name: emotion.bench_label for emotion in EMOTIONS}


def text(value: Any) -> str:
    """A name of anybody's as text in HTML.

    Example:
        >>> text("<b>")
        '&lt;b&gt;'
    """
    return escape(str(value))


def short(emotion: str) -> str:
    """The paper's short name of an emotion.

    Example:
        >>> from modeling_empathic.taxonomy import resolve
        >>> short(resolve("Hope_Optimism"))
        'Hope'
    """
    return _SHORT.get(emotion, emotion)


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


def name_cell(label: str, row: Mapping[str, Any], tags: str = "") -> str:
    """The head of a system's row: its name, marks, and which model it was when."""
    about = []
    if row.get("model") and row["model"] != row["system"]:
        about.append(row["model"])
    if row.get("revision"):
        about.append(f"at {row['revision'][:7]}")
    if row.get("time"):
        about.append(row["time"][:10])
    small = f"<small>{text(' '.join(about))}</small>" if about else ""
    name = text(row["system"])
    return (
        f'<th scope="row" data-v="{name}"><bdi class="name" title="{text(label)}">{name}</bdi>'
        f"{tags}{small}</th>"
    )


def tag(words: str, kind: str = "") -> str:
    """A mark beside a name."""
    return f' <span class="tag {kind}">{text(words)}</span>'


def group_row(title: str, columns: int) -> str:
    """A line above the rows of one benchmark.

    Args:
        title: HTML.
        columns: Of the table.
    """
    return (
        f'<tr class="group"><th colspan="{columns}" scope="rowgroup"><span>{title}</span></th></tr>'
    )


def box(label: str, table: str) -> str:
    """A table that scrolls by itself where the page is narrow, by keyboard too."""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(label)}">{table}</div>'
    )


def section(*parts: str) -> str:
    """What goes into one component of the page."""
    return f'<div class="board">{"".join(parts)}</div>'
