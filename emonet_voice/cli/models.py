"""The command `emonet-voice models`."""

from typing import Annotated

import typer

from .options import FLAG, AsJson, Markdown, check_one_format
from .terminal import Terminal


def models(
    as_json: AsJson = False,
    markdown: Markdown = False,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            metavar=FLAG,
            help="Time the encoder on this processor instead, in every way it can be computed: a "
            "minute that checks what --device auto takes.",
        ),
    ] = False,
) -> None:
    """List the models with short names: what is here, what each takes, and what it is for.

    Asks nothing of the Hub. The column `here` says what this machine has: converted heads, or a
    repository in safetensors that was downloaded.

    Example: `emonet-voice models`

    Example: `emonet-voice models --measure`
    """
    check_one_format(as_json, markdown)
    if measure:
        _measure(as_json=as_json, markdown=markdown)
        return
    from emonet_voice.models import measured, rows, table
    from modeling_empathic.report import files, tables

    if as_json:
        about = {key: measured()[key] for key in ("machine", "clip_s", "conversion")}
        typer.echo(files.as_json({"models": rows(), "measured": about}))
    elif markdown:
        typer.echo(tables.as_markdown([table(rows())]), nl=False)
    else:
        console = Terminal()
        tables.show([table(rows(), wide=console.width >= 110)], console)


def _measure(*, as_json: bool, markdown: bool) -> None:
    """Times the released models' encoder on this machine, and says whether `auto` is right."""
    from modeling_empathic.report import files, tables
    from modeling_empathic.report.progress import status
    from modeling_empathic.scoring.devices import processor
    from modeling_empathic.scoring.measuring import RUNS, measure, verdict

    with status(Terminal(stderr=True), "Timing the encoder"):
        ways = list(measure())
    said, units = verdict(ways), processor()
    if as_json:
        found = [way._asdict() for way in ways]
        typer.echo(files.as_json({"processor": units, "ways": found, "verdict": said}))
        return
    lines = [
        [
            f"--device {way.device} --dtype {way.dtype}",
            f"{way.seconds:.2f} s",
            f"{way.low:.2f} to {way.high:.2f} s",
            "auto" if way.chosen else "",
        ]
        for way in ways
    ]
    note = (
        f"Whisper small's encoder with random weights, a window of 30 s; median of {RUNS}. "
        f"Processor: {', '.join(units) or 'not known'}."
    )
    columns = ["way", "encoder", "range", "takes it"]
    section = tables.plain("", columns, lines, note, *said)
    if markdown:
        typer.echo(tables.as_markdown([section]), nl=False)
    else:
        tables.show([section], Terminal())
