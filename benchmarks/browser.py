"""Nano in a browser: its scores against Python's, sizes, and the time to the first score.

    make browser
    python benchmarks/browser.py     # two minutes

The page of `examples/browser/` in Debian's Chromium, served by a plain web server of this machine,
on 20 real clips: the examples and EmoDB. Times are of the page's own clock, from the choice of a
file to its bars: the first in a visit without a cache, which fetches and starts model and runtime,
and those after it. Writes pictures of the page too, with `--pictures FOLDER`.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
CLIPS, VISITS, CONVERTED = 20, 5, 5
EMODB = HERE.parent.parent / "shared" / "data" / "emodb"
WIDTHS = {1280: 900, 375: 812}
# Of other rates and codecs; Python reads the same files.
FORMATS = {"WAV, 16 kHz": "16000 wav", "WAV, 48 kHz": "48000 wav", "MP3, 44.1 kHz": "44100 mp3"}
FORMATS |= {"Ogg Opus, 48 kHz": "48000 ogg"}


def chosen_clips() -> list[Path]:
    """The examples, and clips of EmoDB from its whole length."""
    examples = sorted((HERE.parent / "examples" / "clips").glob("*.flac"))
    emodb = sorted(EMODB.glob("*.flac"))
    n_emodb = CLIPS - len(examples)
    return examples + [emodb[i * len(emodb) // n_emodb] for i in range(n_emodb)]


def differences(page: Any, clips: list[Path]) -> np.ndarray:
    """`(clips, heads)`: what the page says, less what Python says."""
    from tests.support.voice_in_browser import python_scores

    rows = []
    for clip in clips:
        shown, expected = scored(page, clip)[0], python_scores(clip)
        rows.append([shown[name] - expected[name] for name in expected])
    return np.array(rows)


def scored(page: Any, clip: Path) -> tuple[dict[str, float], float]:
    """Scores by head, and seconds from the choice of a file to its bars."""
    from tests.support.voice_in_browser import shown_scores

    page.evaluate("delete document.body.dataset.seconds")
    page.locator("#file").set_input_files(clip)
    page.locator("body[data-seconds]").wait_for()
    return shown_scores(page), float(page.evaluate("document.body.dataset.seconds"))


def visits(browser: Any, url: str, clip: Path) -> dict[str, list[float]]:
    """Seconds to the bars: of the first file of a visit, and of the same one again."""
    from tests.support.browser_fixture import new_page

    seconds: dict[str, list[float]] = {"first": [], "again": []}
    for _ in range(VISITS):
        page = new_page(browser)
        page.goto(url)
        for when in seconds:
            seconds[when].append(scored(page, clip)[1])
        page.context.close()
    return seconds


def converted(clips: list[Path], how: str, folder: Path) -> list[Path]:
    """Clips at another rate in another format."""
    import soundfile
    import soxr

    rate, suffix = how.split()
    files = []
    for clip in clips:
        samples, own = soundfile.read(clip, dtype="float32")
        files.append(folder / f"{clip.stem}-{rate}.{suffix}")
        subtype = {"ogg": "OPUS"}.get(suffix)
        soundfile.write(
            files[-1], soxr.resample(samples, own, int(rate)), int(rate), subtype=subtype
        )
    return files


def pictures(browser: Any, url: str, folder: Path) -> None:
    """The page with a result, wide and on a phone, light and dark."""
    from tests.support.browser_fixture import new_page

    folder.mkdir(exist_ok=True)
    for width, height in WIDTHS.items():
        for scheme in ("light", "dark"):
            size = {"width": width, "height": height}
            page = new_page(browser, viewport=size, color_scheme=scheme)
            page.goto(url)
            page.get_by_role("button", name="Try an example").click()
            page.locator("#result:not([hidden])").wait_for()
            page.screenshot(path=folder / f"browser_{width}_{scheme}.png", full_page=True)
            page.context.close()


def main() -> None:
    """Measures and writes `results/browser.json`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    from benchmarks.report import machine, write_report
    from tests.support.browser_fixture import chromium, new_page
    from tests.support.voice_in_browser import RUNTIME, SEVERAL_CORES, put_together, serving

    built = HERE.parent / "examples" / "browser"
    clips, load = chosen_clips(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as temporary, chromium() as browser:
        folder = put_together(Path(temporary) / "page", built / "model")
        with serving(folder) as url:
            page = new_page(browser)
            page.goto(url)
            errors = differences(page, clips)
            formats = {
                name: float(
                    np.abs(
                        differences(page, converted(clips[:CONVERTED], how, Path(temporary)))
                    ).max()
                )
                for name, how in FORMATS.items()
            }
            times = {"one core": visits(browser, url, clips[0])}
            if arguments.pictures:
                pictures(browser, url, arguments.pictures)
        with serving(folder, SEVERAL_CORES) as url:
            times["several cores"] = visits(browser, url, clips[0])
        version = browser.version
    import soundfile

    write_report(
        {
            "script": "browser",
            "machine": machine(),
            "chromium": version,
            "clip_s": round(soundfile.info(clips[0]).duration, 2),
            "clips": len(clips),
            "largest_difference": float(np.abs(errors).max()),
            "mean_difference": float(np.abs(errors).mean()),
            "by_clip": {
                clip.name: float(row.max()) for clip, row in zip(clips, np.abs(errors), strict=True)
            },
            "formats": formats,
            "bytes": {
                "model": (built / "model" / "model.onnx").stat().st_size,
                "runtime": sum(path.stat().st_size for path in RUNTIME.iterdir()),
                "page": sum((built / f"{name}").stat().st_size for name in PAGE),
            },
            "seconds": times,
            "load_before": round(load, 1),
        },
        HERE / "results" / "browser.json",
    )


PAGE = ("index.html", "page.js", "page.css")


def browser_table(results: dict[str, Any]) -> str:
    """The section of `benchmarks/README.md`."""
    from benchmarks.report import describe

    size = {name: n_bytes / 1e6 for name, n_bytes in results["bytes"].items()}

    def spread(values: list[float]) -> str:
        return f"{median(values):.2f} s [{min(values):.2f}–{max(values):.2f}]"

    lines = [
        f"{describe(results['machine'])} Chromium {results['chromium']}.",
        "",
        "| what | measured | asked for |",
        "|---|---|---|",
        f"| largest difference of a score from Python's, {results['clips']} clips × 40 "
        f"| {results['largest_difference']:.1e} | 1e-3 |",
        f"| mean difference | {results['mean_difference']:.1e} | |",
    ]
    lines += [
        f"| largest difference, {CONVERTED} of them as {name} | {largest:.1e} | |"
        for name, largest in results["formats"].items()
    ]
    lines += [
        f"| model, one file | {size['model']:.2f} MB | below 12 MB |",
        f"| runtime, uncompressed | {size['runtime']:.1f} MB | |",
        f"| page | {size['page']:.2f} MB | |",
    ]
    for cores, times in results["seconds"].items():
        lines += [
            f"| a clip of {results['clip_s']} s to its bars, first of a visit, {cores} "
            f"| {spread(times['first'])} | |",
            f"| … every further one, {cores} | {spread(times['again'])} | |",
        ]
    note = f"Times: median [range] of {VISITS} visits without a cache, server on the same machine, "
    note += f"whose load was {results['load_before']} before."
    return "\n".join([*lines, "", note])


if __name__ == "__main__":
    main()
