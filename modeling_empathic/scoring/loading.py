"""Loads the model for a scoring run, and says exactly which one it was."""

import hashlib
import os
from pathlib import Path
from typing import Any

from modeling_empathic.heads_empathic import HeadError, canonical
from modeling_empathic.reference_scores import FILE_NAME as REFERENCE_SCORES
from modeling_empathic.report.files import LARGEST_JSON, read_json
from modeling_empathic.taxonomy import UserError

from .clips import ScoringError
from .conversion import CONVERSION, changed
from .devices import Choice, check_wanted, choose
from .short_names import NANO, locate

NANO_NAME = "nano (embedded)"
WHOLE_FILE_BYTES = 64 * 2**20
SAMPLE_BYTES, SAMPLE_STRIDE = 4096, 256 * 1024


def load_model(
    model: str | None,
    *,
    revision: str | None,
    heads: list[str],
    device: str,
    dtype: str,
    lean: bool = True,
) -> tuple[Any, Any, dict[str, Any]]:
    """Loads a model and its feature extractor and describes them.

    Args:
        model: Short name, folder or Hub id (see `short_names.locate`); `None` for the embedded
            Nano.
        revision: Branch, tag or commit on the Hub.
        heads: Names of the heads to load, in any spelling; empty for all.
        device: As for `choose_device`.
        dtype: One of `configuration_empathic.DTYPES`, where `"mixed"`, heads in bfloat16 and the
            encoder in float32, ranks clips as float32 does (`benchmarks/README.md`, drift); or
            `"auto"`: float16 on CUDA unless stored as bfloat16, elsewhere the stored type, float16
            widened.
        lean: Whether it may be a model for scoring only, which is read in a moment.

    Returns:
        The model on its device in evaluation mode, the feature extractor, and the provenance.

    Raises:
        ScoringError: It cannot be read.
        UnknownModelError: There is no such model.
        HeadError: It has no head of a name.
    """
    source = locate(model)
    is_nano, is_folder = source == str(NANO), Path(source).is_dir()
    check_wanted(device, dtype)
    if is_folder and revision:
        raise ScoringError("revision is for models on the Hub, not for a folder")
    if is_folder and Path(source, "adapter_config.json").is_file():
        raise ScoringError(
            f"model {model}: a PEFT adapter; merge it into its model first: "
            "model.merge_and_unload().save_pretrained(FOLDER)"
        )
    for file in ("config.json", "preprocessor_config.json") if is_folder else ():
        if not Path(source, file).is_file():
            raise ScoringError(f"model {model}: the folder has no {file}")
    # Of a trainer's own notes (trainer_state.json) nothing is read, however long they are.
    settings = [*Path(source).glob("*config.json"), *Path(source).glob("*.index.json")]
    for path in settings if is_folder else ():
        if path.is_file() and path.stat().st_size > LARGEST_JSON:
            raise ScoringError(f"model {model}: {path.name} is larger than {LARGEST_JSON:,} bytes")
    if is_folder and (other := changed(Path(source), weights=False)):
        raise ScoringError(
            f"model {model}: {other[0]} is not as it was converted; convert again or, if you "
            f"changed it, take 'files' out of {CONVERSION}"
        )
    called = NANO_NAME if is_nano else source
    chosen: dict[str, str] = {}  # the same head in two spellings is one head
    for spelling in heads:
        chosen.setdefault(canonical(spelling), spelling)
    names = list(chosen.values())
    read = _lean(source, names, device, dtype) if is_folder and lean else None
    loaded, extractor, choice = read or _whole(source, revision, names, device, dtype, called)
    if is_nano:
        name, version = NANO_NAME, fingerprint(NANO)
    elif is_folder:
        name, version = origin(Path(source))
    else:
        name, version = source, loaded.commit or revision or "main"
    provenance = describe(loaded, extractor, name, version) | {"dtype": choice.dtype}
    if choice.openvino:
        if loaded.config.cut_to_speech:
            raise ScoringError(f"device openvino: {name} reads only speech, not all 30 s; take cpu")
        import torch

        from .openvino import OpenVINOEncoder

        precision = torch.float32 if choice.dtype == "mixed" else getattr(torch, choice.dtype)
        loaded.encoder = OpenVINOEncoder(loaded.encoder, precision)
        provenance["device"] = "openvino"
    loaded.choice = choice
    return loaded, extractor, provenance


def _lean(folder: str, names: list[str], device: str, dtype: str) -> tuple[Any, Any, Choice] | None:
    """A model for a CPU by the quick way; None if it is for another device, or unusual."""
    from .lean import read_config, read_lean

    config = read_config(Path(folder))
    if config is None:
        return None
    choice = choose(device, dtype, config)
    if choice.device != "cpu":
        return None
    lean = read_lean(Path(folder), config, names, choice.read_as)
    return lean and (*lean, choice)


def _whole(
    source: str, revision: str | None, names: list[str], device: str, dtype: str, called: str
) -> tuple[Any, Any, Choice]:
    """A model as everybody has it, with an error where it cannot be had."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import WhisperFeatureExtractor

    from modeling_empathic.configuration_empathic import EmpathicInsightConfig
    from modeling_empathic.frontend_empathic import check_front_end, front_end
    from modeling_empathic.modeling_empathic import EmpathicInsightModel

    kwargs: dict[str, Any] = {} if Path(source).is_dir() else {"revision": revision}
    try:
        stored = EmpathicInsightConfig.from_pretrained(source, **kwargs)
        choice = choose(device, dtype, stored)
        settings, _ = WhisperFeatureExtractor.get_feature_extractor_dict(source, **kwargs)
        check_front_end(settings, stored)
        extractor = front_end(stored)
        loaded = EmpathicInsightModel.from_pretrained(
            source, heads=names or None, dtype=choice.read_as, **kwargs
        ).to(choice.device)  # not device_map=, which needs accelerate to be installed
        loaded.config.return_dict = True  # whatever its file says: scoring reads names
    except HeadError:
        raise  # it names the head, and those there are
    except (
        *(OSError, ValueError, RuntimeError, StrictDataclassError),  # all that loaders say
        *(TypeError, LookupError, AttributeError, RecursionError),  # of JSON that is none
        *(ArithmeticError, AssertionError, MemoryError),  # of sizes that are none
    ) as error:
        raise ScoringError(f"cannot load the model {called}: {_first_line(error)}") from error
    return loaded, extractor, choice


def describe(model: Any, extractor: Any, name: str, revision: str) -> dict[str, Any]:
    """The provenance of a score file: all that scores depend on, and nothing that varies by run.

    Deliberately without times, host or batch size, so that equal runs give equal files.
    """
    from modeling_empathic import __version__
    from modeling_empathic.audio import MIN_TAIL_S, SAMPLE_RATE

    window_s = extractor.n_samples / SAMPLE_RATE
    problem = model.config.problem_type
    return {
        "model": name,
        "revision": revision,
        "heads": list(model.config.head_names),
        "scales": {head["name"]: list(head["scale"]) for head in model.config.heads},
        # What a classifier says are probabilities.
        **({} if problem == "regression" else {"problem_type": problem}),
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": model.device.type,
        "package_version": __version__,
        "windows": {"window_s": window_s, "hop_s": window_s, "min_tail_s": MIN_TAIL_S},
        "feature_extractor": {
            "class": "WhisperFeatureExtractor",
            "mel_bins": extractor.feature_size,
            "sample_rate": SAMPLE_RATE,
        },
    }


def origin(folder: Path) -> tuple[str, str]:
    """What a folder's model is called, and its version.

    Of what `emonet_voice.hub.convert` made from a repository on the Hub, these are the repository
    and its commit, as if the Hub had it in safetensors; of any other folder its name and its
    [`fingerprint`].
    """
    try:
        source = read_json(folder / CONVERSION)["source"]
        name, commit = source["name"], source["commit"]
    except (UserError, KeyError, TypeError):
        commit = None
    return (str(name), str(commit)) if commit else (folder.resolve().name, fingerprint(folder))


def fingerprint(folder: Path) -> str:
    """A SHA-256 that stands for a model folder, as a commit does for one on the Hub.

    Covers names and contents of the configuration and weight files, not the reference scores, which
    name the model that they are of. Of files above 64 MiB it
    reads 4 KiB in every 256 KiB, so that 6 GB of weights take a moment: training moves every
    weight, and that cannot be missed.
    """
    total = hashlib.sha256()
    files = {*folder.glob("*.json"), *folder.glob("*.safetensors")}
    files.discard(folder / REFERENCE_SCORES)
    files = {file for file in files if file.is_file()}  # to open a pipe would wait for ever
    for file in sorted(files, key=lambda file: file.name):
        size = file.stat().st_size
        total.update(f"{file.name}\0{size}\0".encode())
        with file.open("rb") as stream:
            if size <= WHOLE_FILE_BYTES:
                total.update(hashlib.file_digest(stream, "sha256").digest())
                continue
            for offset in range(0, size, SAMPLE_STRIDE):
                stream.seek(offset)
                total.update(stream.read(SAMPLE_BYTES))
            stream.seek(-SAMPLE_BYTES, os.SEEK_END)
            total.update(stream.read(SAMPLE_BYTES))
    return f"sha256:{total.hexdigest()}"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(
        error, LookupError | RecursionError | AssertionError | TypeError | AttributeError
    ):
        return f"its files describe no model ({type(error).__name__}: {' '.join(lines)[:200]})"
    if len(lines) > 1 and lines[0].endswith(":"):  # the reason stands below
        lines[0] += f" {lines[1]}"
    return lines[0][:500] if lines else type(error).__name__
