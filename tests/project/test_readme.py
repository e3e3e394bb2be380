"""What the README shows works as it stands there; its shell lines: `test_shell_lines.py`."""

import re
import tomllib

import pytest

from dataset_scripts.building.build import build
from emonet_voice.hub.local.server import LocalHub
from tests.support.forks import Forks
from tests.support.places import REPOSITORY
from tests.support.raw_release_maker import make_raw_release

README = (REPOSITORY / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
FINE_TUNE = README.split("## Fine-tune")[1].split("\n## ")[0]  # test_fine_tune.py runs its blocks


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs programs whose Hub has Bench, a three-hundredth of it, under its name."""
    folder = tmp_path_factory.mktemp("hub")
    raw = make_raw_release(folder / "raw", 1 / 300, seconds=0.1, sounds=2)
    build(raw, folder / "built", assert_counts=False)
    with LocalHub(folder / "store") as hub:
        hub.add("laion/emonet-voice-bench", folder / "built")
        forks = Forks(folder, **hub.environment(folder / "home"))
        yield forks
        forks.close()


@pytest.mark.parametrize(
    "block",
    [block for block in PYTHON if block not in FINE_TUNE],
    ids=lambda block: block.split("\n")[0][:40],
)
def test_the_python_blocks_run_and_print(block, run):
    done = run(block, cwd=REPOSITORY)
    assert done.code == 0, done.err[-2000:]
    assert done.out.strip()


def test_the_clone_address_is_that_of_the_metadata():
    """There is none yet; a README that invents one sends its reader elsewhere."""
    urls = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["urls"]
    shown = re.findall(r"git clone (\S+)", README)
    assert shown == ([urls["Repository"]] if "Repository" in urls else [])


def test_the_extras_named_are_those_of_the_package_and_all_of_them():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    installing = README.split("## Install")[1].split("\n## ")[0]
    shown = re.search(r'pip install -e "\.\[([\w,]+)\]"', installing)[1].split(",")
    named = set(re.findall(r"`(\w+)`", installing)) | set(shown)
    extras = set(project["optional-dependencies"])
    assert set(shown) <= extras and extras - {"docs"} <= named


def test_no_package_index_is_said_to_have_it():
    assert not re.search(r"pip install ['\"]?emonet-voice", README)


def test_model_data_and_metric_are_shown_in_python():
    for name in ("pipeline(", "EmpathicInsightModel", "load_dataset(", "compute("):
        assert any(name in block for block in PYTHON), name


def test_the_citation_is_that_of_the_cards():
    assert (REPOSITORY / "cards" / "citation.md.jinja").read_text() in README


def test_every_file_linked_is_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (REPOSITORY / target).exists(), target


def test_the_make_targets_shown_exist():
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"make (demo|test|nano|clips|bench)\b", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
