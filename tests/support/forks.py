"""Programs in processes of their own that need not import what takes seconds: forks of one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

# Of this project nothing is imported here, so that a program finds it as a fresh process does.
SERVER = """
import json, os, sys, traceback
import datasets, torch, transformers, transformers.pipelines
for line in sys.stdin:
    program, arguments, folder, printed = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, file in enumerate(printed, 1):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv, code = ["-c", *arguments], 0
        try:
            exec(program, {"__name__": "__main__"})
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Ran(NamedTuple):
    """How a program ended: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str


class Forks:
    """Runs programs in forks of a Python that has imported torch, transformers and datasets.

    Args:
        folder: For what they print.
        variables: Of the environment; those of the Hub are read once, when it starts.
    """

    def __init__(self, folder: Path, **variables: str):
        self._printed = (folder / "out.txt", folder / "err.txt")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", SERVER], env={**os.environ, **variables},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __call__(self, program: str, *arguments: object, cwd: Path) -> Ran:
        """Runs a program as `python -P -c PROGRAM ARGUMENTS` does."""
        assert self._process.stdin and self._process.stdout
        files = [str(file) for file in self._printed]
        line = json.dumps([program, [*map(str, arguments)], str(cwd), files])
        print(line, file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline())
        return Ran(code, *(file.read_text("utf-8") for file in self._printed))

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()
