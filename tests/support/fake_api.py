"""A server on loopback that answers like OpenAI, Gemini or Hume, or fails like them."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from evaluate_metrics.adapters.prompt import make_prompt

SCORES = {key: n % 11 for n, key in enumerate(make_prompt().keys)}
"""What a model that keeps to the prompt answers."""


@dataclass
class Answer:
    """What the server does with one request."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    held: bool = False  # never comes
    reset: bool = False
    content_type: str = "application/json"


@dataclass
class Request:
    """What the server was sent."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeAPI:
    """The server's answers, the last one again and again, and the requests it got."""

    def __init__(self, url: str, answers: list[Answer]):
        self.url, self.answers = url, answers
        self.requests: list[Request] = []
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            return self.answers[min(len(self.requests), len(self.answers)) - 1]


@contextmanager
def fake_api(*answers: Answer | dict) -> Iterator[FakeAPI]:
    """Serves on a free port until the block ends."""

    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = api.answer(Request(self.path, headers, body))
            if answer.held:
                closing.wait()
                return
            sent = (
                answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            )
            try:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent[: len(sent) // 2] if answer.reset else sent)
                self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):  # the client has stopped waiting
                return
            if answer.reset:
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.connection.close()
                self.close_connection = True

        def log_message(self, *arguments):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):  # a connection that the test has cut
            pass

    server = Server(("127.0.0.1", 0), Handler)
    api = FakeAPI(
        f"http://127.0.0.1:{server.server_port}",
        [answer if isinstance(answer, Answer) else Answer(answer) for answer in answers],
    )
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    ).start()
    try:
        yield api
    finally:
        closing.set()
        server.shutdown()
        server.server_close()


def chat(content: Any = SCORES, refusal: str | None = None, finish: str = "stop") -> dict:
    """A chat completion of OpenAI."""
    message = {"role": "assistant", "content": _text(content), "refusal": refusal}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-audio-preview-2024-12-17",
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def chat_error(status: int, message: str, code: str | None = None, **options: Any) -> Answer:
    """An error of OpenAI."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Answer({"error": error}, status, **options)


def gemini(content: Any = SCORES, finish: str = "STOP", blocked: str | None = None) -> dict:
    """A response of Gemini."""
    response: dict[str, Any] = {"modelVersion": "gemini-2.5-pro-001"}
    if blocked:
        return response | {"promptFeedback": {"blockReason": blocked}}
    parts = [] if content is None else [{"text": _text(content)}]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": finish, "index": 0}
    return response | {"candidates": [candidate]}


def gemini_error(status: int, message: str, *notes: dict, **options: Any) -> Answer:
    """An error of Google."""
    error = {"code": status, "message": message, "status": "FAILED", "details": list(notes)}
    return Answer({"error": error}, status, **options)


def _text(content: Any) -> str | None:
    return content if content is None or isinstance(content, str) else json.dumps(content)
