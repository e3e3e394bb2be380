"""The channels of a recording, one waveform each: two people on the two sides of a call."""

from typing import Any

import numpy as np

from modeling_empathic.audio import AudioError, read_channels


def load_channels(
    source: Any, max_duration_s: float | None = None
) -> list[np.ndarray | AudioError]:
    """The samples of `read_channels`.

    Raises:
        AudioError: The file cannot be scored.
    """
    sounds = read_channels(source, max_duration_s=max_duration_s)
    return [sound if isinstance(sound, AudioError) else sound.samples for sound in sounds]
