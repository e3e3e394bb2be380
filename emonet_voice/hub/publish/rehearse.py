"""The whole release against a Hub on this machine: push it, then run what users run.

The calls run in fresh processes with empty caches that cannot import this package, and once more
offline with what those have cached.
"""

import importlib.util
import json
import math
import os
import re
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from typing import Any

from emonet_voice.hub.cards import card_of, python_blocks
from emonet_voice.hub.local.server import LocalHub
from emonet_voice.hub.repositories import ROOT, Repository, chosen, folder_of
from modeling_empathic import __version__

from .push import Plan, make_plans, push, push_collection, sign_in
from .stage import Staged

Row = dict[str, Any]
START_S = 900  # for a Space to answer, however busy the machine; one that ends is not waited for
PORTS = 3  # that a Space tries
CALL_S = 7_200  # for a call, be it the push of forty heads
NOWHERE = "http://127.0.0.1:9"  # discard: no server listens there
OURS = ("modeling_empathic", "dataset_scripts", "evaluate_metrics", "emonet_voice")
WORKER = Path(__file__).with_name("worker.py")
Call = tuple[str, str]
"""What is called, as it is shown, and the code that does it."""


class Pusher:
    """The push of a rehearsal, call by call, in a process whose Hub is the local one.

    Args:
        folder: That was staged.
        names: Repositories in it.
        namespace: Where to.
        tag: For each of them.
    """

    def __init__(self, folder: str, names: list[str], namespace: str, tag: str):
        self._staged = Staged(Path(folder), chosen(names), {})
        self._namespace, self._tag = namespace, tag
        self._api = sign_in()
        self._plans = {plan.repository.name: plan for plan in self._make_plans()}

    def _make_plans(self) -> list[Plan]:
        return make_plans(self._api, self._staged, self._namespace, tag=self._tag)

    def push(self, name: str) -> None:
        """Pushes one repository."""
        push(self._api, self._staged, self._plans[name])

    def push_collection(self) -> int:
        """Pushes the collection; returns how many items were added."""
        return push_collection(self._api, self._staged, self._namespace)[1]

    def check_again(self) -> None:
        """A second push has nothing to do."""
        assert not [plan for plan in self._make_plans() if plan.has_changes or plan.tag]
        assert self.push_collection() == 0


def rehearse(
    staged: Staged, namespace: str, work: Path, show: Callable[[Row], None] | None = None
) -> list[Row]:
    """Pushes what is staged to a local Hub and runs everything that users run.

    Args:
        staged: From [`stage.stage`].
        namespace: That it was staged for.
        work: Empty folder for the Hub, the caches and the logs.
        show: Called with each row when it is known.

    Returns:
        Rows of `call`, `seconds`, `ok` (None if it was skipped) and `error`.
    """
    rows: list[Row] = []

    def note(new: Iterable[Row]) -> None:
        for row in new:
            row = {"ok": row["error"] is None, **row, "seconds": round(row["seconds"], 2)}
            rows.append(row)
            if show is not None:
                show(row)

    empty = work / "empty"
    empty.mkdir(parents=True)
    _write_tone(empty / "clip.wav")
    with LocalHub(work / "hub") as hub, ThreadPoolExecutor() as pool:
        own = {**_environment(), **hub.environment(work / "publisher"), "PYTHONPATH": str(ROOT)}
        here = {**_environment(), **hub.environment(work / "home")}
        del here["HF_TOKEN"]  # users have none
        # A cache is asked: where the Hub should be, nothing answers.
        offline = {
            **here,
            "HF_HUB_OFFLINE": "1",
            "HF_EVALUATE_OFFLINE": "1",
            "HF_ENDPOINT": NOWHERE,
        }
        blocks = list(_blocks(staged, namespace))
        ours = [block for block in blocks if any(name in block[1] for name in OURS)]
        note(_run([*_push_calls(staged, namespace), *ours], own, empty, work / "push", hidden=()))
        spaces = [
            pool.submit(_start_space, repository, namespace, here, work)
            for repository in staged.repositories
            if repository.kind == "space"
        ]
        online = [*_calls(staged, namespace, streamed=True), *(b for b in blocks if b not in ours)]
        note(_run(online, here, empty, work / "users"))
        cached = [(f"offline: {call}", code) for call, code in _calls(staged, namespace)]
        note(_run(cached, offline, empty, work / "offline"))
        note(space.result() for space in spaces)
        missing = f"the local Hub lacks {hub.unknown[:3]}" if hub.unknown else None
        note([{"call": "no endpoint is missing", "seconds": 0.0, "error": missing}])
        note([_search_token(hub.token, staged.folder, work)])
    return rows


def _environment() -> dict[str, str]:
    """This process's variables, without what would change the clients or name an account."""
    return {
        key: value for key, value in os.environ.items() if not key.startswith(("HF_", "PYTHON"))
    }


def _run(
    calls: Iterable[Call],
    environment: dict[str, str],
    cwd: Path,
    log: Path,
    hidden: Sequence[str] = OURS,
) -> Iterator[Row]:
    """Runs calls one after the other in one process; a call that kills it has failed."""
    # transformers copies a repository's code file by file, which two processes must not do at once.
    apart = {"HF_MODULES_CACHE": str(log.absolute().with_name("modules"))}  # from the Spaces
    with log.with_suffix(".log").open("w") as errors:
        process = subprocess.Popen(
            _command(hidden=hidden),
            env=environment | apart, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            text=True, cwd=cwd,
        )  # fmt: skip
        assert process.stdin and process.stdout
        try:
            for call, code in calls:
                start = time.perf_counter()
                watchdog = Timer(CALL_S, process.kill)
                watchdog.start()
                try:
                    print(json.dumps([code, {}, None]), file=process.stdin, flush=True)
                    line = process.stdout.readline()
                except BrokenPipeError:
                    line = ""
                finally:
                    watchdog.cancel()
                answer = json.loads(line or "{}")
                error = f"{answer['error']}: {answer['message']}" if "error" in answer else None
                if not line:
                    error = f"the process died: {_last_line(Path(errors.name))}"
                seconds = answer.get("seconds", time.perf_counter() - start)
                yield {"call": call, "seconds": seconds, "error": error}
        finally:
            process.kill()
            process.communicate()


def _command(**settings: Any) -> list[str]:
    """Starts the worker; `-P`, as the folder that it lies in has modules of this package."""
    return [sys.executable, "-P", str(WORKER), json.dumps(settings)]


def _last_line(log: Path) -> str:
    return (log.read_text("utf-8", "replace").strip().splitlines() or ["no message"])[-1]


def _push_calls(staged: Staged, namespace: str) -> Iterator[Call]:
    names = [repository.name for repository in staged.repositories]
    given = (str(staged.folder), names, namespace, f"v{__version__}")
    yield "plan the push", f"from {__name__} import Pusher\npusher = Pusher(*{given!r})"
    for name in names:
        yield f"push {namespace}/{name}", f"pusher.push({name!r})"
    yield "push the collection", "pusher.push_collection()"
    yield "push again: nothing to do", "pusher.check_again()"


def _calls(staged: Staged, namespace: str, streamed: bool = False) -> Iterator[Call]:
    """What users type, by the role of a repository."""
    roles = {repository.role for repository in staged.repositories}
    if "dataset" in roles:
        yield "import datasets", "from datasets import Audio, load_dataset"
    if "model" in roles:
        yield "import transformers", "from transformers import AutoModel, pipeline"
    if "metric" in roles:
        yield "import evaluate", "import evaluate"
    for repository in staged.repositories:
        repo_id = f"{namespace}/{repository.name}"
        if repository.role == "model":
            call = f'AutoModel.from_pretrained("{repo_id}", trust_remote_code=True)'
            check = "assert type(model).__module__.startswith('transformers_modules')"
            yield call, f"model = {call}\n{check}"
            call = f'pipeline("voice-emotion", "{repo_id}", trust_remote_code=True)("clip.wav")'
            yield call, f"scores = {call}\nassert len(scores) == len(model.config.heads)"
        if repository.role == "dataset":
            yield from _dataset_calls(folder_of(staged.folder, repository), repo_id, streamed)
        if repository.role == "metric":
            call = f'evaluate.load("{repo_id}")'
            yield call, f"metric = {call}\nassert metric.compute(predictions=[1, 2, 4], " \
                "references=[1, 2, 4])['mae'] == 0"  # fmt: skip


def _dataset_calls(folder: Path, repo_id: str, streamed: bool) -> Iterator[Call]:
    metadata, _ = card_of(folder)
    rows = {
        info["config_name"]: {split["name"]: split["num_examples"] for split in info["splits"]}
        for info in metadata["dataset_info"]
    }
    plain = (
        "if 'audio' in data.features:\n    data = data.cast_column('audio', Audio(decode=False))"
    )
    for config, splits in rows.items():
        for split, n in splits.items():
            call = f'load_dataset("{repo_id}", "{config}", split="{split}")'
            yield call, f"data = {call}\nassert len(data) == {n}\n{plain}\nfirst = data[0]"
            if streamed:
                call = call.replace(")", ", streaming=True)")
                yield call, f"data = {call}\n{plain}\nassert next(iter(data)) == first"


def _blocks(staged: Staged, namespace: str) -> Iterator[Call]:
    """The Python blocks of cards; those of Spaces talk to a Space that runs elsewhere."""
    for repository in staged.repositories:
        if repository.role != "space":
            _, text = card_of(folder_of(staged.folder, repository))
            for number, block in enumerate(python_blocks(text), 1):
                yield f"card of {namespace}/{repository.name}, Python block {number}", block


def _start_space(
    repository: Repository, namespace: str, environment: dict[str, str], work: Path
) -> Row:
    """Downloads a Space, starts its app, if it has one, and asks for its page."""
    app = "index.html" if repository.built else "app.py"
    call = f"{namespace}/{repository.name}: {app} answers {repository.page}"
    needed = ["gradio", "evaluate"] if repository.role == "metric" else ["gradio"]
    needed = [] if repository.built else needed
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    if absent:
        return {"call": call, "seconds": 0.0, "ok": None, "error": f"{absent[0]} is not installed"}
    start, error = time.perf_counter(), None
    for _ in range(PORTS):
        error = _run_space(repository, namespace, environment, work)
        # A port that was free may be taken before the app has it.
        if error is None or not re.search("address already in use|Cannot find empty port", error):
            break
    return {"call": call, "seconds": time.perf_counter() - start, "error": error}


def _run_space(
    repository: Repository, namespace: str, environment: dict[str, str], work: Path
) -> str | None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1",
                "GRADIO_ANALYTICS_ENABLED": "False"}  # fmt: skip
    repo_id, folder = f"{namespace}/{repository.name}", str(work / "spaces" / repository.name)
    with (work / f"{repository.name}.log").open("w") as log:
        process = subprocess.Popen(
            _command(hidden=OURS, space={"repo_id": repo_id, "folder": folder}),
            env={**environment, **settings}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd=work / "empty",
        )  # fmt: skip
        try:
            return _wait_for(f"http://127.0.0.1:{port}{repository.page}", process, log.name)
        finally:
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[Any], log: str) -> str | None:
    """None once a page is there; else what is wrong."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return f"the app ended with {process.returncode}: {_last_line(Path(log))}"
        try:
            with opener.open(url, timeout=START_S) as answer:
                answer.read()
                return None
        except urllib.error.HTTPError as error:
            return f"HTTP {error.code}"
        except OSError:
            time.sleep(0.2)
    return f"no answer within {START_S} s: {_last_line(Path(log))}"


def _search_token(token: str, stage: Path, work: Path) -> Row:
    """The token is in no log, cache or staged file; only the Hub has it."""
    start = time.perf_counter()
    files = [path for folder in (stage, work) for path in folder.rglob("*") if path.is_file()]
    names = [
        path.name
        for path in files
        if path != work / "hub" / "token"
        and path.stat().st_size < 10**8
        and token.encode() in path.read_bytes()
    ]
    error = f"the token is in {names}" if names else None
    seconds = time.perf_counter() - start
    return {"call": "the token is in no file", "seconds": seconds, "error": error}


def _write_tone(path: Path) -> None:
    """Two seconds of sound at 16 kHz, for cards that score `clip.wav`."""
    samples = [round(9_000 * math.sin(2 * math.pi * 220 * n / 16_000)) for n in range(32_000)]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
