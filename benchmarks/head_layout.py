"""How to hold 40 heads: one matrix, blocks of eight, or 40 matrices. At full size.

    python benchmarks/head_layout.py

Measures, for each layout, the time to fill it from one file a head (as on disk) and the time of
the heads' first layer for a batch of 1, 4 and 16 clips. The first layer is 99.99 % of a head.
Needs 12 GB of disk and 12 GB of memory for the float32 rows (half of it for bfloat16).
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
# Layout -> heads in a matrix; the last one is not copied but mapped from its files.
LAYOUTS = {"one matrix": 40, "blocks of 8": 8, "a matrix a head": 1, "a matrix a head, mapped": 0}
WIDTH, STATES = 64, 1500 * 768


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--heads", type=int, default=40, help="fewer for a quick look")
    arguments = parser.parse_args()
    import torch
    from safetensors.torch import save_file

    from benchmarks.report import machine, write_report

    rows = []
    for dtype in (torch.bfloat16, torch.float32):
        with tempfile.TemporaryDirectory(prefix="emonet-voice-layout-") as folder:
            files = []
            for number in range(arguments.heads):
                files.append(Path(folder) / f"{number}.safetensors")
                weight = torch.randn(WIDTH, STATES).mul_(STATES**-0.5).to(dtype)
                save_file({"weight": weight}, files[-1])
            for layout, height in LAYOUTS.items():
                rows.append(measure(files, layout, height, dtype, arguments.runs))
                print(rows[-1], file=sys.stderr)
    results = {"machine": machine(), "heads": arguments.heads, "runs": arguments.runs, "rows": rows}
    write_report(results, HERE / "results" / "head_layout.json")


def measure(files: list[Path], layout: str, height: int, dtype, runs: int) -> dict:
    """Fills one layout with `height` heads in each matrix and times it."""
    import torch
    from safetensors import safe_open

    for file in files:  # into the file cache, as far as it goes
        file.read_bytes()
    start = time.perf_counter()
    matrices = []
    opened = [safe_open(file, framework="pt").__enter__() for file in files] if not height else []
    matrices += [tensors.get_tensor("weight") for tensors in opened]
    for first in range(0, len(files) if height else 0, height or 1):
        group = files[first : first + height]
        matrix = torch.empty(len(group) * WIDTH, STATES, dtype=dtype)
        for row, file in enumerate(group):
            with safe_open(file, framework="pt") as tensors:
                matrix[row * WIDTH : (row + 1) * WIDTH].copy_(tensors.get_tensor("weight"))
        matrices.append(matrix)
    load_s = time.perf_counter() - start
    seconds = {}
    for size in (1, 4, 16):
        states = torch.randn(size, STATES).to(dtype)
        times = []
        with torch.inference_mode():
            for _ in range(runs + 1):  # the first one warms up
                start = time.perf_counter()
                torch.cat([torch.nn.functional.linear(states, m) for m in matrices], dim=1)
                times.append(time.perf_counter() - start)
        seconds[str(size)] = min(times[1:])
    name = str(dtype).removeprefix("torch.")
    for tensors in opened:
        tensors.__exit__(None, None, None)
    return {"layout": layout, "dtype": name, "load_s": load_s, "seconds": seconds}


if __name__ == "__main__":
    main()
