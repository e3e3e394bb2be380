"""What `score --probe` shows: what each head loses without words, and without melody."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from modeling_empathic.report.progress import progress_bar
from modeling_empathic.report.tables import Section, number, plain, show
from modeling_empathic.scoring.probe import HeadProbe, probe

from .terminal import Terminal

LARGEST_FIRST = 20
"""Heads on the screen; --json has all."""
FEW_CLIPS = 20
"""Below so many the order of clips is mostly chance: of ten, |ρ| is above 0.63 by chance in 5 %."""


def show_probe(
    clips: Sequence[str],
    loaded: Any,
    extractor: Any,
    console: Console,
    *,
    as_json: bool,
    quiet: bool = False,
) -> int:
    """Scores the clips in three versions and prints the heads; the number of clips that failed."""
    import json

    import typer

    with progress_bar(Terminal(stderr=True), shown=not quiet, verb="Probing") as progress:
        task = progress.add_task("", total=None, rate="")

        def on_step(verb: str, done: int, total: int) -> None:
            progress.update(task, total=total, completed=done, rate=verb)

        heads, failed = probe(clips, loaded, extractor, on_step=on_step)
    for path, why in failed.items():
        typer.echo(f"{path}: {why.removeprefix(f'{path}: ')}", err=True)
    if as_json:
        for head in heads:
            fields = {
                name: [None if value != value else value for value in of]
                for name, of in zip(head._fields[1:], head[1:], strict=True)
            }
            typer.echo(json.dumps({"head": head.name, **fields}))
    else:
        show([section(heads, len(clips) - len(failed))], console)
    return len(failed)


def section(heads: Sequence[HeadProbe], n_clips: int) -> Section:
    """The heads that say most of these clips, strongest first."""
    ordered = sorted(heads, key=lambda head: -head.means[0])[:LARGEST_FIRST]
    rows = [
        [head.name, *(number(value, 2) for value in head.means),
         *(number(value, 2, "–") for value in head.correlations)]
        for head in ordered
    ]  # fmt: skip
    note = (
        "Mean scores on the heads' own scales. Low-passed: nothing above 400 Hz, words are gone, "
        "melody and tempo stay. Flat pitch: the clip's median pitch throughout, words stay. ρ: how "
        "far the order of the clips stays. A head that falls only with the words reads words; both "
        "changes also make recordings that no model was trained on."
    )
    left_out = (
        f"The {len(rows)} of {len(heads)} heads with the highest mean on the clips; --json has all."
        if len(rows) < len(heads)
        else ""
    )
    headers = ("Head", "Clip", "Low-passed", "Flat pitch", "ρ low", "ρ flat")
    few = (
        f"ρ is of {n_clips} clips: with fewer than {FEW_CLIPS} it is mostly chance"
        + ("; of fewer than three there is none." if n_clips < 3 else ".")
        if n_clips < FEW_CLIPS
        else ""
    )
    title = f"Words or sound? {n_clips} clip{'s' * (n_clips != 1)}"
    return plain(title, headers, rows, left_out, few, note)
