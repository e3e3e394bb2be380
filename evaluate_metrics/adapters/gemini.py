"""Gemini, through Google's own SDK."""

from typing import Any

import numpy as np

from .errors import AdapterError, TransientError, from_status, key_from_environment, retry_after
from .gpt_audio import without_credentials
from .prompt import Prompt
from .replies import Reply
from .wav import WAV, to_wav

_DECLINED = ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII")
GOOGLE = "https://generativelanguage.googleapis.com/"


class Gemini:
    """Through the `google-genai` SDK; needs GEMINI_API_KEY or GOOGLE_API_KEY in the environment.

    Args:
        system: Name in `SYSTEMS`.
        model: Such as `gemini-2.5-pro` (Table 5).
        base_url: Of a server with the same API; by default Google's.
        timeout_s: Of one request.

    Raises:
        AdapterError: No key, or the package is not installed.
    """

    prompted = True

    def __init__(
        self, system: str, model: str, *, base_url: str | None = None, timeout_s: float = 120.0
    ):
        self.secret, self._key_name = key_from_environment("GEMINI_API_KEY", "GOOGLE_API_KEY")
        try:
            from google import genai

            from modeling_empathic.report.client import client
        except ImportError:
            raise AdapterError(
                f"{system} needs the package google-genai: pip install google-genai"
            ) from None
        base_url = base_url or GOOGLE
        server = without_credentials(base_url)
        options = genai.types.HttpOptions(
            base_url=base_url,
            timeout=round(timeout_s * 1000),
            retry_options=genai.types.HttpRetryOptions(attempts=1),
            httpx_client=client(timeout=timeout_s),
        )
        # Stated, because variables of the environment could choose another service.
        self._client = genai.Client(vertexai=False, api_key=self.secret, http_options=options)
        self.system, self.sdk = system, f"google-genai {genai.__version__}"
        self.settings: dict[str, Any] = {
            "model": model,
            "server": server,
            "temperature": 0,
            "structured": True,
            "audio": WAV,
        }

    def ask(self, samples: np.ndarray, prompt: Prompt) -> Reply:
        """Asks once; see `Adapter.ask`."""
        from google.genai import types

        schema = dict(prompt.schema)
        del schema["additionalProperties"]  # Gemini knows a part of JSON schema only
        audio = types.Part.from_bytes(data=to_wav(samples), mime_type="audio/wav")
        structured = {"response_mime_type": "application/json", "response_schema": schema}
        return self._generate([prompt.text, audio], structured)

    def say(self, text: str) -> Reply:
        """Asks once in words alone; see `Adapter.ask`."""
        return self._generate([text], {})

    def _generate(self, contents: Any, structured: dict[str, Any]) -> Reply:
        import httpx2
        from google.genai import errors, types

        from modeling_empathic.report.client import UNREADABLE

        try:
            answer = self._client.models.generate_content(
                model=self.settings["model"],
                contents=contents,
                # No limit of tokens: those that 2.5 Pro thinks with would count too.
                config=types.GenerateContentConfig(
                    temperature=self.settings["temperature"], **structured
                ),
            )
            return _read(answer)
        except errors.APIError as error:
            raise self._kind(error) from None
        except httpx2.HTTPError as error:  # a lost connection, a timeout
            raise TransientError(f"{type(error).__name__}: {error}") from None
        except UNREADABLE as error:
            # 200, and then not what the API answers: a proxy's page, half a body.
            raise TransientError(f"unreadable response: {type(error).__name__}") from None

    def _kind(self, error: Any) -> AdapterError:
        notes = _notes(error.details)
        status = error.code
        if any(note.get("reason") == "API_KEY_INVALID" for note in notes):
            status = 401  # Google says 400
        wait_s = retry_after(getattr(error.response, "headers", None) or {})
        for note in notes:  # Google's own way to say Retry-After: {"retryDelay": "34.5s"}
            if wait_s is None and "retryDelay" in note:
                wait_s = retry_after({"retry-after": str(note["retryDelay"]).removesuffix("s")})
        return from_status(
            status, str(error.message), key_name=self._key_name, retry_after_s=wait_s
        )


def _notes(details: Any) -> list[dict[str, Any]]:
    """The machine-readable part of Google's errors."""
    body = details.get("error", details) if isinstance(details, dict) else {}
    notes = body.get("details") if isinstance(body, dict) else None
    return [note for note in notes if isinstance(note, dict)] if isinstance(notes, list) else []


def _read(answer: Any) -> Reply:
    model = answer.model_version or ""
    blocked = answer.prompt_feedback and answer.prompt_feedback.block_reason
    if blocked:
        return Reply("", refusal=f"prompt blocked: {blocked.name}", model=model)
    if not answer.candidates:
        return Reply("", finish="no candidates", model=model)
    candidate = answer.candidates[0]
    finish = candidate.finish_reason.name if candidate.finish_reason else ""
    parts = (candidate.content and candidate.content.parts) or []
    text = "".join(part.text for part in parts if part.text and not part.thought)
    refusal = f"finish reason {finish}" if finish in _DECLINED else ""
    return Reply(text, refusal, finish, model)
