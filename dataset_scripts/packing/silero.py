"""Speech found by Silero's voice activity detector, which the package `silero-vad` brings (MIT).

Its weights lie in the package: nothing is downloaded.
"""

import importlib.util
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from .clips import PackingError
from .speech import FRAME_S, Listener, Span, stretches

RATE, FRAME = 16_000, 512  # what the detector hears at once, 32 ms
THRESHOLD = 0.5  # its authors'


def silero() -> Listener:
    """A listener.

    Raises:
        PackingError: The package is not installed.
    """
    if importlib.util.find_spec("silero_vad") is None:
        raise PackingError("speech found by silero needs silero-vad: pip install silero-vad")
    import torch

    n_threads = torch.get_num_threads()
    try:
        from silero_vad import load_silero_vad

        model: Any = load_silero_vad()
    finally:
        torch.set_num_threads(n_threads)  # the package sets one, for the whole process

    def listen(blocks: Iterable[npt.NDArray[np.float32]]) -> list[Span]:
        model.reset_states()
        probabilities: list[float] = []
        rest, n_samples = np.empty(0, np.float32), 0
        with torch.inference_mode():
            for block in blocks:
                n_samples += len(block)
                rest = np.concatenate([rest, block])
                whole = len(rest) // FRAME * FRAME
                for frame in torch.from_numpy(rest[:whole]).reshape(-1, 1, FRAME):
                    probabilities.append(float(model(frame, RATE)))
                rest = rest[whole:]
        heard = np.array(probabilities) >= THRESHOLD
        size = round(RATE * FRAME_S)
        frames = np.arange(min(n_samples // size, len(heard) * FRAME // size)) * size // FRAME
        return stretches(heard[frames])

    return listen
