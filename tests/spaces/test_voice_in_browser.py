"""The page that scores by itself, in a browser, on a web server that only hands out files."""

import numpy as np
import pytest
import soundfile

from modeling_empathic import load_audio
from tests.support.browser_fixture import chromium, microphone, new_page, screenshot
from tests.support.page_checks import dark, ill_sized, too_pale
from tests.support.places import REPOSITORY
from tests.support.voice_in_browser import (
    RUNTIME,
    SPACE,
    put_together,
    python_scores,
    serving,
    shown_scores,
)

CLIP = REPOSITORY / "examples" / "clips" / "de_anger.flac"  # at 22,050 Hz
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def url(nano_onnx, tmp_path_factory):
    if not RUNTIME.is_dir():
        pytest.skip("onnxruntime-web is not there: npm install in examples/browser")
    folder = put_together(tmp_path_factory.mktemp("page") / "page", nano_onnx)
    with serving(folder) as address:
        yield address


@pytest.fixture(scope="module")
def browser(url, tmp_path_factory):
    heard = tmp_path_factory.mktemp("sounds") / "voice.wav"
    soundfile.write(heard, load_audio(CLIP), 16_000)
    with chromium(*microphone(heard)) as started:
        yield started


@pytest.fixture
def visit(browser, url):
    """A function: a visit; whatever a page fetches from elsewhere or throws fails the test."""
    pages, foreign, errors = [], [], []

    def visited(width=1280, height=900, **settings):
        size = {"width": width, "height": height}
        page = new_page(browser, viewport=size, permissions=["microphone"], **settings)
        pages.append(page)
        page.on("request", lambda r: r.url.startswith((url, "blob:")) or foreign.append(r.url))
        page.on("request", lambda r: r.method == "GET" or foreign.append(r.method))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield visited
    for page in pages:
        page.context.close()
    assert foreign == [] and errors == []


def test_a_file_has_the_scores_that_python_gives_it(visit):
    page = visit()
    page.locator("#file").set_input_files(CLIP)
    shown, expected = shown_scores(page), python_scores(CLIP)
    assert shown.keys() == expected.keys() and len(shown) == 40
    assert max(abs(shown[name] - expected[name]) for name in expected) <= 1e-3
    assert [*shown.values()] == sorted(shown.values(), reverse=True)
    assert page.locator("#rows tr:visible").count() == 8
    page.get_by_role("button", name="Show all 40").click()
    assert page.locator("#rows tr:visible").count() == 40
    below = [
        shown for shown in page.locator("#rows td:last-child").all_inner_texts() if "-" in shown
    ]
    assert not below and page.get_by_text("−0.").count()  # a minus, not a hyphen
    assert "de_anger.flac" in page.get_by_role("status").inner_text()
    # What is no sound, and a silence, are said; the next recording works.
    for name, content, said in (
        ("notes.txt", b"no sound", "This browser cannot read that as sound"),
        ("zeros.wav", wav(np.zeros(16_000)), "This is digital silence"),
    ):
        page.locator("#file").set_input_files({"name": name, "mimeType": "", "buffer": content})
        page.locator("#status.wrong", has_text=said).wait_for()
        assert not page.locator("#result").is_visible()
        assert not page.get_by_role("progressbar").is_visible()


def test_what_the_microphone_hears_is_scored(visit):
    page = visit()
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Stop (3 s)").click()
    shown, expected = shown_scores(page), python_scores(CLIP)
    heard = np.corrcoef([shown[name] for name in expected], [*expected.values()])[0, 1]
    assert heard > 0.8  # another cut of the same voice, through the codec of recordings
    assert page.get_by_role("status").inner_text().startswith("Your recording, ")
    assert page.get_by_role("button", name="Record").is_visible()


def test_by_keyboard_on_a_phone_in_light_and_dark(visit):
    page = visit(375, 812)
    focused = "document.activeElement.id"
    page.keyboard.press("Tab")  # the icon of the theme, as in every Space
    reached = [(page.keyboard.press("Tab"), page.evaluate(focused))[1] for _ in range(3)]
    assert reached == ["file", "record", "example"]
    page.keyboard.press("Enter")
    shown_scores(page)
    assert page.evaluate(focused) == "heading"  # where a reader of the screen goes on
    while page.evaluate(focused) != "all":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#rows tr:visible").count() == 40
    assert page.evaluate(WIDER) == 0
    assert ill_sized(page) == []
    for scheme in ("light", "dark"):
        dark(page, scheme == "dark")
        assert too_pale(page, least=81) == []
        screenshot(page, f"browser_375_{scheme}")


def wav(samples):
    from io import BytesIO

    file = BytesIO()
    soundfile.write(file, samples, 16_000, format="WAV")
    return file.getvalue()


def test_without_a_connection_or_a_microphone_the_page_says_what_to_do(browser, url):
    page = new_page(browser)  # in a context that may not listen
    page.goto(url)
    page.context.set_offline(True)
    page.get_by_role("button", name="Try an example").click()
    page.locator("#status.wrong", has_text="No connection").wait_for()
    page.evaluate("navigator.mediaDevices.getUserMedia = async () => { throw new DOMException() }")
    page.get_by_role("button", name="Record").click()
    page.locator("#status.wrong", has_text="was refused: allow it for this page").wait_for()
    page.context.close()


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A function: a visit to the page alone, which finds neither runtime nor model."""
    heard = tmp_path_factory.mktemp("sounds") / "voice.wav"
    soundfile.write(heard, load_audio(CLIP), 16_000)
    with serving(SPACE) as address, chromium(*microphone(heard)) as started:

        def visited():
            page = new_page(started, permissions=["microphone"])
            page.goto(address)
            return page

        yield visited


def test_two_presses_before_the_microphone_is_there_are_one_recording(bare):
    page = bare()
    page.evaluate(
        """() => {
            const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            window.asked = 0;
            navigator.mediaDevices.getUserMedia = async (how) => {
                window.asked += 1;
                await new Promise((done) => { window.allow = done; });
                return ask(how);
            };
        }"""
    )
    page.locator("#record").dblclick()
    page.evaluate("window.allow()")
    page.get_by_role("button", name="Stop (").click()
    page.get_by_role("button", name="Record").wait_for()
    assert page.evaluate("window.asked") == 1
    page.context.close()


def test_a_file_that_is_given_while_the_example_comes_is_the_one_that_counts(bare):
    page, held = bare(), []
    page.route("**/example.flac", lambda route: held.append(route))
    page.get_by_role("button", name="Try an example").click()
    said = page.locator("#status.wrong", has_text="This browser cannot read that as sound")
    page.locator("#file").set_input_files({"name": "x.txt", "mimeType": "", "buffer": b"none"})
    said.wait_for()
    with page.expect_response("**/example.flac"):
        held[0].continue_()
    page.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert said.is_visible()
    page.context.close()


def test_a_page_that_is_not_on_https_says_why_it_hears_nothing(bare):
    page = bare()
    page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    page.get_by_role("button", name="Record").click()
    page.locator("#status.wrong", has_text="pages on https only").wait_for()
    page.context.close()
