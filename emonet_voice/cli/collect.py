"""The command `emonet-voice collect`.

Only Typer and Rich are imported here, everything heavy inside the command: `--help` has to answer
at once.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from .options import FLAG, UsageError


def collect(
    system: Annotated[
        str,
        typer.Argument(
            metavar="SYSTEM",
            help="gpt-4o-audio, gpt-4o-mini-audio, gemini-2.0-flash, gemini-2.5-pro, huggingface, "
            "hume (never tested live), hume-import or csv-import.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Prediction file to write or to go on with: .parquet, .jsonl or .csv.",
        ),
    ],
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
    clips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Audio files to ask about, without a Bench.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What hume-import or csv-import reads."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Another model of the service; for huggingface a folder or Hub id.",
            show_default="the one of Table 5",
        ),
    ] = None,
    model_revision: Annotated[
        str | None,
        typer.Option(metavar="REV", help="Branch, tag or commit of a model on the Hub."),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="SCALE",
            help="Of csv-import or of a classifier on the Hub: 0-10, 0-4, 0-1 or 0-2.",
            show_default="0-10; 0-1 of Hume and classifiers",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the first N clips.")
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Requests at a time.")] = 4,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="N", min=0.01, help="Requests in a minute at most.", show_default="no limit"
        ),
    ] = None,
    attempts: Annotated[
        int, typer.Option(metavar="N", min=1, help="Of a request that finds no answer.")
    ] = 6,
    base_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Another server with the same API, such as vLLM."),
    ] = None,
    structured: Annotated[
        bool,
        typer.Option(
            "--structured",
            metavar=FLAG,
            help="Hold that server to the JSON schema; OpenAI's audio models do not know it.",
        ),
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where answers are kept.", show_default="FILE.answers"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar=FLAG, help="Print JSON.")] = False,
) -> None:
    """Ask another system how strongly each clip conveys each emotion, for `evaluate` to read.

    A language model gets each clip with our own prompt (the paper's is not public) and answers with
    40 numbers. Every answer is kept: stopped or killed, the same command goes on where it was and
    asks for what is missing only. A refusal, an answer that cannot be read, an emotion that is not
    in it and a request that got lost are told apart, and none becomes a zero.

    Keys come from the environment only: OPENAI_API_KEY, GEMINI_API_KEY or GOOGLE_API_KEY,
    HUME_API_KEY. Each request sends the clip's audio to that service and costs what it charges.

    Exit code: 0 every clip has a score, 1 some have none, 2 could not run.

    Example: `emonet-voice collect gemini-2.5-pro --bench bench/ --output gemini.parquet --rate 60`

    Example: `emonet-voice collect huggingface --model someone/voice-emotions --bench bench/
    --output theirs.parquet`

    Example: `emonet-voice collect hume-import --results predictions.json --bench bench/
    --output hume.parquet`
    """
    from evaluate_metrics.adapters.errors import AdapterError
    from evaluate_metrics.adapters.prediction_file import check_output
    from evaluate_metrics.adapters.systems import IMPORTS
    from evaluate_metrics.bench.predictions import EvaluationError

    asking = {
        "model": model,
        "model_revision": model_revision,
        "base_url": base_url,
        "structured": structured or None,
    }
    stderr = Console(stderr=True, highlight=False)
    try:
        check_output(output, system)  # before a model is loaded
        if system in IMPORTS:
            for name, value in {**asking, "clips": clips, "limit": limit, "cache": cache}.items():
                if value is not None:
                    raise UsageError(f"--{name.replace('_', '-')} is not for {system}")
            if results is None:
                raise UsageError(f"{system} needs --results")
            counts = _import(system, results, output, scale, bench, config, revision)
        else:
            if results is not None:
                raise UsageError(f"--results is not for {system}")
            counts = _ask(
                stderr,
                system,
                {**asking, "scale": scale},
                output,
                bench=bench,
                config=config,
                revision=revision,
                folder=clips,
                limit=limit,
                cache_dir=cache or output.with_name(f"{output.name}.answers"),
                workers=workers,
                rate_per_minute=rate,
                max_attempts=attempts,
            )
    except (AdapterError, EvaluationError) as error:
        raise UsageError(" ".join(str(error).split())) from None
    except KeyboardInterrupt:
        stderr.print("stopped: answers are kept; run the same command to go on")
        raise typer.Exit(130) from None
    typer.echo(_json(counts) if as_json else _text(counts, output))
    raise typer.Exit(1 if counts["failed"] else 0)


def _ask(
    stderr: Console,
    system: str,
    options: dict[str, Any],
    output: Path,
    *,
    bench: str | None,
    config: str,
    revision: str | None,
    folder: Path | None,
    limit: int | None,
    **run_options: Any,
) -> dict[str, Any]:
    from evaluate_metrics.adapters.runner import run
    from evaluate_metrics.adapters.systems import make_adapter
    from evaluate_metrics.bench.reader import iter_audio
    from modeling_empathic.report.progress import progress_bar

    if (bench is None) == (folder is None):
        raise UsageError("name the clips: --bench DIR|ID or --clips DIR")
    total = limit
    clips: Iterator[tuple[str, bytes]]
    if folder is not None:
        from modeling_empathic.scoring.clips import find_audio

        paths = find_audio([folder])
        clips, total = _files(paths), min(limit or len(paths), len(paths))
        about: dict[str, Any] = {"clips": folder.resolve().name}
    else:
        clips = iter_audio(str(bench), config, revision)
        name = Path(str(bench)).resolve().name if Path(str(bench)).is_dir() else bench
        about = {"bench": {"source": name, "config": config, "revision": revision}}
    if system == "huggingface":
        _quiet_transformers()
    with stderr.status("Starting"):
        adapter = make_adapter(system, **options)
    with progress_bar(stderr, shown=True, verb="Asking") as progress:
        task = progress.add_task("", total=total, rate="clips")
        return run(
            adapter,
            islice(clips, limit),
            output,
            about=about,
            progress=lambda done: progress.update(task, completed=done),
            **run_options,
        )


def _import(
    system: str,
    results: Path,
    output: Path,
    scale: str | None,
    bench: str | None,
    config: str,
    revision: str | None,
) -> dict[str, Any]:
    from evaluate_metrics.adapters.stored import ids_by_file_name, import_stored
    from evaluate_metrics.adapters.systems import IMPORTS
    from evaluate_metrics.bench.reader import read_bench

    clip_ids = None
    if bench is not None:
        table = read_bench(bench, config, revision)
        if "file_name" not in table.column_names:
            raise UsageError(f"{bench} has no column file_name")
        names, ids = (table[column].to_pylist() for column in ("file_name", "clip_id"))
        clip_ids = ids_by_file_name(zip(names, ids, strict=True))
    return import_stored(
        results, output, system=system, scale=scale, clip_ids=clip_ids, **IMPORTS[system]
    )


def _files(paths: list[str]) -> Iterator[tuple[str, bytes]]:
    from hashlib import sha256

    for path in paths:
        audio = Path(path).read_bytes()
        yield sha256(audio).hexdigest(), audio


def _quiet_transformers() -> None:
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    hub_logging.set_verbosity_error()


def _json(counts: dict[str, Any]) -> str:
    import json

    return json.dumps(counts, indent=2)


def _text(counts: dict[str, Any], output: Path) -> str:
    """What came out, in a line or two."""
    rows = counts["outcomes"]
    said = [f"{counts['clips']:,} clips"]
    if counts.get("cached"):
        said.append(f"{counts['cached']:,} answered before")
    said.append(f"{rows['scored']:,} of {sum(rows.values()):,} scores")
    said += [f"{n:,} {name}" for name, n in rows.items() if n and name != "scored"]
    if counts["n_unknown_labels"]:
        first = next(iter(counts["unknown_labels"]))
        said.append(f"{counts['n_unknown_labels']:,} unknown labels (such as {first!r})")
    if counts.get("unknown_files"):
        said.append(f"{counts['unknown_files']:,} files that are not in the Bench")
    lines = [f"{', '.join(said)}. Written to {output}"]
    if counts["failed"]:
        lines.append(f"{counts['failed']:,} clips without any score; {counts['first_failure']}")
    return "\n".join(lines)
