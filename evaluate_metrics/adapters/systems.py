"""The systems of Tables 5 and 9 by name, and how each is asked.

EmpathicInsight-Voice is not here: `emonet-voice score` runs it. A class is imported when it is
asked for, so that the command can name the systems at once.
"""

from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from .errors import AdapterError

if TYPE_CHECKING:
    from .asking import Adapter

SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt-4o-audio": ("gpt_audio.GPTAudio", {"model": "gpt-4o-audio-preview-2024-12-17"}),
    "gpt-4o-mini-audio": ("gpt_audio.GPTAudio", {"model": "gpt-4o-mini-audio-preview"}),
    "gemini-2.0-flash": ("gemini.Gemini", {"model": "gemini-2.0-flash"}),
    "gemini-2.5-pro": ("gemini.Gemini", {"model": "gemini-2.5-pro"}),
    "huggingface": ("huggingface.HuggingFace", {}),
    "hume": ("hume.Hume", {}),
}
"""Asked about audio: the class, an [`Adapter`], and its arguments, which those of a call replace
(providers retire models)."""
IMPORTS: dict[str, dict[str, Any]] = {"csv-import": {}, "hume-import": {"hume": True}}
"""Results that exist already, and the arguments of `stored.import_stored` for them."""


def make_adapter(system: str, **options: Any) -> "Adapter":
    """The adapter of a system.

    Args:
        system: A key of `SYSTEMS`.
        options: Arguments of its class; those that are None are left out.

    Raises:
        AdapterError: Unknown system, an option that is not for it, or one that is missing.

    Example:
        >>> make_adapter("hume", scale="0-4", base_url=None)
        Traceback (most recent call last):
        evaluate_metrics.adapters.errors.AdapterError: scale is not for hume; it takes base_url
    """
    if system not in SYSTEMS:
        valid = ", ".join((*SYSTEMS, *IMPORTS))
        raise AdapterError(f"unknown system {system!r}; choose from {valid}")
    where, arguments = SYSTEMS[system]
    module, name = where.split(".")
    adapter = getattr(import_module(f".{module}", __package__), name)
    known = signature(adapter).parameters
    given = {name: value for name, value in options.items() if value is not None}
    for option in given:
        if option not in known:
            taken = ", ".join(name for name in known if name in options) or "no option"
            raise AdapterError(f"{option} is not for {system}; it takes {taken}")
    given = {**arguments, **given}
    if "model" in known and "model" not in given:
        raise AdapterError(f"{system} needs a model")
    made: Adapter = adapter(system, **given)
    return made
