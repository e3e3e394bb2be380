"""The demo Space on a CPU with Nano: first paint, time to the bars, work that ends, 20 users.

    apt-get install chromium; pip install playwright "gradio[mcp]" spaces
    python benchmarks/space_demo.py     # about five minutes, on a quiet machine

The Space runs as on the Hub, from a copy of its folder and without this package, and a real browser
looks at it. Recordings are the example clips one after the other, as WAV at 16 kHz. A user is a
client that asks for the whole page of a 5 s clip again and again, the bars first. Work that nobody
waits for ends when the server's process is idle. Writes examples/demo.png too.
"""

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
LENGTHS = {"5 s": (5, 5), "10 min": (600, 2)}  # seconds, runs
USERS, MINUTE_S, PAINTS = 20, 60, 5
PICTURE_HEIGHT = 1420
ABANDONED = ("Stop", "another recording", "a closed tab")
WATCH_S, IDLE_S, BUSY = 0.05, 1.0, 0.5  # one sample; idle for so long; share of a core
SETTINGS: tuple[Any, ...] = ("Nano", [], 0, 0, None)


def recordings(folder: Path) -> dict[str, Path]:
    """WAV files of the lengths."""
    import soundfile

    from modeling_empathic import load_audio

    clips = sorted((HERE.parent / "examples" / "clips").glob("*.flac"))
    speech = np.concatenate([load_audio(clip) for clip in clips])
    files = {}
    for name, (seconds, _) in LENGTHS.items():
        files[name] = folder / f"{seconds}.wav"
        soundfile.write(files[name], np.resize(speech, seconds * 16_000), 16_000)
    return files


def paints(browser: Any, url: str) -> list[dict[str, float]]:
    """Seconds until something is seen, and until the page can be used, in new visits."""
    visits = []
    for _ in range(PAINTS):
        page = browser.new_context().new_page()
        started = time.perf_counter()
        page.goto(url)
        page.get_by_role("button", name="Analyse").wait_for()
        usable_s = time.perf_counter() - started
        script = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        visits.append({"paint_s": page.evaluate(script) / 1000, "usable_s": usable_s})
        page.context.close()
    return visits


def uploads(browser: Any, url: str, file: Path, runs: int) -> list[dict[str, float]]:
    """Seconds from choosing a file to the bars, and to the last download."""
    visits = []
    for _ in range(runs):
        page = browser.new_context().new_page()
        page.set_default_timeout(600_000)
        page.goto(url)
        page.get_by_role("button", name="Analyse").wait_for()
        page.wait_for_timeout(1_000)
        started = time.perf_counter()
        page.locator("input[type=file]").first.set_input_files(file)
        page.locator("body[data-arriving], .skeleton").first.wait_for()  # said at once, or bars
        sign_s = time.perf_counter() - started
        page.locator(".voice table").first.wait_for()
        bars_s = time.perf_counter() - started
        page.locator("button:has-text('Download PNG'):not([disabled])").wait_for()
        visits.append({"sign_s": sign_s, "bars_s": bars_s, "all_s": time.perf_counter() - started})
        page.context.close()
    return visits


def abandoned(browser: Any, url: str, pid: int, file: Path, how: str) -> float:
    """Seconds that the server works on a long recording after nobody waits for it.

    Args:
        browser: Of Playwright.
        url: Of the Space.
        pid: Of its process.
        file: The recording.
        how: One of `ABANDONED`.
    """
    page = browser.new_context().new_page()
    page.set_default_timeout(600_000)
    page.goto(url)
    page.get_by_role("button", name="Analyse").wait_for()
    page.locator("input[type=file]").first.set_input_files(file)
    page.get_by_text("Timeline:").wait_for()
    page.wait_for_timeout(2_000)
    left = time.perf_counter()
    if how == "Stop":
        page.get_by_role("button", name="Stop").click()
    elif how == "another recording":
        page.get_by_role("button", name="Clear").first.click()
    else:
        page.context.close()
    last_busy = left
    while time.perf_counter() - last_busy < IDLE_S:
        used_s, began = processor_s(pid), time.perf_counter()
        time.sleep(WATCH_S)
        ended = time.perf_counter()
        if processor_s(pid) - used_s > BUSY * (ended - began):
            last_busy = ended
    if how != "a closed tab":
        page.context.close()
    return last_busy - left


def processor_s(pid: int) -> float:
    """What a process has used of the processor until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def picture(browser: Any, url: str, file: Path) -> None:
    """The page of an example down to the bars, for the project's README."""
    page = browser.new_context(viewport={"width": 1280, "height": PICTURE_HEIGHT}).new_page()
    page.goto(f"{url}?example=de_anger")
    page.locator("button:has-text('Download PNG'):not([disabled])").wait_for(timeout=60_000)
    page.mouse.move(0, 0)
    below = page.get_by_role("heading", name="Over time").bounding_box()
    assert below is not None
    page.screenshot(path=file, clip={"x": 0, "y": 0, "width": 1280, "height": below["y"] - 12})
    page.context.close()


def crowd(
    url: str, pid: int, file: Path, users: int = USERS, seconds: float = MINUTE_S
) -> dict[str, Any]:
    """What clients see in that time, and the server's memory and queue meanwhile."""
    from gradio_client import Client, handle_file

    clients = [Client(url, verbose=False) for _ in range(users)]
    waits: list[float] = []
    bars: list[float] = []
    errors: list[str] = []
    deadline = time.perf_counter() + seconds

    def use(client: Any) -> None:
        while time.perf_counter() < deadline:
            started = time.perf_counter()
            try:
                sound = handle_file(file)
                client.predict(sound, *SETTINGS, api_name="/analyse")
                bars.append(time.perf_counter() - started)
                client.predict(sound, *SETTINGS, api_name="/details")
                waits.append(time.perf_counter() - started)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                errors.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=use, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    memory_mb, by_minute, queue = [], defaultdict(list), []
    while any(thread.is_alive() for thread in threads):
        memory_mb.append(resident_mb(pid))
        left_s = max(0.0, deadline - time.perf_counter())
        by_minute[int((seconds - left_s) // MINUTE_S)].append(memory_mb[-1])
        with urllib.request.urlopen(f"{url}gradio_api/queue/status", timeout=60) as answer:
            queue.append(int(answer.read().split(b'"queue_size":')[1].split(b",")[0].strip(b" }")))
        time.sleep(1)
    third = max(1, len(memory_mb) // 3)
    return {
        "users": users,
        "answers": len(waits),
        "errors": len(errors),
        "first_errors": errors[:3],
        "bars_median_s": median(bars),
        "bars_max_s": max(bars),
        "wait_median_s": median(waits),
        "wait_max_s": max(waits),
        "queue_max": max(queue),
        "memory_first_third_mb": median(memory_mb[:third]),
        "memory_last_third_mb": median(memory_mb[-third:]),
        "memory_max_mb": max(memory_mb),
        "memory_by_minute_mb": [round(median(by_minute[minute])) for minute in sorted(by_minute)],
    }


def resident_mb(pid: int) -> float:
    """Memory of a process, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def space_demo_table(results: dict[str, Any]) -> str:
    """Table of one run, for `benchmarks/README.md`."""
    from benchmarks.report import describe

    def middle(rows: list[dict[str, float]], key: str) -> str:
        values = [row[key] for row in rows]
        return f"{median(values):.1f} s [{min(values):.1f}–{max(values):.1f}]"

    crowd = results["crowd"]
    lines = [
        "| what | measured |",
        "|---|---|",
        f"| process start to first answer | {results['start_s']:.1f} s |",
        f"| first contentful paint | {middle(results['paints'], 'paint_s')} |",
        f"| page can be used | {middle(results['paints'], 'usable_s')} |",
    ]
    for name, rows in results["uploads"].items():
        if "sign_s" in rows[0]:  # older runs did not measure it
            lines.append(f"| {name}: upload to a sign of work | {middle(rows, 'sign_s')} |")
        lines.append(f"| {name}: upload to bars | {middle(rows, 'bars_s')} |")
        lines.append(f"| {name}: upload to the last download | {middle(rows, 'all_s')} |")
    for how, seconds in results.get("abandoned", {}).items():
        lines.append(f"| 10 min, left by {how}: work goes on for | {seconds:.1f} s |")
    growth = crowd["memory_last_third_mb"] - crowd["memory_first_third_mb"]
    lines += [
        f"| {crowd['users']} users for a minute: answers, errors "
        f"| {crowd['answers']}, {crowd['errors']} |",
        f"| … wait for a whole page, median and longest "
        f"| {crowd['wait_median_s']:.0f} s, {crowd['wait_max_s']:.0f} s |",
        f"| … longest queue | {crowd['queue_max']} |",
        f"| … memory, most, and last third against first "
        f"| {crowd['memory_max_mb'] / 1000:.2f} GB, {growth:+.0f} MB |",
    ]
    if "bars_max_s" in crowd:  # nor the bars of a crowd by themselves
        waits = f"{crowd['bars_median_s']:.1f} s, {crowd['bars_max_s']:.1f} s"
        lines.append(f"| … wait for the bars, median and longest | {waits} |")
    note = (
        f"Gradio {results['gradio']}, Nano, median [range]; load of the machine {results['load']}."
    )
    return "\n".join([f"{describe(results['machine'])} {note}", "", *lines])


def main() -> None:
    """Command line of `space_demo.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    import gradio

    from benchmarks.report import machine
    from modeling_empathic import NANO
    from modeling_empathic.report.files import write_json
    from modeling_empathic.saving_empathic import write_code
    from tests.support.browser_fixture import chromium, running_space

    load = f"{os.getloadavg()[0]:.1f} before the run"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(NANO, folder / "Nano")
        write_code(folder / "Nano")
        files = recordings(folder)
        variables = {"EMONET_MODEL_FOLDER": str(folder / "Nano"), "HF_HUB_OFFLINE": "1"}
        space = HERE.parent / "spaces" / "empathic_insight_voice"
        started = time.perf_counter()
        with running_space(space, folder, **variables) as url:
            start_s = time.perf_counter() - started
            time.sleep(20)  # it compiles what librosa needs, as it would between two visitors
            with chromium() as browser:
                uploads(browser, url, files["5 s"], 1)  # the first is the one that warms up
                picture(browser, url, HERE.parent / "examples" / "demo.png")
                seen = paints(browser, url)
                timed = {
                    length: uploads(browser, url, files[length], runs)
                    for length, (_, runs) in LENGTHS.items()
                }
                pid = int((folder / "pid").read_text())
                ended = {
                    how: abandoned(browser, url, pid, files["10 min"], how) for how in ABANDONED
                }
            crowded = crowd(url, pid, files["5 s"])
    results = {
        "machine": machine(),
        "gradio": gradio.__version__,
        "load": load,
        "start_s": start_s,
        "paints": seen,
        "uploads": timed,
        "abandoned": ended,
        "crowd": crowded,
    }
    write_json(HERE / "results" / "space_demo.json", results, indent=1)
    print(space_demo_table(results))


if __name__ == "__main__":
    main()
