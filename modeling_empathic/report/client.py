"""The HTTP client of all services: it follows no redirect, and reads no answer without end."""

from collections.abc import Iterator
from typing import Any

import httpx2

MAX_REPLY_BYTES = 8 * 2**20
"""Forty scores take a kilobyte, Hume's 415 labels of a clip's every second less than this, and half
a minute of speech two megabytes."""
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


class _Client(httpx2.Client):
    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        request.headers["Accept-Encoding"] = "identity"  # whatever an SDK has asked for
        as_stream = options.get("stream", False)
        response = super().send(request, **{**options, "stream": True, "follow_redirects": False})
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            response.close()
            raise httpx2.DecodingError("the answer is compressed", request=request)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _CappedStream(response.stream, request)
        if not as_stream:
            try:
                response.read()
            finally:
                response.close()
        return response


class _CappedStream(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, request: httpx2.Request):
        self._stream, self._request = stream, request

    def __iter__(self) -> Iterator[bytes]:
        left = MAX_REPLY_BYTES
        for part in self._stream:
            left -= len(part)
            if left < 0:
                raise httpx2.ReadError(
                    f"an answer of more than {MAX_REPLY_BYTES // 2**20} MB", request=self._request
                )
            yield part

    def close(self) -> None:
        self._stream.close()
