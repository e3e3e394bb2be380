"""The report of `score` in a browser: self-contained, searchable, sortable, heard, readable."""

import base64
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from emonet_voice.cli import report_page
from emonet_voice.cli.report_page import ReportPage
from emonet_voice.cli.screen import Summary, strongest
from modeling_empathic.scoring import loading
from modeling_empathic.scoring.overview import Overview
from modeling_empathic.scoring.recordings import recordings
from tests.support.browser_fixture import chromium, new_page, screenshot
from tests.support.command import run_command
from tests.support.page_checks import too_pale
from tests.support.scoring_fakes import fake_loader, write_clip

HOSTILE = "<img src=x onerror=alert(1)> & 'a' \"b\" ${c} <!--.wav"
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A report over 62 clips: short ones, a long one, a hostile name, one that is no sound."""
    folder = tmp_path_factory.mktemp("report")
    for number in range(58):
        write_clip(folder / "clips" / f"clip {number:02}.wav", seconds=0.5, seed=number)
    write_clip(folder / "clips" / "tiny.wav", seconds=0.2, seed=99)
    write_clip(folder / "clips" / HOSTILE, seconds=0.5, seed=7)
    (folder / "clips" / "broken.wav").write_text("no sound")
    noise = 0.02 * np.random.default_rng(3).standard_normal(60 * 16_000)
    noise[40 * 16_000 : 50 * 16_000] *= 30  # ten seconds that are loud: what the fake model hears
    soundfile.write(folder / "clips" / "meeting.wav", noise, 16_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(loading, "load_model", fake_loader())
        options = ("--window", "10", "--report", "report.html", "-o", "scores.parquet")
        code, out, _ = run_command("score", "clips", *options)
        assert code == 1 and "Report: report.html. The sound is in this page." in out
        patch.setattr(report_page, "EMBED_BYTES", 0)
        options = ("--window", "10", "--report", "linked.html", "-o", "scores.parquet")
        code, out, _ = run_command("score", "clips", *options, "--sort", "Awe")
        assert "The sound is linked: keep the page where it is" in out
    return folder


@pytest.fixture(scope="module")
def browser():
    with chromium("--autoplay-policy=no-user-gesture-required") as started:
        yield started


@pytest.fixture
def visit(browser, folder):
    """Opens a page; whatever it fetches from elsewhere, throws or asks fails the test."""
    pages, wrong = [], []

    def opened(name="report.html", folder=folder, **settings):
        page = new_page(browser, **{"viewport": {"width": 1280, "height": 900}, **settings})
        pages.append(page)
        here = (folder.as_uri(), "data:")
        page.on("request", lambda r: None if r.url.startswith(here) else wrong.append(r.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.goto((folder / name).as_uri())
        page.locator("#clips li").first.wait_for()
        return page

    yield opened
    for page in pages:
        page.context.close()
    assert wrong == []


def shown(page):
    return page.locator("#clips li .name").all_inner_texts()


def test_the_page_is_one_file_that_refers_to_nothing(visit, folder, tmp_path):
    shutil.copy(folder / "report.html", tmp_path)
    page = visit(folder=tmp_path)
    assert page.locator("h1").inner_text() == "62 clips, 3 emotions"
    assert "Intensity from 0 to 10." in page.locator("header").inner_text()
    page.locator("#clips .score").first.click()
    page.wait_for_function("document.querySelector('audio').duration > 0.4")


def test_a_hostile_name_is_text(visit):
    page = visit()
    page.get_by_label("Search").fill("onerror")
    assert shown(page) == [f"clips/{HOSTILE}"]
    assert page.locator("main img").count() == 0
    page.locator("#clips .score").first.click()
    assert page.locator("#playing").inner_text() == f"clips/{HOSTILE}"


def test_search_finds_every_word_and_says_how_many(visit):
    page = visit()
    assert page.locator("#found").inner_text() == "62 clips"
    assert len(shown(page)) == 50
    page.get_by_role("button", name="Show more").click()
    assert len(shown(page)) == 62
    page.get_by_label("Search").fill("CLIP 0")
    assert page.locator("#found").inner_text() == "15 of 62 clips"  # 00 to 09, and the tens
    page.get_by_label("Search").fill("nothing at all")
    assert shown(page) == []


def test_clips_are_sorted_by_an_emotion_or_their_length(visit):
    page = visit()
    page.get_by_label("Sort by").select_option(label="Anger")
    values = page.locator("#clips li").evaluate_all(
        "items => items.map(i => i.querySelector('.score')?.innerText)"
    )
    numbers = [highest(value) for value in values if value]
    assert numbers == sorted(numbers, reverse=True) and len(set(numbers)) > 3
    assert "62 clips, by the strongest window in Anger" in page.locator("#found").inner_text()
    for name in page.locator("#clips li .score:first-child > span").all_inner_texts():
        assert re.fullmatch(r"Anger(\s+up to [\d.]+ at 0:40)?", name)
    page.get_by_label("Sort by").select_option(label="length")
    assert shown(page)[0] == "clips/meeting.wav"


def highest(line):
    """Of a score's line: the strongest window's, which is the only one of most clips."""
    found = re.search(r"up to ([\d.]+)", line)
    return float(found[1] if found else line.split()[-1])


def test_screen_page_and_picture_rank_a_long_clip_by_the_mean_and_say_so(visit, tmp_path):
    names = ("Anger", "Awe")
    heads = [{"name": name, "scale": [0.0, 4.0], "group": "emotion"} for name in names]
    spans = [{"start_s": 10.0 * i, "end_s": 10.0 * i + 10, "duration_s": 80.0} for i in range(8)]
    clip = {"path": "talk.wav", "clip_id": "", "quality": "", "outcome": "scored", "error": ""}
    rows = [clip | span | {"Anger": 0.4, "Awe": 2.0} for span in spans]
    rows[5]["Anger"] = 3.6  # the highest of all, for ten seconds
    (recording,) = recordings(rows, heads)
    said = ("Awe", 5.0), ("Anger", 2.0)
    assert [line[:2] for line in strongest(recording, [0, 1], 2)] == list(said)

    summary = Summary(Overview(heads))
    summary.add(recording)
    console = Console(width=80, file=io.StringIO())
    summary.show(console, top=2)
    assert "by the mean over its windows" in console.file.getvalue()

    overview = Overview(heads)
    overview.add(recording)
    page_file = ReportPage(tmp_path / "report.html", overview, str(tmp_path), "fake")
    page_file.add(recording)
    page_file.write()
    page = visit(folder=tmp_path)
    lines = page.locator("#clips .score").all_inner_texts()
    assert [(line.split()[0], float(line.split()[-1])) for line in lines] == list(said)
    text = page.locator("#clips li").inner_text()
    assert "Rises most: Anger 9.0 at 0:50–1:00, on the whole 2.0" in text
    assert "mean over its windows" in page.locator("#clips-note").inner_text()
    assert float(page.locator("#clips .score b").first.inner_text()) == 5.0


def test_the_emotions_are_sorted_by_a_click_or_a_key_on_their_head(visit):
    page = visit()
    names = page.locator("#emotions tbody th")
    first = names.all_inner_texts()
    head = page.get_by_role("button", name="Emotion", exact=True)
    head.press("Enter")
    assert names.all_inner_texts() == sorted(first)
    assert page.locator("#emotions th").first.get_attribute("aria-sort") == "ascending"
    head.click()
    assert names.all_inner_texts() == sorted(first, reverse=True)


def test_what_is_to_be_doubted_and_what_failed_can_be_listed(visit):
    page = visit()
    options = page.locator("#show")
    options.select_option("qtoo short")
    assert shown(page) == ["clips/tiny.wav"]
    assert "Doubtful: too short" in page.locator("#clips li").inner_text()
    options.select_option("failed")
    assert shown(page) == ["clips/broken.wav"]
    assert "not audio" in page.locator("#clips li .wrong").inner_text()


@pytest.mark.parametrize("name", ["report.html", "linked.html"])
def test_the_player_starts_at_the_moment_behind_a_score(visit, name):
    page = visit(name)
    page.get_by_label("Search").fill("meeting")
    line = page.locator("#clips .score").first
    assert "at 0:40" in line.inner_text()
    line.click()
    page.wait_for_function("document.querySelector('audio').currentTime >= 40")
    assert page.evaluate("document.querySelector('audio').currentTime") < 50
    assert "from 0:40" in page.locator("#player").inner_text()
    box = page.locator(".course svg").bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 10)  # 15 s: the window from 10
    page.wait_for_function("document.querySelector('audio').currentTime < 20")
    assert "from 0:10" in page.locator("#player").inner_text()


def test_linked_sound_is_found_after_page_and_clips_have_moved_together(visit, folder, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.copy(folder / "linked.html", moved)
    shutil.copytree(folder / "clips", moved / "clips")
    page = visit("linked.html", folder=moved)
    page.get_by_label("Search").fill("onerror")
    page.locator("#clips .score").first.click()
    page.wait_for_function("document.querySelector('audio').duration > 0.4")


def test_sound_that_is_gone_is_said(visit, folder, tmp_path):
    shutil.copy(folder / "linked.html", tmp_path)
    page = visit("linked.html", folder=tmp_path)
    page.locator("#clips .score").first.click()
    page.get_by_role("alert").wait_for()


def test_the_page_opens_as_the_command_was_asked_to_sort(visit):
    assert visit("linked.html").get_by_label("Sort by").input_value() == "h2"  # Awe


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_everything_can_be_read_and_nothing_sticks_out(visit, scheme, width):
    page = visit(viewport={"width": width, "height": 812}, color_scheme=scheme)
    page.get_by_label("Sort by").select_option(label="Anger")
    page.locator("#clips .score").first.click()
    assert page.evaluate(WIDER) == 0
    assert too_pale(page, least=300) == []
    page.locator("#show").select_option("failed")
    assert too_pale(page, least=30) == []
    page.locator("#show").select_option("")
    screenshot(page, f"score_report_{scheme}_{width}")


# Text that reaches out of its own box lies on what is beside it, where no width of a page tells.
SPILLS = """() => [...document.querySelectorAll("main *, body > *")]
  .filter((one) => one.checkVisibility() && one.clientWidth)
  .filter((one) => one.scrollWidth > one.clientWidth + 1)
  .map((one) => one.outerHTML.slice(0, 120))"""


def test_the_longest_name_lies_on_nothing_and_breaks_after_a_slash(visit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loader = fake_loader(heads=("Hope/Enthusiasm/Optimism", "Awe"))
    monkeypatch.setattr(loading, "load_model", loader)
    write_clip(tmp_path / "clips" / "a_clip_with_a_name.wav", seconds=0.5)
    assert run_command("score", "clips", "--report", "page.html")[0] == 0
    page = visit("page.html", folder=tmp_path)
    for width in (1280, 900, 375):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(SPILLS) == []
    assert "clips/<wbr>a_clip_with_a_name.wav" in page.locator(".name").first.inner_html()


def test_separate_channels_share_the_sound(tmp_path, monkeypatch, faked):
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).normal(0, 0.1, (16_000, 2))
    soundfile.write("call.wav", noise, 16_000)
    assert run_command("score", "call.wav", "--channels", "separate", "--report", "x.html")[0] == 0
    text = Path("x.html").read_text()
    assert text.count("base64") == 1 and "call.wav, channel 2" in text


@pytest.mark.parametrize("name", ["x.pdf", "no/x.html", "clips"])
def test_a_page_that_could_not_be_written_is_refused_first(clips, faked, name):
    code, out, error = run_command("score", "clips", "--report", name)
    assert code == 2 and f"report {name}: " in error and out == ""


def test_a_filtered_report_has_what_the_screen_has(clips, faked):
    options = ("--report", "x.html", "--filter", "Awe > 99", "--quiet")
    assert run_command("score", "clips", *options)[0] == 2
    options = ("--report", "x.html", "--filter", "Awe > 9.9", "--quiet")
    assert run_command("score", "clips", *options)[0] == 0
    assert "0 clips, 3 emotions" in Path("x.html").read_text()


def test_what_is_no_sound_does_not_get_into_the_page_and_ends_nothing(tmp_path, monkeypatch):
    """A folder of a stranger may link to a secret of who makes the page."""
    monkeypatch.setattr(loading, "load_model", fake_loader())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips" / "good.wav")
    (tmp_path / "secret.txt").write_text("a token that is planted here")
    (tmp_path / "clips" / "x.wav").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "clips" / "gone.wav").symlink_to(tmp_path / "nowhere")
    code = run_command("score", "clips", "--report", "r.html")[0]
    assert code == 1
    page = (tmp_path / "r.html").read_text()
    assert base64.b64encode(b"a token that is planted")[:20].decode() not in page
    assert page.count("data:audio") == 1 and "secret" not in page


def test_a_clip_that_is_gone_when_the_page_is_written_keeps_its_scores(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "load_model", fake_loader())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    for name in "ab":
        write_clip(tmp_path / "clips" / f"{name}.wav")
    write = report_page.ReportPage.write

    def late(page):
        (tmp_path / "clips" / "a.wav").unlink()
        return write(page)

    monkeypatch.setattr(report_page.ReportPage, "write", late)
    assert run_command("score", "clips", "--report", "r.html")[0] == 0
    assert (tmp_path / "r.html").read_text().count("data:audio") == 1
