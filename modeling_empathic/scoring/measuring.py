"""Which way to compute is the fastest on this machine: a minute that checks `--device auto`."""

import statistics
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

from .devices import Choice, choose, has_openvino

LAYERS = 12
"""Of Whisper small, the encoder of the released models."""
MEASURED_LAYERS = 3  # all are alike: a quarter of them takes a quarter of the time
RUNS = 5


class Way(NamedTuple):
    """A way to compute the encoder.

    Attributes:
        device: As `--device` takes it.
        dtype: As `--dtype` takes it.
        seconds: For a window of 30 s, all layers: median.
        low: The shortest.
        high: The longest.
        chosen: Whether `auto` takes this one of the type.
    """

    device: str
    dtype: str
    seconds: float
    low: float
    high: float
    chosen: bool


def small_config(dtype: str = "float32") -> Any:
    """What `--device auto` wants to know of the released models."""
    sizes = {"d_model": 768, "encoder_ffn_dim": 3072, "encoder_attention_heads": 12}
    sizes |= {"encoder_layers": LAYERS, "max_source_positions": 1500, "num_mel_bins": 80}
    encoder = SimpleNamespace(**sizes, dtype=dtype)
    return SimpleNamespace(
        encoder=encoder, cut_to_speech=False, read_layers=1, dtype=dtype, is_mixed=False
    )


def small_encoder(layers: int = LAYERS) -> Any:
    """Whisper small's encoder in float32 with random weights: time does not depend on them."""
    import torch

    from .lean import LeanEncoder

    torch.manual_seed(0)
    config = small_config()
    config.encoder.encoder_layers = layers
    return LeanEncoder(config).eval().requires_grad_(False)


def measure() -> Iterator[Way]:
    """Times every way that this machine's CPU has, one after the other."""
    import torch

    features = torch.randn(1, 80, 3000)
    for dtype in ("float32", "bfloat16"):
        auto: Choice = choose("auto", dtype, small_config(dtype))
        for device in ("cpu", "openvino") if has_openvino() else ("cpu",):
            encoder, inputs, kind = small_encoder(MEASURED_LAYERS), features, getattr(torch, dtype)
            if device == "openvino":
                from .openvino import OpenVINOEncoder

                encoder = OpenVINOEncoder(encoder, kind, keep=False)
            else:
                encoder, inputs = encoder.to(kind), features.to(kind)
            with torch.inference_mode():
                encoder(inputs)
                times = [_timed(lambda: encoder(inputs)) for _ in range(RUNS)]  # noqa: B023
            whole = [seconds * LAYERS / MEASURED_LAYERS for seconds in times]
            here = auto.device == "cpu" and auto.openvino == (device == "openvino")
            yield Way(device, dtype, statistics.median(whole), min(whole), max(whole), here)


def verdict(ways: list[Way]) -> list[str]:
    """Whether the choice is the fastest, a sentence a type.

    Example:
        >>> ways = [Way("cpu", "float32", 2.0, 2.0, 2.1, True)]
        >>> ways.append(Way("openvino", "float32", 1.0, 1.0, 1.1, False))
        >>> verdict(ways)
        ['float32: auto takes cpu, but openvino is 2.0 times as fast: --device openvino']
    """
    lines = []
    for dtype in dict.fromkeys(way.dtype for way in ways):
        of_type = [way for way in ways if way.dtype == dtype]
        fastest = min(of_type, key=lambda way: way.seconds)
        chosen = next((way for way in of_type if way.chosen), None)
        if chosen is None:
            lines.append(f"{dtype}: auto does not take the CPU here")
        elif fastest is chosen or fastest.high > chosen.low:
            lines.append(f"{dtype}: auto takes {chosen.device}, and nothing is surely faster")
        else:
            times = chosen.seconds / fastest.seconds
            lines.append(
                f"{dtype}: auto takes {chosen.device}, but {fastest.device} is {times:.1f} times "
                f"as fast: --device {fastest.device}"
            )
    return lines


def _timed(function: Callable[[], Any]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started
