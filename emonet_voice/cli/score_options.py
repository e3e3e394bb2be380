"""What can be asked of `score`: how recordings are cut, and what is shown of their scores."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .options import FLAG, UsageError

Window = Annotated[
    float | None,
    typer.Option(
        metavar="S",
        help="Seconds scored at a time, 1 to 30, in long recordings; shorter windows tell "
        "better when. Whisper models take as long for each as for 30 s.",
        show_default="30",
    ),
]
Hop = Annotated[
    float | None,
    typer.Option(
        metavar="S",
        help="Seconds from the start of a window to the next.",
        show_default="the window: no overlap",
    ),
]
Channels = Annotated[
    str,
    typer.Option(metavar="HOW", help="mixed, or separate: each side of a stereo call by itself."),
]
Speakers = Annotated[
    Path | None,
    typer.Option(
        metavar="RTTM",
        help="Who speaks when, from a diariser: each turn is scored by itself, rows name the "
        "speaker.",
    ),
]
Vad = Annotated[
    bool,
    typer.Option("--vad", metavar=FLAG, help="No score for windows without speech (Silero VAD)."),
]
Aggregate = Annotated[
    str | None,
    typer.Option(
        metavar="HOW",
        help="One row a clip, channel and speaker: mean of its windows, time-weighted (mean by "
        "length), max, or a percentile such as p90.",
        show_default="a row a window",
    ),
]
Top = Annotated[int, typer.Option(metavar="N", min=1, help="Emotions shown for each clip.")]
Sort = Annotated[
    str | None,
    typer.Option(metavar="EMOTION", help="Show the clips strongest in this one first."),
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="COND",
        help="Show only clips with, e.g., 'Anger > 2 and Awe <= 1' (0 to 10, in their "
        "strongest window). The score file has all.",
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Page to write, .html: search, sort, listen."),
]
Norm = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Also show what is unusual against: reference (the model's own clips), takes "
        "(20 million, public) or clips (722, public).",
    ),
]
Probe = Annotated[
    bool,
    typer.Option(
        "--probe",
        metavar=FLAG,
        help="Instead: what each head loses when the clips are low-passed, so that no word is "
        "left, and when their pitch is flat.",
    ),
]
TimelineFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder for a picture, WebVTT subtitles and Audacity labels of each recording.",
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Windows scored at once.", show_default="8; 32 on CUDA"),
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Threads that decode; with --engine ray, models loaded, one a GPU or CPU at most.",
        show_default="one per CPU, at most 8; with a GPU 16",
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="local, or ray: a Ray cluster, or every GPU or CPU of this machine; reads Parquet, "
        "WebDataset tars and addresses too.",
    ),
]
LOCAL, RAY = "local", "ray"


def is_ray(engine: str, output: Path | None, without: list[str | Literal[False]]) -> bool:
    """Whether many machines score.

    Raises:
        UsageError: Another engine, or an option that this one does not have.
    """
    if engine not in (LOCAL, RAY):
        raise UsageError(f"--engine {engine}: choose {LOCAL} or {RAY}")
    if engine == RAY and not output:
        raise UsageError(f"--engine {RAY} needs --output, beside which finished blocks are kept")
    if engine == RAY and any(without):
        wrong = " and ".join(name for name in without if name)
        raise UsageError(f"{wrong}: with --engine {LOCAL} only")
    return engine == RAY
