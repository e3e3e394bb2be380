"""The command `emonet-voice collect`."""

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console

from evaluate_metrics.adapters.systems import IMPORTS, SYSTEMS, make_adapter

from . import options
from .options import FLAG, Attempts, Rate, UsageError
from .ready import ready
from .terminal import Terminal, echo

_SYSTEMS = ", ".join((*SYSTEMS, *IMPORTS))


def collect(
    system: Annotated[
        str,
        typer.Argument(
            metavar="SYSTEM",
            help=f"{_SYSTEMS} (hume: never tested live).",
            autocompletion=options.completing(*SYSTEMS, *IMPORTS),
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
    bench: options.Bench = None,
    config: options.BenchConfig = "default",
    revision: options.BenchRevision = None,
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
            help="Another model of the service; for huggingface a folder, Hub id or short name.",
            show_default="the one of Table 5",
        ),
    ] = None,
    model_revision: options.Revision = None,
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
    rate: Rate = None,
    attempts: Attempts = 6,
    base_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Another server with the same API, such as vLLM."),
    ] = None,
    prompts: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=3, help="Wordings of the prompt to ask with and to average."
        ),
    ] = 1,
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
    as_json: options.AsJson = False,
    yes: options.Yes = False,
) -> None:
    """Ask another system how strongly each clip conveys each emotion, for `evaluate` to read.

    A language model gets each clip with our own prompt (the paper's is not public) and answers with
    40 numbers; with --prompts in several wordings, whose mean depends less on the words. Every
    answer is kept: stopped or killed, the same command goes on where it was and asks for what is
    missing only. A refusal, an answer that cannot be read, an emotion that is not in it and a
    request that got lost are told apart, and none becomes a zero.

    Keys come from the environment only: OPENAI_API_KEY, GEMINI_API_KEY or GOOGLE_API_KEY,
    HUME_API_KEY. Each request sends the clip's audio to that service and costs what it charges.

    Exit code: 0 every clip has a score, 1 some have none, 2 could not run.

    Example: `emonet-voice collect gemini-2.5-pro --bench bench/ --output gemini.parquet --rate 60`

    Example: `emonet-voice collect huggingface --model someone/voice-emotions --bench bench/
    --output theirs.parquet`

    Example: `emonet-voice collect hume-import --results predictions.json --bench bench/
    --output hume.parquet`
    """
    from evaluate_metrics.adapters.prediction_file import check_output

    check_output(output, system)  # before a model is loaded
    about_model = {
        "model": model,
        "model_revision": model_revision,
        "base_url": base_url,
        "structured": structured or None,
    }
    stderr = Terminal(stderr=True)
    try:
        if system in IMPORTS:
            _refuse(system, about_model | {"clips": clips, "limit": limit, "cache": cache})
            if results is None:
                raise UsageError(f"{system} needs --results")
            counts = _import(system, results, output, scale, bench, config, revision)
        else:
            _refuse(system, {"results": results})
            asked = _clips(clips, bench, config, revision, limit)
            if system == "huggingface" and model:
                model, model_revision = ready(model, model_revision, yes=yes)
                about_model |= {"model": model, "model_revision": model_revision}
            how: dict[str, Any] = {
                "workers": workers,
                "rate_per_minute": rate,
                "max_attempts": attempts,
            }
            kept = cache or output.with_name(f"{output.name}.answers")
            about_model |= {"scale": scale}
            if prompts == 1:
                counts = _ask(stderr, system, about_model, asked, output, cache_dir=kept, **how)
            else:
                counts = _ensemble(
                    prompts,
                    output,
                    system,
                    lambda file, wording: _ask(
                        stderr,
                        system,
                        about_model,
                        _clips(clips, bench, config, revision, limit),
                        file,
                        cache_dir=kept.with_name(f"{kept.name}-{wording + 1}"),
                        wording=wording,
                        **how,
                    ),
                )
    except KeyboardInterrupt:
        stderr.print("stopped: answers are kept; run the same command to go on")
        raise typer.Exit(130) from None
    echo(json.dumps(counts, indent=2) if as_json else _text(counts, output))
    raise typer.Exit(1 if counts["failed"] else 0)


def _refuse(system: str, given: dict[str, object]) -> None:
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"--{name.replace('_', '-')} is not for {system}")


class _Clips(NamedTuple):
    """Id and bytes of each clip, how many they are, and what the provenance says of them."""

    audio: Iterator[tuple[str, bytes]]
    total: int | None
    about: dict[str, Any]


def _clips(
    folder: Path | None, bench: str | None, config: str, revision: str | None, limit: int | None
) -> _Clips:
    from evaluate_metrics.bench.reader import iter_audio
    from modeling_empathic.scoring.clips import find_audio

    if folder is not None and bench is None:
        paths = find_audio([folder])[:limit]
        for path in paths:
            if not Path(path).is_file():  # to open a pipe would wait for ever
                raise UsageError(f"{path} is no regular file")
        return _Clips(_files(paths), len(paths), {"clips": folder.resolve().name})
    if bench is not None and folder is None:
        options.careful_with(bench)
        audio = islice(iter_audio(bench, config, revision), limit)
        name = Path(bench).resolve().name if Path(bench).is_dir() else bench
        about = {"source": name, "config": config, "revision": revision}
        return _Clips(audio, limit, {"bench": about})
    raise UsageError("name the clips: --bench DIR|ID or --clips DIR")


def _ask(
    stderr: Console,
    system: str,
    about_model: dict[str, Any],
    clips: _Clips,
    output: Path,
    **run_options: Any,
) -> dict[str, Any]:
    from evaluate_metrics.adapters.runner import run
    from modeling_empathic.report.progress import progress_bar, status

    if system == "huggingface":
        options.quiet_libraries()
    with status(stderr, "Starting"):
        adapter = make_adapter(system, **about_model)
    with progress_bar(stderr, verb="Asking") as progress:
        task = progress.add_task("", total=clips.total, rate="clips")
        return run(
            adapter,
            clips.audio,
            output,
            about=clips.about,
            progress=lambda done: progress.update(task, completed=done),
            **run_options,
        )


def _ensemble(
    n: int, output: Path, system: str, ask: Callable[[Path, int], dict[str, Any]]
) -> dict[str, Any]:
    """Asks with every wording, each with a file of its own, then writes their mean."""
    from evaluate_metrics.adapters.ensemble import combine

    if system in ("hume", "huggingface"):
        raise UsageError(f"--prompts: {system} is not asked by a prompt")
    files = [output.with_name(f"{output.stem}.prompt{i + 1}{output.suffix}") for i in range(n)]
    asked = [ask(file, i) for i, file in enumerate(files)]
    counts = combine(files, output, system)
    return counts | {key: sum(of[key] for of in asked) for key in ("asked", "cached")}


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
    for path in paths:
        audio = Path(path).read_bytes()
        yield sha256(audio).hexdigest(), audio


def _text(counts: dict[str, Any], output: Path) -> str:
    """What came out, in a line or two."""
    rows = counts["outcomes"]
    parts = [f"{counts['clips']:,} clips"]
    if counts.get("cached"):
        parts.append(f"{counts['cached']:,} answered before")
    parts.append(f"{rows['scored']:,} of {sum(rows.values()):,} scores")
    parts += [f"{n:,} {name}" for name, n in rows.items() if n and name != "scored"]
    if counts["n_unknown_labels"]:
        first = next(iter(counts["unknown_labels"]))
        parts.append(f"{counts['n_unknown_labels']:,} unknown labels (such as {first!r})")
    if counts.get("unknown_files"):
        parts.append(f"{counts['unknown_files']:,} files that are not in the Bench")
    lines = [f"{', '.join(parts)}. Written to {output}"]
    if counts["failed"]:
        lines.append(f"{counts['failed']:,} clips without any score; {counts['first_failure']}")
    return "\n".join(lines)
