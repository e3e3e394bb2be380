"""Repositories of the local Hub on disk.

    blobs/ab/cdef...           bytes of a file, or a tree: all paths of a commit, as JSON
    repos/model/laion--x.json  references and commits of the model `laion/x`
    collections.json  token  lock  partial/

No path of a repository ever becomes a path on this machine: paths are keys of a tree.
"""

import copy
import hashlib
import json
import re
import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from modeling_empathic.report.files import lock
from modeling_empathic.taxonomy import UserError

from .blobs import Blobs, File, HubError

KINDS = ("model", "dataset", "space")
_NAME = re.compile(r"(?!.*(--|\.\.|\.git$))[A-Za-z0-9_]([\w.-]{0,94}[A-Za-z0-9_])?", re.ASCII)
_RESERVED = ("api", "datasets", "spaces", "lfs")  # would read as another URL

Tree = dict[str, File]
Change = tuple[str, File | None, bool]
"""Path, the file to put there or None to delete it, and whether the path is a folder."""


@dataclass
class Repo:
    """A repository; `refs` has full names, such as `refs/heads/main` or `refs/pr/1`."""

    kind: str
    id: str
    private: bool
    created: str
    sdk: str | None = None
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, Any]] = field(default_factory=dict)

    def find(self, revision: str) -> str:
        """Commit of a branch, tag, full reference, or commit id of at least 7 characters.

        Raises:
            HubError: 404 RevisionNotFound.
        """
        for ref in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if ref in self.refs:
                return self.refs[ref]
        matches = [sha for sha in self.commits if len(revision) >= 7 and sha.startswith(revision)]
        if len(matches) == 1:
            return matches[0]
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def branch(self, revision: str) -> str:
        """Full name of the branch or pull request to commit to.

        Raises:
            HubError: 404 RevisionNotFound; nothing can be committed to a tag or a commit.
        """
        for ref in (f"refs/heads/{revision}", revision):
            if ref in self.refs and not ref.startswith("refs/tags/"):
                return ref
        raise HubError(404, f"{revision} is no branch of {self.id}", "RevisionNotFound")

    def history(self, sha: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        """`(commit id, commit)` from `sha` back to the first."""
        while sha is not None:
            yield sha, self.commits[sha]
            sha = self.commits[sha]["parent"]


class Store:
    """The folder of a local Hub.

    Args:
        folder: Made if absent.

    Attributes:
        blobs: Files by content.
        token: The one token that may write; kept in the folder, so that a restart knows it.

    Raises:
        OSError: A folder that cannot be written.
        UserError: It is in use by another local Hub.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.RLock()
        self._lock_file = (folder / "lock").open("ab")
        try:
            lock(self._lock_file, folder)
        except UserError:
            self._lock_file.close()
            raise
        shutil.rmtree(folder / "partial", ignore_errors=True)  # left by a server that was killed
        (folder / "partial").mkdir()
        self.blobs = Blobs(folder / "blobs", folder / "partial")
        if not (folder / "token").exists():
            self.blobs.replace(folder / "token", "hf_" + secrets.token_hex(16))
        self.token = (folder / "token").read_text()
        repos = [Repo(**json.loads(p.read_bytes())) for p in folder.glob("repos/*/*.json")]
        self._repos = {(repo.kind, repo.id): repo for repo in repos}
        path = folder / "collections.json"
        self.collections: dict[str, dict[str, Any]] = (
            json.loads(path.read_bytes()) if path.exists() else {}
        )
        self._read_tree = lru_cache(maxsize=16)(self._read_tree_file)

    def close(self) -> None:
        """Lets another process have the folder."""
        self._lock_file.close()

    def namespaces(self) -> list[str]:
        """Owners of the repositories."""
        return sorted({repo_id.split("/")[0] for _, repo_id in list(self._repos)})

    def repo(self, kind: str, repo_id: str) -> Repo:
        """A repository as it is now; never changed in place, so it can be read without a lock.

        Raises:
            HubError: 404 RepoNotFound.
        """
        try:
            return self._repos[kind, repo_id]
        except KeyError:
            raise HubError(404, "Repository not found", "RepoNotFound") from None

    def create(
        self, kind: str, repo_id: str, private: bool = False, sdk: str | None = None
    ) -> Repo:
        """Makes a repository with one empty commit.

        Raises:
            HubError: 400 for a kind or name that the Hub does not allow, 409 if it exists.
        """
        if kind not in KINDS:
            raise HubError(400, f"kind {kind!r} is not one of {', '.join(KINDS)}")
        namespace, _, name = repo_id.partition("/")
        if not (_NAME.fullmatch(namespace) and _NAME.fullmatch(name)) or namespace in _RESERVED:
            raise HubError(400, f"{repo_id[:200]!r} is no namespace/name that the Hub allows")
        with self._lock:
            if (kind, repo_id) in self._repos:
                raise HubError(409, "You already created this repo")
            repo = Repo(kind, repo_id, private, now(), sdk)
            repo.refs["refs/heads/main"] = self._add_commit(repo, None, {}, "initial commit", "")
            self._save(repo)
        return repo

    def delete(self, kind: str, repo_id: str) -> None:
        """Forgets a repository; its blobs stay, since others may share them."""
        with self._lock:
            repo = self.repo(kind, repo_id)
            self._file(repo).unlink()
            del self._repos[kind, repo_id]

    @contextmanager
    def changing(self, kind: str, repo_id: str) -> Iterator[Repo]:
        """A copy to change, one thread at a time; kept if the block ends without an error."""
        with self._lock:
            repo = copy.deepcopy(self.repo(kind, repo_id))
            yield repo
            self._save(repo)

    @contextmanager
    def changing_collections(self) -> Iterator[dict[str, dict[str, Any]]]:
        """As `changing`, for all collections."""
        with self._lock:
            collections = copy.deepcopy(self.collections)
            yield collections
            self.blobs.replace(self._folder / "collections.json", json.dumps(collections))
            self.collections = collections

    def tree(self, repo: Repo, sha: str) -> Tree:
        """Files of a commit by path, in order; not to be changed."""
        return self._read_tree(repo.commits[sha]["tree"])

    def commit(
        self,
        repo: Repo,
        ref: str,
        changes: Iterable[Change],
        title: str,
        description: str = "",
        parent: str | None = None,
    ) -> str:
        """Commits to a repository that is being changed; returns the commit id.

        Args:
            repo: From `changing`.
            ref: Full name of a branch or pull request.
            changes: Made in this order.
            title: First line of the message.
            description: The rest of it.
            parent: Commit (at least 7 characters) at which `ref` must still be, or None.

        Raises:
            HubError: 412 if it is elsewhere; 404 EntryNotFound for the deletion of what is not
                there; 400 for a path that no file can have.
        """
        head = repo.refs[ref]
        if parent is not None and not (len(parent) >= 7 and head.startswith(parent)):
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        files = dict(self.tree(repo, head))
        for path, file, is_folder in changes:
            if file is not None:
                files[_checked(path)] = file
                continue
            gone = [path] if path in files else []
            if is_folder:
                gone = [name for name in files if name.startswith(f"{path}/")]
            if not gone:
                raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
            for name in gone:
                del files[name]
        for folder in {folder for path in files for folder in _parents(path)} & files.keys():
            raise HubError(400, f"{folder!r} is both a file and a folder")
        repo.refs[ref] = self._add_commit(repo, head, files, title, description)
        return repo.refs[ref]

    def mirror(self, kind: str, repo_id: str, folder: Path) -> str:
        """Makes `main` hold exactly the files of a folder; returns the commit id.

        The repository is made if it does not exist; where nothing differs, nothing is committed.

        Raises:
            HubError: As `create` and `commit`.
            NotADirectoryError: If `folder` is none.
        """
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is no folder")
        if (kind, repo_id) not in self._repos:
            self.create(kind, repo_id)
        files: Tree = {}
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            name = path.relative_to(folder).as_posix()
            if not {".git", ".cache"} & {*name.split("/")}:  # clients leave these out too
                files[name] = self.blobs.copy(path)
        with self.changing(kind, repo_id) as repo:
            head = repo.refs["refs/heads/main"]
            old = self.tree(repo, head)
            if old == files:
                return head
            changes: list[Change] = [(path, None, False) for path in old if path not in files]
            changes += [(path, file, False) for path, file in files.items()]
            return self.commit(repo, "refs/heads/main", changes, f"Mirror of {folder.name}")

    def _add_commit(
        self, repo: Repo, parent: str | None, files: Tree, title: str, description: str
    ) -> str:
        tree = self.blobs.write([json.dumps(dict(sorted(files.items()))).encode()])
        commit = {"parent": parent, "tree": tree, "title": title, "description": description}
        commit["date"] = now()
        # The count keeps apart equal commits of one millisecond.
        named = json.dumps([repo.kind, repo.id, len(repo.commits), commit])
        sha = hashlib.sha1(named.encode()).hexdigest()
        repo.commits[sha] = commit
        return sha

    def _read_tree_file(self, sha256: str) -> Tree:
        entries = json.loads(self.blobs.path(sha256).read_bytes())
        return {path: File(*entry) for path, entry in entries.items()}

    def _file(self, repo: Repo) -> Path:
        # Of a name that `create` allowed: no other separator, and no "--" of its own.
        return self._folder / "repos" / repo.kind / f"{repo.id.replace('/', '--')}.json"

    def _save(self, repo: Repo) -> None:
        self.blobs.replace(self._file(repo), json.dumps(asdict(repo)))
        self._repos[repo.kind, repo.id] = repo


def folders(files: Tree) -> dict[str, str]:
    """Every folder of a tree, with an id that changes with what is below it."""
    digests: dict[str, Any] = {}
    for path, file in sorted(files.items()):
        for folder in _parents(path):
            digests.setdefault(folder, hashlib.sha1()).update(f"{path}\0{file.oid}\0".encode())
    return {folder: digest.hexdigest() for folder, digest in digests.items()}


def now() -> str:
    """The time as the Hub writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]


def _checked(path: str) -> str:
    # Clients make files of these names on their machines, so none may lead out of a folder.
    parts = path.split("/")
    strange = re.search(r"[\0-\x1f\\\ud800-\udfff]", path)
    if {"", ".", "..", ".git"} & {*parts} or strange or len(path) > 1000:
        raise HubError(400, f"{path[:200]!r} is no path that a file in a repository can have")
    return path
