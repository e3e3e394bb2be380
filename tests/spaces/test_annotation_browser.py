"""The annotation Space in a real browser: Debian's Chromium, driven by Playwright."""

import json
import os
import re
import sqlite3
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from dataset_scripts.annotations import Protocol, Rating, may_rate, next_item
from modeling_empathic.taxonomy import EMOTION_NAMES
from tests.support.places import REPOSITORY

sys.path.append(str(REPOSITORY / "spaces" / "emotion_annotation"))

from annotation_batch import read_batch
from rater_list import Person, sha256
from rating_store import Store

from tests.support.browser_fixture import chromium, new_page, running_space, screenshot
from tests.support.servers import patience_s, reserved_port, started, wait_until

SPACE = REPOSITORY / "spaces" / "emotion_annotation"
SCRIPT = "<img src=x onerror=alert(1)>"  # a rater's name
PEOPLE = {"human-1": "f", "human-2": "m", SCRIPT: "f", "lab": ""}
SHARES = {"third_share": 0.25, "fourth_share": 0.0}


@pytest.fixture(scope="module", name="browser")
def browser_fixture():
    with chromium("--mute-audio") as launched:
        yield launched


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A batch of eight tones and three raters, one of them with markup for a name."""
    folder = tmp_path_factory.mktemp("project")
    lines = ["clip,emotion"]
    for number, emotion in enumerate(EMOTION_NAMES[:8]):
        tone = np.sin(np.arange(12_000) * (0.06 + 0.02 * number)) * 0.3
        soundfile.write(folder / f"tone_{number}.flac", tone, 16_000)
        lines.append(f"tone_{number}.flac,{emotion}")
    (folder / "batch.csv").write_text("\n".join(lines))
    raters = [",".join(Person(name, gender, "", sha256(name))) for name, gender in PEOPLE.items()]
    (folder / "raters.csv").write_text("\n".join([",".join(Person._fields), *raters]))
    environment = {
        "ANNOTATION_BATCH": str(folder / "batch.csv"),
        "ANNOTATION_RATERS": str(folder / "raters.csv"),
        "ANNOTATION_DATA": str(folder / "data"),
        **{f"ANNOTATION_{name.upper()}": str(share) for name, share in SHARES.items()},
    }
    with running_space(SPACE, folder, **environment) as url:
        yield SimpleNamespace(
            url=url,
            database=folder / "data" / "ratings.sqlite",
            items=read_batch(folder / "batch.csv"),
            protocol=Protocol({n: g for n, g in PEOPLE.items() if g}, **SHARES),
        )


@pytest.fixture
def open_page(browser, server):
    """Opens a page for somebody, in a context of their own; nobody has answered anything yet."""
    pages = []

    def opened(name: str, start: bool = True, **settings):
        page = new_page(browser, **settings)
        pages.append(page)
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(error))
        page.on("dialog", lambda dialog: page.errors.append(dialog.message))
        page.goto(server.url)
        page.get_by_label("Your code").fill(name)
        page.keyboard.press("Enter")
        if start:
            page.get_by_role("button", name="Start").click()
        return page

    with closing(sqlite3.connect(server.database)) as db, db:
        db.execute("DELETE FROM seats")  # of the test before
    yield opened
    for page in pages:
        assert page.errors == []
        page.context.close()


def shoot(page, name: str) -> None:
    screenshot(page, f"annotation-{name}")


def answers(database: Path) -> list[tuple[str, str, int]]:
    """What is on the disk, whether a server runs or not."""
    with closing(sqlite3.connect(database)) as db:
        rows = db.execute(
            "SELECT item, rater, score FROM seats WHERE score IS NOT NULL ORDER BY id"
        )
        return rows.fetchall()


def shown_item(page, server) -> str | None:
    """The item on the page once its clip plays; None when there is nothing to rate."""
    page.wait_for_selector("#view-wait:visible, .score:enabled")
    if page.locator("#view-wait").is_visible():
        return None
    emotion = page.locator("#emotion").inner_text()
    return next(i for i, item in server.items.items() if item.emotion == emotion)


def press(page, key: str) -> None:
    """Presses a key that changes something, and waits until it is confirmed."""
    with page.expect_response(re.compile("/api/(answer|undo)")) as reply:
        page.keyboard.press(key)
    assert reply.value.ok  # the buttons stay disabled until the page has dealt with it


def until(page, condition: str) -> None:
    """Waits for JavaScript to hold; Playwright's own way of waiting needs `eval` in the page."""
    wait_until(lambda: page.evaluate(condition), condition)


def test_two_raters_then_a_third_who_gets_exactly_what_the_protocol_says(open_page, server):
    first, second = open_page("human-1"), open_page("human-2")
    score = {item: number % 3 for number, item in enumerate(server.items)}
    mine = {"human-1": first, "human-2": second}
    seen: dict[str, list[str]] = {name: [] for name in mine}
    for turn in range(len(server.items)):
        for name, page in mine.items():
            item = shown_item(page, server)
            if turn == 3:
                shoot(page, f"rate-{name}")
            press(page, str(score[item]))
            seen[name].append(item)
    assert sorted(seen["human-1"]) == sorted(seen["human-2"]) == sorted(server.items)
    assert shown_item(first, server) is None
    assert first.get_by_role("heading", name="Nothing to rate right now").is_visible()
    shoot(first, "wait")

    both = {i: [Rating("human-1", score[i]), Rating("human-2", score[i])] for i in server.items}
    expected = {i for i, two in both.items() if may_rate(SCRIPT, i, two, server.protocol)}
    assert 0 < len(expected) < len(both)
    third = open_page(SCRIPT)
    assert third.locator("#name").inner_text() == SCRIPT  # as text
    shoot(third, "name-with-markup")
    for _ in expected:
        item = shown_item(third, server)
        assert item == next_item(SCRIPT, both, server.protocol)
        press(third, "2")
        both[item].append(Rating(SCRIPT, 2))
    assert shown_item(third, server) is None
    assert third.get_by_role("heading", name="This batch is complete").is_visible()
    shoot(third, "complete")
    rated = {(i, r.rater, r.score) for i, given in both.items() for r in given}
    assert set(answers(server.database)) == rated

    organiser = open_page("lab", start=False, viewport={"width": 1280, "height": 900})
    organiser.get_by_role("link", name="Progress and agreement").click()
    for text in (SCRIPT, "3:0 (+)", "Overall"):  # the name is text here too
        organiser.get_by_text(text).filter(visible=True).first.wait_for()
    organiser.evaluate("document.fonts.ready.then(() => null)")
    shoot(organiser, "admin")
    with organiser.expect_download() as download:
        organiser.get_by_text("Download finished items").click()
    assert Path(download.value.path()).read_bytes()[:4] == b"PAR1"
    organiser.set_viewport_size({"width": 360, "height": 740})
    shoot(organiser, "admin-phone")


class Example:
    """`python app.py` in the folder, as a user starts it; can be killed and started again."""

    def __init__(self, folder: Path, port: int):
        self.log, self.database = folder / "log.txt", folder / "ratings.sqlite"
        self.url = f"http://127.0.0.1:{port}/"
        self.items = read_batch(SPACE / "batch.csv")
        self.environment = {
            **os.environ,
            "GRADIO_SERVER_PORT": str(port),
            "GRADIO_ANALYTICS_ENABLED": "False",
            "ANNOTATION_DATA": str(folder),
        }
        self._running = ExitStack()

    def start(self) -> None:
        command = [sys.executable, "app.py"]
        running = started(command, self.url, self.log, cwd=SPACE, env=self.environment)
        self._running.enter_context(running)

    def kill(self) -> None:
        self._running.close()  # SIGKILL

    def link(self, name: str) -> str:
        """The address that the server has printed for somebody."""
        lines = self.log.read_text().splitlines()
        return next(line for line in lines if name in line).split()[-1]

    def answers(self) -> list[tuple[str, str, int]]:
        return answers(self.database)


@pytest.fixture
def example(tmp_path, browser):
    """The example project, and a page of its first rater."""
    with reserved_port() as port:
        server = Example(tmp_path, port)
        try:
            server.start()
            page = new_page(browser, viewport={"width": 900, "height": 900})
            page.goto(server.link("human-1"))
            page.get_by_role("button", name="Start").wait_for()
            yield server, page
            page.context.close()
        finally:
            server.kill()


def test_an_answer_outlives_a_server_that_is_killed_before_it_could_confirm(example):
    server, page = example
    assert page.evaluate("location.href") == server.url  # no code in the history
    shoot(page, "instructions")
    page.keyboard.press("Enter")  # the button to start has the focus
    first = shown_item(page, server)

    def answered_then_killed(route):
        route.fetch(timeout=1000 * patience_s())
        server.kill()
        route.abort()

    page.route("**/api/answer", answered_then_killed, times=1)
    page.keyboard.press("2")
    page.get_by_text("No connection: not saved yet").wait_for()
    shoot(page, "no-connection")
    assert server.answers() == [(first, "human-1", 2)]
    server.start()
    page.get_by_text("Saved:").wait_for()  # still signed in, sent again by itself
    assert server.answers() == [(first, "human-1", 2)]
    second = shown_item(page, server)
    assert second != first

    press(page, "1")
    third = shown_item(page, server)
    press(page, "u")
    assert shown_item(page, server) == second
    assert page.locator("#undo").is_disabled()
    assert server.answers() == [(first, "human-1", 2)]
    press(page, "0")
    assert shown_item(page, server) == third

    # What a designer would look at.
    page.emulate_media(color_scheme="dark")
    shoot(page, "dark")
    page.set_viewport_size({"width": 360, "height": 740})
    shoot(page, "phone-dark")
    page.emulate_media(color_scheme="light")
    shoot(page, "phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Your code").wait_for()
    shoot(page, "phone-sign-in")
    server.kill()  # after the answers were confirmed
    assert server.answers() == [(first, "human-1", 2), (second, "human-1", 0)]


def test_the_keyboard_alone_is_enough_and_space_plays_again(open_page):
    page = open_page("human-1", start=False)
    page.get_by_role("button", name="Start").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_selector(".score:enabled")
    until(page, "audio.ended")
    page.evaluate("audio.addEventListener('playing', () => { audio.dataset.again = 'yes' })")
    page.keyboard.press(" ")
    until(page, "audio.dataset.again")
    order = []
    for _ in range(6):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id || document.activeElement.innerText"))
    assert order[0] == "clip"
    places = [order.index(name) for name in order if name == "replay" or "present" in name]
    assert places == sorted(places)
    press(page, "1")


def test_nothing_can_be_answered_before_the_clip_has_been_heard(open_page, server):
    page = open_page("human-2", start=False)
    page.get_by_role("button", name="Start").click()
    until(page, "document.getElementById('clip').duration > 0")
    page.evaluate("document.getElementById('clip').pause()")
    page.keyboard.press("1")
    assert page.locator(".score:enabled").count() == 0
    page.get_by_text("Please hear it to its end first.").wait_for()
    page.keyboard.press("r")
    assert shown_item(page, server)


def test_why_an_answer_was_refused_stays_until_the_next_one(open_page, server):
    page = open_page("human-2")
    assert shown_item(page, server)
    refusal = {"status": 409, "body": '{"detail": "the clip went to somebody else"}'}
    page.route("**/api/answer", lambda route: route.fulfill(**refusal), times=1)
    page.keyboard.press("1")
    said = page.get_by_text("Not saved: the clip went to somebody else.")
    said.wait_for()
    assert shown_item(page, server)  # loaded, and heard
    assert said.is_visible() and page.locator("#status").inner_text() == ""
    shoot(page, "refused")
    press(page, "1")
    assert shown_item(page, server) and not said.is_visible()


def test_nothing_can_be_answered_before_the_clip_has_come(open_page):
    page = open_page("human-2", start=False)
    page.route("**/clip/*", lambda route: None)  # never comes
    page.get_by_role("button", name="Start").click()
    page.wait_for_selector("#view-rate:visible")
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    page.keyboard.press("1")
    page.keyboard.press("r")
    assert page.locator(".score:enabled").count() == 0
    assert not [url for url in sent if "answer" in url]


def test_a_clip_that_does_not_play_can_be_given_back(open_page, server):
    _, *others = server.items
    answered = [(item, "human-2", 0) for item in others]
    Store(server.database, server.items, server.protocol).restore(answered)
    page = open_page("human-2", start=False)
    page.route("**/clip/*", lambda route: route.fulfill(status=200, body="not audio"))
    page.get_by_role("button", name="Start").click()
    button = page.get_by_role("button", name="I cannot hear this recording")
    button.wait_for()
    shoot(page, "unplayable")
    button.click()
    page.wait_for_selector("#view-wait:visible")


def test_a_forged_code_is_refused_in_words(open_page, server):
    page = open_page("x" * 9_000, start=False)
    page.get_by_text("No rater has this code.").wait_for()
    shoot(page, "wrong-code")
    assert json.loads(page.request.get(f"{server.url}api/me").body())["role"] is None
