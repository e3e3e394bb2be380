"""The Whisper encoder run by OpenVINO: on CPUs the fastest of the runtimes that were measured."""

import ctypes
import hashlib
import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from modeling_empathic.report.files import replacing

from .devices import processor
from .lean import Encoded

# What OpenVINO calls the types; in half precision it keeps sums in float32, as torch does.
_PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}
KEPT = "openvino"
"""Folder below `HF_HOME/emonet-voice` with compiled encoders, a file each."""


class OpenVINOEncoder(nn.Module):
    """Stands in for `model.encoder`, for scoring only: no gradients, no inner states.

    The encoder takes nearly all of the time that a clip takes on a CPU; the heads stay with torch
    (`benchmarks/README.md` has both measured). Needs `pip install "emonet-voice[openvino]"`.

    Compiling takes 10 to 20 s. The result is kept below `HF_HOME`, under a name that stands for
    the weights, the type, the version of OpenVINO and the processor, and read back in a second.

    Args:
        encoder: The encoder of a model on the CPU. Its weights are compiled into the new one: it
            can be let go of.
        dtype: Type to compute in, default the encoder's; features and states have the encoder's.
        keep: Whether to read and write the file with the compiled encoder.

    Raises:
        ImportError: OpenVINO is not installed.

    Example:
        >>> from modeling_empathic import EmpathicInsightModel
        >>> model = EmpathicInsightModel.from_pretrained("small/")  # doctest: +SKIP
        >>> model.encoder = OpenVINOEncoder(model.encoder)  # doctest: +SKIP
    """

    def __init__(self, encoder: Any, dtype: torch.dtype | None = None, keep: bool = True):
        super().__init__()
        self.dtype = encoder.dtype
        precision = _PRECISIONS[dtype or encoder.dtype]
        file = _file(encoder, precision) if keep else None
        # Asked for of a kept one too: without it OpenVINO would take bfloat16 where it can.
        options = {"INFERENCE_PRECISION_HINT": precision}
        self._run = _kept(file, options) or _compiled(encoder, options, file)
        # Conversion leaves 1.5 GB of freed memory with the allocator, which would keep it.
        with suppress(OSError, AttributeError):  # not glibc
            ctypes.CDLL(None).malloc_trim(0)

    def forward(self, input_features: torch.Tensor) -> Encoded:
        """`(batch, mel_bins, frames)` to `last_hidden_state` `(batch, positions, d_model)`."""
        # Window by window, as compiled: as fast as a batch, in a fraction of the memory.
        clips = input_features.float().numpy()
        states = [torch.from_numpy(self._run(clip[None])[0]).to(self.dtype) for clip in clips]
        return Encoded(torch.cat(states))


def _compiled(encoder: Any, options: dict[str, str], file: Path | None) -> Any:
    """The encoder, compiled and written to the file if that can be."""
    import openvino

    window = 2 * encoder.config.max_source_positions  # the first convolutions halve it
    example = torch.zeros(1, encoder.config.num_mel_bins, window)
    with torch.no_grad(), _silent():
        graph = openvino.convert_model(_States(encoder.float()), example_input=example)
    compiled = openvino.Core().compile_model(graph, "CPU", options)
    if file is not None:
        with suppress(OSError, RuntimeError):  # a full disk, a folder that nobody may write to
            file.parent.mkdir(parents=True, exist_ok=True)
            blob = compiled.export_model().getbuffer()
            with replacing(file) as temporary, temporary.open("wb") as stream:
                stream.write(blob)
                stream.write(hashlib.sha256(blob).digest())
    return compiled


def _kept(file: Path | None, options: dict[str, str]) -> Any:
    """The compiled encoder of a file; None where there is none that this machine can use."""
    import openvino

    if file is None or not file.is_file():
        return None
    try:
        whole = file.read_bytes()
        blob, digest = memoryview(whole)[:-32], whole[-32:]
        if hashlib.sha256(blob).digest() != digest:  # OpenVINO would read on beyond its end
            return None
        # A copy of its own: of memory that is shared with us it would not say how long it reads it.
        return openvino.Core().import_model(io.BytesIO(blob), "CPU", options)
    except (RuntimeError, ValueError, OSError):  # empty, or of another build
        return None


def _file(encoder: Any, precision: str) -> Path:
    """Where a compiled encoder is kept: the name stands for all that it depends on."""
    import openvino
    from huggingface_hub.constants import HF_HOME

    about = (openvino.__version__, precision, encoder.config.encoder_attention_heads, *processor())
    digest = hashlib.sha256(repr(about).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy())
    return Path(HF_HOME, "emonet-voice", KEPT, f"{digest.hexdigest()[:32]}.blob")


@contextmanager
def _silent() -> Iterator[None]:
    """Without the warnings of tracing.

    It says that shapes are taken as constants, which they are, and reads properties of which
    transformers, where it is in use, then says that nobody set them.
    """
    logging: Any = None
    if "transformers" in sys.modules:
        from transformers import utils

        logging = utils.logging
        verbosity = logging.get_verbosity()
        logging.set_verbosity_error()
    with warnings.catch_warnings(action="ignore"):
        yield
    if logging:
        logging.set_verbosity(verbosity)


class _States(nn.Module):
    """An encoder that returns a tensor, as tracing wants it."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_features: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.encoder(input_features).last_hidden_state
        return states
