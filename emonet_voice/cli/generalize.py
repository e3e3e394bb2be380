"""The command `emonet-voice generalize`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options
from .options import FLAG, UsageError
from .ready import ready
from .terminal import Terminal, echo


def generalize(
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=DIR]",
            help="emodb, nemo, ravdess, or a name of yours for a folder with labels or a data set; "
            "repeat it as NAME=DIR for several.",
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|ID",
            help="The corpus in its own files, as `bench build` made it, or as a data set.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE|PATTERN",
            help="What the clips of --root are: columns file, label, speaker; or how their paths "
            "are made, such as `{speaker}_{}_{label}_{}`.",
        ),
    ] = None,
    classes: options.Classes = None,
    data_split: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of a data set: one, or train+test.", show_default="all"),
    ] = None,
    config: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a data set: its configuration.")
    ] = None,
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
    unheard speakers and on the paper's random 80/20 split. With several corpora it is also taught
    all but one and tested on that one, in one table over the classes that all of them have.

    A folder of yours has labels.csv or metadata.csv (.jsonl, .parquet), or --labels, with the
    columns file, label (anger, happy, Wut, ..., or one of the 40 emotions) and speaker; with start
    and end (seconds, or 0:01:02.5) or channel (left, right), a line is that part of a recording.
    Without a table, folders that are called as classes are read. In a pattern {} is anything and
    {label:1} one character. A data set, in Parquet or on the Hub, has audio, label and speaker.
    Clips that cannot be used are left out and counted by the reason.

    Exit code: 0 all scored, 1 some clips failed, 2 could not run.

    Example: `emonet-voice generalize --corpus emodb --root path/to/emodb`

    Example: `emonet-voice generalize --corpus ravdess --root ravdess/ --model
    large --supervised path/to/whisper-base --output result.json`

    Example: `emonet-voice generalize --corpus emodb=path/to/emodb --corpus nemo=path/to/nemo
    --supervised path/to/whisper-base --acoustic --plots pictures/`

    Example: `emonet-voice generalize --root recordings/ --labels recordings/labels.csv`

    Example: `emonet-voice generalize --root path/to/parquet --data-split test`

    Example: `emonet-voice generalize --root SAVEE/ --labels "{speaker}_{label}{:2}" --classes
    a=anger,d=disgust,f=fear,h=happiness,n=neutral,sa=sadness,su=surprise`
    """
    from evaluate_metrics.generalize import across, across_tables, tables
    from evaluate_metrics.generalize import result as measuring
    from evaluate_metrics.generalize.clips import corpus_kind, mapped_heads
    from modeling_empathic.report import files
    from modeling_empathic.report.progress import progress_bar

    options.check_one_format(as_json, markdown)
    options.check_result_file(output)
    if states_cache and (states_cache.suffix != ".npz" or not states_cache.parent.is_dir()):
        raise UsageError(f"--states-cache {states_cache}: choose an .npz file in a folder")
    corpora = _corpora(corpus or [], root, labels)
    meanings = options.class_meanings(classes)
    options.quiet_libraries()
    for folder in corpora.values():
        options.careful_with(folder)
    # Before a model is converted:
    kinds = {
        name: (corpus_kind(name, folder, labels, meanings, data_split, config), folder)
        for name, folder in corpora.items()
    }
    if len(kinds) > 1:
        across.shared_classes({name: list(kind.CLASSES) for name, (kind, _) in kinds.items()})
    heads = mapped_heads([kind for kind, _ in kinds.values()])
    model, revision = ready(model, revision, heads=heads, device=device, yes=yes)
    stderr = Terminal(stderr=True)
    try:
        with progress_bar(stderr, verb="Generalizing") as bar:

            def progress(verb: str, total: int) -> Callable[[], None]:
                task = bar.add_task("", total=total, rate=verb.lower())
                return lambda: bar.advance(task)

            how: dict[str, Any] = {
                "revision": revision,
                "device": device,
                "baseline": baseline,
                "supervised": supervised,
                "states_cache": states_cache
                or (output.with_suffix(".states.npz") if output else None),
                "acoustic": acoustic,
                "progress": progress,
            }
            result: Any
            shown: Any
            if len(kinds) > 1:
                shown, result = across_tables, across.measure_across(kinds, model, **how)
            else:
                shown, (heard,) = tables, measuring.hear(kinds, model, **how).values()
                result = heard.result
    except KeyboardInterrupt:
        stderr.print("stopped: encoder states that have a file are kept")
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(files.as_json(result))
    else:
        text = shown.as_markdown(result) if markdown else shown.as_text(result, Terminal().width)
        typer.echo(text, nl=False)
    if output:
        files.write_json(output, result)
        echo(f"Written to {output}", err=True)
    for file in shown.plot(result, plots) if plots else ():
        echo(f"Written to {file}", err=True)
    parts = result["corpora"].values() if len(corpora) > 1 else [result]
    failed = any(set(row["outcomes"]) - {"scored"} for part in parts for row in part["rows"])
    raise typer.Exit(1 if failed else 0)


def _corpora(given: list[str], root: Path | None, labels: Path | None) -> dict[str, Path]:
    """Name -> folder of every corpus, or its id on the Hub."""
    from modeling_empathic.report.files import is_hub_id

    corpora: dict[str, Path] = {}
    for text in given:
        name, equals, folder = text.partition("=")
        if not name or bool(equals) != bool(folder):
            raise UsageError(f"--corpus {text}: NAME, or NAME=DIR")
        if name in corpora:
            raise UsageError(f"--corpus {name} is there twice")
        if not equals and (root is None or len(given) > 1):
            raise UsageError(f"--corpus {name}: say where it is, {name}=DIR")
        if equals and (root or labels):
            raise UsageError("--root and --labels are for one corpus without =DIR")
        corpora[name] = Path(folder) if equals else Path(root or "")
    if not corpora:
        if root is None:
            raise UsageError("--corpus is missing: emodb=DIR, or --root DIR --labels TABLE")
        corpora[root.resolve().name] = root
    for name, path in corpora.items():
        if not path.is_dir() and not is_hub_id(str(path)):
            option = "--root" if root else f"--corpus {name}"
            raise UsageError(f"{option} {path}: no such folder")
    return corpora
