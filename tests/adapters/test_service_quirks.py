"""What only one of the services does."""

import pytest

from evaluate_metrics.adapters.errors import AdapterError
from evaluate_metrics.adapters.runner import run
from evaluate_metrics.adapters.systems import make_adapter
from tests.support.adapter_fakes import make_clips, rows_of
from tests.support.fake_api import Answer, chat, chat_error, fake_api, gemini, gemini_error

pytest.importorskip("openai")
pytest.importorskip("google.genai")

CLIPS = make_clips(1)


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Collects one clip; gives its rows, what was slept and the server."""
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "HUME_API_KEY"):
        monkeypatch.setenv(name, "k")

    def ask(system, *answers, clips=CLIPS, **options):
        slept = []
        with fake_api(*answers) as api:
            adapter = make_adapter(system, base_url=api.url, **options)
            output = tmp_path / "out.parquet"
            run(adapter, clips, output, cache_dir=tmp_path, sleep=slept.append, workers=1)
        return rows_of(output), slept, api

    return ask


def test_openai_refusal_field(ask):
    rows, _, _ = ask("gpt-4o-audio", chat(None, refusal="I cannot judge emotions"))
    assert {row["outcome"] for row in rows} == {"refused"}
    assert rows[0]["detail"] == "I cannot judge emotions"


def test_openai_content_policy_400_is_a_refusal(ask):
    error = chat_error(400, "flagged", code="content_policy_violation")
    assert ask("gpt-4o-audio", error)[0][0]["outcome"] == "refused"


def test_openai_without_money_is_not_waited_for(ask):
    with pytest.raises(AdapterError, match="HTTP 429: insufficient_quota"):
        ask("gpt-4o-audio", chat_error(429, "no money", code="insufficient_quota"))


def test_openai_no_choices_is_a_parse_error(ask):
    rows, _, _ = ask("gpt-4o-audio", chat() | {"choices": []})
    assert rows[0]["outcome"] == "parse_error"
    assert "no choices" in rows[0]["detail"]


def test_openai_compatible_servers_can_be_held_to_the_schema(ask):
    _, _, api = ask("gpt-4o-audio", chat(), structured=True, model="Qwen/Qwen2.5-Omni-7B")
    schema = api.requests[0].json["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert len(schema["schema"]["properties"]) == 40
    assert api.requests[0].json["model"] == "Qwen/Qwen2.5-Omni-7B"


def test_an_answer_cut_at_the_token_limit_says_so(ask):
    rows, _, _ = ask("gpt-4o-audio", chat('{"awe": 1, "pai', finish="length"))
    assert rows[0]["outcome"] == "parse_error"
    assert "length" in rows[0]["detail"]


def test_gemini_blocked_prompt_is_a_refusal(ask):
    rows, _, _ = ask("gemini-2.5-pro", gemini(blocked="PROHIBITED_CONTENT"))
    assert rows[0]["outcome"] == "refused"
    assert "PROHIBITED_CONTENT" in rows[0]["detail"]


def test_gemini_no_candidates_is_a_parse_error(ask):
    assert ask("gemini-2.5-pro", {"modelVersion": "x"})[0][0]["outcome"] == "parse_error"


def test_gemini_max_tokens_without_text_says_so(ask):
    rows, _, _ = ask("gemini-2.5-pro", gemini(None, finish="MAX_TOKENS"))
    assert rows[0]["outcome"] == "parse_error"
    assert "MAX_TOKENS" in rows[0]["detail"]


def test_gemini_thoughts_are_not_the_answer(ask):
    answer = gemini({"awe": 3})
    answer["candidates"][0]["content"]["parts"].insert(0, {"text": "Hm, 9?", "thought": True})
    rows, _, _ = ask("gemini-2.5-pro", answer)
    assert {row["emotion"]: row["score"] for row in rows}["Awe"] == 3


def test_gemini_says_400_for_a_bad_key_and_the_run_stops(ask):
    note = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    with pytest.raises(AdapterError, match="HTTP 401: the key in GEMINI_API_KEY"):
        ask("gemini-2.5-pro", gemini_error(400, "API key not valid.", note))


def test_gemini_states_its_wait_in_the_body(ask):
    note = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    _, slept, _ = ask("gemini-2.5-pro", gemini_error(429, "quota", note), gemini())
    assert len(slept) == 1
    assert 34.5 <= slept[0] <= 35.5


def test_gemini_takes_googles_variable_too(monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.setenv("GOOGLE_API_KEY", "k")
    assert make_adapter("gemini-2.0-flash").settings["model"] == "gemini-2.0-flash"


def measured(end_ms, **expressions):
    rows = [{"name": name, "probability": value} for name, value in expressions.items()]
    window = {"audio_start_ms": 0, "audio_end_ms": end_ms, "expressions": rows}
    return {"utterances": [{"measurements": [window]}]}


def test_hume_gets_chunks_of_five_seconds_and_their_mean_is_weighted_by_length(ask):
    import io

    import numpy as np
    import soundfile

    file = io.BytesIO()
    noise = 0.1 * np.random.default_rng(0).standard_normal(8 * 16_000)
    soundfile.write(file, noise, 16_000, format="WAV")
    answers = [measured(5000, awe=0.2, joy=1.0), measured(3000, awe=1.0, guilt=0.5)]
    rows, _, api = ask("hume", *answers, clips=[("a", file.getvalue())])
    scores = {row["emotion"]: row["score"] for row in rows}
    assert scores["Awe"] == pytest.approx(10 * (5 * 0.2 + 3 * 1.0) / 8)
    assert scores["Elation"] == 10
    assert scores["Pain"] is None
    assert [len(request.body) > 90_000 for request in api.requests] == [True, True]
    assert api.requests[0].headers["x-hume-api-key"] == "k"


def test_hume_without_speech_is_a_parse_error_and_a_strange_answer_ends_the_run(ask):
    rows, _, _ = ask("hume", {"utterances": []})
    assert (rows[0]["outcome"], "no speech" in rows[0]["detail"]) == ("parse_error", True)
    with pytest.raises(AdapterError, match="never been tested against the service"):
        ask("hume", {"results": []}, clips=make_clips(2)[1:])
    with pytest.raises(AdapterError, match="HTTP 401: the key in HUME_API_KEY"):
        ask("hume", Answer({}, 401), clips=make_clips(3)[2:])


def test_hume_follows_no_redirect_and_reads_no_answer_without_end(ask, monkeypatch):
    with fake_api({"utterances": []}) as elsewhere:
        away = Answer({}, 308, headers={"Location": elsewhere.url})
        with pytest.raises(AdapterError, match="HTTP 308: sent elsewhere"):
            ask("hume", away)
    assert not elsewhere.requests
    monkeypatch.setattr("modeling_empathic.report.client.MAX_REPLY_BYTES", 2**20)
    rows, _, _ = ask("hume", Answer(b" " * (2**20 + 1)))
    assert "more than 1 MB" in rows[0]["detail"]
