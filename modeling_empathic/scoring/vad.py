"""How much of a window is speech: Silero's voice activity detector, which the extra `vad` brings.

Its weights (MIT, 2 MB) lie in the package `silero-vad`: nothing is downloaded.
"""

import importlib.util
import threading
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from modeling_empathic.taxonomy import UserError

FRAME = 512  # samples, 32 ms: what the detector hears at once at 16 kHz
AT_ONCE, BEFORE = 32, 16  # frames: a second, and what it needs to have heard before
THRESHOLD = 0.5  # its authors' for speech
MIN_SPEECH_S = 0.25  # their shortest speech; with less in it a window gets no score

_models = threading.local()  # one a thread: it remembers what it heard


def check_vad() -> None:
    """Says what to install, before any work is done.

    Raises:
        UserError: The detector is not here.
    """
    if importlib.util.find_spec("silero_vad") is None:
        raise UserError('vad needs silero-vad: pip install "emonet-voice[vad]"')


@cache
def described() -> dict[str, Any]:
    """What the provenance says of it."""
    check_vad()
    name = f"silero-vad {version('silero-vad')}"
    return {"detector": name, "threshold": THRESHOLD, "min_speech_s": MIN_SPEECH_S}


def speech_s(samples: np.ndarray) -> float:
    """Seconds of speech in a window, by frames of 32 ms.

    Args:
        samples: `(samples,)` float32, mono at 16 kHz. It does not matter what came before them.

    Raises:
        UserError: The detector is not here.

    Example:
        >>> speech_s(np.zeros(16_000, np.float32))  # doctest: +SKIP
        0.0
    """
    import torch

    model, n_frames = _model(), -(-len(samples) // FRAME)
    n_rows = -(-n_frames // AT_ONCE)
    before, after = BEFORE * FRAME, n_rows * AT_ONCE * FRAME - len(samples)
    frames = torch.from_numpy(np.pad(samples, (before, after))).reshape(-1, FRAME)
    # Seconds side by side, each with the half second before it: one frame after the other takes
    # twice as long for a window of 10 s.
    rows = frames.unfold(0, BEFORE + AT_ONCE, AT_ONCE).movedim(-1, 0)
    model.reset_states()
    with torch.inference_mode():
        heard = torch.stack([model(row.contiguous(), 16_000)[:, 0] for row in rows])
    of_frame = heard[BEFORE:].T.reshape(-1)[:n_frames]
    return float((of_frame >= THRESHOLD).sum()) * FRAME / 16_000


def _model() -> Any:
    if not hasattr(_models, "model"):
        check_vad()
        import torch

        n_threads = torch.get_num_threads()
        try:
            from silero_vad import load_silero_vad

            _models.model = load_silero_vad()
        finally:
            torch.set_num_threads(n_threads)  # the package sets one, for the whole process
    return _models.model
