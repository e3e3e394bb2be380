"""Writes checkpoints that `checkpoint_empathic` reads: weights, configuration and code."""

import copy
import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch

from .configuration_empathic import EmpathicInsightConfig, HeadError
from .mapping_empathic import save_mappable, save_tensors
from .plan_empathic import check_names
from .source_empathic import INDEX, WEIGHTS, Source

# The code that a folder needs for `trust_remote_code=True`; all flat, all relative imports.
CODE_FILES = (
    "adapters_empathic.py",
    "audio.py",
    "checkpoint_empathic.py",
    "chunks_empathic.py",
    "configuration_empathic.py",
    "containers_empathic.py",
    "decoding_empathic.py",
    "frames_empathic.py",
    "frontend_empathic.py",
    "heads_empathic.py",
    "int8_empathic.py",
    "mapping_empathic.py",
    "mixing_empathic.py",
    "modeling_empathic.py",
    "ogg_empathic.py",
    "pipeline_empathic.py",
    "plan_empathic.py",
    "quality_empathic.py",
    "saving_empathic.py",
    "source_empathic.py",
    "speech_empathic.py",
    "speech_encoder_empathic.py",
    "stacks_empathic.py",
    "taxonomy.py",
)
AUTO_MAP = {
    "AutoConfig": "configuration_empathic.EmpathicInsightConfig",
    "AutoModel": "modeling_empathic.EmpathicInsightModel",
    "AutoModelForAudioClassification": "modeling_empathic.EmpathicInsightModel",
}
PIPELINES = {
    "voice-emotion": {
        "impl": "pipeline_empathic.EmpathicInsightPipeline",
        "pt": ["AutoModel"],
        "type": "audio",
    }
}
TAGS = ("speech-emotion-recognition", "emonet-voice")
"""Of every model's card."""
_OLD_WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?")


def write_checkpoint(
    folder: str | os.PathLike[str],
    config: EmpathicInsightConfig,
    encoder: dict[str, torch.Tensor],
    heads: Iterable[tuple[str, dict[str, torch.Tensor]]],
) -> None:
    """Writes weights head by head, so that memory holds one full head beside the encoder.

    The first shard has the encoder and the pooled heads (0.8 MB each), every full head one of
    its own; without full heads there is one file. All is written beside the old weights first
    and then moved in, the index last: a folder whose writing failed still has its old weights.

    Args:
        folder: Existing folder.
        config: Says which heads are full, and their order.
        encoder: Encoder tensors by their name in the model, without the `encoder.` prefix.
        heads: `(name, tensors by name within the head)`, any order.

    Raises:
        HeadError: Heads differ from those of `config`, or a tensor has the wrong shape.
    """
    folder = Path(folder)
    full = [config.heads[i]["name"] for i in config.heads_of_kind("full")]
    first = WEIGHTS if not full else _shard(1, len(full) + 1)
    shard_of = {name: _shard(i, len(full) + 1) for i, name in enumerate(full, start=2)}
    small = {f"encoder.{name}": tensor for name, tensor in encoder.items()}
    weight_map: dict[str, str] = {}
    counts = {"total_parameters": 0, "total_size": 0}
    seen: set[str] = set()
    new = folder / ".writing"
    shutil.rmtree(new, ignore_errors=True)  # left by a writer that was killed
    new.mkdir()

    def write(tensors: dict[str, torch.Tensor], file: str, last: str | None = None) -> None:
        tensors = {key: tensor.contiguous() for key, tensor in tensors.items()}
        if last:
            save_mappable(tensors, new / file, last)
        else:
            save_tensors(tensors, new / file, {"format": "pt"})
        (new / file).chmod(0o644)  # safetensors writes files that nobody else can read
        weight_map.update(dict.fromkeys(tensors, file))
        counts["total_parameters"] += sum(tensor.numel() for tensor in tensors.values())
        counts["total_size"] += sum(tensor.nbytes for tensor in tensors.values())

    try:
        for name, tensors in heads:
            _check_head(config, name, {key: tuple(value.shape) for key, value in tensors.items()})
            if name in seen:
                raise HeadError(f"head {name!r} comes twice")
            seen.add(name)
            named = {f"heads.{name}.{key}": value for key, value in tensors.items()}
            if name in shard_of:
                write(named, shard_of[name], last=f"heads.{name}.proj.weight")
            else:
                small.update(named)
            del tensors, named  # before the next head is read: one at a time is the point
        check_names(config.head_names, seen)
        write(small, first)
        if full:
            index = {"metadata": counts, "weight_map": dict(sorted(weight_map.items()))}
            (new / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
        for file in sorted(new.iterdir(), key=lambda file: file.name == INDEX):
            file.replace(folder / file.name)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    for old in folder.iterdir():
        if _OLD_WEIGHTS.fullmatch(old.name) and old.name not in {*weight_map.values(), INDEX}:
            old.unlink()
    if not full:
        (folder / INDEX).unlink(missing_ok=True)


def write_config(
    folder: str | os.PathLike[str],
    config: EmpathicInsightConfig,
    dtype: torch.dtype,
    encoder_dtype: torch.dtype,
) -> None:
    """Writes `config.json` with what AutoModel and `pipeline` need to find the code beside it."""
    config = copy.deepcopy(config)
    config.dtype, config.encoder.dtype = dtype, encoder_dtype
    config.architectures = ["EmpathicInsightModel"]
    config.auto_map = dict(AUTO_MAP)
    config.custom_pipelines = PIPELINES
    config.save_pretrained(folder)


def write_code(folder: str | os.PathLike[str], source: Source | None = None) -> None:
    """Copies the modelling code beside the weights.

    Args:
        folder: Where to.
        source: Where to take files from that are not beside this one: of a class that was itself
            loaded as remote code only what it imports is.

    Raises:
        OSError: A file that is in neither place.
    """
    for name in CODE_FILES:
        beside: str | Path | None = Path(__file__).with_name(name)
        if not Path(__file__).with_name(name).exists():
            beside = source.locate(name) if source else None
        if beside is None:
            raise OSError(
                f"{name} is neither beside the model's code nor in {source and source.path_or_id}"
            )
        target = Path(folder) / name
        if not (target.exists() and target.samefile(beside)):
            shutil.copyfile(beside, target)


def complete_card(readme: Path, config: EmpathicInsightConfig) -> None:
    """Adds to a card's metadata by what the Hub finds a model; what the card says already stays.

    Args:
        readme: Of a repository; nothing happens where there is none.
        config: Of the model.
    """
    from huggingface_hub import ModelCard

    if not readme.is_file():
        return
    card = ModelCard.load(readme, ignore_metadata_errors=True)
    card.data.pipeline_tag = card.data.pipeline_tag or "audio-classification"
    card.data.library_name = card.data.library_name or "transformers"
    tags = list(card.data.tags or [])
    card.data.tags = tags + [tag for tag in (config.model_type, *TAGS) if tag not in tags]
    card.save(readme)


def _check_head(
    config: EmpathicInsightConfig, name: str, shapes: dict[str, tuple[int, ...]]
) -> None:
    kinds = {spec["name"]: spec["kind"] for spec in config.heads}
    if name not in kinds:
        raise HeadError(f"head {name!r} is not in the configuration")
    expected = config.head_shapes(kinds[name])
    if shapes != expected:
        raise HeadError(f"head {name!r} has tensors {shapes}, a {kinds[name]} head has {expected}")


def _shard(number: int, total: int) -> str:
    return f"model-{number:05d}-of-{total:05d}.safetensors"
