"""What the tests of Spaces share."""

import pytest

from tests.support.board_maker import write_folder
from tests.support.servers import LOGS


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    write_folder(folder)
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the servers that run at the time have printed last."""
    report = yield
    if report.failed:
        report.sections += [(f"end of {log}", log.read_text()[-3_000:]) for log in LOGS]
    return report
