"""Takes the README's picture of the demo, which has to be running (`emonet-voice demo`).

python examples/demo_picture.py
"""

import argparse
import shutil
from pathlib import Path

HERE = Path(__file__).parent
WIDTH = 960  # of the window, in pixels: two columns, and words that are large in the README


def take(url: str, clip: Path, picture: Path) -> None:
    """Analyses a clip in a browser and writes the page as far as the emotions' bars.

    Args:
        url: Of the running demo.
        clip: To analyse.
        picture: PNG to write.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": 1200})
        page.goto(url)
        page.locator("input[type=file]").first.set_input_files(clip)
        page.locator("button:has-text('Download PNG'):not([disabled])").wait_for(timeout=120_000)
        page.wait_for_timeout(1000)  # the waveform draws itself
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        end = page.locator("h2", has_text="Over time").bounding_box()
        assert end is not None
        area = {"x": 0, "y": 0, "width": WIDTH, "height": end["y"] - 16}
        page.screenshot(path=picture, full_page=True, clip=area)  # type: ignore[arg-type]
        browser.close()


def main() -> None:
    """Command line of `demo_picture.py`."""
    parser = argparse.ArgumentParser(description="Take the README's picture of the running demo.")
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("--clip", type=Path, default=HERE / "clips" / "de_anger.flac")
    parser.add_argument("--output", type=Path, default=HERE / "demo.png")
    arguments = parser.parse_args()
    take(arguments.url, arguments.clip, arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
