"""The whole release of small artefacts, pushed and used, in processes without this package."""

import importlib.util
import json

import pytest

from emonet_voice.hub.publish import rehearse as publish_rehearse
from emonet_voice.hub.publish.rehearse import _run, _search_token, rehearse
from emonet_voice.hub.repositories import chosen
from tests.support.publish_maker import (
    BENCH,
    METRIC,
    NANO,
    SMALL,
    run_publish,
)


def test_everything_that_users_run_works_from_the_hub_and_then_offline(staged, tmp_path):
    rows = rehearse(staged, "laion", tmp_path / "work")
    assert [row for row in rows if row["ok"] is False] == []
    calls = {row["call"] for row in rows if row["ok"]}
    for config in ("default", "all", "unanimous", "ratings"):
        call = f'load_dataset("laion/{BENCH}", "{config}", split="test")'
        assert {call, call.replace(")", ", streaming=True)"), f"offline: {call}"} <= calls
    for name in (NANO, SMALL):
        call = f'AutoModel.from_pretrained("laion/{name}", trust_remote_code=True)'
        assert {call, f"offline: {call}"} <= calls
        call = f'pipeline("voice-emotion", "laion/{name}", trust_remote_code=True)("clip.wav")'
        assert {call, f"offline: {call}"} <= calls
    assert {
        f'evaluate.load("laion/{METRIC}")',
        f'offline: evaluate.load("laion/{METRIC}")',
    } <= calls
    assert {"push again: nothing to do", "the token is in no file"} <= calls
    for name in (NANO, SMALL, BENCH, METRIC):
        assert f"card of laion/{name}, Python block 1" in calls
    skipped = [row for row in rows if row["ok"] is None]
    spaces = [row for row in rows if " answers /" in row["call"]]
    assert len(spaces) == sum(row.kind == "space" for row in staged.repositories)
    has_gradio = importlib.util.find_spec("gradio") is not None
    assert skipped == ([] if has_gradio else spaces)


def test_a_call_that_fails_and_one_that_kills_its_process_are_rows(tmp_path):
    calls = [
        ("good", "x = 1"),
        ("bad", "x / 0"),
        ("deadly", "import os; os._exit(3)"),
        ("after", "x"),
    ]
    rows = list(_run(calls, {}, tmp_path, tmp_path / "log"))
    assert [row["call"] for row in rows] == ["good", "bad", "deadly", "after"]
    assert rows[0]["error"] is None
    assert rows[1]["error"] == "ZeroDivisionError: division by zero"
    assert "the process died" in rows[2]["error"] and "the process died" in rows[3]["error"]


def test_the_processes_cannot_import_this_package(tmp_path):
    calls = [(name, f"import {name}") for name in publish_rehearse.OURS]
    rows = list(_run(calls, {}, tmp_path, tmp_path / "log"))
    assert [row["error"] for row in rows] == [
        f"ModuleNotFoundError: {name}" for name in publish_rehearse.OURS
    ]


def test_a_token_in_a_log_is_found(tmp_path):
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "token").write_text("canary")  # the Hub's own
    assert _search_token("canary", tmp_path / "none", tmp_path)["error"] is None
    (tmp_path / "users.log").write_text("a canary sings")
    assert _search_token("canary", tmp_path / "none", tmp_path)["error"] is not None


@pytest.fixture
def start_space(tmp_path, monkeypatch):
    """A function that starts a Space whose program is the test's, and returns its row."""

    def start(program):
        (tmp_path / "worker.py").write_text(program)
        (tmp_path / "empty").mkdir()
        monkeypatch.setattr(publish_rehearse, "WORKER", tmp_path / "worker.py")
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
        space = chosen(["empathic-insight-voice"])[0]
        return publish_rehearse._start_space(space, "laion", {}, tmp_path)

    return start


def test_an_app_that_does_not_start_is_a_row_with_its_last_words(start_space):
    row = start_space("import sys; sys.exit('no module named x')")
    assert row["error"] == "the app ended with 1: no module named x"


def test_an_app_whose_port_is_taken_meanwhile_gets_another(start_space, tmp_path):
    row = start_space(
        "import http.server, os, pathlib, sys\n"
        "tried = pathlib.Path('tried')\n"
        "if not tried.exists():\n"
        "    tried.touch()\n"
        "    sys.exit('[Errno 98] address already in use')\n"
        "pathlib.Path('config').touch()\n"
        "address = os.environ['GRADIO_SERVER_NAME'], int(os.environ['GRADIO_SERVER_PORT'])\n"
        "http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()\n"
    )
    assert (row["error"], (tmp_path / "empty" / "tried").exists()) == (None, True)


def test_a_rehearsal_with_a_failed_call_ends_with_one(monkeypatch):
    rows = [{"call": "x", "seconds": 0.1, "ok": False, "error": "y"}]
    monkeypatch.setattr(publish_rehearse, "rehearse", lambda *_: rows)
    code, out, _ = run_publish("rehearse", "--only", METRIC, "--json")
    assert (code, json.loads(out)) == (1, rows)
