"""What the terminal shows of a folder: each emotion over all clips, or all clips by one emotion."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from modeling_empathic.report.tables import plain, printable, show
from modeling_empathic.scoring.overview import Moment, Overview, percentile
from modeling_empathic.scoring.recordings import Recording, time_of
from modeling_empathic.taxonomy import short_name

from .screen_text import bar, shortened

MAX_LINES = 20


def show_overview(console: Console, overview: Overview) -> None:
    """Prints a line an emotion: its mean, and the clip in which it is strongest.

    Args:
        console: Where.
        overview: Of all clips that are shown.
    """
    rows = overview.rows()
    compared = overview.reference is not None
    headers = [
        "Emotion",
        "mean",
        *["usual"] * compared,
        "highest",
        *["above"] * compared,
        "strongest in",
    ]
    name_width = max(12, min(27, console.width // 3))
    room = max(12, console.width - name_width - (39 if compared else 24))
    lines = []
    for row in rows:
        best = row.strongest[0]
        lines.append(
            [
                row.name if console.width >= 80 else short_name(row.name),
                f"{row.mean:.1f}",
                *([_number(row.usual)] if compared else []),
                f"{best.intensity:.1f}",
                *([_percent(best.percentile)] if compared else []),
                _places(row.strongest, room),
            ]
        )
    title = f"{overview.n_scored:,} clips, intensity from 0 to 10"
    notes = ["Emotions differ in base rate: compare one across clips rather than with another."]
    if overview.reference is not None:
        notes.append(
            f"usual: mean of the model's {overview.reference.n_clips:,} reference clips; above: "
            "how many of them the highest exceeds."
        )
    section = plain(title, headers, lines, *notes, quality_line(overview))
    console.print()
    show([section._replace(text_last=1)], console)


def show_sorted(
    console: Console,
    clips: Sequence[Recording],
    head: dict[str, Any],
    number: int,
    overview: Overview,
) -> None:
    """Prints a line a clip, the strongest in one emotion first.

    Args:
        console: Where.
        clips: In this order, at most as many as there is room for.
        head: The emotion.
        number: Of the head.
        overview: Of all clips.
    """
    console.print(f"\n{head['name']} of each clip, from 0 to 10, highest first\n", style="dim")
    grid = Table.grid(padding=(0, 1))
    bar_width = max(6, min(24, console.width // 4))
    room = max(12, console.width - bar_width - 28)
    for clip in clips:
        score = float(clip.native[clip.peak_at[number], number])
        rank = percentile(head, score, overview.reference)
        when = "" if len(clip.rows) == 1 else time_of(clip.spans_s[clip.peak_at[number], 0])
        grid.add_row(
            Text(printable(shortened(clip.name, room))),
            Text(bar(clip.peak[number], bar_width), "cyan"),
            f"{clip.peak[number]:.1f}",
            Text("" if rank is None else f"above {_percent(rank)}", "dim"),
            Text(when, "dim"),
        )
    console.print(grid)
    if overview.n_scored > len(clips):
        console.print(f"… and {overview.n_scored - len(clips):,} more", style="dim")
    if any(len(clip.rows) > 1 for clip in clips):
        console.print("Of several windows, the strongest, and when it starts.", style="dim")
    if overview.reference is not None:
        console.print(
            f"above: how many of the model's {overview.reference.n_clips:,} reference clips it "
            "exceeds.",
            style="dim",
        )
    console.print()


def quality_line(overview: Overview) -> str:
    """How many clips are doubtful, and why; empty where none is.

    Example:
        >>> from collections import Counter
        >>> quality_line(Overview([], quality=Counter({"too short": 2, "clipped": 1})))
        'Doubtful: 2 too short, 1 clipped (column quality).'
    """
    counts = ", ".join(f"{n:,} {word}" for word, n in overview.quality.most_common())
    return f"Doubtful: {counts} (column quality)." if counts else ""


def _places(strongest: Sequence[Moment], room: int) -> str:
    """Names of the strongest clips, as many as there is room for, but one."""
    text = ""
    for moment in strongest:
        when = "" if moment.start_s is None else f" at {time_of(moment.start_s)}"
        if not text:
            text = shortened(moment.name, max(8, room - len(when))) + when
        elif len(text) + len(moment.name) + len(when) + 2 <= room:
            text += f", {moment.name}{when}"
        else:
            break
    return text


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _percent(value: float | None) -> str:
    """Never 100 %: no clip is above those that were not heard."""
    if value is None:
        return ""
    return "all" if value >= 100 else f"{min(value, 99):.0f} %"
