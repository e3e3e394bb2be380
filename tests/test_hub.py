"""The real client against a stand-in for the Hub: what is downloaded, and what is remembered."""

import json
import os
import subprocess
import sys

from .conftest import REPOSITORY
from .hub_stub import COMMIT, HubStub

ID = "laion/tiny"


def with_hub(stub, home, *arguments):
    """Runs Python with a fresh cache and the stub as the Hub; returns its standard output."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": stub.url,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_TOKEN": "hf_secret",
    }
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True,
        cwd=REPOSITORY, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "hf_secret" not in done.stdout + done.stderr
    return done.stdout


def test_a_subset_downloads_only_its_shards_and_knows_its_commit(model_folder, tmp_path):
    program = (
        "import json, sys\n"
        "import modeling_empathic\n"
        "from transformers import AutoModel\n"
        "model = AutoModel.from_pretrained(sys.argv[1], heads=['Anger'])\n"
        "print(json.dumps([model.config.head_names, model.commit]))\n"
    )
    with HubStub(model_folder, ID) as stub:
        printed = with_hub(stub, tmp_path, "-c", program, ID)
        assert json.loads(printed.splitlines()[-1]) == [["Anger"], COMMIT]
        got = [name for name in stub.requests if name.startswith("GET") and "safetensors" in name]
        assert sorted(got) == [
            "GET model-00001-of-00003.safetensors",
            "GET model-00002-of-00003.safetensors",
            "GET model.safetensors.index.json",
        ]


def test_remote_code_comes_from_the_hub_and_saves_whole(model_folder, tmp_path):
    program = (
        "import sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'modeling_empathic':\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "from transformers import AutoModel\n"
        "model = AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True)\n"
        "model.save_pretrained(sys.argv[2])\n"
    )
    saved = tmp_path / "saved"
    with HubStub(model_folder, ID) as stub:
        with_hub(stub, tmp_path / "home", "-c", program, ID, str(saved))
    for path in model_folder.iterdir():
        if path.name != "preprocessor_config.json":
            assert (saved / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_score_file_names_the_commit(model_folder, tmp_path):
    from modeling_empathic.score_file import read_provenance

    output = tmp_path / "scores.parquet"
    clip = REPOSITORY / "examples" / "clips" / "de_anger.flac"
    arguments = [
        "-m",
        "modeling_empathic.cli",
        "score",
        str(clip),
        "--model",
        ID,
        "-o",
        str(output),
    ]
    with HubStub(model_folder, ID) as stub:
        with_hub(stub, tmp_path / "home", *arguments)
    provenance = read_provenance(output)
    assert (provenance["model"], provenance["revision"]) == (ID, COMMIT)
