"""The command `emonet-voice convert`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .options import FLAG, Heads, split_names


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
    heads: Heads = None,
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
    from modeling_empathic.report.progress import progress_bar

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
            heads=split_names(heads) or None,
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
        names = [head["name"] for head in config.heads if head["group"] == group]
        if names:
            console.print(f"{group} ({len(names)}): {', '.join(names)}", markup=False)
