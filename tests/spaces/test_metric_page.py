"""The metric's Space, from its own folder, in a browser and through its API."""

import json

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
        page.get_by_label("Rows").fill("Awe,1,2\nPain,<b>,1")
        page.get_by_role("button", name="Compute").press("Enter")
        toast = page.get_by_test_id("toast-body")
        toast.wait_for()
        assert "line 2" in toast.inner_text() and "<b>" in toast.inner_text()
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
