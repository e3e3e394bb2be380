"""Pushing with the real client to a local Hub: what changes and nothing else, cut or not."""

import json

import pytest

from emonet_voice.hub.local.server import LocalHub
from emonet_voice.hub.repositories import PAPER
from evaluate_metrics.bench.evaluation import write_result
from tests.support.publish_maker import (
    BENCH,
    METRIC,
    NANO,
    SMALL,
    Publisher,
)
from tests.support.results import result

COMMITS = "result = len(api.list_repo_commits(repo, repo_type=kind))"
FILES = "result = sorted(api.list_repo_files(repo, repo_type=kind, revision=revision))"


def push(publish, namespace, *arguments, only=METRIC):
    """Pushes the metric, the smallest repository, and returns its row."""
    pushed = publish.json("push", "--yes", "--only", only, "--namespace", namespace, *arguments)
    return pushed["repositories"][0]


def commits(publish, namespace):
    return publish.client(COMMITS, repo=f"{namespace}/{METRIC}", kind="space")


def files(publish, repo, kind="space", revision="main"):
    return publish.client(FILES, repo=repo, kind=kind, revision=revision)


def commit(publish, repo, changes, kind="space"):
    """Somebody else's commit: texts by path, None to delete."""
    publish.client(
        "from huggingface_hub import CommitOperationAdd as Add, CommitOperationDelete as Delete\n"
        "operations = [Delete(p) if text is None else Add(p, text.encode())\n"
        "              for p, text in changes.items()]\n"
        "api.create_commit(repo, operations, commit_message='x', repo_type=kind)",
        repo=repo, changes=changes, kind=kind,
    )  # fmt: skip


def test_what_was_staged_is_on_the_hub_and_a_second_push_has_nothing_to_do(
    publish, sources, staged
):
    arguments = ("push", "--yes", "--namespace", "whole", "--bench", sources.bench, "--no-assert",
                 "--only", f"{NANO},{BENCH},{METRIC}")  # fmt: skip
    first = publish.json(*arguments)
    assert [row["repo_id"] for row in first["repositories"]] == [
        f"whole/{NANO}", f"whole/{BENCH}", f"whole/{METRIC}"
    ]  # fmt: skip
    assert first["added_to_collection"] == 4  # and the paper
    for row in first["repositories"]:
        there = files(publish, row["repo_id"], row["kind"])
        assert there == sorted(row["added"]) and row["address"]
    second = publish.json(*arguments)
    assert second["added_to_collection"] == 0
    for row, before in zip(second["repositories"], first["repositories"], strict=True):
        assert (row["address"], row["added"], row["changed"], row["removed"]) == (None, [], [], [])
        assert row["same"] == before["added"]
    assert commits(publish, "whole") == 2  # of the Hub, and of the push
    code, out, _ = publish(*arguments)
    assert code == 0 and out.endswith("Nothing to do: the Hub has all of it\n")


def test_only_what_differs_is_sent(publish, local_hub):
    push(publish, "differs")
    commit(publish, f"differs/{METRIC}", {"app.py": "print()", "old.py": "old", "floors.py": None})
    row = push(publish, "differs")
    assert (row["changed"], row["removed"], row["added"]) == (["app.py"], ["old.py"], ["floors.py"])
    assert commits(publish, "differs") == 4
    row = push(publish, "differs")
    assert row["address"] is None and "old.py" not in row["same"]


def test_loose_files_of_a_model_stay_and_stale_weights_go(publish):
    repo = f"loose/{NANO}"
    publish.client("api.create_repo(repo)", repo=repo)
    loose = {"model_Anger_best.pth": "pickle", "1.mp3": "sound", "notes.ipynb": "{}"}
    stale = {"model-00001-of-00002.safetensors": "old"}
    commit(publish, repo, {**loose, **stale}, kind="model")
    row = push(publish, "loose", only=NANO)
    assert row["kept"] == sorted(loose)
    assert row["removed"] == [*stale]
    assert {*loose, "config.json"} <= {*files(publish, repo, "model")}


def test_nothing_is_pushed_when_nobody_can_be_asked(publish, local_hub):
    code, out, err = publish("push", "--only", METRIC, "--namespace", "unasked")
    assert code == 2 and "add --yes" in err
    assert f"unasked/{METRIC} (space, new)" in out
    assert publish.client("result = api.repo_exists(repo, repo_type='space')",
                          repo=f"unasked/{METRIC}") is False  # fmt: skip


def test_a_commit_since_the_plan_is_one_clear_line(publish, staged, tmp_path):
    push(publish, "parent")
    publish.client(
        "from pathlib import Path\n"
        "from emonet_voice.hub.repositories import PublishError, chosen\n"
        "from emonet_voice.hub.publish.push import make_plans, push\n"
        "from emonet_voice.hub.publish.stage import Staged, stage\n"
        "part = stage(Path(out), only=[name], namespace='parent')\n"
        "api.delete_file('app.py', repo, repo_type='space')\n"
        "(plan,) = make_plans(api, part, 'parent')",
        out=str(tmp_path / "out"), name=METRIC, repo=f"parent/{METRIC}",
    )  # fmt: skip
    commit(publish, f"parent/{METRIC}", {"new.txt": "somebody was faster"})
    line = publish.client(
        "try:\n    result = push(api, part, plan)\nexcept PublishError as error:\n"
        "    result = str(error)"
    )
    assert line == (
        f"parent/{METRIC}: somebody has committed to it since the plan was made; "
        "run the command again"
    )
    assert "app.py" not in files(publish, f"parent/{METRIC}")


def test_a_tag_is_where_the_push_is_or_refused(publish):
    push(publish, "tagged", "--tag", "v0.1.0")
    push(publish, "tagged", "--tag", "v0.1.0")
    tags = publish.client(
        "refs = api.list_repo_refs(repo, repo_type='space')\n"
        "head = api.repo_info(repo, repo_type='space').sha\n"
        "result = [[tag.name, tag.target_commit == head] for tag in refs.tags]",
        repo=f"tagged/{METRIC}",
    )
    assert tags == [["v0.1.0", True]]
    commit(publish, f"tagged/{METRIC}", {"app.py": "changed"})
    code, _, err = publish("push", "--yes", "--only", METRIC, "--namespace", "tagged",
                           "--tag", "v0.1.0")  # fmt: skip
    assert code == 2 and "tag v0.1.0 is at" in err and "choose another" in err
    assert commits(publish, "tagged") == 3


def test_a_pull_request_leaves_main_alone_and_is_made_once(publish):
    code, _, err = publish("push", "--yes", "--create-pr", "--only", METRIC, "--namespace", "pr")
    assert code == 2 and "does not exist: create_pr is for one that does" in err
    push(publish, "pr")
    commit(publish, f"pr/{METRIC}", {"app.py": "changed"})
    row = push(publish, "pr", "--create-pr")
    assert row["address"].endswith(f"/spaces/pr/{METRIC}/discussions/1")
    assert commits(publish, "pr") == 3
    row = push(publish, "pr", "--create-pr")
    assert (row["address"], row["pull_request"]) == (None, "refs/pr/1")


def test_new_repositories_can_be_private_and_public_ones_do_not_become_so(publish):
    push(publish, "hidden", "--private")
    assert publish.client("result = api.repo_info(repo, repo_type='space').private",
                          repo=f"hidden/{METRIC}")  # fmt: skip
    push(publish, "open")
    code, _, err = publish("push", "--yes", "--private", "--only", METRIC, "--namespace", "open")
    assert code == 2 and "is there and public" in err


def test_one_collection_holds_the_paper_and_what_was_pushed(publish, local_hub):
    push(publish, "collected")
    push(publish, "collected", only=NANO)
    (collection,) = [c for slug, c in local_hub._store.collections.items() if "collected/" in slug]
    assert collection["title"] == "EmoNet-Voice" and PAPER in collection["description"]
    assert [(item["type"], item["id"]) for item in collection["items"]] == [
        ("paper", PAPER), ("space", f"collected/{METRIC}"), ("model", f"collected/{NANO}")
    ]  # fmt: skip


def test_results_of_a_commit_with_other_weights_are_refused(publish, sources, tmp_path):
    repo = f"figures/{SMALL}"
    publish.client("api.create_repo(repo)", repo=repo)
    head = "result = api.repo_info(repo).sha"
    before = publish.client(head, repo=repo)
    small = ("--only", SMALL, "--models", sources.models, "--namespace", "figures", "--yes")
    publish.json("push", *small)
    pushed = publish.client(head, repo=repo)
    for commit, code in ((before, 2), (pushed, 0)):
        write_result(result(repo, revision=commit), tmp_path / "small.json")
        ended, _, err = publish("push", *small, "--results", tmp_path)
        assert ended == code, err
    assert ".eval_results/emonet-voice-bench.yaml" in files(publish, repo, "model")


# Cuts and tokens ---------------------------------------------------------------------------------


class Cut(list):
    """Requests of a Hub that is dead from the n-th commit on, before it has done anything."""

    def __init__(self, n):
        super().__init__()
        self.left = n

    def append(self, request):
        super().append(request)
        self.left -= "/commit/" in request
        if self.left <= 0:
            raise ConnectionError("the server was killed")


def test_a_push_that_was_cut_is_finished_by_the_same_command(tmp_path):
    command = ("push", "--yes", "--only", f"{NANO},{METRIC}")
    with LocalHub(tmp_path / "hub") as hub:
        port = int(hub.url.rsplit(":", 1)[1])
        hub._server.requests = Cut(1)  # the weights are there, their commit is not
        publish = Publisher(hub, tmp_path / "home")
        code, _, err = publish(*command)
        assert code == 2 and f"laion/{NANO}: the Hub cannot be reached" in err
        assert "run the same command to go on" in err and err.count("\n") == 1
    with LocalHub(tmp_path / "hub", port) as hub:
        hub._server.requests = requests = Cut(2)
        code, _, err = publish(*command)
        assert code == 2 and f"laion/{METRIC}: the Hub cannot be reached" in err
        assert [name for name in requests if name.startswith("PUT")] == []  # not sent again
    with LocalHub(tmp_path / "hub", port) as hub:
        publish.client.hub = hub
        rows = publish.json(*command)["repositories"]
        assert [bool(row["address"]) for row in rows] == [False, True]
        for row in rows:
            paths = files(publish, row["repo_id"], row["kind"])
            assert paths == sorted({*row["added"], *row["same"]})
    publish.client.close()


@pytest.fixture
def token(publish):
    """A function that gives the process another token, or none."""

    def give(value):
        publish.client("import os; os.environ['HF_TOKEN'] = value", value=value)

    yield give
    give(publish.client.hub.token)


def test_no_byte_of_the_token_is_in_any_output_or_file(publish, local_hub, token, tmp_path):
    wrong = "hf_" + "canary" * 6
    command = ("push", "--yes", "--only", METRIC, "--namespace", "canary",
               "--stage", tmp_path / "out")  # fmt: skip
    outputs = [publish(*command), publish(*command, "--json")]
    assert [code for code, _, _ in outputs] == [0, 0]
    token(wrong)
    outputs.append(publish(*command))
    assert outputs[-1][0] == 2 and "this token may not do that (401)" in outputs[-1][2]
    folders = (tmp_path, publish.client.home)
    written = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(written) > 10
    for value in (local_hub.token, wrong):
        assert value not in json.dumps(outputs)
        assert not [path for path in written if value.encode() in path.read_bytes()]


def test_without_a_token_it_says_what_to_do(publish, token):
    token("")
    code, out, err = publish("push", "--yes", "--only", METRIC)
    assert (code, out) == (2, "")
    assert "hf auth login" in err and err.count("\n") == 1
