"""The command `emonet-voice big segment`."""

from pathlib import Path
from typing import Annotated

import typer

from .options import UsageError
from .terminal import Terminal, echo

SPEECH = ("level", "silero")


def segment(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Recordings, however long.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of clips to make.")],
    speech: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Who tells speech from other sound: silero (needs silero-vad), or level, which "
            "takes everything loud for speech.",
        ),
    ] = "level",
    shortest: Annotated[
        float, typer.Option(metavar="S", help="Shorter stretches of speech are left out.")
    ] = 3.0,
    longest: Annotated[
        float, typer.Option(metavar="S", help="Longer ones are cut where they are quietest.")
    ] = 12.0,
    pause: Annotated[
        float,
        typer.Option(
            metavar="S", min=0, max=30, help="Stretches no further apart become one clip."
        ),
    ] = 0.5,
    language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="What is spoken there: en, de, …", show_default="none"),
    ] = None,
) -> None:
    """Cut the speech of long recordings into clips of 3 to 12 s, for `big annotate`.

    Clips are FLAC at 24 kHz, mono; `clips.parquet` says of each from which recording and from when
    to when it is. A recording is read block by block, however long it is. Killed or stopped, the
    same command goes on after the last whole recording; with more recordings, it adds theirs.

    Exit code: 0 all were read, 1 some could not be, 2 could not run.

    Example: `emonet-voice big segment recordings/ wild/ --language de`
    """
    from dataset_scripts.packing.segments import segment as segment_all
    from dataset_scripts.packing.silero import silero
    from dataset_scripts.packing.speech import Cutting
    from modeling_empathic.report.progress import progress_bar

    if speech not in SPEECH:
        raise UsageError(f"--speech {speech}: choose {' or '.join(SPEECH)}")
    stderr = Terminal(stderr=True)
    try:
        with progress_bar(stderr, verb="Cutting") as progress:
            task = progress.add_task("", total=None, rate="recordings")
            counts = segment_all(
                folder,
                out,
                cutting=Cutting(shortest, longest, pause),
                listener=silero() if speech == "silero" else None,
                listener_name=speech,
                language=language,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
    except KeyboardInterrupt:
        stderr.print("stopped: whole recordings are kept; run the same command to go on")
        raise typer.Exit(130) from None
    parts = [f"{counts['clips']:,} clips of {counts['recordings']:,} recordings"]
    if counts["copies"]:
        parts.append(f"{counts['copies']:,} the same as others")
    if counts["failed"]:
        parts.append(f"{counts['failed']:,} could not be read (clips.parquet says why)")
    echo(f"{', '.join(parts)}. Written to {out}")
    raise typer.Exit(1 if counts["failed"] else 0)
