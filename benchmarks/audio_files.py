"""Reads a folder of audio files as `score` does and compares each with FFmpeg's own decode.

Every file is decoded from its path and from its bytes, and by the program `ffmpeg`. It is *equal*
if lengths and samples agree, *longer* if more came out than FFmpeg gives (the second part of a
joined file), *refused* if it is an error, and *wrong* if it is shorter than FFmpeg's, has other
samples, or differs between path and bytes; *told* if it would be wrong, but the clip is said to be
damaged, as where the two go on differently after packets that are lost. Errors other than `AudioError` are *raised*.

Example: `python -m benchmarks.audio_files FOLDER ...`; without a folder, files made by
`audio_fixtures`, those of installed Python packages, EmoDB and nEMO where they lie beside the
project.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from benchmarks import audio_fixtures
from benchmarks.report import describe, machine, write_report
from modeling_empathic.audio import SAMPLE_RATE, AudioError, read_audio
from modeling_empathic.scoring.listing import AUDIO_SUFFIXES

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared" / "data"
RESULT = HERE / "results" / "audio_files.json"
TOLERANCE_S = 0.1
ALIKE = 0.98  # of the correlation, at the best shift: decoders of lossy sound differ a little


def of_ffmpeg(path: Path) -> np.ndarray | None:
    """What the program makes of the first track, mixed and resampled as here; `None` if nothing."""
    probe = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries",
         "stream=sample_rate,channels", "-of", "json", str(path)],
        capture_output=True,
    )  # fmt: skip
    numbers = re.findall(rb'"(?:sample_rate|channels)": "?(\d+)', probe.stdout)
    if len(numbers) < 2 or not all(map(int, numbers[:2])):
        return None
    rate, channels = map(int, numbers[:2])  # of a transport stream it says them twice
    decoded = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a:0", "-f", "f32le", "-ar",
         str(rate), "-ac", str(channels), "-"],
        capture_output=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    samples = np.frombuffer(decoded.stdout[: len(decoded.stdout) // 4 * 4], "<f4")
    mono = samples[: len(samples) // channels * channels].reshape(-1, channels).mean(axis=1)
    if not len(mono):
        return None
    return np.asarray(soxr.resample(np.nan_to_num(mono), rate, SAMPLE_RATE, quality="HQ"))


def alike(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Correlation over the length of the shorter one, at the best shift of up to 50 ms."""
    n = min(len(ours), len(theirs), 60 * SAMPLE_RATE)
    a, b = ours[:n].astype(float), theirs[:n].astype(float)
    size = 2 ** int(np.ceil(np.log2(2 * n)))
    products = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    reach = SAMPLE_RATE // 20
    best = max(products[: reach + 1].max(), products[-reach:].max())
    return float(best / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-9))


def compare(path: Path) -> tuple[str, str]:
    """The class of a file, and why.

    Of a file that was joined of two, `audio_fixtures` keeps the names; FFmpeg reads those, since of
    the joined file it gives the first part, or noise.
    """
    whole = path.parent.parent / "whole"
    parts = [whole / f"{name}{path.suffix}" for name in path.stem.split("+")]
    joined = len(parts) == 2 and all(part.exists() for part in parts)
    heard: list[Any] = []
    for source in (path, path.read_bytes()):
        try:
            sound = read_audio(source, name="x")
            heard.append(sound.samples)
        except AudioError as error:
            heard.append(str(error))
        except Exception as error:  # noqa: BLE001 - that there is none is what is measured
            return "raised", f"{type(error).__name__}: {error}"
    ours, of_bytes = heard
    wrong = "wrong" if isinstance(ours, str) or not any(map(_is_damage, sound.notes)) else "told"
    if type(ours) is not type(of_bytes) or not np.array_equal(ours, of_bytes):
        return "wrong", f"path and bytes differ: {ours} {of_bytes}"
    theirs = of_ffmpeg(path)
    if joined:
        each = [of_ffmpeg(part) for part in parts]
        theirs = np.concatenate([part for part in each if part is not None])
    if isinstance(ours, str):
        both = "refused by both" if theirs is None else "refused"
        return both, ours.removeprefix("x: ")
    if theirs is None:
        return "only here", "FFmpeg reads nothing"
    lengths = f"{len(ours) / SAMPLE_RATE:.2f} s, FFmpeg {len(theirs) / SAMPLE_RATE:.2f} s"
    if len(ours) < len(theirs) - TOLERANCE_S * SAMPLE_RATE:
        return wrong, f"shorter: {lengths}"
    halves = (slice(None, len(theirs) // 2), slice(-len(theirs) // 2, None))
    spans = halves if joined else (slice(None),)  # an encoder's padding lies between joined parts
    if (r := min(alike(ours[span], theirs[span]) for span in spans)) < ALIKE:
        return wrong, f"other sound: r = {r:.3f}, {lengths}"
    longer = len(ours) > len(theirs) + TOLERANCE_S * SAMPLE_RATE
    return ("longer" if longer else "equal"), lengths


def _is_damage(note: str) -> bool:
    return note.startswith(("damaged", "gaps"))


def audio_below(folders: Iterable[Path]) -> list[Path]:
    """Files with an audio suffix, sorted."""
    return sorted(
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file()
    )


def run(name: str, files: list[Path]) -> dict[str, Any]:
    """Compares files and prints what is neither equal nor refused."""
    started = time.perf_counter()
    counts: Counter[str] = Counter()
    doubtful = []
    for path in files:
        kind, why = compare(path)
        counts[kind] += 1
        if kind in ("wrong", "raised"):
            doubtful.append(f"{path.name}: {why}")
        print(f"{kind:16} {name}/{path.name}: {why}", flush=True)
    counts["tried"] = len(files)
    print(f"{name}: {dict(counts)} in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return {"counts": dict(counts), "doubtful": doubtful}


def table(results: dict[str, Any]) -> str:
    """For the README."""
    columns: tuple[str, ...] = (
        "tried",
        "equal",
        "longer",
        "only here",
        "refused",
        "refused by both",
        "told",
        "wrong",
        "raised",
    )
    lines = [describe(results["machine"]), "", f"| files | {' | '.join(columns)} |"]
    lines.append("|---|" + "---:|" * len(columns))
    for name, row in results["sets"].items():
        cells = " | ".join(str(row["counts"].get(column, 0)) for column in columns)
        lines.append(f"| {name} | {cells} |")
    made = results["made"]
    lines += [
        "",
        f"{made['not_written']} combinations of format, codec, rate and channels are ones",
    ]
    lines[-1] += " that this ffmpeg cannot write."
    return "\n".join(lines)


def main(folders: list[str]) -> None:
    """Runs over the folders given, or over what can be had here, and then writes the result."""
    if folders:
        for folder in folders:
            run(folder, audio_below([Path(folder)]))
        return
    result: dict[str, Any] = {"machine": machine(), "sets": {}}
    with tempfile.TemporaryDirectory() as made:
        result["made"] = audio_fixtures.make(Path(made))
        for kind in ("whole", "joined", "cut", "damaged"):
            result["sets"][kind] = run(kind, audio_below([Path(made) / kind]))
    packages = [Path(place) for place in sys.path if place.endswith("site-packages")]
    result["sets"]["installed packages"] = run("packages", audio_below(packages))
    for corpus in ("emodb", "nemo"):
        if (SHARED / corpus).is_dir():
            result["sets"][corpus] = run(corpus, audio_below([SHARED / corpus]))
    write_report(result, RESULT)


if __name__ == "__main__":
    main(sys.argv[1:])
