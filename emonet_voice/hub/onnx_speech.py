"""A model that reads only speech as one graph without branches: waveforms in, scores out.

What `score` does to one window happens here to a batch of any length: log-mel features, the cut to
the speech, its level, the encoder, the heads. Nothing is cut off a tensor; what is not speech is
masked, so that every shape follows from the input's.
"""

from typing import Any

import torch
from torch import nn

from modeling_empathic.frontend_empathic import HOP, N_FFT, front_end
from modeling_empathic.scoring.prepared import SILENCE
from modeling_empathic.speech_empathic import (
    AROUND_FRAMES,
    LEVEL,
    LOUD_FRAMES,
    SILENCE_DECADES,
    frame_energy,
    log_mel_of,
)
from modeling_empathic.stacks_empathic import probabilities


class SpeechGraph(nn.Module):
    """Waveforms to scores, for export.

    Args:
        model: An `EmpathicInsightModel` with `cut_to_speech`, in float32, on the CPU.
    """

    basis: torch.Tensor
    mel: torch.Tensor

    def __init__(self, model: Any):
        super().__init__()
        self.encoder, self.heads = model.encoder, model.heads
        self.problem_type = model.config.problem_type
        extractor = front_end(model.config)
        self.n_samples = extractor.n_samples
        bins = torch.arange(N_FFT // 2 + 1, dtype=torch.float64)
        angle = 2 * torch.pi / N_FFT * bins[:, None] * torch.arange(N_FFT, dtype=torch.float64)
        window = torch.hann_window(N_FFT, dtype=torch.float64)
        waves = torch.cat([angle.cos(), angle.sin()]) * window
        self.register_buffer("basis", waves[:, None].float())
        self.register_buffer("mel", torch.from_numpy(extractor.mel_filters).float().T.contiguous())

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """`(batch, samples)` at 16 kHz to scores `(batch, heads)`; shorter clips end in zeros."""
        states = self.encode(*self.cut(self.log_mel(waveform)))
        return probabilities(self.heads(states)[0], self.problem_type)

    def log_mel(self, waveform: torch.Tensor) -> torch.Tensor:
        """Features `(batch, mel_bins, frames)`, as the `WhisperFeatureExtractor` computes them."""
        padded = nn.functional.pad(waveform, (0, SILENCE))[:, : self.n_samples]
        reflected = nn.functional.pad(padded[:, None], (N_FFT // 2, N_FFT // 2), mode="reflect")
        waves = nn.functional.conv1d(reflected, self.basis, stride=HOP)[..., :-1]
        power = waves.square().unflatten(1, (2, -1)).sum(1)
        return log_mel_of(self.mel @ power)

    def cut(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `speech_features`: the speech moved to the start, zeros behind it, and its frames."""
        energy = frame_energy(features)
        places = torch.arange(energy.shape[1])
        frames = places[-1] + 1
        loud = energy.topk(LOUD_FRAMES).values[:, -1:]
        active = energy > loud - SILENCE_DECADES
        first = torch.where(active, places, frames).amin(1) - AROUND_FRAMES
        last = torch.where(active, places, -1).amax(1) + 1 + AROUND_FRAMES
        first = (first - first % 2).clamp(min=0)
        last = torch.minimum(last + last % 2, frames - frames % 2)
        length = torch.maximum(last, torch.minimum(first + 2, frames)) - first
        inside = places < length[:, None]
        moved = torch.minimum(first[:, None] + places, frames - 1)
        # The 95th percentile as `Tensor.quantile` has it, of what is inside.
        ranked = torch.where(inside, energy.gather(1, moved), torch.inf).sort(1).values
        rank = 0.95 * (length[:, None] - 1).float()
        low, high = (ranked.gather(1, end.long()) for end in (rank.floor(), rank.ceil()))
        level = torch.lerp(low, high, rank - rank.floor()) / 4
        speech = features.gather(2, moved[:, None].expand(-1, features.shape[1], -1))
        speech = torch.where(inside[:, None], speech - level[:, None] + LEVEL, 0.0)
        return speech, length

    def encode(self, speech: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """States `(batch, positions, width)` of the layers that heads read, NaN behind the speech.

        Args:
            speech: `(batch, mel_bins, frames)`, zeros behind the speech as a convolution's padding.
            frames: `(batch,)` of the speech, even.
        """
        encoder, gelu = self.encoder, nn.functional.gelu
        hidden = gelu(encoder.conv2(gelu(encoder.conv1(speech)))).transpose(1, 2)
        hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
        heard = torch.arange(hidden.shape[1]) < (frames // 2)[:, None]
        mask = torch.where(heard, 0.0, torch.finfo(torch.float32).min)[:, None, None]
        states = []
        for layer in encoder.layers:
            hidden = layer(hidden, mask)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
            states.append(hidden)
        read = torch.cat(states[-encoder.read_layers :], dim=-1)
        return torch.where(heard[..., None], read, torch.nan)
