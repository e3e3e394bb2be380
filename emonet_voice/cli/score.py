"""The command `emonet-voice score`."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from .options import (
    FLAG,
    Device,
    Heads,
    Model,
    Revision,
    UsageError,
    Yes,
    quiet_libraries,
    split_names,
)
from .ready import ready
from .terminal import Terminal

if TYPE_CHECKING:
    from modeling_empathic.scoring.journal import ScoreFile

Row = dict[str, Any]


def score(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Files, folders (searched recursively), quoted globs, or - for paths on stdin.",
        ),
    ],
    model: Model = None,
    revision: Revision = None,
    heads: Heads = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Score file to write or to go on with: .parquet, .jsonl or .csv.",
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", metavar=FLAG, help="Delete what is in the score file, start again."
        ),
    ] = False,
    top: Annotated[int, typer.Option(metavar="N", min=1, help="Emotions shown for each clip.")] = 3,
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Windows scored at once.", show_default="8; 32 on CUDA"
        ),
    ] = None,
    device: Device = "auto",
    dtype: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="float32, bfloat16, float16, mixed (bfloat16 heads, float32 encoder) or auto: "
            "float16 on CUDA, else as stored.",
        ),
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Threads that decode.", show_default="one per CPU, at most 8"
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", metavar=FLAG, help="Print rows as JSON lines instead of the table."),
    ] = False,
    yes: Yes = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", metavar=FLAG, help="Print errors only.")
    ] = False,
) -> None:
    """Score audio files: how strongly each clip conveys each emotion.

    The table shows the strongest emotions of each clip from 0 to 10, a mean over its 30 s windows.
    The score file has them all: one row a clip and window with path, clip_id (SHA-256), start_s,
    end_s, duration_s, a column a head on its own scale (emotions: 0 to 4), quality (what makes the
    scores doubtful, if anything does), outcome and error.

    Stopped or killed, the same command goes on where it was. Clips in the score file are skipped
    unless their bytes change, failed ones too.

    Exit code: 0 all scored, 1 some clips failed, 2 could not run.

    Example: `emonet-voice score clips/ --output scores.parquet`

    Example: `emonet-voice score call.m4a --model small`

    Example: `find . -name "*.wav" | emonet-voice score - --heads anger,awe --json`
    """
    from modeling_empathic.report.progress import progress_bar
    from modeling_empathic.scoring.clips import DEFAULT_BATCH_SIZE, find_audio, score_groups
    from modeling_empathic.scoring.file import check_output
    from modeling_empathic.scoring.journal import ScoreFile

    from .screen import Summary, summary_line

    stderr = Terminal(stderr=True, quiet=quiet)
    if output:
        check_output(output)
    elif overwrite:
        raise UsageError("--overwrite needs --output")
    clips = find_audio(_with_stdin(paths))
    if model in (None, "nano"):
        note = f"Model: Nano, built in{_nano_figures()}.\nFor real use: --model small"
        stderr.print(note, soft_wrap=not stderr.is_terminal)
    names = split_names(heads)
    source, revision = ready(model, revision, heads=names, dtype=dtype, yes=yes, quiet=quiet)
    loaded, extractor, provenance = _load(
        stderr, source, revision=revision, heads=names, device=device, dtype=dtype
    )
    summary = Summary(loaded.config.heads)
    n_new, elapsed_s, started = 0, 0.0, time.perf_counter()
    file = ScoreFile(output, provenance, overwrite=overwrite) if output else None
    with file or nullcontext(), progress_bar(stderr, shown=not quiet) as progress:
        task = progress.add_task("", total=len(clips), rate="")

        def advance(n_clips: int) -> None:
            nonlocal n_new, elapsed_s
            n_new, elapsed_s = n_new + n_clips, time.perf_counter() - started
            progress.update(task, advance=n_clips, rate=f"{n_new / elapsed_s:.1f}/s")

        groups = score_groups(
            clips,
            loaded,
            extractor,
            batch_size=batch_size or (32 if loaded.device.type == "cuda" else DEFAULT_BATCH_SIZE),
            workers=workers or min(8, os.cpu_count() or 1),
            done=file.done if file else None,
            on_skip=lambda: progress.advance(task),
        )
        try:
            rows = _rows(groups, clips, file, advance)
            summary.add_rows(_printed(rows) if as_json else rows)
        except KeyboardInterrupt:
            progress.stop()
            kept = f"{len(file.done):,} clips are kept; " if file else ""
            advice = "run the same command to go on" if file else "with --output it could go on"
            print(f"stopped: {kept}{advice}", file=sys.stderr)
            raise typer.Exit(130) from None
    stdout = Terminal(quiet=quiet)
    if not as_json:
        summary.show(stdout, top=top)
    line = summary_line(summary, n_new=n_new, elapsed_s=elapsed_s, written=str(output or ""))
    console = stderr if as_json else stdout
    console.print(line, soft_wrap=not console.is_terminal, markup=False)
    raise typer.Exit(1 if summary.n_failed else 0)


def _rows(
    groups: Iterable[list[list[Row]]],
    clips: list[str],
    file: "ScoreFile | None",
    advance: Callable[[int], None],
) -> Iterator[Row]:
    """The rows to show: as they come, or those of a score file, old and new, once it is whole."""
    from modeling_empathic.scoring.clips import printable
    from modeling_empathic.scoring.file import rows_of

    for group in groups:
        if file:
            file.append(group)
        else:
            yield from chain.from_iterable(group)
        advance(len(group))
    if file:
        yield from rows_of(file.finish([printable(clip) for clip in clips]))


def _printed(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, each printed as a line of JSON on its way."""
    from modeling_empathic.scoring.file import json_line

    for row in rows:
        sys.stdout.write(json_line(row) + "\n")
        yield row


def _nano_figures() -> str:
    """What Nano reaches on speakers and on a corpus that it never met, as its training measured."""
    import json

    from modeling_empathic.scoring.loading import NANO

    measured = json.loads((NANO / "training.json").read_text("utf-8"))["measured"]
    said = [
        f"{measured[key]['uar']:.0%} recall over {len(measured[key]['classes'])} classes {where}"
        for key, where in (
            ("emodb_test_speakers", "of speakers it never met"),
            ("unseen_corpus", "of a corpus it never met"),
        )
        if key in measured
    ]
    return f": {', '.join(said)}" if said else ""


def _with_stdin(paths: list[str]) -> list[str]:
    """The paths with each `-` replaced by the lines of stdin."""
    expanded: list[str] = []
    for path in paths:
        lines = (line.rstrip("\r\n") for line in sys.stdin) if path == "-" else [path]
        expanded += [line for line in lines if line or path != "-"]
    if not expanded:
        raise UsageError("no paths on stdin")
    return expanded


def _load(stderr: Console, model: str | None, **options: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Loads the model; the library's own bars and warnings only where someone looks."""
    with stderr.status("Loading the model"):
        from modeling_empathic.scoring.loading import load_model

        quiet_libraries()
        return load_model(model, **options)
