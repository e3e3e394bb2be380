"""Pickles are opened in a process of its own: it may end, and it has no token."""

import sys

import pytest

from emonet_voice.hub import pickles
from emonet_voice.hub.pickles import ConversionError, shapes_of
from tests.support.public_heads import save_head


@pytest.fixture
def fresh(monkeypatch):
    """A process of this test's own."""
    pickles._opener.cache_clear()
    yield monkeypatch
    pickles._opener.cache_clear()


def test_a_process_that_breaks_is_one_error_and_the_next_one_reads_on(tmp_path, fresh):
    save_head(tmp_path, "Anger")
    head = next(tmp_path.glob("*.pth"))
    with fresh.context() as broken:
        broken.setattr(sys, "executable", "/bin/false")
        with pytest.raises(ConversionError, match=rf"{head.name} was not loaded: it ends the proc"):
            shapes_of(head)
    assert len(shapes_of(head)) == 10


def test_the_process_that_opens_a_pickle_has_no_token(tmp_path, fresh):
    fresh.setenv("HF_TOKEN", "hf_secret")
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/environment\n")
    program.chmod(0o755)
    fresh.setattr(sys, "executable", str(program))
    with pytest.raises(ConversionError):
        shapes_of(tmp_path / "model_Anger_best.pth")
    shown = (tmp_path / "environment").read_text()
    assert "PYTHONPATH=" in shown and "hf_secret" not in shown
