"""Keeps a copy of all answers in a private dataset repository; fetches it when the disk is new.

A Space without persistent storage starts with an empty disk after every rebuild or pause. With
`HF_TOKEN` and `ANNOTATION_BACKUP` (owner/name) in the environment the answers are committed every
five minutes and when the Space stops, and an empty database is filled from there. What a crash of
the whole machine can cost is therefore five minutes; with persistent storage, nothing.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from annotation_project import Project
from hearing import Hearing
from huggingface_hub import CommitInfo, CommitScheduler, HfApi, errors

from modeling_empathic.taxonomy import UserError

EVERY_MIN = 5
FILE = "answers.jsonl"


class BackupError(UserError):
    """A repository that cannot be used; nothing was read or written."""


def keep_backup(project: Project, environment: Mapping[str, str]) -> CommitScheduler | None:
    """Restores an empty store, then starts to commit; None where the environment names no backup.

    A copy that cannot be read stops the start: to go on would write an empty one over it.

    Raises:
        BackupError: Only one of the two variables is set, the repository is public or out of
            reach, or its copy does not fit this batch.
    """
    repo, token = environment.get("ANNOTATION_BACKUP"), environment.get("HF_TOKEN")
    if not repo:
        return None
    if not token:
        raise BackupError("ANNOTATION_BACKUP is set, but not HF_TOKEN")
    api = HfApi(token=token)
    try:
        api.create_repo(repo, repo_type="dataset", private=True, exist_ok=True)
        if not api.repo_info(repo, repo_type="dataset").private:
            raise BackupError(f"dataset {repo} is public; answers carry names: make it private")
        restore(project, api, repo)
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BackupError(f"dataset {repo}: {reason or type(error).__name__}") from None
    folder = project.store.path.parent / "backup"
    folder.mkdir(exist_ok=True)

    class Backup(CommitScheduler):
        def push_to_hub(self) -> CommitInfo | None:
            dump(project, folder / FILE)
            return super().push_to_hub()

    return Backup(
        repo_id=repo, repo_type="dataset", folder_path=folder, every=EVERY_MIN, private=True,
        token=token, allow_patterns=FILE, hf_api=api,
    )  # fmt: skip


def restore(project: Project, api: HfApi, repo: str) -> None:
    """Fills an empty store from the repository, if that has a copy."""
    if project.store.answers():
        return
    try:
        copy = api.hf_hub_download(repo, FILE, repo_type="dataset")
    except errors.EntryNotFoundError:
        return
    try:
        lines = [json.loads(line) for line in Path(copy).read_text("utf-8").splitlines()]
        answers = [
            (line["item"], line["rater"], line["score"], Hearing(
                *(line.get(name) for name in ("plays", "heard_s", "answer_s")),
                tuple(line.get("flags", ())), line.get("comment", ""),
            ))
            for line in lines
        ]  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{repo}: {FILE} is not a list of answers: {error!r}") from None
    project.store.restore(answers)


def dump(project: Project, file: Path) -> None:
    """Writes all answers in their order, and how they were heard, if they have changed."""
    lines = [
        {
            "item": answer.item,
            "clip": project.batch[answer.item].clip.name,
            "emotion": project.batch[answer.item].emotion,
            "rater": answer.rater,
            "score": answer.score,
            **answer.hearing._asdict(),
        }
        for answer in project.store.answers()
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    # A copy of nothing never goes over an older one.
    if not text or (file.is_file() and file.read_text("utf-8") == text):
        return
    new = file.with_name(f".{file.name}")
    new.write_text(text, encoding="utf-8")
    new.replace(file)
