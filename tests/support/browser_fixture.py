"""A real browser and a running Space, for tests of pages.

Debian's Chromium through Playwright; a Space runs in a process of its own, from a copy of its
folder as the Hub would get it, and cannot import this repository's packages. In CI, or where
`SCREENSHOTS` is set, pictures of the pages go to `screenshots/`, which git ignores.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import REPOSITORY
from tests.support.servers import patience_s, reserved_port, started

SCREENSHOTS = REPOSITORY / "screenshots"
PHONE = {"width": 390, "height": 844}
_OURS = ("modeling_empathic", "dataset_scripts", "evaluate_metrics", "emonet_voice")
# The Space's own folder first, as `python app.py` has it; our packages nowhere, unless it brings
# them along.
_START = f"""
import runpy, sys
from importlib.machinery import PathFinder
class Hide:
    def find_spec(self, name, path=None, target=None):
        if path is None and name in {_OURS!r} and not PathFinder.find_spec(name, sys.path[:1]):
            raise ModuleNotFoundError(name)
sys.path.insert(0, "")
sys.meta_path.insert(0, Hide())
runpy.run_path("app.py", run_name="__main__")
"""


class Space:
    """A Space in a process that can be killed and started again, on the same port.

    Args:
        space: Its folder in this repository; links in it are followed, as by an upload.
        folder: Where the copy goes, `log.txt`, and the process's number as `pid`.
        port: To listen on.
        environment: Variables for it.
    """

    def __init__(self, space: Path, folder: Path, port: int, environment: dict[str, str]):
        self.url, self._folder = f"http://127.0.0.1:{port}/", folder
        self._copy = folder / space.name
        shutil.copytree(space, self._copy, ignore=shutil.ignore_patterns("__pycache__"))
        self._variables = {
            **os.environ,
            "GRADIO_ANALYTICS_ENABLED": "False",
            "GRADIO_SERVER_PORT": str(port),
            "GRADIO_TEMP_DIR": str(folder / "gradio"),
            "PYTHONPATH": "",
            **environment,
        }
        self._running = ExitStack()

    def start(self) -> None:
        """Waits until it answers."""
        command = [sys.executable, "-P", "-c", _START]
        log, how = self._folder / "log.txt", {"cwd": self._copy, "env": self._variables}
        process = self._running.enter_context(started(command, self.url, log, **how))
        (self._folder / "pid").write_text(str(process.pid))

    def kill(self) -> None:
        """SIGKILL."""
        self._running.close()


@contextmanager
def killable_space(space: Path, folder: Path, **environment: str) -> Iterator[Space]:
    """A [`Space`] that runs; it is killed in the end."""
    with reserved_port() as port:
        running = Space(space, folder, port, environment)
        try:
            running.start()
            yield running
        finally:
            running.kill()


@contextmanager
def running_space(space: Path, folder: Path, **environment: str) -> Iterator[str]:
    """Runs a Space and yields its URL; see [`Space`] for the arguments."""
    with killable_space(space, folder, **environment) as running:
        yield running.url


def new_page(browser: Any, **settings: Any) -> Any:
    """A page in a context of its own, in which everything is waited for as long as is needed.

    Args:
        browser: Of `chromium`.
        settings: Of the context.
    """
    context = browser.new_context(**settings)
    context.set_default_timeout(1000 * patience_s())
    return context.new_page()


def intercept_next(page: Any, address: str, handle: Any) -> None:
    """Handles the next request to an address; those after it pass.

    Interception stays on: with Playwright's `times=1`, which gives it up, one request of 250 on a
    busy machine reached the server all the same. So ask for it well before the request.

    Args:
        page: Of Playwright.
        address: Pattern of it.
        handle: Called with the route.
    """
    waiting = [handle]
    page.route(address, lambda route: waiting.pop()(route) if waiting else route.continue_())


@contextmanager
def chromium(*flags: str) -> Iterator[Any]:
    """Playwright's browser.

    Args:
        flags: More for the command line.
    """
    executable = shutil.which("chromium")
    if executable is None:
        message = "chromium is not installed (apt-get install chromium)"
        assert "CI" not in os.environ, message
        pytest.skip(message)
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", *flags])


def microphone(recording: Path) -> list[str]:
    """Flags that make a browser hear a WAV file in its microphone, and not ask whether it may."""
    return [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={recording}",
    ]


def screenshot(page: Any, name: str) -> None:
    """The whole page as a picture, for people to look at; what fades in is in."""
    if not os.environ.keys() & {"CI", "SCREENSHOTS"}:
        return  # half a second each
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True, animations="disabled")
