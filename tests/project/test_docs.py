"""The documentation is built offline without a warning, and every page of it is in the menu."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import REPOSITORY


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("mkdocstrings")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=REPOSITORY, capture_output=True, text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'not included in the "nav"' not in done.stderr, done.stderr
    return folder


def test_it_is_whole_and_brings_all_that_it_shows(site):
    assert (site / "examples" / "demo.png").exists()
    assert (site / "examples" / "gallery" / "timeline.png").exists()
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        for host in ("fonts.googleapis", "unpkg.com", "jsdelivr", "cdnjs"):
            assert host not in text, page


def test_docstrings_of_every_room_are_in_it(site):
    named = {
        "modeling_empathic": "modeling_empathic.taxonomy.resolve",
        "dataset_scripts": "dataset_scripts.agreement",
        "evaluate_metrics": "evaluate_metrics.emonet_voice.compute",
        "emonet_voice": "emonet_voice.hub.convert",
        "spaces": "analysis",
    }
    for room, name in named.items():
        assert f'id="{name}"' in (site / "api" / f"{room}.html").read_text("utf-8")


def test_links_between_readmes_lead_to_pages_and_others_stay_words():
    sys.path.insert(0, str(REPOSITORY / "docs"))
    try:
        from pages import with_links
    finally:
        sys.path.pop(0)
    text = "[![p](examples/demo.png)](spaces/README.md) [b](Makefile) `[c](d)` [e](#f) [g](x.md#h)"
    assert with_links(text, "README.md") == (
        "[![p](examples/demo.png)](spaces.md) b `[c](d)` [e](#f) g"
    )
    assert with_links("[a](../README.md#cite)", "cards/README.md") == "[a](guide.md#cite)"
