"""OpenAI's speech-capable chat model, or any server that speaks the same API."""

import base64
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .engines import OPENAI, EngineError, NoAnswerError, RefusedError, Speech
from .hearing import UnusableError

MODEL = "gpt-audio-1.5"
"""Follows gpt-4o-audio-preview, which spoke the paper's Big and was shut down in May 2026."""
KEY = "OPENAI_API_KEY"
_NO_MONEY = ("insufficient_quota", "billing_hard_limit_reached")
_WHOLE_RUN = {
    401: f"the key in {KEY} was not accepted",
    403: f"the key in {KEY} may not use this",
    404: "there is no such model or address",
}
_TRANSIENT = (408, 409, 425, 429)


class OpenAISpeech:
    """Through the `openai` SDK, which waits and asks again where a service is busy.

    No redirect is followed, so the key goes nowhere else.

    Args:
        model: That gives audio.
        base_url: Of a server with the same API; by default OpenAI's.
        timeout_s: Of one request.
        retries: Of a request that finds no answer, by the SDK's own waits.

    Raises:
        EngineError: No key in OPENAI_API_KEY, no package, no address.
    """

    name = OPENAI

    def __init__(
        self,
        model: str = MODEL,
        base_url: str | None = None,
        timeout_s: float = 180.0,
        retries: int = 5,
    ):
        self._secret = os.environ.get(KEY, "").strip()
        if not self._secret:
            raise EngineError(f"engine openai needs an API key in the environment: set {KEY}")
        if not (self._secret.isascii() and self._secret.isprintable() and " " not in self._secret):
            raise EngineError(f"{KEY} has characters that no key has")
        try:
            import openai
        except ImportError:
            raise EngineError(
                "engine openai needs the package openai: pip install openai"
            ) from None
        if base_url is not None and urlsplit(base_url).scheme not in ("http", "https"):
            raise EngineError("base_url must be an address such as http://127.0.0.1:8000/v1")
        from modeling_empathic.report.client import client

        self._client = openai.OpenAI(
            api_key=self._secret,
            base_url=base_url,
            timeout=timeout_s,
            max_retries=retries,
            http_client=client(timeout=timeout_s),
        )
        server = urlsplit(str(self._client.base_url))
        where = f"{server.scheme}://{server.netloc.rpartition('@')[2]}{server.path}"
        self.settings: dict[str, Any] = {"model": model, "server": where}

    def __call__(self, row: Mapping[str, Any]) -> Speech:
        """Speaks a row; see `Engine`."""
        import openai

        from modeling_empathic.report.client import UNREADABLE

        try:
            answer = self._client.chat.completions.create(
                model=self.settings["model"],
                modalities=["text", "audio"],
                audio={"voice": row["voice"], "format": "wav"},
                messages=[{"role": "user", "content": row["prompt"]}],
                seed=row["seed"],
            )
            return self._read(answer, row)
        except (EngineError, UnusableError):  # says already what it is
            raise
        except openai.APIStatusError as error:
            raise self._kind(error) from None
        except openai.APIConnectionError as error:  # a timeout is one of these
            raise NoAnswerError(self._shown(error.__cause__ or error)) from None
        except (openai.OpenAIError, *UNREADABLE) as error:
            # 200, and then not what the API answers: a proxy's page, half a body.
            raise NoAnswerError(f"unreadable response: {type(error).__name__}") from None

    def _read(self, answer: Any, row: Mapping[str, Any]) -> Speech:
        if not answer.choices:
            raise NoAnswerError("an answer without choices")
        choice = answer.choices[0]
        if choice.message.refusal or choice.finish_reason == "content_filter":
            raise RefusedError(self._shown(choice.message.refusal or "content filter"))
        audio = choice.message.audio
        if audio is None:
            text = choice.message.content or "nothing"
            raise NoAnswerError(f"no audio but text: {self._shown(text)}")
        if choice.finish_reason == "length":
            raise UnusableError("cut off: the model reached its limit of tokens")
        sound = base64.b64decode(audio.data, validate=True)
        return Speech(sound, 0, row["accent"], row["voice"], audio.transcript)

    def _kind(self, error: Any) -> EngineError:
        status, code = error.status_code, error.code
        body = error.body if isinstance(error.body, dict) else {}
        message = self._shown(body.get("message") or error.message)
        if code in _NO_MONEY:  # comes as 429, but waiting does not help
            return EngineError(f"HTTP {status}: {code}")
        if status in _WHOLE_RUN or 300 <= status < 400:
            why = _WHOLE_RUN.get(status, "the server sends requests elsewhere; name that one")
            return EngineError(f"HTTP {status}: {why} ({message})")
        if status in _TRANSIENT or status >= 500:
            return NoAnswerError(f"HTTP {status}: {message}")
        return RefusedError(f"HTTP {status}: {message}")

    def _shown(self, message: object) -> str:
        """One short line without the key."""
        text = " ".join(str(message).replace(self._secret, "[key]").split())
        return text if len(text) <= 200 else f"{text[:200]}…"
