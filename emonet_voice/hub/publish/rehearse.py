"""The whole release against a Hub on this machine: push it, then run what users run.

The calls run in fresh processes with empty caches that cannot import this package, and once more
offline with what those have cached.
"""

import importlib.util
import json
import math
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from typing import Any

from emonet_voice.hub.local.server import LocalHub
from emonet_voice.hub.repositories import ROOT, Repository, folder_of
from modeling_empathic import __version__

from .cards import card_of, python_blocks
from .stage import Staged

Row = dict[str, Any]
START_S = 180  # for a Space to answer
PROCESS_S = 3_600  # for a process that makes calls
NOWHERE = "http://127.0.0.1:9"  # discard: no server listens there
OURS = ("modeling_empathic", "dataset_scripts", "evaluate_metrics", "emonet_voice")
# Our packages cannot be imported, however they are installed; what lies in the folder can.
HIDE = f"""
import os, sys
from importlib.machinery import PathFinder
class Hide:
    def find_spec(self, name, path=None, target=None):
        if path is None and name in {OURS}:
            found = PathFinder.find_spec(name, [os.getcwd()])
            if found is None:
                raise ModuleNotFoundError(name)
            return found
sys.meta_path.insert(0, Hide())
"""
# Answers go to the first standard output: libraries may print to the second one.
WORKER = """
import json, os, sys, time
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
scope = {"__name__": "__main__"}
for line in sys.stdin:
    call, code = json.loads(line)
    error, start = None, time.perf_counter()
    try:
        exec(code, scope)
    except BaseException as raised:
        error = f"{type(raised).__name__}: {raised}"
    seconds = time.perf_counter() - start
    print(json.dumps({"call": call, "seconds": seconds, "error": error}), file=answers, flush=True)
answers.close()
os._exit(0)  # torch takes seconds to go in order
"""
PUSH = """
from pathlib import Path
from emonet_voice.hub.repositories import chosen
from emonet_voice.hub.publish.push import make_plans, push, push_collection, sign_in
from emonet_voice.hub.publish.stage import Staged
staged = Staged(Path({folder!r}), chosen({names!r}), {{}})
api = sign_in()
plans = make_plans(api, staged, {namespace!r}, tag={tag!r})
plans = {{plan.repository.name: plan for plan in plans}}
"""
AGAIN = """
plans = make_plans(api, staged, {namespace!r}, tag={tag!r})
assert not [plan for plan in plans if plan.has_changes or plan.tag]
assert push_collection(api, staged, {namespace!r})[1] == 0
"""
SPACE = """
import runpy
from huggingface_hub import snapshot_download
os.chdir(snapshot_download({repo_id!r}, repo_type="space", local_dir={folder!r}))
sys.path.insert(0, os.getcwd())
sys.argv = ["app.py"]
runpy.run_path("app.py", run_name="__main__")
"""


def rehearse(
    staged: Staged, namespace: str, work: Path, show: Callable[[Row], None] | None = None
) -> list[Row]:
    """Pushes what is staged to a local Hub and runs everything that users run.

    Args:
        staged: From [`publish_stage.stage`].
        namespace: That it was staged for.
        work: Empty folder for the Hub, the caches and the logs.
        show: Called with each row when it is known.

    Returns:
        Rows of `call`, `seconds`, `ok` (None if it was skipped) and `error`.
    """
    rows: list[Row] = []

    def note(found: Iterable[Row]) -> None:
        for row in found:
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
        note(_run(WORKER, [*_push_calls(staged, namespace), *ours], own, empty, work / "push"))
        spaces = [
            pool.submit(_start_space, repository, namespace, here, work)
            for repository in staged.repositories
            if repository.kind == "space"
        ]
        online = [*_calls(staged, namespace, streamed=True), *(b for b in blocks if b not in ours)]
        note(_run(HIDE + WORKER, online, here, empty, work / "users"))
        cached = [(f"offline: {call}", code) for call, code in _calls(staged, namespace)]
        note(_run(HIDE + WORKER, cached, offline, empty, work / "offline"))
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
    program: str, calls: list[tuple[str, str]], environment: dict[str, str], cwd: Path, log: Path
) -> Iterator[Row]:
    """Runs calls one after the other in one process; a call that kills it has failed."""
    with log.with_suffix(".log").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", program],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            text=True, cwd=cwd,
        )  # fmt: skip
        assert process.stdin and process.stdout
        watchdog = Timer(PROCESS_S, process.kill)
        watchdog.start()
        try:
            for call, code in calls:
                start = time.perf_counter()
                try:
                    print(json.dumps([call, code]), file=process.stdin, flush=True)
                    line = process.stdout.readline()
                except BrokenPipeError:
                    line = ""
                error = None if line else f"the process died: {_last_line(Path(errors.name))}"
                died = {"call": call, "seconds": time.perf_counter() - start, "error": error}
                yield json.loads(line) if line else died
        finally:
            watchdog.cancel()
            process.kill()
            process.communicate()


def _last_line(log: Path) -> str:
    return (log.read_text("utf-8", "replace").strip().splitlines() or ["no message"])[-1]


def _push_calls(staged: Staged, namespace: str) -> Iterator[tuple[str, str]]:
    tag = f"v{__version__}"
    names = [repository.name for repository in staged.repositories]
    values = {"folder": str(staged.folder), "names": names, "namespace": namespace, "tag": tag}
    yield "plan the push", PUSH.format(**values)
    for name in names:
        yield f"push {namespace}/{name}", f"push(api, staged, plans[{name!r}])"
    yield "push the collection", f"push_collection(api, staged, {namespace!r})"
    yield "push again: nothing to do", AGAIN.format(**values)


def _calls(staged: Staged, namespace: str, streamed: bool = False) -> Iterator[tuple[str, str]]:
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


def _dataset_calls(folder: Path, repo_id: str, streamed: bool) -> Iterator[tuple[str, str]]:
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


def _blocks(staged: Staged, namespace: str) -> Iterator[tuple[str, str]]:
    """The Python blocks of cards; those of Spaces talk to a Space that runs elsewhere."""
    for repository in staged.repositories:
        if repository.role != "space":
            _, text = card_of(folder_of(staged.folder, repository))
            for number, block in enumerate(python_blocks(text), 1):
                yield f"card of {namespace}/{repository.name}, Python block {number}", block


def _start_space(
    repository: Repository, namespace: str, environment: dict[str, str], work: Path
) -> Row:
    """Downloads a Space, starts its app and asks for its page."""
    call = f"{namespace}/{repository.name}: app.py answers {repository.page}"
    needed = ("gradio", "evaluate") if repository.role == "metric" else ("gradio",)
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    if absent:
        return {"call": call, "seconds": 0.0, "ok": None, "error": f"{absent[0]} is not installed"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1",
                "GRADIO_ANALYTICS_ENABLED": "False"}  # fmt: skip
    program = HIDE + SPACE.format(
        repo_id=f"{namespace}/{repository.name}", folder=str(work / "spaces" / repository.name)
    )
    start, error = time.perf_counter(), None
    with (work / f"{repository.name}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", program],
            env={**environment, **settings}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd=work / "empty",
        )  # fmt: skip
        try:
            error = _wait_for(f"http://127.0.0.1:{port}{repository.page}", process, log.name)
        finally:
            process.kill()
            process.wait()
    return {"call": call, "seconds": time.perf_counter() - start, "error": error}


def _wait_for(url: str, process: subprocess.Popen, log: str) -> str | None:
    """None once a page is there; else what is wrong."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return f"the app ended with {process.returncode}: {_last_line(Path(log))}"
        try:
            with opener.open(url, timeout=10) as answer:
                answer.read()
                return None
        except urllib.error.HTTPError as error:
            return f"HTTP {error.code}"
        except OSError:
            time.sleep(0.2)
    return f"no answer within {START_S} s"


def _search_token(token: str, stage: Path, work: Path) -> Row:
    """The token is in no log, cache or staged file; only the Hub has it."""
    start = time.perf_counter()
    files = [path for folder in (stage, work) for path in folder.rglob("*") if path.is_file()]
    found = [
        path.name
        for path in files
        if path != work / "hub" / "token"
        and path.stat().st_size < 10**8
        and token.encode() in path.read_bytes()
    ]
    error = f"the token is in {found}" if found else None
    seconds = time.perf_counter() - start
    return {"call": "the token is in no file", "seconds": seconds, "error": error}


def _write_tone(path: Path) -> None:
    """Two seconds of sound at 16 kHz, for cards that score `clip.wav`."""
    samples = [round(9_000 * math.sin(2 * math.pi * 220 * n / 16_000)) for n in range(32_000)]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
