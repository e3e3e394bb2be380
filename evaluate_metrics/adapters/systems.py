"""The systems of Tables 5 and 9 by name, and how each is asked.

EmpathicInsight-Voice is not here: `emonet-voice score` runs it.
"""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

from .asking import Adapter
from .errors import AdapterError
from .gemini import Gemini
from .gpt_audio import GPTAudio
from .huggingface import HuggingFace
from .hume import Hume

SYSTEMS: dict[str, Callable[..., Adapter]] = {
    "gpt-4o-audio": partial(GPTAudio, model="gpt-4o-audio-preview-2024-12-17"),
    "gpt-4o-mini-audio": partial(GPTAudio, model="gpt-4o-mini-audio-preview"),
    "gemini-2.0-flash": partial(Gemini, model="gemini-2.0-flash"),
    "gemini-2.5-pro": partial(Gemini, model="gemini-2.5-pro"),
    "huggingface": HuggingFace,
    "hume": Hume,
}
"""Asked about audio. Providers retire models: a newer one is the argument `model`."""
IMPORTS: dict[str, dict[str, Any]] = {"csv-import": {}, "hume-import": {"hume": True}}
"""Results that exist already, and the arguments of `stored.import_stored` for them."""


def make_adapter(system: str, **options: Any) -> Adapter:
    """The adapter of a system.

    Args:
        system: A key of `SYSTEMS`.
        options: Arguments of its class; those that are None are left out.

    Raises:
        AdapterError: Unknown system, an option that is not for it, or one that is missing.

    Example:
        >>> make_adapter("hume", scale="0-4", base_url=None)
        Traceback (most recent call last):
        evaluate_metrics.adapters.errors.AdapterError: --scale is not for hume; it takes --base-url
    """
    if system not in SYSTEMS:
        valid = ", ".join((*SYSTEMS, *IMPORTS))
        raise AdapterError(f"unknown system {system!r}; choose from {valid}")
    given = {name: value for name, value in options.items() if value is not None}
    known = signature(SYSTEMS[system]).parameters
    taken = [name for name in known if name in options]
    for name in given:
        if name not in known:
            takes = ", ".join(map(_flag, taken))
            raise AdapterError(f"{_flag(name)} is not for {system}; it takes {takes}")
    if "model" in known and known["model"].default is known["model"].empty and "model" not in given:
        raise AdapterError(f"{system} needs --model")
    return SYSTEMS[system](system, **given)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
