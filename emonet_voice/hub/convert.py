"""From the public release (one pickle a head) to one safetensors checkpoint.

The public heads are `model_<STEM>_best.pth`: a state dict of `proj.{weight,bias}` and
`mlp.{2,5,8,11}.{weight,bias}`, float32, some behind `_orig_mod.`; `pickles.py` opens them.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emonet_voice.hub.loose_heads import LooseHeads, lacking, list_heads
from emonet_voice.hub.new_folder import new_folder, refuse_taken
from emonet_voice.hub.pickles import ConversionError, read_head, shapes_of
from emonet_voice.hub.quantize import quantized_head
from modeling_empathic.configuration_empathic import (
    DTYPES,
    EmpathicInsightConfig,
    HeadError,
    canonical,
)
from modeling_empathic.report.files import locked, sha256
from modeling_empathic.saving_empathic import write_checkpoint, write_code, write_config
from modeling_empathic.scoring.conversion import seal
from modeling_empathic.source_empathic import Source
from modeling_empathic.taxonomy import (
    ATTRIBUTES,
    EMOTION_NAMES,
    EMOTION_SCALE,
    QUALITIES,
    UnknownNameError,
    resolve,
)


@dataclass(frozen=True)
class HeadFile:
    """One public head file: its canonical name, path and tensor shapes (nothing of it loaded)."""

    name: str
    file: Path
    shapes: dict[str, tuple[int, ...]]


def convert(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    encoder: str | os.PathLike[str],
    *,
    dtype: str = "float32",
    heads: list[str] | None = None,
    allow_unknown: bool = False,
    revision: str | None = None,
    encoder_revision: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    origin: dict[str, str | None] | None = None,
    quantize: str | None = None,
    readme: Callable[[str, EmpathicInsightConfig], str] | None = None,
) -> EmpathicInsightConfig:
    """Converts public heads and a Whisper checkpoint into one model folder.

    Heads are read, checked and written one after the other: memory stays under two heads above
    the encoder. The folder is made under a temporary name beside `output` and renamed at the
    end, so a killed conversion leaves no half folder under its name.

    Args:
        source: Folder or Hub id with `model_<STEM>_best.pth` files.
        output: Folder to make; must not exist or be empty.
        encoder: Folder or Hub id of the Whisper checkpoint in safetensors; the release uses
            `laion/BUD-E-Whisper`. Only its encoder is read.
        dtype: Type to store: one of `DTYPES`; `mixed` is the heads in bfloat16, the encoder in
            float32.
        heads: Convert only these (any spelling); default all that are there.
        allow_unknown: Keep heads that the taxonomy does not know instead of refusing them.
        revision: Revision of `source` on the Hub.
        encoder_revision: Revision of `encoder` on the Hub.
        progress: Called with `(head name, number done, number of heads)`.
        origin: What to say of `source`, where it is a download: name, revision and commit.
        quantize: `"int8"` for the first layers of full heads.
        readme: Makes the text of the folder's README of its name and configuration.

    Returns:
        The configuration written.

    Raises:
        ConversionError: A file that is not a public head, holds NaN or Inf, is refused by the
            restricted unpickler, or an output that is in the way.
        HeadError: An emotion head missing (without `heads`), or heads of different widths.
        LooseHeadsError: A head that is there twice.
        UnknownNameError: An unknown stem without `allow_unknown`.
        UserError: Another run is writing `output`.
        OSError: A file or repository that cannot be read.
    """
    output = Path(output).absolute()
    if dtype not in DTYPES:
        raise ConversionError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    if output.parent.is_dir():
        with locked(output):  # before any download; and what a killed run left of its lock goes
            refuse_taken(output)
    loose = list_heads(source, revision)
    files = find_heads(loose, heads=heads, allow_unknown=allow_unknown)
    hub: dict[str, Any] = {"revision": encoder_revision} if encoder_revision else {}
    whisper = WhisperConfig.from_pretrained(encoder, **hub)
    config = _configuration(files, whisper)
    stored = ("bfloat16", "float32") if dtype == "mixed" else (dtype, dtype)
    head_type, encoder_type = (getattr(torch, name) for name in stored)
    if quantize:
        config.head_quantization = quantize
    tensors = _encoder(encoder, whisper, encoder_type, hub)
    kinds = {spec["name"]: spec["kind"] for spec in config.heads}
    digests: dict[str, str] = {}

    def loaded(partial: Path) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
        for number, head in enumerate(files, start=1):
            digests[head.file.name] = sha256(head.file)
            int8 = config.is_int8(kinds[head.name])
            tensors_of_head = _load(head, torch.float32 if int8 else head_type, partial)
            if int8:
                tensors_of_head = quantized_head(tensors_of_head, head_type)
            yield head.name, tensors_of_head
            del tensors_of_head
            if progress is not None:
                progress(head.name, number, len(files))

    with new_folder(output) as partial:
        write_code(partial)
        write_checkpoint(partial, config, tensors, loaded(partial))
        _feature_extractor(encoder, whisper, hub).save_pretrained(partial)
        provenance = {
            "source": origin or {**_origin(source, revision), "commit": loose.commit},
            "encoder": {
                **_origin(encoder, encoder_revision),
                "commit": Source(encoder, hub).commit,
            },
            "sha256": digests,
        }
        write_config(partial, config, head_type, encoder_type)
        seal(partial, provenance)
        if readme is not None:
            (partial / "README.md").write_text(readme(output.name, config), "utf-8")
    return config


def find_heads(
    loose: LooseHeads, *, heads: list[str] | None = None, allow_unknown: bool = False
) -> list[HeadFile]:
    """Head files that are there or, from the Hub, downloaded, in taxonomy order, with their shapes.

    Raises what [`convert`] does.
    """
    known = canonical if allow_unknown else resolve
    files = {**loose.heads, **loose.unknown}
    if not files:
        if Path(loose.source, "config.json").is_file():
            raise ConversionError(f"{loose.source} is converted already: a model in safetensors")
        raise ConversionError(f"{loose.source} holds no model_<STEM>_best.pth")
    if heads is not None:
        names = [known(name) for name in heads]
        missing = [name for name in names if name not in files]
        if missing:
            raise HeadError(f"{loose.source} has no head {', '.join(missing)}")
    else:
        if loose.unknown and not allow_unknown:
            stem, file = next(iter(loose.unknown.items()))
            try:
                resolve(stem)
            except UnknownNameError as error:
                raise UnknownNameError(f"{file}: {error} (allow_unknown keeps it)") from None
        if lack := lacking(loose):
            raise HeadError(f"{lack}; heads names those to convert alone")
        names = list(files)
    chosen = []
    for name in names:
        path = _fetch(loose, files[name])
        chosen.append(HeadFile(name, path, shapes_of(path)))
    return chosen


def _configuration(files: list[HeadFile], whisper: WhisperConfig) -> EmpathicInsightConfig:
    """The configuration that all heads agree on; kinds and widths come from the shapes."""
    inputs = {whisper.max_source_positions * whisper.d_model: "full", 4 * whisper.d_model: "pooled"}
    for head in files:
        flat = [key for key, shape in head.shapes.items() if len(shape) != 1 + ("weight" in key)]
        if flat:
            raise HeadError(f"{head.file.name}: {flat[0]} has shape {head.shapes[flat[0]]}")
    widths = {
        head.file.name: (
            head.shapes["proj.weight"][0],
            *(head.shapes[f"mlp.{i}.weight"][0] for i in range(3)),
        )
        for head in files
    }
    if len(set(widths.values())) > 1:
        raise HeadError(f"heads of different widths cannot share a model: {widths}")
    specs = []
    for head in files:
        n_in = head.shapes["proj.weight"][1]
        if n_in not in inputs:
            raise HeadError(
                f"{head.file.name} reads {n_in} inputs; this encoder gives {_choices(inputs)}"
            )
        specs.append({"name": head.name, "kind": inputs[n_in], **_meaning(head.name)})
    projection_dim, *hidden_dims = widths[files[0].file.name]
    config = EmpathicInsightConfig(
        encoder_config=whisper.to_dict(),
        heads=specs,
        projection_dim=projection_dim,
        hidden_dims=hidden_dims,
    )
    for head, spec in zip(files, config.heads, strict=True):
        if head.shapes != config.head_shapes(spec["kind"]):
            raise HeadError(
                f"{head.file.name} has tensors {head.shapes}; a public {spec['kind']} head has "
                f"{config.head_shapes(spec['kind'])}"
            )
    return config


def _choices(inputs: dict[int, str]) -> str:
    return " or ".join(f"{n} ({kind})" for n, kind in inputs.items())


def _meaning(name: str) -> dict[str, Any]:
    """Scale, group and polarity of a head, as far as they are known."""
    for head in (*ATTRIBUTES, *QUALITIES):
        if head.name == name:
            return {"scale": list(head.scale), "group": head.group, "polarity": head.polarity}
    if name in EMOTION_NAMES:
        return {"scale": list(EMOTION_SCALE), "group": "emotion"}
    return {"scale": list(EMOTION_SCALE), "group": "attribute", "polarity": "unknown"}


def _load(head: HeadFile, dtype: torch.dtype, folder: Path) -> dict[str, torch.Tensor]:
    """One head's tensors in the type to store, refused when a value is not finite."""
    tensors = read_head(head.file, folder / ".head.safetensors")
    for key in list(tensors):
        tensor = tensors[key].to(dtype)
        # NaN wins both ends, and unlike isfinite() this takes no second copy of the head.
        if not torch.isfinite(torch.stack(torch.aminmax(tensor))).all():
            raise ConversionError(f"{head.file.name}: {key} holds NaN or Inf as {dtype}")
        tensors[key] = tensor
    return tensors


def _encoder(
    source: str | os.PathLike[str], whisper: WhisperConfig, dtype: torch.dtype, hub: dict[str, Any]
) -> dict[str, torch.Tensor]:
    """Encoder tensors of a Whisper checkpoint; the decoder's bytes are not read."""
    with torch.device("meta"):
        expected = WhisperEncoder(whisper).state_dict()
    tensors = {}
    checkpoint = Source(source, hub)
    paths = checkpoint.locate_all(sorted(set(checkpoint.files.values())))
    for key, file in checkpoint.files.items():
        name = key.removeprefix("model.").removeprefix("encoder.")
        if name in expected and "encoder." in key:
            with safe_open(paths[file], framework="pt") as weights:
                tensors[name] = weights.get_tensor(key).to(dtype)
    absent = sorted(set(expected) - set(tensors))
    if absent:
        raise ConversionError(f"{source} is not a Whisper checkpoint: it lacks {absent[0]}")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape or not torch.isfinite(tensor).all():
            raise ConversionError(f"{source}: {name} has a wrong shape, NaN or Inf")
    return {name: tensors[name] for name in expected}


def _origin(source: str | os.PathLike[str], revision: str | None) -> dict[str, str | None]:
    """Where something came from; of a folder only the name, since its path is nobody's business."""
    folder = Path(source)
    return {"name": folder.resolve().name if folder.is_dir() else str(source), "revision": revision}


def _feature_extractor(
    source: str | os.PathLike[str], whisper: WhisperConfig, hub: dict[str, Any]
) -> WhisperFeatureExtractor:
    if Source(source, hub).locate("preprocessor_config.json") is not None:
        return WhisperFeatureExtractor.from_pretrained(source, **hub)
    return WhisperFeatureExtractor(feature_size=whisper.num_mel_bins)


def _fetch(loose: LooseHeads, file: str) -> Path:
    if loose.commit is None:
        return Path(loose.source) / file
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(loose.source, file, revision=loose.commit))
