"""Whisper's encoder by the libraries that have one: seconds of a window, and how far states differ.

    pip install openvino onnx onnxscript onnxruntime ctranslate2
    python benchmarks/encoders.py --whisper path/to/whisper-base

One real checkpoint, one window of a real clip, the same features for all, each library as its users
load it. CTranslate2 is no dependency of this project: it is what it is measured against. A library
that is not installed is left out.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
CLIP = HERE.parent / "examples" / "clips" / "de_anger.flac"
OURS = ("OpenVINO, bfloat16", "torch, bfloat16")
"""What `score` runs on a CPU, by what the processor has."""


def main() -> None:
    """Command line of `encoders.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--whisper", type=Path, required=True, help="checkpoint with its tokenizer")
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    import numpy as np
    import torch
    from transformers import WhisperFeatureExtractor

    from benchmarks.full_size import seconds
    from benchmarks.report import machine, write_report
    from modeling_empathic import load_audio

    extractor = WhisperFeatureExtractor.from_pretrained(arguments.whisper)
    heard = extractor(load_audio(CLIP), sampling_rate=16_000, return_tensors="np")
    mel = np.ascontiguousarray(heard["input_features"], np.float32)
    rows: list[dict[str, Any]] = []
    exact = None
    with torch.inference_mode():
        for library, way, run in ways(arguments.whisper, mel):
            states = np.asarray(run(mel), np.float32)
            exact = states if exact is None else exact
            error = float(np.sqrt(np.mean((states - exact) ** 2)) / exact.std())
            rows.append({"way": way, "library": library, "error": error,
                         **seconds(lambda: run(mel), arguments.runs)})  # noqa: B023  # fmt: skip
            print(rows[-1], file=sys.stderr)
    libraries = {name: version(name) for name in {row["library"] for row in rows}}
    results = {
        "machine": machine(),
        "whisper": arguments.whisper.name,
        "libraries": libraries,
        "rows": rows,
    }
    write_report(results, HERE / "results" / "encoders.json")


def ways(folder: Path, mel: Any) -> Iterator[tuple[str, str, Callable[[Any], Any]]]:
    """Library, name and function of each, plain transformers first."""
    import torch
    from transformers import WhisperModel

    whole = WhisperModel.from_pretrained(folder, dtype=torch.float32).encoder.eval()
    yield "transformers", "torch, float32", lambda x: whole(torch.from_numpy(x))[0].numpy()
    half = WhisperModel.from_pretrained(folder, dtype=torch.bfloat16).encoder.eval()
    yield (
        "transformers",
        "torch, bfloat16",
        lambda x: half(torch.from_numpy(x).bfloat16())[0].float().numpy(),
    )
    if find_spec("openvino"):
        from benchmarks.int8 import openvino_encoders

        for name, run in openvino_encoders(whole, torch.from_numpy(mel)).items():
            yield "openvino", name, lambda x, run=run: run(x)[0]  # type: ignore[misc]
    if find_spec("onnxruntime") and find_spec("onnx"):
        yield "onnxruntime", "ONNX Runtime, float32", onnx(whole, mel)
    if find_spec("ctranslate2"):
        for kind in ("float32", "bfloat16", "int8_float32"):
            if run := ctranslate2(folder, kind):
                yield "ctranslate2", f"CTranslate2, {kind}", run


def onnx(encoder: Any, mel: Any) -> Callable[[Any], Any]:
    """ONNX Runtime on the exported encoder."""
    import onnxruntime
    import torch

    from modeling_empathic.scoring.openvino import _silent, _States

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "encoder.onnx")
        with _silent():
            torch.onnx.export(_States(encoder), (torch.from_numpy(mel),), str(file), dynamo=False)
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def ctranslate2(folder: Path, kind: str) -> Callable[[Any], Any] | None:
    """CTranslate2 on the converted checkpoint; None where the processor has not the type."""
    import os

    import ctranslate2
    from ctranslate2.converters import TransformersConverter

    if kind not in ctranslate2.get_supported_compute_types("cpu"):
        return None
    with tempfile.TemporaryDirectory() as made:
        converted = str(Path(made, "whisper"))
        TransformersConverter(str(folder)).convert(converted)
        model = ctranslate2.models.Whisper(
            converted, compute_type=kind, intra_threads=os.cpu_count() or 1
        )

    def run(x: Any) -> Any:
        import numpy as np

        states = model.encode(ctranslate2.StorageView.from_array(x), to_cpu=True)
        return np.array(states.to(ctranslate2.DataType.float32))

    return run


def encoders_table(results: dict[str, Any]) -> str:
    """The section of `benchmarks/README.md`."""
    from benchmarks.full_size import said
    from benchmarks.report import describe

    versions = ", ".join(f"{name} {of}" for name, of in sorted(results["libraries"].items()))
    plain = results["rows"][0]["median"]
    lines = [
        f"{describe(results['machine'])} {versions}. {results['whisper']}, a window of 30 s.",
        "",
        "| encoder | median [range] | against transformers | error, of the states' spread |",
        "|:--|--:|--:|--:|",
    ]
    for row in results["rows"]:
        name = f"**{row['way']}**" if row["way"] in OURS else row["way"]
        times = plain / row["median"]
        lines.append(f"| {name} | {said(row)} | {times:.2f}× | {row['error']:.1e} |")
    return "\n".join([*lines, "", "In bold: what `score` runs on a CPU."])


if __name__ == "__main__":
    main()
