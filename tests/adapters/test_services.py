"""OpenAI's and Google's SDKs against servers on loopback that answer, or fail, like theirs."""

import base64
import gzip
import io
import json
import logging
import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
import soundfile

from evaluate_metrics.adapters.errors import AdapterError
from evaluate_metrics.adapters.runner import run
from evaluate_metrics.adapters.systems import SYSTEMS, make_adapter
from tests.support.adapter_fakes import make_clips, outcomes_of, provenance_of, rows_of
from tests.support.fake_api import SCORES, Answer, chat, chat_error, fake_api, gemini, gemini_error
from tests.support.servers import patience_s

pytest.importorskip("openai")
pytest.importorskip("google.genai")

CLIPS = make_clips(2)
CANARY = "canary-0123456789-key"
SERVICES = {
    "gpt-4o-audio": SimpleNamespace(
        good=chat, error=chat_error, path="/v1", safety="content_filter"
    ),
    "gemini-2.5-pro": SimpleNamespace(good=gemini, error=gemini_error, path="", safety="SAFETY"),
}


@pytest.fixture(params=SERVICES)
def service(request, tmp_path, monkeypatch):
    """A service, and `ask`: collects clips from a server with these answers."""
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, CANARY)
    for name in ("GOOGLE_API_KEY", "OPENAI_BASE_URL", "GOOGLE_GENAI_USE_VERTEXAI"):
        monkeypatch.delenv(name, raising=False)
    chosen = SERVICES[request.param]
    chosen.system, chosen.slept, chosen.output = request.param, [], tmp_path / "out.parquet"

    def ask(*answers, clips=CLIPS[:1], timeout_s=None, **options):
        with fake_api(*answers) as api:
            url, wait_s = api.url + chosen.path, timeout_s or patience_s()
            adapter = make_adapter(chosen.system, base_url=url, timeout_s=wait_s)
            options = {"workers": 1, "sleep": chosen.slept.append} | options
            counts = run(adapter, clips, chosen.output, cache_dir=tmp_path / "answers", **options)
        return api, counts

    chosen.ask = ask
    return chosen


def test_forty_scores_come_back(service):
    api, counts = service.ask(service.good())
    rows = rows_of(service.output)
    assert [row["score"] for row in rows] == [float(score) for score in SCORES.values()]
    assert outcomes_of(service.output) == {"scored"}
    assert (len(api.requests), counts["failed"]) == (1, 0)
    provenance = provenance_of(service.output)
    assert len(provenance["models"]) == 1
    assert re.match(r"gpt-4o-audio-preview-2024-12-17|gemini-2.5-pro-001", *provenance["models"])
    assert re.match(r"(openai|google-genai) \d", provenance["sdk"])


def test_the_request_has_the_prompt_and_the_clip_as_wav(service):
    api, _ = service.ask(service.good())
    sent = api.requests[0].json
    if service.system.startswith("gpt"):
        text, audio = sent["messages"][0]["content"]
        encoded = audio["input_audio"]["data"]
        assert sent["model"] == "gpt-4o-audio-preview-2024-12-17"
        assert "response_format" not in sent  # the audio models answer it with 400
        assert api.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    else:
        text, audio = sent["contents"][0]["parts"]
        encoded = audio["inlineData"]["data"]
        assert "models/gemini-2.5-pro:generateContent" in api.requests[0].path
        assert CANARY not in api.requests[0].path
        settings = sent["generationConfig"]
        assert settings["responseMimeType"] == "application/json"
        assert len(settings["responseSchema"]["required"]) == 40
        assert settings["temperature"] == 0
    assert text["text"] == provenance_of(service.output)["settings"]["prompt"]
    samples, rate = soundfile.read(
        io.BytesIO(base64.urlsafe_b64decode(encoded.replace("+", "-").replace("/", "_")))
    )
    assert (rate, len(samples)) == (16_000, 8000)


@pytest.mark.parametrize(
    "content", ["I'm sorry, but I can't do that.", {"error": "I cannot rate it"}]
)
def test_a_refusal_in_words(service, content):
    service.ask(service.good(content))
    assert outcomes_of(service.output) == {"refused"}


def test_a_refusal_by_finish_reason(service):
    service.ask(service.good("", finish=service.safety))
    assert outcomes_of(service.output) == {"refused"}
    assert service.safety in rows_of(service.output)[0]["detail"]


@pytest.mark.parametrize("content", ["", None, "{'awe': 1}", "awe 3", "[1]", '{"awe": 1'])
def test_an_empty_answer_and_bad_json_are_parse_errors(service, content):
    service.ask(service.good(content))
    assert outcomes_of(service.output) == {"parse_error"}


def test_wrong_keys_are_unmapped_and_a_part_of_them_scores(service):
    service.ask(service.good({"joyful": 3, "gloomy": 2}))
    assert outcomes_of(service.output) == {"unmapped"}
    service.ask(service.good({"joyful": 3, "awe": 2, "pain": 12}), clips=CLIPS[1:])
    rows = {row["emotion"]: row for row in rows_of(service.output)}
    assert (rows["Awe"]["score"], rows["Pain"]["outcome"]) == (2, "parse_error")
    assert rows["Shame"]["outcome"] == "unmapped"


def test_429_with_retry_after_waits_that_long(service):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    busy = service.error(429, "slow down", headers={"Retry-After": "7"})
    later = service.error(429, "slow down", headers={"Retry-After": date})
    api, _ = service.ask(busy, later, service.good())
    assert len(api.requests) == 3
    assert 7 <= service.slept[0] <= 8
    assert 25 <= service.slept[1] <= 31
    assert outcomes_of(service.output) == {"scored"}


def test_429_without_retry_after_backs_off(service):
    api, _ = service.ask(*[service.error(429, "slow down")] * 2, service.good())
    assert len(api.requests) == 3
    assert [wait <= limit for wait, limit in zip(service.slept, (2, 4), strict=True)] == [True] * 2


def test_500_twice_and_then_fine(service):
    api, counts = service.ask(*[service.error(500, "oops")] * 2, service.good())
    assert (len(api.requests), counts["failed"]) == (3, 0)


def test_500_for_ever_is_a_transport_error_after_our_attempts_and_no_others(service):
    api, _ = service.ask(service.error(503, "overloaded"), max_attempts=3)
    assert len(api.requests) == 3
    assert outcomes_of(service.output) == {"transport_error"}
    assert rows_of(service.output)[0]["detail"] == "HTTP 503: overloaded"


def test_a_connection_that_is_reset_midway_is_tried_again(service):
    api, counts = service.ask(Answer(service.good(), reset=True), service.good())
    assert (len(api.requests), counts["failed"]) == (2, 0)


def test_an_answer_that_takes_too_long_is_a_timeout_and_tried_again(service):
    late = Answer(held=True)
    # However slow this machine is today, one of so many attempts is answered in time.
    api, counts = service.ask(late, service.good(), timeout_s=0.5, max_attempts=1_000)
    assert len(api.requests) >= 2 and counts["failed"] == 0
    assert service.slept


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
@pytest.mark.parametrize(
    "body", [b"<html>Log in to the wifi</html>", b'{"half": ', b'{"choices": 5, "candidates": 5}']
)
def test_a_page_in_place_of_an_answer_is_a_transport_error(service, body, kind):
    service.ask(Answer(body, content_type=kind), max_attempts=2)
    assert outcomes_of(service.output) == {"transport_error"}
    assert "unreadable response" in rows_of(service.output)[0]["detail"]


def test_a_server_that_is_not_there_is_a_transport_error(service, tmp_path):
    with fake_api(service.good()) as api:
        pass
    adapter = make_adapter(service.system, base_url=api.url + service.path)
    options = {"cache_dir": tmp_path, "sleep": lambda s: None, "max_attempts": 2}
    run(adapter, CLIPS[:1], service.output, **options)
    assert outcomes_of(service.output) == {"transport_error"}


def test_400_is_the_outcome_of_its_clip_alone(service):
    bad = service.error(400, "audio is too odd")
    api, _ = service.ask(bad, service.good(), clips=CLIPS)
    assert len(api.requests) == 2
    rows = rows_of(service.output)
    assert [row["outcome"] for row in rows][::40] == ["transport_error", "scored"]
    assert rows[0]["detail"] == "HTTP 400: audio is too odd"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_key_or_model_that_is_not_accepted_stops_the_run_with_one_line(service, status):
    with pytest.raises(AdapterError, match=f"^HTTP {status}: [^\n]*$") as caught:
        service.ask(service.error(status, f"you sent {CANARY}"), clips=make_clips(8))
    assert CANARY not in str(caught.value)
    assert ("_API_KEY" in str(caught.value)) == (status != 404)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_neither_key_nor_clip_elsewhere(service, status):
    with fake_api(service.good()) as elsewhere:
        away = Answer({}, status, headers={"Location": f"{elsewhere.url}/x"})
        with pytest.raises(AdapterError, match=f"HTTP {status}: sent elsewhere"):
            service.ask(away, service.good())
    assert not elsewhere.requests and not service.output.exists()


@pytest.mark.parametrize("compressed", [False, True])
def test_an_answer_without_end_is_given_up(service, monkeypatch, compressed):
    monkeypatch.setattr("modeling_empathic.report.client.MAX_REPLY_BYTES", 2**20)
    body = b" " * (2**20 + 1)
    headers = {}
    if compressed:
        body, headers = gzip.compress(body), {"Content-Encoding": "gzip"}
    _, counts = service.ask(Answer(body, headers=headers), max_attempts=2)
    assert counts["outcomes"]["transport_error"] == 40
    reason = "compressed" if compressed else "more than 1 MB"
    assert reason in rows_of(service.output)[0]["detail"]


def test_a_wait_of_a_day_ends_the_run(service):
    busy = service.error(429, "daily limit", headers={"Retry-After": "86400"})
    with pytest.raises(AdapterError, match="asks to wait 86,400 s"):
        service.ask(busy)
    assert not service.slept


def test_no_key_anywhere_in_files_output_logs_or_errors(service, tmp_path, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    echo = f"bad request with {CANARY} in it"
    for answers in (
        [service.good()],
        [service.good(f"not json {CANARY}")],
        [service.error(500, echo), service.error(400, echo)],
        [service.good({CANARY: 3, "awe": 1})],
    ):
        service.ask(*answers, clips=make_clips(4))
    with pytest.raises(AdapterError) as caught:
        service.ask(service.error(404, echo), clips=[make_clips(9)[8]])
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(written) > 4
    said = "".join(capfd.readouterr()) + caplog.text + str(caught.value)
    assert "HTTP 404" in said
    assert CANARY not in said
    assert not [file for file in written if CANARY.encode() in file.read_bytes()]
    assert not [file for file in written if CANARY in str(file)]


@pytest.mark.parametrize("key", ["", "   ", "two words", "schlüssel", "line\nbreak"])
def test_a_missing_or_impossible_key_is_said_without_quoting_it(service, monkeypatch, key):
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, key)
    with pytest.raises(AdapterError, match="API_KEY") as caught:
        make_adapter(service.system)
    assert not key.strip() or key not in str(caught.value)


def test_a_base_url_with_a_password_leaves_no_trace_of_it(service):
    adapter = make_adapter(service.system, base_url="http://user:secret@127.0.0.1:1/v1")
    assert "secret" not in json.dumps(adapter.settings)
    assert "127.0.0.1:1" in adapter.settings["server"]


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x/", "nonsense"])
def test_a_base_url_that_is_none_is_refused_at_once(service, url):
    with pytest.raises(AdapterError, match="base_url must be an address"):
        make_adapter(service.system, base_url=url)


def test_a_short_key_of_a_server_of_ones_own_leaves_the_answers_alone(service, monkeypatch):
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "1")
    service.ask(service.good())
    assert outcomes_of(service.output) == {"scored"}
    assert rows_of(service.output)[1]["score"] == 1


def test_the_sdks_do_not_sleep_or_retry_by_themselves(service, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    api, _ = service.ask(service.error(500, "oops"), max_attempts=1)
    assert (len(api.requests), slept) == (1, [])


def test_every_service_of_table_5_has_an_entry():
    assert {
        "gpt-4o-audio",
        "gpt-4o-mini-audio",
        "gemini-2.0-flash",
        "gemini-2.5-pro",
        "hume",
    } <= set(SYSTEMS)
