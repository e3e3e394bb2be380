"""The command `emonet-voice demo`: a Space on this machine."""

import os
import sys
from typing import Annotated

import typer

from emonet_voice.hub.repositories import project_folder

from .options import UsageError

SPACES = {
    "voice": "empathic_insight_voice",
    "annotation": "emotion_annotation",
    "leaderboard": "emonet_voice_leaderboard",
}


def demo(
    space: Annotated[
        str, typer.Argument(metavar="SPACE", help="voice, annotation or leaderboard.")
    ] = "voice",
    port: Annotated[
        int | None, typer.Option(metavar="N", help="Port to listen on.", show_default="7860")
    ] = None,
) -> None:
    """Start a Space on this machine, with the built-in model: hear, annotate or compare.

    Opens on http://127.0.0.1:7860 and runs until Ctrl-C. Needs `pip install "emonet-voice[space]"`.

    Example: `emonet-voice demo`

    Example: `emonet-voice demo annotation --port 7861`
    """
    from importlib.util import find_spec

    from modeling_empathic import NANO

    if space not in SPACES:
        raise UsageError(f"no Space {space!r}; choose from {', '.join(SPACES)}")
    if find_spec("gradio") is None:
        raise UsageError('gradio is not installed: pip install "emonet-voice[space]"')
    os.environ.setdefault("EMONET_MODEL_FOLDER", str(NANO))
    if port is not None:
        os.environ["GRADIO_SERVER_PORT"] = str(port)
    # The Space as the Hub runs it, its own program in its own folder; but Nano comes without the
    # code that a model on the Hub has beside it, so that this package brings it.
    os.chdir(project_folder(f"spaces/{SPACES[space]}"))
    program = "import modeling_empathic, runpy; runpy.run_path('app.py', run_name='__main__')"
    os.execv(sys.executable, [sys.executable, "-c", program])
