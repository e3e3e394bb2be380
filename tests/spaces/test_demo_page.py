"""The demo Space as the Hub runs it, in a browser, through its API, and under attack."""

import csv
import os
import re
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from modeling_empathic import load_audio
from modeling_empathic.taxonomy import EMOTION_NAMES
from tests.support.browser_fixture import (
    PHONE,
    chromium,
    microphone,
    new_page,
    screenshot,
)
from tests.support.demo_server import CLIP
from tests.support.page_checks import (
    alike_in_a_contrast_theme,
    axe_findings,
    ill_sized,
    tab_to,
    too_pale,
)
from tests.support.servers import wait_until


@pytest.fixture(scope="module")
def minutes(tmp_path_factory):
    """Ten minutes of speech: work that is not done before somebody can stop it."""
    path = tmp_path_factory.mktemp("long") / "minutes.wav"
    soundfile.write(path, np.resize(load_audio(CLIP), 16_000 * 600), 16_000)
    return path


@pytest.fixture(scope="module")
def browser(demo_sounds):
    with chromium(*microphone(demo_sounds / "voice.wav")) as started:
        yield started


@pytest.fixture
def page(browser, demo_url):
    """A fresh visit; whatever it fetches from elsewhere or throws fails the test."""
    page = new_page(browser, viewport={"width": 1280, "height": 900}, permissions=["microphone"])
    foreign, errors = [], []
    page.on("request", lambda r: foreign.append(r.url) if not _local(r.url, demo_url) else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(demo_url)
    page.get_by_role("button", name="Analyse").wait_for()
    yield page
    page.context.close()
    assert foreign == [] and errors == []


def _local(address: str, url: str) -> bool:
    return address.startswith((url, "data:", "blob:"))


def _upload(page, path: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(path)


def _upload_another(page, path: Path) -> None:
    page.get_by_role("button", name="Clear").first.click()
    _upload(page, path)


def _finished(page) -> None:
    page.locator("button:has-text('Download PNG'):not([disabled])").wait_for()


def _named(page) -> list[str]:
    """The emotions of the first sentence, the first bars and the timeline."""
    bars = page.locator(".voice table").first.locator("tbody th")
    return [
        page.locator(".sentence strong").inner_text(),
        *bars.all_inner_texts(),
        *page.locator(".lanes").first.locator("em").all_inner_texts(),
    ]


def test_an_upload_fills_the_page_in_light_and_dark_and_on_a_phone(page, demo_sounds):
    _upload(page, demo_sounds / "voice.wav")
    _finished(page)
    named = _named(page)
    assert len(named) == 11 and named[0] == named[1] and named[1:6] == named[6:]
    assert page.get_by_role("button", name="Stop").count() == 0
    assert page.locator(".label.heat span").count() == 40
    assert page.locator(".voice .lane").count() == 5 + 1 + 2 + 4
    screenshot(page, "demo_light")
    page.get_by_text("All 40, by family").click()
    assert page.locator(".voice details table").count() == 6
    screenshot(page, "demo_families")
    page.get_by_role("button", name="Light or dark").click()
    page.locator("body.dark").wait_for()
    screenshot(page, "demo_dark")
    page.set_viewport_size(PHONE)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    page.wait_for_function(f"{wide} <= 0")
    screenshot(page, "demo_phone")
    name, number, bar = (
        page.locator(f".voice tbody tr >> nth=0 >> {part}").bounding_box()
        for part in ("th", "td >> nth=1", "td.track")
    )
    assert name["y"] == pytest.approx(number["y"], abs=6) and bar["y"] > name["y"] + 10
    assert bar["width"] > 0.8 * PHONE["width"] - 40
    for label, lane in zip(
        page.locator(".lanes:not(.wide) > .label:not(.empty)").all(),
        page.locator(".lanes:not(.wide) > .lane").all(),
        strict=True,
    ):
        above, below = label.bounding_box(), lane.bounding_box()
        assert above["y"] + above["height"] <= below["y"] + 1  # nothing in the middle of a lane
    page.get_by_text("All 40 as a heat map").click()
    names, heat = (page.locator(f".heat.{part}").bounding_box() for part in ("label", "lane"))
    assert names["y"] == heat["y"] and names["x"] + names["width"] == heat["x"]  # beside their rows
    assert ill_sized(page) == []
    for part, height in page.evaluate(GROWN).items():
        assert height == pytest.approx(0, abs=40), part
    assert alike_in_a_contrast_theme(page, (".voice .track span", "body")) == []


# How much higher each part of the results is than what holds its place before it comes.
GROWN = """() => Object.fromEntries(["overview", "over-time", "moments", "sound"].map((id) => {
  const box = document.getElementById(id), parts = box.querySelector(".voice").parentElement;
  for (const open of box.querySelectorAll("details[open]")) open.open = false;
  const high = box.offsetHeight, was = parts.innerHTML;
  parts.innerHTML = '<div class="voice skeleton"><div></div></div>';
  const before = box.offsetHeight;
  parts.innerHTML = was;
  return [id, high - before];
}))"""
NOW = "Number(document.documentElement.style.getPropertyValue('--now'))"


def test_the_line_follows_the_only_player_by_mouse_and_by_keyboard(page, demo_sounds):
    _upload(page, demo_sounds / "voice.mp3")
    _finished(page)
    page.wait_for_function("document.querySelector('.voice-player').duration > 0")
    players = page.locator("audio, [data-testid=waveform-controls]").all()
    assert [one.get_attribute("class") for one in players if one.is_visible()] == ["voice-player"]
    seek = page.locator(".seek").first
    box = seek.bounding_box()
    seek.click(position={"x": box["width"] / 2, "y": 10})
    page.wait_for_function(f"{NOW} > 0")
    assert page.evaluate(NOW) == pytest.approx(0.5, abs=0.02)
    duration = page.evaluate("document.querySelector('.voice-player').duration")
    for key, share in (("Home", 0), ("PageUp", 0.1), ("ArrowRight", 0.15), ("ArrowLeft", 0.1)):
        seek.press(key)
        assert page.evaluate(NOW) == pytest.approx(share, abs=0.02), key
    spoken = [one.get_attribute("aria-valuetext") for one in page.locator(".seek").all()]
    assert set(spoken) == {f"{duration / 10:.1f} s"}
    seek.press(" ")
    page.wait_for_function("!document.querySelector('.voice-player').paused")
    page.wait_for_function(f"{NOW} > 0.15")


def test_the_keyboard_alone_uploads_reads_plays_seeks_explains_and_downloads(page, demo_sounds):
    with page.expect_file_chooser() as chooser:
        tab_to(page, "#recording button:not(.icon)")
        page.keyboard.press("Enter")
    chooser.value.set_files(demo_sounds / "voice.wav")
    _finished(page)
    tab_to(page, ".voice-player")
    page.keyboard.press(" ")
    page.wait_for_function("!document.querySelector('.voice-player').paused")
    page.keyboard.press(" ")
    tab_to(page, "#bars .why summary")
    page.keyboard.press("Enter")
    assert page.get_by_text("The tick on a bar is what is usual").is_visible()
    tab_to(page, ".seek")
    page.keyboard.press("End")
    page.wait_for_function(f"{NOW} > 0.95")
    tab_to(page, "[role=combobox][aria-label=Emotion]")
    page.keyboard.press("Control+a")
    page.keyboard.type("Awe")
    page.keyboard.press("Enter")
    page.locator("[aria-label^='What each moment adds to Awe']").wait_for()
    with page.expect_download() as download:
        tab_to(page, "button.md")  # CSV is the first
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "voice_emotions.csv"


def test_there_is_a_sign_of_work_at_once_and_who_stops_has_the_bars(page, minutes):
    run, stop = (page.get_by_role("button", name=name) for name in ("Analyse", "Stop"))
    assert run.is_disabled()  # there is nothing yet
    screenshot(page, "demo_empty")
    _upload(page, minutes)
    page.locator(".skeleton").first.wait_for()
    assert run.is_disabled() and stop.is_visible() and page.locator(".voice-player").is_visible()
    screenshot(page, "demo_loading")
    page.locator(".voice table").first.wait_for()
    page.get_by_text("Timeline:").wait_for()
    stop.click()
    page.get_by_text("Stopped. What is shown is whole").wait_for()
    page.wait_for_function("!document.querySelector('.progress')")
    assert run.is_enabled() and page.locator(".voice table").first.is_visible()
    assert page.get_by_text("Not made.").count() >= 1
    screenshot(page, "demo_stopped")


@pytest.mark.parametrize("how", ["another recording", "a closed tab"])
def test_work_that_nobody_waits_for_ends(page, demo_pid, minutes, how):
    """In time of the processor, of which the whole work would take more than half a minute."""
    _upload(page, minutes)
    page.get_by_text("Timeline:").wait_for()
    before_s = _processor_s(demo_pid)
    if how == "a closed tab":
        page.goto("about:blank")
    else:
        page.get_by_role("button", name="Clear").first.click()
        page.locator(".voice-player").wait_for(state="hidden")
    wait_until(lambda: _idle(demo_pid), "a server that does nothing")
    assert _processor_s(demo_pid) - before_s < 8


def _processor_s(pid: int) -> float:
    """What a process has used until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _idle(pid: int) -> bool:
    before_s = _processor_s(pid)
    time.sleep(1)
    return _processor_s(pid) - before_s < 0.2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_everything_written_has_the_contrast_that_wcag_asks(
    browser, demo_url, scheme
):
    page = new_page(browser, viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page.goto(f"{demo_url}?example=de_anger")
    _finished(page)
    if find_spec("axe_playwright_python"):
        assert axe_findings(page) == []
    page.set_viewport_size({"width": 375, "height": 812})
    for summary in page.locator("summary").all():
        summary.click()
    page.get_by_role("button", name="Settings").first.click()
    screenshot(page, f"demo_375_{scheme}")
    assert too_pale(page, least=150) == []
    page.context.close()


def test_a_recording_from_the_microphone_is_analysed(page):
    page.get_by_role("button", name="Record audio").click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.locator("time", has_text="0:02").wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()
    _finished(page)
    screenshot(page, "demo_microphone")
    assert "of sound scored in" in page.locator(".overview").inner_text()


def test_an_example_another_window_and_the_link_that_brings_them_back(page, demo_url):
    page.get_by_role("button", name="Fear (French)").click()
    _finished(page)
    page.get_by_text("Windows of 1 s").wait_for(state="attached")
    page.get_by_role("button", name="Settings").first.click()
    window = page.get_by_label(re.compile("number input for Window of the timeline"))
    window.fill("1.5")
    window.press("Tab")
    page.get_by_role("button", name="Analyse").press("Enter")  # by keyboard
    page.get_by_text("Windows of 1.5 s").wait_for(state="attached")
    _finished(page)
    page.get_by_label("Emotion", exact=True).click()
    page.get_by_role("option", name="Awe").click()
    page.locator("[aria-label^='What each moment adds to Awe']").wait_for()
    link = page.get_by_role("link", name="Link to this page").get_attribute("href")
    assert "window=1.5" in link and "example=fr_fear" in link
    page.goto(demo_url + link)
    page.get_by_text("Windows of 1.5 s").wait_for(state="attached")


def test_the_csv_opens_and_its_cells_run_nothing(page, demo_sounds):
    _upload(page, next(demo_sounds.glob("=1+1*")))
    _finished(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert re.fullmatch(r"[\w .-]*1[\w .-]*_emotions\.csv", download.value.suggested_filename)
    rows = list(csv.reader(Path(download.value.path()).read_text().splitlines()))
    assert rows[0][5:] == list(EMOTION_NAMES) and len(rows) > 3
    assert not rows[1][0].startswith("=")
    strongest = max(zip(map(float, rows[1][5:]), EMOTION_NAMES, strict=True))[1]
    shown = page.locator("table", has_text="Strongest").locator("tbody th").first
    assert shown.get_attribute("title") == strongest
    assert "your recording is not in it" in page.locator(".overview").inner_text()


def test_what_is_no_sound_is_refused_with_a_message(page, demo_sounds):
    _upload(page, demo_sounds / "voice.wav")
    _finished(page)
    _upload_another(page, demo_sounds / "text.wav")
    toast = page.get_by_test_id("toast-body")
    toast.wait_for()
    screenshot(page, "demo_refused")
    assert "recording: not audio" in toast.inner_text()
    page.locator(".gallery-item").first.click()
    page.locator("#overview .skeleton").wait_for()
    assert page.get_by_role("button", name="Analyse").is_disabled()  # it keeps its name
    assert page.get_by_role("button", name="Stop").is_visible()
    _upload_another(page, demo_sounds / "text.wav")
    page.locator("#overview").wait_for(state="hidden")
    assert too_pale(page, least=20) == []
    if find_spec("axe_playwright_python"):
        assert axe_findings(page) == []
    page.locator(".overview").wait_for(state="hidden")  # of the recording before
    page.get_by_role("button", name="Analyse", disabled=False).wait_for()
    page.get_by_role("button", name="Stop").wait_for(state="hidden")


def test_a_file_of_200_mb_is_refused_before_it_is_sent(page, tmp_path):
    with (tmp_path / "large.wav").open("wb") as file:
        file.truncate(200 * 10**6)
    _upload(page, tmp_path / "large.wav")
    toast = page.get_by_test_id("toast-body")
    toast.wait_for()
    assert "100" in toast.inner_text()
