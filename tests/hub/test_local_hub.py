"""The local Hub as huggingface_hub sees it, in a process of its own."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from emonet_voice.hub.local.server import LocalHub, main
from tests.support.local_hub_fixture import ClientError, ask
from tests.support.places import REPOSITORY

CARD = "---\nlicense: apache-2.0\ntags:\n- audio\npipeline_tag: audio-classification\n---\n# Card\n"


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """A card, a text file with a difficult name, and two binary files in folders."""
    root = tmp_path_factory.mktemp("folder")
    (root / "data" / "deep").mkdir(parents=True)
    (root / "README.md").write_text(CARD)
    (root / "a b%20#ü.txt").write_text("grüß")
    (root / "data" / "one.bin").write_bytes(bytes(range(256)) * 40)
    (root / "data" / "deep" / "two.bin").write_bytes(b"\0" * 1000)
    return root


@pytest.fixture
def repo(request, hub_client, folder) -> str:
    """A dataset of the test's own with the folder uploaded."""
    name = "laion/" + re.sub("[^a-z0-9_]+", "-", request.node.name[5:90]).strip("-_")
    hub_client(
        "api.create_repo(repo, repo_type='dataset')\n"
        "api.upload_folder(repo_id=repo, repo_type='dataset', folder_path=folder)",
        repo=name, folder=str(folder),
    )  # fmt: skip
    return name


@pytest.mark.parametrize(
    ("kind", "prefix"), [("model", ""), ("dataset", "datasets/"), ("space", "spaces/")]
)
def test_every_kind_of_repository_takes_a_folder_and_gives_it_back(
    local_hub, hub_client, folder, kind, prefix
):
    answer = hub_client(
        "from pathlib import Path\n"
        "from huggingface_hub import snapshot_download\n"
        "sdk = 'gradio' if kind == 'space' else None\n"
        "url = api.create_repo('laion/kinds', repo_type=kind, space_sdk=sdk)\n"
        "api.upload_folder(repo_id='laion/kinds', repo_type=kind, folder_path=folder)\n"
        "root = Path(snapshot_download('laion/kinds', repo_type=kind))\n"
        "files = [p for p in root.rglob('*') if p.is_file()]\n"
        "result = [str(url), {str(p.relative_to(root)): p.read_bytes().hex() for p in files}]",
        kind=kind, folder=str(folder),
    )  # fmt: skip
    names = [path for path in folder.rglob("*") if path.is_file()]
    expected = {str(path.relative_to(folder)): path.read_bytes().hex() for path in names}
    assert answer == [f"{local_hub.url}/{prefix}laion/kinds", expected]


def test_an_existing_repository_is_a_conflict_unless_that_is_fine(hub_client, repo):
    with pytest.raises(ClientError, match="You already created this repo"):
        hub_client("api.create_repo(repo, repo_type='dataset')")
    hub_client("api.create_repo(repo, repo_type='dataset', exist_ok=True)")


def test_text_is_committed_and_binary_goes_by_lfs(hub_client, repo):
    lfs = hub_client(
        "info = api.dataset_info(repo, files_metadata=True)\n"
        "result = {s.rfilename: s.lfs and s.lfs.size for s in info.siblings}"
    )
    assert lfs == {
        "README.md": None, "a b%20#ü.txt": None, "data/deep/two.bin": 1000, "data/one.bin": 10_240,
    }  # fmt: skip


def test_oids_are_those_of_git(hub_client, repo, folder):
    oid = hub_client(
        "result = api.get_paths_info(repo, 'a b%20#ü.txt', repo_type='dataset')[0].blob_id"
    )
    # printf 'grüß' | git hash-object --stdin
    assert oid == "61cec416fde240707e03c1182238922fed325c58"
    pointer = hub_client(
        "result = api.get_paths_info(repo, 'data/deep/two.bin', repo_type='dataset')[0].blob_id"
    )
    # git hash-object of the pointer that git-lfs writes for 1,000 zero bytes
    assert pointer == "6af935bbdf1a10184a12e9adba943151e449f7c3"


def test_an_unchanged_folder_sends_no_file_and_makes_no_commit(local_hub, hub_client, repo, folder):
    before = len(local_hub.requests)
    commits = hub_client(
        "api.upload_folder(repo_id=repo, repo_type='dataset', folder_path=folder)\n"
        "result = len(api.list_repo_commits(repo, repo_type='dataset'))",
        folder=str(folder),
    )
    methods = {request.split("/")[0].strip() for request in local_hub.requests[before:]}
    assert (commits, "PUT" in methods) == (2, False)
    assert not any("/commit/" in request for request in local_hub.requests[before:])


def test_bytes_that_are_stored_are_not_sent_again(local_hub, hub_client, repo):
    before = len(local_hub.requests)
    hub_client(
        "api.upload_file(path_or_fileobj=bytes(1000), path_in_repo='copy.bin',"
        " repo_id=repo, repo_type='dataset')"
    )
    sent = local_hub.requests[before:]
    assert [request for request in sent if request.startswith("PUT")] == []
    assert hub_client("result = api.file_exists(repo, 'copy.bin', repo_type='dataset')")


def test_one_commit_adds_and_deletes_files_and_folders(hub_client, repo):
    files = hub_client(
        "from huggingface_hub import CommitOperationAdd as Add, CommitOperationDelete as Delete\n"
        "operations = [Add('new.txt', b'new'), Delete('README.md'), Delete('data/deep/')]\n"
        "api.create_commit(repo, operations, commit_message='three', repo_type='dataset')\n"
        "result = api.list_repo_files(repo, repo_type='dataset')"
    )
    assert files == ["a b%20#ü.txt", "data/one.bin", "new.txt"]


def test_deleting_what_is_not_there_is_an_error(hub_client, repo):
    with pytest.raises(ClientError, match="A file with this name doesn't exist"):
        hub_client("api.delete_file('none.txt', repo, repo_type='dataset')")


def test_a_commit_on_an_old_parent_is_refused(hub_client, repo):
    with pytest.raises(ClientError, match="412"):
        hub_client(
            "old = api.list_repo_commits(repo, repo_type='dataset')[-1].commit_id\n"
            "api.upload_file(path_or_fileobj=b'x', path_in_repo='x', repo_id=repo,"
            " repo_type='dataset', parent_commit=old)"
        )


def test_a_pull_request_leaves_main_alone(hub_client, repo):
    answer = hub_client(
        "kind = dict(repo_type='dataset')\n"
        "commit = api.upload_file(path_or_fileobj=b'x', path_in_repo='x.txt', repo_id=repo,"
        " create_pr=True, **kind)\n"
        "api.upload_file(path_or_fileobj=b'y', path_in_repo='y.txt', repo_id=repo,"
        " revision=commit.pr_revision, **kind)\n"
        "new = set(api.list_repo_files(repo, revision='refs/pr/1', **kind))\n"
        "refs = api.list_repo_refs(repo, include_pull_requests=True, **kind)\n"
        "result = [commit.pr_num, sorted(new - set(api.list_repo_files(repo, **kind))),"
        " [r.ref for r in refs.pull_requests]]"
    )
    assert answer == [1, ["x.txt", "y.txt"], ["refs/pr/1"]]


def test_a_tag_keeps_its_commit(hub_client, repo):
    answer = hub_client(
        "kind = dict(repo_type='dataset')\n"
        "api.create_tag(repo, tag='v1.0', **kind)\n"
        "api.delete_file('README.md', repo, **kind)\n"
        "result = ['README.md' in api.list_repo_files(repo, revision=r, **kind)"
        " for r in ('v1.0', 'main')]\n"
        "result += [t.name for t in api.list_repo_refs(repo, **kind).tags]"
    )
    assert answer == [True, False, "v1.0"]


def test_branches_are_made_committed_to_and_deleted(hub_client, repo):
    answer = hub_client(
        "kind = dict(repo_type='dataset')\n"
        "api.create_branch(repo, branch='dev/next', **kind)\n"
        "api.upload_file(path_or_fileobj=b'x', path_in_repo='x.txt', repo_id=repo,"
        " revision='dev/next', **kind)\n"
        "there = api.file_exists(repo, 'x.txt', revision='dev/next', **kind)\n"
        "api.delete_branch(repo, branch='dev/next', **kind)\n"
        "result = [there, api.file_exists(repo, 'x.txt', **kind),"
        " [b.name for b in api.list_repo_refs(repo, **kind).branches]]"
    )
    assert answer == [True, False, ["main"]]


def test_commits_are_listed_from_the_last_to_the_first(hub_client, repo):
    titles = hub_client(
        "api.upload_file(path_or_fileobj=b'x', path_in_repo='x', repo_id=repo,"
        " repo_type='dataset', commit_message='third')\n"
        "result = [c.title for c in api.list_repo_commits(repo, repo_type='dataset')]"
    )
    assert titles == ["third", "Upload folder using huggingface_hub", "initial commit"]


def test_the_card_is_part_of_what_is_known_of_a_repository(hub_client, folder):
    answer = hub_client(
        "api.create_repo('laion/carded')\n"
        "api.upload_folder(repo_id='laion/carded', folder_path=folder)\n"
        "info = api.model_info('laion/carded')\n"
        "result = [info.card_data.license, info.tags, info.pipeline_tag]",
        folder=str(folder),
    )
    assert answer == ["apache-2.0", ["audio"], "audio-classification"]


def test_expand_returns_only_what_was_asked_for(hub_client, repo):
    answer = hub_client(
        "info = api.dataset_info(repo, expand=['sha', 'private'])\n"
        "result = [len(info.sha), info.private, info.siblings, info.last_modified]"
    )
    assert answer == [40, False, None, None]


def test_a_folder_is_listed_flat_or_recursively(hub_client, repo):
    answer = hub_client(
        "kind = dict(repo_type='dataset')\n"
        "result = [[e.path for e in api.list_repo_tree(repo, 'data', recursive=r, **kind)]"
        " for r in (False, True)]"
    )
    flat = ["data/deep", "data/one.bin"]
    assert answer == [flat, [*flat[:1], "data/deep/two.bin", *flat[1:]]]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("api.hf_hub_download(repo, 'none.txt', repo_type='dataset')", "RemoteEntryNotFoundError"),
        ("list(api.list_repo_tree(repo, 'none', repo_type='dataset'))", "RemoteEntryNotFoundError"),
        ("api.dataset_info(repo, revision='none')", "RevisionNotFoundError"),
        ("api.dataset_info('laion/none')", "RepositoryNotFoundError"),
        ("api.model_info('gpt2')", "RepositoryNotFoundError"),
    ],
)
def test_what_is_missing_is_the_exception_that_clients_know(hub_client, folder, call, error):
    hub_client("repo = 'laion/missing'; api.create_repo(repo, repo_type='dataset', exist_ok=True)")
    with pytest.raises(ClientError) as caught:
        hub_client(call)
    assert caught.value.name == error


def test_the_file_system_reads_a_part_of_a_file(hub_client, repo):
    part = hub_client(
        "from huggingface_hub import HfFileSystem\n"
        "with HfFileSystem().open(f'datasets/{repo}/data/one.bin', block_size=100) as file:\n"
        "    file.seek(1000)\n"
        "    result = list(file.read(5))"
    )
    assert part == [232, 233, 234, 235, 236]


def test_a_private_repository_is_hidden_from_strangers(hub_client):
    answer = hub_client(
        "api.create_repo('laion/secret', private=True)\n"
        "api.upload_file(path_or_fileobj=b'x', path_in_repo='x.txt', repo_id='laion/secret')\n"
        "from huggingface_hub import HfApi\n"
        "stranger = HfApi(token=False)\n"
        "result = [a.file_exists('laion/secret', 'x.txt') for a in (api, stranger)]\n"
        "result += [api.model_info('laion/secret').private]"
    )
    assert answer == [True, False, True]


def test_a_wrong_token_is_told_so(hub_client):
    with pytest.raises(ClientError, match="Invalid credentials in Authorization header"):
        hub_client("HfApi(token='hf_wrong').model_info('laion/anything')")


def test_whoami_names_a_user_that_may_write(hub_client):
    user = hub_client("result = api.whoami()")
    assert (user["type"], user["auth"]["accessToken"]["role"]) == ("user", "write")


@pytest.mark.parametrize("metadata", ["tags: [", "just text", "a: &a [*a]"], ids="abc")
def test_a_card_with_broken_metadata_is_refused_before_the_upload(hub_client, repo, metadata):
    with pytest.raises(ClientError, match=r"Invalid metadata in README\.md"):
        hub_client(
            "api.upload_file(path_or_fileobj=card.encode(), path_in_repo='README.md',"
            " repo_id=repo, repo_type='dataset')",
            card=f"---\n{metadata}\n---\n",
        )


def test_a_deleted_repository_is_gone(hub_client, repo):
    hub_client("api.delete_repo(repo, repo_type='dataset')")
    assert hub_client("result = api.repo_exists(repo, repo_type='dataset')") is False
    with pytest.raises(ClientError, match="RepositoryNotFoundError"):
        hub_client("api.delete_repo(repo, repo_type='dataset')")


def test_a_collection_holds_repositories_once_and_in_order(hub_client, repo):
    answer = hub_client(
        "def collection():\n"
        "    return api.create_collection('EmoNet Voice', namespace='laion', exists_ok=True)\n"
        "api.create_repo('laion/collected')\n"
        "slug = collection().slug\n"
        "api.add_collection_item(slug, repo, 'dataset', note='the benchmark')\n"
        "api.add_collection_item(slug, 'laion/collected', 'model')\n"
        "api.add_collection_item(slug, repo, 'dataset', exists_ok=True)\n"
        "api.add_collection_item(slug, '2506.09827', 'paper')\n"
        "result = [[i.item_id, i.item_type, i.note] for i in api.get_collection(slug).items]\n"
        "assert collection().slug == slug"
    )
    assert answer == [
        [repo, "dataset", "the benchmark"],
        ["laion/collected", "model", None],
        ["2506.09827", "paper", None],
    ]


def test_a_collection_takes_no_repository_that_does_not_exist(hub_client):
    with pytest.raises(ClientError, match="RepositoryNotFoundError"):
        hub_client(
            "slug = api.create_collection('Empty', namespace='laion').slug\n"
            "api.add_collection_item(slug, 'laion/none', 'model')"
        )


def test_a_folder_put_in_directly_is_what_a_client_would_have_uploaded(
    local_hub, hub_client, repo, folder
):
    sha = local_hub.add("laion/direct", folder)
    same = hub_client(
        "def listing(repo):\n"
        "    entries = api.list_repo_tree(repo, repo_type='dataset', recursive=True)\n"
        "    return [repr(entry) for entry in entries]\n"
        "result = listing('laion/direct') == listing(repo)"
    )
    assert same
    assert local_hub.add("laion/direct", folder) == sha  # nothing has changed


def test_a_folder_put_in_again_replaces_the_first(local_hub, tmp_path):
    (tmp_path / "old").write_text("1")
    local_hub.add("laion/replaced", tmp_path, "model")
    (tmp_path / "old").rename(tmp_path / "new")
    local_hub.add("laion/replaced", tmp_path, "model")
    _, _, listing = ask(local_hub, "GET", "/api/models/laion/replaced/tree/main")
    assert [entry["path"] for entry in json.loads(listing)] == ["new"]


def test_the_package_runs_as_a_command():
    command = [sys.executable, "-m", "emonet_voice.hub.local", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert shown.stdout.startswith("usage: python -m emonet_voice.hub.local ")


def test_the_command_loads_folders_and_prints_what_to_export(folder, tmp_path, monkeypatch, capsys):
    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("emonet_voice.hub.local.server.sleep", interrupt)
    load = f"laion/x={folder}:dataset"
    assert main([str(tmp_path / "hub"), "--port", "0", "--load", load]) == 0
    assert "export HF_ENDPOINT=http://127.0.0.1:" in capsys.readouterr().out
    with LocalHub(tmp_path / "hub") as hub:
        assert ask(hub, "GET", "/datasets/laion/x/resolve/main/README.md")[2] == CARD.encode()


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ("laion/x=nowhere:dataset", "nowhere is no folder"),
        ("laion/x=.:data", "kind 'data' is not one of model, dataset, space"),
        ("x=.:model", "'x' is no namespace/name that the Hub allows"),
    ],
)
def test_the_command_says_what_it_cannot_load(tmp_path, monkeypatch, capsys, load, message):
    monkeypatch.chdir(tmp_path)
    assert main([str(tmp_path / "hub"), "--port", "0", "--load", load]) == 2
    assert message in capsys.readouterr().err
