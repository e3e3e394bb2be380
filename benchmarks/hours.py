"""Two hours of acted speech through `score`, and sound as it comes through `listen`, with Nano.

    python benchmarks/hours.py --emodb PATH/TO/EMODB

The recording is made of EmoDB's clips of the four speakers that Nano never met: stretches of one
emotion, silence between two of them, changes at known minutes. Each run is a process of its own,
whose peak memory the system tells. The live mode is fed in real time through a pipe: its delay is
from the moment the last sample of a window was written to the moment its row could be read.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
SHARED = HERE.parent.parent / "shared" / "data" / "emodb"
RATE, FILE_RATE = 16_000, 44_100
UNSEEN = ("12", "14", "15", "16")  # EmoDB's speakers that Nano was not trained on
LETTERS = {"neutral": "N", "anger": "W", "sadness": "T"}
PLAN = (  # minutes
    ("neutral", 25), ("anger", 10), ("neutral", 20), ("sadness", 15), ("silence", 5),
    ("neutral", 20), ("anger", 5), ("sadness", 20),
)  # fmt: skip
PAUSE_S, WINDOW_S, HOP_S = 0.3, 10.0, 5.0
LIVE_S, LIVE_WINDOW_S, LIVE_HOP_S, BLOCK_S = 60, 3.0, 1.0, 0.1


class Part(NamedTuple):
    """A stretch of the recording."""

    emotion: str
    start_s: float
    end_s: float


def parts(plan: Sequence[tuple[str, float]], minute_s: float) -> list[Part]:
    """The plan in seconds."""
    found, at = [], 0.0
    for emotion, minutes in plan:
        found.append(Part(emotion, at, at + minutes * minute_s))
        at = found[-1].end_s
    return found


def clips(emodb: Path) -> dict[str, list[np.ndarray]]:
    """Each emotion's clips of the unseen speakers, at the file's rate."""
    import soxr

    from modeling_empathic import load_audio

    found: dict[str, list[np.ndarray]] = {}
    for emotion, letter in LETTERS.items():
        files = sorted(emodb.glob(f"?????{letter}*.*"))
        files = [file for file in files if file.name[:2] in UNSEEN and file.name[5] == letter]
        if not files:
            raise SystemExit(f"{emodb} holds no clips of EmoDB: --emodb names its folder")
        found[emotion] = [soxr.resample(load_audio(file), RATE, FILE_RATE) for file in files]
    return found


def sound(part: Part, clips: dict[str, list[np.ndarray]], seed: int) -> Iterator[np.ndarray]:
    """A stretch: clips in drawn order with pauses, filled with silence to its end."""
    left = round((part.end_s - part.start_s) * FILE_RATE)
    rng = np.random.default_rng(seed)
    hiss = 1e-4  # a room is never digitally silent
    while part.emotion != "silence":
        clip = clips[part.emotion][rng.integers(len(clips[part.emotion]))]
        pause = hiss * rng.standard_normal(round(PAUSE_S * FILE_RATE))
        if len(clip) + len(pause) > left:
            break
        yield np.concatenate([clip, pause])
        left -= len(clip) + len(pause)
    while left > 0:
        n = min(left, 10 * FILE_RATE)
        yield hiss * rng.standard_normal(n)
        left -= n


def make(path: Path, clips: dict[str, list[np.ndarray]], minute_s: float) -> list[Part]:
    """Writes the recording; an hour takes a few seconds and no memory."""
    import soundfile

    made = parts(PLAN, minute_s)
    with soundfile.SoundFile(path, "w", FILE_RATE, 1) as file:
        for number, part in enumerate(made):
            for block in sound(part, clips, number):
                file.write(block)
    return made


def score(recording: Path, output: Path, *options: str) -> dict[str, float]:
    """Seconds and peak memory of `emonet-voice score` in a process of its own."""
    command = [sys.executable, "-m", "emonet_voice.cli.app", "score", str(recording), "--quiet",
               "--output", str(output), "--overwrite", *options]  # fmt: skip
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=HERE.parent)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 1), "peak_mb": round(usage.ru_maxrss / 1000)}


def change(middles: np.ndarray, scores: np.ndarray, left: Part, right: Part) -> float:
    """When a head's scores change between two stretches: where they part best, in seconds."""
    inside = (middles > left.start_s) & (middles < right.end_s)
    times, values = middles[inside], scores[inside]
    levels = [np.median(values[(times > p.start_s) & (times < p.end_s)]) for p in (left, right)]
    high = (values > np.mean(levels)) == (levels[1] > levels[0])  # on the right one's side
    wrong = np.concatenate([[0], np.cumsum(high)]) + np.concatenate(
        [np.cumsum(~high[::-1])[::-1], [0]]
    )
    at = int(np.argmin(wrong))
    edges = np.concatenate([[left.start_s], (times[1:] + times[:-1]) / 2, [right.end_s]])
    return float(edges[at])


def judge(output: Path, made: Sequence[Part]) -> dict[str, Any]:
    """What the score file says of the changes, of order and of silence."""
    from modeling_empathic.scoring.file import read_scores
    from modeling_empathic.taxonomy import resolve

    table = read_scores(output).to_pandas()
    middles = ((table.start_s + table.end_s) / 2).to_numpy()
    scored = (table.outcome == "scored").to_numpy()
    changes = []
    for left, right in pairwise(made):
        for emotion in {left.emotion, right.emotion} - {"neutral", "silence"}:
            if "silence" in (left.emotion, right.emotion):
                continue
            values = table[resolve(emotion)].to_numpy()
            found_s = change(middles[scored], values[scored], left, right)
            changes.append({"emotion": emotion, "true_s": left.end_s, "found_s": found_s})
    separation = {}
    for emotion in ("anger", "sadness"):
        values = table[resolve(emotion)].to_numpy()
        own: list[np.ndarray] = []
        others: list[np.ndarray] = []
        for part in made:
            inside = scored & (table.start_s >= part.start_s) & (table.end_s <= part.end_s)
            if part.emotion != "silence":
                (own if part.emotion == emotion else others).append(values[inside])
        pair = np.concatenate(own)[:, None] - np.concatenate(others)
        separation[emotion] = round(float((pair > 0).mean() + (pair == 0).mean() / 2), 4)
    (silence,) = (part for part in made if part.emotion == "silence")
    inside = (table.start_s >= silence.start_s) & (table.end_s <= silence.end_s)
    speech = (table.end_s <= silence.start_s) | (table.start_s >= silence.end_s)
    return {
        "rows": len(table),
        "in_order": bool((np.diff(table.start_s) > 0).all()),
        "inside_file": bool((table.start_s >= 0).all() and (table.end_s <= table.duration_s).all()),
        "changes": changes,
        "probability_of_the_higher_score": separation,
        "silent_windows": int(inside.sum()),
        "silent_windows_without_score": int((inside & ~scored).sum()),
        "speech_windows": int(speech.sum()),
        "speech_windows_without_score": int((speech & ~scored).sum()),
    }


def listen(audio: np.ndarray) -> dict[str, Any]:
    """The delay of `emonet-voice listen` that is fed in real time, row by row.

    Args:
        audio: At 16 kHz.
    """
    pcm = (audio * 32_768).clip(-32_768, 32_767).astype("<i2").tobytes()
    command = [sys.executable, "-m", "emonet_voice.cli.app", "listen", "--json",
               "--window", str(LIVE_WINDOW_S), "--hop", str(LIVE_HOP_S)]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=HERE.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin and process.stdout
    read: list[tuple[float, dict[str, Any]]] = []
    first = threading.Event()

    def reader(lines: Any) -> None:
        for line in lines:
            read.append((time.perf_counter(), json.loads(line)))
            first.set()

    thread = threading.Thread(target=reader, args=(process.stdout,))
    thread.start()
    block, written = round(BLOCK_S * RATE), {}
    begin = round(LIVE_WINDOW_S / BLOCK_S) * block  # the first window, until the model is loaded
    process.stdin.write(pcm[: 2 * begin])
    process.stdin.flush()
    first.wait()
    start = time.perf_counter()
    for number, at in enumerate(range(begin, len(audio), block), 1):
        time.sleep(max(0.0, start + number * BLOCK_S - time.perf_counter()))
        written[round((at + block) / block)] = time.perf_counter()
        process.stdin.write(pcm[2 * at : 2 * (at + block)])
        process.stdin.flush()
    process.stdin.close()
    thread.join()
    process.wait()
    delays = [
        1000 * (when - written[round(row["end_s"] / BLOCK_S)])
        for when, row in read
        if round(row["end_s"] / BLOCK_S) in written
    ]
    return {
        "rows": len(delays),
        "median_ms": round(median(delays), 1),
        "p95_ms": round(float(np.percentile(delays, 95)), 1),
        "longest_ms": round(max(delays), 1),
        "window_s": LIVE_WINDOW_S,
        "hop_s": LIVE_HOP_S,
        "block_s": BLOCK_S,
    }


def main() -> None:
    """Command line of `hours.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--emodb", type=Path, default=SHARED, help="folder of EmoDB")
    parser.add_argument("--minutes", type=float, default=120, help="of the long recording")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "hours.json")
    arguments = parser.parse_args()
    from importlib.util import find_spec

    from benchmarks.report import machine, write_report
    from modeling_empathic import load_audio

    sources = clips(arguments.emodb)
    whole = sum(minutes for _, minutes in PLAN)
    windows = ("--window", str(WINDOW_S), "--hop", str(HOP_S))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs: list[tuple[str, Path, tuple[str, ...]]] = []
        short, long = folder / "short.flac", folder / "long.flac"
        make(short, sources, 60 * 10 / whole)
        made = make(long, sources, 60 * arguments.minutes / whole)
        runs = [("10 minutes, FLAC", short, ()), (_name(arguments.minutes, "FLAC"), long, ())]
        if shutil.which("ffmpeg"):
            mp3 = folder / "long.mp3"
            subprocess.run(
                ["ffmpeg", "-v", "error", "-i", str(long), "-b:a", "96k", str(mp3)], check=True
            )
            runs.append((_name(arguments.minutes, "MP3"), mp3, ()))
        if find_spec("silero_vad"):
            runs.append((_name(arguments.minutes, "FLAC, `--vad`"), long, ("--vad",)))
        rows: list[dict[str, Any]] = []
        for title, recording, options in runs:
            output = folder / f"{len(rows)}.parquet"
            each = [score(recording, output, *windows, *options) for _ in range(arguments.repeats)]
            rows.append({"name": title, "runs": each, "megabytes": recording.stat().st_size / 1e6})
            if recording == long:
                rows[-1]["timeline"] = judge(output, made)
        talk = [load_audio(file) for file in sorted(arguments.emodb.glob("12*.*"))]
        live = listen(np.concatenate(talk)[: LIVE_S * RATE])
    write_report(
        {
            "script": "hours",
            "machine": machine(),
            "load_before": round(os.getloadavg()[0], 2),
            "minutes": arguments.minutes,
            "window_s": WINDOW_S,
            "hop_s": HOP_S,
            "plan": [part._asdict() for part in made],
            "rows": rows,
            "live": live,
        },
        arguments.output,
    )


def _name(minutes: float, kind: str) -> str:
    return f"{minutes / 60:g} hours, {kind}"


def hours_table(results: dict[str, Any]) -> str:
    """The section of `benchmarks/README.md`."""
    from benchmarks.report import describe
    from modeling_empathic.scoring.recordings import time_of

    n_runs = len(results["rows"][0]["runs"])
    runs = f"median [range] of {n_runs} runs" if n_runs > 1 else "one run"
    lines = [
        f"{describe(results['machine'])} Load before: {results['load_before']}.",
        "",
        f"Nano, all heads, windows of {results['window_s']:g} s every {results['hop_s']:g} s, "
        f"{FILE_RATE / 1000:g} kHz; {runs}, "
        "imports and loading included.",
        "",
        "| recording | file | time | times faster than it plays | peak memory |",
        "|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        cells = []
        for key, unit in (("seconds", "s"), ("peak_mb", "MB")):
            values = [run[key] for run in row["runs"]]
            spread = f" [{min(values):.0f}–{max(values):.0f}]" if n_runs > 1 else ""
            cells.append(f"{median(values):.0f} {unit}{spread}")
        minutes = 10 if row["name"].startswith("10 min") else results["minutes"]
        faster = 60 * minutes / median(run["seconds"] for run in row["runs"])
        size = f"{row['megabytes']:.0f} MB"
        lines.append(f"| {row['name']} | {size} | {cells[0]} | {faster:.0f} | {cells[1]} |")
    timeline = results["rows"][1]["timeline"]
    lines += ["", "| the voice changes | heard at | off by |", "|---|---|---|"]
    for each in timeline["changes"]:
        off = each["found_s"] - each["true_s"]
        lines.append(
            f"| {time_of(each['true_s'])}, {each['emotion']} begins or ends "
            f"| {time_of(each['found_s'])} | {off:+.1f} s |"
        )
    share = timeline["probability_of_the_higher_score"]
    said = ", ".join(f"{100 * value:.1f} % for {name}" for name, value in share.items())
    lines += [
        "",
        "A window within a stretch of an emotion has a higher score for it than one within another "
        f"stretch with a probability of {said}. {timeline['rows']:,} rows, "
        f"{'all' if timeline['in_order'] and timeline['inside_file'] else 'NOT all'} in order of "
        "time and within the file.",
    ]
    for row in results["rows"]:
        if "vad" in row["name"]:
            found = row["timeline"]
            lines[-1] += (
                f" With `--vad`, {found['silent_windows_without_score']} of "
                f"{found['silent_windows']} windows of the silence get no score, and "
                f"{found['speech_windows_without_score']} of {found['speech_windows']:,} windows "
                "of speech."
            )
    live = results["live"]
    lines += [
        "",
        f"`listen`, windows of {live['window_s']:g} s every {live['hop_s']:g} s, fed in real time "
        f"by blocks of {live['block_s']:g} s: from the last sample written to the row read "
        f"{live['median_ms']:.0f} ms (median of {live['rows']} rows; 95 % within "
        f"{live['p95_ms']:.0f} ms, the longest {live['longest_ms']:.0f} ms).",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
