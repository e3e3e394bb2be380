"""The command `emonet-voice train encoder`."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options
from .options import FLAG
from .terminal import Terminal, echo

ACTED = "acted"


def encoder(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="Clips with 40 scores on 0-4: folder or Hub id; or `acted`, made by espeak-ng.",
        ),
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.")],
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="Whisper to start from: folder or Hub id.")
    ] = "openai/whisper-small",
    revision: options.Revision = None,
    data_revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Branch, tag or commit of DATA on the Hub.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of DATA: its configuration.")
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="To learn from.")] = "train",
    eval_split: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="To evaluate on; where it is --split, its first --eval-clips are held out.",
        ),
    ] = "test",
    eval_clips: Annotated[
        int, typer.Option(metavar="N", min=1, help="Clips captioned at each evaluation.")
    ] = 500,
    caption_column: Annotated[
        str, typer.Option(metavar="NAME", help="Paraphrased captions, used where there are any.")
    ] = "caption",
    acted_clips: Annotated[
        int, typer.Option(metavar="N", min=1, help="Of each emotion, where DATA is `acted`.")
    ] = 20,
    streaming: Annotated[
        bool,
        typer.Option("--streaming", metavar=FLAG, help="Read DATA while training; needs --steps."),
    ] = False,
    window_s: Annotated[
        int, typer.Option(metavar="S", help="Seconds the encoder hears, from a clip's start.")
    ] = 30,
    layers: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Only the encoder's first layers.", show_default="all of them"
        ),
    ] = None,
    epochs: Annotated[float, typer.Option(metavar="N", help="Times through the data.")] = 3.0,
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Optimiser steps instead of epochs.")
    ] = None,
    batch: Annotated[
        int, typer.Option(metavar="N", min=1, help="Clips at a time on a device.")
    ] = 16,
    accumulate: Annotated[int, typer.Option(metavar="N", min=1, help="Batches to a step.")] = 1,
    learning_rate: Annotated[float, typer.Option(metavar="X", help="At its highest.")] = 1e-5,
    no_spec_augment: Annotated[
        bool,
        typer.Option("--no-spec-augment", metavar=FLAG, help="Blank no stretches of the sound."),
    ] = False,
    bf16: Annotated[
        bool | None,
        typer.Option("--bf16/--float32", metavar=FLAG, help="Compute in.", show_default="by GPU"),
    ] = None,
    gradient_checkpointing: Annotated[
        bool,
        typer.Option(
            "--gradient-checkpointing", metavar=FLAG, help="Less memory for a third more time."
        ),
    ] = False,
    save_steps: Annotated[
        int, typer.Option(metavar="N", min=1, help="Steps between evaluations, and checkpoints.")
    ] = 500,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of everything random.")] = 0,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto or cpu.")] = "auto",
    workers: Annotated[
        int, typer.Option(metavar="N", min=0, help="Processes that decode audio.")
    ] = 2,
    log: Annotated[
        str | None, typer.Option(metavar="NAME", help="trackio: a log on this machine.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Teach a Whisper to write emotion captions; its encoder is what stage 2 builds on.

    Captions are made of the scores unless DATA has paraphrases. OUT is a Whisper checkpoint with
    `training_args.json` and `evaluation.json`, and appears when it is whole; the same command again
    goes on where a stopped one was; once it has ended, it shows the figures again.

    Exit code: 0 trained, 1 some clips could not be read, 2 could not run.

    Example: `emonet-voice train encoder my-clips/ encoder/ --model openai/whisper-small`

    Example: `accelerate launch -m emonet_voice.cli.app train encoder laion/emonet-voice-big
    encoder/ --config all --streaming --steps 20000 --eval-split train`
    """
    from modeling_empathic.report.files import as_json as to_json
    from modeling_empathic.report.progress import progress_bar
    from modeling_empathic.training.encoder import EncoderSettings, train_encoder
    from modeling_empathic.training.record import origin

    ended = output.exists()  # or train_encoder refuses it
    options.quiet_libraries()
    stderr = Terminal(stderr=True)
    settings = EncoderSettings(
        model=model,
        revision=revision,
        window_s=window_s,
        layers=layers,
        epochs=epochs,
        steps=steps,
        batch_size=batch,
        accumulate=accumulate,
        learning_rate=learning_rate,
        spec_augment=not no_spec_augment,
        bf16=bf16,
        gradient_checkpointing=gradient_checkpointing,
        caption_column=caption_column,
        eval_clips=eval_clips,
        save_steps=save_steps,
        seed=seed,
        device=device,
        workers=workers,
        log=log,
    )
    if data == ACTED:
        from dataset_scripts.synthesis.acted_dataset import acted_dataset

        made = [acted_dataset(acted_clips, name, seed) for name in ("train", "test")]
        train, test, source = *made, {"name": ACTED, "clips_per_emotion": acted_clips}
    else:
        from modeling_empathic.training.caption_data import hold_out, load_clips

        where: dict[str, Any] = {"config": config, "revision": data_revision}
        train = load_clips(data, split, streaming=streaming, **where)
        if eval_split == split:
            test, train = hold_out(train, eval_clips)
        else:
            test = load_clips(data, eval_split, streaming=streaming, **where)
        source = {**origin(data, data_revision), "config": config, "split": split}
        source |= {"eval_split": eval_split, "streaming": streaming}
    try:
        with progress_bar(stderr, verb="Training") as bar:
            task = bar.add_task("", total=None, rate="")

            def show(step: int, total: int, figures: dict[str, float]) -> None:
                rate = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
                bar.update(task, completed=step, total=total, rate=rate)

            outcome = train_encoder(train, test, output, settings, source=source, progress=show)
    except KeyboardInterrupt:
        stderr.print("stopped: the same command goes on after the last checkpoint")
        raise typer.Exit(130) from None
    if os.environ.get("RANK", "0") != "0":  # of several processes the first one speaks
        raise typer.Exit
    if as_json:
        typer.echo(to_json(outcome["result"]))
    else:
        place = "This run had ended; it is in" if ended else "Written to"
        echo(f"{_summary(outcome['result'])}. {place} {output}")
    for line in outcome["unreadable"]:
        echo(f"not read: {line}", err=True)
    raise typer.Exit(1 if outcome["unreadable"] else 0)


def _summary(result: dict[str, Any]) -> str:
    from modeling_empathic.report.tables import number

    return (
        f"Caption loss {number(result['loss'])}; levels read back from {result['clips']} captions: "
        f"Spearman's ρ {number(result['spearman'])} (mean over emotions; {result['silent_on']} not "
        f"told apart), {result['unparsed']} captions do not parse"
    )
