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
LAYOUTS = {"one matrix": 1, "blocks of 8 heads": 8, "a matrix a head": 40}
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
            for layout, blocks in LAYOUTS.items():
                rows.append(measure(files, layout, blocks, dtype, arguments.runs))
                print(rows[-1], file=sys.stderr)
    results = {"machine": machine(), "heads": arguments.heads, "runs": arguments.runs, "rows": rows}
    write_report(results, HERE / "results" / "head_layout.json")


def measure(files: list[Path], layout: str, blocks: int, dtype, runs: int) -> dict:
    """Fills one layout and times it; 40 heads in `blocks` matrices of equal height."""
    import torch
    from safetensors import safe_open

    per_matrix = {1: len(files), 8: 8, 40: 1}[blocks]
    start = time.perf_counter()
    matrices = []
    for first in range(0, len(files), per_matrix):
        group = files[first : first + per_matrix]
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
    return {"layout": layout, "dtype": name, "load_s": load_s, "seconds": seconds}


if __name__ == "__main__":
    main()
