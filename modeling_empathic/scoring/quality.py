"""What makes a clip's scores doubtful, judged by its samples alone, for the column `quality`.

Every model scores whatever it is given: noise, a chord, a fifth of a second. The judgement does not
depend on the model, and never keeps a clip from being scored; it only says what to doubt.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..audio import SAMPLE_RATE

FRAME, HOP = 400, 160  # 25 ms every 10 ms, as the log-mel features
LOUD_FRAMES = 10  # 100 ms: a click is no speech
SILENCE_DB = 30.0  # below the loudest frames
TOO_SHORT_S = 0.4  # of speech; a syllable or two
TOO_QUIET_DBFS = -60.0
STEADY_DB = 2.0  # speech rises and falls by more than this, with noise 5 dB below it too
MOSTLY_SILENCE = 0.1  # share of the clip that is not silence
CLIPPED = 0.001  # share of the samples that stand at the clip's ends
DC_OFFSET = 0.05

JUDGEMENTS = (
    "too short",
    "too quiet",
    "clipped",
    "DC offset",
    "not like speech",
    "mostly silence",
)


def judge(samples: npt.NDArray[np.float32], notes: Sequence[str] = ()) -> str:
    """What makes the scores of a window doubtful, with `, ` between; `""` if nothing does.

    Args:
        samples: Mono at 16 kHz, in [-1, 1].
        notes: What the decoder noticed, as `read_audio` returns it; comes first.

    Returns:
        Words of `JUDGEMENTS`, behind the notes.

    Example:
        >>> judge(np.zeros(16_000, np.float32))
        'too quiet'
        >>> judge(np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32))
        'not like speech'
    """
    if len(samples) < FRAME:
        return ", ".join([*notes, "too short"])
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), FRAME)[::HOP]
    offset = float(samples.mean())
    power = np.maximum(np.square(frames - offset).mean(axis=1), 1e-12)
    level_db = 10 * np.log10(power)
    loud_db = float(np.sort(level_db)[-LOUD_FRAMES:][0])
    active = np.flatnonzero(level_db > loud_db - SILENCE_DB)
    speech = level_db[active[0] : active[-1] + 1]
    peak = float(np.abs(samples).max())
    at_the_ends = float(np.mean(np.abs(samples) > 0.999 * peak)) if peak > 0.9 else 0.0
    quiet = loud_db < TOO_QUIET_DBFS
    checks = {
        "too short": not quiet and len(speech) * HOP < TOO_SHORT_S * SAMPLE_RATE,
        "too quiet": quiet,
        "clipped": at_the_ends > CLIPPED,
        "DC offset": abs(offset) > DC_OFFSET,
        "not like speech": not quiet and float(speech.std()) < STEADY_DB,
        "mostly silence": not quiet and len(active) < MOSTLY_SILENCE * len(level_db),
    }
    return ", ".join([*notes, *(name for name in JUDGEMENTS if checks[name])])
