"""A model's full heads with first layers in int8: half of bfloat16's bytes, half of its time."""

import copy
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from modeling_empathic.checkpoint_empathic import unstacked
from modeling_empathic.configuration_empathic import EmpathicInsightConfig
from modeling_empathic.int8_empathic import quantized
from modeling_empathic.modeling_empathic import EmpathicInsightModel
from modeling_empathic.report.files import locked
from modeling_empathic.saving_empathic import write_checkpoint, write_code, write_config
from modeling_empathic.taxonomy import UserError

KEPT = ("preprocessor_config.json", "conversion.json", "reference_scores.json", "trained.json")
"""Files of a model's folder that say nothing of how weights are stored."""


class QuantizationError(UserError):
    """A model that cannot be quantised; the message says why."""


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
        QuantizationError: No full heads, int8 already, or an output that is in the way.
        HeadError: A head that is not there, or not finite.
        OSError: A file that cannot be read.
    """
    source, output = Path(source), Path(output).absolute()
    model = EmpathicInsightModel.from_pretrained(source, heads=heads)
    stored: EmpathicInsightConfig = model.config
    if not stored.heads_of_kind("full"):
        raise QuantizationError(f"{source} has no full heads, and pooled ones are small already")
    if stored.head_quantization != "none":
        raise QuantizationError(f"{source} is {stored.head_quantization} already")
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

    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.converting")
    with locked(output):
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise QuantizationError(f"{output} exists already; name a folder that does not")
        shutil.rmtree(partial, ignore_errors=True)  # left by a run that was killed
        partial.mkdir()
        try:
            write_code(partial)
            encoder = model.encoder.state_dict()
            write_checkpoint(partial, config, encoder, written())
            for name in KEPT:
                if (source / name).is_file():
                    shutil.copyfile(source / name, partial / name)
            write_config(partial, config, of_heads, model.encoder.dtype)
            if readme is not None:
                (partial / "README.md").write_text(readme(output.name, config), "utf-8")
            if output.exists():
                output.rmdir()
            partial.rename(output)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return config


def quantized_head(tensors: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """A full head's tensors with its first layer in int8, the scales and the rest in a type."""
    weight, scale = quantized(tensors["proj.weight"])
    rest = {key: value.to(dtype) for key, value in tensors.items() if key != "proj.weight"}
    return {"proj.weight": weight, "proj.scale": scale.to(dtype), **rest}
