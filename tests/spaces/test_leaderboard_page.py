"""The leaderboard Space in a browser and through its API, with names that are hostile."""

import json
import urllib.error
import urllib.request

import pytest

from evaluate_metrics.published import LARGE, SMALL
from tests.support.board_maker import HOSTILE, SPACE
from tests.support.browser_fixture import PHONE, chromium, new_page, running_space, screenshot

WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


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
        here = (address, "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(here) else wrong.append(r.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.goto(address)
        page.locator(".board .heat").last.wait_for()
        return page

    yield opened
    for page in pages:
        page.context.close()
    assert wrong == []


def column(page, number, body=0):
    """What stands in a column of a benchmark's rows; names without their marks."""
    rows = page.locator(".figures tbody").nth(body).locator("tr:not(.group)")
    cells = rows.evaluate_all(f"rows => rows.map(row => row.cells[{number}].dataset.v ?? null)")
    return cells if not number else [None if cell is None else float(cell) for cell in cells]


def choose(page, label, option):
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()
    page.wait_for_function("!document.querySelector('[role=option]')")


def test_a_click_or_a_key_on_a_head_sorts_each_benchmark_by_itself(visit, url):
    page = visit(url)
    screenshot(page, "leaderboard_light")
    systems = set(column(page, 0, 1))
    mae = page.get_by_role("button", name="Sort by MAE macro")
    mae.click()
    result = column(page, 6)
    defined = [value for value in result if value is not None]
    assert len(defined) > 5 and defined == sorted(defined)  # lower is better, floors among them
    assert result == defined + [None] * (len(result) - len(defined))
    head = page.locator("th", has=mae)
    assert head.get_attribute("aria-sort") == "ascending"
    mae.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, 6)[0] == defined[-1]
    assert page.locator("[aria-sort]").count() == 1
    page.get_by_role("button", name="Sort by System").click()
    assert column(page, 0) == sorted(column(page, 0), key=str.casefold)
    assert set(column(page, 0, 1)) == systems
    page.get_by_role("button", name="Sort by Spearman ρ pooled").click()
    result = column(page, 1)
    defined = sorted((value for value in result if value is not None), reverse=True)
    assert 0 < len(defined) < len(result)
    assert result == defined + [None] * (len(result) - len(defined))  # a constant has none


def test_another_benchmark_is_ranked_when_it_is_chosen(visit, url):
    page = visit(url)
    assert page.locator(".figures tbody").first.locator(".rank").count() == 6
    choose(page, "Ranked on", "paper, Tables 5 and 6")
    page.locator(".figures .group", has_text="Ranked: paper").wait_for()
    first = page.locator(".figures tbody").first
    assert first.locator(".rank").first.inner_text() == "1"
    assert column(page, 0)[0] == SMALL
    assert page.locator(".figures .rank").count() == first.locator(".rank").count()


def test_two_systems_are_compared_paired_where_somebody_did_and_else_not(visit, url):
    page = visit(url)
    page.locator(".tag.paired").wait_for()
    assert page.locator(".pair").nth(1).locator("tbody tr").count() == 40
    choose(page, "A", SMALL)
    page.locator(".tag.different").wait_for()
    choose(page, "B", LARGE)
    page.locator(".tag.not").last.wait_for()
    row = page.locator(".pair").first.locator("tr", has_text="Spearman ρ, pooled")
    assert row.inner_text().split("\t")[1:] == ["0.418", "0.415", "+0.003"]
    row = page.locator(".pair").first.locator("tr", has_text="Spearman ρ, macro")
    assert "−0.00" in row.inner_text()
    page.locator(".pair").nth(1).scroll_into_view_if_needed()
    screenshot(page, "leaderboard_compare_published")


def test_dark_and_on_a_phone_only_the_boxes_scroll(visit, url):
    page = visit(url)
    page.get_by_role("button", name="Light or dark").click()
    assert "dark" in page.locator("body").get_attribute("class")
    screenshot(page, "leaderboard_dark")
    page.set_viewport_size(PHONE)
    page.wait_for_function(f"{WIDER} <= 0")
    screenshot(page, "leaderboard_phone_dark")
    page.get_by_role("button", name="Light or dark").click()
    heat = page.get_by_role("region", name="Heat map of systems and emotions")
    assert heat.evaluate("box => box.scrollWidth > 2 * box.clientWidth")
    heat.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    heat.evaluate("box => { box.scrollLeft = 400 }")
    name = heat.locator("th[scope=row]").first.bounding_box()
    assert name["x"] == pytest.approx(heat.bounding_box()["x"], abs=3)  # names stay
    screenshot(page, "leaderboard_phone")


def test_a_hostile_name_is_text_everywhere(visit, url):
    page = visit(url)
    for place in (".figures", ".outcomes", ".heat"):
        assert page.locator(f"{place} .name", has_text=HOSTILE).first.inner_text() == HOSTILE
    assert page.locator(".legend.names bdi").nth(1).inner_text() == HOSTILE
    assert page.locator(".board :is(img, script, a)").count() == 0
    page.get_by_label("B", exact=True).click()
    assert page.get_by_role("option", name=HOSTILE, exact=True).inner_text().endswith(HOSTILE)
    screenshot(page, "leaderboard_hostile_choice")


def test_as_shipped_it_shows_the_paper_and_says_what_is_at_odds(visit, browser, tmp_path):
    with running_space(SPACE, tmp_path, EMONET_LEADERBOARD="") as address:
        page = visit(address)
        assert len(column(page, 0)) == 7 and not page.get_by_label("Ranked on").is_visible()
        said = page.locator("body").inner_text()
        assert "Malevolence/Malice" in said and "the other way round" in said
        screenshot(page, "leaderboard_shipped")


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
    tables = client.predict("paper, Tables 5 and 6", api_name="/show_tables")
    assert "Ranked: paper" in tables[0] and "class=outcomes" in tables[1]
    assert "not paired" in client.predict(SMALL, LARGE, api_name="/show_comparison")


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
def test_no_file_is_served_and_none_is_taken(url, path):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{url}gradio_api/file={path}")
    assert refused.value.code in (403, 404)
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nabc\r\n--x--'
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
