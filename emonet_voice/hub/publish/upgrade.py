"""From loose pickles to a model that loads by its name, for those who keep the public repositories.

The pull request adds configuration, safetensors, code and card, and removes nothing: what loads
`model_Anger_best.pth` today goes on working.
"""

from collections.abc import Callable
from pathlib import Path

from emonet_voice.hub.repositories import ENCODER, PublishError, Repository, chosen
from modeling_empathic.report.files import read_json
from modeling_empathic.taxonomy import UserError

from .push import hub_errors, sign_in


def converted(
    repo_id: str, models: Path, progress: Callable[[str, int, int], None] | None = None
) -> Repository:
    """Converts a public model repository into `models/NAME`, or checks what is there.

    `emonet-voice convert` writes the same folder, with other settings if need be.

    Args:
        repo_id: Such as `laion/Empathic-Insight-Voice-Small`.
        models: Where models lie, each in a folder with the name of its repository.
        progress: As of [`convert.convert`].

    Raises:
        PublishError: No such model in the table, or a folder that was made of other heads than
            the repository has now.
    """
    from huggingface_hub.hf_api import RepoFile

    from emonet_voice.hub.convert import convert

    repository = chosen([repo_id])[0]
    if repo_id.count("/") != 1 or repository.given != "models":
        names = ", ".join(row.name for row in chosen() if row.given == "models")
        raise PublishError(f"{repo_id!r} cannot be upgraded: give owner/name of one of {names}")
    folder = models / repository.name
    api = sign_in()
    with hub_errors(repo_id):
        if not folder.exists():
            convert(repo_id, folder, ENCODER, progress=progress)
        tree = api.list_repo_tree(repo_id)
        remote = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
    try:
        heads = dict(read_json(folder / "conversion.json")["sha256"])
    except (UserError, ValueError, KeyError, TypeError):
        raise PublishError(f"{folder} was not made by `emonet-voice convert`") from None
    for name, digest in heads.items():
        entry = remote.get(name)
        if entry is None or entry.lfs is None or entry.lfs.sha256 != digest:
            raise PublishError(f"{folder} is of another {name} than {repo_id} has; convert again")
    return repository
