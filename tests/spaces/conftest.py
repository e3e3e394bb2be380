"""What the tests of Spaces share."""

import pytest

from tests.support.board_maker import write_folder
from tests.support.demo_server import (  # noqa: F401
    demo_client_fixture,
    demo_folder_fixture,
    demo_pid_fixture,
    demo_sounds_fixture,
    demo_url_fixture,
)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    write_folder(folder)
    return folder
