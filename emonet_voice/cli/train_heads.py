"""The command `emonet-voice train heads`."""

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options
from .options import FLAG, UsageError, split_names
from .ready import ready
from .terminal import Terminal, echo


def heads(
    data: Annotated[
        str,
        typer.Option(
            metavar="DIR|ID",
            help="Folder with metadata.csv (file_name, labels, speaker), data set (also what `big "
            "build` made), or corpus.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help=f"Model to add to, or a Whisper checkpoint: {options.MODELS}, folder or Hub id.",
            show_default="nano, built in",
        ),
    ] = None,
    heads: options.Heads = None,
    new_head: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=LOW:HIGH]", help="A head to add, 0:4 unless said; may be repeated."
        ),
    ] = None,
    label_map: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help='JSON: what words mean, {"happy": {"Elation": 3}, …}.'),
    ] = None,
    corpus: Annotated[
        str | None, typer.Option(metavar="NAME", help="DATA is this corpus: emodb or ravdess.")
    ] = None,
    split: Annotated[
        str, typer.Option(metavar="HOW", help="auto (by speaker where known), speaker or random.")
    ] = "auto",
    folds: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="To measure in; 1 is a single split, for large data."
        ),
    ] = 5,
    kind: Annotated[
        str, typer.Option(metavar="KIND", help="Of new heads: full or pooled.")
    ] = "pooled",
    size: Annotated[
        str, typer.Option(metavar="SIZE", help="Of heads on a Whisper: small or large.")
    ] = "small",
    layers: Annotated[
        str | None,
        typer.Option(
            metavar="N|N-M",
            help="Layer of a Whisper that heads read, or the first and last of several.",
            show_default="the last",
        ),
    ] = None,
    pooling: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Of heads on a Whisper: mean, mean_std or mean_min_max_std."
        ),
    ] = "mean",
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="mae (the paper's), mse or huber.",
            show_default="mae; mse for labels in words, most of which say absent of a head",
        ),
    ] = None,
    learning_rate: Annotated[float, typer.Option(metavar="X", help="Of AdamW.")] = 1e-3,
    weight_decay: Annotated[
        float, typer.Option(metavar="X", help="Of AdamW; less where there are many clips.")
    ] = 3.0,
    input_dropout: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Share of a head's inputs that is left out in a step.",
            show_default="0.3 for pooled heads, 0 for full ones",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(metavar="N", min=1, help="Clips in a step.")] = 32,
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="At most.", show_default="40, with few clips 500 steps"
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Epochs without progress after which a head stops; 0: never, and all clips teach.",
            show_default="three in ten of them",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of all that is drawn.")] = 0,
    heads_per_pass: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Heads in memory at a time.", show_default="all"),
    ] = None,
    shard: Annotated[
        str,
        typer.Option(metavar="WHAT", help="Over processes of `accelerate launch`: heads or data."),
    ] = "heads",
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep encoder states here: each clip is encoded once."),
    ] = None,
    from_scratch: Annotated[
        bool,
        typer.Option("--from-scratch", metavar=FLAG, help="Heads that there are begin anew."),
    ] = False,
    data_split: Annotated[str, typer.Option(metavar="NAME", help="Of a data set.")] = "train",
    config: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a data set: its configuration.")
    ] = None,
    revision: options.Revision = None,
    data_revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Branch, tag or commit of a data set.")
    ] = None,
    device: options.Device = "auto",
    trackio: Annotated[
        str | None,
        typer.Option(metavar="PROJECT", help="Log losses with trackio, on this machine."),
    ] = None,
    as_json: options.AsJson = False,
    yes: options.Yes = False,
) -> None:
    """Train heads on a frozen encoder (the paper's stage 2), on your own labels.

    A table beside the clips, metadata.csv (.jsonl, .parquet), has a column file_name and either a
    column of words, label, or a column of numbers a head. With a column speaker nobody is in
    training and in test; with start and end, or channel, a line is that part of a recording.
    Heads that the model has and that are not named stay as they are. The result is a folder that
    AutoModel loads, with a card that says what was measured.

    Killed or stopped, the same command goes on where it was; ended, it shows the figures again.

    Exit code: 0 trained, 1 some clips could not be read, 2 could not run.

    Example: `emonet-voice train heads --data clips/ --new-head Sarcasm --output mine/`

    Example: `emonet-voice train heads --data path/to/emodb --corpus emodb --model
    path/to/whisper-base --layers 2-4 --loss mse --output emodb-heads/`

    Example: `accelerate launch --num_processes 8 -m emonet_voice.cli.app train heads --data
    laion/emonet-voice-big --model laion/BUD-E-Whisper --kind full --folds 1 --cache states/
    --output small/`
    """
    from emonet_voice.training_card import write_training_card
    from modeling_empathic.report.files import as_json as to_json
    from modeling_empathic.report.files import is_hub_id
    from modeling_empathic.report.progress import progress_bar
    from modeling_empathic.training.base import load_base
    from modeling_empathic.training.ended import has_ended
    from modeling_empathic.training.labels import read_label_map, read_labels
    from modeling_empathic.training.run import estimate, train_heads
    from modeling_empathic.training.settings import Settings, enough_epochs

    options.quiet_libraries()
    options.careful_with(data)
    # Checked before anything is read; what depends on the labels is said below.
    settings = Settings(
        loss=loss or "mae", learning_rate=learning_rate, weight_decay=weight_decay,
        input_dropout=input_dropout, batch_size=batch_size, epochs=1 if epochs is None else epochs,
        patience=patience or 0, seed=seed, heads_per_pass=heads_per_pass, shard=shard,
    )  # fmt: skip
    stderr = Terminal(stderr=True)
    added = dict(_new_head(spec) for spec in new_head or [])
    if len(added) < len(new_head or []):
        raise UsageError(f"--new-head: one of {', '.join(added)} is named twice")
    _check(data, output)  # before a model is converted
    if not Path(data).exists() and not is_hub_id(data):
        raise UsageError(f"--data {data}: no such folder, and not the id of a data set")
    meaning = read_label_map(label_map) if label_map else None
    source, revision = ready(model, revision, device=device, yes=yes)
    if corpus:
        labelled = _corpus(data, corpus, meaning)
    else:
        labelled = read_labels(
            data, heads=split_names(heads), new_heads=added, label_map=meaning,
            known=_known_heads(source, revision), split=data_split, config=config,
            revision=data_revision,
        )  # fmt: skip
    for note in labelled.notes:
        stderr.print(note, markup=False)
    if epochs is None:
        epochs = enough_epochs(len(labelled.clips), batch_size)
    settings = replace(
        settings, epochs=epochs, patience=round(0.3 * epochs) if patience is None else patience,
        loss=loss or ("mse" if labelled.classes else "mae"),
    )  # fmt: skip
    base = load_base(
        source,
        labelled.scales,
        kind=kind,
        size=size,
        layers=_layers(layers),
        pooling=pooling,
        revision=revision,
    )
    ended = has_ended(output)
    if not ended:
        stderr.print(estimate(base, labelled, settings, folds, split), markup=False)
    if cache and not cache.exists() and not ended:
        free = shutil.disk_usage(cache.parent if cache.parent.exists() else Path()).free
        stderr.print(f"{free / 1e9:.3g} GB are free where the cache goes", markup=False)
    try:
        with progress_bar(stderr, verb="Training") as bar:

            def progress(verb: str, total: int) -> Callable[[int], None]:
                task = bar.add_task("", total=total, rate=verb.lower())
                return lambda n: bar.advance(task, n)

            result = train_heads(
                base, labelled, output, settings, cache=cache, n_folds=folds, split=split,
                from_scratch=from_scratch, device=device, progress=progress,
                log=_trackio_log(trackio, settings) if trackio else lambda values, step: None,
            )  # fmt: skip
    except KeyboardInterrupt:
        stderr.print("stopped: the same command goes on from the last checkpoint")
        raise typer.Exit(130) from None
    if os.environ.get("RANK", "0") != "0":  # of several processes the first one speaks
        raise typer.Exit
    if not ended or not (output / "README.md").exists():  # a card may have been edited since
        write_training_card(output, result, base.config)
    if as_json:
        typer.echo(to_json(result))
    else:
        from modeling_empathic.report.tables import show

        show(_tables(result), Terminal())
        echo(f"{'This run had ended; it is in' if ended else 'Written to'} {output}", err=True)
    raise typer.Exit(1 if result["undecodable"] else 0)


def _tables(result: dict[str, Any]) -> Any:
    from emonet_voice.training_card import figures

    return figures(result)


def _check(data: str, output: Path) -> None:
    """Refuses what would fail only after clips are encoded, or asks the Hub for a local file."""
    from modeling_empathic.training.ended import check_output
    from modeling_empathic.training.tables import SUFFIXES

    if Path(data).is_file() and Path(data).suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"--data {data} is a file: name the folder that it is in, with its metadata.csv"
        )
    check_output(output)


def _new_head(spec: str) -> tuple[str, tuple[float, float]]:
    name, _, scale = spec.partition("=")
    try:
        low, high = (float(end) for end in (scale or "0:4").split(":"))
        if not (name.strip() and low < high < math.inf and low > -math.inf):
            raise ValueError("no name, or no scale")
    except ValueError:
        raise UsageError(f"--new-head {spec}: NAME or NAME=LOW:HIGH, such as Sarcasm=0:4") from None
    return name.strip(), (low, high)


def _layers(said: str | None) -> tuple[int, int] | None:
    """The first and the last layer to read.

    Example:
        >>> _layers("3"), _layers("2-4")
        ((3, 3), (2, 4))
    """
    if said is None:
        return None
    first, _, last = said.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()):
        raise UsageError(f"--layers {said}: a layer such as 3, or a first and a last one, 2-4")
    return int(first), int(last or first)


def _known_heads(source: str, revision: str | None) -> list[str]:
    """Heads of the model that data may have columns for; none of a Whisper."""
    from transformers.configuration_utils import PreTrainedConfig

    try:
        settings, _ = PreTrainedConfig.get_config_dict(source, revision=revision)
    except (OSError, ValueError):  # load_base says what is wrong
        return []
    return [spec["name"] for spec in settings.get("heads") or []]


def _corpus(data: str, corpus: str, label_map: Any) -> Any:
    """A corpus of ours as labelled clips; by default Table 11 says what its classes mean."""
    from dataset_scripts.corpora import acted_corpora
    from modeling_empathic.training.folder import fingerprint_files
    from modeling_empathic.training.labels import LabelledClips, with_classes

    known = acted_corpora()
    if corpus not in known:
        raise UsageError(f"--corpus {corpus}: choose from {', '.join(known)}")
    files, _ = known[corpus].files(data)
    rows = [known[corpus].parse_name(file.name) for file in files]
    classes = list(known[corpus].CLASSES)
    labelled = LabelledClips(
        [str(file) for file in files], [file.name for file in files], {}, {}, corpus,
        fingerprint_files(files), speakers=[row["speaker"] for row in rows],
    )  # fmt: skip
    table_11 = {
        word: dict.fromkeys(emotions, 4.0) for word, emotions in known[corpus].CLASSES.items()
    }
    return with_classes(labelled, [classes[row["label"]] for row in rows], label_map or table_11)


def _trackio_log(project: str, settings: Any) -> Callable[[dict[str, float], int], None]:
    """A log that stays on this machine."""
    import dataclasses
    import importlib.util

    if importlib.util.find_spec("trackio") is None:
        raise UsageError('--trackio: pip install "emonet-voice[train]" first')
    os.environ.setdefault("TRACKIO_LOCAL_ONLY", "1")
    import trackio

    trackio.init(project=project, config=dataclasses.asdict(settings), embed=False)
    return lambda values, step: trackio.log(
        {f"validation/{name}": loss for name, loss in values.items()}, step=step
    )
