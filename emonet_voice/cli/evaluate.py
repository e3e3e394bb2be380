"""The command `emonet-voice evaluate`.

Only Typer and Rich are imported here, everything heavy inside the command: `--help` has to answer
at once.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from .options import FLAG, UsageError

SCORING = "With --model"


def evaluate(
    predictions: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PREDICTIONS",
            help="Prediction file or score file: .parquet, .jsonl or .csv. With --leaderboard, "
            "results of --output.",
            show_default=False,
        ),
    ] = None,
    bench: Annotated[
        str | None,
        typer.Option(metavar="DIR|ID", help="Bench: folder of `bench build`, or Hub id."),
    ] = None,
    config: Annotated[
        str, typer.Option(metavar="NAME", help="Of the Bench: default, all or unanimous.")
    ] = "default",
    revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Branch, tag or commit of a Bench on the Hub.")
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="SCALE",
            help="Of a prediction file that does not say: 0-10, 0-4, 0-1 or 0-2.",
            show_default="0-10",
        ),
    ] = None,
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
    plots: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for pictures.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Result to write, .json."),
    ] = None,
    leaderboard: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Merge results into one table, with files for the Hub."),
    ] = None,
    resamples: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="Of the bootstrap.", show_default="1000; 4000 for --vs"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the bootstrap.")] = 42,
    as_json: Annotated[bool, typer.Option("--json", metavar=FLAG, help="Print JSON.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", metavar=FLAG, help="Print Markdown, as for a card.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Score the Bench's clips first with this one: folder or Hub id.",
            rich_help_panel=SCORING,
        ),
    ] = None,
    model_revision: Annotated[
        str | None,
        typer.Option(
            metavar="REV",
            help="Branch, tag or commit of a model on the Hub.",
            rich_help_panel=SCORING,
        ),
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
        str,
        typer.Option(
            metavar="NAME",
            help="auto, cpu, openvino, cuda, cuda:N or mps.",
            rich_help_panel=SCORING,
        ),
    ] = "auto",
    dtype: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="float32, bfloat16, float16, mixed or auto.",
            rich_help_panel=SCORING,
        ),
    ] = "auto",
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

    Example: `emonet-voice evaluate --model laion/Empathic-Insight-Voice-Small --bench bench/`

    Example: `emonet-voice evaluate small.json gpt.json --leaderboard board/`
    """
    files = predictions or []
    if as_json and markdown:
        raise UsageError("choose --json or --markdown")
    _check_inputs(files, bench, model, leaderboard)
    if output and (output.suffix != ".json" or not output.parent.is_dir()):
        raise UsageError(f"--output {output}: choose a .json file in a folder that exists")
    _quiet_libraries()
    with _one_line_errors():
        if leaderboard:
            raise typer.Exit(_leaderboard(files, leaderboard, as_json))
        if bench is None:
            raise UsageError("--bench is missing: folder of `bench build`, or Hub id")
        from evaluate_metrics.bench.comparison import N_RESAMPLES, compare
        from evaluate_metrics.bench.evaluation import evaluate, write_result
        from evaluate_metrics.bench.predictions import read_predictions
        from evaluate_metrics.bench.reader import read_bench

        stderr = Console(stderr=True, highlight=False)
        with stderr.status("Reading the Bench"):
            table = read_bench(bench, config, revision)
        other = read_predictions(vs) if vs else None
        n_failed = 0
        if model:
            scores = scores or Path(f"{_stem(model)}-{_stem(bench)}-{config}.parquet")
            loading = {"revision": model_revision, "device": device, "dtype": dtype}
            n_clips = len(set(table["clip_id"].to_pylist()))
            n_failed = _score(model, loading, bench, config, revision, scores, n_clips)
            files = [scores]
        mine = read_predictions(files[0], scale)
        with stderr.status("Resampling"):
            result = evaluate(
                mine,
                table,
                system=system or _name(mine.provenance, files[0]),
                n_resamples=1000 if resamples is None else resamples,
                seed=seed,
            )
            if other and vs:
                n = N_RESAMPLES if resamples is None else resamples
                result["comparison"] = {
                    "system": _name(other.provenance, vs),
                    **compare(mine, other, table, n_resamples=n, seed=seed),
                }
        _show(result, as_json=as_json, markdown=markdown)
        if output:
            write_result(result, output)
            typer.echo(f"Written to {output}", err=True)
        for file in _plot(result, mine, table, plots) if plots else ():
            typer.echo(f"Written to {file}", err=True)
    raise typer.Exit(1 if n_failed else 0)


def _quiet_libraries() -> None:
    """What they log, the error says too."""
    from datasets.utils import logging as datasets_logging
    from huggingface_hub.utils import logging as hub_logging

    datasets_logging.set_verbosity(datasets_logging.CRITICAL)
    hub_logging.set_verbosity_error()


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """What a user can put right becomes one line."""
    from dataset_scripts.agreement import StatsError
    from evaluate_metrics.bench.predictions import EvaluationError
    from evaluate_metrics.emonet_voice import MetricError

    try:
        yield
    except (EvaluationError, MetricError, StatsError) as error:
        raise UsageError(" ".join(str(error).split())) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _check_inputs(
    files: list[Path], bench: str | None, model: str | None, leaderboard: Path | None
) -> None:
    if leaderboard:
        if bench or model or not files:
            raise UsageError("--leaderboard takes results of --output, and no --bench or --model")
        return
    if model and files:
        raise UsageError("give PREDICTIONS or --model, not both")
    if not model and len(files) != 1:
        raise UsageError(f"give one file of predictions, or --model; there are {len(files)}")


def _stem(source: str) -> str:
    """The last part of a path or Hub id, as a part of a file's name."""
    return re.sub(r"[^\w.-]", "_", Path(source).resolve().name if Path(source).is_dir()
                  else source.rsplit("/", 1)[-1]).lstrip(".")  # fmt: skip


def _name(provenance: dict[str, Any], file: Path) -> str:
    found = provenance.get("model")
    return found if isinstance(found, str) and found.strip() else file.stem


def _score(
    model: str,
    loading: dict[str, Any],
    bench: str,
    config: str,
    revision: str | None,
    scores: Path,
    n_clips: int,
) -> int:
    """Scores the Bench into a score file that stays; the number of clips that failed."""
    from transformers.utils import logging

    from evaluate_metrics.bench.scoring import score_bench
    from modeling_empathic.report.progress import progress_bar
    from modeling_empathic.scoring.clips import ScoringError
    from modeling_empathic.scoring.loading import load_model

    stderr = Console(stderr=True, highlight=False)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with stderr.status("Loading the model"):
            loaded = load_model(model, heads=[], **loading)
        with progress_bar(stderr, shown=True) as progress:
            task = progress.add_task("", total=n_clips, rate="clips")
            n_failed = score_bench(
                loaded,
                bench,
                scores,
                config=config,
                revision=revision,
                on_clips=lambda n: progress.advance(task, n),
            )
    except ScoringError as error:
        advice = str(error).replace("--output", "--scores").replace(", or --overwrite to", " or")
        raise UsageError(" ".join(advice.split())) from None
    except KeyboardInterrupt:
        stderr.print(f"stopped: clips are kept beside {scores}; run the same command to go on")
        raise typer.Exit(130) from None
    stderr.print(f"Scores are in {scores}", soft_wrap=True, markup=False)
    return n_failed


def _show(result: dict[str, Any], *, as_json: bool, markdown: bool) -> None:
    from evaluate_metrics.bench import comparison_tables
    from evaluate_metrics.bench import tables as evaluation_tables
    from evaluate_metrics.published import published_table5, published_table6
    from modeling_empathic.report import tables as sections
    from modeling_empathic.report.files import as_json as to_json

    if as_json:
        published = {"table5": published_table5(), "table6": published_table6()}
        typer.echo(to_json(result | {"published": published}))
        return
    console = Console(highlight=False)
    width = None if markdown else console.width
    shown = evaluation_tables.sections(result, width)
    if comparison := result.get("comparison"):
        names = result["system"], comparison["system"]
        shown += comparison_tables.sections(comparison, *names, width)
    if markdown:
        typer.echo(sections.as_markdown(shown), nl=False)
    else:
        sections.show(shown, console)


def _plot(result: dict[str, Any], predictions: Any, bench: Any, folder: Path) -> list[Path]:
    from dataset_scripts.agreement import OVERALL, alpha_by_emotion
    from dataset_scripts.stats.bench import read_ratings
    from evaluate_metrics.bench.evaluation import pairs
    from evaluate_metrics.bench.plots.result import plot_all

    alphas = {}
    if "ratings" in bench.column_names:
        found = alpha_by_emotion(read_ratings(bench), n_resamples=0)
        alphas = {name: alpha.value for name, alpha in found.items() if name != OVERALL}
    return plot_all(result, pairs(predictions, bench), alphas, folder)


def _leaderboard(files: list[Path], folder: Path, as_json: bool) -> int:
    from evaluate_metrics.leaderboard.hub_files import write_hub_files
    from evaluate_metrics.leaderboard.merge import merge, write_leaderboard
    from modeling_empathic.report.files import as_json as to_json

    table = merge(files)
    written = [*write_leaderboard(table, folder), *write_hub_files(table, folder)]
    if as_json:
        typer.echo(to_json(table))
    for rejected in table["rejected"]:
        typer.echo(f"left out: {rejected['error']}", err=True)
    for file in written:
        typer.echo(f"Written to {file}", err=True)
    return 1 if table["rejected"] else 0
