"""GPT-4o audio, and any server that speaks OpenAI's chat completions with audio in them."""

import base64
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from .errors import AdapterError, TransientError, from_status, key_from_environment, retry_after
from .prompt import Prompt
from .replies import Reply
from .wav import WAV, to_wav

MAX_ANSWER_TOKENS = 2000
"""Four times what 40 keys with numbers need: an answer that runs away ends here."""
_POLICY_CODES = ("content_policy_violation", "content_filter")
_NO_MONEY = ("insufficient_quota", "billing_hard_limit_reached")


class GPTAudio:
    """Through the `openai` SDK; needs OPENAI_API_KEY in the environment.

    Args:
        system: Name in `SYSTEMS`.
        model: Such as `gpt-4o-audio-preview-2024-12-17` (Table 5).
        base_url: Of a server with the same API, such as vLLM; by default OpenAI's.
        structured: Make the server keep to the JSON schema (`response_format`). OpenAI's audio
            models answer that with HTTP 400, hence not by default.
        timeout_s: Of one request.

    Raises:
        AdapterError: No key, or the package is not installed.
    """

    prompted = True

    def __init__(
        self,
        system: str,
        model: str,
        *,
        base_url: str | None = None,
        structured: bool = False,
        timeout_s: float = 120.0,
    ):
        self.secret, self._key_name = key_from_environment("OPENAI_API_KEY")
        try:
            import openai
        except ImportError:
            raise AdapterError(f"{system} needs the package openai: pip install openai") from None
        if base_url:
            without_credentials(base_url)
        from modeling_empathic.report.client import client

        self._client = openai.OpenAI(
            api_key=self.secret,
            base_url=base_url,
            timeout=timeout_s,
            max_retries=0,
            http_client=client(timeout=timeout_s),
        )
        self._structured = structured
        self.system, self.sdk = system, f"openai {openai.__version__}"
        self.settings: dict[str, Any] = {
            "model": model,
            "server": without_credentials(str(self._client.base_url)),
            "temperature": 0,
            "max_completion_tokens": MAX_ANSWER_TOKENS,
            "structured": structured,
            "audio": WAV,
        }

    def ask(self, samples: np.ndarray, prompt: Prompt) -> Reply:
        """Asks once; see `Adapter.ask`."""
        import openai

        from modeling_empathic.report.client import UNREADABLE

        options: dict[str, Any] = {}
        if self._structured:
            schema = {"name": "emotions", "strict": True, "schema": prompt.schema}
            options["response_format"] = {"type": "json_schema", "json_schema": schema}
        audio = {"data": base64.b64encode(to_wav(samples)).decode(), "format": "wav"}
        content = [
            {"type": "text", "text": prompt.text},
            {"type": "input_audio", "input_audio": audio},
        ]
        messages: Any = [{"role": "user", "content": content}]
        try:
            answer = self._client.chat.completions.create(
                model=self.settings["model"],
                messages=messages,
                modalities=["text"],
                temperature=self.settings["temperature"],
                max_completion_tokens=MAX_ANSWER_TOKENS,
                **options,
            )
            return _read(answer)
        except openai.APIStatusError as error:
            return self._refusal_or_raise(error)
        except openai.APIConnectionError as error:  # a timeout is one of these
            raise TransientError(str(error.__cause__ or error)) from None
        except (openai.OpenAIError, *UNREADABLE) as error:
            # 200, and then not what the API answers: a proxy's page, half a body.
            raise TransientError(f"unreadable response: {type(error).__name__}") from None

    def _refusal_or_raise(self, error: Any) -> Reply:
        body = error.body if isinstance(error.body, dict) else {}
        message = str(body.get("message") or error.message)
        if error.code in _POLICY_CODES:
            return Reply("", refusal=message, finish=error.code)
        if error.code in _NO_MONEY:  # comes as 429, but waiting does not help
            raise AdapterError(f"HTTP {error.status_code}: {error.code}") from None
        raise from_status(
            error.status_code,
            message,
            key_name=self._key_name,
            retry_after_s=retry_after(error.response.headers),
        ) from None


def _read(answer: Any) -> Reply:
    if not answer.choices:
        return Reply("", finish="no choices", model=answer.model or "")
    choice = answer.choices[0]
    refusal = choice.message.refusal or ""
    if choice.finish_reason == "content_filter":
        refusal = refusal or "finish reason content_filter"
    text = choice.message.content or ""
    return Reply(text, refusal, choice.finish_reason or "", answer.model or "")


def without_credentials(url: str) -> str:
    """An address without what could be a secret in it: user, password, query.

    Raises:
        AdapterError: Not an address of a server.

    Example:
        >>> without_credentials("https://user:password@host:8000/v1?key=1")
        'https://host:8000/v1'
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise AdapterError("base_url must be an address such as http://127.0.0.1:8000/v1")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
