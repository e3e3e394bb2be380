"""The one progress bar: on a terminal a line that goes away, elsewhere nothing."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def progress_bar(console: Console, *, shown: bool = True, verb: str = "Scoring") -> Progress:
    """A bar over clips or heads; it draws nothing unless `shown` and on a terminal.

    Each task needs a field `rate`, the text behind its counts.
    """
    return Progress(
        TextColumn(verb),
        BarColumn(bar_width=None if console.width < 80 else 40),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        console=console,
        disable=not (shown and console.is_terminal),
        transient=True,
        expand=console.width < 80,
    )
