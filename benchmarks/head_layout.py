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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
# Layout -> heads in a matrix, and whether they are copied into it or mapped from their files.
LAYOUTS = {
    "one matrix": (40, False),
    "one matrix, mapped": (40, True),
    "blocks of 8": (8, False),
    "a matrix a head": (1, False),
    "a matrix a head, mapped": (1, True),
}
WIDTH, STATES = 64, 1500 * 768


def main() -> None:
    """Command line of `head_layout.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--heads", type=int, default=40, help="fewer for a quick look")
    arguments = parser.parse_args()
    import torch

    from benchmarks.report import machine, write_report
    from modeling_empathic.mapping_empathic import save_mappable

    rows = []
    for dtype in (torch.bfloat16, torch.float32):
        with tempfile.TemporaryDirectory(prefix="emonet-voice-layout-") as folder:
            files = []
            for number in range(arguments.heads):
                files.append(Path(folder) / f"{number}.safetensors")
                weight = torch.randn(WIDTH, STATES).mul_(STATES**-0.5).to(dtype)
                save_mappable({"weight": weight}, files[-1], last="weight")
            for layout, (height, mapped) in LAYOUTS.items():
                row = measure(files, height, mapped, dtype, arguments.runs)
                rows.append({"layout": layout, **row})
                print(rows[-1], file=sys.stderr)
    results = {"machine": machine(), "heads": arguments.heads, "runs": arguments.runs, "rows": rows}
    write_report(results, HERE / "results" / "head_layout.json")


def measure(
    files: list[Path], height: int, mapped: bool, dtype: "torch.dtype", runs: int
) -> dict[str, Any]:
    """Fills one layout with `height` heads in each matrix and times it."""
    import torch

    for file in files:  # into the file cache, as far as it goes
        file.read_bytes()
    start = time.perf_counter()
    groups = [files[first : first + height] for first in range(0, len(files), height)]
    matrices = [(map_group if mapped else copy_group)(group, dtype) for group in groups]
    load_s = time.perf_counter() - start
    seconds = {}
    for size in (1, 4, 16):
        states = torch.randn(size, STATES).to(dtype)
        times = []
        with torch.inference_mode():
            for _ in range(runs + 1):
                start = time.perf_counter()
                torch.cat([torch.nn.functional.linear(states, m) for m in matrices], dim=1)
                times.append(time.perf_counter() - start)
        if size == 1:
            first_s = times[0]  # a mapping pays here for what it did not do before
        seconds[str(size)] = min(times[1:])
    name = str(dtype).removeprefix("torch.")
    return {"dtype": name, "load_s": load_s, "first_s": first_s, "seconds": seconds}


def copy_group(files: list[Path], dtype: "torch.dtype") -> "torch.Tensor":
    """Heads read from their files into one new matrix."""
    import torch
    from safetensors import safe_open

    matrix = torch.empty(len(files) * WIDTH, STATES, dtype=dtype)
    for row, file in enumerate(files):
        with safe_open(file, framework="pt") as tensors:
            matrix[row * WIDTH : (row + 1) * WIDTH].copy_(tensors.get_tensor("weight"))
    return matrix


def map_group(files: list[Path], dtype: "torch.dtype") -> "torch.Tensor":
    """Heads mapped from their files as one matrix."""
    from modeling_empathic.mapping_empathic import map_rows

    matrix = map_rows([(str(file), "weight") for file in files], (WIDTH, STATES), dtype)
    assert matrix is not None
    return matrix


if __name__ == "__main__":
    main()
