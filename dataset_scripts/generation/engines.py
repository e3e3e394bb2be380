"""What speaks: one interface, and the three engines that there are.

An engine is an object that takes a row of the plan and gives `Speech`; what it makes is checked and
kept by `speaking.py`, which also asks again. A new one is a class with `name`, `settings` and
`__call__`, and a line in `make_engine`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from modeling_empathic.taxonomy import UserError

ESPEAK, OPENAI = "espeak-ng", "openai"


class EngineError(UserError):
    """Ends the run: a missing key, package or program, a name that is not known."""


class RefusedError(EngineError):
    """The engine will never speak this row: the clip's own outcome, no second try."""


class NoAnswerError(EngineError):
    """Nothing came this time: a lost connection, a timeout, a program that failed."""


class Speech(NamedTuple):
    """What an engine gives for a row.

    Attributes:
        audio: A sound file's bytes, or `(samples,)` float32.
        sampling_rate: In Hz, of samples; a file says its own.
        accent: What was attempted: an engine may know fewer accents than a plan asks for.
        voice: The engine's own name of the voice.
        said: The engine's transcript of what it said, None where it gives none.
    """

    audio: bytes | np.ndarray
    sampling_rate: int = 0
    accent: str = ""
    voice: str = ""
    said: str | None = None


class Engine(Protocol):
    """A way to speak.

    Attributes:
        name: As in the column `engine`.
        settings: What the audio depends on, as plain values; no key is among them.
    """

    name: str
    settings: dict[str, Any]

    def __call__(self, row: Mapping[str, Any]) -> Speech:
        """Speaks a row of the plan, whose `seed` differs from one try to the next.

        Raises:
            RefusedError: It never will.
            NoAnswerError: Nothing came; another try may have more.
            EngineError: No row can be spoken.
        """


def make_engine(name: str, model: str | None = None, base_url: str | None = None) -> Engine:
    """An engine by its name.

    Args:
        name: `espeak-ng`, `openai`, or a command with `{output}` in it.
        model: For `openai`.
        base_url: For `openai`: another server with the same API.

    Raises:
        EngineError: An unknown name, an option that is not for it, or a thing that it lacks.

    Example:
        >>> make_engine("festival")
        Traceback (most recent call last):
        dataset_scripts.generation.engines.EngineError: engine='festival'; valid: espeak-ng, openai, or a command such as 'say {text} {output}'
    """  # noqa: E501 - a message is one line
    options = {"model": model, "base_url": base_url}
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    if given and name != OPENAI:
        raise EngineError(f"{' and '.join(given)} is not for engine={name!r}, only for {OPENAI!r}")
    if name == ESPEAK:
        from .espeak_engine import Espeak

        return Espeak()
    if name == OPENAI:
        from .openai_engine import OpenAISpeech

        return OpenAISpeech(**given)
    if "{output}" in name:
        from .command_engine import Command

        return Command(name)
    example = "'say {text} {output}'"
    raise EngineError(f"engine={name!r}; valid: {ESPEAK}, {OPENAI}, or a command such as {example}")
