"""The leaderboard Space in a browser and through its API, with names that are hostile."""

import csv
import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from evaluate_metrics.published import LARGE, SMALL
from tests.support.board_maker import HOSTILE, SPACE
from tests.support.browser_fixture import PHONE, chromium, new_page, running_space, screenshot
from tests.support.page_checks import (
    WIDER,
    alike_in_a_contrast_theme,
    axe_findings,
    dark,
    ill_sized,
    tab_to,
    too_pale,
)


@pytest.fixture(scope="module")
def url(made, tmp_path_factory):
    """The running Space with results of anybody."""
    folder = tmp_path_factory.mktemp("space")
    with running_space(SPACE, folder, EMONET_LEADERBOARD=str(made)) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as result:
        yield result


@pytest.fixture
def visit(browser):
    """Opens the page; whatever it fetches from elsewhere, throws or asks fails the test."""
    pages, wrong = [], []

    def opened(address):
        page = new_page(browser, viewport={"width": 1280, "height": 900})
        pages.append(page)
        here = (address.partition("?")[0], "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(here) else wrong.append(r.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.goto(address)
        page.locator(".board .count", has_text="systems").wait_for(state="attached")
        return page

    yield opened
    for page in pages:
        page.context.close()
    assert wrong == []


def column(page, number):
    """What stands in a column of the systems that are shown."""
    rows = page.locator("section:not([hidden]) .systems tr[data-text]:not([hidden])")
    return rows.evaluate_all(f"rows => rows.map(row => row.cells[{number}].dataset.v)")


def names(page):
    return column(page, 1)


def choose(page, label, option):
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()
    page.wait_for_function("!document.querySelector('[role=option]')")


def test_sorting_search_and_filters_are_in_the_address_and_come_back_from_it(visit, url):
    page = visit(url)
    screenshot(page, "leaderboard_light")
    assert column(page, 0) == ["1", "2", "3"]
    mae = page.get_by_role("button", name="Sort by MAE").first
    mae.press("Enter")
    assert column(page, 6) == sorted(column(page, 6), key=float)
    assert page.locator("section:not([hidden]) [aria-sort=ascending]").count() == 1
    mae.press("Enter")
    assert page.url.endswith("?sort=6.descending")
    floors = page.locator("section:not([hidden]) .yardsticks tr")
    values = [v for v in floors.evaluate_all("r => r.map(r => r.cells[6].dataset.v)") if v]
    assert values == sorted(values, key=float, reverse=True) and len(values) > 3
    page.get_by_label("Find").fill("Made")  # of any case
    page.get_by_text("2 of 3 systems").wait_for()
    page.reload()
    page.get_by_text("2 of 3 systems").wait_for()
    assert page.get_by_label("Find").input_value() == "Made" and len(names(page)) == 2
    page.get_by_label("Find").fill("nobody has this name")
    assert page.get_by_text("No system fits").first.is_visible()
    assert not page.locator(".systems:visible").count()  # no headings over nothing
    screenshot(page, "leaderboard_nothing")
    page.get_by_role("button", name="Show all systems").click()
    assert len(names(page)) == 3
    page.get_by_label("Benchmark").select_option("paper, Tables 5 and 6")
    assert page.locator("section:visible h2").count() == 3 and names(page)[-1] == LARGE
    page.get_by_role("button", name="API", exact=True).press("Enter")
    assert len(names(page)) == 5 and "access=api" in page.url and "bench=paper" in page.url
    page.get_by_role("button", name="Open weights").click()
    assert set(names(page)) == {SMALL, LARGE}
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").filter(visible=True).click()
    text = Path(download.value.path()).read_text("utf-8-sig")
    assert next(csv.DictReader(text.splitlines()))["system"] == SMALL


def test_a_system_has_a_page_that_a_link_and_the_back_button_lead_to(visit, url):
    page = visit(url)
    link = page.locator("section:visible a[data-system]", has_text="made/good").first
    link.focus()
    page.keyboard.press("Enter")  # the whole way by keyboard
    article = page.locator("article:visible")
    article.wait_for()
    assert page.evaluate("document.activeElement.innerText") == "made/good"
    assert "?system=made%2Fgood" in page.url and not page.locator(".list").is_visible()
    assert article.locator(".emotions tbody tr").count() == 40
    assert (
        "Place 1 of 3" in article.inner_text() and page.locator(".list-only:visible").count() == 0
    )
    paired = article.locator("a", has_text=HOSTILE)
    assert paired.inner_text() == HOSTILE
    screenshot(page, "leaderboard_system")
    page.go_back()
    page.locator(".list").wait_for()
    page.go_forward()
    article.wait_for()
    paired.click()
    page.locator("strong.paired").wait_for()
    chosen = [page.get_by_label(side, exact=True).input_value() for side in "AB"]
    assert chosen == ["made/good", HOSTILE]


def test_the_keyboard_alone_filters_opens_a_system_goes_back_and_downloads(visit, url):
    page = visit(url)
    tab_to(page, ".filters input")
    page.keyboard.type("made/good")
    page.get_by_text("1 of 3 systems").wait_for()
    tab_to(page, ".systems a[data-system]")
    page.keyboard.press("Enter")
    page.locator("article:visible").wait_for()
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.innerText") == "← All systems"
    page.keyboard.press("Enter")
    page.locator(".list").wait_for()
    with page.expect_download() as download:
        tab_to(page, "a[download]")
        page.keyboard.press("Enter")
    assert download.value.suggested_filename.endswith(".csv")


def test_two_systems_are_compared_paired_where_somebody_did_and_else_not(visit, url):
    page = visit(url)
    page.locator("strong.paired").wait_for()
    assert page.locator(".pair").nth(1).locator("tbody tr").count() == 40
    assert "0" in page.locator(".pair .axis.numbers").first.inner_text().split()
    choose(page, "A", SMALL)
    page.locator("strong.different").wait_for()
    choose(page, "B", LARGE)
    page.locator("strong.not").last.wait_for()
    row = page.locator(".pair").first.locator("tr", has_text="Spearman ρ, pooled")
    assert row.inner_text().split("\t")[1:] == ["0.418", "0.415", "+0.003"]
    row = page.locator(".pair").first.locator("tr", has_text="Spearman ρ, macro")
    assert "−0.00" in row.inner_text() and "b=EmpathicInsight-Voice+Large" in page.url


def test_a_mark_stands_where_the_axis_says_its_value_is(visit, url):
    page = visit(f"{url}?bench=paper%2C+Tables+5+and+6")
    box = page.locator("section:visible .systems .axis").nth(1).bounding_box()
    ticks = page.locator("section:visible .axis.numbers b").all()
    at = {float(tick.inner_text()): tick.bounding_box() for tick in ticks}
    assert min(at) == 0 and at[0]["x"] + at[0]["width"] / 2 == pytest.approx(box["x"], abs=2)
    end = max(at)
    for value, mark in zip(
        column(page, 3), page.locator("section:visible .pooled").all(), strict=False
    ):
        middle = mark.bounding_box()
        share = (middle["x"] + middle["width"] / 2 - box["x"]) / box["width"]
        assert share == pytest.approx(float(value) / end, abs=0.01)


def test_a_result_is_checked_at_once_and_comes_back_as_a_pull_request(visit, url, made, tmp_path):
    page = visit(url)
    page.locator("input[type=file]").set_input_files(made / "results" / "1.json")
    said = page.locator(".board", has_text="The pull request").last
    said.wait_for()
    assert "place 3 of 3" in said.inner_text() and "hf upload laion/" in said.inner_text()
    page.get_by_label("Parameters").fill("1500")
    page.get_by_text(",,1500000000,,").wait_for()
    (tmp_path / "wrong.json").write_text("{}")
    page.get_by_role("button", name="Clear").first.click()
    page.locator("input[type=file]").set_input_files(tmp_path / "wrong.json")
    page.get_by_text("This cannot be added: wrong.json is no result").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_written_has_the_contrast_that_wcag_asks_and_nothing_is_too_wide(
    visit, url, scheme
):
    page = visit(url)
    page.get_by_role("button", name="Light or dark").click()
    assert "dark" in page.locator("body").get_attribute("class")
    dark(page, scheme == "dark")
    page.set_viewport_size(PHONE)
    page.locator("strong.paired").wait_for()
    page.wait_for_function(f"{WIDER} <= 0")
    assert too_pale(page, least=300) == []
    if scheme == "light":  # neither is of the colours
        assert ill_sized(page) == []
        page.get_by_role("button", name="Open weights").click()
        chips = ('.chips [aria-pressed="true"]', '.chips [aria-pressed="false"]')
        assert alike_in_a_contrast_theme(page, chips, (".axis .pooled", "body")) == []
        page.get_by_role("button", name="Open weights").click()
    screenshot(page, f"leaderboard_phone_{scheme}")
    page.locator("section:visible a[data-system]").first.click()
    page.wait_for_function(f"{WIDER} <= 0")
    assert too_pale(page, least=90) == []
    screenshot(page, f"leaderboard_phone_system_{scheme}")


def test_axe_finds_nothing_of_level_a_or_aa(visit, url):
    pytest.importorskip("axe_playwright_python")
    page = visit(url)
    page.locator("strong.paired").wait_for()
    assert axe_findings(page) == []
    dark(page)
    page.locator("section:visible a[data-system]").first.click()
    assert axe_findings(page) == []


def test_on_a_phone_the_heat_map_scrolls_by_itself_and_names_stay(visit, url):
    page = visit(url)
    page.set_viewport_size(PHONE)
    heat = page.get_by_role("region", name="Heat map of systems and emotions").first
    assert heat.evaluate("box => box.scrollWidth > 2 * box.clientWidth")
    heat.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    heat.evaluate("box => { box.scrollLeft = 400 }")
    name = heat.locator("th[scope=row]").first.bounding_box()
    assert name["x"] == pytest.approx(heat.bounding_box()["x"], abs=3)


def test_a_hostile_name_is_text_everywhere(visit, url):
    page = visit(url)
    for place in (".systems", ".outcomes", ".heat"):
        assert page.locator(f"{place} .name", has_text=HOSTILE).first.inner_text() == HOSTILE
    assert page.locator(".legend.names bdi").nth(1).inner_text() == HOSTILE
    assert page.locator(".board :is(img, script)").count() == 0
    addresses = page.locator(".board a").evaluate_all("all => all.map(a => a.protocol)")
    assert set(addresses) <= {"http:", "https:", "data:"}
    page.get_by_label("B", exact=True).click()
    assert page.get_by_role("option", name=HOSTILE, exact=True).inner_text().endswith(HOSTILE)


@pytest.fixture(scope="module")
def client(url):
    from gradio_client import Client

    return Client(url, verbose=False)


def test_every_function_has_a_name_and_answers(client):
    names = list(client.view_api(return_format="dict")["named_endpoints"])
    assert sorted(names) == ["/by_emotion", "/comparison", "/leaderboard"]
    rows = client.predict("paper, Tables 5 and 6", api_name="/leaderboard")
    assert len(rows) == 7 and rows[0]["label"] == SMALL and rows[0]["mae_low"] is None
    cells = client.predict(HOSTILE, api_name="/by_emotion")
    assert len(cells) == 40 and set(cells["Awe"]) == {"value", "low", "high", "why"}
    result = client.predict("made/good", HOSTILE, api_name="/comparison")
    assert result["kind"] == "paired" and len(result["by_emotion"]) == 40
    assert "Not paired" in client.predict(SMALL, LARGE, api_name="/show_comparison")


def test_mistakes_reach_the_client_as_sentences(client):
    from gradio_client.exceptions import AppError

    for arguments, name, message in (
        ((SMALL, SMALL), "/comparison", "choose two different systems"),
        (("nobody", SMALL), "/comparison", "not in the list of choices"),
        (("../../etc/passwd",), "/by_emotion", "not in the list of choices"),
    ):
        with pytest.raises(AppError, match=message):
            client.predict(*arguments, api_name=name)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "app.py", "../log.txt", "data/leaderboard.json", "%2e%2e/log.txt"]
)
def test_no_file_is_served(url, path):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{url}gradio_api/file={path}")
    assert refused.value.code in (403, 404)


def test_a_file_that_is_too_large_for_a_result_is_refused_as_it_comes(url):
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.json"\r\n\r\n'
    part = head + b" " * 5_000_001 + b"\r\n--x--"
    sent = urllib.request.Request(
        f"{url}gradio_api/upload", part, {"Content-Type": "multipart/form-data; boundary=x"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(sent)
    assert refused.value.code == 413


def test_agents_see_three_tools(url):
    with urllib.request.urlopen(f"{url}gradio_api/mcp/schema") as answer:
        tools = {tool["name"].split("leaderboard_", 1)[-1]: tool for tool in json.load(answer)}
    assert len(tools) == 3
    result = next(tool for name, tool in tools.items() if name.endswith("comparison"))
    assert result["description"].startswith("Compares two systems")
