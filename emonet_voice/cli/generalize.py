"""The command `emonet-voice generalize`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from . import options
from .options import FLAG, UsageError
from .ready import ready
from .terminal import Terminal, echo


def generalize(
    corpus: Annotated[str, typer.Option(metavar="NAME", help="emodb or ravdess.")],
    root: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="The corpus in its own files, or as `bench build` made it."
        ),
    ],
    model: options.Model = None,
    revision: options.Revision = None,
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline",
            metavar=FLAG,
            help="Also compare each head with its scores of the model's reference clips.",
        ),
    ] = False,
    supervised: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Whisper checkpoint: teach a classifier on its states of the corpus.",
        ),
    ] = None,
    acoustic: Annotated[
        bool,
        typer.Option(
            "--acoustic", metavar=FLAG, help="Teach a classifier on pitch, level, tempo and timbre."
        ),
    ] = False,
    states_cache: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where encoder states are kept, .npz.",
            show_default="beside the result",
        ),
    ] = None,
    output: options.ResultFile = None,
    plots: options.Plots = None,
    device: options.Device = "auto",
    as_json: options.AsJson = False,
    markdown: options.Markdown = False,
    yes: options.Yes = False,
) -> None:
    """Show how well a model's emotions tell the classes of real, acted speech apart.

    The paper's section 4.2: softmax over the emotions that Table 11 maps, a class is present when
    one of them exceeds 1.5 times uniform. Beside it what such calls cost, top-1, unweighted average
    recall, macro-F1, confusions, intervals by speaker, and floors.

    With --supervised and --acoustic also what a classifier reaches that is taught the corpus, on
    unheard speakers and on the paper's random 80/20 split.

    Exit code: 0 all scored, 1 some clips failed, 2 could not run.

    Example: `emonet-voice generalize --corpus emodb --root path/to/emodb`

    Example: `emonet-voice generalize --corpus ravdess --root ravdess/ --model
    large --supervised path/to/whisper-base --output result.json`
    """
    from evaluate_metrics.generalize import result as measuring
    from evaluate_metrics.generalize import tables
    from evaluate_metrics.generalize.clips import mapped_heads
    from modeling_empathic.report import files
    from modeling_empathic.report.progress import progress_bar

    options.check_one_format(as_json, markdown)
    options.check_result_file(output)
    if states_cache and (states_cache.suffix != ".npz" or not states_cache.parent.is_dir()):
        raise UsageError(f"--states-cache {states_cache}: choose an .npz file in a folder")
    if not root.is_dir():  # before a model is converted
        raise UsageError(f"--root {root}: no such folder")
    options.quiet_libraries()
    model, revision = ready(model, revision, heads=mapped_heads(corpus), yes=yes)
    stderr = Terminal(stderr=True)
    try:
        with progress_bar(stderr, verb="Generalizing") as bar:

            def progress(verb: str, total: int) -> Callable[[], None]:
                task = bar.add_task("", total=total, rate=verb.lower())
                return lambda: bar.advance(task)

            result = measuring.generalize(
                root,
                corpus,
                model,
                revision=revision,
                device=device,
                baseline=baseline,
                supervised=supervised,
                states_cache=states_cache
                or (output.with_suffix(".states.npz") if output else None),
                acoustic=acoustic,
                progress=progress,
            )
    except KeyboardInterrupt:
        stderr.print("stopped: encoder states that have a file are kept")
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(files.as_json(result))
    else:
        text = tables.as_markdown(result) if markdown else tables.as_text(result, Terminal().width)
        typer.echo(text, nl=False)
    if output:
        files.write_json(output, result)
        echo(f"Written to {output}", err=True)
    for file in tables.plot_confusions(result, plots) if plots else ():
        echo(f"Written to {file}", err=True)
    failed = any(set(row["outcomes"]) - {"scored"} for row in result["rows"])
    raise typer.Exit(1 if failed else 0)
