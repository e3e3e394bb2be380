"""All commands of `emonet-voice`, one file beside this one for each, and how they end."""

import os
import re
import sys
from typing import Annotated, Any

import typer

from modeling_empathic import __version__
from modeling_empathic.taxonomy import UserError

from .bench import bench
from .big import big
from .collect import collect
from .convert import convert
from .demo import demo
from .evaluate import evaluate
from .generalize import generalize
from .leaderboard import leaderboard
from .listen import listen
from .models import models
from .neighbours import neighbours
from .options import FLAG, UsageError, make_group
from .publish import publish
from .score import score
from .terminal import echo, without_secrets
from .train import train

app = make_group("emonet-voice")
for command in (
    *(score, listen, neighbours, models, convert),
    *(evaluate, leaderboard, generalize, collect, demo),
):
    app.command(no_args_is_help=command not in (models, demo, listen))(command)
app.add_typer(bench)
app.add_typer(big)
app.add_typer(publish)
app.add_typer(train)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"emonet-voice {__version__}")
        raise typer.Exit


@app.callback()
def emonet_voice(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            metavar=FLAG,
            callback=_show_version,
            is_eager=True,
            help="Show the version.",
        ),
    ] = False,
) -> None:
    """EmoNet-Voice: 40 emotions from speech (arXiv 2506.09827).

    First look, with a small built-in model: `emonet-voice score clip.wav`

    Example: `emonet-voice score clips/ --output scores.parquet`
    """


def run(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code; what a user got wrong becomes one line."""
    try:
        code = app(args=arguments, standalone_mode=False) or 0
        sys.stdout.flush()  # a reader that is gone is noticed here, not at the interpreter's exit
    except UsageError as error:
        message = _wrong_value(error)
        if type(error).__name__ == "NoArgsIsHelpError":
            print(message)
            return 2
    except typer.Abort:  # Ctrl-C, where a command has nothing to say about it
        return 130
    except BrokenPipeError:  # `... --json | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        message = _as_the_system_says(f"{error.strerror or error}{where}")
    except UserError as error:  # any other is a fault of the program and keeps its traceback
        message = str(error)
    else:
        return code
    if "huggingface_hub" in sys.modules:  # a Hub may repeat the token that it was sent
        from huggingface_hub import get_token

        message = without_secrets(message, get_token())
    echo(f"error: {' '.join(message.split())}", err=True)
    return 2


def _wrong_value(error: Any) -> str:
    """A wrong use, with the value that was given: Typer (0.29) says what it should be only."""
    if not hasattr(error.__cause__, "errors"):
        return str(error.format_message())
    found = error.__cause__.errors()[0]
    wanted = found["msg"].removeprefix("Input should be ").partition(",")[0]
    return f"{error.param.opts[0]} {found['input']}: it must be {wanted}"


def _as_the_system_says(message: str) -> str:
    """An error of the system without Arrow's words for it, where it came through Arrow.

    Example:
        >>> _as_the_system_says("Failed to open local file 'a'. Detail: [errno 2] No such file")
        'No such file: a'
    """
    found = re.search(r"local file '(.+)'\. Detail: \[errno \d+\] (.+)", message)
    return f"{found[2]}: {found[1]}" if found else message
