"""Every shell line that a reader can type works, each after the one before it.

A line runs in the process of the command, whose Hub is the local one with the public repositories
in small; a line with a pipe or of another program runs in a shell. What no test can run stands in
`NOT_RUN` with the reason.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from emonet_voice.hub.local.server import LocalHub
from emonet_voice.hub.publish.cards import card_of
from emonet_voice.hub.repositories import folder_of
from evaluate_metrics.bench.evaluation import write_result
from tests.support.local_hub_fixture import HubClient
from tests.support.places import REPOSITORY
from tests.support.publish_maker import BENCH, SMALL
from tests.support.results import result
from tests.support.servers import LOGS, reserved_port, wait_until
from tests.support.servers import answers as page_answers
from tests.support.shell_lines import command_of, shell_lines
from tests.support.stand_ins import make_emodb, serve_public_release

INSTALLS = "installs: tests/readme_path.py types it in a fresh clone"
MINUTES = "minutes of synthesis or training; run when what is shipped is made anew"
CHECKS = "runs these very tests"
ELSEWHERE = "tests/{} runs it"
NOT_RUN = {
    "make demo": INSTALLS,
    "source .venv/bin/activate": INSTALLS,
    'pip install -e ".[plot,metric,train,generate,publish,space]"': INSTALLS,
    "python -m venv .venv": INSTALLS,
    "pip install -e .": INSTALLS,
    "pip install -r requirements.txt": ELSEWHERE.format("spaces/test_environments.py"),
    "make test": CHECKS,
    "make slow": CHECKS,
    "make hooks": "changes the checkout's git settings",
    "make docs": ELSEWHERE.format("project/test_docs.py") + ", as the target does",
    "make bench": "hours: full-size heads",
    "make clips": MINUTES,
    "python examples/make_clips.py": MINUTES,
    "make nano ENCODER=path/to/whisper-tiny.en EMODB=path/to/emodb UNSEEN=path/to/nemo": MINUTES,
    "python examples/train_nano.py --encoder WHISPER_TINY_FOLDER --emodb EMODB_FOLDER": MINUTES,
    "python -m emonet_voice.hub.local FOLDER": ELSEWHERE.format("hub/test_local_hub.py"),
    "emonet-voice collect gemini-2.5-pro --bench bench/ --output gemini.parquet": (
        "asks a service that costs money; tests/adapters/test_cli.py asks a server of its own"
    ),
    "emonet-voice publish rehearse --bench bench/ --models models/": ELSEWHERE.format(
        "hub/test_publish_rehearse.py"
    ),
}
SERVERS = ("emonet-voice demo", "python app.py")


class Reader:
    """Somebody who types lines in a folder.

    Args:
        folder: The current one.
        client: Process of the command.
    """

    def __init__(self, folder: Path, client: HubClient):
        self.folder, self.client = folder, client

    def type(self, line: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of a line."""
        words = shlex.split(line)
        if words[0] == "emonet-voice" and not set(line) & set("|><*"):
            return tuple(
                self.client(
                    "os.chdir(folder); result = run_command(*words)",
                    words=words[1:], folder=str(self.folder),
                )
            )  # fmt: skip
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.environment(),
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def environment(self) -> dict[str, str]:
        """Of a shell with this Python's programs, whose Hub is the local one."""
        programs = Path(sys.executable).parent
        hub = self.client.hub.environment(self.client.home)
        return {**os.environ, **hub, "PATH": f"{programs}:{os.environ['PATH']}"}


class Document(NamedTuple):
    """A text, and the folder in which its lines are typed."""

    name: str
    text: str
    folder: Path


def read(*path: str) -> str:
    return REPOSITORY.joinpath(*path).read_text("utf-8")


@pytest.fixture(scope="module")
def client(whisper, staged, tmp_path_factory):
    """The command, and a Hub with what is public today; Bench, typed, is what the cards speak of.

    A Bench that is not whole is built without a word: that is what is small here.
    """
    work = tmp_path_factory.mktemp("public")
    with LocalHub(work / "hub") as hub:
        serve_public_release(hub, work, whisper, scale=1 / 150)
        for repository in staged.repositories:
            if repository.name == BENCH:
                hub.add(f"laion/{BENCH}", folder_of(staged.folder, repository), "dataset")
        made = HubClient(hub, work / "home")
        made(
            "import os, sys; sys.path.insert(0, repository)\n"
            "from tests.support.command import run_command\n"
            "from dataset_scripts.corpora import corpus_class\n"
            "corpus_class('bench').PUBLISHED = {}\n",
            repository=str(REPOSITORY),
        )
        yield made
        made.close()


@pytest.fixture
def folder(tmp_path) -> Path:
    """A checkout's examples and EmoDB, small."""
    shutil.copytree(REPOSITORY / "examples", tmp_path / "examples")
    make_emodb(tmp_path)
    return tmp_path


def check(document: Document, client: HubClient) -> None:
    """Types the lines of a document, but for servers and what is not run."""
    reader = Reader(document.folder, client)
    for line in dict.fromkeys(shell_lines(document.text)):
        if line in NOT_RUN or any(server in line for server in SERVERS):
            continue
        code, out, err = reader.type(until_merged(line))
        assert code == 0, f"{document.name}: {line}\n{out[-1500:]}\n{err[-1500:]}"


def until_merged(line: str) -> str:
    """TODO(merge): `small` and `--timeline` are made on other branches; delete this with its use."""
    from typer.testing import CliRunner

    from emonet_voice.cli.app import app
    from modeling_empathic import NANO

    help_ = CliRunner().invoke(app, ["score", "--help"], env={"COLUMNS": "200"}).output
    if "--yes" not in help_:
        line = re.sub(r"--model (small|nano)( --yes)?", f"--model {NANO}", line)
    if "--timeline" not in help_:
        line = line.replace("--window 2 --hop 1 --timeline timelines/ --report report.html", "")
    return line


def test_the_readme_leads_from_the_first_line_to_the_last(client, folder):
    check(Document("README.md", read("README.md"), folder), client)
