"""The command `emonet-voice`.

Only Typer and Rich are imported here, everything heavy inside the commands: `--help` has to
answer at once.
"""

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

# The one place where imports go against the arrows of the design: the command is made of all
# folders' commands.
from emonet_voice.cli.bench import bench
from emonet_voice.cli.collect import collect_command
from emonet_voice.cli.evaluate import evaluate_command
from emonet_voice.cli.generalize import generalize_command
from modeling_empathic import __version__

from .demo import demo_command
from .publish import publish_command

app = typer.Typer(
    name="emonet-voice",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.add_typer(bench)
OURS = ("modeling_empathic", "dataset_scripts", "evaluate_metrics", "emonet_voice")
SMALL = "laion/Empathic-Insight-Voice-Small"
FLAG = ""  # metavar of an option without a value; Typer's own "<bool>" looks like one
NAMES_HELP = "Only these heads: names in any spelling, with commas between them."
# Typer carries its own copy of Click since 0.20; this is its UsageError in every version.
UsageError: Any = typer.BadParameter.__mro__[1]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"emonet-voice {__version__}")
        raise typer.Exit


@app.callback()
def emonet_voice(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            metavar=FLAG,
            callback=_show_version,
            is_eager=True,
            help="Show the version.",
        ),
    ] = False,
) -> None:
    """EmoNet-Voice: 40 emotions from speech (arXiv 2506.09827).

    First look, with a small built-in model: `emonet-voice score clip.wav`

    Example: `emonet-voice score clips/ --output scores.parquet`
    """


@app.command(no_args_is_help=True)
def score(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Files, folders (searched recursively), quoted globs, or - for paths on stdin.",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Folder or Hub id.", show_default="Nano, built in"),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Branch, tag or commit of a model on the Hub.")
    ] = None,
    heads: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help=NAMES_HELP, show_default="all"),
    ] = None,
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
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, openvino, cuda, cuda:N or mps.")
    ] = "auto",
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
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", metavar=FLAG, help="Print errors only.")
    ] = False,
) -> None:
    """Score audio files: how strongly each clip conveys each emotion.

    The table shows the strongest emotions of each clip from 0 to 10, a mean over its 30 s windows.
    The score file has them all: one row a clip and window with path, clip_id (SHA-256), start_s,
    end_s, duration_s, a column a head on its own scale (emotions: 0 to 4), outcome and error.

    Stopped or killed, the same command goes on where it was. Clips in the score file are skipped
    unless their bytes change, failed ones too.

    Exit code: 0 all scored, 1 some clips failed, 2 could not run.

    Example: `emonet-voice score clips/ --output scores.parquet`

    Example: `emonet-voice score call.m4a --model laion/Empathic-Insight-Voice-Small`

    Example: `find . -name "*.wav" | emonet-voice score - --heads anger,awe --json`
    """
    from modeling_empathic.scoring.clips import (
        DEFAULT_BATCH_SIZE,
        find_audio,
        printable,
        score_groups,
    )
    from modeling_empathic.scoring.file import check_output, json_line, rows_of
    from modeling_empathic.scoring.journal import ScoreFile

    from .screen import Summary, progress_bar, summary_line

    stderr = Console(stderr=True, highlight=False, quiet=quiet)
    if output:
        check_output(output)
    elif overwrite:
        raise UsageError("--overwrite needs --output")
    clips = find_audio(_with_stdin(paths))
    if model is None:
        note = f"Model: Nano, built in, for trying things out.\nFor real use: --model {SMALL}"
        stderr.print(note, soft_wrap=not stderr.is_terminal)
    loaded, extractor, provenance = _load(
        stderr, model, revision=revision, heads=_split(heads), device=device, dtype=dtype
    )
    summary = Summary(loaded.config.heads)
    n_new, started = 0, time.perf_counter()
    with ExitStack() as stack:
        file = ScoreFile(output, provenance, overwrite=overwrite) if output else None
        if file:
            stack.enter_context(file)
        progress = stack.enter_context(progress_bar(stderr, shown=not quiet))
        task = progress.add_task("", total=len(clips), rate="")
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
            for group in groups:
                n_new += len(group)
                if file:
                    file.append(group)
                for rows in () if file else group:
                    summary.add_clip(rows[0]["path"], rows)
                    if as_json:
                        sys.stdout.writelines(json_line(row) + "\n" for row in rows)
                rate = f"{n_new / (time.perf_counter() - started):.1f}/s"
                progress.update(task, advance=len(group), rate=rate)
            elapsed_s = time.perf_counter() - started
            if file:
                table = file.finish([printable(clip) for clip in clips])
                summary.add_rows(rows_of(table))
                if as_json:
                    sys.stdout.writelines(json_line(row) + "\n" for row in rows_of(table))
        except KeyboardInterrupt:
            progress.stop()
            kept = f"{len(file.done):,} clips are kept; " if file else ""
            advice = "run the same command to go on" if file else "with --output it could go on"
            print(f"stopped: {kept}{advice}", file=sys.stderr)
            raise typer.Exit(130) from None
    stdout = Console(highlight=False, quiet=quiet)
    if not as_json:
        summary.show(stdout, top=top)
    line = summary_line(summary, n_new=n_new, elapsed_s=elapsed_s, written=str(output or ""))
    console = stderr if as_json else stdout
    console.print(line, soft_wrap=not console.is_terminal, markup=False)
    raise typer.Exit(1 if summary.n_failed else 0)


@app.command(no_args_is_help=True)
def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC", help="Folder or Hub id with the public heads, `model_*_best.pth`."
        ),
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to create.")],
    encoder: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="Whisper checkpoint: folder or Hub id, such as laion/BUD-E-Whisper.",
        ),
    ],
    dtype: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Type to store: float32, bfloat16, float16 or mixed (bfloat16 heads, float32 "
            "encoder).",
        ),
    ] = "float32",
    heads: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help=NAMES_HELP, show_default="all"),
    ] = None,
    allow_unknown: Annotated[
        bool,
        typer.Option(
            "--allow-unknown", metavar=FLAG, help="Keep heads that the taxonomy does not know."
        ),
    ] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Branch, tag or commit of SRC on the Hub.")
    ] = None,
    encoder_revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Branch, tag or commit of the encoder.")
    ] = None,
) -> None:
    """Convert the public heads and a Whisper encoder into one model folder.

    Pickles are opened with `weights_only=True` and cannot run code; the result is safetensors, one
    head a file. OUT appears under its name only when it is whole.

    Example: `emonet-voice convert laion/Empathic-Insight-Voice-Small small/ --encoder
    laion/BUD-E-Whisper --dtype mixed`
    """
    from emonet_voice.hub.convert import convert as convert_release

    from .screen import progress_bar

    stderr = Console(stderr=True, highlight=False)
    with progress_bar(stderr, shown=True, verb="Converting") as progress:
        task = progress.add_task("", total=None, rate="")

        def advance(name: str, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, rate=name)

        config = convert_release(
            source,
            output,
            encoder,
            dtype=dtype,
            heads=_split(heads) or None,
            allow_unknown=allow_unknown,
            revision=revision,
            encoder_revision=encoder_revision,
            progress=advance,
        )
    full, pooled = len(config.heads_of_kind("full")), len(config.heads_of_kind("pooled"))
    size = {64: "Small", 128: "Large"}.get(config.projection_dim, f"P={config.projection_dim}")
    gigabytes = sum(file.stat().st_size for file in output.glob("*.safetensors")) / 1e9
    console = Console(highlight=False)
    console.print(
        f"{full} full and {pooled} pooled {size} heads on {config.encoder.encoder_layers} Whisper "
        f"layers of width {config.encoder.d_model}: {gigabytes:.2f} GB of {dtype} in {output}",
        soft_wrap=True,
        markup=False,
    )
    for group in ("emotion", "attribute", "quality"):
        found = [head["name"] for head in config.heads if head["group"] == group]
        if found:
            console.print(f"{group} ({len(found)}): {', '.join(found)}", markup=False)


def _split(heads: list[str] | None) -> list[str]:
    """The names given to `--heads`, which may come repeated, with commas, or both."""
    return [name.strip() for some in heads or [] for name in some.split(",") if name.strip()]


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
        from huggingface_hub.utils import logging as hub_logging
        from transformers.utils import logging

        from modeling_empathic.scoring.loading import load_model

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        hub_logging.set_verbosity_error()
        return load_model(model, **options)


app.command("evaluate", no_args_is_help=True)(evaluate_command)
app.command("generalize", no_args_is_help=True)(generalize_command)
app.command("collect", no_args_is_help=True)(collect_command)
app.command("publish", no_args_is_help=True)(publish_command)
app.command("demo")(demo_command)


def run(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code; what a user got wrong becomes one line."""
    try:
        code = app(args=arguments, standalone_mode=False) or 0
        sys.stdout.flush()  # a reader that is gone is noticed here, not at the interpreter's exit
        return code
    except UsageError as error:
        message = error.format_message()
        if type(error).__name__ == "NoArgsIsHelpError":
            print(message)
            return 2
    except BrokenPipeError:  # `... --json | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        message = f"{error.strerror or error}{where}"
    except ValueError as error:
        # Our own kinds (of audio, names, heads, scoring) are the user's to put right. Any other
        # is a fault of the program and keeps its traceback.
        if type(error).__module__.partition(".")[0] not in OURS:
            raise
        message = str(error)
    print("error:", " ".join(message.split()), file=sys.stderr)
    return 2


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run())


if __name__ == "__main__":
    main()
