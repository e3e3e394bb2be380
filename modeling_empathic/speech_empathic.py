"""The speech of a window and nothing else: no silence, level or padding, and its encoder states.

The public models read 30 s, of which a clip of 3 s fills a tenth; what surrounds the speech, and
how loud it was recorded, then moves every score. Here both are taken away from the features, so
that no pipeline can forget to: silence at both ends is cut off, what is left has one level.
"""

from typing import Any

import torch
from torch import nn

SILENCE_DECADES = 4.0  # 40 dB below the loudest frames there is no speech
LOUD_FRAMES = 10  # 100 ms: a click must not count as the loudest
AROUND_FRAMES = 4  # what is kept beside the speech, since its ends fade
LEVEL = 0.2  # of the frames at the 95th percentile, in the extractor's units of 40 dB: an RMS of
# about -26 dBFS, the nominal level of speech (ITU-T P.56), which Whisper was taught at


def frame_energy(features: torch.Tensor) -> torch.Tensor:
    """Energy of each frame, as the logarithm to base 10 of its power.

    Args:
        features: `(..., mel_bins, frames)` log-mel features of the `WhisperFeatureExtractor`, which
            are `(log10(power) + 4) / 4`.

    Returns:
        `(..., frames)`, float32.
    """
    return torch.logsumexp((4 * features.float() - 4) * 2.302585093, -2) / 2.302585093


def speech_span(energy: torch.Tensor) -> tuple[int, int]:
    """First and last frame (exclusive) of what is not silence at the ends; both are even.

    Args:
        energy: `(frames,)`, of [`frame_energy`].

    Example:
        >>> quiet, loud = torch.full((20,), -8.0), torch.full((30,), 0.0)
        >>> speech_span(torch.cat([quiet, loud, quiet]))
        (16, 54)
    """
    frames = len(energy)
    loud = energy.topk(min(LOUD_FRAMES, frames)).values[-1]
    active = torch.nonzero(energy > loud - SILENCE_DECADES)[:, 0]
    first, last = int(active[0]) - AROUND_FRAMES, int(active[-1]) + 1 + AROUND_FRAMES
    first = max(first - first % 2, 0)
    last = min(last + last % 2, frames - frames % 2)
    return first, max(last, min(first + 2, frames))


def speech_features(features: torch.Tensor) -> tuple[torch.Tensor, int]:
    """One window's features without the silence around the speech, on one level.

    Args:
        features: `(mel_bins, frames)`.

    Returns:
        `(mel_bins, frames of speech)`, and the frame of the window that is its first.
    """
    energy = frame_energy(features)
    first, last = speech_span(energy)
    level = energy[first:last].quantile(0.95) / 4
    return features[:, first:last].float() - level + LEVEL, first


def speech_states(
    encoder: Any, input_features: torch.Tensor, read_layers: int, **kwargs: Any
) -> torch.Tensor:
    """Encoder states of the speech of each window, in their places.

    Args:
        encoder: With the layers of a Whisper encoder.
        input_features: `(batch, mel_bins, frames)` of any length up to the encoder's window.
        read_layers: How many of the last layers' states are given out, side by side.
        **kwargs: For the layers.

    Returns:
        `(batch, frames // 2, read_layers * d_model)`, the earliest layer first, NaN where there is
        no speech.
    """
    positions, rows = input_features.shape[-1] // 2, []
    for features in input_features:
        speech, first = speech_features(features)
        hidden = states_of(encoder, speech.to(input_features.dtype), read_layers, **kwargs)
        padding = (0, 0, first // 2, positions - first // 2 - len(hidden))
        rows.append(nn.functional.pad(hidden, padding, value=torch.nan))
    return torch.stack(rows)


def states_of(encoder: Any, speech: torch.Tensor, read_layers: int, **kwargs: Any) -> torch.Tensor:
    """States `(frames // 2, width)` of a piece of speech, positions from its start on."""
    gelu = nn.functional.gelu
    hidden = gelu(encoder.conv2(gelu(encoder.conv1(speech[None])))).transpose(1, 2)
    hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
    states = []
    for layer in encoder.layers:
        hidden = layer(hidden, None, **kwargs)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        states.append(hidden[0])
    return torch.cat(states[-read_layers:], dim=-1)


def log_mel_of(power: torch.Tensor) -> torch.Tensor:
    """Whisper's features of mel power: eight decades below the loudest, as its extractor has them.

    Args:
        power: `(batch, mel_bins, frames)`.
    """
    decades = torch.clamp(power, min=1e-10).log10()
    return (torch.maximum(decades, decades.amax((1, 2), keepdim=True) - 8.0) + 4.0) / 4.0
