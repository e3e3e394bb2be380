"""What the local Hub answers, endpoint by endpoint.

As huggingface_hub 2.4, datasets 5.2, transformers 5.23 and evaluate 0.4.6 ask and read. An
endpoint takes the call and the parts of its path and returns a JSON value; `server.ROUTES` says
which path leads here.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import parse_qs

from .blobs import CHUNK_BYTES, HubError, upload_mode
from .handler import JSON_BYTES, Answer, Call, from_base64, member, parse
from .store import Change, Repo, Tree, folders

USER = "local"

# Account and repositories --------------------------------------------------------------------


def agents(call: Call) -> Any:
    """The Hub's list of coding agents, which clients fetch first; empty."""
    return {}


def whoami(call: Call) -> Any:
    """The one user, who may write everywhere; `orgs` are the owners of repositories."""
    must_be_signed_in(call)
    orgs = [{"type": "org", "name": name} for name in call.store.namespaces() if name != USER]
    token = {"displayName": USER, "role": "write"}
    auth = {"type": "access_token", "accessToken": token}
    return {"type": "user", "name": USER, "fullname": USER, "orgs": orgs, "auth": auth}


def create_repo(call: Call) -> Any:
    """Makes a repository; 409 with its URL if it exists."""
    must_be_signed_in(call)
    kind, repo_id, body = _named_repo(call)
    private = body.get("private") is True or body.get("visibility") == "private"
    try:
        repo = call.store.create(kind, repo_id, private, body.get("sdk"))
    except HubError as error:
        if error.status != 409:
            raise
        existing = call.store.repo(kind, repo_id)
        return Answer({"error": str(error), "url": _page(call, existing)}, 409)
    return {"url": _page(call, repo), "name": repo.id, "id": repo.id}


def delete_repo(call: Call) -> Any:
    """Deletes a repository."""
    must_be_signed_in(call)
    kind, repo_id, _ = _named_repo(call)
    call.store.delete(kind, repo_id)


def info(call: Call, kind: str, id: str, rev: str = "main") -> Any:
    """What is known of a repository at a revision; `expand` chooses from it."""
    repo = find_repo(call, kind, id)
    sha = repo.find(rev)
    files = call.store.tree(repo, sha)
    readme = files.get("README.md")
    text = call.store.blobs.path(readme.sha256).read_text("utf-8", "replace") if readme else ""
    card = _front_matter(text) or {}
    everything = {
        "author": id.split("/")[0],
        "sha": sha,
        "lastModified": repo.commits[sha]["date"],
        "createdAt": repo.created,
        "private": repo.private,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": card.get("tags") or [],
        "cardData": card,
        "siblings": [{"rfilename": path} for path in files],
        "usedStorage": sum(file.size for file in files.values()),
        "sdk": repo.sdk,
        "pipeline_tag": card.get("pipeline_tag"),
        "library_name": card.get("library_name"),
    }
    if call.flag("blobs"):
        everything["siblings"] = [
            {"rfilename": path, "size": file.size, "blobId": file.oid, "lfs": file.lfs_info()}
            for path, file in files.items()
        ]
    expand = {*call.query.get("expand", []), *call.query.get("expand[]", [])} or set(everything)
    kept = {key: value for key, value in everything.items() if key in expand and value is not None}
    return {"_id": hashlib.sha1(repo.id.encode()).hexdigest()[:24], "id": repo.id, **kept}


def _front_matter(text: str) -> dict[str, Any] | None:
    """Metadata of a card, None if malformed; read by PyYAML, which comes with the clients."""
    block = re.match(r"---[ \t]*\r?\n(.*?)^---[ \t]*$", text, re.DOTALL | re.MULTILINE)
    if block is None:
        return {}
    try:
        import yaml  # type: ignore[import-untyped]

        # As JSON has it: a date in YAML becomes its text.
        card = json.loads(json.dumps(yaml.safe_load(block[1]) or {}, default=str, skipkeys=True))
    except ImportError:
        return {}
    except (yaml.YAMLError, ValueError):  # the latter of a card that contains itself
        return None
    return card if isinstance(card, dict) else None


def must_be_signed_in(call: Call) -> None:
    """Raises `HubError` 401 without the token."""
    if not call.signed_in:
        raise HubError(401, "Invalid username or password.")


def find_repo(call: Call, kind: str, repo_id: str, write: bool = False) -> Repo:
    """A repository to read or write; to strangers, a private one looks like a missing one."""
    if write:
        must_be_signed_in(call)
    try:
        repo = call.store.repo(kind, repo_id)
    except HubError:
        if call.signed_in:
            raise
        repo = None
    if repo is None or (repo.private and not call.signed_in):
        raise HubError(401, "Invalid username or password.", "RepoNotFound")
    return repo


def _named_repo(call: Call) -> tuple[str, str, dict[str, Any]]:
    body = call.json()
    owner = body.get("organization") or USER
    return str(body.get("type") or "model"), f"{owner}/{member(body, 'name')}", body


def _page(call: Call, repo: Repo, *path: str) -> str:
    prefix = "" if repo.kind == "model" else f"{repo.kind}s/"
    return "/".join([call.url, prefix + repo.id, *path])


# References ----------------------------------------------------------------------------------


def refs(call: Call, kind: str, id: str) -> Any:
    """Branches, tags and pull requests."""
    repo = find_repo(call, kind, id)
    groups: dict[str, list[dict[str, str]]] = {"heads": [], "tags": [], "pr": []}
    for ref, sha in sorted(repo.refs.items()):
        _, group, name = ref.split("/", 2)
        groups[group].append({"name": name, "ref": ref, "targetCommit": sha})
    answer = {"branches": groups["heads"], "tags": groups["tags"], "converts": []}
    return {**answer, "pullRequests": groups["pr"]}


def create_branch(call: Call, kind: str, id: str, name: str) -> Any:
    """Makes a branch at a revision."""
    start = str(call.json().get("startingPoint") or "main")
    _create_ref(call, kind, id, f"refs/heads/{name}", start)


def create_tag(call: Call, kind: str, id: str, rev: str) -> Any:
    """Makes a tag at a revision."""
    _create_ref(call, kind, id, f"refs/tags/{member(call.json(), 'tag')}", rev)


def delete_branch(call: Call, kind: str, id: str, name: str) -> Any:
    """Deletes a branch, except `main`."""
    if name == "main":
        raise HubError(403, "main cannot be deleted")
    _delete_ref(call, kind, id, f"refs/heads/{name}")


def delete_tag(call: Call, kind: str, id: str, name: str) -> Any:
    """Deletes a tag."""
    _delete_ref(call, kind, id, f"refs/tags/{name}")


def _create_ref(call: Call, kind: str, id: str, ref: str, revision: str) -> None:
    find_repo(call, kind, id, write=True)
    if not re.fullmatch(r"(?!.*(\.\.|//|/$))[\w./+-]{1,200}", ref, re.ASCII):
        raise HubError(400, f"{ref[:200]!r} is no name for a branch or tag")
    with call.store.changing(kind, id) as repo:
        if ref in repo.refs:
            raise HubError(409, f"{ref} already exists")
        repo.refs[ref] = repo.find(revision)


def _delete_ref(call: Call, kind: str, id: str, ref: str) -> None:
    find_repo(call, kind, id, write=True)
    with call.store.changing(kind, id) as repo:
        if repo.refs.pop(ref, None) is None:
            raise HubError(404, f"{ref} does not exist", "RevisionNotFound")


# Reading -------------------------------------------------------------------------------------


def commits(call: Call, kind: str, id: str, rev: str) -> Any:
    """Commits of a revision, the last one first."""
    repo = find_repo(call, kind, id)
    return [
        {"id": sha, "title": commit["title"], "message": commit["description"],
         "authors": [{"user": USER}], "date": commit["date"]}
        for sha, commit in repo.history(repo.find(rev))
    ]  # fmt: skip


def tree(call: Call, kind: str, id: str, rev: str, path: str = "") -> Any:
    """Files and folders of a revision, or of a folder in it."""
    repo = find_repo(call, kind, id)
    sha = repo.find(rev)
    entries = _entries(call.store.tree(repo, sha))
    path = path.strip("/")
    if path and entries.get(path, {}).get("type") != "directory":
        raise HubError(404, f"{path} is no folder", "EntryNotFound", **{"X-Repo-Commit": sha})
    start = f"{path}/" if path else ""
    below = [entry for name, entry in entries.items() if name.startswith(start)]
    deep = call.flag("recursive")
    return [entry for entry in below if deep or "/" not in entry["path"][len(start) :]]


def paths_info(call: Call, kind: str, id: str, rev: str) -> Any:
    """Those of the paths asked for that exist."""
    repo = find_repo(call, kind, id)
    entries = _entries(call.store.tree(repo, repo.find(rev)))
    form = parse_qs(call.body.read(JSON_BYTES).decode("utf-8", "replace"))
    paths = [path.strip("/") for path in form.get("paths", [])]
    return [entries[path] for path in paths if path in entries]


def resolve(call: Call, id: str, rev: str, path: str, kind: str = "model") -> Any:
    """The bytes of a file."""
    repo = find_repo(call, kind, id)
    sha = repo.find(rev)
    headers = {"X-Repo-Commit": sha}
    file = call.store.tree(repo, sha).get(path)
    if file is None:
        raise HubError(404, "Entry not found", "EntryNotFound", **headers)
    headers["ETag"] = f'"{file.etag}"'
    if file.lfs:
        headers |= {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(file.size)}
    return Answer(headers=headers, file=call.store.blobs.path(file.sha256))


def _entries(files: Tree) -> dict[str, dict[str, Any]]:
    """Files and folders by path, as `tree` and `paths-info` list them."""
    entries: dict[str, dict[str, Any]] = {}
    for path, oid in folders(files).items():
        entries[path] = {"type": "directory", "oid": oid, "size": 0, "path": path}
    for path, file in files.items():
        entries[path] = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
        if file.lfs:
            entries[path]["lfs"] = {"oid": file.sha256, **(file.lfs_info() or {})}
    return dict(sorted(entries.items()))


# Writing -------------------------------------------------------------------------------------


def validate_yaml(call: Call) -> Any:
    """Whether the front matter of a card can be read."""
    if _front_matter(member(call.json(), "content")) is None:
        message = "Metadata in README.md is no valid YAML"
        return Answer({"errors": [{"message": message}], "warnings": []}, 400)
    return {"errors": [], "warnings": []}


def preupload(call: Call, kind: str, id: str, rev: str) -> Any:
    """How to send each file, and the id of what is stored under its name."""
    repo = find_repo(call, kind, id, write=True)
    stored = call.store.tree(repo, repo.find(rev))
    answers = []
    for file in member(call.json(), "files", list):
        path, sample = member(file, "path"), from_base64(member(file, "sample"))
        mode = upload_mode(sample, member(file, "size", int))
        oid = stored[path].etag if path in stored else None
        answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
    return {"files": answers}


def lfs_batch(call: Call, id: str, kind: str = "model") -> Any:
    """Where to send the bytes of LFS files that are not stored yet."""
    find_repo(call, kind, id, write=True)
    objects = []
    for wanted in member(call.json(), "objects", list):
        sha256, size = member(wanted, "oid"), member(wanted, "size", int)
        answer: dict[str, Any] = {"oid": sha256, "size": size}
        if call.store.blobs.path(sha256).exists():
            call.store.blobs.large(sha256, size)
        else:
            href = f"{call.url}/lfs/{sha256}/{_upload_key(call, sha256)}"
            answer["actions"] = {"upload": {"href": href}, "verify": {"href": href}}
        objects.append(answer)
    return {"transfer": "basic", "objects": objects}


def lfs_upload(call: Call, sha256: str, key: str) -> Any:
    """Stores the bytes of an LFS file, if they have the SHA-256 that was named."""
    if not hmac.compare_digest(key, _upload_key(call, sha256)):
        raise HubError(403, "this upload was not asked for")
    call.store.blobs.write(iter(lambda: call.body.read(CHUNK_BYTES), b""), sha256)


def lfs_verify(call: Call, sha256: str, key: str) -> Any:
    """Confirms the size of an LFS file."""
    must_be_signed_in(call)
    call.store.blobs.large(sha256, member(call.json(), "size", int))


def commit(call: Call, kind: str, id: str, rev: str) -> Any:
    """Adds and deletes files in one commit, or opens a pull request with it."""
    find_repo(call, kind, id, write=True).branch(rev)
    lines = _lines(call.body)
    about = member(next(lines, None), "header", dict)
    title = member(about, "summary")
    parent = member(about, "parentCommit") if "parentCommit" in about else None
    changes = [_change(call, key, value) for line in lines for key, value in line.items()]
    with call.store.changing(kind, id) as repo:
        ref = repo.branch(rev)
        answer = {}
        if call.flag("create_pr"):
            number = str(sum(name.startswith("refs/pr/") for name in repo.refs) + 1)
            answer["pullRequestUrl"] = _page(call, repo, "discussions", number)
            start = repo.find(parent or rev)
            ref = f"refs/pr/{number}"
            repo.refs[ref] = start
        description = about.get("description", "")
        sha = call.store.commit(repo, ref, changes, title, description, parent)
    url = _page(call, repo, "commit", sha)
    return {"success": True, "commitOid": sha, "commitUrl": url, **answer}


def _upload_key(call: Call, sha256: str) -> str:
    """Proves that an upload's URL came from here: clients send no token along with the bytes."""
    return hmac.new(call.store.token.encode(), sha256.encode(), "sha256").hexdigest()


def _lines(body: IO[bytes]) -> Iterator[dict[str, Any]]:
    """`{key: value}` of each line of a commit."""
    while line := body.readline(JSON_BYTES + 1):
        item = parse(line)
        yield {member(item, "key"): member(item, "value", dict)}


def _change(call: Call, key: str, value: dict[str, Any]) -> Change:
    path = member(value, "path")
    if key == "file":
        return path, call.store.blobs.regular(from_base64(member(value, "content"))), False
    if key == "lfsFile":
        return path, call.store.blobs.large(member(value, "oid"), value.get("size")), False
    if key in ("deletedFile", "deletedFolder"):
        return path.rstrip("/"), None, key == "deletedFolder"
    raise HubError(400, f"unknown operation {key!r} in a commit")
