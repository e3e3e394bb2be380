"""Pictures of every state of every Space, wide and narrow, light and dark, for people to judge.

    python examples/space_pictures.py OUT                    # all, a few minutes
    python examples/space_pictures.py OUT --only leaderboard

Each Space runs as on the Hub, from a copy of its folder; a real browser (Debian's Chromium, through
Playwright) looks at it. OUT gets SPACE-STATE-WIDTH-THEME.png.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
SPACES = HERE.parent / "spaces"
WIDTHS = {1280: 900, 375: 812}
SHOW = "dark => themed().classList.toggle('dark', dark)"

Shoot = Callable[[Any, str], None]


def shooter(out: Path, space: str) -> Shoot:
    """Takes the pictures of one state: both widths, both themes."""

    def shoot(page: Any, state: str) -> None:
        for width, height in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": height})
            for theme in ("light", "dark"):
                page.evaluate(SHOW, theme == "dark")
                page.wait_for_timeout(150)
                file = out / f"{space}-{state}-{width}-{theme}.png"
                page.screenshot(path=file, full_page=True, animations="disabled")
        page.set_viewport_size({"width": 1280, "height": 900})
        page.evaluate(SHOW, False)
        print(f"{space}: {state}")

    return shoot


def leaderboard(browser: Any, folder: Path, shoot: Shoot) -> None:
    """The list, filters, a system, two systems, submission; with made results of anybody."""
    from tests.support.board_maker import HOSTILE, write_folder
    from tests.support.browser_fixture import new_page, running_space

    made = folder / "made"
    write_folder(made)  # type: ignore[no-untyped-call]
    (folder / "refused.json").write_text('{"kind": "bench", "format": 1}')
    space = SPACES / "emonet_voice_leaderboard"
    with running_space(space, folder / "shipped", EMONET_LEADERBOARD="") as url:
        page = new_page(browser)
        for state, address in {
            "shipped": "",
            "shipped-filtered": "?q=gemini&access=api&sort=4.descending",
            "shipped-system": "?system=EmpathicInsight-Voice+Small",
        }.items():
            page.goto(url + address)
            page.locator(".board .systems").first.wait_for(state="attached")
            page.locator(".board .pair").first.wait_for(state="attached")
            shoot(page, state)
        page.context.close()
    with running_space(space, folder / "anybody", EMONET_LEADERBOARD=str(made)) as url:
        page = new_page(browser)
        for state, address in {
            "results": "",
            "empty": "?q=nobody+has+this+name",
            "system": "?system=made%2Fgood",
            "unranked": "?bench=nowhere&system=made%2Frefuses",
        }.items():
            page.goto(url + address)
            page.locator(".board .pair").first.wait_for(state="attached")
            shoot(page, state)
        for state, file in (
            ("submission", made / "results" / "0.json"),
            ("error", folder / "refused.json"),
        ):
            page.goto(url)
            page.locator(".board .pair").first.wait_for()
            page.locator("input[type=file]").set_input_files(file)
            page.locator(".board .lead", has_text="be added").wait_for()
            shoot(page, state)
        page.context.set_offline(True)
        page.get_by_label("B", exact=True).click()
        page.get_by_role("option", name=HOSTILE, exact=True).click()
        page.wait_for_timeout(500)
        shoot(page, "offline")
        page.context.close()


def annotation(browser: Any, folder: Path, shoot: Shoot) -> None:
    """A rater from the sign-in to the end of a batch, and the organisers' page."""
    import numpy as np
    import soundfile

    from modeling_empathic import load_audio
    from tests.support.browser_fixture import intercept_next, new_page, running_space

    folder.mkdir(exist_ok=True)
    clip = load_audio(HERE / "clips" / "en_elation.flac")
    soundfile.write(folder / "short.wav", clip[:16_000], 16_000)
    soundfile.write(folder / "long.wav", np.resize(clip, 60 * 16_000), 16_000)
    soundfile.write(folder / "gold.wav", clip[8_000:20_000], 16_000)
    lines = ["clip,emotion,gold", "short.wav,Elation,", "long.wav,Doubt,", "gold.wav,Anger,0"]
    (folder / "batch.csv").write_text("\n".join(lines))
    from hashlib import sha256

    people = {"human-1": "f", "human-2": "m", "human-3": "f", "human-4": "m", "lab": ""}
    rows = [f"{n},{g},,{sha256(n.encode()).hexdigest()}" for n, g in people.items()]
    (folder / "raters.csv").write_text("\n".join(["name,gender,hub_user,code_sha256", *rows]))
    settings = {
        "ANNOTATION_BATCH": str(folder / "batch.csv"),
        "ANNOTATION_RATERS": str(folder / "raters.csv"),
        "ANNOTATION_DATA": str(folder / "data"),
        "ANNOTATION_GOLD_EVERY": "2",
    }
    with running_space(SPACES / "emotion_annotation", folder, **settings) as url:
        page = new_page(browser)

        def enter(name: str) -> None:
            page.goto(url)
            page.get_by_label("Your code").fill(name)
            page.keyboard.press("Enter")

        def heard() -> None:
            page.evaluate("audio.playbackRate = 16")
            page.wait_for_selector(".score:enabled")

        page.goto(url)
        page.get_by_label("Your code").wait_for()
        shoot(page, "sign-in")
        enter("nobody")
        page.get_by_text("No rater has this code.").wait_for()
        shoot(page, "error")
        enter("human-1")
        start = page.get_by_role("button", name="Start")
        start.wait_for()
        shoot(page, "instructions")
        intercept_next(page, "**/clip/*", lambda route: None)
        start.click()
        page.wait_for_selector("#view-rate:visible")
        shoot(page, "loading")
        refusal = {"status": 409, "body": json.dumps({"detail": "this clip has gone to others"})}
        enter_again = page.get_by_role("button", name="Start")
        page.reload()
        enter_again.click()
        heard()
        shoot(page, "rate")
        intercept_next(page, "**/api/answer", lambda route: route.fulfill(**refusal))
        page.keyboard.press("1")
        page.get_by_text("Not saved:").wait_for()
        heard()
        shoot(page, "refused")
        page.keyboard.press("m")
        page.context.set_offline(True)
        page.keyboard.press("2")
        page.get_by_text("No connection").wait_for()
        shoot(page, "offline")
        page.context.set_offline(False)
        page.get_by_text("Saved:").wait_for()
        page.wait_for_timeout(1500)
        shoot(page, "next")
        for _ in range(2):
            heard()
            with page.expect_response("**/api/answer"):
                page.keyboard.press("2")
        page.wait_for_selector("#view-wait:visible")
        shoot(page, "wait")
        page.get_by_role("button", name="Sign out").click()
        enter("human-2")
        start.click()
        for _ in range(3):
            heard()
            with page.expect_response("**/api/answer"):
                page.keyboard.press("0")
        page.get_by_role("button", name="Sign out").click()
        enter("lab")
        page.get_by_role("link", name="Progress and agreement").click()
        page.get_by_text("human-1").first.wait_for()
        page.wait_for_timeout(1000)
        shoot(page, "organiser")
        page.context.close()


def demo(browser: Any, folder: Path, shoot: Shoot) -> None:
    """The demo before, during and after a recording; Nano answers."""
    from benchmarks.space_demo import recordings
    from modeling_empathic import NANO
    from modeling_empathic.saving_empathic import write_code
    from tests.support.browser_fixture import new_page, running_space

    shutil.copytree(NANO, folder / "Nano")
    write_code(folder / "Nano")
    files = recordings(folder)
    (folder / "text.wav").write_text("This is no sound. " * 100)
    settings = {"EMONET_MODEL_FOLDER": str(folder / "Nano"), "HF_HUB_OFFLINE": "1"}
    done = "button:has-text('Download PNG'):not([disabled])"
    with running_space(SPACES / "empathic_insight_voice", folder, **settings) as url:
        page = new_page(browser)
        upload = page.locator("input[type=file]").first
        clear = page.get_by_role("button", name="Clear").first
        page.goto(url)
        page.get_by_role("button", name="Analyse").wait_for()
        shoot(page, "empty")
        upload.set_input_files(files["10 min"])
        page.locator(".skeleton").first.wait_for()
        shoot(page, "loading")
        page.locator(".voice table").first.wait_for()
        shoot(page, "long-recording")
        others = [new_page(browser) for _ in range(3)]
        for other in others:
            other.goto(url)
            other.get_by_role("button", name="Analyse").wait_for()
        for other in others[:2]:  # both lanes are full, and somebody waits
            other.locator("input[type=file]").first.set_input_files(files["10 min"])
            other.locator(".progress").first.wait_for()
        others[-1].get_by_role("button", name="Fear (French)").click()
        others[-1].locator("#queue", has_text="queue").wait_for()
        shoot(others[-1], "queued")
        for other in others:
            other.context.close()
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("Stopped. What is shown").wait_for()
        shoot(page, "stopped")
        clear.click()
        upload.set_input_files(folder / "text.wav")
        page.get_by_test_id("toast-body").wait_for()
        shoot(page, "error")
        page.goto(f"{url}?example=de_anger")
        page.locator(done).wait_for()
        shoot(page, "result")
        page.context.set_offline(True)
        page.get_by_role("button", name="Analyse").click()
        page.wait_for_timeout(1500)
        shoot(page, "offline")
        page.context.close()


def browser(browser: Any, folder: Path, shoot: Shoot) -> None:
    """The page that scores by itself; `make browser` has made its model and its runtime."""
    from tests.support.browser_fixture import intercept_next, new_page
    from tests.support.voice_in_browser import put_together, serving

    with serving(put_together(folder / "page", HERE / "browser" / "model")) as url:
        page = new_page(browser)
        page.goto(url)
        shoot(page, "empty")
        held: list[Any] = []
        intercept_next(page, "**/model.onnx", held.append)
        page.get_by_role("button", name="Try an example").click()
        page.get_by_text("Loading the model").wait_for()
        shoot(page, "loading")
        held[0].continue_()
        page.locator("#result:visible").wait_for()
        shoot(page, "result")
        page.get_by_role("button", name="Show all").click()
        shoot(page, "all")
        page.get_by_role("button", name="Record").click()
        page.get_by_text("microphone").wait_for()
        shoot(page, "no-microphone")
        page.locator("#file").set_input_files(HERE / "plot_scores.py")
        page.get_by_text("cannot read that as sound").wait_for()
        shoot(page, "error")
        page.reload()
        page.context.set_offline(True)
        page.get_by_role("button", name="Try an example").click()
        page.locator("#status.wrong").wait_for()
        shoot(page, "offline")
        page.context.close()


def metric(browser: Any, folder: Path, shoot: Shoot) -> None:
    """The metric's page before and after it computes, and with a mistake."""
    from tests.support.browser_fixture import new_page, running_space

    with running_space(SPACES / "emonet_voice", folder) as url:
        page = new_page(browser)
        page.goto(url)
        compute = page.get_by_role("button", name="Compute")
        compute.wait_for()
        shoot(page, "empty")
        compute.click()
        page.get_by_role("rowheader", name="Spearman ρ").wait_for()
        shoot(page, "result")
        page.get_by_label("Rows").fill("Awe,strong,1")
        compute.click()
        page.get_by_test_id("toast-body").wait_for()
        shoot(page, "error")
        page.context.close()


PAGES = {of.__name__: of for of in (leaderboard, annotation, demo, metric, browser)}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def main() -> None:
    """Command line of `space_pictures.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--only", nargs="+", choices=PAGES, default=list(PAGES))
    arguments = parser.parse_args()
    from tests.support.browser_fixture import chromium

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    arguments.out.mkdir(parents=True, exist_ok=True)
    with chromium("--mute-audio", "--autoplay-policy=no-user-gesture-required") as browser:
        for name in arguments.only:
            with _folder() as folder:
                PAGES[name](browser, folder, shooter(arguments.out, name))


if __name__ == "__main__":
    main()
