"""Pushing what was staged: first a plan of what changes, then one commit a repository.

Nothing is sent that is there already, so that a push that was cut is finished by the same command,
and a second one has nothing to do. The token is the client's business: it never passes here.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emonet_voice.hub.cards import card_of, front_matter
from emonet_voice.hub.repositories import PAPER, PublishError, Repository, folder_of

from .stage import COLLECTION, MANIFEST, Staged

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

OURS = {
    "model": ("*.safetensors", "*.safetensors.index.json", "*_empathic.py", ".eval_results/*"),
    "dataset": ("data/*", "ratings/*"),
    "space": ("*",),
}
"""What a push may remove: files of our making that are no longer staged. Others stay, such as the
loose heads and sounds of the public model repositories, which old code loads."""
_KEPT = (".gitattributes",)


@dataclass(frozen=True)
class Plan:
    """What a push would do to one repository.

    Attributes:
        repository: Which.
        repo_id: With its namespace.
        parent: The commit that this was compared with; None if there is no repository yet.
        added: Paths.
        changed: Paths.
        removed: Paths.
        same: Paths.
        kept: Paths that only the Hub has, and that stay.
        send_bytes: Size of what is added and changed.
        pull_request: Reference of one that has all of this already.
        tag: To be made; None if there is none to make.
    """

    repository: Repository
    repo_id: str
    parent: str | None
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    send_bytes: int = 0
    pull_request: str | None = None
    tag: str | None = None

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.added or self.changed or self.removed) and not self.pull_request

    def as_row(self) -> dict[str, Any]:
        """For tables and JSON."""
        names = ("repo_id", "parent", "added", "changed", "removed", "same", "kept", "send_bytes",
                 "pull_request", "tag")  # fmt: skip
        return {"kind": self.repository.kind} | {name: getattr(self, name) for name in names}


def sign_in() -> "HfApi":
    """The Hub's client, with a token that it accepts.

    Raises:
        PublishError: There is none.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import LocalTokenNotFoundError

    api = HfApi()
    try:
        with hub_errors("the Hub"):
            api.whoami()
    except LocalTokenNotFoundError as error:
        raise PublishError(f"no token that may write: {_line(error)}") from None
    return api


def make_plans(
    api: "HfApi",
    staged: Staged,
    namespace: str,
    *,
    private: bool = False,
    create_pr: bool = False,
    tag: str | None = None,
    remove: bool = True,
) -> list[Plan]:
    """Compares what is staged with what is on the Hub; changes nothing.

    Args:
        api: From [`sign_in`].
        staged: From [`stage.stage`].
        namespace: Where to.
        private: New repositories will be; those that are must be.
        create_pr: Pull requests, not commits.
        tag: To be made.
        remove: Whether files of ours that are no longer staged go.

    Raises:
        PublishError: A public repository with `private`, a tag that is elsewhere, no repository
            to make a pull request to, or a Hub that cannot be read.
    """
    files = json.loads((staged.folder / MANIFEST).read_text("utf-8"))["files"]
    plans = []
    for repository in staged.repositories:
        repo_id = f"{namespace}/{repository.name}"
        start = f"{folder_of(Path(), repository).as_posix()}/"
        own = {path.removeprefix(start): files[path] for path in files if path.startswith(start)}
        with hub_errors(repo_id):
            where: Any = {"repo_id": repo_id, "repo_type": repository.kind}
            if not api.repo_exists(**where):
                if create_pr:
                    raise PublishError(f"{repo_id} does not exist: create_pr is for one that does")
                size = sum(file["bytes"] for file in own.values())
                new = Plan(repository, repo_id, None, added=list(own), send_bytes=size, tag=tag)
                plans.append(new)
                continue
            info = api.repo_info(**where)
            if private and not info.private:
                raise PublishError(f"{repo_id} is there and public: private is for new ones")
            plan = _compare(api, staged, repository, repo_id, str(info.sha), own, remove)
            for commit in _measured_commits(folder_of(staged.folder, repository)):
                then = _compare(api, staged, repository, repo_id, commit, own, remove)
                weights = [p for p in (*then.added, *then.changed) if p.endswith(".safetensors")]
                if weights:
                    raise PublishError(
                        f"{repo_id}: results are of commit {commit[:7]}, whose {weights[0]} is not "
                        "what is staged; evaluate it again"
                    )
            refs = api.list_repo_refs(**where, include_pull_requests=create_pr)
            there = {ref.name: ref.target_commit for ref in refs.tags}
            if tag in there and (there[tag] != info.sha or plan.has_changes):
                raise PublishError(
                    f"{repo_id}: tag {tag} is at {there[tag][:7]}, which is not what is staged; "
                    "choose another"
                )
            plan = replace(plan, tag=None if tag in there else tag)
            for ref in (refs.pull_requests or []) if create_pr and plan.has_changes else []:
                other = _compare(api, staged, repository, repo_id, ref.ref, own, remove)
                if not other.has_changes:
                    plan = replace(plan, pull_request=ref.ref)
        plans.append(plan)
    return plans


def _measured_commits(folder: Path) -> set[str]:
    """Commits of the model that its published results are of (see `hub_files.eval_entries`)."""
    texts = [path.read_text("utf-8") for path in folder.glob(".eval_results/*.yaml")]
    return {commit for text in texts for commit in re.findall(r"revision ([0-9a-f]{40})", text)}


def _compare(
    api: "HfApi",
    staged: Staged,
    repository: Repository,
    repo_id: str,
    revision: str,
    files: dict[str, dict[str, Any]],
    remove: bool,
) -> Plan:
    from huggingface_hub.hf_api import RepoFile

    tree = api.list_repo_tree(repo_id, repo_type=repository.kind, revision=revision, recursive=True)
    remote = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
    folder = folder_of(staged.folder, repository)
    plan = Plan(repository, repo_id, revision)
    for path, file in files.items():
        if path not in remote:
            plan.added.append(path)
        elif _is_same(folder / path, file, remote[path]):
            plan.same.append(path)
        else:
            plan.changed.append(path)
    for path in sorted(remote.keys() - files.keys() - {*_KEPT}):
        ours = remove and any(fnmatchcase(path, glob) for glob in OURS[repository.kind])
        (plan.removed if ours else plan.kept).append(path)
    size = sum(files[path]["bytes"] for path in (*plan.added, *plan.changed))
    return replace(plan, send_bytes=size)


def _is_same(path: Path, file: dict[str, Any], remote: "RepoFile") -> bool:
    if remote.size != file["bytes"]:
        return False
    if remote.lfs:
        return bool(remote.lfs.sha256 == file["sha256"])
    content = path.read_bytes()  # text: the Hub keeps nothing large outside of LFS
    return remote.blob_id == hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def push(
    api: "HfApi",
    staged: Staged,
    plan: Plan,
    *,
    private: bool = False,
    create_pr: bool = False,
) -> str | None:
    """Carries out a plan: one commit, or several where the client splits a large folder.

    Returns:
        The address of the commit or pull request; None if there was nothing to do.

    Raises:
        PublishError: The repository has changed since the plan, the token may not write, or the
            Hub went away: then the same command goes on.
    """
    from modeling_empathic import __version__

    where: Any = {"repo_id": plan.repo_id, "repo_type": plan.repository.kind}
    address = None
    with hub_errors(plan.repo_id):
        parent = plan.parent
        if parent is None:
            card, _ = card_of(folder_of(staged.folder, plan.repository))
            sdk = card["sdk"] if plan.repository.kind == "space" else None
            api.create_repo(**where, private=private, space_sdk=sdk, exist_ok=True)
            parent = api.repo_info(**where).sha
        if plan.has_changes:
            commit = api.upload_folder(
                **where,
                folder_path=folder_of(staged.folder, plan.repository),
                commit_message=f"emonet-voice {__version__}",
                parent_commit=parent,
                create_pr=create_pr,
                delete_patterns=[escape(path) for path in plan.removed] or None,
            )
            address = commit.pr_url if create_pr else commit.commit_url
        if plan.tag:
            api.create_tag(**where, tag=plan.tag)
    return address


def push_collection(
    api: "HfApi", staged: Staged, namespace: str, *, private: bool = False
) -> tuple[str, int]:
    """Puts the paper and the repositories into the collection, made if it is not there.

    Returns:
        Its address, and how many items were added.

    Raises:
        PublishError: As [`push`].
    """
    text = (staged.folder / COLLECTION).read_text("utf-8")
    about, _ = front_matter(text, COLLECTION.as_posix())
    wanted = [("paper", PAPER)]
    wanted += [(row.kind, f"{namespace}/{row.name}") for row in staged.repositories]
    with hub_errors("the collection"):
        collection = api.create_collection(
            about["title"],
            namespace=namespace,
            description=about["description"],
            private=private,
            exists_ok=True,
        )
        there = {(item.item_type, item.item_id) for item in collection.items}
        new = [item for item in wanted if item not in there]
        for kind, item_id in new:
            api.add_collection_item(collection.slug, item_id, item_type=kind, exists_ok=True)  # type: ignore[arg-type]
    return collection.url, len(new)


@contextmanager
def hub_errors(where: str) -> Iterator[None]:
    """Turns what the client raises into one line."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    from huggingface_hub.errors import HTTPError as AnyHTTPError

    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status == 412:
            line = "somebody has committed to it since the plan was made; run the command again"
        elif status in (401, 403):
            line = f"this token may not do that ({status}); set HF_TOKEN or run `hf auth login`"
        else:
            line = _line(error)
        raise PublishError(f"{where}: {line}") from None
    except OfflineModeIsEnabled:
        raise PublishError("HF_HUB_OFFLINE is set: nothing can be pushed") from None
    except (ConnectionError, AnyHTTPError) as error:
        line = "run the same command to go on; what is there is not sent again"
        raise PublishError(f"{where}: the Hub went away ({type(error).__name__}); {line}") from None


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
