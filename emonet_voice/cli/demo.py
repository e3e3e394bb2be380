"""The command `emonet-voice demo`: a Space on this machine."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from emonet_voice.hub.repositories import project_folder

from .options import MODELS, Revision, UsageError, Yes, completing
from .ready import ready
from .terminal import echo

SPACES = {
    "voice": "empathic_insight_voice",
    "annotation": "emotion_annotation",
    "leaderboard": "emonet_voice_leaderboard",
    "metric": "emonet_voice",
}

# The Space as the Hub runs it, its own program in its own folder; but Nano comes without the code
# that a model on the Hub has beside it, so that this package brings it, and Gradio's advice to
# change the program for a public link is not for who typed a command.
PROGRAM = """
import sys
# Ctrl-C before Gradio waits for it is no fault.
sys.excepthook = lambda kind, *of: kind is KeyboardInterrupt or sys.__excepthook__(kind, *of)
import runpy
import gradio.blocks
import modeling_empathic
gradio.blocks.print = lambda *words, **how: "share=True" in str(words) or print(*words, **how)
runpy.run_path("app.py", run_name="__main__")
"""


def demo(
    space: Annotated[
        str,
        typer.Argument(
            metavar="SPACE",
            help="voice, annotation, leaderboard or metric.",
            autocompletion=completing(*SPACES),
        ),
    ] = "voice",
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help=f"Of the Space voice: {MODELS}, folder or Hub id.",
            show_default="nano, built in",
        ),
    ] = None,
    revision: Revision = None,
    yes: Yes = False,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=65_535, help="Port to listen on.", show_default="7860"
        ),
    ] = None,
) -> None:
    """Start a Space on this machine: hear, annotate, compare or compute.

    Opens on http://127.0.0.1:7860 and runs until Ctrl-C. Needs `pip install "emonet-voice[space]"`.

    Example: `emonet-voice demo --model small`

    Example: `emonet-voice demo annotation --port 7861`
    """
    from importlib.util import find_spec

    if space not in SPACES:
        raise UsageError(f"no Space {space!r}; choose from {', '.join(SPACES)}")
    if find_spec("gradio") is None:
        raise UsageError('gradio is not installed: pip install "emonet-voice[space]"')
    if space == "voice":
        if model or "EMONET_MODEL_FOLDER" not in os.environ:
            os.environ["EMONET_MODEL_FOLDER"] = _folder(model, revision, yes=yes)
    elif model:
        raise UsageError(f"--model is for the Space voice, not for {space}")
    if port is not None:
        os.environ["GRADIO_SERVER_PORT"] = str(port)
    echo(f"Starting the Space {space}; Ctrl-C ends it", err=True)
    os.chdir(project_folder(f"spaces/{SPACES[space]}"))
    os.execv(sys.executable, [sys.executable, "-c", PROGRAM])


def _folder(model: str | None, revision: str | None, *, yes: bool) -> str:
    """The folder of a model; of one that the Hub has in safetensors, as it is downloaded."""
    source, revision = ready(model, revision, yes=yes)
    folder = str(Path(source).absolute())  # the Space runs in its own folder
    if not Path(source).is_dir():
        from huggingface_hub import snapshot_download

        wanted = ["*.json", "*.safetensors", "*.py"]
        folder = snapshot_download(source, revision=revision, allow_patterns=wanted)
    with suppress(OSError, ValueError):  # of which the Space says what is wrong
        config = json.loads(Path(folder, "config.json").read_text("utf-8"))
        if config.get("problem_type") not in (None, "regression"):
            raise UsageError(
                f"--model {model} was taught classes, and the Space shows strengths: "
                "emonet-voice score says its probabilities"
            )
    return folder
