"""Every shell line that a reader can type works, each after the one before it.

A line runs in the process of the command, whose Hub is the local one with the public repositories
in small; a line with a pipe or of another program runs in a shell. What no test can run stands in
`NOT_RUN` with the reason.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from emonet_voice.hub.cards import card_of
from emonet_voice.hub.local.server import LocalHub
from emonet_voice.hub.repositories import folder_of
from evaluate_metrics.bench.evaluation import write_result
from tests.support.local_hub_fixture import HubClient
from tests.support.places import REPOSITORY
from tests.support.publish_maker import SMALL
from tests.support.results import result
from tests.support.servers import reserved_port, started
from tests.support.shell_lines import shell_lines
from tests.support.stand_ins import make_emodb, serve_public_release

INSTALLS = "installs: tests/project/test_fresh_clone.py types it"
MINUTES = "minutes of synthesis or training; run when what is shipped is made anew"
CHECKS = "runs these very tests"
ELSEWHERE = "tests/{} runs it"
NOT_RUN = {
    "make demo": INSTALLS,
    "source .venv/bin/activate": INSTALLS,
    "python examples/space_pictures.py OUT": "152 pictures of pages: minutes",
    "python -m venv .venv": "what `make demo` does",
    "emonet-voice demo metric": ELSEWHERE.format("spaces/test_metric_page.py"),
    "make test": CHECKS,
    "make slow": CHECKS,
    "make test-lowest": CHECKS + ", in an environment of its own",
    "make test-latest": CHECKS + ", in an environment of its own",
    "make hooks": "changes the checkout's git settings",
    "make docs": ELSEWHERE.format("project/test_docs.py") + ", as the target does",
    "make bench": "hours: full-size heads",
    "make browser": "downloads by npm; tests/spaces/test_voice_in_browser.py uses what it makes",
    "make clips": MINUTES,
    "python examples/make_clips.py": MINUTES,
    "make nano ENCODER=path/to/whisper-tiny.en EMODB=path/to/emodb UNSEEN=path/to/nemo": MINUTES,
    "python examples/train_nano.py --encoder WHISPER_TINY_FOLDER --emodb EMODB_FOLDER": MINUTES,
    "python examples/gallery.py": ELSEWHERE.format("project/test_gallery.py"),
    "python examples/demo_picture.py": "takes a picture of a demo that runs; needs a browser",
    "python benchmarks/models.py": "converts and measures full-size models",
    "python -m emonet_voice.hub.local FOLDER": ELSEWHERE.format("hub/test_local_hub.py"),
    "emonet-voice collect gemini-2.5-pro --bench bench/ --output gemini.parquet": (
        "asks a service that costs money; tests/adapters/test_cli.py asks a server of its own"
    ),
    "emonet-voice score examples/clips --engine ray --output everywhere.parquet": (
        ELSEWHERE.format("scoring/test_ray_engine.py")
    ),
    'emonet-voice score "data/*.parquet" tars/ s3://bucket/clips --engine ray --model small '
    "-o all.parquet": "needs a bucket; tests/scoring/test_blocks.py reads addresses of files",
    "emonet-voice convert nano nano-onnx/ --to onnx --dtype float16": (
        ELSEWHERE.format("hub/test_onnx.py")
    ),
    "emonet-voice publish rehearse --bench bench/ --models models/": ELSEWHERE.format(
        "hub/test_publish_rehearse.py"
    ),
}
SERVED = {  # a line that runs until it is stopped, and the Space in whose folder it is typed
    "emonet-voice demo": None,
    "emonet-voice demo annotation": None,
    "emonet-voice demo leaderboard": None,
    "EMONET_MODEL_FOLDER=path/to/model python app.py": "empathic_insight_voice",
    "python app.py": "emotion_annotation",
    "EMONET_LEADERBOARD=path/to/folder python app.py": "emonet_voice_leaderboard",
}
SPACES = REPOSITORY / "spaces"
LEADERBOARD = "spaces/emonet_voice_leaderboard/README.md"
ANNOTATION = "spaces/emotion_annotation/README.md"
GUIDE = "CONTRIBUTING.md"


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
        home = {"HOME": str(self.folder), "PATH": f"{programs}:{os.environ['PATH']}"}
        return {**os.environ, **hub, **home}


class Document(NamedTuple):
    """A text, and the folder in which its lines are typed."""

    name: str
    text: str
    folder: Path


def is_run(line: str) -> bool:
    """Not a server, and nothing that changes the environment in which these tests run."""
    return not (line in NOT_RUN or line in SERVED or line.startswith("pip install "))


def read(name: str) -> str:
    return (REPOSITORY / name).read_text("utf-8")


@pytest.fixture(scope="module")
def public(whisper, tmp_path_factory):
    """The command, and a Hub with what is public today."""
    work = tmp_path_factory.mktemp("public")
    with LocalHub(work / "hub") as hub:
        serve_public_release(hub, work, whisper, scale=1 / 150)
        with typing(hub, work / "home") as client:
            yield client


@pytest.fixture(scope="module")
def published(staged, tmp_path_factory):
    """The command, and a Hub with all that was staged."""
    work = tmp_path_factory.mktemp("published")
    with LocalHub(work / "hub") as hub:
        for repository in staged.repositories:
            folder = folder_of(staged.folder, repository)
            hub.add(f"laion/{repository.name}", folder, repository.kind)
        with typing(hub, work / "home") as client:
            yield client


@contextmanager
def typing(hub: LocalHub, home: Path) -> Iterator[HubClient]:
    """A process of the command, in which a small Bench counts as whole and learning is short."""
    client = HubClient(hub, home)
    client(
        "import os, sys; sys.path.insert(0, repository)\n"
        "from tests.support.command import run_command\n"
        "from dataset_scripts.corpora import corpus_class\n"
        "from modeling_empathic.training import settings\n"
        "corpus_class('bench').PUBLISHED = {}\n"
        "settings.enough_epochs = lambda *_: 2\n",
        repository=str(REPOSITORY),
    )
    yield client
    client.close()


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
        if is_run(line):
            code, out, err = reader.type(line)
            assert code == 0, f"{document.name}: {line}\n{out[-1500:]}\n{err[-1500:]}"


def test_the_readme_leads_from_the_first_line_to_the_last(public, folder):
    check(Document("README.md", read("README.md"), folder), public)


def test_the_lines_of_the_documentation_work(public, folder):
    check(Document("docs/index.md", read("docs/index.md"), folder), public)


def test_the_lines_of_the_cards_work_once_all_is_published(published, staged, folder):
    cards = [
        card_of(folder_of(staged.folder, row))[1]
        for row in staged.repositories
        if row.role != "space"  # whose READMEs lie in their folders
    ]
    lines = [line for card in cards for line in shell_lines(card)]
    assert any(f"laion/{SMALL}" in line for line in lines)
    for number, card in enumerate(cards):
        check(Document(f"card {number}", card, folder), published)


def test_a_result_joins_the_leaderboard_as_its_readme_says(public, tmp_path):
    space = shutil.copytree(SPACES / "emonet_voice_leaderboard", tmp_path / "space")
    write_result(result("mine"), space / "data" / "results" / "mine.json")
    check(Document("leaderboard", read(LEADERBOARD), space), public)
    assert "mine" in (space / "data" / "leaderboard.json").read_text()


def test_a_model_joins_the_leaderboard_as_the_guide_says(published, tmp_path):
    results = tmp_path / "spaces" / "emonet_voice_leaderboard" / "data" / "results"
    results.mkdir(parents=True)
    reader = Reader(tmp_path, published)
    measure, merge = (line for line in shell_lines(read(GUIDE)) if line not in NOT_RUN)
    measure = measure.replace(" ID ", f" laion/{SMALL} ").replace("NAME", str(results / "mine"))
    for line in (measure, merge):
        code, out, err = reader.type(line)
        assert code == 0, f"{line}\n{out[-1500:]}\n{err[-1500:]}"
    assert SMALL in (tmp_path / "board" / "leaderboard.json").read_text()


RATE = """
from annotation_project import open_project
project = open_project()
while True:
    taken = [(name, project.store.take(name)) for name in project.store.protocol.raters]
    for name, item in taken:
        if item is not None:
            project.store.answer(name, item, 1)
    if not any(item for _, item in taken):
        break
"""


def test_ratings_become_a_bench_as_the_annotation_readme_says(public, tmp_path):
    space = shutil.copytree(SPACES / "emotion_annotation", tmp_path / "space")
    reader = Reader(space, public)
    code, _, err = reader.type(f"python -c {shlex.quote(RATE)}")
    assert code == 0, err
    check(Document("annotation", read(ANNOTATION), space), public)
    assert (space / "bench" / "manifest.json").is_file()
    assert "human-1" in (space / "raters.csv").read_text()


def texts() -> dict[str, str]:
    """The Markdown that is read, by name; not what happened before, and not what was measured."""
    folders = ("", "docs", "cards", "evaluate_metrics", "examples/clips", "modeling_empathic/nano")
    files = [file for folder in folders for file in (REPOSITORY / folder).glob("*.md")]
    files += SPACES.rglob("*.md")
    names = [file.relative_to(REPOSITORY).as_posix() for file in files]
    return {name: read(name) for name in names if name != "CHANGELOG.md"}


def test_every_line_of_another_text_starts_a_server_or_says_why_it_is_not_run():
    run = {"README.md", "docs/index.md", LEADERBOARD, ANNOTATION, GUIDE}
    for name, text in texts().items():
        for line in shell_lines(text) if name not in run else ():
            assert not is_run(line), f"{name}: {line}"


def test_the_lists_of_lines_are_not_stale():
    written = {line for text in texts().values() for line in shell_lines(text)}
    assert {*NOT_RUN, *SERVED} <= written
    for reason in NOT_RUN.values():
        for file in re.findall(r"tests/[\w/]+\.py", reason):
            assert (REPOSITORY / file).is_file(), file


def test_make_demo_ends_with_the_next_line_of_the_readme():
    done = subprocess.run(
        ["make", "--dry-run", "demo"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    *_, activate, score = (line.strip('" ') for line in re.findall(r"echo (.*)", done.stdout))
    lines = shell_lines(read("README.md"))
    assert activate in lines and score in lines


@pytest.mark.parametrize("line", SERVED)
def test_a_line_that_starts_a_server_gives_a_page(line, public, model_folder, tmp_path):
    pytest.importorskip("gradio")
    space = SERVED[line]
    folder = shutil.copytree(SPACES / space, tmp_path / space) if space else tmp_path
    line = line.replace("path/to/model", str(model_folder))
    line = line.replace("path/to/folder", str(SPACES / "emonet_voice_leaderboard" / "data"))
    with reserved_port() as port:
        variables = Reader(folder, public).environment()
        variables |= {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
        # The shell becomes the program, so that it ends with it.
        command = ["bash", "-c", re.sub(r"(?=(emonet-voice|python) )", "exec ", line, count=1)]
        url = f"http://127.0.0.1:{port}/"
        with started(command, url, tmp_path / "log", cwd=folder, env=variables):
            pass
