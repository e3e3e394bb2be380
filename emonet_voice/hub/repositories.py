"""All repositories on the Hub, in one table: what they are called and what makes their folders.

A row is all that a further repository needs: `publish` stages, checks, pushes and rehearses it.
"""

from pathlib import Path
from typing import NamedTuple

from modeling_empathic.taxonomy import UserError

NAMESPACE = "laion"
PAPER = "2506.09827"
COLLECTION_CARD = "collection.md.jinja"
ENCODER = "laion/BUD-E-Whisper"
ROOT = Path(__file__).parents[2]
"""Where the packages lie: a checkout, or what a wheel was installed into."""


class PublishError(UserError):
    """What keeps a repository from being published; the message says where and why."""


class Repository(NamedTuple):
    """One repository.

    Attributes:
        name: Without the namespace.
        role: `model`, `dataset`, `metric` or `space`; a metric is a Space on the Hub.
        card: Template in `cards/`; None where the folder brings its own README.md.
        folders: What it is made of, below the project's folder; later ones add to earlier ones.
        built: Folders of the project that `make browser` makes and git ignores; each keeps its
            own name in the repository.
        given: The argument of `publish` that names its folder, where the project has none.
        page: Of a Space: the path that answers once it has started.
    """

    name: str
    role: str
    card: str | None = None
    folders: tuple[str, ...] = ()
    built: tuple[str, ...] = ()
    given: str | None = None
    page: str = "/config"

    @property
    def kind(self) -> str:
        """What it is on the Hub: `model`, `dataset` or `space`."""
        return "space" if self.role == "metric" else self.role


REPOSITORIES = (
    Repository(
        "Empathic-Insight-Voice-Nano", "model", "nano.md.jinja", ("modeling_empathic/nano",)
    ),
    Repository("Empathic-Insight-Voice-Small", "model", "model.md.jinja", given="models"),
    Repository("Empathic-Insight-Voice-Large", "model", "model.md.jinja", given="models"),
    Repository("Empathic-Insight-Voice-Plus", "model", "model.md.jinja", given="models"),
    Repository("emonet-voice-bench", "dataset", "bench.md.jinja", given="bench"),
    Repository("emonet-voice-big", "dataset", "big.md.jinja", given="big"),
    Repository(
        "emonet_voice",
        "metric",
        "metric.md.jinja",
        ("evaluate_metrics/emonet_voice", "spaces/emonet_voice"),
    ),
    Repository("empathic-insight-voice", "space", folders=("spaces/empathic_insight_voice",)),
    Repository(
        "emonet-voice-annotation", "space", folders=("spaces/emotion_annotation",), page="/"
    ),
    Repository("emonet-voice-leaderboard", "space", folders=("spaces/emonet_voice_leaderboard",)),
    Repository(
        "empathic-insight-voice-browser",
        "space",
        folders=("spaces/voice_in_browser",),
        built=("examples/browser/model", "examples/browser/runtime"),
        page="/",
    ),
)
"""In the order in which they are pushed: what others load comes first."""

OUTSIDE = (
    ENCODER,
    "mkrausio/EmoWhisper-AnS-Small-v0.1",
    "openai/whisper-base",
    "openai/whisper-small",
    "t1a5anu-anon/emonet-voice-bench",
    "t1a5anu-anon/emonet-voice-foundation",
)
"""Repositories of others, and the one of LAION that is not ours, to which a card may point."""


def chosen(only: list[str] | None = None) -> list[Repository]:
    """The rows of the table, or those that are named.

    Args:
        only: Names, with or without the namespace.

    Raises:
        PublishError: A name that the table does not have.

    Example:
        >>> [repository.role for repository in chosen(["laion/emonet_voice"])]
        ['metric']
    """
    if not only:
        return list(REPOSITORIES)
    names = [name.rsplit("/", 1)[-1] for name in only]
    known = [repository.name for repository in REPOSITORIES]
    for name in names:
        if name not in known:
            raise PublishError(f"no repository {name!r}; choose from {', '.join(known)}")
    return [repository for repository in REPOSITORIES if repository.name in names]


def project_folder(name: str) -> Path:
    """Where a folder of the project lies.

    Args:
        name: Its path in a checkout. `cards` and `spaces`, which are no packages, are in a folder
            of this package once a wheel is installed.

    Example:
        >>> (project_folder("cards") / "bench.md.jinja").is_file()
        True
    """
    installed = Path(__file__).parent / "hub_files" / name
    return installed if installed.is_dir() else ROOT / name


def folder_of(stage: Path, repository: Repository) -> Path:
    """Where a repository lies in a staged folder."""
    return stage / f"{repository.kind}s" / repository.name
