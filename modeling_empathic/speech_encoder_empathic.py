"""Whisper's encoder over the speech of a window and nothing else, as a model of transformers."""

from typing import Any

import torch
from transformers import WhisperConfig
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from .speech_empathic import speech_states


class SpeechEncoder(WhisperEncoder):
    """Whisper's encoder over the speech of each window, for `cut_to_speech` models.

    Args:
        config: Of the encoder.
        read_layers: How many of the last layers' states are given out, side by side.
    """

    def __init__(self, config: WhisperConfig, read_layers: int = 1):
        super().__init__(config)
        self.read_layers = read_layers

    def forward(
        self, input_features: torch.Tensor, attention_mask: Any = None, **kwargs: Any
    ) -> BaseModelOutput:
        """Encoder states in their places; positions without speech are NaN.

        Args:
            input_features: `(batch, mel_bins, frames)` of any length up to the encoder's window.
            attention_mask: Not needed: what is silent is heard in the features.
            **kwargs: For the layers.

        Returns:
            `last_hidden_state` as of [`speech_states`].
        """
        states = speech_states(self, input_features, self.read_layers, **kwargs)
        return BaseModelOutput(last_hidden_state=states)
