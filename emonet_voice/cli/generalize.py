"""The command `emonet-voice generalize`.

Only Typer and Rich are imported here, everything heavy inside the command: `--help` has to answer
at once.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .options import FLAG, UsageError


def generalize(
    corpus: Annotated[str, typer.Option(metavar="NAME", help="emodb or ravdess.")],
    root: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="The corpus in its own files, or as `bench build` made it."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Folder or Hub id.", show_default="Nano, built in"),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Branch, tag or commit of a model on the Hub.")
    ] = None,
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
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Result to write, .json."),
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for pictures of the confusions.")
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, openvino, cuda, cuda:N or mps.")
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", metavar=FLAG, help="Print JSON.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", metavar=FLAG, help="Print Markdown, as for a card.")
    ] = False,
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
    laion/Empathic-Insight-Voice-Large --supervised path/to/whisper-base --output result.json`
    """
    from dataset_scripts.corpora.raw_release import RawReleaseError
    from evaluate_metrics.bench.evaluation import write_result
    from evaluate_metrics.bench.predictions import EvaluationError
    from evaluate_metrics.generalize import tables as generalize_tables
    from evaluate_metrics.generalize.result import generalize
    from modeling_empathic.report.files import as_json as to_json
    from modeling_empathic.report.progress import progress_bar

    if as_json and markdown:
        raise UsageError("choose --json or --markdown")
    if output and (output.suffix != ".json" or not output.parent.is_dir()):
        raise UsageError(f"--output {output}: choose a .json file in a folder that exists")
    if states_cache and (states_cache.suffix != ".npz" or not states_cache.parent.is_dir()):
        raise UsageError(f"--states-cache {states_cache}: choose an .npz file in a folder")
    _quiet_libraries()
    stderr = Console(stderr=True, highlight=False)
    try:
        with progress_bar(stderr, shown=True, verb="Generalizing") as bar:

            def progress(verb: str, total: int) -> Callable[[], None]:
                task = bar.add_task("", total=total, rate=verb.lower())
                return lambda: bar.advance(task)

            result = generalize(
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
    except (EvaluationError, RawReleaseError) as error:
        raise UsageError(" ".join(str(error).split())) from None
    except KeyboardInterrupt:
        stderr.print("stopped: encoder states that have a file are kept")
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(to_json(result))
    else:
        show = generalize_tables.as_markdown if markdown else generalize_tables.as_text
        typer.echo(show(result), nl=False)
    if output:
        write_result(result, output)
        typer.echo(f"Written to {output}", err=True)
    for file in generalize_tables.plot_confusions(result, plots) if plots else ():
        typer.echo(f"Written to {file}", err=True)
    failed = any(set(row["outcomes"]) - {"scored"} for row in result["rows"])
    raise typer.Exit(1 if failed else 0)


def _quiet_libraries() -> None:
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    hub_logging.set_verbosity_error()
