"""Words or sound? A clip, the clip without its words, and the clip without its melody.

Two changes that leave nearly all else alone. Low-passed at 400 Hz speech cannot be understood but
keeps pitch, tempo and loudness (Rogers, Scherer & Rosenthal 1971, "Content-filtering human speech:
a simple electronic system", Behavior Research Methods & Instrumentation 3, 16-18; Knoll, Uther &
Costall 2009, Speech Communication 51, 1210-1216).
With the pitch held at the clip's median the words stay and the melody goes: overlap-add of grains
of two periods (Moulines & Charpentier 1990, "Pitch-synchronous waveform processing techniques for
text-to-speech synthesis using diphones", Speech Communication 9, 453-467).

What a head loses under the one or the other says what it hears, on these clips. It proves nothing
of a single clip: both changes also make a recording that no model was trained on.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from ..acoustics import load_librosa
from ..audio import SAMPLE_RATE, AudioError, load_audio
from ..report.statistics import window_mean

CUTOFF_HZ = 400
LOWEST_HZ, HIGHEST_HZ = 65.0, 500.0
_HOP = 160
VERSIONS = ("clip", "low-passed", "flat pitch")


class HeadProbe(NamedTuple):
    """One head over all clips.

    Attributes:
        name: Of the head.
        means: Mean score of each of `VERSIONS`, on the head's scale.
        losses: Mean fall from the clip to each changed version; negative where it rises.
        correlations: Spearman's ρ over clips of each changed version and the clip; NaN below three
            clips or where nothing varies.
    """

    name: str
    means: tuple[float, ...]
    losses: tuple[float, ...]
    correlations: tuple[float, ...]


def low_pass(samples: np.ndarray, cutoff_hz: float = CUTOFF_HZ) -> np.ndarray:
    """Speech that cannot be understood: nothing above the cutoff, by a filter without delay.

    Args:
        samples: `(n,)` at 16 kHz.
        cutoff_hz: Half of the amplitude is left here, nothing from a quarter above.

    Example:
        >>> time = np.arange(1600) / 16_000
        >>> low, high = (np.sin(2 * np.pi * hz * time) for hz in (200, 1000))
        >>> bool(np.abs(low_pass(low + high) - low).max() < 1e-6)
        True
    """
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    # A slope of a half-cosine over a quarter of the cutoff each way: no ringing.
    place = np.clip((hz / cutoff_hz - 0.75) / 0.5, 0, 1)
    return np.fft.irfft(spectrum * (0.5 + 0.5 * np.cos(np.pi * place)), len(samples))


def flatten_pitch(samples: np.ndarray) -> np.ndarray:
    """The clip with its voiced parts at one pitch, its own median; the rest is left as it is.

    Args:
        samples: `(n,)` at 16 kHz.

    Returns:
        `(n,)`; the samples themselves where no pitch is found.
    """
    f0 = _pitch(samples)
    if np.isnan(f0).all():
        return samples
    target = SAMPLE_RATE / float(np.nanmedian(f0))
    out = samples.astype(float).copy()
    for start, end in _voiced(f0, len(samples)):
        marks, periods = _marks(samples, f0, start, end)
        if len(marks) > 2:
            out[start:end] = _overlap_add(samples, marks, periods, target, start, end)
    return out


def probe(
    paths: Sequence[str],
    model: Any,
    extractor: Any,
    *,
    batch_size: int = 8,
    on_step: Callable[[str, int, int], None] = lambda verb, done, total: None,
) -> tuple[list[HeadProbe], dict[str, str]]:
    """Scores every clip in three versions.

    Args:
        paths: Audio files.
        model: As `load_model` gives it.
        extractor: Its feature extractor.
        batch_size: Windows scored at once.
        on_step: Called with what is done, how far it is and of how much: first the changes of the
            clips, then the scores of all three versions.

    Returns:
        Every head, in the model's order; and path -> why, of clips that cannot be read.
    """
    import soundfile

    from .clips import score_files

    failed, files = {}, []
    with TemporaryDirectory(prefix="emonet-voice-") as folder:
        for number, path in enumerate(paths):
            on_step("changing clips", number, len(paths))
            try:
                samples = load_audio(path)
            except AudioError as error:
                failed[path] = str(error)
                continue
            for version, heard in zip(
                VERSIONS, (samples, low_pass(samples), flatten_pitch(samples)), strict=True
            ):
                file = Path(folder, f"{number}-{version.replace(' ', '-')}.wav")
                soundfile.write(file, heard, SAMPLE_RATE, subtype="FLOAT")
                files.append(str(file))
        rows, scored = [], {}
        for row in score_files(files, model, extractor, batch_size=batch_size) if files else ():
            rows.append(row)
            scored[row["path"]] = True
            on_step("scoring", len(scored), len(files))
    return _compared(rows, files, model.config.head_names), failed


def _compared(
    rows: Sequence[Mapping[str, Any]], files: Sequence[str], names: Sequence[str]
) -> list[HeadProbe]:
    """The heads over clips of which all three versions have scores."""
    by_file: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["outcome"] == "scored":
            by_file.setdefault(str(row["path"]), []).append(row)
    scores = np.full((len(files), len(names)), np.nan)
    for i, file in enumerate(files):
        windows = by_file.get(file)
        if windows:
            lengths_s = [row["end_s"] - row["start_s"] for row in windows]
            values = [[row[name] for name in names] for row in windows]
            scores[i] = window_mean(values, lengths_s)
    versions = scores.reshape(-1, len(VERSIONS), len(names))
    versions = versions[~np.isnan(versions).any(axis=(1, 2))]
    found = []
    for i, name in enumerate(names):
        clip, *changed = versions[:, :, i].T
        found.append(
            HeadProbe(
                name,
                tuple(_mean(of) for of in (clip, *changed)),
                tuple(_mean(clip - of) for of in changed),
                tuple(_rank_correlation(clip, of) for of in changed),
            )
        )
    return found


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    ranks = [np.unique(of, return_inverse=True, return_counts=True)[1:] for of in (a, b)]
    places = [(np.cumsum(counts) - (counts - 1) / 2)[codes] for codes, counts in ranks]
    return float(np.corrcoef(places[0], places[1])[0, 1])


def _pitch(samples: np.ndarray) -> np.ndarray:
    """Hertz every 10 ms, NaN where unvoiced."""
    f0: np.ndarray = load_librosa().pyin(
        samples.astype(np.float32),
        fmin=LOWEST_HZ,
        fmax=HIGHEST_HZ,
        sr=SAMPLE_RATE,
        frame_length=1024,
        hop_length=_HOP,
    )[0]
    return f0


def _voiced(f0: np.ndarray, n: int) -> list[tuple[int, int]]:
    """Samples from and to of every run of voiced frames."""
    voiced = np.concatenate([[False], ~np.isnan(f0), [False]])
    edges = np.flatnonzero(voiced[1:] != voiced[:-1])
    runs = zip(edges[::2], edges[1::2], strict=True)
    return [(int(a) * _HOP, min(n, int(b) * _HOP)) for a, b in runs]


def _marks(
    samples: np.ndarray, f0: np.ndarray, start: int, end: int
) -> tuple[np.ndarray, np.ndarray]:
    """Peaks a period apart, and the period at each."""
    marks: list[int] = []
    periods: list[int] = []
    place = start
    while place < end:
        frame = min(place // _HOP, len(f0) - 1)
        hz = f0[frame]
        if np.isnan(hz):
            break
        period = round(SAMPLE_RATE / hz)
        # The first mark may be anywhere in a period, the others near where they are due.
        reach = period if not marks else max(1, period // 4)
        low, high = max(start, place - (0 if not marks else reach)), min(end, place + reach + 1)
        place = low + int(np.argmax(samples[low:high]))
        marks.append(place)
        periods.append(period)
        place += period
    return np.array(marks, dtype=int), np.array(periods, dtype=int)


def _overlap_add(
    samples: np.ndarray,
    marks: np.ndarray,
    periods: np.ndarray,
    target: float,
    start: int,
    end: int,
) -> np.ndarray:
    """The run with grains of two periods set down a target period apart."""
    out, weight = np.zeros(end - start), np.zeros(end - start)
    for centre in np.arange(marks[0], end, target):
        nearest = int(np.abs(marks - centre).argmin())
        half = int(periods[nearest])
        offset = np.arange(-half, half + 1)
        window = 0.5 + 0.5 * np.cos(np.pi * offset / half)
        source, place = marks[nearest] + offset, round(float(centre)) + offset - start
        inside = (source >= 0) & (source < len(samples)) & (place >= 0) & (place < len(out))
        np.add.at(out, place[inside], samples[source[inside]] * window[inside])
        np.add.at(weight, place[inside], window[inside])
    original = samples[start:end]
    # Where no grain reaches, at the ends of a run, the clip stays.
    return np.where(weight > 0.05, out / np.maximum(weight, 0.05), original)
