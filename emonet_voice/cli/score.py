"""The command `emonet-voice score`."""

import os
import sys
import time
from collections import Counter
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
from .ready import nano_line, ready
from .score_clips import find_clips
from .score_options import (
    LOCAL,
    Aggregate,
    BatchSize,
    Channels,
    Engine,
    Filters,
    Hop,
    Norm,
    Probe,
    Report,
    Sort,
    Speakers,
    TimelineFolder,
    Top,
    Vad,
    Window,
    Workers,
    is_ray,
)
from .terminal import Terminal

if TYPE_CHECKING:
    from modeling_empathic.scoring.journal import ScoreFile

Row = dict[str, Any]
LONG_S = 300  # of a recording: from there on progress says where in it


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
    window: Window = None,
    hop: Hop = None,
    channels: Channels = "mixed",
    speakers: Speakers = None,
    vad: Vad = False,
    aggregate: Aggregate = None,
    top: Top = 3,
    sort: Sort = None,
    filters: Filters = None,
    report: Report = None,
    norm: Norm = None,
    probe: Probe = False,
    timeline: TimelineFolder = None,
    batch_size: BatchSize = None,
    device: Device = "auto",
    dtype: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="float32, bfloat16, float16, mixed (bfloat16 heads, float32 encoder) or auto: "
            "float16 on CUDA, else as stored.",
        ),
    ] = "auto",
    workers: Workers = None,
    engine: Engine = LOCAL,
    as_json: Annotated[
        bool,
        typer.Option("--json", metavar=FLAG, help="Print rows as JSON lines instead of the table."),
    ] = False,
    yes: Yes = False,
    profile: Annotated[
        bool,
        typer.Option("--profile", metavar=FLAG, help="Also print where the time went."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", metavar=FLAG, help="Print errors only.")
    ] = False,
) -> None:
    """Score audio files: how strongly each clip conveys each emotion.

    Screen, report and timelines are from 0 to 10; score file and --json have each head's own scale
    (emotions: 0 to 4). The table shows the strongest emotions of each clip, means over its windows,
    and its strongest moment; of more than 20 clips, each emotion and where it is strongest. The
    score file has a row a clip and window: path, clip_id (SHA-256), channel or speaker (if asked
    for), start_s, end_s, duration_s, a column a head, quality (what makes the scores doubtful),
    outcome (scored, no_speech or decode_error), error. Windows start at 0 and every hop after it;
    a rest of less than a second at the end is left out. Hours of sound take no more memory than
    minutes.

    Stopped or killed, the same command goes on where it was. Clips in the score file are skipped
    unless their bytes change, failed ones too, but not what failed for a passing reason.

    With --engine ray (the extra scale) finished blocks are kept in FILE.parts; a worker or a
    machine may be lost. A row of a Parquet file is called FILE#ROW, a member of a tar FILE#MEMBER.
    Addresses: hf:// as it is, s3:// by the package s3fs, gs:// by gcsfs, others as fsspec says.

    Exit code: 0 all scored, 1 some clips failed, 2 could not run.

    Example: `emonet-voice score clips/ --output scores.parquet`

    Example: `emonet-voice score clips/ --report report.html --sort anger`

    Example: `emonet-voice score talk.mp3 --window 10 --hop 5 --timeline talk/`

    Example: `emonet-voice score call.m4a --channels separate --model small`

    Example: `emonet-voice score meeting.wav --speakers turns.rttm --vad --aggregate p90`

    Example: `emonet-voice score clips/ --norm takes`

    Example: `emonet-voice score clips/ --probe`

    Example: `emonet-voice score "data/*.parquet" tars/ --engine ray --output scores.parquet`

    Example: `emonet-voice score s3://bucket/clips --engine ray --model small -o scores.parquet`

    Example: `find . -name "*.wav" | emonet-voice score - --heads anger,awe --json`
    """
    from modeling_empathic.norms import norm as find_norm
    from modeling_empathic.report import tables
    from modeling_empathic.report.progress import progress_bar
    from modeling_empathic.scoring.clips import (
        DEFAULT_BATCH_SIZE,
        path_text,
        score_groups,
    )
    from modeling_empathic.scoring.cuts import SEPARATE, Cuts
    from modeling_empathic.scoring.file import check_output, rows_of
    from modeling_empathic.scoring.listing import passed_over_line
    from modeling_empathic.scoring.names import ClipNames, paths_from, start_of
    from modeling_empathic.scoring.profiling import Profile
    from modeling_empathic.scoring.recordings import time_of
    from modeling_empathic.scoring.turns import read_turns
    from modeling_empathic.scoring.vad import check_vad

    from .report_page import check_report
    from .screen import file_scale, summary_line
    from .unusual import Unusual, is_public
    from .views import Views, check_timeline

    stderr = Terminal(stderr=True, quiet=quiet)
    on_ray = is_ray(engine, output, without=[probe and "--probe", profile and "--profile"])
    if output:
        check_output(output)
    elif overwrite:
        raise UsageError("--overwrite needs --output")
    if norm and as_json:
        raise UsageError("--norm is for the screen; --json has each head's own scale")
    if probe and (output or report or timeline or norm):
        raise UsageError("--probe writes no file; leave --output, --report and the like out")
    if probe and (window or hop or channels != "mixed" or speakers or vad or aggregate or filters):
        raise UsageError("--probe hears whole clips; leave --window, --speakers and the like out")
    if channels not in ("mixed", SEPARATE):
        raise UsageError(f"--channels {channels}: choose mixed or {SEPARATE}")
    if report:
        check_report(report)
    if timeline:
        check_timeline(timeline)
    if vad:
        check_vad()
    if norm not in (None, "reference"):
        find_norm(norm)
    turns = read_turns(speakers) if speakers else None
    passed_over: Counter[str] = Counter()
    clips = find_clips(paths, passed_over, on_ray)
    cuts = Cuts(window, hop, channels == SEPARATE, turns, len(clips) == 1, vad, aggregate)
    cuts.check()
    if passed_over:
        stderr.print(passed_over_line(passed_over), markup=False, soft_wrap=True)
    if model in (None, "nano"):
        real = "For real use: --model small (emonet-voice models says what it takes)"
        stderr.print(f"{nano_line()}\n{real}", soft_wrap=not stderr.is_terminal)
    wanted = split_names(heads)
    here = "auto" if on_ray else device  # the machine that starts Ray need not have a card
    source, revision = ready(
        model, revision, heads=wanted, dtype=dtype, device=here, yes=yes, quiet=quiet
    )
    loading = time.perf_counter()
    to_load = {"revision": revision, "heads": wanted, "device": device, "dtype": dtype}
    if on_ray:
        from modeling_empathic.scoring.ray_engine import Work, look_at_model, score_on_ray

        with stderr.status("Starting Ray and a worker"):
            loaded, extractor, provenance = look_at_model(workers, model=source, **to_load)
        made_by = dict(provenance)
    else:
        loaded, extractor, provenance = _load(stderr, source, **to_load)
    load_s = time.perf_counter() - loading
    if loaded.choice.why:
        stderr.print(f"Device: {provenance['device']}, {loaded.choice.why}", markup=False)
    if probe:
        from .probe import show_probe

        stdout = Terminal(quiet=quiet)
        raise typer.Exit(int(show_probe(clips, loaded, extractor, stdout, as_json=as_json) > 0))
    unusual = None
    if norm:
        public = norm == "reference" or is_public(source, str(provenance["model"]))
        unusual = Unusual(find_norm(norm, source, revision), loaded.config.head_names, public)
    longest_s = extractor.n_samples / 16_000
    cuts.check(longest_s)
    provenance |= cuts.provenance(longest_s)
    views = Views(
        loaded,
        provenance["model"],
        len(clips),
        sort=sort,
        filters=filters or [],
        report=report,
        timeline=timeline,
        as_json=as_json,
        top=top,
        aggregate=aggregate,
    )
    n_new, elapsed_s, started = 0, 0.0, time.perf_counter()
    file = None
    if output:
        from modeling_empathic.scoring.journal import ScoreFile

        file = ScoreFile(output, provenance | paths_from(output), overwrite=overwrite)
    names = ClipNames(
        start_of(output, file.provenance) if output and file else str(Path.cwd()),
        file.done if file else (),
    )
    on_card = loaded.device.type == "cuda"
    threads = workers or min(16 if on_card else 8, os.cpu_count() or 1)
    profiled = Profile() if profile else None
    with (
        file or nullcontext(),
        progress_bar(stderr, shown=not quiet) as progress,
        profiled or nullcontext(),
    ):
        task = progress.add_task("", total=None if on_ray else len(clips), rate="")

        def advance(n_clips: int) -> None:
            nonlocal n_new, elapsed_s
            n_new, elapsed_s = n_new + n_clips, time.perf_counter() - started
            progress.update(task, advance=n_clips, rate=f"{n_new / elapsed_s:.1f}/s")

        def where(row: Row) -> None:
            if row["end_s"] > LONG_S:  # of a clip that takes a while
                at = f"{time_of(row['end_s'])} of {Path(row['path']).name}"
                progress.update(task, rate=at)

        size = batch_size or (32 if on_card else DEFAULT_BATCH_SIZE)
        groups = score_groups(
            clips,
            loaded,
            extractor,
            batch_size=size,
            workers=threads,
            done=file.done if file else None,
            on_skip=lambda: progress.advance(task),
            cuts=cuts,
            name_of=names if file else None,
            on_batch=where,
        )
        try:
            if on_ray and file:
                model_of = {"model": source, **to_load}
                work = Work(model_of, made_by, file.provenance, size, cuts, file.done)
                order, table = score_on_ray(
                    clips,
                    file,
                    work,
                    names,
                    workers=workers,
                    on_plan=lambda total: progress.update(task, total=total),
                    on_clips=advance,
                    on_skip=lambda n_clips: progress.advance(task, n_clips),
                )
                rows = rows_of(table)
            else:
                order = [names(clip) if file else path_text(clip) for clip in clips]
                rows = _rows(groups, order, file, advance)
            views.take(unusual.watch(rows) if unusual else rows, order, names.start)
        except KeyboardInterrupt:
            progress.stop()
            kept = f"{len(file.done) + on_ray * n_new:,} clips are kept; " if file else ""
            advice = "run the same command to go on" if file else "with --output it could go on"
            print(f"stopped: {kept}{advice}", file=sys.stderr)
            raise typer.Exit(130) from None
    stdout = Terminal(quiet=quiet)
    if not as_json:
        views.show(stdout)
        if unusual:
            tables.show([unusual.section(top)], stdout)
    summary = views.summary
    line = summary_line(summary, n_new=n_new, elapsed_s=elapsed_s, written=str(output or ""))
    if as_json and not output:
        line += f". In the rows: {file_scale(loaded.config.heads)}"
    console = stderr if as_json else stdout
    told = _copies(file.done) if file and n_new else []
    for text in (line, *views.said(), *told):
        console.print(text, soft_wrap=not console.is_terminal, markup=False)
    if profiled:
        tables.show([profiled.table(n_new, threads, load_s)], Terminal(stderr=True))
    raise typer.Exit(1 if summary.n_failed else 0)


def _rows(
    groups: Iterable[list[list[Row]]],
    order: list[str],
    file: "ScoreFile | None",
    advance: Callable[[int], None],
) -> Iterator[Row]:
    """The rows to show: as they come, or those of a score file, old and new, once it is whole."""
    from modeling_empathic.scoring.profiling import timed

    for group in groups:
        if file:
            with timed("write"):
                file.append(group)
        else:
            yield from chain.from_iterable(group)
        advance(len(group))
    if file:
        from modeling_empathic.scoring.file import rows_of

        with timed("write"):
            table = file.finish(order)
        yield from rows_of(table)


def _copies(clip_ids: dict[str, str | None]) -> list[str]:
    """A line where a score file has the same bytes under two names; nothing where it has not."""
    from modeling_empathic.scoring.names import copies

    found = copies(clip_ids)
    if not found:
        return []
    name, first = found[-1]
    have = "clip has" if len(found) == 1 else "clips have"
    return [
        f"Copies: {len(found):,} {have} the bytes of another in the score file ({name}: {first})"
    ]


def _load(stderr: Console, model: str | None, **options: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Loads the model; the library's own bars and warnings only where someone looks."""
    with stderr.status("Loading the model"):
        from modeling_empathic.scoring.loading import load_model

        quiet_libraries()
        return load_model(model, **options)
