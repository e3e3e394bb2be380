"""The annotation Space's copy on the Hub: private, restored on a new disk, never emptied."""

import json
import sys

import pytest

from tests.support.local_hub_fixture import ClientError
from tests.support.places import REPOSITORY

SPACE = REPOSITORY / "spaces" / "emotion_annotation"
_START = """
import os, sys
sys.path.append(space)
from annotation_project import open_project
from hub_backup import FILE, keep_backup
environment = {"ANNOTATION_DATA": data, "ANNOTATION_BACKUP": repo}
environment["HF_TOKEN"] = os.environ["HF_TOKEN"]
project = open_project(environment)
scheduler = keep_backup(project, environment)
result = [[item, *rating] for item, given in project.store.ratings().items() for rating in given]
"""
_RATE = """
from hearing import Hearing
for rater in ("human-1", "human-2", "human-3"):
    project.store.answer(rater, project.store.take(rater), 2, Hearing(2, 1.5, 4.0, ("music",), ""))
scheduler.trigger().result()
scheduler.stop()
result = [[item, *rating] for item, given in project.store.ratings().items() for rating in given]
"""


@pytest.fixture
def start(hub_client, tmp_path):
    """Starts the project with its disk in a folder and its copy in a repository."""

    def started(disk: str, repo: str) -> list:
        data = str(tmp_path / disk)
        return hub_client(_START, space=str(SPACE), data=data, repo=repo)

    return started


def test_a_new_disk_gets_all_answers_back_in_their_order(start, hub_client):
    assert start("one", "lab/answers") == []
    given = hub_client(_RATE)
    assert len(given) == 3
    assert start("two", "lab/answers") == given
    hub_client("scheduler.stop()")


def test_the_copy_is_private_and_says_which_clip_was_judged_for_what(start, hub_client):
    start("three", "lab/private")
    hub_client(_RATE)
    assert hub_client("result = api.repo_info(repo, repo_type='dataset').private")
    copy = hub_client("result = open(api.hf_hub_download(repo, FILE, repo_type='dataset')).read()")
    line = json.loads(copy.splitlines()[0])
    assert list(line)[:5] == ["item", "clip", "emotion", "rater", "score"]
    assert (line["plays"], line["flags"]) == (2, ["music"])


def test_a_start_without_answers_writes_nothing_over_the_copy(start, hub_client):
    start("four", "lab/empty")
    hub_client("scheduler.trigger().result(); scheduler.stop()")
    assert not hub_client("result = FILE in api.list_repo_files(repo, repo_type='dataset')")


@pytest.mark.parametrize(
    ("repo", "private", "copy", "message"),
    [("lab/public", False, "", "is public"), ("lab/broken", True, "{", "not a list of answers")],
)
def test_it_does_not_start_with_a_copy_that_it_must_not_use(
    start, hub_client, repo, private, copy, message
):
    hub_client(
        "api.create_repo(repo, repo_type='dataset', private=private);"
        "api.upload_file(path_or_fileobj=copy.encode(), path_in_repo='answers.jsonl',"
        "                repo_id=repo, repo_type='dataset')",
        repo=repo, private=private, copy=copy,
    )  # fmt: skip
    with pytest.raises(ClientError, match=message):
        start("five", repo)


def test_a_backup_without_a_token_is_an_error_in_words(monkeypatch):
    monkeypatch.syspath_prepend(str(SPACE))
    sys.modules.pop("hub_backup", None)
    from hub_backup import BackupError, keep_backup

    with pytest.raises(BackupError, match="HF_TOKEN"):
        keep_backup(None, {"ANNOTATION_BACKUP": "lab/answers"})
