"""The local Hub request by request: ranges, uploads gone wrong, races, and paths that lead out."""

import hashlib
import http.client
import json
import socket
import threading
import tracemalloc
from contextlib import suppress

import pytest

from emonet_voice.hub.local.server import LocalHub
from emonet_voice.hub.local.store import Store
from modeling_empathic.taxonomy import UserError
from tests.support.local_hub_fixture import ask, commit_lines
from tests.support.servers import patience_s

CONTENT = bytes(range(200))


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub whose dataset `laion/x` holds `README.md` and, as LFS, `data/a.bin`."""
    root = tmp_path_factory.mktemp("local")
    (root / "x" / "data").mkdir(parents=True)
    (root / "x" / "README.md").write_text("# x\n")
    (root / "x" / "data" / "a.bin").write_bytes(CONTENT)
    with LocalHub(root / "hub") as hub:
        hub.add("laion/x", root / "x")
        yield hub


@pytest.fixture
def empty(tmp_path):
    """A hub with the empty model `laion/m`."""
    with LocalHub(tmp_path / "hub") as hub:
        ask(hub, "POST", "/api/repos/create", {"name": "m", "organization": "laion"})
        yield hub


def head(hub, repo="models/laion/m"):
    return json.loads(ask(hub, "GET", f"/api/{repo}")[2])["sha"]


def upload_url(hub, content):
    """Where the hub wants these bytes, as a path; None if it has them."""
    wanted = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}
    batch = {"objects": [wanted]}
    answer = json.loads(ask(hub, "POST", "/laion/m.git/info/lfs/objects/batch", batch)[2])
    actions = answer["objects"][0].get("actions")
    return actions and actions["upload"]["href"].removeprefix(hub.url)


def stored(tmp_path):
    """Names of all blobs and unfinished files."""
    hub = tmp_path / "hub"
    return {p for top in ("blobs", "partial") for p in (hub / top).rglob("*") if p.is_file()}


def ask_and_lose(hub, path):
    """A request whose answer may not come."""
    with suppress(OSError, http.client.HTTPException):
        ask(hub, "GET", path)


FILE = "/datasets/laion/x/resolve/main/data/a.bin"


@pytest.mark.parametrize(
    ("range_", "start", "stop"),
    [("bytes=0-9", 0, 10), ("bytes=190-", 190, 200), ("bytes=-5", 195, 200),
     ("bytes=150-999", 150, 200), ("bytes=-999", 0, 200)],
)  # fmt: skip
def test_a_range_is_answered_with_that_part(hub, range_, start, stop):
    status, headers, content = ask(hub, "GET", FILE, Range=range_)
    assert (status, content) == (206, CONTENT[start:stop])
    assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/200"


def test_a_range_behind_the_end_is_refused(hub):
    status, headers, _ = ask(hub, "GET", FILE, Range="bytes=200-")
    assert (status, headers["Content-Range"]) == (416, "bytes */200")


def test_a_range_that_is_none_gets_the_whole_file(hub):
    status, _, content = ask(hub, "GET", FILE, Range="bytes=-")
    assert (status, content) == (200, CONTENT)


def test_head_says_what_get_would_send(hub):
    status, headers, content = ask(hub, "HEAD", FILE)
    assert (status, content, headers["Content-Length"]) == (200, b"", "200")
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["X-Repo-Commit"] == head(hub, "datasets/laion/x")
    digest = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    assert (headers["ETag"], headers["X-Linked-Etag"]) == (digest, digest)
    assert headers["X-Linked-Size"] == "200"


def test_a_missing_file_names_the_commit_it_is_missing_from(hub):
    status, headers, _ = ask(hub, "HEAD", "/datasets/laion/x/resolve/main/none")
    assert (status, headers["X-Error-Code"]) == (404, "EntryNotFound")
    assert headers["X-Repo-Commit"] == head(hub, "datasets/laion/x")


def test_what_the_hub_does_not_know_is_noted(empty):
    status, headers, body = ask(empty, "GET", "/api/nothing/of/the/kind?x=1")
    assert (status, headers["Content-Type"]) == (404, "application/json")
    assert "no endpoint" in json.loads(body)["error"]
    assert empty.unknown == [empty.requests[-1]] == ["GET /api/nothing/of/the/kind"]


def test_of_two_commits_on_one_parent_one_is_refused(empty):
    parent = head(empty)
    start = threading.Barrier(2)
    statuses = []

    def commit(name):
        line = ("file", {"path": name, "content": "eA==", "encoding": "base64"})
        body = commit_lines(line, parentCommit=parent)
        start.wait()
        statuses.append(ask(empty, "POST", "/api/models/laion/m/commit/main", body)[0])

    threads = [threading.Thread(target=commit, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 412]


def test_commits_of_many_threads_are_all_kept(empty):
    def commit(name):
        line = ("file", {"path": name, "content": "eA==", "encoding": "base64"})
        ask(empty, "POST", "/api/models/laion/m/commit/main", commit_lines(line))

    threads = [threading.Thread(target=commit, args=(f"{i}.txt",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = json.loads(ask(empty, "GET", "/api/models/laion/m")[2])["siblings"]
    assert len(files) == 8


def test_a_restart_keeps_commits_files_tags_collections_and_the_token(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.bin").write_bytes(CONTENT)
    with LocalHub(tmp_path / "hub") as hub:
        hub.add("laion/x", tmp_path / "x")
        ask(hub, "POST", "/api/datasets/laion/x/tag/main", {"tag": "v1"})
        made = ask(hub, "POST", "/api/collections", {"title": "c", "namespace": "laion"})[2]
        paths = [
            "/api/datasets/laion/x",
            "/api/datasets/laion/x/refs",
            "/datasets/laion/x/resolve/v1/a.bin",
            f"/api/collections/{json.loads(made)['slug']}",
        ]
        before = [hub.token, *(ask(hub, "GET", path)[::2] for path in paths)]
    with LocalHub(tmp_path / "hub") as hub:
        assert [hub.token, *(ask(hub, "GET", path)[::2] for path in paths)] == before
    assert before[3] == (200, CONTENT)


def test_a_folder_serves_one_hub_at_a_time(empty, tmp_path):
    with (
        pytest.raises(UserError, match=f"another run is writing {tmp_path / 'hub'}"),
        LocalHub(tmp_path / "hub"),
    ):
        pass


def test_a_closed_hub_answers_nobody(tmp_path):
    with LocalHub(tmp_path / "hub") as hub:
        connection = http.client.HTTPConnection("127.0.0.1", int(hub.url.rsplit(":", 1)[1]), 5)
        connection.request("GET", "/api/agent-harnesses")
        connection.getresponse().read()  # the connection stays open
        connection.auto_open = 0
    with pytest.raises((OSError, http.client.HTTPException)):
        connection.request("GET", "/api/agent-harnesses")
        connection.getresponse()


def test_closing_a_hub_waits_for_what_it_is_doing(tmp_path, monkeypatch):
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def slow(store):
        begun.set()
        assert go_on.wait(patience_s())
        done.set()
        return []

    monkeypatch.setattr(Store, "namespaces", slow)
    with LocalHub(tmp_path / "hub") as hub:
        client = threading.Thread(target=ask_and_lose, args=(hub, "/api/whoami-v2"))
        client.start()
        assert begun.wait(patience_s())
        threading.Timer(0.05, go_on.set).start()
    assert done.is_set()
    client.join()


def test_other_addresses_of_this_machine_are_not_served(hub):
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", int(hub.url.rsplit(":", 1)[1])), timeout=2)


def test_an_upload_is_asked_for_once(empty):
    path = upload_url(empty, b"content")
    assert ask(empty, "PUT", path, b"content", Authorization="")[0] == 200  # as clients send it
    assert ask(empty, "POST", path, {"size": 7})[0] == 200
    assert upload_url(empty, b"content") is None


def test_an_upload_in_chunks_is_taken(empty):
    path = upload_url(empty, b"content")
    assert ask(empty, "PUT", path, iter([b"con", b"tent"]))[0] == 200
    assert upload_url(empty, b"content") is None


def test_an_upload_with_another_hash_is_refused_and_leaves_nothing(empty, tmp_path):
    before = stored(tmp_path)
    status, _, body = ask(empty, "PUT", upload_url(empty, b"content"), b"CONTENT")
    assert (status, "not " + hashlib.sha256(b"content").hexdigest() in str(body)) == (400, True)
    assert stored(tmp_path) == before


def test_an_upload_that_nobody_asked_for_is_refused(empty, tmp_path):
    before = stored(tmp_path)
    sha256 = hashlib.sha256(b"content").hexdigest()
    assert ask(empty, "PUT", f"/lfs/{sha256}/{'0' * 64}", b"content")[0] == 403
    assert stored(tmp_path) == before


def test_an_upload_that_is_cut_off_leaves_nothing(empty, tmp_path, monkeypatch):
    before = stored(tmp_path)
    path = upload_url(empty, b"content")
    write, begun, ended = empty._store.blobs.write, threading.Event(), threading.Event()

    def watched(chunks, sha256):
        def noted():
            begun.set()  # the file is open
            yield from chunks

        try:
            return write(noted(), sha256)
        finally:
            ended.set()

    monkeypatch.setattr(empty._store.blobs, "write", watched)
    with socket.create_connection(("127.0.0.1", int(empty.url.rsplit(":", 1)[1]))) as client:
        client.sendall(f"PUT {path} HTTP/1.1\r\nContent-Length: 7\r\n\r\ncon".encode())
        assert begun.wait(patience_s()) and stored(tmp_path) > before
    assert ended.wait(patience_s()) and stored(tmp_path) == before


def test_a_large_upload_does_not_lie_in_memory(empty):
    chunk, count = b"\1" * 2**20, 24
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(chunk)
    wanted = {"oid": digest.hexdigest(), "size": count * len(chunk)}
    answer = ask(empty, "POST", "/laion/m.git/info/lfs/objects/batch", {"objects": [wanted]})[2]
    path = json.loads(answer)["objects"][0]["actions"]["upload"]["href"].removeprefix(empty.url)
    tracemalloc.start()
    assert ask(empty, "PUT", path, (chunk for _ in range(count)))[0] == 200
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


@pytest.mark.parametrize("size", [6, 8])
def test_a_file_of_another_size_than_named_is_not_committed(empty, size):
    sha256 = hashlib.sha256(b"content").hexdigest()
    ask(empty, "PUT", upload_url(empty, b"content"), b"content")
    line = ("lfsFile", {"path": "x.bin", "algo": "sha256", "oid": sha256, "size": size})
    status, _, body = ask(empty, "POST", "/api/models/laion/m/commit/main", commit_lines(line))
    assert (status, f"has 7 bytes, not {size}" in str(body)) == (400, True)


def test_a_file_that_was_not_uploaded_is_not_committed(empty):
    line = ("lfsFile", {"path": "x.bin", "algo": "sha256", "oid": "0" * 64, "size": 7})
    status, _, body = ask(empty, "POST", "/api/models/laion/m/commit/main", commit_lines(line))
    assert (status, "was not uploaded" in str(body)) == (400, True)


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense\n", b"[]\n", b'{"key": "header"}\n', b'{"key": "file", "value": {}}\n',
     commit_lines(("file", {"path": "x", "content": "%%%"})), commit_lines(("file", {"path": 1})),
     commit_lines(("chmod", {"path": "x"})), commit_lines(parentCommit=1)],
)  # fmt: skip
def test_a_malformed_commit_is_refused_whole(empty, body):
    before = head(empty)
    assert ask(empty, "POST", "/api/models/laion/m/commit/main", body)[0] == 400
    assert head(empty) == before


def test_a_file_cannot_also_be_a_folder(empty):
    lines = [("file", {"path": path, "content": "eA=="}) for path in ("a", "a/b")]
    status, _, body = ask(empty, "POST", "/api/models/laion/m/commit/main", commit_lines(*lines))
    assert (status, "both a file and a folder" in str(body)) == (400, True)


@pytest.mark.parametrize(
    "path",
    [
        "/datasets/laion/x/resolve/main/../../../../token",
        "/datasets/laion/x/resolve/main/%2e%2e/%2e%2e/%2e%2e/%2e%2e/token",
        "/datasets/laion/x/resolve/main/..%2f..%2f..%2ftoken",
        "/datasets/laion/x/resolve/..%2f..%2ftoken/x",
        "/datasets/laion/x/resolve/main//etc/passwd",
        "/datasets/laion/../resolve/main/README.md",
        "/datasets/..%2f..%2ftoken/resolve/main/x",
        "/api/datasets/../..",
        "/api/datasets/laion/x/tree/main/..%2f..",
        "/lfs/../../token",
        "/../token",
        "/%2e%2e/token",
        "//etc/passwd",
    ],
)
def test_a_path_that_leads_out_leads_nowhere(hub, path):
    status, _, body = ask(hub, "GET", path)
    assert status in (400, 404)
    assert hub.token.encode() not in body and b"root:" not in body


@pytest.mark.parametrize(
    "path",
    [
        "../out",
        "/out",
        "a/../../out",
        "a//b",
        "./a",
        ".git/config",
        "a\\..\\out",
        "a\0",
        "",
        "\ud800",
    ],
)
def test_no_file_of_a_repository_has_a_name_that_leads_out(empty, tmp_path, path):
    before = set(tmp_path.rglob("*")) - stored(tmp_path)
    line = ("file", {"path": path, "content": "eA=="})
    assert ask(empty, "POST", "/api/models/laion/m/commit/main", commit_lines(line))[0] == 400
    after = set(tmp_path.rglob("*")) - stored(tmp_path)
    assert {p for p in after - before if "blobs" not in p.parts} == set()


@pytest.mark.parametrize(
    ("owner", "name"),
    [("..", "x"), ("laion", ".."), ("laion", "../../x"), ("a/b", "c"), ("laion", "x--y"),
     ("laion", "x.git"), ("api", "x"), ("laion", "ü"), ("laion", "x" * 200), ("laion", "x\n")],
)  # fmt: skip
def test_no_repository_has_a_name_that_the_hub_does_not_allow(empty, tmp_path, owner, name):
    before = set(tmp_path.rglob("*"))
    assert ask(empty, "POST", "/api/repos/create", {"name": name, "organization": owner})[0] == 400
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/repos/create"), ("DELETE", "/api/repos/delete"), ("POST", "/api/collections"),
     ("POST", "/api/models/laion/m/commit/main"), ("POST", "/api/models/laion/m/preupload/main"),
     ("POST", "/api/models/laion/m/tag/main"), ("DELETE", "/api/models/laion/m/tag/v1"),
     ("POST", "/laion/m.git/info/lfs/objects/batch"), ("GET", "/api/whoami-v2")],
)  # fmt: skip
def test_nothing_is_written_without_the_token(empty, method, path):
    body = {"name": "m", "organization": "laion", "title": "t", "namespace": "n", "tag": "v1"}
    assert ask(empty, method, path, body, Authorization="")[0] == 401


def test_a_private_repository_cannot_be_told_from_a_missing_one(empty):
    body = {"name": "p", "organization": "laion", "visibility": "private"}
    assert ask(empty, "POST", "/api/repos/create", body)[0] == 200
    for path in ("/api/models/laion/{}", "/laion/{}/resolve/main/x", "/api/models/laion/{}/refs"):
        answers = [ask(empty, "GET", path.format(name), Authorization="") for name in "pq"]
        assert answers[0][0] == answers[1][0] == 401
        assert answers[0][2] == answers[1][2]


def test_a_fault_of_the_hub_is_told_to_the_client(empty, monkeypatch, capsys):
    def fail(*arguments):
        raise RuntimeError("broken")

    monkeypatch.setattr(type(empty._store), "tree", fail)
    assert ask(empty, "GET", "/api/models/laion/m")[0] == 500
    assert "RuntimeError: broken" in capsys.readouterr().err  # printed before it was answered
