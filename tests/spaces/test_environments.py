"""Each Space in an environment of its own, as the Hub builds it: from its requirements alone."""

import os
import shutil
import subprocess
import sys
import venv

import pytest

from emonet_voice.hub.cards import card_of
from emonet_voice.hub.local.server import LocalHub
from emonet_voice.hub.repositories import REPOSITORIES, chosen, folder_of
from modeling_empathic import __version__
from tests.support.publish_maker import NANO
from tests.support.servers import reserved_port, started

# Those that install anything.
SPACES = [row.name for row in REPOSITORIES if row.kind == "space" and not row.built]
# What a visitor of the demo does; the model comes from the Hub.
ANALYSE = """
import json, sys
from gradio_client import Client, handle_file
client = Client(sys.argv[1], verbose=False)
scores = client.predict(handle_file(sys.argv[2]), "Nano", [], api_name="/score")
print(json.dumps(scores))
"""


@pytest.mark.slow  # downloads gradio and torch
@pytest.mark.parametrize("name", SPACES)
def test_a_space_starts_from_its_requirements_alone(name, staged, tmp_path):
    repository = chosen([name])[0]
    folder = shutil.copytree(folder_of(staged.folder, repository), tmp_path / "app")
    metadata, _ = card_of(folder)
    venv.create(tmp_path / "venv", symlinks=True, with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    # Gradio is brought by the Hub itself, in the version that the card names.
    gradio = f"gradio[oauth,mcp]=={metadata['sdk_version']}"
    pip = [python, "-m", "pip", "install", "--quiet", gradio, "-r", folder / "requirements.txt"]
    subprocess.run(pip, check=True)
    with reserved_port() as port, LocalHub(tmp_path / "hub") as hub:
        settings = {
            "HOME": str(tmp_path),
            "PATH": os.environ["PATH"],
            "GRADIO_SERVER_NAME": "127.0.0.1",
            "GRADIO_SERVER_PORT": str(port),
            "GRADIO_ANALYTICS_ENABLED": "False",
        }
        hub.add(f"laion/{NANO}", folder_of(staged.folder, chosen([NANO])[0]), "model")
        settings |= hub.environment(tmp_path / "home")
        tag = (
            "from huggingface_hub import create_tag; "
            f"create_tag('laion/{NANO}', tag='v{__version__}')"
        )
        subprocess.run([sys.executable, "-c", tag], env=settings, check=True)
        del settings["HF_TOKEN"]
        url = f"http://127.0.0.1:{port}"
        command, log = [python, "app.py"], tmp_path / "log.txt"
        with started(command, url + repository.page, log, cwd=folder, env=settings):
            if name == "empathic-insight-voice":
                clip = folder / "examples" / "de_anger.flac"
                asked = subprocess.run(
                    [python, "-c", ANALYSE, url, clip], capture_output=True, text=True, check=False
                )
                assert "Anger" in asked.stdout, asked.stderr
