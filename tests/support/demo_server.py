"""The demo as a running Space, sounds that people upload, and a client of its API.

One for all tests of Spaces, which only read: its start takes seconds.
"""

import json
import shutil
import urllib.error
import urllib.request

import numpy as np
import pytest
import soundfile

from emonet_voice.hub.local.server import LocalHub
from modeling_empathic import NANO, load_audio
from modeling_empathic.saving_empathic import write_code
from tests.support.browser_fixture import (
    running_space,
)
from tests.support.places import REPOSITORY
from tests.support.servers import patience_s

CLIP = REPOSITORY / "examples" / "clips" / "de_anger.flac"
SPACE = REPOSITORY / "spaces" / "empathic_insight_voice"
TOOLS = ("score", "timeline", "moments", "acoustics")


@pytest.fixture(scope="package", name="demo_folder")
def demo_folder_fixture(tmp_path_factory):
    """Where the Space runs."""
    return tmp_path_factory.mktemp("space")


@pytest.fixture(scope="package", name="demo_pid")
def demo_pid_fixture(demo_url, demo_folder):
    """The number of the Space's process."""
    return int((demo_folder / "pid").read_text())


@pytest.fixture(scope="package", name="demo_url")
def demo_url_fixture(demo_folder):
    """The running Space; its model comes from a Hub on this machine, code included."""
    folder = demo_folder
    repository = folder / "nano"
    shutil.copytree(NANO, repository)
    write_code(repository)
    with LocalHub(folder / "hub") as hub:
        hub.add("laion/Empathic-Insight-Voice-Nano", repository, "model")
        request = urllib.request.Request(
            f"{hub.url}/api/models/laion/Empathic-Insight-Voice-Nano/tag/main",
            json.dumps({"tag": "v0.1.0"}).encode(),
            {"Authorization": f"Bearer {hub.token}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()
        with running_space(SPACE, folder, **hub.environment(folder / "home")) as address:
            yield address


@pytest.fixture(scope="package", name="demo_sounds")
def demo_sounds_fixture(tmp_path_factory):
    """The example as WAV and MP3, under names that users have, and others that they have not."""
    folder = tmp_path_factory.mktemp("sounds")
    samples = load_audio(CLIP)
    soundfile.write(folder / "voice.wav", samples, 16_000)
    soundfile.write(folder / "voice.mp3", np.tile(samples, 2), 16_000)
    shutil.copy(folder / "voice.wav", folder / "=1+1 <img src=x onerror=alert(1)>.wav")
    (folder / "text.wav").write_text("This is no sound at all. " * 100)
    (folder / "page.html").write_text("<script>alert(1)</script>")
    return folder


@pytest.fixture(scope="package", name="demo_client")
def demo_client_fixture(demo_url):
    from gradio_client import Client

    return Client(demo_url, verbose=False, httpx_kwargs={"timeout": patience_s()})
