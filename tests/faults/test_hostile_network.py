"""Whatever a service or the Hub answers: one line or a row that says why, and no key anywhere."""

import io
import json
import logging
import subprocess
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import httpx2
import pytest

from dataset_scripts.generation.engines import make_engine
from evaluate_metrics.adapters import attempts
from evaluate_metrics.adapters.errors import TransientError, from_status, retry_after
from evaluate_metrics.adapters.runner import run
from evaluate_metrics.adapters.systems import make_adapter
from modeling_empathic.report import client
from modeling_empathic.taxonomy import UserError
from tests.support.adapter_fakes import make_clips, outcomes_of
from tests.support.hostile_hub import COMMANDS
from tests.support.hostile_server import MODES, PLANTED, hostile_server
from tests.support.places import REPOSITORY

pytest.importorskip("openai")
pytest.importorskip("google.genai")

SYSTEMS = ("gpt-4o-audio", "gemini-2.5-pro", "hume")
CLIPS = make_clips(2)


@pytest.fixture(scope="module", name="server")
def server_fixture():
    with hostile_server() as server:
        yield server


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "HUME_API_KEY"):
        monkeypatch.setenv(name, PLANTED)
    monkeypatch.setattr(client, "MAX_REPLY_BYTES", 2**20)
    monkeypatch.setattr(attempts, "MAX_BACKOFF_S", 0.0)


def said_by(folder: Path, *texts: str) -> str:
    """Everything that was written or said."""
    files = [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]
    return "\n".join([*files, *texts])


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_service_ends_a_run_but_by_one_line_nor_writes_the_key(system, server, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    adapter = make_adapter(system, base_url=server.url)
    for number, mode in enumerate(MODES):
        server.mode = mode
        server.elsewhere.clear()
        caplog.clear()
        output = tmp_path / f"{number}.parquet"
        screen, line = io.StringIO(), ""
        with redirect_stdout(screen), redirect_stderr(screen):
            try:
                run(
                    adapter,
                    CLIPS,
                    output,
                    cache_dir=tmp_path / f"answers-{number}",
                    sleep=lambda _: None,
                    max_attempts=2,
                    workers=2,
                )
            except UserError as error:
                line = str(error)
                assert line and "\n" not in line and len(line) < 500, mode
                assert not output.exists(), mode
            else:
                assert "scored" not in outcomes_of(output), mode
        assert not server.elsewhere, mode
        assert PLANTED not in said_by(tmp_path, line, screen.getvalue()), mode


def test_an_answer_that_trickles_in_is_given_up(server, monkeypatch):
    parts = iter(range(10**6))
    monkeypatch.setattr(client.time, "monotonic", lambda: next(parts))
    request = httpx2.Request("GET", server.url)
    stream = client._CappedStream([b" "] * 10**6, request, 2**20)
    with pytest.raises(httpx2.ReadTimeout, match="more than 600 s"):
        list(stream)
    assert next(parts) < 700


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("-5", 0), ("-1e308", 0), ("1e999", None), ("nan", None), ("", None), ("soon", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Mon, 99 Foo 2026 99:99:99 +9999", None),
        ("31536000", 31_536_000),
    ],
)  # fmt: skip
def test_a_wait_that_a_service_asks_for_is_a_number_or_none(value, seconds):
    assert retry_after({"retry-after": value}) == seconds
    error = from_status(429, "busy", key_name="KEY", retry_after_s=seconds)
    assert isinstance(error, TransientError) == (seconds is None or seconds < 600)


def test_nor_does_a_service_that_speaks(server):
    engine = make_engine("openai", base_url=f"{server.url}/v1")
    engine._client.max_retries = 0
    row = {"voice": "nova", "prompt": "x", "seed": 1, "accent": None}
    for mode in MODES:
        server.mode = mode
        server.elsewhere.clear()
        with pytest.raises(UserError) as raised:
            engine(row)
        said = "".join(traceback.format_exception_only(raised.value))
        assert PLANTED not in said and len(said) < 600, mode
        assert not server.elsewhere, mode


def ask_hub(folder: Path, *modes: str) -> None:
    program = [sys.executable, "-m", "tests.support.hostile_hub", folder, *modes]
    done = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(modes or MODES) * len(COMMANDS), done.stderr[-2000:]
    for row in rows:
        lines = [line for line in row["said"].splitlines() if line.startswith("error: ")]
        assert (row["code"], len(lines)) == (2, 1), row
        assert PLANTED not in row["said"], row
        assert not any(PLANTED in head for head in row["elsewhere"]), row
    assert PLANTED not in said_by(folder, done.stderr)


def test_what_answers_for_the_hub_ends_a_command_by_one_line(tmp_path):
    ask_hub(tmp_path / "x", "a page", "a list", "deep JSON", "500", "307 elsewhere", "without end")


@pytest.mark.slow
def test_in_every_other_way_too(tmp_path):
    ask_hub(tmp_path / "x")
