"""The page that scores in the browser, put together and served as a static host would."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import run_command
from tests.support.places import REPOSITORY

SPACE = REPOSITORY / "spaces" / "voice_in_browser"
RUNTIME = REPOSITORY / "examples" / "browser" / "runtime"
SEVERAL_CORES = {  # what the card asks of the Hub, so that the runtime may use threads
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


@pytest.fixture(scope="session", name="nano_onnx")
def nano_onnx_fixture(tmp_path_factory) -> Path:
    """Nano as ONNX with weights in float16, as `make browser` makes it."""
    pytest.importorskip("onnxscript")
    folder = tmp_path_factory.mktemp("onnx") / "nano"
    code, _, err = run_command("convert", "nano", folder, "--to", "onnx", "--dtype", "float16")
    assert code == 0, err
    return folder


def put_together(folder: Path, model: Path) -> Path:
    """The Space's files, the runtime and an exported model, linked into a new folder."""
    folder.mkdir()
    for path in SPACE.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "model").symlink_to(model)
    (folder / "runtime").symlink_to(RUNTIME)
    return folder


@contextmanager
def serving(folder: Path, headers: dict[str, str] | None = None) -> Iterator[str]:
    """The address of a folder on a web server that does nothing else."""

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def python_scores(clip: Any) -> dict[str, float]:
    """What this package says of one window, as `score` does; by head."""
    from modeling_empathic import NANO, EmpathicInsightModel, load_audio
    from modeling_empathic.frontend_empathic import front_end
    from modeling_empathic.scoring.forward import score_windows
    from modeling_empathic.scoring.prepared import SILENCE

    global _nano
    if _nano is None:
        _nano = EmpathicInsightModel.from_pretrained(NANO).eval()
    extractor, samples = front_end(_nano.config), load_audio(clip)
    length = min(len(samples) + SILENCE, extractor.n_samples)
    features = extractor(samples, sampling_rate=16_000, return_tensors="pt", max_length=length)
    scores = score_windows(_nano, features.input_features)[0]
    return dict(zip(_nano.config.head_names, scores.tolist(), strict=True))


_nano: Any = None


def shown_scores(page: Any) -> dict[str, float]:
    """What the page says, unrounded, once it has said it; by head."""
    page.locator("#result:not([hidden])").wait_for()
    rows = "rows => rows.map(row => [row.cells[0].textContent, Number(row.dataset.score)])"
    return dict(page.locator("#rows tr").evaluate_all(rows))
