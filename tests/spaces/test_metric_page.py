"""The metric's Space, from its own folder, in a browser and through its API."""

import json
import re

import pytest

from tests.support.browser_fixture import chromium, new_page, running_space, screenshot
from tests.support.page_checks import (
    WIDER,
    alike_in_a_contrast_theme,
    axe_findings,
    dark,
    ill_sized,
    tab_to,
    too_pale,
)
from tests.support.places import REPOSITORY

SPACE = REPOSITORY / "spaces" / "emonet_voice"


@pytest.fixture(scope="module", name="url")
def url_fixture(tmp_path_factory):
    pytest.importorskip("evaluate")
    with running_space(SPACE, tmp_path_factory.mktemp("space")) as address:
        yield address


def test_rows_are_typed_computed_and_refused_by_keyboard_alone_with_contrast(url):
    with chromium() as browser:
        page = new_page(browser, viewport={"width": 375, "height": 812})
        page.goto(url)
        page.get_by_label("Rows").focus()
        page.keyboard.press("Control+a")
        page.keyboard.type("Awe,0.5,0\nAwe,,2\nAwe,3.5,2\nPain,2.0,1\nPain,1.0,0\n")
        tab_to(page, "button.primary", most=15)  # past the scales
        page.keyboard.press("Enter")
        page.get_by_role("rowheader", name="Spearman ρ").wait_for()
        assert page.locator(".figures").first.locator("tbody tr").count() == 4
        assert "without prediction" in page.locator(".figures").last.inner_text()
        page.wait_for_function(f"{WIDER} <= 0")
        assert too_pale(page, least=20) == []
        assert ill_sized(page) == []
        inputs = ("input:checked", "input:not(:checked)")
        assert alike_in_a_contrast_theme(page, inputs) == []
        dark(page)
        assert too_pale(page, least=20) == []
        screenshot(page, "metric_dark")
        page.emulate_media(forced_colors="active")  # its ground is the system's, dark or not
        icon = page.locator(".theme-switch path")
        assert icon.evaluate("one => getComputedStyle(one).color") == "rgb(0, 0, 0)"
        page.emulate_media(forced_colors="none")
        page.get_by_label("Rows").fill("Awe,1,2\nPain,<b>,1")
        page.get_by_role("button", name="Compute").press("Enter")
        toast = page.get_by_test_id("toast-body")
        toast.wait_for()
        assert "line 2" in toast.inner_text() and "<b>" in toast.inner_text()
        page.context.close()


def test_a_message_covers_no_heading_is_one_and_goes_with_the_next_act(url):
    with chromium() as browser:
        page = new_page(browser, viewport={"width": 375, "height": 812})
        page.goto(url)
        compute, toast = page.get_by_role("button", name="Compute"), page.locator(".toast-body")
        messages = page.locator(".toast-message-item")
        for wrong in ("Awe,strong,1", "Awe,1"):
            page.get_by_label("Rows").fill(wrong)
            compute.click()
            toast.wait_for()
            page.wait_for_function(
                "wrong => [...document.querySelectorAll('.toast-message-item')].map("
                "(one) => one.innerText.includes(wrong)).join() === 'true'",
                arg={"Awe,strong,1": "strong", "Awe,1": "2 values"}[wrong],
            )
        assert messages.count() == 1 and page.locator(".toast-count").count() == 0
        assert toast.bounding_box()["y"] > 812 / 2  # the heading is above
        page.get_by_label("Rows").fill("Awe,1,2")
        compute.click()
        page.get_by_role("rowheader", name="Spearman ρ").wait_for()
        toast.wait_for(state="detached")
        assert page.locator("footer .show-api").is_visible()  # the page tells of it
        page.context.close()


def test_a_screen_reader_hears_words_and_no_key_of_a_translation(url):
    with chromium() as browser:
        page = new_page(browser, locale="de-DE")
        page.goto(url)
        page.get_by_role("button", name="Compute").wait_for()
        page.evaluate(
            "() => { window.said = []; new MutationObserver(() => { for (const one of"
            " document.querySelectorAll('[role=status]')) said.push(one.textContent.trim()) })"
            ".observe(document, { childList: true, subtree: true, characterData: true }) }"
        )
        page.get_by_role("button", name="Compute").click()
        page.wait_for_function("said.includes('Done')")
        assert [word for word in page.evaluate("said") if re.fullmatch(r"\w+(\.\w+)+", word)] == []
        page.context.close()


def test_axe_finds_nothing_of_level_a_or_aa(url):
    pytest.importorskip("axe_playwright_python")
    with chromium() as browser:
        page = new_page(browser)
        page.goto(url)
        page.get_by_role("button", name="Compute").click()
        page.get_by_role("rowheader", name="Spearman ρ").wait_for()
        assert axe_findings(page) == []
        page.get_by_label("Rows").fill("Awe,strong,1")
        page.get_by_role("button", name="Compute").click()
        page.get_by_test_id("toast-body").wait_for()
        assert axe_findings(page) == []


def test_a_program_gets_the_whole_result(url):
    from gradio_client import Client
    from gradio_client.exceptions import AppError

    client = Client(url, verbose=False)
    rows = "emotion\tprediction\trating\nAwe\t0.5\t0\nAwe\t3.5\t2\n"
    result = client.predict(rows, "0-4", "0-2", api_name="/compute")
    assert result["mae"] == pytest.approx((1.25 + 1.25) / 2) and result["outcomes"]["used"] == 2
    json.dumps(result, allow_nan=False)
    for rows, message in (("", "0 rows"), ("Awe,1", "line 1 has 2 values")):
        with pytest.raises(AppError, match=message):
            client.predict(rows, "0-4", "0-2", api_name="/compute")
