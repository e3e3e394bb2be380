"""What computes: a card, torch on the CPU, or OpenVINO on the CPU; and in which type."""

import importlib.util
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from modeling_empathic.heads_empathic import DTYPES

from .listing import ScoringError

_FLAGS = {  # of /proc/cpuinfo, best first, and what people call them
    "amx_bf16": "AMX",
    "avx512_bf16": "AVX-512 BF16",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512f": "AVX-512",
    "avx_vnni": "AVX VNNI",
    "avx2": "AVX2",
    "i8mm": "ARM I8MM",
    "asimd": "ARM NEON",
}
# As CUDA, cuBLAS, MPS and the allocator of a CPU put it, not all of them in an error of its own.
_NO_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|ALLOC_FAILED", re.I)
COMPILED_FROM = 3_072
"""Layers times width of an encoder that is worth compiling: Whisper base has as much."""


class Choice(NamedTuple):
    """What computes.

    Attributes:
        device: For torch.
        dtype: One of `heads_empathic.DTYPES`.
        openvino: Whether OpenVINO has the encoder.
        why: What spoke for it, for people; empty where there was nothing to choose.
    """

    device: str
    dtype: str
    openvino: bool
    why: str = ""

    @property
    def read_as(self) -> str:
        """The type to read weights in: OpenVINO rounds for itself, and less of what is exact."""
        return "mixed" if self.openvino and self.dtype == "bfloat16" else self.dtype


def choose_device(device: str) -> Any:
    """The `torch.device` for `auto`, `cpu`, `cuda`, `cuda:N`, `mps` or `openvino` (a CPU).

    Raises:
        ScoringError: Another word, or a device that this machine does not have.
    """
    import torch

    if device == "openvino":
        if not has_openvino():
            raise ScoringError('device openvino: pip install "emonet-voice[openvino]" first')
        return torch.device("cpu")

    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = ["cpu", *(["cuda"] if n_cuda else []), *(f"cuda:{i}" for i in range(n_cuda))]
    here += ["mps"] if torch.backends.mps.is_available() else []
    if device == "auto":
        device = next(name for name in ("cuda", "mps", "cpu") if name in here)
    if device not in here:
        raise ScoringError(f"device {device}: this machine has auto, {', '.join(here)}, openvino")
    return torch.device(device)


def check_wanted(device: str, dtype: str) -> None:
    """Refuses what no model can be loaded on, or in, before anything of one is read.

    Raises:
        ScoringError: No such device here, or no such type.
    """
    if dtype not in ("auto", *DTYPES):
        raise ScoringError(f"dtype {dtype}: choose auto, {', '.join(DTYPES)}")
    if device != "auto":  # which every machine has: torch need not be imported
        choose_device(device)


def choose(device: str, dtype: str, config: Any) -> Choice:
    """What computes a model.

    On a CPU without matrix units OpenVINO is the fastest of what was measured, 1.4 times as fast
    as torch in float32 and in bfloat16; with them (AMX), torch in bfloat16 is
    (`benchmarks/README.md`). On ARM only torch has been tried.

    Args:
        device: As for [`choose_device`].
        dtype: One of `heads_empathic.DTYPES`, or `"auto"`: see [`auto_dtype`].
        config: Of the model.

    Raises:
        ScoringError: No such device here, or OpenVINO for a model that is cut to speech.
    """
    kind = str(choose_device(device))
    dtype = auto_dtype(kind.partition(":")[0], config) if dtype == "auto" else dtype
    if device == "openvino":
        return Choice(kind, dtype, openvino=True)
    size = config.encoder.d_model * config.encoder.encoder_layers
    if device != "auto" or kind != "cpu" or config.cut_to_speech or size < COMPILED_FROM:
        return Choice(kind, dtype, openvino=False)
    units = processor()
    best = units[0] if units else "no vector units that are known here"
    if "AMX" in units and dtype == "bfloat16":
        return Choice(kind, dtype, openvino=False, why=f"{best}: torch is fastest in bfloat16")
    if dtype == "float16" or not units or best.startswith("ARM"):
        return Choice(kind, dtype, openvino=False, why=f"{best}: by torch in {dtype}")
    if not has_openvino():
        why = f'{best}: pip install "emonet-voice[openvino]" is faster'
        return Choice(kind, dtype, openvino=False, why=why)
    return Choice(kind, dtype, openvino=True, why=f"{best}: OpenVINO is fastest in {dtype}")


def auto_dtype(device: str, stored: Any) -> str:
    """The type to compute in.

    On CUDA float16, as the public recipe: its scores stay eight times closer to float32 than
    bfloat16's (`benchmarks/README.md`, drift), and cards before Ampere only emulate bfloat16.
    CPUs have no fast float16. What is stored as bfloat16 may not fit float16, and widened would
    take twice the memory.
    """
    if str(stored.dtype).removeprefix("torch.") == "bfloat16":
        return "mixed" if stored.is_mixed and device != "cuda" else "bfloat16"
    return "float16" if device == "cuda" else "float32"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device has not enough memory.

    Example:
        >>> is_out_of_memory(RuntimeError("MPS backend out of memory")), is_out_of_memory(OSError())
        (True, False)
    """
    import torch

    said = isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error))
    return bool(said) or isinstance(error, torch.OutOfMemoryError | MemoryError)


@contextmanager
def enough_memory(device: Any, advice: str) -> Iterator[None]:
    """Says what to do where a device has not enough memory for what is done within.

    Args:
        device: That computes.
        advice: What takes less.

    Raises:
        ScoringError: It has not.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ScoringError(f"out of memory on {device}: try {advice}") from None


def has_openvino() -> bool:
    """Whether it is installed."""
    return importlib.util.find_spec("openvino") is not None


def processor() -> list[str]:
    """The vector and matrix units of this machine's processor, best first, as far as it says.

    Example:
        >>> isinstance(processor(), list)
        True
    """
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:  # not Linux
        return ["ARM NEON"] if platform.machine().lower() in ("arm64", "aarch64") else []
    named = {"flags", "Features"}
    lines = (line.partition(":") for line in text.splitlines())
    found = next((set(value.split()) for key, _, value in lines if key.strip() in named), set())
    return [name for flag, name in _FLAGS.items() if flag in found]
