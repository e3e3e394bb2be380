"""The command `emonet-voice neighbours`."""

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import AsJson, Device, Heads, Model, Revision, Yes, quiet_libraries, split_names
from .ready import ready
from .terminal import Terminal

SAVE_S = 60.0  # of work that a killed run may lose


def neighbours(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Files, folders (searched recursively) or quoted globs to search among.",
        ),
    ],
    clip: Annotated[
        str, typer.Option("--clip", metavar="FILE", help="The clip whose like is looked for.")
    ],
    model: Model = None,
    revision: Revision = None,
    heads: Heads = None,
    top: Annotated[int, typer.Option(metavar="K", min=1, help="Clips shown.")] = 10,
    index: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Embeddings to keep and to go on with, .parquet.", dir_okay=False
        ),
    ] = None,
    device: Device = "auto",
    dtype: Annotated[
        str, typer.Option(metavar="NAME", help="As for `score`: float32, bfloat16, ... or auto.")
    ] = "auto",
    as_json: AsJson = False,
    yes: Yes = False,
) -> None:
    """Find the clips that sound most like one in emotion.

    A clip's embedding is what the heads see first (their projections); clips are alike by its
    cosine, from -1 to 1, over what the collection has in common. The search is exact.

    Exit code: 0 all searched, 1 some clips could not be read, 2 could not run.

    Example: `emonet-voice neighbours clips/ --clip x.wav --top 5`

    Example: `emonet-voice neighbours clips/ --clip x.wav --index clips.parquet --heads anger,fear`
    """
    import numpy as np

    from modeling_empathic.report import files
    from modeling_empathic.report.progress import progress_bar
    from modeling_empathic.report.tables import plain, show
    from modeling_empathic.scoring.listing import ScoringError, find_audio
    from modeling_empathic.scoring.loading import load_model
    from modeling_empathic.scoring.neighbours import (
        Embedded,
        embed,
        nearest,
        read_index,
        write_index,
    )

    if index and (index.suffix.lower() != ".parquet" or not index.parent.is_dir()):
        raise ScoringError(f"index {index}: choose a .parquet file in a folder that exists")
    clips, stderr = find_audio(paths), Terminal(stderr=True)
    (wanted,) = find_audio([clip])
    source, revision = ready(
        model, revision, heads=split_names(heads), dtype=dtype, device=device, yes=yes
    )
    with stderr.status("Loading the model"):
        quiet_libraries()
        loaded, extractor, provenance = load_model(
            source, revision=revision, heads=split_names(heads), device=device, dtype=dtype
        )
    about = {key: provenance[key] for key in ("model", "revision", "heads", "dtype")}
    known = read_index(index, about) if index else {}
    found: dict[str, Embedded] = {}
    query = next(embed([wanted], loaded, extractor, known=known))
    if query.vector is None:
        raise ScoringError(f"clip {wanted}: {query.error}")

    def save() -> None:
        if index:
            write_index(index, {**known, **found}.values(), about)

    saved = started = time.monotonic()
    try:
        with progress_bar(stderr, verb="Embedding") as progress:
            task = progress.add_task("", total=len(clips), rate="")
            workers = min(8, os.cpu_count() or 1)
            for each in embed(clips, loaded, extractor, known=known, workers=workers):
                found[each.path] = each
                rate = len(found) / (time.monotonic() - started)
                progress.update(task, advance=1, rate=f"{rate:.1f}/s")
                if time.monotonic() - saved > SAVE_S:
                    save()
                    saved = time.monotonic()
    except KeyboardInterrupt:
        save()
        kept = f"{len(found):,} clips are kept; run the same command to go on"
        stderr.print(f"stopped: {kept if index else 'with --index it could go on'}")
        raise typer.Exit(130) from None
    save()
    failed = [each for each in found.values() if each.vector is None]
    # The clip itself, under whatever name, is no neighbour of its own.
    others = [e for e in found.values() if e.vector is not None and e.clip_id != query.clip_id]
    if not others:
        why = f"{failed[0].path}: {failed[0].error}" if failed else f"no clip but {wanted} itself"
        raise ScoringError(f"{why}: name a folder with other clips")
    rows: list[dict[str, Any]] = []
    vectors = np.stack([each.vector for each in others if each.vector is not None])
    numbers, cosines = nearest(vectors, query.vector, len(others))
    for number, alike in zip(numbers[:top], cosines[:top], strict=True):
        each = others[int(number)]
        rows.append({"path": each.path, "clip_id": each.clip_id, "alike": float(alike)})
    if as_json:
        typer.echo(files.as_json(rows))
    else:
        lines = [[row["path"], f"{row['alike']:.2f}"] for row in rows]
        title = f"Of {len(others):,} clips the most like {wanted}"
        middle = f"The middle one of all {len(others):,}: {np.median(cosines):.2f}."
        show([plain(title, ["clip", "alike, -1 to 1"], lines, middle)], Terminal())
    for each in failed[:10]:
        stderr.print(f"✗ {each.path}: {each.error}", style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1 if failed else 0)
