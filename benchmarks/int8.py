"""int8 on a CPU: ways to compute it at full size, and what it does to the scores of real clips.

    python benchmarks/trained_heads.py OUT --whisper path/to/whisper-base --emodb path/to/emodb
    python benchmarks/int8.py --clips path/to/emodb --model OUT [--every 5] [--only heads]

Speed is of Whisper small's encoder and of Small heads with random weights, drift of trained heads.
torchao, nncf and onnxruntime are tried where they are installed; none is needed by the package.
The drift per head goes into `emonet_voice/int8_drift.json`, which the cards of int8 models print.
"""

import argparse
import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
N_HEADS = 16  # far beyond every cache; seconds are told for 40
BATCHES = (1, 4, 8)
RESULT = HERE / "results" / "int8.json"
CARD = HERE.parent / "emonet_voice" / "int8_drift.json"


def main() -> None:
    """Command line of `int8.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, required=True, help="folder of EmoDB's recordings")
    parser.add_argument("--model", type=Path, required=True, help="made by trained_heads.py")
    parser.add_argument("--every", type=int, default=1, help="only every n-th recording")
    parser.add_argument("--only", choices=["heads", "encoder", "drift"], action="append")
    parser.add_argument("--processor", action="store_true", help="seconds of one thread")
    arguments = parser.parse_args()
    from benchmarks.full_size import take_clock
    from benchmarks.report import machine, write_report
    from modeling_empathic.report.files import write_json

    results = json.loads(RESULT.read_text()) if RESULT.exists() and arguments.only else {}
    results |= {"machine": machine(), "clock": take_clock(processor=arguments.processor)}
    wanted = arguments.only or ["heads", "encoder", "drift"]
    if "heads" in wanted:
        results["heads"] = head_ways()
    if "encoder" in wanted:
        results["encoder"] = encoder_ways()
    if "drift" in wanted:
        encoders = "encoder" in wanted
        results |= drift(arguments.model, arguments.clips, arguments.every, encoders=encoders)
        shipped = next(row for row in results["drift"] if row["way"] == SHIPPED)
        about = {key: results[key] for key in ("machine", "clips", "trained")}
        write_json(CARD, {**about, **shipped}, indent=1)
    write_report(results, RESULT)


SHIPPED = "int8 heads, encoder float32"


def head_ways() -> list[dict[str, Any]]:
    """Seconds of the first layers of 40 Small heads, by way and batch."""
    import torch

    from benchmarks.full_size import INPUTS, UNITS, bfloat16_heads, int8_heads, seconds

    layer = int8_heads(N_HEADS)
    inputs = {n: torch.randn(n, INPUTS).bfloat16() for n in BATCHES}
    rows = []

    def note(way: str, call: Callable[[Any], Any], gigabytes: float, dtype: Any = None) -> None:
        with torch.inference_mode():
            taken = {}
            for n, given in inputs.items():
                states = given.to(dtype or given.dtype)
                row = seconds(lambda: call(states))  # noqa: B023 - called at once
                taken[str(n)] = {key: value * 40 / N_HEADS for key, value in row.items()}
        rows.append({"way": way, "gb": gigabytes * 40 / N_HEADS, "batches": taken})
        print(rows[-1], file=sys.stderr)

    weight = bfloat16_heads(N_HEADS)
    n_bytes = layer.weight.numel() / 1e9
    note("bfloat16, one matrix", lambda x: torch.nn.functional.linear(x, weight), 2 * n_bytes)
    weight = weight[:0]  # lets go of it
    note("int8 weights, torch's own product", layer, n_bytes)
    wide = layer.scale.float()
    note("… of states in float32", lambda x: torch._weight_int8pack_mm(x, layer.weight, wide),
         n_bytes, torch.float32)  # fmt: skip

    def widened(states: Any) -> Any:
        parts = [states @ rows.bfloat16().T for rows in layer.weight.split(UNITS)]
        return torch.cat(parts, -1) * layer.scale.bfloat16()

    note("int8 weights, widened a head at a time", widened, n_bytes)
    note("int8 weights and states, torch's dynamic quantisation", dynamic(layer), n_bytes,
         torch.float32)  # fmt: skip
    if importlib.util.find_spec("openvino"):
        note("int8 weights, OpenVINO", openvino_product(layer), n_bytes, torch.float32)
    if importlib.util.find_spec("torchao"):
        note("int8 weights, torchao", torchao_product(layer), n_bytes)
    return rows


def dynamic(layer: Any) -> Callable[[Any], Any]:
    """Torch's dynamic quantisation: states become int8 for each call."""
    import torch

    scale, zero = layer.scale.double(), torch.zeros(len(layer.scale), dtype=torch.int64)
    weight = torch._make_per_channel_quantized_tensor(layer.weight.data, scale, zero, 0)
    packed = torch.ops.quantized.linear_prepack(weight, layer.bias.float())
    product: Callable[[Any], Any] = lambda x: torch.ops.quantized.linear_dynamic(x, packed, True)  # noqa: E731
    return product


def openvino_product(layer: Any) -> Callable[[Any], Any]:
    """The product as a graph of OpenVINO, weights int8 times a scale."""
    import numpy as np
    import openvino
    from openvino import opset13 as ops

    given = ops.parameter([-1, layer.weight.shape[1]], np.float32)
    weight = ops.convert(ops.constant(layer.weight.numpy(), shared_memory=True), "f32")
    scaled = ops.multiply(weight, ops.constant(layer.scale.detach().numpy()[:, None]))
    graph = openvino.Model([ops.matmul(given, scaled, False, True)], [given])
    run = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})
    return lambda states: run(states.numpy())[0]


def torchao_product(layer: Any) -> Callable[[Any], Any]:
    """Weights by torchao, int8 weights."""
    import torch
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    linear = torch.nn.Linear(layer.weight.shape[1], layer.weight.shape[0], device="meta")
    linear = linear.to_empty(device="cpu").bfloat16()
    linear.weight.data.normal_(0, 0.001)
    holder = torch.nn.Sequential(linear)
    quantize_(holder, Int8WeightOnlyConfig())
    return holder


def encoder_ways() -> list[dict[str, Any]]:
    """Seconds of Whisper small's encoder for one window."""
    import torch

    from benchmarks.full_size import encoder, features, seconds

    whisper, mel = encoder(), features()
    rows = []
    with torch.inference_mode():
        rows.append({"way": "torch, float32", **seconds(lambda: whisper(mel))})
        half, given = encoder().bfloat16(), mel.bfloat16()
        rows.append({"way": "torch, bfloat16", **seconds(lambda: half(given))})
        for way, run in openvino_encoders(whisper, mel).items():
            rows.append({"way": way, **seconds(lambda: run(mel.numpy()))})  # noqa: B023
            print(rows[-1], file=sys.stderr)
        if run := onnx_int8(whisper, mel):
            rows.append({"way": "ONNX Runtime, int8 (dynamic)", **seconds(lambda: run(mel))})
    return rows


def openvino_encoders(encoder: Any, mel: Any, windows: Any = None) -> dict[str, Any]:
    """The encoder compiled by OpenVINO in every type that can be had.

    Args:
        encoder: In float32.
        mel: Features of one window.
        windows: Features to calibrate static int8 on; by default the one window.
    """
    if importlib.util.find_spec("openvino") is None:
        return {}
    import openvino
    import torch

    from modeling_empathic.scoring.openvino import _silent, _States

    def graph() -> Any:
        with torch.no_grad(), _silent():
            return openvino.convert_model(_States(encoder.float()), example_input=mel)

    core = openvino.Core()
    made = {
        f"OpenVINO, {name}": core.compile_model(graph(), "CPU", {"INFERENCE_PRECISION_HINT": hint})
        for name, hint in (("float32", "f32"), ("bfloat16", "bf16"))
    }
    if importlib.util.find_spec("nncf"):
        import nncf

        options = {"INFERENCE_PRECISION_HINT": "bf16"}
        weights = nncf.compress_weights(graph(), mode=nncf.CompressWeightsMode.INT8_SYM)
        made["OpenVINO, int8 weights"] = core.compile_model(weights, "CPU", options)
        options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = "64"
        made["OpenVINO, int8 weights and states (dynamic)"] = core.compile_model(
            weights, "CPU", options
        )
        data = nncf.Dataset([m.numpy() for m in (windows or [mel])])
        static = nncf.quantize(graph(), data, model_type=nncf.ModelType.TRANSFORMER,
                               subset_size=len(windows or [mel]))  # fmt: skip
        options = {"INFERENCE_PRECISION_HINT": "bf16"}
        made["OpenVINO, int8 (calibrated)"] = core.compile_model(static, "CPU", options)
    return made


def onnx_int8(encoder: Any, mel: Any) -> Callable[[Any], Any] | None:
    """ONNX Runtime's dynamic int8, where it is installed."""
    if not all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime")):
        return None
    import onnxruntime
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    from modeling_empathic.scoring.openvino import _silent, _States

    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder, "whole.onnx"), Path(folder, "int8.onnx")
        with _silent():
            torch.onnx.export(_States(encoder), (mel,), str(whole), dynamo=False)
        quantize_dynamic(str(whole), str(small), weight_type=QuantType.QInt8,
                         op_types_to_quantize=["MatMul"])  # fmt: skip
        session = onnxruntime.InferenceSession(str(small), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda given: session.run(None, {name: given.numpy()})


def drift(folder: Path, clips: Path, every: int, *, encoders: bool) -> dict[str, Any]:
    """Scores by way against float32, per head, on real recordings; of other encoders on request."""
    import numpy as np
    import torch
    from scipy.stats import spearmanr

    from emonet_voice.hub.quantize import quantize
    from modeling_empathic import load_audio
    from modeling_empathic.scoring.lean import read_config, read_lean

    def read(path: Path, dtype: str) -> Any:
        config = read_config(path)
        assert config is not None
        found = read_lean(path, config, [], dtype)
        assert found is not None
        return found

    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        small = Path(made, "int8")
        quantize(folder, small)
        whole, extractor = read(folder, "float32")
        of_int8 = read(small, "mixed")[0]
        files = sorted(file for file in clips.iterdir() if file.suffix in {".wav", ".flac"})
        windows = [
            torch.from_numpy(extractor(load_audio(file))["input_features"])
            for file in files[::every]
        ]
        made_of = openvino_encoders(whole.encoder, windows[0], windows[1:200:8]) if encoders else {}
        scores: dict[str, list[Any]] = {}

        def note(way: str, model: Any, states: Any) -> None:
            scores.setdefault(way, []).append(model(encoder_states=states).logits[0].numpy())

        with torch.inference_mode():
            for mel in windows:
                exact = whole.encoder(mel).last_hidden_state
                note("float32", whole, exact)
                note(SHIPPED, of_int8, exact)
                for name, run in made_of.items():
                    if name != "OpenVINO, float32":
                        states = torch.from_numpy(run(mel.numpy())[0].copy())
                        note(f"int8 heads, encoder: {name}", of_int8, states)
    truth = np.array(scores.pop("float32"), np.float64)
    rows = []
    for way, values in scores.items():
        near = np.array(values, np.float64)
        by_head = {}
        for i, name in enumerate(whole.config.head_names):
            error = np.abs(near[:, i] - truth[:, i])
            by_head[name] = {
                "spearman": float(spearmanr(truth[:, i], near[:, i]).statistic),
                "max_error": float(error.max()),
                "mean_error": float(error.mean()),
            }
        rows.append({"way": way, "heads": by_head})
    trained = json.loads((folder / "trained.json").read_text())
    return {"clips": len(windows), "trained": trained, "drift": rows}


def int8_table(results: dict[str, Any]) -> str:
    """Tables of one run of `int8.py`."""
    from benchmarks.full_size import said
    from benchmarks.report import describe

    sizes = [str(size) for size in BATCHES]
    heads = " | ".join(f"batch {size}" for size in sizes)
    lines = [
        f"| first layers of 40 Small heads | memory | {heads} |",
        "|:--|--:|" + "--:|" * len(sizes),
    ]
    for row in results.get("heads", []):
        cells = " | ".join(said(row["batches"][size]) for size in sizes)
        lines.append(f"| {row['way']} | {row['gb']:.2f} GB | {cells} |")
    lines += ["", "| Whisper small's encoder, one window | median [range] of 5 |", "|:--|--:|"]
    lines += [f"| {row['way']} | {said(row)} |" for row in results.get("encoder", [])]
    lines += [
        "",
        "| against float32 | Spearman, worst head | median | heads below 0.995 | largest error "
        "| mean error |",
        "|:--|--:|--:|--:|--:|--:|",
    ]
    for row in results["drift"]:
        of_heads = list(row["heads"].values())
        ranks = sorted(head["spearman"] for head in of_heads)
        below = sum(rank < 0.995 for rank in ranks)
        worst = max(head["max_error"] for head in of_heads)
        mean = sum(head["mean_error"] for head in of_heads) / len(of_heads)
        lines.append(
            f"| {row['way']} | {ranks[0]:.5f} | {ranks[len(ranks) // 2]:.5f} "
            f"| {below} of {len(ranks)} | {worst:.4f} | {mean:.5f} |"
        )
    lines += ["", "| int8 as it is shipped | Spearman | largest error | mean error |",
              "|:--|--:|--:|--:|"]  # fmt: skip
    shipped = next(row for row in results["drift"] if row["way"] == SHIPPED)
    for name, head in shipped["heads"].items():
        lines.append(
            f"| {name} | {head['spearman']:.5f} | {head['max_error']:.4f} "
            f"| {head['mean_error']:.5f} |"
        )
    how = results["trained"]
    note = (
        f"Speed at full size, random weights, seconds {results['clock']}. Drift: "
        f"{len(shipped['heads'])} full heads of trained_heads.py ({how['clips']} clips, "
        f"{how['encoder'][1]:,} inputs from {how['encoder'][0]} layers; top-1 {how['top_1']:.3f} "
        f"on {how['held_out_clips']} clips of unheard speakers, floor {how['floor']:.3f}), "
        f"{results['clips']} clips; errors on 0 to 4."
    )
    return "\n".join([f"{describe(results['machine'])} {note}", "", *lines])


if __name__ == "__main__":
    main()
