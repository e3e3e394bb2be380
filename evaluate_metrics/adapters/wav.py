"""A waveform as the bytes of a WAV file, which every service reads."""

import io

import numpy as np

from modeling_empathic.audio import SAMPLE_RATE

WAV = "wav, 16 kHz, mono, 16 bit"


def to_wav(samples: np.ndarray) -> bytes:
    """A WAV file, 16 kHz, mono, 16-bit; what is beyond full scale is clipped.

    Args:
        samples: `(samples,)` float32 at 16 kHz, as `load_audio` gives them.

    Example:
        >>> len(to_wav(np.zeros(16_000, np.float32)))
        32044
    """
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()
