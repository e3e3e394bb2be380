"""The tiny Whisper, and labelled clips that all tests of this folder read and none writes to."""

from pathlib import Path

import pytest

from tests.support.tiny_whisper import tiny_whisper_fixture  # noqa: F401
from tests.support.training_maker import make_clips


@pytest.fixture(scope="session")
def labelled_folder(tmp_path_factory) -> Path:
    """32 clips of four speakers in four classes."""
    return make_clips(tmp_path_factory.mktemp("data") / "clips")


@pytest.fixture(scope="session")
def trained(labelled_folder, whisper, tmp_path_factory):
    """A run in one pass: `(folder, what it returned)`."""
    from tests.support.training_maker import train

    folder = tmp_path_factory.mktemp("trained") / "model"
    return folder, train(labelled_folder, whisper, folder)
