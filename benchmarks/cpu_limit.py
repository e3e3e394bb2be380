"""What this processor can do at all: the rates that bound the encoder on a CPU.

    python benchmarks/cpu_limit.py

Times a layer's matrix product and attention of Whisper small, in float32 and bfloat16, and the
ways of attention that were tried. A clip needs 255 GFLOP of products and 83 of attention.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
LAYERS, HEADS, STATES, WIDTH, INNER = 12, 12, 1500, 768, 3072


def best(function: Callable[[], Any], runs: int = 5) -> float:
    """Shortest of several runs in seconds, after one to warm up."""
    function()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Command line of `cpu_limit.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    import torch
    from torch.nn import functional

    from benchmarks.report import machine, write_report

    rows = []
    with torch.inference_mode():
        for dtype in (torch.float32, torch.bfloat16):
            inputs = torch.randn(4 * STATES, WIDTH).to(dtype)
            weight = torch.randn(INNER, WIDTH).to(dtype)
            query, key, value = torch.randn(3, 1, HEADS, STATES, WIDTH // HEADS).to(dtype)

            def eager(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
                weights = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-2, -1))
                return torch.matmul(torch.softmax(weights, -1), v)

            def head_by_head(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
                return torch.stack([eager(q[0, h], k[0, h], v[0, h]) for h in range(HEADS)])

            product_s = best(lambda: functional.linear(inputs, weight))  # noqa: B023 - called at once
            attention = {
                name: LAYERS * best(lambda: way(query, key, value))  # noqa: B023
                for name, way in (
                    ("SDPA", functional.scaled_dot_product_attention),
                    ("eager", eager),
                    ("eager, head by head", head_by_head),
                )
            }
            rows.append(
                {
                    "dtype": str(dtype).removeprefix("torch."),
                    "gflops": 2 * inputs.shape[0] * WIDTH * INNER / product_s / 1e9,
                    "attention_s": attention,
                }
            )
    write_report({"machine": machine(), "rows": rows}, HERE / "results" / "cpu_limit.json")


if __name__ == "__main__":
    main()
