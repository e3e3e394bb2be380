"""Acoustic features: clips a minute, and how far they are from librosa's defaults, Praat, eGeMAPS.

    pip install praat-parselmouth opensmile
    python benchmarks/acoustics.py --clips path/to/emodb

Speed is of clips as in Bench: each recording looped to 10.36 s, the mean of Bench, as MP3 at
44.1 kHz. Pitch is compared on the recordings themselves, every eighth, and features of whole clips
on 60 of them. A few minutes. Praat (GPL) and openSMILE (for research only) are no dependencies of
this project: they are what it is measured against.
"""

import argparse
import io
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
RESULT = HERE / "results" / "acoustics.json"
BENCH_MEAN_S = 10.36  # Table 3
STEP_S = 0.01
# EmoDB's sentences are known, and so are their syllables. These four fit into the 2 s to which one
# public copy cuts every recording; that they do shows in the silence at the end.
SYLLABLES = {"a01": 8, "a02": 9, "a04": 11, "a07": 10}


def looped_mp3(path: Path) -> bytes:
    """A recording looped to the length of a Bench clip, in the format of one."""
    import soundfile
    import soxr

    samples, rate = soundfile.read(path, dtype="float32")
    samples = soxr.resample(samples, rate, 44_100)
    file = io.BytesIO()
    soundfile.write(file, np.resize(samples, round(BENCH_MEAN_S * 44_100)), 44_100, format="MP3")
    return file.getvalue()


def speed(clips: list[bytes], workers: int) -> dict[str, Any]:
    """Clips a minute once the processes are warm, and the time until they are."""
    from modeling_empathic.acoustics_files import acoustics_pool

    begun = time.perf_counter()
    with acoustics_pool(workers) as measure:
        list(measure(clips[: 2 * workers]))
        warm = time.perf_counter()
        outcomes = list(measure(clips))
        done = time.perf_counter()
    assert all(outcome.features for outcome in outcomes), outcomes
    return {
        "workers": workers,
        "clips_a_minute": 60 * len(clips) / (done - warm),
        "start_s": warm - begun,
    }


def pitch_curves(samples: np.ndarray, rate: int) -> dict[str, np.ndarray]:
    """F0 every 10 ms by each method; NaN where there is no voice."""
    import librosa
    import parselmouth
    import soxr

    from modeling_empathic.acoustics import HOP_S, contours

    times = np.arange(0.1, len(samples) / rate - 0.1, STEP_S)

    def nearest(f0: np.ndarray, first_s: float, step_s: float) -> np.ndarray:
        at = np.round((times - first_s) / step_s).astype(int)
        here: np.ndarray = f0[np.clip(at, 0, len(f0) - 1)]
        return here

    # librosa's defaults: its rate, and the range that its documentation recommends.
    default_rate = 22_050
    heard = soxr.resample(samples, rate, default_rate) if rate != default_rate else samples
    low, high = float(librosa.note_to_hz("C2")), float(librosa.note_to_hz("C7"))

    def default(skip: int) -> np.ndarray:
        f0 = librosa.pyin(heard[skip:], sr=default_rate, fmin=low, fmax=high)[0]
        return nearest(f0, skip / default_rate, 512 / default_rate)

    sound = parselmouth.Sound(samples.astype(float), rate)
    praat = sound.to_pitch_ac(time_step=STEP_S / 2, pitch_floor=60, pitch_ceiling=1000)
    praat_f0 = praat.selected_array["frequency"]
    return {
        "ours": nearest(contours(samples, rate)["f0_hz"], 0, HOP_S),
        "librosa": default(0),
        "librosa, 12 ms later": default(256),
        "Praat": nearest(np.where(praat_f0 > 0, praat_f0, np.nan), praat.xs()[0], STEP_S / 2),
    }


def compare(curves: list[dict[str, np.ndarray]], method: str, other: str) -> dict[str, Any]:
    """How one method's F0 differs from another's, over clips and over frames."""
    voiced = [c for c in curves if all(np.isfinite(c[name]).any() for name in (method, other))]
    ratios = [np.nanmedian(c[method]) / np.nanmedian(c[other]) for c in voiced]
    off = np.abs(np.array(ratios) - 1)
    first, second = (np.concatenate([c[name] for c in curves]) for name in (method, other))
    both = np.isfinite(first) & np.isfinite(second)
    cents = np.abs(1200 * np.log2(first[both] / second[both]))
    return {
        "method": method,
        "other": other,
        "clips": len(voiced),
        "medians_within": {str(limit): float((off < limit).mean()) for limit in (0.01, 0.03, 0.06)},
        "voicing_differs": float((np.isfinite(first) != np.isfinite(second)).mean()),
        "gross_errors": float((cents > 1200 * np.log2(1.2)).mean()),
        "within_50_cents": float((cents < 50).mean()),
    }


def syllables(paths: list[Path]) -> dict[str, Any]:
    """Peaks counted for each syllable of the text, where the whole sentence is in the recording."""
    import soundfile

    from modeling_empathic.acoustics import HOP_S, contours

    shares, rates = [], []
    for path in paths:
        spoken = SYLLABLES.get(path.name[2:5])
        samples, rate = soundfile.read(path, dtype="float32")
        if not spoken or np.abs(samples[-rate // 20 :]).max() > 1e-4:
            continue
        curves = contours(samples, rate)
        peaks = int(curves["syllable"].sum())
        speech_s = float(np.ptp(np.flatnonzero(curves["active"])) + 1) * HOP_S
        shares.append(peaks / spoken)
        rates.append((peaks / speech_s, spoken / speech_s))
    correlation = float(np.corrcoef(np.array(rates).T)[0, 1]) if rates else float("nan")
    mean, spread = (float(np.mean(shares)), float(np.std(shares))) if shares else (np.nan, np.nan)
    return {"clips": len(shares), "mean": mean, "sd": spread, "correlation_of_rates": correlation}


def of_praat(samples: np.ndarray, rate: int) -> dict[str, float]:
    """A clip's features by Praat, as near to ours as it has them."""
    import parselmouth
    from parselmouth.praat import call

    sound = parselmouth.Sound(samples.astype(float), rate)
    pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=60, pitch_ceiling=1000)
    f0 = pitch.selected_array["frequency"]
    voiced = f0[f0 > 0]
    low, high = np.percentile(voiced, [5, 95]) if len(voiced) > 1 else (np.nan, np.nan)
    intensity_db = call(sound.to_intensity(minimum_pitch=60), "Get mean", 0, 0, "energy")
    return {
        "f0_median_hz": float(np.median(voiced)) if len(voiced) else np.nan,
        "f0_range_st": float(12 * np.log2(high / low)),
        "voiced_share": len(voiced) / len(f0),
        "level_dbfs": intensity_db + 20 * np.log10(2e-5),  # it takes samples for pascals
    }


def of_egemaps(samples: np.ndarray, rate: int) -> dict[str, float]:
    """A clip's functionals of eGeMAPSv02 (Eyben et al. 2016) by openSMILE."""
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    row = smile.process_signal(samples, rate).iloc[0]
    pitch = "F0semitoneFrom27.5Hz_sma3nz_"
    return {
        "f0_median_hz": 27.5 * 2 ** (row[f"{pitch}percentile50.0"] / 12),
        "f0_range_st": row[f"{pitch}pctlrange0-2"],
        "level_dbfs": row["equivalentSoundLevel_dBp"],
        "syllable_rate_hz": row["loudnessPeaksPerSec"],
        **{f"mfcc_{i}": row[f"mfcc{i}_sma3_amean"] for i in (1, 2, 3)},
    }


REFERENCES = {"Praat": of_praat, "eGeMAPS": of_egemaps}


def features_against(paths: list[Path]) -> list[dict[str, Any]]:
    """Our features of whole clips beside those of others: rank correlation, and what is between."""
    import soundfile
    from scipy.stats import spearmanr

    from modeling_empathic.acoustics import acoustics

    clips = [soundfile.read(path, dtype="float32") for path in paths]
    ours = [acoustics(*clip) for clip in clips]
    rows = []
    for reference, measure in REFERENCES.items():
        theirs = [measure(*clip) for clip in clips]
        for name in theirs[0]:
            pairs = np.array([[a[name], b[name]] for a, b in zip(ours, theirs, strict=True)])
            both = np.isfinite(pairs).all(axis=1)
            first, second = pairs[both].T
            # Of a pitch or a rate the ratio says more; decibels and semitones are ratios already.
            between = first / second - 1 if name.endswith("_hz") else first - second
            rows.append(
                {
                    "feature": name,
                    "reference": reference,
                    "clips": int(both.sum()),
                    "only_theirs": int((np.isnan(pairs[:, 0]) & ~np.isnan(pairs[:, 1])).sum()),
                    "spearman": float(spearmanr(first, second).statistic),
                    "between": [float(q) for q in np.percentile(between, [25, 50, 75])],
                    "relative": name.endswith("_hz"),
                }
            )
    return rows


def main() -> None:
    """Command line of `acoustics.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, required=True, help="folder of EmoDB")
    parser.add_argument("--n", type=int, default=120, help="clips of the speed test")
    parser.add_argument(
        "--keep-speed", action="store_true", help="of the last run: where the machine is busy"
    )
    arguments = parser.parse_args()
    import soundfile

    from benchmarks.report import machine, write_report

    paths = sorted(p for p in arguments.clips.iterdir() if p.suffix in (".wav", ".flac"))
    if arguments.keep_speed:
        measured = json.loads(RESULT.read_text("utf-8"))["speed"]
    else:
        clips = [looped_mp3(path) for path in paths[:: max(1, len(paths) // arguments.n)]]
        clips = clips[: arguments.n]
        rows = [speed(clips, workers) for workers in (1, 2)]
        measured = {"machine": machine(), "clips": len(clips), "rows": rows}
        print(measured, file=sys.stderr)
    curves = [pitch_curves(*soundfile.read(path, dtype="float32")) for path in paths[::8]]
    pairs = [
        ("ours", "Praat"),
        ("librosa", "Praat"),
        ("ours", "librosa"),
        ("librosa, 12 ms later", "librosa"),
    ]
    results = {
        "machine": machine(),
        "librosa": version("librosa"),
        "speed": {**measured, "duration_s": BENCH_MEAN_S},
        "pitch": [compare(curves, *pair) for pair in pairs],
        "syllables": syllables(paths),
        "features": features_against(paths[:: max(1, len(paths) // 60)][:60]),
    }
    write_report(results, RESULT)


if __name__ == "__main__":
    main()
