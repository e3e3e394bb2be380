"""What training starts from, a model of ours or a Whisper encoder, and the folder it ends in."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..checkpoint_empathic import unstacked
from ..configuration_empathic import EmpathicInsightConfig
from ..modeling_empathic import EmpathicInsightModel
from ..report.files import is_hub_id
from ..saving_empathic import write_checkpoint, write_code, write_config
from ..scoring.loading import fingerprint
from ..taxonomy import HEAD_NAMES, head
from .heads import HeadSpec
from .settings import TrainingError

SIZES = {"small": (64, [64, 32, 16]), "large": (128, [128, 64, 32])}
"""First and hidden layers of the paper's two sizes (A.2)."""


class Base(NamedTuple):
    """A model to train heads on.

    Attributes:
        model: Without the new heads.
        extractor: Its feature extractor.
        config: With the new heads.
        name: Of the source.
        revision: Its commit, or a fingerprint of its files.
    """

    model: EmpathicInsightModel
    extractor: Any
    config: EmpathicInsightConfig
    name: str
    revision: str


def load_base(
    source: str | Path,
    scales: Mapping[str, tuple[float, float]],
    *,
    kind: str = "full",
    size: str = "small",
    layers: tuple[int, int] | None = None,
    pooling: str = "mean",
    revision: str | None = None,
) -> Base:
    """Loads what heads are trained on, and adds those that it has not.

    Args:
        source: Folder or Hub id: an EmpathicInsight model, whose heads stay, or any Whisper.
        scales: The heads to train, with their scales.
        kind: Of new heads: `full` or `pooled`.
        size: Of the heads on a Whisper encoder: `small` or `large`.
        layers: Of a Whisper encoder, the first and the last layer that heads read, side by side;
            what comes after them goes. Which say most of the voice is to be measured: the last
            ones have turned to words.
        pooling: Statistics that pooled heads on a Whisper encoder read; such a model has
            `cut_to_speech`.
        revision: Of a source on the Hub.

    Raises:
        TrainingError: No such model, or one without an encoder.
    """
    from transformers import WhisperFeatureExtractor
    from transformers.configuration_utils import PreTrainedConfig

    if kind not in ("full", "pooled") or size not in SIZES:
        raise TrainingError(f"kind {kind!r}, size {size!r}: choose full or pooled, small or large")
    folder = Path(source).is_dir()
    if not folder and not is_hub_id(str(source)):
        raise TrainingError(f"model {source}: no such folder, and not a Hub id (owner/name)")
    hub = {} if folder or revision is None else {"revision": revision}
    try:
        settings, _ = PreTrainedConfig.get_config_dict(source, **hub)
        ours = settings.get("model_type") == EmpathicInsightConfig.model_type
        if ours and layers is not None:
            raise TrainingError("layers are cut from a Whisper encoder, not from a model of ours")
        projection, hidden = SIZES[size]
        shape = {"projection_dim": projection, "hidden_dims": hidden}
        if kind == "pooled":
            shape |= {"pooling": pooling, "cut_to_speech": True}
        model = _ours(source, settings, hub) if ours else _on_whisper(source, shape, layers, hub)
        extractor = WhisperFeatureExtractor.from_pretrained(source, revision=revision or "main")
    except TrainingError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise TrainingError(f"model {source}: {reason}") from None
    config = model.config
    heads = list(config.heads)
    for name, scale in scales.items():
        if name not in config.head_names:
            known = head(name) if name in HEAD_NAMES else None
            spec = {"name": name, "kind": kind, "scale": list(scale)}
            if known:
                spec |= {"group": known.group, "polarity": known.polarity}
            heads.append(spec)
    settings = {**config.to_dict(), "heads": heads, "id2label": None}  # labels are the heads
    config = EmpathicInsightConfig.from_dict(settings)
    mark = fingerprint(Path(source)) if folder else model.commit or revision or "main"
    name = Path(source).resolve().name if folder else str(source)
    return Base(model.eval(), extractor, config, name, mark)


def _ours(source: str | Path, settings: dict[str, Any], hub: dict[str, Any]) -> Any:
    # What is stored as bfloat16 stays so; float16 becomes float32, since it trains to NaN.
    stored = str(settings.get("dtype", "float32"))
    if stored != "bfloat16":
        hub = {**hub, "dtype": torch.float32}
    return EmpathicInsightModel.from_pretrained(source, **hub)


def _on_whisper(
    source: str | Path, shape: dict[str, Any], layers: tuple[int, int] | None, hub: dict[str, Any]
) -> Any:
    from transformers import WhisperModel

    # Not WhisperEncoder: a checkpoint of the whole model would leave it random, with a warning.
    loaded: Any = WhisperModel.from_pretrained(
        source, dtype=torch.float32, output_loading_info=True, **hub
    )
    whisper, info = loaded
    absent = [key for key in info["missing_keys"] if key.startswith("encoder.")]
    if absent:
        raise TrainingError(f"model {source} is no Whisper: it lacks {min(absent)}")
    settings = whisper.config.to_dict()
    n_layers = settings["encoder_layers"]
    if layers is not None:
        first, last = layers
        if not 1 <= first <= last <= n_layers:
            raise TrainingError(f"layers {first} to {last}: this encoder has 1 to {n_layers}")
        if first < last and not shape.get("cut_to_speech"):
            raise TrainingError("full heads read one layer: give the same first and last")
        settings["encoder_layers"] = last
        shape = {**shape, "read_layers": last - first + 1}
    settings["decoder_layers"] = 0  # there is no decoder in these models
    config = EmpathicInsightConfig(encoder_config=settings, heads=[], **shape)
    model = EmpathicInsightModel(config)
    state = whisper.encoder.state_dict()
    wanted = model.encoder.state_dict()
    model.encoder.load_state_dict({key: state[key] for key in wanted})
    return model


def specs(
    config: EmpathicInsightConfig, names: Sequence[str], folds: Iterable[int]
) -> list[HeadSpec]:
    """Every head in every fold, as it is learnt."""
    kinds = {spec["name"]: spec["kind"] for spec in config.heads}
    return [
        HeadSpec(
            name,
            kinds[name],
            (config.head_in_features(kinds[name]), config.projection_dim, *config.hidden_dims, 1),
            tuple(config.dropouts),
            fold,
        )
        for fold in folds
        for name in names
    ]


def stored_head(base: Base, name: str) -> dict[str, torch.Tensor] | None:
    """A head's tensors in the model that training starts from; `None` if it is new."""
    if name not in base.model.config.head_names:
        return None
    state = base.model.state_dict()
    for stored, tensors in unstacked(state, base.model.config):
        if stored == name:
            return {key: value.detach().float().cpu().clone() for key, value in tensors.items()}
    raise AssertionError(name)


def write_model(
    base: Base, output: Path, trained: Iterable[tuple[str, dict[str, torch.Tensor]]]
) -> None:
    """Writes the folder: trained heads one by one, the others as they were, code and extractor."""
    encoder = {k: v.detach().cpu() for k, v in base.model.encoder.state_dict().items()}
    dtype = base.model.dtype if base.model.config.heads else torch.float32
    names = set()

    def heads() -> Iterable[tuple[str, dict[str, torch.Tensor]]]:
        for name, tensors in trained:
            names.add(name)
            yield name, {key: value.to(dtype) for key, value in tensors.items()}
        state = base.model.state_dict()
        for name, tensors in unstacked(state, base.model.config):
            if name not in names:
                yield name, {key: value.detach().cpu() for key, value in tensors.items()}

    write_code(output, base.model._code_source)
    write_checkpoint(output, base.config, encoder, heads())
    write_config(output, base.config, dtype, next(base.model.encoder.parameters()).dtype)
    base.extractor.save_pretrained(output)
