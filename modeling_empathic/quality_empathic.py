"""What makes a clip's scores doubtful, judged by its samples alone, for the column `quality`.

Every model scores whatever it is given: noise, a chord, a fifth of a second. The judgement does not
depend on the model, and never keeps a clip from being scored; it only says what to doubt.

"Not like speech" is what is steadier than a voice can be: in level (noise, a held chord), in pitch
(notes stand still for an eighth of a second and more, which the glides of speech do not), or in
rhythm (a loop returns exactly). `benchmarks/results/quality.json` has how much of made music that
finds, and how many real clips it is wrong about: one in a hundred, of a voice that hums or sings.
Free rhythm, noise in syllables and animals pass.

Numpy only, flat: it ships to the Hub as remote code.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .audio import SAMPLE_RATE
from .mixing_empathic import AT_THE_ENDS, CLIPPED, LOUD

FRAME, HOP = 400, 160  # 25 ms every 10 ms, as the log-mel features
LOUD_FRAMES = 10  # 100 ms: a click is no speech
SILENCE_DB = 30.0  # below the loudest frames
TOO_SHORT_S = 0.4  # of speech; a syllable or two
TOO_QUIET_DBFS = -60.0
STEADY_DB = 2.0  # speech rises and falls by more than this, with noise 5 dB below it too
MOSTLY_SILENCE = 0.1  # share of the clip that is not silence
BEYOND = 2.0  # decoders overshoot by less
DC_OFFSET = 0.05
HELD = ((4, 0.6), (6, 0.3))  # steps of 32 ms, and the share of tones that are held so long
LOOP = 0.78  # correlation of the level with itself, a beat or a bar later
LOOP_S = (0.15, 1.2)
LOOP_RANGE_DB = 40.0
LOOP_RETURN = 0.3  # what the correlation falls by in between

JUDGEMENTS = (
    "too short",
    "too quiet",
    "clipped",
    "beyond full scale",
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
    offset = float(samples.mean())
    centred = samples.astype(np.float64) - offset
    frames = np.lib.stride_tricks.sliding_window_view(centred, FRAME)[::HOP]
    level_db = 10 * np.log10(np.maximum(np.square(frames).mean(axis=1), 1e-12))
    loud_db = float(np.sort(level_db)[-LOUD_FRAMES:][0])
    active = np.flatnonzero(level_db > loud_db - SILENCE_DB)
    speech = level_db[active[0] : active[-1] + 1]
    peak = float(np.abs(samples).max())
    at_the_ends = float(np.mean(np.abs(samples) > AT_THE_ENDS * peak)) if peak > LOUD else 0.0
    quiet = loud_db < TOO_QUIET_DBFS
    short = len(speech) * HOP < TOO_SHORT_S * SAMPLE_RATE
    checks = {
        "too short": not quiet and short,
        "too quiet": quiet,
        "clipped": at_the_ends > CLIPPED,
        "beyond full scale": peak > BEYOND,
        "DC offset": abs(offset) > DC_OFFSET,
        "not like speech": not quiet
        and (
            float(speech.std()) < STEADY_DB
            or (not short and _stands_still(centred))
            or repetition(level_db) > LOOP
        ),
        "mostly silence": not quiet and len(active) < MOSTLY_SILENCE * len(level_db),
    }
    return ", ".join(dict.fromkeys([*notes, *(name for name in JUDGEMENTS if checks[name])]))


def _stands_still(samples: npt.NDArray[np.float64]) -> bool:
    shares = held_tones(samples, [steps for steps, _ in HELD])
    return all(share > most for share, (_, most) in zip(shares, HELD, strict=True))


def held_tones(samples: npt.NDArray[np.float64], durations: Sequence[int]) -> list[float]:
    """Share of the tones' energy that stays where it is for some steps of 32 ms.

    A tone is a peak of the spectrum (128 ms, 8 Hz a bin, 80 to 2,500 Hz) of four times its
    surroundings' mean; it stays as long as there is one within a bin of it.

    Args:
        samples: `(samples,)` at 16 kHz.
        durations: How long, in steps of 32 ms, ascending.

    Returns:
        For each, 0 to 1; louder frames count more.
    """
    size, hop, low, high, around = 1024, 256, 10, 320, 20  # at 8 kHz
    samples = samples[: len(samples) // 2 * 2].reshape(-1, 2).mean(axis=1)
    padded = np.pad(samples.astype(np.float32), size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    power = (
        np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32))[:, : high + around]) ** 2
    )
    power[:, :low] = 0
    total = power[:, :high].sum(axis=1)
    power = power[total > 1e-3 * total.max()]
    if len(power) <= durations[-1] + 2:
        return [0.0] * len(durations)
    sums = np.cumsum(np.pad(power, ((0, 0), (around + 1, 0))), axis=1, dtype=np.float64)
    near = (sums[:, 2 * around + 1 :] - sums[:, : -2 * around - 1]) / (2 * around + 1)
    power = power[:, :high]
    left, middle, right = power[:, :-2], power[:, 1:-1], power[:, 2:]
    tones = np.zeros(power.shape, bool)
    tones[:, 1:-1] = (middle > left) & (middle >= right) & (middle > 4 * near[:, 1 : high - 1])
    beside = tones.copy()
    beside[:, 1:] |= tones[:, :-1]
    beside[:, :-1] |= tones[:, 1:]
    held, shares, n = tones, [], len(power)
    for step in range(1, durations[-1] + 1):
        n -= 1
        held = held[:n] & beside[step : step + n]
        if step in durations:
            of_tones = np.where(tones[:n], power[:n], 0).sum(axis=1)
            share = np.where(held, power[:n], 0).sum(axis=1) / np.maximum(of_tones, 1e-20)
            shares.append(float(np.average(share, weights=np.sqrt(power[:n].sum(axis=1)))))
    return shares


def repetition(level_db: npt.NDArray[np.float64]) -> float:
    """How much the level is its own a beat or a bar ago: the largest correlation, 0 if too short.

    Args:
        level_db: Every 10 ms.
    """
    level = np.maximum(level_db, level_db.max() - LOOP_RANGE_DB)
    level = level - level.mean()
    first, last = (round(seconds * SAMPLE_RATE / HOP) for seconds in LOOP_S)
    last = min(last, len(level) // 3)
    if last <= first or len(level) < 150:
        return 0.0
    pairs = [(level[:-lag], level[lag:]) for lag in range(first // 2, last)]
    alike = np.array([a @ b / max(np.sqrt((a @ a) * (b @ b)), 1e-12) for a, b in pairs])
    # Only what returns: of one word between two silences it merely fades.
    returns = alike - np.minimum.accumulate(alike) > LOOP_RETURN
    return float(alike[returns].max(initial=0.0))
