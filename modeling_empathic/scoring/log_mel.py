"""Whisper's log-mel features by torch alone: the numbers of transformers' extractor, to the bit.

transformers takes seconds to import; a single clip does not want to wait for it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from modeling_empathic.frontend_empathic import HOP, N_FFT
from modeling_empathic.mixing_empathic import SAMPLE_RATE
from modeling_empathic.speech_empathic import log_mel_of


class LogMel:
    """Does what a `WhisperFeatureExtractor` does, for one clip or, on a card, for a batch.

    Args:
        mel_bins: Bands of the features.
        window_s: Whole seconds that features are padded or cut to.
        device: That computes them.

    Example:
        >>> LogMel(80, 30)(np.zeros(16_000, np.float32))["input_features"].shape
        (1, 80, 3000)
    """

    def __init__(self, mel_bins: int, window_s: int, device: torch.device | str = "cpu"):
        self.feature_size, self.n_samples = mel_bins, window_s * SAMPLE_RATE
        self._device = torch.device(device)
        self._filters = torch.from_numpy(mel_filters(mel_bins).astype(np.float32)).T.to(device)
        self._window = torch.hann_window(N_FFT).to(device)

    def __call__(
        self, samples: npt.NDArray[np.float32], max_length: int | None = None, **_: Any
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Features of one clip.

        Args:
            samples: `(samples,)` at 16 kHz.
            max_length: Samples to pad or cut to, by default the window's.
            **_: What the other extractor is asked for beside these: `sampling_rate`, which is one,
                and `return_tensors`.

        Returns:
            `{"input_features": (1, mel_bins, max_length // 160)}`.
        """
        features = self.of([samples], max_length or self.n_samples)
        return {"input_features": features.numpy()}

    def of(
        self, clips: Sequence[npt.NDArray[np.float32]], length: int | None = None
    ) -> torch.Tensor:
        """Features of clips together, on the device that computes them.

        Args:
            clips: `(samples,)` each, at 16 kHz.
            length: Samples to pad or cut each to, by default the window's.

        Returns:
            `(clips, mel_bins, length // 160)` float32.
        """
        padded = np.zeros((len(clips), length or self.n_samples), np.float32)
        for row, samples in zip(padded, clips, strict=True):
            row[: len(samples)] = samples[: len(row)]
        sound = torch.from_numpy(padded)
        if self._device.type == "cuda":
            sound = sound.pin_memory()
        with torch.inference_mode():
            stft = torch.stft(
                sound.to(self._device, non_blocking=True),
                *(N_FFT, HOP),
                window=self._window,
                return_complex=True,
            )
            power = (stft[..., :-1].abs() ** 2).contiguous()
            return log_mel_of(self._filters @ power)


def mel_filters(mel_bins: int) -> npt.NDArray[np.float64]:
    """Triangles on Slaney's mel scale from 0 to 8 kHz, each of the same area.

    Slaney, Auditory Toolbox (1998): 3 mel a 200 Hz up to 1 kHz, above it 27 mel to each factor of
    6.4.

    Returns:
        `(201, mel_bins)`.
    """
    step, knee_hz, knee_mel = np.log(6.4) / 27.0, 1000.0, 15.0
    top_hz = SAMPLE_RATE / 2
    mels = np.linspace(
        0.0, knee_mel + np.log(top_hz / knee_hz) * (27.0 / np.log(6.4)), mel_bins + 2
    )
    edges = 200.0 * mels / 3.0
    above = mels >= knee_mel
    edges[above] = knee_hz * np.exp(step * (mels[above] - knee_mel))
    bins = np.linspace(0, SAMPLE_RATE // 2, 1 + N_FFT // 2)
    widths = np.diff(edges)
    slopes = edges[None, :] - bins[:, None]
    filters = np.maximum(
        np.zeros(1), np.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:])
    )
    filters *= (2.0 / (edges[2:] - edges[:-2]))[None]
    result: npt.NDArray[np.float64] = filters
    return result
