"""The HTTP client of all services: it follows no redirect, and reads no answer without end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any

import httpx2

MAX_REPLY_BYTES = 8 * 2**20
"""Forty scores take a kilobyte, Hume's 415 labels of a clip's every second less than this, and half
a minute of speech two megabytes."""
MAX_HUB_REPLY_BYTES = 64 * 2**20
"""What the Hub says of a repository of 100,000 files takes 30 MB; files themselves are not capped:
their sizes are known before."""
HUB_TIMEOUT_S = 60
MAX_REPLY_S = 600
"""From an answer's first byte to its last: the timeouts of the client hold for each part of it, and
a byte a second would keep a run for months."""
UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, RecursionError, ArithmeticError)
"""What reading an answer raises that is not what the service is said to answer: a proxy's page,
half a body, a list for an object, brackets a hundred thousand deep."""


def client(**options: Any) -> httpx2.Client:
    """A client for one service.

    A redirect could lead to another origin, and would take the clip and the key along: it is the
    answer of a service that cannot be used as it is. An answer is given up where it exceeds
    [`MAX_REPLY_BYTES`], and where it comes compressed, which nobody asked for: a kilobyte of it can
    become any number.

    Args:
        options: Of `httpx2.Client`, such as `timeout`.
    """
    return _Client(**options)


def careful_hub() -> None:
    """Lets the Hub's client in this process read no answer without end, nor wait for ever.

    For a command: a program that only imports us keeps its own client.
    """
    from huggingface_hub import set_client_factory

    set_client_factory(_hub_client)


def _hub_client() -> httpx2.Client:
    from huggingface_hub.utils._http import default_client_factory

    hub = default_client_factory()
    hub.timeout = httpx2.Timeout(HUB_TIMEOUT_S)
    hub.headers["Accept-Encoding"] = "identity"
    hub.event_hooks = hub.event_hooks | {"response": [_cap]}
    return hub


def _cap(response: httpx2.Response) -> None:
    """Caps all but files, before anything is read; also what comes with a redirect."""
    if response.status_code < 300 and not response.request.url.path.startswith("/api/"):
        return
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise httpx2.DecodingError("the answer is compressed", request=response.request)
    assert isinstance(response.stream, httpx2.SyncByteStream)
    response.stream = _CappedStream(response.stream, response.request, MAX_HUB_REPLY_BYTES)


@contextmanager
def hub_answers(where: str) -> Iterator[None]:
    """Turns whatever the Hub's client raises about an answer that is none into a lost connection.

    Args:
        where: What was asked about, for the message.

    Raises:
        ConnectionError: The Hub is away, or what answers is no Hub.
    """
    from huggingface_hub.errors import HFValidationError

    try:
        yield
    except (OSError, HFValidationError):  # of a status, of a name: as they are
        raise
    except httpx2.HTTPError as error:
        name = type(error).__name__
        raise ConnectionError(f"{where}: the Hub cannot be reached ({name})") from None
    except UNREADABLE as error:
        if not _is_of_hub(error):
            raise
        name = type(error).__name__
        raise ConnectionError(f"{where}: what answers is no Hub ({name})") from None


def _is_of_hub(error: BaseException) -> bool:
    """Whether the Hub's client raised it, and not what calls that."""
    modules = (str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__))
    return any(name.partition(".")[0] in ("huggingface_hub", "httpx2") for name in modules)


class _Client(httpx2.Client):
    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        request.headers["Accept-Encoding"] = "identity"  # whatever an SDK has asked for
        as_stream = options.get("stream", False)
        response = super().send(request, **{**options, "stream": True, "follow_redirects": False})
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            response.close()
            raise httpx2.DecodingError("the answer is compressed", request=request)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _CappedStream(response.stream, request, MAX_REPLY_BYTES)
        if not as_stream:
            try:
                response.read()
            finally:
                response.close()
        return response


class _CappedStream(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, request: httpx2.Request, most: int):
        self._stream, self._request, self._most = stream, request, most

    def __iter__(self) -> Iterator[bytes]:
        left, until = self._most, time.monotonic() + MAX_REPLY_S
        for part in self._stream:
            if time.monotonic() > until:
                raise httpx2.ReadTimeout(
                    f"an answer that took more than {MAX_REPLY_S} s", request=self._request
                )
            left -= len(part)
            if left < 0:
                raise httpx2.ReadError(
                    f"an answer of more than {self._most // 2**20} MB", request=self._request
                )
            yield part

    def close(self) -> None:
        self._stream.close()
