"""The package against a Hub: what is downloaded, and what is remembered.

Remote code, which must work where the package is not installed, is in
`test_local_hub_libraries.py`.
"""

import pytest

from tests.support.places import REPOSITORY


@pytest.fixture
def client(hub_client):
    """A process of its own in which the package is imported."""
    hub_client("import sys; sys.path.insert(0, repository)", repository=str(REPOSITORY))
    hub_client("import modeling_empathic; from transformers import AutoModel")
    return hub_client


def test_a_subset_downloads_only_its_shards_and_knows_its_commit(client, local_hub, model_folder):
    commit = local_hub.add("laion/sharded", model_folder, "model")
    before = len(local_hub.requests)
    known = client(
        "model = AutoModel.from_pretrained('laion/sharded', heads=['Anger'])\n"
        "result = [model.config.head_names, model.commit]"
    )
    assert known == [["Anger"], commit]
    got = [name for name in local_hub.requests[before:] if name.startswith("GET")]
    assert sorted(name.rsplit("/", 1)[1] for name in got if "safetensors" in name) == [
        "model-00001-of-00003.safetensors",
        "model-00002-of-00003.safetensors",
        "model.safetensors.index.json",
    ]


def test_the_score_file_names_the_commit(client, local_hub, model_folder, tmp_path):
    from modeling_empathic.scoring.file import read_provenance

    commit = local_hub.add("laion/scorer", model_folder, "model")
    output = tmp_path / "scores.parquet"
    clip = REPOSITORY / "examples" / "clips" / "de_anger.flac"
    client(
        "from emonet_voice.cli.app import main\n"
        "sys.argv = ['emonet-voice', 'score', clip, '--model', 'laion/scorer', '-o', output]\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code",
        clip=str(clip), output=str(output),
    )  # fmt: skip
    provenance = read_provenance(output)
    assert (provenance["model"], provenance["revision"]) == ("laion/scorer", commit)
