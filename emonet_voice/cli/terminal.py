"""The way to the terminal: names from files, models and raters are shown, never acted upon."""

import os
from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from modeling_empathic.report.tables import printable


class Terminal(Console):
    r"""Rich's console, which lets escape codes through; here they become �, colours stay.

    Every command writes by it, because a name that is printed may come from a stranger's file and
    could otherwise clear the screen, set its title or write what looks like our own answer.

    Example:
        >>> Terminal(color_system=None).print("evil\x1b[2J.wav")
        evil�[2J.wav
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """What Rich renders; segments that are Rich's own control of the terminal stay."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(shown(segment.text), segment.style)


SECRETS = (
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY"),
    *("GEMINI_API_KEY", "GOOGLE_API_KEY", "HUME_API_KEY"),
)
"""Variables whose values are shown nowhere, whoever repeats them."""
_SHORTEST = 12


def without_secrets(text: str, *others: str | None) -> str:
    """A text without the keys of the environment, and others, that are long enough to be any."""
    for secret in (*map(os.environ.get, SECRETS), *others):
        if secret and len(secret) >= _SHORTEST:
            text = text.replace(secret, "[key]")
    return text


def shown(text: str) -> str:
    r"""Text of several lines without keys, and with � for what a terminal would act on.

    Example:
        >>> shown("a\x1b[31m\nb")
        'a�[31m\nb'
    """
    return "\n".join(map(printable, without_secrets(text).split("\n")))


def echo(text: str, *, err: bool = False) -> None:
    """Writes a line, however long, as it is but for what a terminal would act on."""
    typer.echo(shown(text), err=err)
