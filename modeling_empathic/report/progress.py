"""Says how far something is: on a terminal a line that goes away, elsewhere a line now and then."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.text import Text

EVERY_S = 10.0
"""Between two lines where there is no terminal."""
UNITS = ("clips", "recordings", "MB")


def progress_bar(console: Console, *, shown: bool = True, verb: str = "Scoring") -> "Bar":
    """A bar over clips or heads: drawn on a terminal, elsewhere a line every `EVERY_S` seconds.

    Each task needs a field `rate`, the text behind its counts.

    Args:
        console: Of standard error.
        shown: False says nothing anywhere.
        verb: What is being done.
    """
    return Bar(
        TextColumn(verb),
        BarColumn(bar_width=None if console.width < 80 else 40),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        _Left(),
        verb=verb,
        shown=shown,
        console=console,
        disable=not (shown and console.is_terminal),
        transient=True,
        expand=console.width < 80,
    )


@contextmanager
def status(console: Console, text: str) -> Iterator[None]:
    """Something that cannot be counted: a spinner on a terminal, elsewhere a line now and then.

    Args:
        console: Of standard error.
        text: What is being done, such as "Staging and checking".
    """
    if console.is_terminal:
        with console.status(text):
            yield
    else:
        with heartbeat(console, text):
            yield


@contextmanager
def heartbeat(console: Console, text: str) -> Iterator[None]:
    """Only the lines of `status`, for what shows something of its own on a terminal."""
    start = time.monotonic()
    with _saying(console, lambda: f"{text}: {_clock(time.monotonic() - start)} so far"):
        yield


class Bar(Progress):
    """Rich's progress, with an estimate that holds where work is done in bursts.

    The time left is that of the work so far: what was done since the total was known, over the time
    until the last of it was done. What was there before, or is skipped, is no work.
    """

    def __init__(self, *columns: ProgressColumn, verb: str, shown: bool, **options: Any):
        super().__init__(*columns, **options)
        self._verb, self._start_s = verb, time.monotonic()
        # Nothing without a terminal, and nothing where nothing is to be shown.
        self._says = shown and not self.console.is_terminal
        self._saying: Any = None

    def start(self) -> None:
        """Draws, or starts to say now and then how far it is."""
        super().start()
        if self._says and self._saying is None:
            self._saying = _saying(self.console, self._line)
            self._saying.__enter__()

    def stop(self) -> None:
        """Ends it."""
        if self._saying is not None:
            self._saying.__exit__(None, None, None)
            self._saying = None
        super().stop()

    def add_task(self, *args: Any, **fields: Any) -> TaskID:
        """As Rich's."""
        task_id = super().add_task(*args, **fields)
        self._note(task_id)
        return task_id

    def update(self, task_id: TaskID, **fields: Any) -> None:
        """As Rich's."""
        super().update(task_id, **fields)
        self._note(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """As Rich's."""
        super().advance(task_id, advance)
        self._note(task_id)

    def skip(self, task_id: TaskID, n: float = 1) -> None:
        """Advances by what took no time and must not change the estimate."""
        fields = self._tasks[task_id].fields
        if "begun" in fields:
            time_s, done = fields["begun"]
            fields["begun"] = (time_s, done + n)
        self.advance(task_id, n)

    def _note(self, task_id: TaskID) -> None:
        task, now = self._tasks[task_id], self.get_time()
        if task.total is None:
            return
        time_s, done = task.fields.setdefault("begun", (now, task.completed))
        if task.completed - done != task.fields.get("worked", (0.0, 0.0))[1]:
            task.fields["worked"] = (now - time_s, task.completed - done)

    def _line(self) -> str:
        """How far the last task is that is not finished."""
        so_far = f"{_clock(time.monotonic() - self._start_s)} so far"
        tasks = [task for task in self.tasks if task.total is not None]
        if not tasks:
            return f"{self._verb}: {so_far}"
        task = next((task for task in reversed(tasks) if not task.finished), tasks[-1])
        counts = f"{task.completed:,.0f} of {task.total:,.0f}"
        rate = task.fields.get("rate") or ""
        if rate:
            rate = f" {rate}" if rate in UNITS else f" ({rate})"
        left = remaining_s(task)
        about = f", about {_clock(left)} left" if left is not None else ""
        return f"{self._verb}: {counts}{rate}, {so_far}{about}"


def remaining_s(task: Task) -> float | None:
    """Seconds until a task of a `Bar` is done; None where that cannot be said.

    It cannot before any work, and when what is left takes longer than it should.

    Example:
        A hundred came every ten seconds, the last hundred two seconds ago:

        >>> bar = progress_bar(Console(), shown=False)
        >>> now = 0.0
        >>> bar.get_time = lambda: now
        >>> task = bar.add_task("", total=1_000, rate="clips")
        >>> for now in (10.0, 20.0):
        ...     bar.advance(task, 100)
        >>> now = 22.0
        >>> remaining_s(bar.tasks[0])
        78.0
    """
    seconds, done = task.fields.get("worked", (0.0, 0.0))
    if task.total is None or not seconds or done <= 0:
        return None
    since = task.get_time() - task.fields["begun"][0] - seconds
    left = seconds / done * (task.total - task.completed) - since
    return float(left) if left > 0 else None


class _Left(ProgressColumn):
    """The time left."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        left = None if task.finished else remaining_s(task)
        return Text("-:--:--" if left is None else _clock(left), style="progress.remaining")


@contextmanager
def _saying(console: Console, line: Callable[[], str]) -> Iterator[None]:
    """Prints a line every `EVERY_S` seconds, until the block ends."""
    ended = threading.Event()

    def say() -> None:
        while not ended.wait(EVERY_S):
            console.print(line(), soft_wrap=True, markup=False, highlight=False)

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
