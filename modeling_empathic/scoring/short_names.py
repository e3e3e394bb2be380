"""The models by their short names, in one table, and what `--model` may be."""

from pathlib import Path

from ..report.files import is_hub_id
from ..taxonomy import UserError

NANO = Path(__file__).parents[1] / "nano"
SHORT_NAMES = {
    "nano": str(NANO),
    "small": "laion/Empathic-Insight-Voice-Small",
    "large": "laion/Empathic-Insight-Voice-Large",
    "plus": "laion/Empathic-Insight-Voice-Plus",
}
"""Folder or Hub id of each. `plus` is `small` with the four heads of a recording's quality."""

UNFINISHED = ".training"  # in a folder that heads are being trained into


class UnknownModelError(UserError):
    """A model that is neither a short name nor a folder nor a Hub id; the message has the names."""


def locate(model: str | Path | None) -> str:
    """The folder or Hub id of a model.

    A short name always means the model of that name; a folder that is called so is `./small`.

    Args:
        model: Short name, folder or Hub id; `None` for Nano.

    Raises:
        UnknownModelError: It is none of these.

    Example:
        >>> locate("small"), locate("someone/their-model")
        ('laion/Empathic-Insight-Voice-Small', 'someone/their-model')
    """
    name = "nano" if model is None else str(model)
    if short := SHORT_NAMES.get(name.lower()):
        return short
    if (Path(name) / UNFINISHED).is_dir():
        raise UnknownModelError(
            f"model {name}: its training is not finished; the command that began it goes on with it"
        )
    if Path(name).is_dir() or is_hub_id(name):
        return name
    raise UnknownModelError(
        f"model {name}: no such folder, and not a Hub id (owner/name); "
        f"by short name there are {', '.join(SHORT_NAMES)}"
    )
