"""The command `emonet-voice listen`."""

import contextlib
import queue
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .options import FLAG, Device, Heads, Model, Revision, Yes, quiet_libraries, split_names
from .ready import nano_line, ready
from .screen_text import bar, clock
from .terminal import Terminal

Row = dict[str, Any]


def listen(
    model: Model = None,
    revision: Revision = None,
    heads: Heads = None,
    rate: Annotated[
        int, typer.Option(metavar="HZ", help="Sampling rate of the sound that is piped in.")
    ] = 16_000,
    channels: Annotated[
        int, typer.Option(metavar="N", min=1, max=32, help="Its channels; their mean is scored.")
    ] = 1,
    microphone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Microphone by name or number (python -m sounddevice lists them).",
            show_default="the system's, unless sound is piped in",
        ),
    ] = None,
    window: Annotated[
        float, typer.Option(metavar="S", help="Seconds scored at a time, 1 to 30.")
    ] = 3.0,
    hop: Annotated[
        float, typer.Option(metavar="S", help="Seconds from one row to the next.")
    ] = 1.0,
    vad: Annotated[
        bool,
        typer.Option(
            "--vad", metavar=FLAG, help="No score for windows without speech (Silero VAD)."
        ),
    ] = False,
    top: Annotated[int, typer.Option(metavar="N", min=1, help="Emotions shown.")] = 5,
    device: Device = "auto",
    dtype: Annotated[
        str, typer.Option(metavar="NAME", help="As for `score`: float32, bfloat16, ... or auto.")
    ] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", metavar=FLAG, help="Print a JSON object a window.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Score a voice while it speaks, from a microphone or a pipe of raw PCM.

    Sound that is piped in is raw 16-bit PCM, little-endian. Every hop the last window is scored; a
    row is final when it is shown, and its delay_s says how long after its last sample that was.
    Where a microphone is faster than the model, windows are passed over and counted
    (passed_over); of a pipe none is. Screen: from 0 to 10; --json: each head's own scale.

    Example: `ffmpeg -i talk.mp3 -f s16le -ac 1 -ar 16000 - | emonet-voice listen --rate 16000`

    Example: `emonet-voice listen --window 3 --hop 0.5 --vad`

    Example: `arecord -f S16_LE -r 16000 | emonet-voice listen --heads anger,fear --json`
    """
    from modeling_empathic.mixing_empathic import check_rate
    from modeling_empathic.scoring.cuts import Cuts
    from modeling_empathic.scoring.live import live, pcm_blocks
    from modeling_empathic.scoring.loading import load_model
    from modeling_empathic.scoring.vad import check_vad

    check_rate(rate, "rate")
    cuts = Cuts(window, hop, vad=vad)
    cuts.check()
    if vad:
        check_vad()
    stdout, stderr = Terminal(), Terminal(stderr=True)
    piped = microphone is None and not (sys.stdin and sys.stdin.isatty())
    if not piped:
        check_microphone()
    wanted = split_names(heads)
    source, revision = ready(model, revision, heads=wanted, dtype=dtype, device=device, yes=yes)
    said = nano_line() if model in (None, "nano") else f"Model: {model}."
    if not as_json:
        said += " Shown: the last window, from 0 to 10."
    stderr.print(said, markup=False, soft_wrap=not stderr.is_terminal)
    with stderr.status("Loading the model"):
        quiet_libraries()
        loaded, extractor, _ = load_model(
            source, revision=revision, heads=wanted, device=device, dtype=dtype
        )
    with contextlib.ExitStack() as stack:
        if piped:
            # None where the shell has closed it.
            blocks = pcm_blocks(sys.stdin.buffer, channels) if sys.stdin else iter(())
        else:
            rate, blocks = stack.enter_context(_microphone(microphone))
            stderr.print("Listening; Ctrl-C ends it.")
        rows = live(blocks, rate, loaded, extractor, cuts=cuts, keep_up=not piped)
        with contextlib.suppress(KeyboardInterrupt):  # the way to end it
            _show(rows, loaded.config.heads, stdout, as_json=as_json, top=top)


def _show(
    rows: Iterator[Row], heads: list[Row], console: Terminal, *, as_json: bool, top: int
) -> None:
    """Rows as they come: JSON lines, a picture that moves on a terminal, or a line each."""
    from modeling_empathic.scoring.file import json_line

    if as_json:
        for row in rows:
            print(json_line(row), flush=True)
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False) as screen:
            for row in rows:
                screen.update(_picture(row, heads, console.width, top), refresh=True)
    else:
        for row in rows:
            said = ", ".join(f"{name} {value:.1f}" for name, value in _strongest(row, heads, top))
            doubt = f" ({row['quality']})" if row["quality"] else ""
            when = f"{clock(row['start_s'])} to {clock(row['end_s'])}"
            console.print(f"{when}: {said or 'no score'}{doubt}", soft_wrap=True, markup=False)
            sys.stdout.flush()


def _picture(row: Row, heads: list[Row], width: int, top: int) -> Group:
    """The strongest emotions of the newest window as bars."""
    grid = Table.grid(padding=(0, 1))
    for name, value in _strongest(row, heads, top):
        bar_width = max(6, min(40, width - 38))
        grid.add_row(Text(name[:28].ljust(28)), Text(bar(value, bar_width), "cyan"), f"{value:.1f}")
    delay = f"{1000 * row['delay_s']:.0f} ms after it was heard"
    lost = f", {row['passed_over']} windows passed over" if row["passed_over"] else ""
    state = f"  {row['quality']}" if row["quality"] else ""
    when = f"{clock(row['start_s'])} to {clock(row['end_s'])}"
    head = Text.assemble((when, "bold"), (state, "yellow"), (f"  {delay}{lost}", "dim"))
    return Group(head, grid)


def _strongest(row: Row, heads: list[Row], top: int) -> list[tuple[str, float]]:
    """Names and intensities from 0 to 10; none where there is no score."""
    import numpy as np

    from modeling_empathic.scoring.recordings import emotions_of, on_0_10

    if row["outcome"] != "scored":
        return []
    values = on_0_10(np.array([row[head["name"]] for head in heads]), heads)
    order = sorted(emotions_of(heads), key=lambda number: -values[number])[:top]
    return [(heads[number]["name"], float(values[number])) for number in order]


def check_microphone() -> None:
    """Says what to install, before any work is done.

    Raises:
        UserError: sounddevice or PortAudio is not here.
    """
    from modeling_empathic.taxonomy import UserError

    try:
        import sounddevice  # noqa: F401
    except ImportError:
        raise UserError(
            'a microphone needs sounddevice: pip install "emonet-voice[live]"; or pipe raw PCM in: '
            "ffmpeg ... -f s16le -ac 1 -ar 16000 - | emonet-voice listen"
        ) from None
    except OSError as error:  # the library under it
        raise UserError(f"a microphone needs PortAudio (apt install libportaudio2): {error}") from (
            None
        )


@contextlib.contextmanager
def _microphone(name: str | None) -> Iterator[tuple[int, Iterator[Any]]]:
    """The rate of a microphone and what it hears, all that has come at a time.

    Raises:
        UserError: There is none of that name.
    """
    import numpy as np
    import sounddevice

    from modeling_empathic.taxonomy import UserError

    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    which = int(name) if name is not None and name.isdigit() else name
    try:
        rate = int(sounddevice.query_devices(which, "input")["default_samplerate"])
        stream = sounddevice.InputStream(
            rate,
            device=which,
            channels=1,
            dtype="float32",
            callback=lambda samples, *_: heard.put(samples.copy()),
        )
    except (ValueError, sounddevice.PortAudioError) as error:
        raise UserError(f"microphone {name or '(the default one)'}: {error}") from None

    def blocks() -> Iterator[Any]:
        while True:
            parts = [heard.get()]
            with contextlib.suppress(queue.Empty):
                while True:
                    parts.append(heard.get_nowait())
            yield np.concatenate(parts)

    with stream:
        yield rate, blocks()
