"""HTTP for the local Hub: connections, tokens, bodies, byte ranges; `api` answers."""

import base64
import hmac
import io
import json
import re
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from .blobs import CHUNK_BYTES, HubError
from .store import Store

JSON_BYTES = 16 * 2**20  # of one document, or one line of a commit; LFS files have no limit
Route = tuple[str, re.Pattern[str], Callable[..., Any]]
"""Method, pattern of the whole path, and the endpoint: `endpoint(call, **named groups)`."""


@dataclass
class Answer:
    """What an endpoint returns when it is not simply a JSON value; `file` is sent as the body."""

    value: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    file: Path | None = None


class Server(ThreadingHTTPServer):
    """A thread a connection, on 127.0.0.1.

    Args:
        port: 0 takes a free one.
        store: For the endpoints.
        routes: Tried in order.
        requests: Gets `"METHOD path"` of every request.
        unknown: Gets those that no route matches.
    """

    daemon_threads = False  # closing waits for what is being answered
    request_queue_size = 128  # of the standard five, clients with many threads wait a second

    def __init__(
        self,
        port: int,
        store: Store,
        routes: Sequence[Route],
        requests: list[str],
        unknown: list[str],
    ):
        self.store, self.routes, self.requests, self.unknown = store, routes, requests, unknown
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Call)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Notes the connection."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forgets the connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Prints what went wrong, unless a client has simply gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Also ends connections that clients keep open, so that a closed Hub answers nobody."""
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the client was faster
                self._connections.discard(connection)
        super().server_close()


class Call(BaseHTTPRequestHandler):
    """One request, as endpoints see it.

    Attributes:
        store: Of the server.
        url: Of the server.
        signed_in: Whether the token came along; a wrong one is refused before any endpoint.
        query: Parameters of the URL.
        body: Of the request.
    """

    protocol_version = "HTTP/1.1"
    server_version = "LocalHub"
    disable_nagle_algorithm = True  # else a body waits 40 ms until its headers are acknowledged
    timeout = 60  # s without a byte
    server: Server

    def flag(self, name: str) -> bool:
        """Whether a parameter is set, in the spellings that clients use."""
        return self.query.get(name, [""])[-1].lower() in ("1", "true")

    def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            HubError: 400 if it is none, 413 if it is too long.
        """
        return parse(self.body.read(JSON_BYTES + 1))

    def answer(self) -> None:
        """Answers one request, whatever its method."""
        self.store, self.url = self.server.store, self.server.url
        path, _, query = self.path.partition("?")
        self.server.requests.append(f"{self.command} {path}")
        self.query, self._started = parse_qs(query), False
        body: Any = _Body(self.rfile, self.headers)
        self.body = io.BufferedReader(body, CHUNK_BYTES)
        try:
            self._check_token()
            value = self._route(path)
            self._send(value if isinstance(value, Answer) else Answer(value))
        except HubError as error:
            self._refuse(error)
        except (ConnectionError, TimeoutError):
            raise
        except Exception:  # noqa: BLE001 - a fault of ours: printed first, then answered
            self.server.handle_error(self.connection, self.client_address)
            self.close_connection = True
            if not self._started:
                self._send(Answer({"error": "the local Hub failed"}, 500))
        while self.body.read(CHUNK_BYTES):  # clients listen when they have sent everything
            pass

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing; requests are noted in `Server.requests`."""

    def _check_token(self) -> None:
        given = self.headers.get("Authorization")
        self.signed_in = given is not None
        expected = f"Bearer {self.store.token}"
        if given is not None and not hmac.compare_digest(given.encode(), expected.encode()):
            raise HubError(401, "Invalid credentials in Authorization header")

    def _route(self, path: str) -> Any:
        method = "GET" if self.command == "HEAD" else self.command
        for wanted, pattern, endpoint in self.server.routes:
            match = pattern.fullmatch(path) if wanted == method else None
            if match:
                # Decoded after the path was split: an encoded slash separates nothing.
                groups = {k: unquote(v) for k, v in match.groupdict().items() if v is not None}
                return endpoint(self, **groups)
        self.server.unknown.append(f"{self.command} {path}")
        raise HubError(404, f"the local Hub has no endpoint {self.command} {path[:500]}")

    def _refuse(self, error: HubError) -> None:
        line = " ".join(str(error).split()).encode("ascii", "backslashreplace").decode()
        headers = {"X-Error-Message": line[:500], **error.headers}
        if error.code:
            headers["X-Error-Code"] = error.code
        self._send(Answer({"error": str(error)}, error.status, headers))

    def _send(self, answer: Answer) -> None:
        if answer.file is not None:
            self._send_file(answer.file, answer.headers)
            return
        content = json.dumps(answer.value).encode()
        self._start(answer.status, "application/json", len(content), answer.headers)
        if self.command != "HEAD":
            self.wfile.write(content)

    def _send_file(self, path: Path, headers: dict[str, str]) -> None:
        with path.open("rb") as file:
            size = path.stat().st_size
            start, stop, status = 0, size, 200
            headers = {"Accept-Ranges": "bytes", **headers}
            wanted = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", self.headers.get("Range", ""))
            if wanted and any(wanted.groups()):
                first, last = wanted.groups()
                start = int(first) if first else max(size - int(last), 0)
                stop = min(int(last) + 1, size) if first and last else size
                status = 206
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
                if start >= stop:
                    raise HubError(416, "no such range", **{"Content-Range": f"bytes */{size}"})
            self._start(status, "application/octet-stream", stop - start, headers)
            if self.command != "HEAD" and stop > start:
                self.connection.sendfile(file, start, stop - start)

    def _start(self, status: int, kind: str, size: int, headers: dict[str, str]) -> None:
        self._started = True
        self.send_response(status)
        own = {"Content-Type": kind, "Content-Length": size, "X-Content-Type-Options": "nosniff"}
        for key, value in {**own, **headers}.items():
            self.send_header(key, str(value))
        self.end_headers()


for _method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
    setattr(Call, f"do_{_method}", Call.answer)  # what http.server looks for


class _Body(io.RawIOBase):
    """A request's body, of a stated length or in chunks."""

    def __init__(self, stream: Any, headers: Any):
        self._stream = stream
        self._chunked = headers.get("Transfer-Encoding", "").lower() == "chunked"
        length = "0" if self._chunked else headers.get("Content-Length", "0")
        self._left = int(length) if re.fullmatch("[0-9]{1,15}", length) else 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._chunked and not self._left:
            self._left = self._next_chunk()
        if not self._left:
            return 0
        count: int = self._stream.readinto(memoryview(buffer)[: self._left])
        if not count:
            raise ConnectionError("the body ended early")
        self._left -= count
        if self._chunked and not self._left:
            self._stream.readline(10)  # the end of the chunk's last line
        return count

    def _next_chunk(self) -> int:
        size = self._stream.readline(100).split(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", size):
            raise ConnectionError("a malformed chunk")
        if not int(size, 16):
            self._chunked = False
            while self._stream.readline(1000).strip():  # trailers, up to an empty line
                pass
        return int(size, 16)


def parse(content: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        HubError: 400 if it is none, 413 if it is longer than `JSON_BYTES`.
    """
    if len(content) > JSON_BYTES:
        raise HubError(413, f"more than {JSON_BYTES} bytes of JSON")
    try:
        value = json.loads(content)
    except ValueError as error:
        raise HubError(400, f"malformed JSON: {error}") from None
    if not isinstance(value, dict):
        raise HubError(400, "expected a JSON object")
    return value


def member(value: Any, name: str, kind: type = str) -> Any:
    """A member of a JSON object that must be there and of this type.

    Raises:
        HubError: 400.
    """
    inner = value.get(name) if isinstance(value, dict) else None
    if not isinstance(inner, kind):
        raise HubError(400, f"expected {name!r} as {kind.__name__}, not {inner!r:.80}")
    return inner


def from_base64(text: str) -> bytes:
    """Raises `HubError` 400 for what is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise HubError(400, f"malformed base64: {error}") from None
