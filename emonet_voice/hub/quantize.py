"""A model's full heads with first layers in int8: half of bfloat16's bytes, half of its time."""

import copy
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from emonet_voice.hub.new_folder import new_folder
from emonet_voice.hub.pickles import ConversionError
from modeling_empathic.checkpoint_empathic import unstacked
from modeling_empathic.configuration_empathic import EmpathicInsightConfig
from modeling_empathic.int8_empathic import quantized
from modeling_empathic.modeling_empathic import EmpathicInsightModel
from modeling_empathic.report.files import read_json
from modeling_empathic.saving_empathic import write_checkpoint, write_code, write_config
from modeling_empathic.scoring.conversion import CONVERSION, seal

KEPT = ("preprocessor_config.json", "reference_scores.json", "trained.json")
"""Files of a model's folder that say nothing of how weights are stored."""


def quantize(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    heads: list[str] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    readme: Callable[[str, EmpathicInsightConfig], str] | None = None,
) -> EmpathicInsightConfig:
    """Writes a model with the first layers of its full heads in int8.

    The encoder and the rest of the heads stay as they are. One head at a time is in memory as it is
    written; the folder appears under its name when it is whole.

    Args:
        source: Folder of a model.
        output: Folder to make; must not exist or be empty.
        heads: Only these, in any spelling; default all.
        progress: Called with `(head name, number done, number of heads)`.
        readme: Makes the text of the folder's README of its name and configuration.

    Returns:
        The configuration written.

    Raises:
        ConversionError: No full heads, int8 already, or an output that is in the way.
        HeadError: A head that is not there, or not finite.
        OSError: A file that cannot be read.
    """
    source, output = Path(source), Path(output).absolute()
    model = EmpathicInsightModel.from_pretrained(source, heads=heads)
    stored: EmpathicInsightConfig = model.config
    if not stored.heads_of_kind("full"):
        raise ConversionError(f"{source} has no full heads, and pooled ones are small already")
    if stored.head_quantization != "none":
        raise ConversionError(f"{source} is {stored.head_quantization} already")
    config = copy.deepcopy(stored)
    config.head_quantization = "int8"
    kinds = {spec["name"]: spec["kind"] for spec in config.heads}
    of_heads = next(p.dtype for p in model.heads.parameters() if p.is_floating_point())

    def written() -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
        for number, (name, tensors) in enumerate(unstacked(model.state_dict(), stored), start=1):
            full = kinds[name] == "full"
            yield name, quantized_head(tensors, of_heads) if full else tensors
            if progress is not None:
                progress(name, number, len(kinds))

    with new_folder(output) as partial:
        write_code(partial)
        write_checkpoint(partial, config, model.encoder.state_dict(), written())
        for name in KEPT:
            if (source / name).is_file():
                shutil.copyfile(source / name, partial / name)
        write_config(partial, config, of_heads, model.encoder.dtype)
        if (source / CONVERSION).is_file():
            seal(partial, read_json(source / CONVERSION))
        if readme is not None:
            (partial / "README.md").write_text(readme(output.name, config), "utf-8")
    return config


def quantized_head(tensors: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """A full head's tensors with its first layer in int8, the scales and the rest in a type."""
    weight, scale = quantized(tensors["proj.weight"])
    rest = {key: value.to(dtype) for key, value in tensors.items() if key != "proj.weight"}
    return {"proj.weight": weight, "proj.scale": scale.to(dtype), **rest}
