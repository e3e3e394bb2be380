"""The command `emonet-voice big plan`."""

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, Markdown, UsageError, check_one_format
from .terminal import Terminal, echo


def plan(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Plan to write, .parquet.")
    ],
    hours: Annotated[
        float | None,
        typer.Option(
            metavar="H", min=0.003, help="Of speech, at 10.36 s a clip; the paper has 4752."
        ),
    ] = None,
    clips: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=10**9, help="Number of clips, in place of --hours."),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="S", min=0, help="The same seed and size give the same plan.")
    ] = 0,
    as_json: AsJson = False,
    markdown: Markdown = False,
) -> None:
    """Plan a corpus: who says what in which emotion, a row a clip.

    Emotions, voices, topics and English accents in every combination, in the proportions of the
    paper's Table 2, with a part of acting challenges. Each row has its text, its prompt, its target
    emotion and intensity and its seed. Texts and prompts are this project's own, since the paper's
    are not public. Then it prints the shape, and what speaking it is expected to take. Another plan
    under the same name is left alone.

    Exit code: 0 written, 2 could not run.

    Example: `emonet-voice big plan --hours 0.5 --output plan.parquet`

    Example: `emonet-voice big plan --clips 2000 --seed 7 --output plan.parquet --json`
    """
    from dataset_scripts.generation.plan import clips_of, write_plan
    from dataset_scripts.generation.plan_tables import estimate, shape, tables
    from modeling_empathic.report import tables as writer
    from modeling_empathic.report.files import as_json as to_json
    from modeling_empathic.report.progress import progress_bar

    check_one_format(as_json, markdown)
    if (hours is None) == (clips is None):
        raise UsageError("choose --hours or --clips")
    n_clips = clips if clips is not None else clips_of(hours or 0.0)
    stderr = Terminal(stderr=True)
    with progress_bar(stderr, verb="Planning") as progress:
        task = progress.add_task("", total=n_clips, rate="clips")
        summary = write_plan(
            output, n_clips, seed, lambda done: progress.update(task, completed=done)
        )
    if as_json:
        shown = {"clips": n_clips, "seed": seed, "shape": shape(summary)}
        typer.echo(to_json(shown | {"expected": estimate(summary)}))
    elif markdown:
        typer.echo(writer.as_markdown(tables(summary)), nl=False)
    else:
        typer.echo(writer.as_text(tables(summary), Terminal().width), nl=False)
    echo(f"Written to {output}", err=True)
