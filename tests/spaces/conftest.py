"""What the tests of Spaces share."""

import pytest

from tests.support.board_maker import write_folder


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    write_folder(folder)
    return folder
