"""How far something is: what is said without a terminal, and how long it will still take."""

import io
import re
import time

import pytest
from rich.console import Console

from modeling_empathic.report import progress
from tests.support.servers import wait_until

TIME = r"\d+:\d\d:\d\d"


@pytest.fixture
def console(monkeypatch):
    """No terminal; a line every hundredth of a second."""
    monkeypatch.setattr(progress, "EVERY_S", 0.01)
    return Console(file=io.StringIO(), width=80)


def said(console) -> list[str]:
    return console.file.getvalue().splitlines()


def test_without_a_terminal_a_line_says_how_many_are_done_and_what_is_left(console):
    with progress.progress_bar(console, verb="Building") as bar:
        task = bar.add_task("", total=1_200, rate="clips")
        wait_until(lambda: any("0 of" in line for line in said(console)), "a line")
        time.sleep(1.1)  # half of the work, so that there is a second left
        bar.advance(task, 600)
        wait_until(lambda: "left" in said(console)[-1], "a line with the clips")
    before = rf"Building: 0 of 1,200 clips, {TIME} so far"
    after = rf"Building: 600 of 1,200 clips, {TIME} so far, about {TIME} left"
    for line in (before, after):
        assert any(re.fullmatch(line, text) for text in said(console))


def test_what_cannot_be_counted_says_how_long_it_has_taken(console):
    with progress.status(console, "Staging"):
        wait_until(lambda: said(console), "a line")
    with progress.progress_bar(console, verb="Converting") as bar:
        bar.add_task("", total=None, rate="")
        wait_until(lambda: "Converting" in said(console)[-1], "a line")
    assert re.fullmatch(f"Staging: {TIME} so far", said(console)[0])
    assert re.fullmatch(f"Converting: {TIME} so far", said(console)[-1])


def test_of_several_tasks_the_line_is_about_the_last_that_is_not_done(console):
    with progress.progress_bar(console, verb="Training") as bar:
        bar.advance(bar.add_task("", total=1, rate="encoding"), 1)
        bar.add_task("", total=40, rate="training heads")
        wait_until(lambda: said(console), "a line")
        wait_until(lambda: "0 of 40 (training heads)" in said(console)[-1], "a line of the heads")


def test_nothing_is_said_where_nothing_is_shown_and_nothing_after_the_end(console):
    other = io.StringIO()
    with progress.progress_bar(console, shown=False) as bar:
        bar.add_task("", total=1, rate="")
        with progress.heartbeat(Console(file=other), "Waiting"):
            wait_until(other.getvalue, "a line")
    assert said(console) == []
    lines = other.getvalue()
    with progress.heartbeat(console, "Waiting longer"):
        wait_until(lambda: said(console), "a line")
    assert other.getvalue() == lines


class Clock:
    """A bar of 1,000 whose time is set by hand."""

    def __init__(self, done=0):
        self.now = 0.0
        self.bar = progress.progress_bar(Console(file=io.StringIO()), shown=False)
        self.bar.get_time = lambda: self.now
        self.task = self.bar.add_task("", total=None, rate="")
        self.now = 50.0  # reading the source, until the total is known
        self.bar.update(self.task, completed=done, total=1_000)

    def left(self):
        return progress.remaining_s(self.bar.tasks[0])


def test_work_in_bursts_is_estimated_by_all_of_it():
    """A hundred clips wait for each other and come at once, as those of a row group do."""
    clock = Clock()
    for burst in range(1, 6):
        clock.now = 50.0 + 60 * burst
        for _ in range(100):
            clock.bar.advance(clock.task)
        assert clock.left() == pytest.approx(60 * (10 - burst))
        clock.now += 59
        assert clock.left() == pytest.approx(60 * (10 - burst) - 59)


def test_what_was_done_before_and_what_is_skipped_is_no_work():
    clock = Clock(done=400)
    clock.bar.skip(clock.task, 200)
    assert clock.left() is None
    clock.now += 10
    clock.bar.advance(clock.task, 100)
    assert clock.left() == pytest.approx(30)


def test_what_takes_longer_than_it_should_has_no_estimate():
    clock = Clock()
    clock.now += 10
    clock.bar.advance(clock.task, 999)
    clock.now += 10
    assert clock.left() is None
