"""Whisper small's encoder and Small's heads with random weights, and the one way to time them."""

import statistics
import time
from collections.abc import Callable
from typing import Any

LAYERS, WIDTH, INNER, POSITIONS, MEL_BINS = 12, 768, 3072, 1500, 80
INPUTS, UNITS = POSITIONS * WIDTH, 64  # of one Small head's first layer


_CLOCKS = {"on the clock": time.perf_counter, "of the processor, one thread": time.process_time}
_clock = ["on the clock"]


def take_clock(*, processor: bool) -> str:
    """Chooses what [`seconds`] counts, and says it: on a busy machine one thread's processor."""
    import torch

    if processor:
        torch.set_num_threads(1)
        _clock[0] = "of the processor, one thread"
    return _clock[0]


def seconds(function: Callable[[], Any], runs: int = 5) -> dict[str, float]:
    """Median, shortest and longest of several runs, after one to warm up."""
    function()
    times, now = [], _CLOCKS[_clock[0]]
    for _ in range(runs):
        started = now()
        function()
        times.append(now() - started)
    return {"median": statistics.median(times), "low": min(times), "high": max(times)}


def said(row: dict[str, float], digits: int = 3) -> str:
    """The seconds of [`seconds`] for a table.

    Example:
        >>> said({"median": 0.5, "low": 0.4, "high": 0.61})
        '0.500 s [0.400–0.610]'
    """
    return f"{row['median']:.{digits}f} s [{row['low']:.{digits}f}–{row['high']:.{digits}f}]"


def encoder() -> Any:
    """An encoder in float32, in evaluation mode."""
    from modeling_empathic.scoring.measuring import small_encoder

    return small_encoder()


def features() -> Any:
    """One window's features."""
    import torch

    return torch.randn(1, MEL_BINS, 2 * POSITIONS, generator=torch.Generator().manual_seed(0))


def int8_heads(n_heads: int) -> Any:
    """First layers of Small heads as int8: random whole numbers."""
    import torch

    from modeling_empathic.int8_empathic import Int8Linear

    layer = Int8Linear(INPUTS, n_heads * UNITS)
    torch.manual_seed(0)
    for rows in layer.weight.data.split(UNITS):
        rows.copy_(torch.randint(-127, 128, rows.shape, dtype=torch.int8))
    layer.scale.data.fill_(2.0**-13)
    return layer


def bfloat16_heads(n_heads: int) -> Any:
    """First layers of Small heads in bfloat16, one matrix."""
    import torch

    weight = torch.empty(n_heads * UNITS, INPUTS, dtype=torch.bfloat16)
    torch.manual_seed(0)
    for rows in weight.split(UNITS):
        rows.normal_(0.0, 0.001)
    return weight
