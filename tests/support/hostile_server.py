"""A server on loopback that fails in twenty-three ways, and says the key that it was sent."""

import gzip
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PLANTED = "sk-planted-0123456789abcdef"
"""A key that nothing may write."""


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "Connection: close"]
    if not any(header.startswith("Content-Type") for header in headers):
        lines.insert(1, "Content-Type: application/json")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def error(status: str, *headers: str) -> bytes:
    return answer(b'{"error": {"message": "your key is KEY", "code": "KEY"}}', status, *headers)


DEEP = b"[" * 100_000
PAGE = b"<!DOCTYPE html><html>KEY</html>"
ELSEWHERE = "Location: http://localhost:ELSEWHERE/"
MODES: dict[str, bytes] = {
    "nothing": b"",
    "an empty body": answer(b""),
    "a page": answer(PAGE, "200 OK", "Content-Type: text/html"),
    "half of JSON": answer(b'{"choices": [{"mess'),
    "cut off": answer(b" " * 1000)[:-500],
    "longer than it says": answer(b"{}") + b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000,
    "a list": answer(b"[1, 2]"),
    "null": answer(b"null"),
    "another object": answer(b'{"KEY": {"a": [null, "KEY", NaN, 1e999]}}'),
    "wrong types": answer(
        b'{"choices": {"0": 1}, "candidates": 7, "utterances": "x", "siblings": [1], "sha": 3,'
        b' "id": [], "tags": 5, "model": {"KEY": 1}}'
    ),
    "deep JSON": answer(DEEP + b"]" * 100_000),
    "no UTF-8": answer(b'{"a": "\xff\xfe\x00"}'),
    "gzip that grows": answer(gzip.compress(bytes(2**26)), "200 OK", "Content-Encoding: gzip"),
    "gzip that is none": answer(b"KEY" * 50, "200 OK", "Content-Encoding: gzip"),
    "chunks that are none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nKEY",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6 KEY\r\n",
    "header without end": b"HTTP/1.1 200 OK\r\nX: " + b"KEY" * 200_000,
    "401": error("401 Unauthorized"),
    "403": error("403 Forbidden"),
    "404": error("404 Not Found"),
    "429": error("429 Too Many Requests", "Retry-After: 0"),
    "500": error("500 KEY"),
    "503 and a page": answer(PAGE, "503 Unavailable", "Content-Type: text/html"),
    "307 elsewhere": answer(b"", "307 Temporary Redirect", ELSEWHERE),
    "308 to itself": answer(b"", "308 Permanent Redirect", "Location: /"),
    "without end": b"",  # made below: it goes on until nobody reads
}


class Hostile:
    """The server.

    Attributes:
        url: Of it.
        mode: What it does, a key of `MODES`.
        elsewhere: Heads of the requests that came to its other port.
    """

    def __init__(self, port: int, other: int):
        self.url, self._other = f"http://127.0.0.1:{port}", other
        self.mode = "nothing"
        self.elsewhere: list[bytes] = []

    def speak(self, send: Callable[[bytes], object]) -> None:
        if self.mode == "without end":
            send(answer(b"").replace(b"Content-Length: 0\r\n", b""))
            while True:
                send(b" " * 2**16)
        said = MODES[self.mode].replace(b"ELSEWHERE", str(self._other).encode())
        head, gap, body = said.replace(b"KEY", PLANTED.encode()).partition(b"\r\n\r\n")
        if b"KEY" in MODES[self.mode].partition(b"\r\n\r\n")[2] and b"Content-Length" in head:
            head = b"\r\n".join(
                b"Content-Length: %d" % len(body) if line.startswith(b"Content-Length") else line
                for line in head.split(b"\r\n")
            )
        send(head + gap + body)


@contextmanager
def hostile_server() -> Iterator[Hostile]:
    """Serves on two free ports until the block ends."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(5)
            head = b""
            try:
                while b"\r\n\r\n" not in head and (part := self.request.recv(2**16)):
                    head += part
                name, _, rest = head.partition(b"\r\n\r\n")
                lengths = [
                    int(line.split(b":")[1])
                    for line in name.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                ]
                left = sum(lengths) - len(rest)
                while left > 0 and (part := self.request.recv(2**16)):
                    left -= len(part)
                if self.server is away:
                    hostile.elsewhere.append(name)
                hostile.speak(self.request.sendall)
            except OSError:  # nobody reads any more
                pass

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close = True, False

    with (
        Server(("127.0.0.1", 0), Handler) as server,
        Server(("127.0.0.1", 0), Handler) as away,
    ):
        hostile = Hostile(server.server_address[1], away.server_address[1])
        for one in (server, away):
            threading.Thread(target=one.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield hostile
        finally:
            server.shutdown()
            away.shutdown()
