"""The command `emonet-voice bench`.

Only Typer and Rich are imported here, everything heavy inside the commands: `--help` has to
answer at once.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from dataset_scripts.corpora import CORPORA

from .options import (
    FLAG,
    AsJson,
    Classes,
    Markdown,
    UsageError,
    careful_with,
    check_one_format,
    class_meanings,
    make_group,
    quiet_libraries,
)
from .terminal import Terminal, echo

PLOTS = (".png", ".svg")

bench = make_group("bench")


@bench.callback()
def about() -> None:
    """EmoNet-Voice Bench and the corpora beside it as data sets for the Hub.

    Example: `emonet-voice bench build t1a5anu-anon/emonet-voice-bench bench/`

    Example: `emonet-voice bench stats bench/`
    """


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
        str, typer.Option(metavar="NAME", help=f"What SRC holds: {', '.join(CORPORA)}.")
    ] = "bench",
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV|PATTERN",
            help="SRC is a folder of yours: columns file, label, speaker[, text]; or how its paths "
            "are made, such as `{speaker}_{}_{label}_{}`.",
        ),
    ] = None,
    classes: Classes = None,
    revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Branch, tag or commit of SRC on the Hub.")
    ] = None,
    max_shard_mb: Annotated[
        float,
        typer.Option(metavar="MB", min=0.001, help="About the largest size of a Parquet file."),
    ] = 400.0,
    no_assert: Annotated[
        bool,
        typer.Option(
            "--no-assert",
            metavar=FLAG,
            help="Build it even if its counts are not the published ones.",
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

    Example: `emonet-voice bench build recordings/ mine/ --labels recordings/labels.csv`

    Example: `emonet-voice bench build CREMA-D/AudioWAV cremad/ --labels "{speaker}_{}_{label}_{}"`
    """
    from dataset_scripts.building.build import build as build_corpus
    from dataset_scripts.building.manifest import OtherCountsError
    from dataset_scripts.stats.acoustic_columns import measured
    from modeling_empathic.report.progress import progress_bar

    careful_with(source)
    stderr = Terminal(stderr=True)
    if not stderr.is_terminal:
        quiet_libraries()  # the Hub's bars would fill a log
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
                labels=labels,
                classes=class_meanings(classes),
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
    except OtherCountsError as error:
        raise UsageError(f"{error}; --no-assert builds it anyway") from None
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
    echo(f"{', '.join(parts)}; {len(files)} files, {size:,.1f} MB. {done} {out}")


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
    as_json: AsJson = False,
    markdown: Markdown = False,
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
    from dataset_scripts.stats import acoustics_plot, acoustics_tables, bench_plot, bench_tables
    from dataset_scripts.stats.acoustic_columns import read_acoustics
    from dataset_scripts.stats.acoustics import differences
    from dataset_scripts.stats.bench import stats as bench_stats
    from modeling_empathic.report.files import as_json as to_json

    check_one_format(as_json, markdown)
    for file in plot or ():
        if file.suffix not in PLOTS:
            raise UsageError(f"--plot {file}: choose a name that ends in {' or '.join(PLOTS)}")
    result: Any
    if acoustics:
        result = differences(*read_acoustics(folder))
        rows = {"features": result.features, "effects": result.effects}
        data = {name: [row._asdict() for row in part] for name, part in rows.items()}
    else:
        result = data = bench_stats(folder, matrix=matrix)
    tables: Any = acoustics_tables if acoustics else bench_tables
    if as_json:
        typer.echo(to_json(data))
    else:
        text = tables.as_markdown(result) if markdown else tables.as_text(result, Terminal().width)
        typer.echo(text, nl=False)
    for file in plot or ():
        (acoustics_plot if acoustics else bench_plot).plot(result, file)
        echo(f"Written to {file}", err=True)
