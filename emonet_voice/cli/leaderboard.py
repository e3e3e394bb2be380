"""The command `emonet-voice leaderboard`."""

from pathlib import Path
from typing import Annotated

import typer

from .options import (
    AsJson,
    Bench,
    BenchConfig,
    BenchRevision,
    Markdown,
    UsageError,
    careful_with,
    check_one_format,
)
from .terminal import Terminal, echo


def leaderboard(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULTS", help="JSON of `evaluate --output`, from anyone."),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for the table; made if needed."),
    ],
    bench: Bench = None,
    config: BenchConfig = "default",
    revision: BenchRevision = None,
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="With --bench: score or prediction file of a result, to compare all pairs; "
            "may be repeated.",
        ),
    ] = None,
    as_json: AsJson = False,
    markdown: Markdown = False,
) -> None:
    """Merge results of `evaluate` into one table, with files for the Hub.

    Systems are ranked only on the same Bench, revision and configuration; the newest of a system's
    results counts. Written are leaderboard.parquet and leaderboard.json, which the leaderboard's
    Space shows, eval.yaml for the data set, entries for models that are on the Hub, and the texts
    of the pull requests that bring them there. Systems behind an API appear on our Space alone.

    With --bench and --scores every two systems are compared on the same clips, corrected over all
    pairs: beside a rank stand the ranks that chance allows, and a star marks those that cannot be
    told from the first. Without, what `evaluate --vs` left in the results counts.

    Exit code: 0 all merged, 1 some results were left out, 2 none could be used.

    Example: `emonet-voice leaderboard small.json gpt.json --output board/`

    Example: `emonet-voice leaderboard small.json gpt.json --bench bench/ --scores small.parquet
    --scores gpt.jsonl --output board/`
    """
    check_one_format(as_json, markdown)
    if bool(bench) != bool(scores):
        raise UsageError("--bench and --scores go together: what the systems are compared on")
    from evaluate_metrics.bench.reader import read_bench
    from evaluate_metrics.leaderboard.hub_files import write_hub_files
    from evaluate_metrics.leaderboard.merge import merge, write_leaderboard
    from evaluate_metrics.leaderboard.printed import sections
    from evaluate_metrics.leaderboard.pull_requests import write_pull_requests
    from modeling_empathic.report import tables
    from modeling_empathic.report.files import as_json as to_json
    from modeling_empathic.report.progress import status

    careful_with(bench)
    labels = read_bench(bench, config, revision) if bench else None
    with status(Terminal(stderr=True), "Comparing"):
        table = merge(results, scores=scores or (), bench=labels)
    written = [*write_leaderboard(table, output), *write_hub_files(table, output)]
    written += write_pull_requests(table, output)
    if as_json:
        typer.echo(to_json(table))
    elif markdown:
        typer.echo(tables.as_markdown(sections(table)), nl=False)
    else:
        tables.show(sections(table), Terminal())
    for file in (*table["rejected"], *table["comparisons_left_out"]):
        echo(f"left out: {file['error']}", err=True)
    for path in written:
        echo(f"Written to {path}", err=True)
    raise typer.Exit(1 if table["rejected"] else 0)
