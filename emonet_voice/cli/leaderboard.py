"""The command `emonet-voice leaderboard`."""

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson
from .terminal import echo


def leaderboard(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULTS", help="JSON of `evaluate --output`, from anyone."),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for the table; made if needed."),
    ],
    as_json: AsJson = False,
) -> None:
    """Merge results of `evaluate` into one table, with files for the Hub.

    Systems are ranked only on the same Bench, revision and configuration; the newest of a system's
    results counts. Written are leaderboard.parquet and leaderboard.json, which the leaderboard's
    Space shows, eval.yaml for the data set, and entries for models that are on the Hub.

    Exit code: 0 all merged, 1 some results were left out, 2 none could be used.

    Example: `emonet-voice leaderboard small.json gpt.json --output board/`
    """
    from evaluate_metrics.leaderboard.hub_files import write_hub_files
    from evaluate_metrics.leaderboard.merge import merge, write_leaderboard
    from modeling_empathic.report.files import as_json as to_json

    table = merge(results)
    written = [*write_leaderboard(table, output), *write_hub_files(table, output)]
    if as_json:
        typer.echo(to_json(table))
    for file in (*table["rejected"], *table["comparisons_left_out"]):
        echo(f"left out: {file['error']}", err=True)
    for path in written:
        echo(f"Written to {path}", err=True)
    raise typer.Exit(1 if table["rejected"] else 0)
