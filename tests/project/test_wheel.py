"""The sdist and its wheel: what `pip install` gives where there is no checkout."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from emonet_voice.hub.publish.stage import MANIFEST, stage
from tests.support.places import REPOSITORY
from tests.support.servers import reserved_port, started

NOT_SHIPPED = (".*", "build", "dist", "demo", "site", "screenshots", "shared")
NOT_SHIPPED += ("*.egg-info", "__pycache__")
CLIP = "en_elation.flac"
OURS = {"modeling_empathic", "dataset_scripts", "evaluate_metrics", "emonet_voice"}


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel that is made of it."""
    folder = tmp_path_factory.mktemp("built")
    ignore = shutil.ignore_patterns(*NOT_SHIPPED)
    shutil.copytree(REPOSITORY, folder / "project", symlinks=True, ignore=ignore)
    run(sys.executable, "-m", "build", "--no-isolation", "-o", folder, folder / "project")
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """A virtual environment with the libraries of this one, and of ours only the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # Where torch lies, which need not be this environment's own folder. Links of an editable
    # installation are followed from site folders alone, so not from there.
    libraries = Path(find_spec("torch").origin).parents[1]
    (Path(site) / "libraries.pth").write_text(f"{libraries}\n")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
    run(*pip, "--no-deps", "--no-index", built[1])
    (folder / "empty").mkdir()
    return folder


@pytest.fixture(scope="module")
def command(installed):
    """The installed command, from an empty folder, in a clean home, and where it is installed."""
    environment = {"HOME": str(installed), "PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1"}
    options = {"cwd": installed / "empty", "env": environment}
    python = installed / "venv" / "bin" / "python"
    where = run(python, "-c", "import modeling_empathic as m; print(m.__file__)", **options)
    assert Path(where.strip()).is_relative_to(installed)
    return python.with_name("emonet-voice"), options


def test_the_wheel_has_the_checkpoint_the_templates_and_the_spaces_and_no_more(built):
    names = set(zipfile.ZipFile(built[1]).namelist())
    assert "modeling_empathic/nano/model.safetensors" in names
    for folder, pattern in (("cards", "*.jinja"), ("spaces", "*/app.py"), ("spaces", "*/*.txt")):
        files = [path.relative_to(REPOSITORY) for path in (REPOSITORY / folder).glob(pattern)]
        assert files
        assert {f"emonet_voice/hub/hub_files/{path}" for path in files} <= names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == OURS
    assert not [name for name in names if "__pycache__" in name or "annotation_data" in name]
    assert built[1].stat().st_size < 12e6  # 10 of them are Nano


def test_every_module_of_the_rooms_is_in_the_wheel_and_nothing_else_of_theirs(built):
    modules = {
        str(path.relative_to(REPOSITORY))
        for room in OURS
        for path in (REPOSITORY / room).rglob("*.py")
    }
    names = {name for name in zipfile.ZipFile(built[1]).namelist() if name.endswith(".py")}
    assert {name for name in names if "/hub_files/" not in name} == modules


def test_the_sdist_has_its_licence_and_no_links(built):
    with tarfile.open(built[0]) as archive:
        members = archive.getmembers()
    names = {member.name.split("/", 1)[-1] for member in members}
    assert {"LICENSE", "README.md", "pyproject.toml", "cards/bench.md.jinja"} <= names
    assert not [member.name for member in members if member.issym()]


def test_score_works_with_no_other_file_of_the_project(command, installed):
    program, options = command
    shutil.copy(REPOSITORY / "examples" / "clips" / CLIP, installed / "empty")
    rows = run(program, "score", CLIP, "--json", **options).splitlines()
    scored = json.loads(rows[0])
    assert scored["outcome"] == "scored" and isinstance(scored["Elation"], float)


def test_the_wheel_stages_the_same_bytes_as_a_checkout(command, tmp_path):
    program, options = command
    run(program, "publish", "stage", tmp_path / "wheel", **options)
    here = stage(tmp_path / "here").folder
    assert (tmp_path / "wheel" / MANIFEST).read_text() == (here / MANIFEST).read_text()


def test_a_space_of_the_wheel_answers(command, tmp_path):
    program, options = command
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}/"
        demo = [str(program), "demo", "leaderboard", "--port", str(port)]
        with started(demo, url, tmp_path / "log", **options), urllib.request.urlopen(url) as answer:
            assert b"EmoNet-Voice" in answer.read()


@pytest.mark.slow
def test_in_an_empty_virtual_environment_pip_brings_all_that_score_needs(built, tmp_path):
    """Downloads torch."""
    venv.create(tmp_path / "venv", symlinks=True, with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", built[1])
    (tmp_path / "empty").mkdir()
    shutil.copy(REPOSITORY / "examples" / "clips" / CLIP, tmp_path / "empty")
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1"}
    program = python.with_name("emonet-voice")
    shown = run(program, "score", CLIP, "--json", cwd=tmp_path / "empty", env=environment)
    assert json.loads(shown.splitlines()[0])["outcome"] == "scored"
