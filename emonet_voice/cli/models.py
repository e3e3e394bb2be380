"""The command `emonet-voice models`."""

import typer

from .options import AsJson, Markdown, check_one_format
from .terminal import Terminal


def models(as_json: AsJson = False, markdown: Markdown = False) -> None:
    """List the models with short names: what is here, what each takes, and what it is for.

    Asks nothing of the Hub. `here` is what this machine has: heads that were converted, or a
    repository in safetensors that was downloaded.

    Example: `emonet-voice models`
    """
    from emonet_voice.models import measured, rows, table
    from modeling_empathic.report import files, tables

    check_one_format(as_json, markdown)
    if as_json:
        about = {key: measured()[key] for key in ("machine", "clip_s", "conversion")}
        typer.echo(files.as_json({"models": rows(), "measured": about}))
    elif markdown:
        typer.echo(tables.as_markdown([table(rows())]), nl=False)
    else:
        console = Terminal()
        tables.show([table(rows(), wide=console.width >= 110)], console)
