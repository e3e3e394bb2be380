"""What can go wrong with a request, in three kinds: stop the run, lose the clip, or try again."""

import math
import os
import time
from collections.abc import Mapping

from modeling_empathic.taxonomy import UserError

MAX_WAIT_S = 600
"""A service that asks for a longer wait (a day's quota is used up) ends the run instead."""
_TRANSIENT = (408, 409, 425, 429)
_WHOLE_RUN = {
    401: "the key in {key} was not accepted",
    403: "the key in {key} may not use this",
    404: "there is no such model or address",
}
_LONGEST_MESSAGE = 300


class AdapterError(UserError):
    """Ends the run: a missing key, an unknown model, a file or an option that cannot be used."""


class RejectedError(AdapterError):
    """The service will never take this request: the clip's own outcome, no second try."""


class TransientError(AdapterError):
    """No answer this time: a lost connection, a timeout, an overloaded service.

    Attributes:
        retry_after_s: How long the service asks to wait, None where it does not say.
    """

    def __init__(self, message: str, retry_after_s: float | None = None):
        super().__init__(message)
        self.retry_after_s = retry_after_s


def from_status(
    status: int, message: str, *, key_name: str, retry_after_s: float | None = None
) -> AdapterError:
    """The kind of error that an HTTP status stands for.

    What the service says about a key is not passed on: some quote a part of it.

    Example:
        >>> from_status(401, "bad key sk-123", key_name="OPENAI_API_KEY")
        AdapterError('HTTP 401: the key in OPENAI_API_KEY was not accepted')
        >>> from_status(503, "overloaded", key_name="OPENAI_API_KEY")
        TransientError('HTTP 503: overloaded')
        >>> from_status(400, "audio too long", key_name="OPENAI_API_KEY")
        RejectedError('HTTP 400: audio too long')
    """
    if status in (401, 403):
        return AdapterError(f"HTTP {status}: {_WHOLE_RUN[status].format(key=key_name)}")
    if 300 <= status < 400:
        return AdapterError(f"HTTP {status}: sent elsewhere, which is never followed with a clip")
    said = f"HTTP {status}: {one_line(message)}"
    if status == 404:
        return AdapterError(f"{said} ({_WHOLE_RUN[404]})")
    if status not in _TRANSIENT and status < 500:
        return RejectedError(said)
    if retry_after_s is not None and retry_after_s > MAX_WAIT_S:
        again = "run the same command again then"
        return AdapterError(f"{said} (it asks to wait {retry_after_s:,.0f} s: {again})")
    return TransientError(said, retry_after_s)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait from the header Retry-After, which is a number or a date (RFC 9110, 10.2.3).

    Returns:
        None where the header is missing or makes no sense.

    Example:
        >>> retry_after({"retry-after": "7"}), retry_after({"retry-after": "soon"})
        (7.0, None)
    """
    from email.utils import parsedate_to_datetime

    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def key_from_environment(*names: str) -> tuple[str, str]:
    """An API key and the name of the variable that has it; keys come from nowhere else.

    Raises:
        AdapterError: None is set, or what is set cannot be a key. The message never quotes it.
    """
    for name in names:
        key = os.environ.get(name, "").strip()
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            # The HTTP libraries would refuse it too, and quote it in their error.
            raise AdapterError(f"{name} has characters that no key has")
        if key:
            return key, name
    raise AdapterError(f"needs an API key in the environment: set {' or '.join(names)}")


def one_line(message: object) -> str:
    r"""A message without line breaks and control characters, shortened.

    Example:
        >>> one_line("no\n  answer")
        'no answer'
    """
    text = " ".join(str(message).split())
    # Services and models write these: no escape codes for a terminal, no halves of a UTF-16 pair.
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"
