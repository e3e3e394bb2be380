"""The command `emonet-voice convert`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emonet_voice.hub.repositories import ENCODER
from modeling_empathic.scoring.short_names import locate

from .options import FLAG, Heads, UsageError, quiet_libraries, split_names
from .terminal import Terminal

if TYPE_CHECKING:
    from modeling_empathic.configuration_empathic import EmpathicInsightConfig


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC",
            help="Where the public heads are, `model_*_best.pth`: small, large, plus, folder or "
            "Hub id; with --quantize also the folder of a model, with --to onnx any model.",
        ),
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to create.")],
    to: Annotated[
        str, typer.Option(metavar="NAME", help="Format: safetensors, or onnx for other runtimes.")
    ] = "safetensors",
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Whisper checkpoint that the heads belong to: folder or Hub id.",
            show_default=ENCODER,
        ),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Type to store: float32, bfloat16, float16 or mixed (bfloat16 heads, float32 "
            "encoder); of ONNX float32 or float16.",
            show_default="float32",
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="int8: the heads' first layers in 8 bits, half of bfloat16's memory, for CPUs.",
        ),
    ] = None,
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

    Pickles are opened with `weights_only=True`, which keeps them from running code (torch 2.10 and
    later; this package asks for 2.11); the result is safetensors, one
    head a file. OUT appears under its name only when it is whole.

    `--model small` of the other commands does the same for you, in a cache; this is for a folder of
    your own.

    With `--quantize int8` the README in OUT says how far scores are from those of float32, head by
    head, as measured on trained heads and real clips.

    `--to onnx` writes a graph with its weights, and a `model.json` that says what goes in and what
    comes out. Small and its like take the features of a window of 30 s; Nano takes samples at
    16 kHz, with its front end in the graph. Scores are compared with torch's before OUT appears.
    Needs `pip install "emonet-voice[onnx]"`.

    Example: `emonet-voice convert small my-small/ --dtype mixed`

    Example: `emonet-voice convert my-small/ my-small-int8/ --quantize int8`

    Example: `emonet-voice convert nano nano-onnx/ --to onnx --dtype float16`
    """
    names, stored_as = split_names(heads), dtype or "float32"
    if to not in ("safetensors", "onnx"):
        raise UsageError(f"--to {to}: choose safetensors or onnx")
    if quantize not in (None, "int8"):
        raise UsageError(f"--quantize {quantize}: choose int8")
    if to == "onnx":
        if encoder or encoder_revision or allow_unknown or quantize:
            raise UsageError(
                "--encoder, --allow-unknown and --quantize are for safetensors, not for --to onnx"
            )
        from .convert_onnx import convert_onnx

        convert_onnx(source, output, stored_as, names, revision)
        return
    source = locate(source)
    if quantize and Path(source, "config.json").is_file():
        if dtype or encoder or encoder_revision or allow_unknown or revision:
            raise UsageError(
                "--dtype, --encoder, --encoder-revision, --allow-unknown and --revision are for "
                f"the public heads; {source} is a model, whose encoder stays as it is"
            )
        _quantize(Path(source), output, names)
        return

    from emonet_voice.hub.convert import convert as convert_release
    from emonet_voice.hub.loose_heads import lacking, list_heads
    from emonet_voice.int8_card import card
    from modeling_empathic.report.progress import progress_bar

    loose = list_heads(source, revision)
    if not names and loose.heads and (lack := lacking(loose)):
        raise UsageError(f"{lack}; --heads NAMES converts those that you name")
    if not names and loose.unknown and not allow_unknown:
        raise UsageError(
            f"{source} has heads that are not known here, {', '.join(list(loose.unknown)[:3])}: "
            "--allow-unknown keeps them, --heads NAMES converts those that you name"
        )

    stderr = Terminal(stderr=True)
    with progress_bar(stderr, shown=True, verb="Converting") as progress:
        task = progress.add_task("", total=None, rate="")

        def advance(name: str, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, rate=name)

        config = convert_release(
            source,
            output,
            encoder or ENCODER,
            dtype=stored_as,
            heads=names or None,
            allow_unknown=allow_unknown,
            revision=revision,
            encoder_revision=encoder_revision,
            progress=advance,
            quantize=quantize,
            readme=card if quantize else None,
        )
    _say(config, stored_as, output)


def _quantize(source: Path, output: Path, heads: list[str]) -> None:
    """A model's folder made int8."""
    from emonet_voice.hub.quantize import quantize
    from emonet_voice.int8_card import card
    from modeling_empathic.report.progress import progress_bar

    quiet_libraries()
    with progress_bar(Terminal(stderr=True), shown=True, verb="Quantising") as progress:
        task = progress.add_task("", total=None, rate="")

        def advance(name: str, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, rate=name)

        config = quantize(source, output, heads=heads or None, progress=advance, readme=card)
    _say(config, "int8", output)


def _say(config: "EmpathicInsightConfig", dtype: str, output: Path) -> None:
    """What was written."""
    full, pooled = len(config.heads_of_kind("full")), len(config.heads_of_kind("pooled"))
    size = {64: "Small", 128: "Large"}.get(config.projection_dim, f"P={config.projection_dim}")
    gigabytes = sum(file.stat().st_size for file in output.glob("*.safetensors")) / 1e9
    console = Terminal()
    console.print(
        f"{full} full and {pooled} pooled {size} heads on {config.encoder.encoder_layers} Whisper "
        f"layers of width {config.encoder.d_model}: {gigabytes:.2f} GB of "
        f"{dtype if config.head_quantization == 'none' else 'int8'} in {output}",
        soft_wrap=True,
        markup=False,
    )
    for group in ("emotion", "attribute", "quality"):
        names = [head["name"] for head in config.heads if head["group"] == group]
        if names:
            console.print(f"{group} ({len(names)}): {', '.join(names)}", markup=False)
