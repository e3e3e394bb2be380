"""The annotation Space in a real browser: Debian's Chromium, driven by Playwright."""

import json
import re
import shutil
import sqlite3
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from pyarrow import parquet

from dataset_scripts.annotations import Protocol, Rating, may_rate, next_item
from dataset_scripts.building.build import build
from modeling_empathic.taxonomy import BENCH_NAMES, EMOTION_NAMES
from tests.support.places import REPOSITORY

sys.path.append(str(REPOSITORY / "spaces" / "emotion_annotation"))

from annotation_batch import read_batch
from rater_list import Person, sha256
from rating_store import Store

from tests.support.browser_fixture import (
    chromium,
    intercept_next,
    killable_space,
    new_page,
    screenshot,
)
from tests.support.page_checks import (
    alike_in_a_contrast_theme,
    axe_findings,
    dark,
    ill_sized,
    too_pale,
)
from tests.support.servers import patience_s, wait_until

SPACE = REPOSITORY / "spaces" / "emotion_annotation"
SCRIPT = "<img src=x onerror=alert(1)>"  # a rater's name
PEOPLE = {"human-1": "f", "human-2": "m", SCRIPT: "f", "lab": ""}
SHARES = {"third_share": 0.0, "fourth_share": 0.0}  # a third rater on agreement alone


@pytest.fixture(scope="module", name="browser")
def browser_fixture():
    with chromium("--mute-audio") as launched:
        yield launched


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A batch of six tones and three raters, one of them with markup for a name."""
    folder = tmp_path_factory.mktemp("project")
    lines = ["clip,emotion"]
    for number, emotion in enumerate(EMOTION_NAMES[:6]):
        tone = np.sin(np.arange(8_000) * (0.06 + 0.02 * number)) * 0.3
        soundfile.write(folder / f"tone_{number}.wav", tone, 16_000)
        lines.append(f"tone_{number}.wav,{emotion}")
    (folder / "batch.csv").write_text("\n".join(lines))
    raters = [",".join(Person(name, gender, "", sha256(name))) for name, gender in PEOPLE.items()]
    (folder / "raters.csv").write_text("\n".join([",".join(Person._fields), *raters]))
    environment = {
        "ANNOTATION_BATCH": str(folder / "batch.csv"),
        "ANNOTATION_RATERS": str(folder / "raters.csv"),
        "ANNOTATION_DATA": str(folder / "data"),
        **{f"ANNOTATION_{name.upper()}": str(share) for name, share in SHARES.items()},
    }
    with killable_space(SPACE, folder, **environment) as running:
        yield SimpleNamespace(
            url=running.url,
            kill=running.kill,
            start=running.start,
            database=folder / "data" / "ratings.sqlite",
            items=read_batch(folder / "batch.csv"),
            protocol=Protocol({n: g for n, g in PEOPLE.items() if g}, **SHARES),
        )


@pytest.fixture
def open_page(browser, server):
    """Opens a page for somebody, in a context of their own; nobody has answered anything yet."""
    pages = []

    def opened(name: str | None, start: bool = True, **settings):
        page = new_page(browser, **settings)
        pages.append(page)
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(error))
        page.on("dialog", lambda dialog: page.errors.append(dialog.message))
        if name is None:
            page.goto(f"{server.url}#code=human-1")
        else:
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


def answered_then_killed(server):
    """Lets an answer through to the server, and kills that before it could confirm."""

    def handle(route):
        route.fetch(timeout=1000 * patience_s())
        server.kill()
        route.abort()

    return handle


def answer_while_the_server_is_dead(page, server, key: str) -> None:
    server.kill()
    page.keyboard.press(key)
    page.get_by_text("No connection. Not saved yet:").wait_for()
    server.start()
    page.get_by_text("Saved:").wait_for()  # still signed in, sent again by itself


def test_a_batch_by_three_raters_with_three_kills_is_built_with_all_that_was_heard(
    open_page, server, tmp_path
):
    """Who gets what is what the protocol says, whatever happens to the server."""
    first, second = open_page("human-1"), open_page("human-2")
    score = {item: number % 3 for number, item in enumerate(server.items)}
    mine = {"human-1": first, "human-2": second}
    seen: dict[str, list[str]] = {name: [] for name in mine}
    for turn in range(len(server.items)):
        for name, page in mine.items():
            item = shown_item(page, server)
            said = page.locator("#answered").inner_text()
            assert re.fullmatch(f"Recording {turn + 1} of (up to )?6", said)
            key = str(score[item])
            if (turn, name) == (1, "human-1"):
                intercept_next(page, "**/api/answer", answered_then_killed(server))
                page.keyboard.press("m")
                page.get_by_text("Add a comment").click()
                page.get_by_label("For the organisers").press_sequentially("012 r u: a radio?")
                page.locator("#emotion").click()
                page.keyboard.press(key)
                page.get_by_text("No connection. Not saved yet:").wait_for()
                chosen = page.locator(".score[aria-pressed=true]")
                assert chosen.get_attribute("data-score") == key and chosen.is_disabled()
                assert "Keep this page open" in page.locator("#problem").inner_text()
                shoot(page, "no-connection")
                assert (item, name, score[item]) in answers(server.database)
                server.start()
                page.get_by_text("Saved:").wait_for()
                loud = item
            elif (turn, name) == (4, "human-2"):
                answer_while_the_server_is_dead(page, server, key)
            else:
                if turn == 2:
                    until(page, "audio.ended")  # "r" before it plays by itself is no second time
                    page.keyboard.press("r")
                    until(page, "hearing.plays >= 2")
                    until(page, "audio.ended")
                press(page, key)
            seen[name].append(item)
    assert sorted(seen["human-1"]) == sorted(seen["human-2"]) == sorted(server.items)
    assert shown_item(first, server) is None
    assert first.get_by_role("heading", name="Nothing to rate right now").is_visible()

    both = {i: [Rating("human-1", score[i]), Rating("human-2", score[i])] for i in server.items}
    expected = {i for i, two in both.items() if may_rate(SCRIPT, i, two, server.protocol)}
    assert 0 < len(expected) < len(both)
    third = open_page(SCRIPT)
    assert third.locator("#name").inner_text() == SCRIPT  # as text
    for number in range(len(expected)):
        item = shown_item(third, server)
        assert item == next_item(SCRIPT, both, server.protocol)
        if number == 1:
            answer_while_the_server_is_dead(third, server, "2")
        else:
            press(third, "2")
        both[item].append(Rating(SCRIPT, 2))
    assert shown_item(third, server) is None
    assert third.get_by_role("heading", name="This batch is complete").is_visible()
    rated = {(i, r.rater, r.score) for i, given in both.items() for r in given}
    assert set(answers(server.database)) == rated

    organiser = open_page("lab", start=False, viewport={"width": 1280, "height": 900})
    organiser.get_by_role("link", name="Progress and agreement").click()
    for text in (SCRIPT, "3:0 (+)", "Overall", "human-1 wrote: 012 r u: a radio?"):
        organiser.get_by_text(text).filter(visible=True).first.wait_for()  # names are text
    organiser.evaluate("document.fonts.ready.then(() => null)")
    assert too_pale(organiser, least=60) == []
    if find_spec("axe_playwright_python"):
        assert axe_findings(organiser) == []
    dark(organiser)
    assert too_pale(organiser, least=60) == []
    organiser.get_by_role("button", name="Mark as reviewed").click()
    until(organiser, "!document.body.innerText.includes('a radio?')")
    with organiser.expect_download() as download:
        organiser.get_by_text("Download finished items").click()
    (tmp_path / "raw").mkdir()
    shutil.copy(download.value.path(), tmp_path / "raw" / "train.parquet")
    build(tmp_path / "raw", tmp_path / "bench", assert_counts=False)
    ratings = parquet.read_table(tmp_path / "bench" / "ratings").to_pylist()
    assert len(ratings) == len(rated)
    assert all(r["plays"] >= 1 and r["heard_s"] > 0.4 and r["answer_s"] > 0 for r in ratings)
    assert sum(rating["plays"] >= 2 for rating in ratings) >= 2
    flagged = [r for r in ratings if r["flags"]]
    assert [(r["rater"], r["flags"]) for r in flagged] == [("human-1", ["music"])]
    assert flagged[0]["emotion"] == BENCH_NAMES.index(server.items[loud].emotion)


def test_a_link_signs_in_and_the_last_answer_can_be_taken_back(open_page, server):
    page = open_page(None, viewport={"width": 900, "height": 900})
    assert page.evaluate("location.href") == server.url  # no code in the history
    first = shown_item(page, server)
    press(page, "2")
    second = shown_item(page, server)
    assert second != first
    press(page, "1")
    third = shown_item(page, server)
    press(page, "u")
    assert shown_item(page, server) == second
    assert not page.locator("#undo").is_visible()
    assert answers(server.database) == [(first, "human-1", 2)]
    press(page, "0")
    assert shown_item(page, server) == third
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    height = page.locator(".score").first.bounding_box()["height"]
    lowest = page.locator(".score").last.bounding_box()
    assert height >= 64 and lowest["y"] + lowest["height"] <= 740  # under the thumb
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Your code").wait_for()
    assert answers(server.database) == [(first, "human-1", 2), (second, "human-1", 0)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_of_a_rater_has_contrast_and_axe_finds_nothing(open_page, scheme):
    page = open_page("human-1", start=False, viewport={"width": 375, "height": 812})
    page.get_by_role("button", name="Start").wait_for()
    dark(page, scheme == "dark")
    assert too_pale(page, least=20) == []
    page.keyboard.press("Enter")
    page.wait_for_selector(".score:enabled")
    page.get_by_text("Add a comment").click()
    assert too_pale(page, least=20) == []
    shoot(page, f"rate-375-{scheme}")
    assert ill_sized(page) == []
    # What is drawn follows the theme, and what was chosen is seen without colours of the page's.
    page.evaluate("choose(1)")
    pressed = ('[aria-pressed="true"]', '[aria-pressed="false"]')
    assert alike_in_a_contrast_theme(page, pressed, ("#wave .played", "#wave path")) == []
    page.evaluate("choose(null)")
    drawn = "getComputedStyle(document.querySelector('#wave .played')).fill"
    before = page.evaluate(drawn)
    dark(page, scheme != "dark")
    assert page.evaluate(drawn) != before and page.evaluate(
        "wave.picture.children[0].getBBox().height > 9"
    )
    dark(page, scheme == "dark")
    pytest.importorskip("axe_playwright_python")
    assert axe_findings(page) == []


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
    for _ in range(10):
        page.keyboard.press("Tab")
        said = "document.activeElement.id || document.activeElement.value || "
        order.append(page.evaluate(f"{said}document.activeElement.dataset.score"))
    assert order[:6] == ["seek", "pause", "replay", "0", "1", "2"]
    assert order[6:] == ["no speech", "two speakers", "music", "cut off"]
    page.keyboard.press(" ")  # of the box that has the focus
    page.keyboard.press("t")
    checked = page.locator(".flags :checked").evaluate_all("all => all.map(one => one.value)")
    assert checked == ["two speakers", "cut off"]
    press(page, "1")


def test_nothing_can_be_answered_before_all_of_the_clip_has_been_heard(open_page, server):
    page = open_page("human-2", start=False)
    page.get_by_role("button", name="Start").wait_for()
    skip = "() => { audio.currentTime = audio.duration / 2 }"
    page.evaluate(f"() => {{ audio.addEventListener('playing', {skip}, {{ once: true }}) }}")
    page.get_by_role("button", name="Start").click()
    until(page, "audio.ended")
    assert page.locator(".score:enabled").count() == 0  # the first half was skipped
    page.keyboard.press("1")
    page.get_by_text("Please hear it to its end first.").wait_for()
    page.keyboard.press("r")
    assert shown_item(page, server)
    assert not page.get_by_text("Please hear it").count()


def test_why_an_answer_was_refused_stays_until_the_next_one(open_page, server):
    page = open_page("human-2")
    assert shown_item(page, server)
    with closing(sqlite3.connect(server.database)) as db, db:
        db.execute("DELETE FROM seats")  # as if nobody had asked for it
    page.keyboard.press("1")
    said = page.get_by_text("Not saved: this recording was not given to you.")
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
