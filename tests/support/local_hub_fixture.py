"""A local Hub for a session of tests, and the real clients in a process that talks to it."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from emonet_voice.hub.local.server import LocalHub
from emonet_voice.hub.publish.rehearse import OURS, WORKER
from tests.support.servers import patience_s


class ClientError(Exception):
    """An exception in the client's process; `name` is that of its class."""

    def __init__(self, name: str, message: str):
        super().__init__(f"{name}: {message}")
        self.name = name


class HubClient:
    """A Python process whose Hugging Face libraries talk to a local Hub.

    They read their settings when they are imported, hence a process of its own; and one process
    for many calls, since importing them takes seconds. Variables stay from call to call.

    Args:
        hub: Local Hub.
        home: For the caches; made if absent.
        hidden: Packages that the process cannot import.
        environment: Further variables of its environment.
    """

    def __init__(
        self, hub: LocalHub, home: Path, *, hidden: Sequence[str] = (), **environment: str
    ):
        home.mkdir(parents=True, exist_ok=True)
        self.hub, self.home = hub, home
        self._errors = home / f"stderr-{id(self)}.txt"
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(WORKER), json.dumps({"hidden": hidden})],
                env={**os.environ, **hub.environment(home), **environment},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=home,
            )  # fmt: skip

    def start(self, code: str, **variables: Any) -> None:
        """Sends code, and does not wait for it to run."""
        assert self._process.stdin
        line = json.dumps([code, {"result": None, **variables}, "result"])
        print(line, file=self._process.stdin, flush=True)

    def wait(self) -> Any:
        """What the code that was sent assigns to `result`, which must be JSON.

        Raises:
            ClientError: If the code does.
        """
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, f"the client's process died: {self._errors.read_text()[-3000:]}"
        assert self.hub.unknown == [], "the local Hub lacks an endpoint that clients use"
        answer = json.loads(line)
        if "error" in answer:
            raise ClientError(answer["error"], answer["message"])
        return answer["result"]

    def __call__(self, code: str, **variables: Any) -> Any:
        """Runs code and waits for its result."""
        self.start(code, **variables)
        return self.wait()

    def close(self) -> None:
        """Ends the process, which must not have shown the token to anyone."""
        self._process.communicate()
        assert self.hub.token not in self._errors.read_text()


def ask(hub: LocalHub, method: str, path: str, body: Any = None, **headers: str):
    """One request with the token, its path sent as it is: `(status, headers, body)`.

    Args:
        hub: Where to.
        method: Of the request.
        path: Not normalised, unlike by the clients.
        body: Bytes, an iterable of bytes (sent in chunks), or a value to send as JSON.
        headers: With `_` for `-`; `Authorization=""` leaves the token out.
    """
    port = int(hub.url.rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience_s())
    named = {"Authorization": f"Bearer {hub.token}", **headers}
    named = {key.replace("_", "-"): value for key, value in named.items() if value}
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    connection.request(method, path, body, named)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, response.headers, content


def commit_lines(*operations: tuple[str, dict], **header: str) -> bytes:
    """The body of a commit: operations such as `("deletedFile", {"path": "x"})`."""
    lines = [("header", {"summary": "a commit", **header}), *operations]
    return b"".join(json.dumps({"key": k, "value": v}).encode() + b"\n" for k, v in lines)


# Named so that a test's argument does not look like it hides what the module imports.
@pytest.fixture(scope="session", name="local_hub")
def local_hub_fixture(tmp_path_factory):
    """A local Hub that is empty at first; every test takes repository names of its own."""
    with LocalHub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture(scope="session", name="hub_client")
def hub_client_fixture(local_hub, tmp_path_factory):
    """The clients, with `api`, an `HfApi` that may write."""
    client = HubClient(local_hub, tmp_path_factory.mktemp("home"))
    client("from huggingface_hub import HfApi; api = HfApi()")
    yield client
    client.close()


@pytest.fixture(scope="session", name="hub_user")
def hub_user_fixture(local_hub, tmp_path_factory):
    """The clients where this package cannot be imported."""
    client = HubClient(local_hub, tmp_path_factory.mktemp("home"), hidden=OURS)
    yield client
    client.close()


@pytest.fixture(scope="session", name="offline_user")
def offline_user_fixture(hub_user):
    """The clients with the same cache, which reach nothing."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1"}
    client = HubClient(hub_user.hub, hub_user.home, hidden=OURS, **offline)
    yield client
    client.close()
