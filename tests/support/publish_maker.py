"""What the tests of `publish` share: a small release, staged once, and a client that pushes."""

import json

import pytest

from tests.support.places import REPOSITORY

from .big_maker import make_packed
from .command import run_command
from .local_hub_fixture import HubClient
from .raw_release_maker import make_raw_release

NANO, SMALL = "Empathic-Insight-Voice-Nano", "Empathic-Insight-Voice-Small"
BENCH, BIG, METRIC = "emonet-voice-bench", "emonet-voice-big", "emonet_voice"
ROWS = {"default": 120, "all": 126, "ratings": 337}


def run_publish(*arguments: str) -> tuple[int, str, str]:
    """The command in this process: exit code, standard output, standard error."""
    return run_command("publish", *arguments)


@pytest.fixture(scope="session", name="sources")
def sources_fixture(tmp_path_factory, model_folder):
    """A hundredth of Bench, twelve clips as Big, and a tiny model as Small."""
    from dataset_scripts.building.build import build
    from emonet_voice.hub.publish.stage import Sources

    folder = tmp_path_factory.mktemp("sources")
    raw = make_raw_release(folder / "raw", 1 / 100, seconds=0.2, sounds=4)
    build(raw, folder / "bench", assert_counts=False)
    (folder / "models").mkdir()
    (folder / "models" / SMALL).symlink_to(model_folder)
    big = make_packed(folder / "big")
    return Sources(folder / "models", folder / "bench", assert_counts=False, big=big)


@pytest.fixture(scope="session", name="staged")
def staged_fixture(tmp_path_factory, sources):
    """Everything that can be staged."""
    from emonet_voice.hub.publish.stage import stage

    return stage(tmp_path_factory.mktemp("staged") / "out", sources)


@pytest.fixture(scope="session", name="publish")
def publish_fixture(local_hub, tmp_path_factory):
    """The command, in a process that talks to the local Hub."""
    publisher = Publisher(local_hub, tmp_path_factory.mktemp("home"))
    yield publisher
    publisher.client.close()


class Publisher:
    """A process in which the command talks to a local Hub."""

    def __init__(self, hub, home, **environment):
        self.client = HubClient(hub, home, **environment)
        self.client(
            "import sys; sys.path.insert(0, repository)\n"
            "from tests.support.publish_maker import run_publish\n"
            "from huggingface_hub import HfApi\n"
            "api = HfApi()",
            repository=str(REPOSITORY),
        )

    def __call__(self, *arguments):
        """`emonet-voice publish ...`: exit code, standard output, standard error."""
        names = json.dumps([str(argument) for argument in arguments])
        return self.client(f"result = run_publish(*{names})")

    def json(self, *arguments):
        """The same with `--json`, which must end well."""
        code, out, err = self(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)
