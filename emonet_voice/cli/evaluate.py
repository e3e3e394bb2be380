"""The command `emonet-voice evaluate`.

Only Typer and Rich are imported here, everything heavy inside the command: `--help` has to answer
at once.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .leaderboard import leaderboard as merge_results
from .options import (
    DEVICES,
    FLAG,
    MODELS,
    REVISION,
    AsJson,
    Bench,
    BenchConfig,
    BenchRevision,
    Markdown,
    Plots,
    ResultFile,
    Scale,
    UsageError,
    Yes,
    careful_with,
    check_one_format,
    check_result_file,
    quiet_libraries,
)
from .ready import ready
from .terminal import Terminal, echo

if TYPE_CHECKING:
    import pyarrow as pa

    from evaluate_metrics.bench.predictions import Predictions
    from evaluate_metrics.bench.result import Result

SCORING = "With --model"


def evaluate(
    predictions: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PREDICTIONS",
            help="Prediction file or score file: .parquet, .jsonl or .csv.",
            show_default=False,
        ),
    ] = None,
    bench: Bench = None,
    config: BenchConfig = "default",
    revision: BenchRevision = None,
    scale: Scale = None,
    system: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name in the tables.", show_default="the file's model"),
    ] = None,
    vs: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHER", help="Second prediction or score file: show the differences."
        ),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            metavar=FLAG,
            help="With --vs: how small a difference such a comparison finds, and how many clips "
            "it takes.",
        ),
    ] = False,
    plots: Plots = None,
    output: ResultFile = None,
    leaderboard: Annotated[Path | None, typer.Option(hidden=True)] = None,
    resamples: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Of the bootstrap.", show_default="1000"),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the bootstrap.")] = 42,
    seconds_a_clip: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            min=0,
            help="What the system took, for the leaderboard.",
            show_default="what collect measured",
        ),
    ] = None,
    usd_a_clip: Annotated[
        float | None,
        typer.Option(metavar="USD", min=0, help="What it cost, for the leaderboard."),
    ] = None,
    as_json: AsJson = False,
    markdown: Markdown = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help=f"Score the Bench's clips first with this one: {MODELS}, folder or Hub id.",
            rich_help_panel=SCORING,
        ),
    ] = None,
    model_revision: Annotated[
        str | None, typer.Option(metavar="REV", help=REVISION, rich_help_panel=SCORING)
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Score file to write or to go on with.",
            show_default="MODEL-BENCH-CONFIG.parquet, here",
            rich_help_panel=SCORING,
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", help=DEVICES, rich_help_panel=SCORING)
    ] = "auto",
    dtype: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="float32, bfloat16, float16, mixed or auto.",
            rich_help_panel=SCORING,
        ),
    ] = "auto",
    yes: Yes = False,
) -> None:
    """Show how a system's scores agree with the raters of Bench, beside the published systems.

    Tables 5 and 6 of the paper with this system's row and column, 95 % intervals, floors, and a
    count of every kind of failure: none is a zero. Clips are matched by clip_id; those without a
    counterpart are counted and named.

    A prediction file has the columns clip_id, emotion, score and outcome (scored, refused,
    unmapped, parse_error, transport_error, decode_error). A score file is what `score` writes.

    --vs shows differences on the rows that both systems scored: paired bootstrap, p values, by
    emotion corrected after Holm.

    Exit code: 0 shown, 1 some inputs failed, 2 could not run.

    Example: `emonet-voice evaluate scores.parquet --bench laion/emonet-voice-bench --output
    small.json`

    Example: `emonet-voice evaluate gpt.jsonl --bench bench/ --vs scores.parquet --plots plots/`

    Example: `emonet-voice evaluate --model small --bench bench/`

    Example: `emonet-voice evaluate gpt.jsonl --bench bench/ --vs scores.parquet --plan`
    """
    files = predictions or []
    if leaderboard:
        _merge_as_before(files, leaderboard, as_json, alone=not (bench or model))
    check_one_format(as_json, markdown)
    check_result_file(output)
    if model and files:
        raise UsageError("give PREDICTIONS or --model, not both")
    if not model and len(files) != 1:
        raise UsageError(f"give one file of predictions, or --model; there are {len(files)}")
    if plan and not vs:
        raise UsageError("--plan needs --vs: two systems that differ as those to be compared")
    if bench is None:
        raise UsageError("--bench is missing: folder of `bench build`, or Hub id")
    from evaluate_metrics.bench.evaluation import evaluate, write_result
    from evaluate_metrics.bench.predictions import read_predictions
    from evaluate_metrics.bench.reader import read_bench
    from modeling_empathic.report.progress import status

    quiet_libraries()
    careful_with(bench)
    stderr = Terminal(stderr=True)
    with status(stderr, "Reading the Bench"):
        labels = read_bench(bench, config, revision)
    other = read_predictions(vs) if vs else None
    n_failed = 0
    if model:
        scores = scores or Path(f"{_stem(model)}-{_stem(bench)}-{config}.parquet")
        source, model_revision = ready(model, model_revision, dtype=dtype, device=device, yes=yes)
        loading = {"revision": model_revision, "device": device, "dtype": dtype}
        n_clips = len(set(labels["clip_id"].to_pylist()))
        n_failed = _score(source, loading, (bench, config, revision), scores, n_clips)
        files = [scores]
    mine = read_predictions(files[0], scale)
    costs = {"seconds_a_clip": seconds_a_clip, "usd_a_clip": usd_a_clip}
    said = {name: value for name, value in costs.items() if value is not None}
    mine = mine._replace(provenance=mine.provenance | said)
    with status(stderr, "Resampling"):
        result = evaluate(
            mine,
            labels,
            system=system or _name(mine, files[0]),
            n_resamples=1000 if resamples is None else resamples,
            seed=seed,
        )
        if other and vs:
            result = _compared(result, mine, other, labels, _name(other, vs), resamples, seed)
    _show(result, as_json=as_json, markdown=markdown, planned=plan)
    if output:
        write_result(result, output)
        echo(f"Written to {output}", err=True)
    for file in _plot(result, mine, labels, plots) if plots else ():
        echo(f"Written to {file}", err=True)
    raise typer.Exit(1 if n_failed else 0)


def _merge_as_before(files: list[Path], folder: Path, as_json: bool, *, alone: bool) -> None:
    """The spelling of 0.1, until 0.3."""
    if not files or not alone:
        raise UsageError("--leaderboard takes results of --output, and no --bench or --model")
    new = "emonet-voice leaderboard RESULTS --output DIR"
    echo(f"`evaluate --leaderboard` is now `{new}`", err=True)
    merge_results(files, folder, as_json=as_json)


def _stem(source: str) -> str:
    """The last part of a path or Hub id, as a part of a file's name."""
    last = Path(source).resolve().name if Path(source).is_dir() else source.rsplit("/", 1)[-1]
    return re.sub(r"[^\w.-]", "_", last).lstrip(".")


def _name(predictions: "Predictions", file: Path) -> str:
    model = predictions.provenance.get("model")
    return model if isinstance(model, str) and model.strip() else file.stem


def _score(
    model: str,
    loading: dict[str, Any],
    bench: tuple[str, str, str | None],
    scores: Path,
    n_clips: int,
) -> int:
    """Scores the Bench into a score file that stays; the number of clips that failed.

    Args:
        model: Folder or Hub id.
        loading: Its revision, device and dtype.
        bench: Source, configuration and revision.
        scores: The file.
        n_clips: Of the Bench.
    """
    from evaluate_metrics.bench.scoring import score_bench
    from modeling_empathic.report.progress import progress_bar, status
    from modeling_empathic.scoring.loading import load_model

    stderr = Terminal(stderr=True)
    source, config, revision = bench
    with status(stderr, "Loading the model"):
        loaded = load_model(model, heads=[], **loading)
    try:
        with progress_bar(stderr, shown=True) as progress:
            task = progress.add_task("", total=n_clips, rate="clips")
            n_failed = score_bench(
                loaded,
                source,
                scores,
                config=config,
                revision=revision,
                on_clips=lambda n: progress.advance(task, n),
            )
    except KeyboardInterrupt:
        line = f"stopped: clips are kept beside {scores}; run the same command to go on"
        stderr.print(line, soft_wrap=True, markup=False)
        raise typer.Exit(130) from None
    stderr.print(f"Scores are in {scores}", soft_wrap=True, markup=False)
    return n_failed


def _compared(
    result: "Result",
    mine: "Predictions",
    other: "Predictions",
    labels: "pa.Table",
    name: str,
    resamples: int | None,
    seed: int,
) -> "Result":
    """The result with its comparison."""
    from dataclasses import replace

    from evaluate_metrics.bench.comparison import N_RESAMPLES, compare

    n = N_RESAMPLES if resamples is None else resamples
    return replace(result, comparison=compare(mine, other, labels, n, seed, system=name))


def _show(result: "Result", *, as_json: bool, markdown: bool, planned: bool) -> None:
    from dataclasses import asdict

    from evaluate_metrics.bench import comparison_tables, details_tables, plan, tables
    from evaluate_metrics.published import published_table5, published_table6
    from modeling_empathic.report import tables as report
    from modeling_empathic.report.files import as_json as to_json

    plans = plan.plan(result.comparison) if planned and result.comparison else []
    if as_json:
        published = {"table5": published_table5(), "table6": published_table6()}
        extra = {"published": published} | ({"plan": list(map(asdict, plans))} if planned else {})
        typer.echo(to_json(result.to_json() | extra))
        return
    console = Terminal()
    width = None if markdown else console.width
    sections = tables.sections(result, width)
    if result.details:
        sections[-1:-1] = details_tables.sections(result.details, width)
    if of := result.comparison:
        unit = (result.bench.grouped_by if of.bootstrap.unit == "group" else None) or "row"
        sections += comparison_tables.sections(of, result.system, of.system, width, unit)
        if planned:
            sections.append(plan.section(plans, unit))
    if markdown:
        typer.echo(report.as_markdown(sections), nl=False)
    else:
        report.show(sections, console)


def _plot(
    result: "Result", predictions: "Predictions", labels: "pa.Table", folder: Path
) -> list[Path]:
    from dataset_scripts.agreement import OVERALL, alpha_by_emotion
    from dataset_scripts.stats.bench import read_ratings
    from evaluate_metrics.bench.evaluation import pairs
    from evaluate_metrics.bench.plots.result import plot_all

    alphas = {}
    if "ratings" in labels.column_names:
        by_emotion = alpha_by_emotion(read_ratings(labels), n_resamples=0)
        alphas = {name: alpha.value for name, alpha in by_emotion.items() if name != OVERALL}
    return plot_all(result, pairs(predictions, labels), alphas, folder)
