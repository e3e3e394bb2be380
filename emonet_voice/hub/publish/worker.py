"""The process in which a rehearsal runs what users run: `python -P worker.py SETTINGS`.

It is started by its path and imports nothing of this project, which it can also hide. SETTINGS is a
JSON object: `hidden`, names of packages that cannot be imported; `space`, the arguments of
[`run_space`]. Without a Space, calls are read from standard input, see [`answer_calls`].
"""

import json
import os
import runpy
import sys
import time
from collections.abc import Iterable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any


class Hide:
    """Packages that cannot be imported, however they are installed; what lies in the folder can."""

    def __init__(self, names: Iterable[str]):
        self._names = frozenset(names)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """What the import system asks first."""
        if path is not None or name not in self._names:
            return None
        spec = PathFinder.find_spec(name, [str(Path.cwd())])
        if spec is None:
            raise ModuleNotFoundError(name)
        return spec


def answer_calls() -> None:
    """Runs code line by line of standard input, and answers each with a line.

    A line is the JSON of `[code, variables, wanted]`: the variables are set, the code runs, and
    the answer has the variable `wanted` as `result`, if there is one. What is set stays from call
    to call. The answer is JSON with `seconds`, and of an exception `error`, the name of its class,
    and `message`.
    """
    # Answers go to the first standard output: libraries may print to the second one.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    scope: dict[str, Any] = {"__name__": "__main__"}
    for line in sys.stdin:
        code, variables, wanted = json.loads(line)
        answer: dict[str, Any] = {}
        start = time.perf_counter()
        try:
            scope.update(variables)
            exec(code, scope)
            answer["result"] = scope.get(wanted)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the call's answer
            answer |= {"error": type(error).__name__, "message": str(error)}
        answer["seconds"] = time.perf_counter() - start
        print(json.dumps(answer), file=answers, flush=True)
    sys.stdout.flush()
    os._exit(0)  # torch takes seconds to go in order


def run_space(repo_id: str, folder: str) -> None:
    """Downloads a Space into a folder and runs its app, or serves its page, as the Hub does."""
    from huggingface_hub import snapshot_download

    os.chdir(snapshot_download(repo_id, repo_type="space", local_dir=folder))
    if not Path("app.py").exists():
        address = ("127.0.0.1", int(os.environ["GRADIO_SERVER_PORT"]))
        ThreadingHTTPServer(address, SimpleHTTPRequestHandler).serve_forever()
    sys.path.insert(0, str(Path.cwd()))
    sys.argv = ["app.py"]
    runpy.run_path("app.py", run_name="__main__")


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    sys.meta_path.insert(0, Hide(settings.get("hidden", ())))
    if "space" in settings:
        run_space(**settings["space"])
    else:
        answer_calls()
