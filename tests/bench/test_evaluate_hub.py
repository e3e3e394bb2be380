"""A Bench on the Hub is read by its id, at one commit, against a Hub on this machine."""

import pytest

from dataset_scripts.building.build import build
from evaluate_metrics.bench.reader import read_bench
from tests.support.local_hub_fixture import ClientError
from tests.support.places import REPOSITORY
from tests.support.raw_release_maker import make_raw_release

REPO = "someone/evaluated-bench"


@pytest.fixture(scope="module")
def folder(local_hub, tmp_path_factory):
    made = tmp_path_factory.mktemp("bench")
    raw = make_raw_release(made / "raw", 1 / 100, seconds=2, sounds=2)
    build(raw, made / "built", assert_counts=False)
    local_hub.add(REPO, made / "built")
    return made / "built"


@pytest.fixture
def client(hub_client, folder):
    code = "import sys; sys.path.insert(0, root); from evaluate_metrics.bench.reader import *"
    hub_client(code, root=str(REPOSITORY), repo=REPO)
    return hub_client


def test_labels_are_those_of_the_folder_and_the_commit_is_named(client, folder):
    code = """
table = read_bench(repo, "all")
commit = api.dataset_info(repo).sha
about = json.loads(table.schema.metadata[METADATA_KEY])
again = read_bench(repo, "all", revision=commit)
result = [table.to_pylist(), about == {"source": repo, "revision": commit, "config": "all"},
          again.equals(table)]
"""
    rows, named, same = client(code)
    key = ("clip_id", "emotion")
    expected = read_bench(folder, "all").to_pylist()
    assert sorted(rows, key=lambda row: [row[k] for k in key]) == sorted(
        expected, key=lambda row: [row[k] for k in key]
    )
    assert named
    assert same


def test_audio_is_not_fetched_for_the_labels(client, folder):
    code = """
from huggingface_hub.hf_file_system import HfFileSystemFile
fetched, fetch = [], HfFileSystemFile._fetch_range
HfFileSystemFile._fetch_range = lambda self, a, b: fetched.append(b - a) or fetch(self, a, b)
read_bench(repo)
HfFileSystemFile._fetch_range = fetch
result = sum(fetched)
"""
    stored = sum(file.stat().st_size for file in folder.glob("data/emotions-*.parquet"))
    assert 0 < client(code) < stored / 5


def test_clips_come_with_their_bytes(client):
    code = """
import hashlib
clips = list(iter_audio(repo))
result = [len(clips), all(hashlib.sha256(audio).hexdigest() == key for key, audio in clips)]
"""
    assert client(code) == [120, True]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('read_bench("someone/absent")', "cannot read the Bench someone/absent: "),
        ('read_bench(repo, revision="v9")', "cannot read the Bench someone/evaluated-bench: "),
    ],
)
def test_what_the_hub_does_not_have_is_said_in_a_line(client, call, message):
    with pytest.raises(ClientError) as error:
        client(f"result = {call}")
    assert error.value.name == "EvaluationError"
    assert message in str(error.value)
    assert "\n" not in str(error.value)
