"""A model that was asked for, made ready to load: what every command does with `--model`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from modeling_empathic.scoring.short_names import locate

from .options import quiet_libraries
from .terminal import Terminal

if TYPE_CHECKING:
    from emonet_voice.hub.converted import Plan
    from emonet_voice.hub.loose_heads import LooseHeads

_LINE_BITS = 100e6  # a second: what the time of a download is said for


def ready(
    model: str | None,
    revision: str | None = None,
    *,
    heads: Sequence[str] = (),
    dtype: str = "auto",
    device: str = "auto",
    yes: bool = False,
    quiet: bool = False,
) -> tuple[str, str | None]:
    """What to load a model from, and the revision of that.

    Where there are only loose pickles, as in the public repositories, says what converting them
    takes, asks, and does it once; every later run uses the result.

    Args:
        model: Short name, folder or Hub id; None for Nano.
        revision: Branch, tag or commit on the Hub.
        heads: Names of the heads that are needed, in any spelling; all if empty.
        dtype: To load in, as `score` takes it.
        device: To load on, likewise.
        yes: Do not ask.
        quiet: Say nothing that needs no answer.

    Raises:
        UnknownModelError: No such model.
        ScoringError: No such device here, or no such type.
        ConvertedModelError: The answer was no, or there is nobody to ask; no such head, no room.
    """
    from emonet_voice.hub.converted import chosen_heads, find, look_up
    from modeling_empathic.scoring.devices import check_wanted

    check_wanted(device, dtype)
    source = locate(model)
    stderr = Terminal(stderr=True, quiet=quiet)
    if model and "/" in source and source != model and Path(model).is_dir():
        note = f"--model {model} is {source}; for your folder: --model ./{model}"
        stderr.print(note, markup=False, soft_wrap=True)
    loose = look_up(source, revision)
    if loose is None:
        return source, revision
    names = chosen_heads(loose, heads)
    folder = find(loose, names, dtype) or _convert(loose, names, dtype, stderr, yes=yes)
    return str(folder), None


def nano_line() -> str:
    """What Nano is, and what it reaches where its training did not, as that measured it.

    Example:
        >>> nano_line()
        'Model: Nano, built in. Recall: 88 % on new speakers who say sentences of its training...'
    """
    import json

    from modeling_empathic.scoring.loading import NANO

    measured = json.loads((NANO / "training.json").read_text("utf-8"))["measured"]
    said = []
    for key, where in (
        ("emodb_test_speakers", "on new speakers who say sentences of its training"),
        ("unseen_corpus", "on a corpus it never met"),
    ):
        if key in measured:
            recall, n = 100 * measured[key]["uar"], len(measured[key]["classes"])
            said.append(f"{recall:.0f} % {where} ({n} emotions, by chance {100 / n:.0f} %)")
    return f"Model: Nano, built in.{' Recall: ' * bool(said)}{', '.join(said)}{'.' * bool(said)}"


def _convert(
    loose: "LooseHeads", names: list[str], dtype: str, stderr: Terminal, *, yes: bool
) -> Path:
    """Converts with bars, the first over megabytes, the second over heads."""
    from emonet_voice.hub.converted import converted
    from modeling_empathic.report.progress import progress_bar

    quiet_libraries()
    download = progress_bar(stderr, verb="Downloading")
    convert = progress_bar(stderr, verb="Converting")
    tasks = [download.add_task("", total=None, rate="MB"), convert.add_task("", rate="")]

    def ask(plan: "Plan") -> None:
        _ask(plan, stderr, yes=yes)
        download.update(tasks[0], total=max(1, plan.n_download // 10**6))
        download.start()

    def on_head(name: str, done: int, total: int) -> None:
        download.stop()
        convert.start()
        convert.update(tasks[1], completed=done, total=total, rate=name)

    try:
        folder = converted(
            loose,
            names,
            dtype,
            ask=ask,
            on_wait=lambda: stderr.print(f"waiting for another run that converts {loose.source}"),
            on_bytes=lambda n: download.update(tasks[0], completed=n // 10**6),
            on_head=on_head,
        )
    except KeyboardInterrupt:
        stderr.print("stopped: what was downloaded is kept; run the same command to go on")
        raise typer.Exit(130) from None
    finally:
        download.stop()
        convert.stop()
    stderr.print(f"Converted, for every later run: {folder}", markup=False, soft_wrap=True)
    return folder


def _ask(plan: "Plan", stderr: Terminal, *, yes: bool) -> None:
    """Says what is to be done, and raises unless it may be."""
    from emonet_voice.hub.converted import ConvertedModelError
    from emonet_voice.hub.loose_heads import lacking

    source, there = plan.loose.source, not plan.n_download
    takes = f"{_size(plan.n_disk)} on disk" + ("" if there else f", {_size(plan.n_download)} to ")
    takes += "" if there else "download first"
    if not yes and not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConvertedModelError(
            f"{source} holds only pickles: --yes converts {len(plan.heads)} heads of them, once "
            f"({takes})"
        )
    stderr.quiet = stderr.quiet and yes  # a question needs what it is about
    for line in _lines(plan):
        stderr.print(line, markup=False, soft_wrap=True)
    if lack := lacking(plan.loose):
        stderr.print(f"  note      {lack}", markup=False, soft_wrap=True)
    if plan.loose.unknown:
        left = ", ".join(list(plan.loose.unknown)[:5])
        stderr.print(f"  left out  heads that nobody knows here: {left}", markup=False)
    if not yes and not typer.confirm("Do it?", default=True, err=True):
        raise ConvertedModelError(f"{source} was not converted, so that there is nothing to load")


def _lines(plan: "Plan") -> list[str]:
    """What a conversion does and takes."""
    from emonet_voice.hub.converted import cache
    from emonet_voice.models import conversion_s, measured, overhead_gb

    n_heads, machine = len(plan.heads), measured()["machine"]
    every = "all " if n_heads == len(plan.loose.heads) else ""
    lines = [
        f"{plan.loose.source} holds loose pickles. They become safetensors ({plan.dtype}), once; "
        "pickles are opened so that they cannot run code:",
        f"  heads     {every}{n_heads}; --heads takes only those that you name",
    ]
    if plan.n_download:
        seconds = 8 * plan.n_download / _LINE_BITS
        lines.append(
            f"  download  {_size(plan.n_download)}, {_duration(seconds)} at 100 Mbit/s; "
            "the heads' pickles are deleted afterwards"
        )
    lines += [
        f"  convert   {_duration(conversion_s(plan.n_read))}, as measured on "
        f"{machine['cores']} cores",
        f"  disk      {_size(plan.n_disk)} in {cache()}, "
        f"{_size(plan.n_disk + plan.n_download)} until it is done",
        f"  memory    {_size(plan.n_disk + overhead_gb() * 1e9)} to score with them"
        + _memory_here(),
    ]
    return lines


def _memory_here() -> str:
    try:
        n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return ""
    return f"; this machine has {_size(n_bytes)}"


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.1f} MB"


def _duration(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {max(1, seconds):.0f} s"
