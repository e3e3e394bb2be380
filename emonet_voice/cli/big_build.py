"""The command `emonet-voice big build`."""

from pathlib import Path
from typing import Annotated

import typer

from .options import FLAG, AsJson, Markdown, check_one_format
from .terminal import Terminal, echo


def build(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="OUT",
            help="Annotated folders of clips; also WebDataset tars of mp3 and json, and folders of "
            "audio with a JSON of scores beside each clip.",
        ),
    ],
    packed: Annotated[Path, typer.Argument(metavar="PACKED", help="Folder to make, or to add to.")],
    max_shard_mb: Annotated[
        float, typer.Option(metavar="MB", min=0.001, help="About the size of a Parquet file.")
    ] = 500.0,
    unscored: Annotated[
        bool, typer.Option("--unscored", metavar=FLAG, help="Take clips without scores too.")
    ] = False,
    as_json: AsJson = False,
    markdown: Markdown = False,
) -> None:
    """Pack clips as a data set for the Hub, and show its hours as in the paper's Table 2.

    Typed Parquet with the audio in it, a configuration a language, `acting_challenge` and `all`; a
    README and, last, a manifest of checksums. Copies of the same audio, clips that failed and clips
    without scores are left out, and counted there. Killed or stopped, the same command goes on;
    with more clips it adds files and leaves those that are there as they are. Clips that were
    packed --unscored get their scores once OUT is annotated; only their files are written again.

    Exit code: 0 packed or whole, 2 could not run.

    Example: `emonet-voice big build out/ packed/`

    Example: `emonet-voice big build out/ wild/ de_coral_intense_joy.tar packed/`
    """
    from dataset_scripts.packing.pack import pack
    from dataset_scripts.packing.statistics import sections
    from modeling_empathic.report.files import as_json as to_json
    from modeling_empathic.report.progress import progress_bar
    from modeling_empathic.report.tables import as_markdown, as_text

    check_one_format(as_json, markdown)
    stderr = Terminal(stderr=True)
    n_read = 0
    try:
        with progress_bar(stderr, verb="Packing") as progress:
            task = progress.add_task("", total=None, rate="clips")

            def show(done: int) -> None:
                nonlocal n_read
                n_read = done
                progress.update(task, completed=done)

            manifest, n_new = pack(
                sources,
                packed,
                max_shard_mb=max_shard_mb,
                unscored=unscored,
                progress=show,
            )
    except KeyboardInterrupt:
        stderr.print("stopped: finished files are kept; run the same command to go on")
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(to_json({key: manifest[key] for key in ("counts", "statistics", "sources")}))
    else:
        tables = sections(manifest["statistics"])
        text = as_markdown(tables) if markdown else as_text(tables, Terminal().width)
        typer.echo(text, nl=False)
    counts, files = dict(manifest["counts"]), manifest["files"]
    parts = [f"{counts.pop('clips'):,} clips, {n_new:,} of them new"]
    parts += [f"{n:,} {key}" for key, n in counts.items()]
    size = sum(file["bytes"] for file in files.values()) / 1e6
    done = "Written to" if n_read else "Nothing to add: every checksum holds in"
    line = f"{', '.join(parts)}; {len(files)} files, {size:,.1f} MB. {done} {packed}"
    echo(line, err=as_json or markdown)
