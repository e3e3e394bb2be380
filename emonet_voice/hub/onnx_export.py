"""A model as ONNX, for runtimes without torch: `model.onnx`, and `model.json` that explains it.

A model of 30 s windows takes the features that it takes in torch, `input_features`. One that reads
only speech, such as Nano, takes samples: its front end and its cut are part of the graph, so that
what runs it needs no signal processing of its own.
"""

import importlib.util
import json
import logging
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from modeling_empathic.audio import MIN_TAIL_S
from modeling_empathic.mixing_empathic import MIN_DURATION_S, SAMPLE_RATE
from modeling_empathic.report.files import write_json
from modeling_empathic.scoring.loading import load_model
from modeling_empathic.scoring.short_names import NANO, locate
from modeling_empathic.stacks_empathic import probabilities

from .new_folder import new_folder, refuse_taken
from .onnx_speech import SpeechGraph
from .pickles import ConversionError

OPSET = 20
"""Of the graphs: GELU is one operator from here on, and onnxruntime runs it since 1.17."""
DTYPES = ("float32", "float16")
MODEL, ABOUT = "model.onnx", "model.json"
ONE_FILE_BYTES = 2**30  # of weights; protobuf ends at 2 GiB
MOST_DIFFERENCE = 1e-3
"""Of a score from torch's, on the same weights; more is no conversion."""
_NARROWED_VALUES = 256  # smaller tensors stay float32: biases, constants
_FRONT_END = {"basis", "mel"}  # not weights: float16 would be noise in every spectrum


def export(
    source: str | Path | None,
    output: str | Path,
    *,
    dtype: str = "float32",
    heads: list[str] | None = None,
    revision: str | None = None,
) -> dict[str, Any]:
    """Writes a model as ONNX into a folder, and compares its scores with torch's.

    Args:
        source: Short name, folder or Hub id of a model; `None` for Nano.
        output: Folder to make; must not exist or be empty. Weights above 1 GiB lie beside the
            graph, in `model.onnx.data`.
        dtype: Type to store weights in, `float32` or `float16`; computed is in float32.
        heads: Only these (any spelling); default all.
        revision: Of `source` on the Hub.

    Returns:
        What `model.json` says: input and output, heads, model and revision, `opset`; and, over
        three made sounds, the `largest_difference` of a score from torch's with the same weights,
        and by how much the type of the weights has `moved_by_rounding` the most.

    Raises:
        ConversionError: No such type, something is at `output`, a package is missing, a model in
            int8, or the scores are others.
        ScoringError: The model cannot be read.

    Example:
        >>> export("nano", "nano-onnx/", dtype="float16")["opset"]  # doctest: +SKIP
        20
    """
    output = Path(output).absolute()
    if dtype not in DTYPES:
        raise ConversionError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}, which ONNX has")
    missing = [n for n in ("onnx", "onnxscript", "onnxruntime") if not importlib.util.find_spec(n)]
    if missing:
        raise ConversionError(f'{missing[0]} is not installed: pip install "emonet-voice[onnx]"')
    refuse_taken(output)
    model, extractor, provenance = load_model(
        None if source is None else str(source),
        revision=revision,
        heads=heads or [],
        device="cpu",
        dtype="float32",
        lean=False,
    )
    if model.config.head_quantization != "none":
        raise ConversionError(
            f"{source} has {model.config.head_quantization} heads: export the model that it was "
            "made of, to halve it with dtype float16"
        )
    graph, example, dynamic = _graph(model, extractor)
    about = _about(model, extractor, provenance, dtype)
    exact = _torch_scores(graph, example)
    if dtype == "float16":
        _round(model)
    expected = _torch_scores(graph, example)
    with new_folder(output) as partial:
        program = _program(graph, example, dynamic)
        if dtype == "float16":
            _narrow(program.model)
        program.model.metadata_props["emonet_voice"] = json.dumps(about)
        n_bytes = sum(parameter.nbytes for parameter in graph.parameters())
        program.save(partial / MODEL, external_data=n_bytes > ONE_FILE_BYTES)
        if locate(source) == str(NANO):
            shutil.copyfile(NANO / "LICENSE.whisper", partial / "LICENSE.whisper")
        del program, graph, model  # before another runtime reads the same weights
        difference = float(np.abs(run(partial / MODEL, example.numpy()) - expected).max())
        if not difference <= MOST_DIFFERENCE:
            raise ConversionError(
                f"the scores of {MODEL} are up to {difference:.2g} away from torch's; "
                f"{MOST_DIFFERENCE:g} is the most"
            )
        about["largest_difference"] = difference
        about["moved_by_rounding"] = float(np.abs(expected - exact).max())
        write_json(partial / ABOUT, about)
    return about


def run(model: Path, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scores `(batch, heads)` of an exported model by onnxruntime on the CPU.

    Args:
        model: A `model.onnx`.
        inputs: Waveforms `(batch, samples)` or features `(batch, mel_bins, frames)`, as it takes.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    scores: npt.NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: inputs})[0]
    return scores


def _graph(model: Any, extractor: Any) -> tuple[nn.Module, torch.Tensor, dict[str, Any]]:
    """What is exported, an input for it, and which of that input's sizes are free."""
    model.set_attn_implementation("eager")  # products and a softmax, which every runtime has
    batch = torch.export.Dim("batch")
    sounds = _sounds()
    if model.config.cut_to_speech:
        samples = torch.export.Dim(
            "samples", min=round(MIN_DURATION_S * SAMPLE_RATE), max=extractor.n_samples
        )
        return SpeechGraph(model).eval(), sounds, {"waveform": {0: batch, 1: samples}}
    features = extractor(list(sounds.numpy()), sampling_rate=SAMPLE_RATE, return_tensors="pt")
    return _Windows(model).eval(), features.input_features, {"input_features": {0: batch}}


class _Windows(nn.Module):
    """A model that returns a tensor: what `score` says of windows."""

    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def forward(self, input_features: torch.Tensor) -> torch.Tensor:
        return probabilities(self.model(input_features).logits, self.model.config.problem_type)


def _sounds() -> torch.Tensor:
    """Three sounds of two seconds at 16 kHz: buzzes in syllables, and noise between silences."""
    seconds = torch.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    hertz = torch.tensor([110.0, 220.0])[:, None]
    buzz = torch.stack([torch.sin(2 * torch.pi * k * hertz * seconds) / k for k in range(1, 20)])
    syllables = buzz.sum(0) * torch.sin(2 * torch.pi * 3 * seconds).clamp(min=0)
    noise = torch.randn(1, len(seconds), generator=torch.Generator().manual_seed(0))
    noise = noise * ((seconds > 0.5) & (seconds < 1.2))
    return 0.1 * torch.cat([syllables, noise])


def _torch_scores(graph: nn.Module, example: torch.Tensor) -> npt.NDArray[np.float32]:
    with torch.inference_mode():
        scores: npt.NDArray[np.float32] = graph(example).numpy()
    return scores


def _round(model: nn.Module) -> None:
    """Weights to what float16 holds, in place."""
    for name, parameter in model.named_parameters():
        rounded = parameter.data.half().float()
        if not rounded.isfinite().all():
            raise ConversionError(f"dtype float16: {name} has weights beyond its range")
        parameter.data.copy_(rounded)


def _program(graph: nn.Module, example: torch.Tensor, dynamic: dict[str, Any]) -> Any:
    """The graph as a program of ONNX."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of packages that are absent
    with warnings.catch_warnings(action="ignore"):
        return torch.onnx.export(
            graph,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(dynamic),
            output_names=["scores"],
            dynamic_shapes=dynamic,
            verbose=False,
        )


def _narrow(model: Any) -> None:
    """Stores weights in float16, each widened by a node that runtimes fold when they load."""
    import onnx_ir as ir

    graph = model.graph
    for name, value in list(graph.initializers.items()):
        wide = value.const_value
        if wide.dtype != ir.DataType.FLOAT or wide.size < _NARROWED_VALUES or name in _FRONT_END:
            continue
        array = wide.numpy().astype(np.float16)
        half = ir.Value(
            name=f"{name}_float16",
            shape=value.shape,
            type=ir.TensorType(ir.DataType.FLOAT16),
            const_value=ir.Tensor(array, name=f"{name}_float16"),
        )
        cast = ir.node("Cast", [half], {"to": ir.DataType.FLOAT})
        cast.outputs[0].name = f"{name}_float32"
        ir.convenience.replace_all_uses_with(value, cast.outputs[0])
        del graph.initializers[name]
        graph.register_initializer(half)
        graph.insert_before(graph[0], cast)


def _about(model: Any, extractor: Any, provenance: dict[str, Any], dtype: str) -> dict[str, Any]:
    """What a program must know to use the graph, and a person where it comes from."""
    if model.config.cut_to_speech:
        taken: dict[str, Any] = {
            "name": "waveform",
            "shape": ["batch", "samples"],
            "sampling_rate": SAMPLE_RATE,
            "min_samples": round(MIN_DURATION_S * SAMPLE_RATE),
            "max_samples": extractor.n_samples,
            "min_tail_s": MIN_TAIL_S,
        }
    else:
        frames = extractor.nb_max_frames
        taken = {"name": "input_features", "shape": ["batch", extractor.feature_size, frames]}
    return {
        "model": provenance["model"],
        "revision": provenance["revision"],
        "package_version": provenance["package_version"],
        "opset": OPSET,
        "dtype": dtype,
        "input": taken,
        "output": {"name": "scores", "shape": ["batch", "heads"]},
        "heads": model.config.heads,
        # Of a classifier the scores are probabilities.
        **{key: provenance[key] for key in ("problem_type",) if key in provenance},
    }
