"""The command `emonet-voice big generate`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from . import options
from .terminal import Terminal, echo


def generate(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="What `big plan` wrote.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make or to go on with.")],
    engine: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="espeak-ng (offline), openai, or a command such as 'say {text} {output}'.",
        ),
    ] = "espeak-ng",
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of openai.", show_default="gpt-audio-1.5"),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another server with OpenAI's API.")
    ] = None,
    attempts: Annotated[int, typer.Option(metavar="N", min=1, help="Tries for a clip.")] = 3,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Clips at a time.", show_default="processors"),
    ] = None,
    runner: options.Runner = "local",
    as_json: options.AsJson = False,
) -> None:
    """Speak a plan: a FLAC file a clip at 24 kHz, and a table that says what became of each row.

    Every clip is checked: 3 to 30 s, not silent, not clipped, not cut off; its words, and by them
    its language, only where the engine gives a transcript (openai). What fails is spoken again with
    another seed, and in the end has a row that says why. Killed or stopped, the same command goes
    on where it was; on a finished OUT it asks again for rows whose engine gave nothing. With
    --runner ray (the extra scale) all machines of a Ray cluster speak into OUT, which each must
    have.

    A command is run without a shell, a clip each: `{text}`, `{output}` and, as wanted, `{prompt}`,
    `{language}`, `{accent}`, `{voice}`, `{sex}`, `{emotion}`, `{intensity}`, `{seed}`.

    The key of openai comes from OPENAI_API_KEY only; each clip costs what that service charges.

    Exit code: 0 every row has a clip, 1 some have none, 2 could not run.

    Example: `emonet-voice big generate plan.parquet spoken/`

    Example: `emonet-voice big generate plan.parquet spoken/ --engine openai --workers 8`

    Example: `emonet-voice big generate plan.parquet spoken/ --runner ray`

    Example: `emonet-voice big generate plan.parquet spoken/
    --engine "piper --speaker {voice} --output {output} {text}"`
    """
    import json

    from dataset_scripts.generation.generate import generate as speak
    from modeling_empathic.report.progress import progress_bar

    stderr = Terminal(stderr=True)
    try:
        with progress_bar(stderr, verb="Speaking") as progress:
            task = progress.add_task("", total=None, rate="clips")
            counts = speak(
                plan,
                out,
                engine,
                model=model,
                base_url=base_url,
                attempts=attempts,
                workers=workers or (None if runner == "ray" else os.cpu_count() or 1),
                runner=runner,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
    except KeyboardInterrupt:
        stderr.print("stopped: finished clips are kept; run the same command to go on")
        raise typer.Exit(130) from None
    total, spoken = sum(counts.values()), counts.get("spoken", 0)
    if as_json:
        typer.echo(json.dumps({"clips": total, "outcomes": counts}, indent=2))
    else:
        others = [f"{n:,} {name}" for name, n in counts.items() if name != "spoken"]
        echo(f"{', '.join([f'{spoken:,} of {total:,} clips spoken', *others])}. Written to {out}")
        if others:
            echo(f"The column reason of {out / 'clips.parquet'} says why")
    raise typer.Exit(0 if spoken == total else 1)
