"""How long Nano takes for a short clip on one core, beside the Nano before it, in turns.

    python benchmarks/nano_speed.py --before PATH/TO/THE/OLD/NANO

Each measurement is one clip from samples to 40 scores, features included: as `score` does it, with
the features of 30 s that other pipelines compute, and with the encoder's products in int8, which is
not what is shipped. Without `--before` Nano is measured alone; `git show` has the old folder.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
RATE = 16_000


def runs(model: Any, extractor: Any, audio: np.ndarray, cut: bool) -> Callable[[], Any]:
    """One clip from samples to scores."""
    length = {"max_length": len(audio)} if cut else {}

    def run() -> Any:
        features = extractor(audio, sampling_rate=RATE, return_tensors="pt", **length)
        with torch.inference_mode():
            return model(features.input_features).logits

    return run


def main() -> None:
    """Command line of `nano_speed.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=Path, help="folder of another Nano")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of the clip")
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "nano_speed.json")
    arguments = parser.parse_args()
    from transformers import WhisperFeatureExtractor

    from benchmarks.report import machine, write_report
    from modeling_empathic import NANO, EmpathicInsightModel, load_audio

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    extractor = WhisperFeatureExtractor.from_pretrained(NANO)
    speech = load_audio(HERE.parent / "examples" / "clips" / "en_elation.flac")
    audio = np.resize(speech, int(arguments.seconds * RATE))
    nano = EmpathicInsightModel.from_pretrained(NANO).eval()
    int8 = EmpathicInsightModel.from_pretrained(NANO).eval()
    int8.encoder.layers = torch.ao.quantization.quantize_dynamic(
        int8.encoder.layers, {torch.nn.Linear}, dtype=torch.qint8
    )
    ways = {
        "as `score` does": runs(nano, extractor, audio, cut=True),
        "features of 30 s": runs(nano, extractor, audio, cut=False),
        "int8 products (not shipped)": runs(int8, extractor, audio, cut=True),
    }
    if arguments.before:
        old = EmpathicInsightModel.from_pretrained(arguments.before, dtype=torch.float32).eval()
        ways = {"the Nano before": runs(old, extractor, audio, cut=False)} | ways
    times: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(arguments.repeats + 2):
        for name, run in ways.items():  # in turns: what else the machine does hits all alike
            start = time.perf_counter()
            run()
            if repeat >= 2:
                times[name].append(time.perf_counter() - start)
    with torch.inference_mode():
        difference = ways["int8 products (not shipped)"]() - ways["as `score` does"]()
    rows = {
        name: {
            "median_ms": round(1000 * median(values), 2),
            "quartiles_ms": [round(1000 * q, 2) for q in quantiles(values, n=4)[::2]],
            "best_ms": round(1000 * min(values), 2),
        }
        for name, values in times.items()
    }
    write_report(
        {
            "script": "nano_speed",
            "machine": machine(),
            "seconds": arguments.seconds,
            "repeats": arguments.repeats,
            "int8_max_difference": round(float(difference.abs().max()), 4),
            "rows": rows,
        },
        arguments.output,
    )


def nano_speed_table(results: dict[str, Any]) -> str:
    """The section of `benchmarks/README.md`."""
    from benchmarks.report import describe

    rows = results["rows"]
    before = rows.get("the Nano before")
    lines = [
        describe(results["machine"]),
        "",
        f"One clip of {results['seconds']:g} s, samples to 40 scores, one core, in turns, "
        f"{results['repeats']} repeats:",
        "",
        "| | median, ms | quartiles | best | times faster |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        low, high = row["quartiles_ms"]
        ratio = f"{before['median_ms'] / row['median_ms']:.1f}" if before else "–"
        cells = f"{row['median_ms']:.1f} | {low:.1f} to {high:.1f} | {row['best_ms']:.1f} | {ratio}"
        lines.append(f"| {name} | {cells} |")
    lines += [
        "",
        "Two real Whisper layers of width 384 over the speech alone are 1.3 thousand million "
        "products and sums for 3 s; a core does them no faster than its float32 units allow, so "
        "ten times the Nano before is out of reach without int8, which moves a score by up to "
        f"{results['int8_max_difference']:.2f}.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
