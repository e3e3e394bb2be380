"""The Whisper encoder run by OpenVINO: on CPUs the fastest of the runtimes that were measured."""

import ctypes
import warnings
from contextlib import suppress
from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging

# What OpenVINO calls the types; in half precision it keeps sums in float32, as torch does.
_PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}


class OpenVINOEncoder(nn.Module):
    """Stands in for `model.encoder`, for scoring only: no gradients, no inner states.

    The encoder takes nearly all of the time that a clip takes on a CPU; the heads stay with torch
    (`benchmarks/README.md` has both measured). Needs `pip install "emonet-voice[openvino]"`.

    Args:
        encoder: The encoder of a model on the CPU. Its weights are compiled into the new one: it
            can be let go of.
        dtype: Type to compute in, default the encoder's; features and states have the encoder's.

    Raises:
        ImportError: OpenVINO is not installed.

    Example:
        >>> from modeling_empathic import EmpathicInsightModel
        >>> model = EmpathicInsightModel.from_pretrained("small/")  # doctest: +SKIP
        >>> model.encoder = OpenVINOEncoder(model.encoder)  # doctest: +SKIP
    """

    def __init__(self, encoder: Any, dtype: torch.dtype | None = None):
        super().__init__()
        import openvino

        self.dtype = encoder.dtype
        options = {"INFERENCE_PRECISION_HINT": _PRECISIONS[dtype or encoder.dtype]}
        window = 2 * encoder.config.max_source_positions  # the first convolutions halve it
        example = torch.zeros(1, encoder.config.num_mel_bins, window)
        # Tracing warns that shapes are taken as constants, which they are, and reads properties
        # of which transformers then says that nobody set them.
        verbosity = logging.get_verbosity()
        logging.set_verbosity_error()
        with torch.no_grad(), warnings.catch_warnings(action="ignore"):
            graph = openvino.convert_model(_States(encoder.float()), example_input=example)
        logging.set_verbosity(verbosity)
        self._run = openvino.Core().compile_model(graph, "CPU", options)
        del graph
        # Conversion leaves 1.5 GB of freed memory with the allocator, which would keep it.
        with suppress(OSError, AttributeError):  # not glibc
            ctypes.CDLL(None).malloc_trim(0)

    def forward(self, input_features: torch.Tensor) -> BaseModelOutput:
        """`(batch, mel_bins, frames)` to `last_hidden_state` `(batch, positions, d_model)`."""
        # Window by window, as compiled: as fast as a batch, in a fraction of the memory.
        clips = input_features.float().numpy()
        states = [torch.from_numpy(self._run(clip[None])[0]).to(self.dtype) for clip in clips]
        return BaseModelOutput(last_hidden_state=torch.cat(states))


class _States(nn.Module):
    """An encoder that returns a tensor, as tracing wants it."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_features: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.encoder(input_features).last_hidden_state
        return states
