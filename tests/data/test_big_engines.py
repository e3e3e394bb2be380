"""Each engine speaks a row, and what goes wrong with it is one of three kinds."""

import base64
import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from dataset_scripts.generation.engines import (
    EngineError,
    NoAnswerError,
    RefusedError,
    make_engine,
)
from dataset_scripts.generation.factors import CHALLENGES, VOICES
from dataset_scripts.generation.hearing import UnusableError, hear
from dataset_scripts.generation.plan import pieces
from tests.support.fake_api import Answer, chat_error, fake_api
from tests.support.speech_maker import COPY, speech_like, wav

KEY = "sk-not-a-real-key-1234567890"
ROW = next(iter(pieces(44, 0)))[0]


def spoken(said: str = ROW["text"], finish: str = "stop", **message: object) -> dict:
    """A chat completion with audio in it."""
    audio = {"id": "audio_1", "expires_at": 1, "transcript": said}
    audio["data"] = base64.b64encode(wav(speech_like(8.0))).decode()
    whole = {"role": "assistant", "content": None, "refusal": None, "audio": audio} | message
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-audio-1.5",
        "choices": [{"index": 0, "finish_reason": finish, "message": whole}],
    }  # fmt: skip


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def ask(*answers, **options):
    """What OpenAI's engine makes of a server's answers, and what the server was sent."""
    pytest.importorskip("openai")
    from dataset_scripts.generation.openai_engine import OpenAISpeech

    with fake_api(*answers) as api:
        engine = OpenAISpeech(base_url=f"{api.url}/v1", **{"retries": 0, **options})
        try:
            return engine(ROW), api
        except EngineError as error:
            assert KEY not in str(error)
            raise


def test_openai_is_asked_in_the_plans_voice_with_its_prompt_and_gives_a_clip(key):
    speech, api = ask(spoken())
    (request,) = api.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json["modalities"] == ["text", "audio"]
    assert request.json["audio"] == {"voice": ROW["voice"], "format": "wav"}
    assert request.json["messages"] == [{"role": "user", "content": ROW["prompt"]}]
    heard = hear(speech, ROW["text"])
    assert heard.words_found == 1 and len(heard.samples) == 8 * 24_000


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (spoken(refusal="I can't do that."), RefusedError, "I can't do that."),
        (spoken(finish="content_filter"), RefusedError, "content filter"),
        (spoken(finish="length"), UnusableError, "limit of tokens"),
        (spoken(audio=None, content="Sorry."), NoAnswerError, "no audio but text: Sorry."),
        ({"choices": []}, NoAnswerError, "without choices"),
        (Answer(b"<html>", content_type="text/html"), NoAnswerError, "unreadable"),
        (Answer(spoken(), reset=True), NoAnswerError, "peer"),
        (chat_error(400, "policy", "content_policy_violation"), RefusedError, "HTTP 400"),
        (chat_error(401, f"bad key {KEY}"), EngineError, "OPENAI_API_KEY was not accepted"),
        (chat_error(404, "no such model"), EngineError, "no such model or address"),
        (chat_error(429, "slow down"), NoAnswerError, "HTTP 429"),
        (chat_error(429, "pay", "insufficient_quota"), EngineError, "insufficient_quota"),
        (chat_error(503, "busy"), NoAnswerError, "HTTP 503"),
    ],
)  # fmt: skip
def test_each_answer_of_openai_that_is_no_speech_is_of_its_kind(key, answer, kind, message):
    with pytest.raises((EngineError, UnusableError), match=message) as error:
        ask(answer)
    assert type(error.value) is kind


def test_no_redirect_is_followed_so_the_key_goes_nowhere_else(key):
    with fake_api(spoken()) as elsewhere:
        moved = Answer(b"", 307, {"Location": f"{elsewhere.url}/v1/chat/completions"})
        with pytest.raises(EngineError, match="HTTP 307"):
            ask(moved)
        assert not elsewhere.requests


def test_the_sdk_asks_again_where_the_service_is_busy(key):
    busy = chat_error(503, "busy", headers={"retry-after-ms": "1"})
    speech, api = ask(busy, spoken(), retries=2)
    assert len(api.requests) == 2 and speech.said == ROW["text"]


@pytest.mark.parametrize("value", ["", "  ", "two words"])
def test_a_key_that_is_missing_or_none_is_named_and_never_quoted(monkeypatch, value):
    monkeypatch.setenv("OPENAI_API_KEY", value)
    with pytest.raises(EngineError, match="OPENAI_API_KEY") as error:
        make_engine("openai")
    assert "words" not in str(error.value)


def test_a_command_gets_each_value_as_one_argument_and_no_shell_sees_it(tmp_path):
    texts = ["a; touch hacked; $(touch hacked) {output} 'x\" \\ *"]
    script = tmp_path / "tts.sh"
    script.write_text('#!/bin/sh\nprintf "%s\\n" "$#" "$1" "$2" > "$3"\n')
    script.chmod(0o755)
    engine = make_engine(f"{script} {{text}} {{voice}}-{{emotion}} {{output}}")
    speech = engine({**ROW, "text": texts[0]})
    n, text, voice = speech.audio.decode().splitlines()
    assert (n, text, voice) == ("3", texts[0], f"{ROW['voice']}-{ROW['target_emotion']}")
    assert not list(tmp_path.glob("hacked"))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("false {text} {output}", "exit code 1"),
        ("ls --no-such-option {text} {output}", "exit code 2: Try"),
        ("true {text} {output}", "wrote no file"),
    ],
)
def test_a_command_that_fails_gives_no_answer_and_says_why(command, message):
    with pytest.raises(NoAnswerError, match=message):
        make_engine(command)(ROW)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('ln -s /etc/passwd "$2"', "wrote a link and no file"),
        ('ln -s /dev/zero "$2"', "wrote a link and no file"),
        ('mkfifo "$2"', "wrote no file to"),
        ('mkdir "$2"', "cannot be read: Is a directory"),
        ('rm -r "${2%/*}"', "wrote no file to"),
        ('rm -r "${2%/*}"; ln -s / "${2%/*}"', "wrote no file to"),
        ('rm -r "${2%/*}"; echo > "${2%/*}"', "cannot be read: Not a directory"),
        ('mkfifo "${2%/*}/clip.log"; exit 3', "exit code 3$"),
        ('echo "no ${2%/*}/voice" >&2; exit 3', "exit code 3: no …/voice$"),
    ],
)
def test_whatever_a_command_does_to_its_folder_is_the_clips_reason(tmp_path, script, message):
    program = tmp_path / "odd.sh"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(NoAnswerError, match=message):
        make_engine(f"{program} {{text}} {{output}}")(ROW)


def test_a_command_that_does_not_end_is_stopped_with_all_that_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr("dataset_scripts.generation.command_engine.TIMEOUT_S", 0.3)
    script = tmp_path / "slow.sh"
    script.write_text(f"#!/bin/sh\nsleep 600 & echo $! > {tmp_path}/pid\nwait\n")
    script.chmod(0o755)
    with pytest.raises(NoAnswerError, match=r"not done after 0\.3 s"):
        make_engine(f"{script} {{text}} {{output}}")(ROW)
    pid = int((tmp_path / "pid").read_text())
    assert _ends(pid)


@pytest.mark.parametrize("left", ["sleep 600", "setsid sleep 600", "setsid -f setsid sleep 600"])
def test_what_a_command_leaves_running_neither_holds_it_up_nor_stays(tmp_path, left):
    script = tmp_path / "leaving.sh"
    sleeping = f"sh -c 'echo $$ > {tmp_path}/pid; exec sleep 600'"
    started = left.replace("sleep 600", sleeping)
    wait = f"while [ ! -s {tmp_path}/pid ]; do sleep 0.01; done"
    script.write_text(f'#!/bin/sh\n{started} &\n{wait}\necho made > "$2"\n')
    script.chmod(0o755)
    assert make_engine(f"{script} {{text}} {{output}}")(ROW).audio == b"made\n"
    pid = int((tmp_path / "pid").read_text())
    assert _ends(pid)


@pytest.mark.parametrize(("to", "where"), [('> "$2"', "to {output}"), (">&2", "about errors")])
def test_a_command_that_writes_without_end_does_not_fill_the_disk(tmp_path, monkeypatch, to, where):
    monkeypatch.setattr("dataset_scripts.generation.command_engine.MAX_BYTES", 2**20)
    monkeypatch.setattr("dataset_scripts.generation.command_engine.LOOK_S", 0.05)
    script = tmp_path / "endless.sh"
    script.write_text(f"#!/bin/sh\nwhile :; do head -c 200000 /dev/zero; sleep 0.02; done {to}\n")
    script.chmod(0o755)
    with pytest.raises(NoAnswerError, match=f"wrote more than 1 MB {where}"):
        make_engine(f"{script} {{text}} {{output}}")(ROW)


def _ends(pid: int) -> bool:
    """Whether a process that was killed is gone, or waits for nobody but its parent."""
    for _ in range(600):  # a busy machine may take its time
        try:
            os.kill(pid, 0)
            if Path("/proc", str(pid), "stat").read_text().split()[2] in "ZX":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("festival", "engine='festival'; valid: espeak-ng, openai"),
        ("cp {txt} {output}", "{txt} is no placeholder; valid: {output}, {text}"),
        ("cp x {output}", "needs {text} or {prompt}"),
        ("no-such-program {text} {output}", "no program 'no-such-program'"),
        ("cp 'x {text} {output}", "cannot be split into words"),
    ],
)
def test_an_engine_that_cannot_be_made_is_named(engine, message):
    with pytest.raises(EngineError) as error:
        make_engine(engine)
    assert message in str(error.value)


def test_options_of_another_engine_are_refused():
    with pytest.raises(EngineError, match="model is not for engine"):
        make_engine(COPY, model="gpt-audio")


@pytest.mark.skipif(find_spec("espeakng_loader") is None, reason="the extra generate")
class TestEspeak:
    row: ClassVar = {**ROW, "text": "Good morning to you."}

    def test_a_row_gives_the_same_samples_again_and_each_voice_others(self):
        engine = make_engine("espeak-ng")
        first, again = engine(self.row), engine(self.row)
        np.testing.assert_array_equal(first.audio, again.audio)
        said = {engine({**self.row, "voice": voice}).audio.tobytes() for voice in VOICES}
        assert len(said) == 11

    def test_it_says_which_accent_it_spoke(self):
        engine = make_engine("espeak-ng")
        rows = [{**self.row, "language": "en", "accent": a} for a in ("British", "Texan", "")]
        speeches = [engine(row) for row in rows]
        assert [speech.accent for speech in speeches] == ["British", "", ""]
        assert [speech.voice.split("+")[0] for speech in speeches] == ["en", "en-us", "en-us"]

    def test_a_challenge_changes_the_voice_and_a_hidden_emotion_is_weaker(self):
        engine = make_engine("espeak-ng")
        row = {**self.row, "target_emotion": "Anger", "target_intensity": 4.0}
        level = {c: np.std(engine({**row, "challenge": c}).audio) for c in ("", *CHALLENGES)}
        assert len(set(level.values())) == 8
        assert level["whispering"] < 0.6 * level[""]
        assert level["hiding it"] < 0.9 * level[""]

    def test_a_voice_that_it_lacks_is_named(self):
        with pytest.raises(RefusedError, match="voice='bob'; valid: alloy, coral"):
            make_engine("espeak-ng")({**self.row, "voice": "bob"})
