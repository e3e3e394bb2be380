"""What this machine allows: bytes and operations of a clip against measured bandwidth and peaks.

    python benchmarks/roofline.py

Whisper small's encoder and 40 Small heads, a window of 30 s each. *Possible* is the longer of the
two times that operations and bytes would take at the rates which this machine reaches in a large
product and in reading memory; measured is what the package does. Of an H100 there is the
arithmetic alone, from its data sheet (989 TFLOP/s in bfloat16, 3.35 TB/s).
"""

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
N_HEADS, MEASURED_HEADS, BATCHES = 40, 16, (1, 8)
WIDTHS = {"float32": 4, "bfloat16": 2, "int8": 1}  # bytes
H100 = {"flops": 989e12, "bytes": 3.35e12}


def main() -> None:
    """Command line of `roofline.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processor", action="store_true", help="seconds of one thread")
    arguments = parser.parse_args()
    from benchmarks.full_size import take_clock
    from benchmarks.report import machine, write_report

    clock = take_clock(processor=arguments.processor)
    results = {
        "machine": machine(),
        "clock": clock,
        "rates": rates(),
        "work": work(),
        "measured": measured(),
    }
    write_report(results, HERE / "results" / "roofline.json")


def work() -> dict[str, float]:
    """Operations (a product and a sum are two) and bytes of weights, of a clip.

    Example:
        >>> {name: round(value / 1e9, 1) for name, value in work().items()}["encoder_flops"]
        338.1
    """
    from benchmarks.full_size import INNER, INPUTS, LAYERS, MEL_BINS, POSITIONS, UNITS, WIDTH

    products = LAYERS * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER) * POSITIONS
    convolutions = 3 * WIDTH * (MEL_BINS * 2 * POSITIONS + WIDTH * POSITIONS)
    attention = LAYERS * 2 * POSITIONS * POSITIONS * WIDTH
    weights = LAYERS * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER) + 3 * WIDTH * (MEL_BINS + WIDTH)
    heads = N_HEADS * UNITS * INPUTS
    return {
        "encoder_flops": 2.0 * (products + convolutions + attention),
        "encoder_weights": float(weights + POSITIONS * WIDTH),
        "head_flops": 2.0 * heads,
        "head_weights": float(heads),
    }


def rates() -> dict[str, float]:
    """What this machine reaches: operations a second by type, bytes a second read from memory."""
    import torch

    from benchmarks.full_size import INNER, POSITIONS, WIDTH, seconds

    n = 4 * POSITIONS
    reached = {}
    with torch.inference_mode():
        for dtype in (torch.float32, torch.bfloat16):
            left, right = torch.randn(n, WIDTH).to(dtype), torch.randn(INNER, WIDTH).to(dtype)
            row = seconds(lambda: torch.nn.functional.linear(left, right))  # noqa: B023
            reached[str(dtype).removeprefix("torch.")] = 2 * n * WIDTH * INNER / row["low"]
        one, two = (torch.randint(-9, 9, shape, dtype=torch.int8) for shape in
                    ((n, WIDTH), (WIDTH, INNER)))  # fmt: skip
        row = seconds(lambda: torch._int_mm(one, two))
        reached["int8"] = 2 * n * WIDTH * INNER / row["low"]
        memory = torch.ones(2**29)  # 2 GB
        reached["bytes"] = memory.nbytes / seconds(memory.sum)["low"]
    return reached


def measured() -> list[dict[str, Any]]:
    """Seconds of encoder and heads as the package computes them."""
    import torch

    from benchmarks.full_size import (
        INPUTS,
        bfloat16_heads,
        encoder,
        features,
        int8_heads,
        seconds,
    )

    rows: list[dict[str, Any]] = []
    mel = features()

    def note(part: str, way: str, dtype: str, batch: int, row: dict[str, float]) -> None:
        rows.append({"part": part, "way": way, "type": dtype, "batch": batch, **row})
        print(rows[-1], file=sys.stderr)

    with torch.inference_mode():
        for dtype in (torch.float32, torch.bfloat16):
            whisper, given = encoder().to(dtype), mel.to(dtype)
            name = str(dtype).removeprefix("torch.")
            note("encoder", "torch", name, 1, seconds(lambda: whisper(given)))  # noqa: B023
        if importlib.util.find_spec("openvino"):
            from modeling_empathic.scoring.openvino import OpenVINOEncoder

            for dtype in (torch.float32, torch.bfloat16):
                whisper = OpenVINOEncoder(encoder(), dtype, keep=False)
                name = str(dtype).removeprefix("torch.")
                note("encoder", "OpenVINO", name, 1, seconds(lambda: whisper(mel)))  # noqa: B023
        weight = bfloat16_heads(MEASURED_HEADS)
        product = torch.nn.functional.linear
        for batch in BATCHES:
            states = torch.randn(batch, INPUTS).bfloat16()
            row = seconds(lambda: product(states, weight))  # noqa: B023
            row = {key: value * N_HEADS / MEASURED_HEADS for key, value in row.items()}
            note("heads", "torch", "bfloat16", batch, row)
        weight = int8_heads(MEASURED_HEADS)
        for batch in BATCHES:
            states = torch.randn(batch, INPUTS).bfloat16()
            row = seconds(lambda: weight(states))  # noqa: B023
            row = {key: value * N_HEADS / MEASURED_HEADS for key, value in row.items()}
            note("heads", "torch", "int8", batch, row)
    return rows


def possible(row: dict[str, Any], needs: dict[str, float], reached: dict[str, float]) -> float:
    """Seconds a batch that operations or bytes take, whichever is longer."""
    part = "encoder" if row["part"] == "encoder" else "head"
    # Products of int8 weights with bfloat16 states are of bfloat16.
    peak = reached["bfloat16" if row["type"] == "int8" else row["type"]]
    flops = row["batch"] * needs[f"{part}_flops"] / peak
    moved = WIDTHS[row["type"]] * needs[f"{part}_weights"] / reached["bytes"]
    return float(max(flops, moved))


def roofline_table(results: dict[str, Any]) -> str:
    """Tables of one run of `roofline.py`."""
    from benchmarks.full_size import said
    from benchmarks.report import describe

    needs, reached = results["work"], results["rates"]
    lines = [
        "| a clip | operations | weights read, a batch | operations a byte, batch 1 |",
        "|:--|--:|--:|--:|",
    ]
    for part, name, width in (("encoder", "encoder, bfloat16", 2), ("head", "heads, bfloat16", 2),
                              ("head", "heads, int8", 1)):  # fmt: skip
        flops, n_bytes = needs[f"{part}_flops"], width * needs[f"{part}_weights"]
        lines.append(
            f"| {name} | {flops / 1e9:.1f} GFLOP | {n_bytes / 1e9:.2f} GB | {flops / n_bytes:.1f} |"
        )
    lines += [
        "",
        "| as computed here | possible, a batch | measured, median [range] of 5 | share reached |",
        "|:--|--:|--:|--:|",
    ]
    for row in results["measured"]:
        limit = possible(row, needs, reached)
        lines.append(
            f"| {row['part']}, {row['way']}, {row['type']}, batch {row['batch']} | {limit:.3f} s "
            f"| {said(row)} | {limit / row['median']:.0%} |"
        )
    lines += ["", "| H100, data sheet | batch 1 | batch 16 | batch 64 |", "|:--|--:|--:|--:|"]
    for name, part, n_bytes in (("encoder", "encoder", 2), ("heads", "head", 2)):
        cells = []
        for batch in (1, 16, 64):
            took = max(batch * needs[f"{part}_flops"] / H100["flops"],
                       n_bytes * needs[f"{part}_weights"] / H100["bytes"])  # fmt: skip
            cells.append(f"{1000 * took / batch:.2f} ms")
        lines.append(f"| {name}, bfloat16, a clip | {' | '.join(cells)} |")
    rate = ", ".join(
        f"{value / 1e9:.0f} {'GB/s read' if name == 'bytes' else f'GFLOP/s in {name}'}"
        for name, value in reached.items()
    )
    note = f"Reached in a large product and a long sum: {rate}. Random weights, seconds "
    note += f"{results['clock']}."
    return "\n".join([f"{describe(results['machine'])} {note}", "", *lines])


if __name__ == "__main__":
    main()
