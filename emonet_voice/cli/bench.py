"""The command `emonet-voice bench`.

Only Typer and Rich are imported here, everything heavy inside the commands: `--help` has to
answer at once.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from .options import FLAG, UsageError, make_group

PLOTS = (".png", ".svg")

bench = make_group("bench")


@bench.callback()
def about() -> None:
    """EmoNet-Voice Bench and the corpora beside it as data sets for the Hub."""


@bench.command(no_args_is_help=True)
def build(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC",
            help="Folder of the raw release or of a corpus; for Bench also a Hub id, such as "
            "t1a5anu-anon/emonet-voice-bench.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.")],
    corpus: Annotated[
        str, typer.Option(metavar="NAME", help="What SRC holds: bench, emodb or ravdess.")
    ] = "bench",
    revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Branch, tag or commit of SRC on the Hub.")
    ] = None,
    max_shard_mb: Annotated[
        float, typer.Option(metavar="MB", help="About the largest size of a Parquet file.")
    ] = 400.0,
    no_assert: Annotated[
        bool,
        typer.Option(
            "--no-assert", metavar=FLAG, help="Build it even if its counts are not the published."
        ),
    ] = False,
    acoustics: Annotated[
        bool,
        typer.Option(
            "--acoustics", metavar=FLAG, help="Add columns of pitch, level, tempo and timbre."
        ),
    ] = False,
) -> None:
    """Build a corpus as typed Parquet with its README, ready for `load_dataset` and the Hub.

    Audio is copied byte for byte. OUT appears under its name only when it is whole; stopped or
    killed, the same command goes on where it was, and on a finished OUT it checks every file.

    For Bench, the published counts must hold: 42 x 300 clips, 33,605 ratings, 4,692 clips in which
    every rater found the emotion.

    Exit code: 0 built or whole, 2 could not run.

    Example: `emonet-voice bench build t1a5anu-anon/emonet-voice-bench bench/`

    Example: `emonet-voice bench build path/to/emodb emodb/ --corpus emodb --acoustics`
    """
    from dataset_scripts.building.build import build as build_corpus
    from dataset_scripts.building.manifest import BuildError
    from dataset_scripts.corpora.raw_release import RawReleaseError
    from dataset_scripts.stats.acoustic_columns import measured
    from modeling_empathic.report.progress import progress_bar

    stderr = Console(stderr=True, highlight=False)
    failures: list[str] = []
    try:
        with ExitStack() as stack:
            measure = stack.enter_context(measured(failures)) if acoustics else None
            progress = stack.enter_context(progress_bar(stderr, shown=True, verb="Building"))
            task = progress.add_task("", total=None, rate="clips")
            manifest, n_written = build_corpus(
                source,
                out,
                corpus=corpus,
                revision=revision,
                assert_counts=not no_assert,
                max_shard_mb=max_shard_mb,
                acoustics=measure,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
    except (BuildError, RawReleaseError) as error:
        raise UsageError(" ".join(str(error).split())) from None
    except KeyboardInterrupt:
        stderr.print("stopped: finished files are kept; run the same command to go on")
        raise typer.Exit(130) from None
    counts, files = manifest["counts"], manifest["files"]
    parts = [f"{counts['clips']:,} clips"]
    if "ratings" in counts:
        parts.append(f"{counts['ratings']:,} ratings")
        parts.append(f"{counts['unanimous_present']:,} unanimous in presence")
    parts += [f"{n:,} {key}" for key, n in counts.items() if key.startswith("left out")]
    if failures:
        parts.append(f"{len(failures):,} without acoustics (such as: {failures[0]})")
    size = sum(file["bytes"] for file in files.values()) / 1e6
    done = "Written to" if n_written else "Nothing to do: every checksum holds in"
    typer.echo(f"{', '.join(parts)}; {len(files)} files, {size:,.1f} MB. {done} {out}")


@bench.command(no_args_is_help=True)
def stats(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `bench build` made for Bench.")
    ],
    matrix: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="What Cronbach's α is of: first_two, complete, seats or raters."
        ),
    ] = "first_two",
    acoustics: Annotated[
        bool,
        typer.Option(
            "--acoustics", metavar=FLAG, help="Show instead which emotions differ in their sound."
        ),
    ] = False,
    plot: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Draw it here, .png or .svg; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar=FLAG, help="Print JSON.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", metavar=FLAG, help="Print Markdown, as for a card.")
    ] = False,
) -> None:
    """Show who rated what, and how far they agree: the paper's Tables 3, 4, 9, 10 and Figure 1.

    What the data do not know, such as a clip's language, is called unknown. α comes with 95 %
    intervals from 1,000 resamples of the clips; where it is undefined, the reason is given.

    With --acoustics, for a corpus that was built so: for each feature how far it differs between
    emotions (Kruskal-Wallis, ε²), and each emotion from the others (Cliff's δ).

    Exit code: 0 shown, 2 could not run.

    Example: `emonet-voice bench stats bench/`

    Example: `emonet-voice bench stats bench/ --plot agreement.png --plot agreement.svg --json`
    """
    from dataset_scripts.stats import acoustics as acoustic_stats
    from dataset_scripts.stats import bench as bench_stats
    from dataset_scripts.stats import bench_plot, bench_tables
    from dataset_scripts.stats.acoustic_columns import read_acoustics
    from modeling_empathic.report.files import as_json as to_json

    if as_json and markdown:
        raise UsageError("choose --json or --markdown")
    for file in plot or ():
        if file.suffix not in PLOTS:
            raise UsageError(f"--plot {file}: choose a name that ends in {' or '.join(PLOTS)}")
    try:
        found: Any
        show: Any
        if acoustics:
            found = acoustic_stats.differences(*read_acoustics(folder))
            rows = {"features": found.features, "effects": found.effects}
            data = {name: [row._asdict() for row in some] for name, some in rows.items()}
            show = acoustic_stats
        else:
            found = data = bench_stats.stats(folder, matrix=matrix)
            show = bench_tables
    except bench_stats.StatsError as error:
        raise UsageError(" ".join(str(error).split())) from None
    if as_json:
        typer.echo(to_json(data))
    else:
        typer.echo(show.as_markdown(found) if markdown else show.as_text(found), nl=False)
    for file in plot or ():
        (acoustic_stats if acoustics else bench_plot).plot(found, file)
        typer.echo(f"Written to {file}", err=True)
