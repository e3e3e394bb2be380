"""Ours against the public loop, at full size: 40 Small heads and a Whisper small encoder.

    python benchmarks/score_vs_loop.py                       # CPU; makes 12 GB of heads first
    python benchmarks/score_vs_loop.py --device cuda --batch 1 --batch 16 --batch 64
    python benchmarks/score_vs_loop.py --heads 24            # where 40 do not fit in memory twice

Every line of the table is a process of its own, so that start-up and peak memory are its own. All
weights are random (the released ones cannot be had offline): time and memory do not depend on
their values, and parity is measured on what comes out of them.
"""

import argparse
import ctypes
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from modeling_empathic.taxonomy import Emotion

Step = Callable[[Any], Any]

STARTED = time.perf_counter()
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
CLIP_S = 10.36  # mean duration in Bench (paper Table 3)
N_CLIPS = 32  # that drift is measured on


def main() -> None:
    """Command line of `score_vs_loop.py`."""
    arguments = parse()
    if arguments.worker:
        worker(arguments)
        return
    work = Path(arguments.work or tempfile.mkdtemp(prefix="emonet-voice-bench-"))
    try:
        results = orchestrate(arguments, work)
    finally:
        if not arguments.work:
            shutil.rmtree(work, ignore_errors=True)
    from benchmarks.report import write_report

    part = "" if arguments.heads == 40 else f"-{arguments.heads}"
    write_report(results, HERE / "results" / f"score_vs_loop-{arguments.device}{part}.json")


def parse() -> argparse.Namespace:
    """Arguments of the command line, and those of a worker."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--batch", type=int, action="append", help="batch sizes (default 1 and 4)")
    parser.add_argument("--runs", type=int, default=3, help="repetitions of every timing")
    parser.add_argument("--starts", type=int, default=1, help="programs started, to time it")
    parser.add_argument("--heads", type=int, default=40, help="fewer for a quick look")
    parser.add_argument("--work", help="folder to keep the made heads in, for another run")
    parser.add_argument("--clips", help="folder of recordings to measure drift on")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--start-only", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.batch = arguments.batch or [1, 4]
    return arguments


# ------------------------------------------------------------------------------------ preparation


def orchestrate(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Makes what is missing, runs every candidate in turn, compares their scores."""
    import numpy as np

    from benchmarks.public_release import write_release, write_whisper
    from benchmarks.report import machine
    from emonet_voice.hub.convert import convert
    from modeling_empathic.taxonomy import EMOTIONS

    stems = [emotion.stem for emotion in EMOTIONS][: arguments.heads]
    say(f"making a Whisper small and {len(stems)} Small heads in {work}")
    write_whisper(work / "whisper")
    write_release(work / "release", stems)
    on_cpu = arguments.device == "cpu"
    dtypes = ["float32", "bfloat16", "mixed", "int8"] if on_cpu else ["float16", "bfloat16"]
    for dtype in dtypes:
        if not holds(work / dtype, {emotion.name for emotion in EMOTIONS[: arguments.heads]}):
            say(f"converting to {dtype}")
            shutil.rmtree(work / dtype, ignore_errors=True)  # of an earlier run with fewer heads
            stored, quantize = ("bfloat16", dtype) if dtype == "int8" else (dtype, None)
            convert(
                *(work / "release", work / dtype, work / "whisper"),
                dtype=stored,
                quantize=quantize,
                heads=stems,
            )
    np.save(work / "clips.npy", drift_clips(arguments.clips))

    results: dict[str, Any] = {
        "machine": machine(),
        "heads": len(stems),
        "runs": arguments.runs,
        "rows": [],
    }
    # The loop in the type that its users run comes first: everything is compared with it. Drift
    # is measured against the loop in float32 on either device.
    loops = ["float32"] if on_cpu else ["float16", "float32"]
    candidates = [*(("loop", dtype) for dtype in loops), *(("ours", dtype) for dtype in dtypes)]
    if on_cpu:
        candidates += [("openvino", dtype) for dtype in ("bfloat16", "mixed", "int8")]
    for kind, dtype in candidates:
        files = release_files(work, stems) if kind == "loop" else shards(work / dtype)
        command = [sys.executable, __file__, "--worker", f"{kind}:{dtype}", "--work", str(work)]
        command += ["--device", arguments.device, "--runs", str(arguments.runs)]
        command += ["--heads", str(arguments.heads)]
        command += [word for size in arguments.batch for word in ("--batch", str(size))]
        with warm(files, copies=kind == "loop") as locked:
            say(f"measuring {kind} {dtype}, files {'' if locked else 'not '}locked in memory")
            starts = [run([*command, "--start-only"]) for _ in range(arguments.starts - 1)]
            row = run(command) | {"locked": locked, "starts": arguments.starts}
        for key in ("load_s", "first_score_s"):
            seconds = [start[key] for start in [*starts, row]]
            row |= {
                key: statistics.median(seconds),
                f"{key[:-2]}_spread": [min(seconds), max(seconds)],
            }
        results["rows"].append(row)
        say(json.dumps(row))
    reference = np.load(work / "scores-loop-float32.npy")
    for row in results["rows"]:
        scores = np.load(work / f"scores-{row['kind']}-{row['dtype']}.npy")
        row["drift"] = drift(scores, reference)
    results["clips"] = f"{N_CLIPS} {'recordings' if arguments.clips else 'made clips'}"
    return results


def run(command: list[str]) -> dict[str, Any]:
    """What a candidate says of itself."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def release_files(work: Path, stems: list[str]) -> list[Path]:
    """What the loop reads: the encoder and the pickles of these heads."""
    from modeling_empathic.taxonomy import EMOTIONS

    pickles = [
        work / "release" / emotion.file_name for emotion in EMOTIONS if emotion.stem in stems
    ]
    return [*sorted((work / "whisper").glob("*.safetensors")), *pickles]


def shards(folder: Path) -> list[Path]:
    """What we read: a converted model, all of its heads."""
    return sorted(folder.glob("*.safetensors"))


def holds(folder: Path, heads: set[str]) -> bool:
    """Whether there is a converted model with these heads already."""
    config = folder / "config.json"
    return config.exists() and heads <= {
        head["name"] for head in json.loads(config.read_text())["heads"]
    }


def drift_clips(folder: str | None) -> "npt.NDArray[np.float32]":
    """Clips to compare scores on: recordings from a folder, else noise shaped like speech."""
    import numpy as np

    n_samples = round(CLIP_S * 16_000)
    if folder:
        from modeling_empathic.audio import load_audio

        files = sorted(p for p in Path(folder).iterdir() if p.suffix in {".wav", ".flac", ".mp3"})
        chosen = [load_audio(file) for file in files[:: max(1, len(files) // N_CLIPS)][:N_CLIPS]]
        return np.stack([np.resize(clip, n_samples) for clip in chosen])
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(N_CLIPS, n_samples)).cumsum(axis=1)
    noise -= noise.mean(axis=1, keepdims=True)
    syllables = 1 + np.sin(np.arange(n_samples) * rng.uniform(2, 6, (N_CLIPS, 1)) / 2_000)
    made: npt.NDArray[np.float64] = 0.1 * syllables * noise / np.abs(noise).max(1, keepdims=True)
    return made.astype(np.float32)


def drift(
    scores: "npt.NDArray[np.float64]", reference: "npt.NDArray[np.float64]"
) -> dict[str, float]:
    """How far scores are from the loop's: largest difference, and rank agreement per emotion."""
    import numpy as np
    from scipy.stats import spearmanr

    ranks = [spearmanr(scores[:, i], reference[:, i]).statistic for i in range(scores.shape[1])]
    return {
        "max_error": float(np.abs(scores - reference).max()),
        "max_error_in_sd": float((np.abs(scores - reference).max(0) / reference.std(0)).max()),
        "spearman_min": float(np.min(ranks)),
        "spearman_median": float(np.median(ranks)),
    }


@contextmanager
def warm(files: list[Path], copies: bool) -> Iterator[bool]:
    """Keeps files in memory while a candidate runs, where they fit beside it, and says if they do.

    Having read them is not enough: a virtual machine may hand the file cache back to its host
    before the next program asks for it. What a process has locked stays. The loop copies what it
    reads, so that its files take room twice; mapped heads are the locked pages themselves.
    """
    import numpy as np

    size = sum(file.stat().st_size for file in files)
    maps = []
    if (2 if copies else 1) * size + 3e9 < free_bytes():
        libc = ctypes.CDLL(None, use_errno=True)
        for file in files:
            pages = np.memmap(file, np.uint8, "r")
            if not libc.mlock(ctypes.c_void_p(pages.ctypes.data), ctypes.c_size_t(pages.size)):
                maps.append(pages)
    subprocess.run([sys.executable, "-c", "import torch, transformers.pipelines"], check=True)
    yield len(maps) == len(files)


def free_bytes() -> int:
    """Memory that programs can still get; 0 where the system does not say."""
    info = Path("/proc/meminfo")
    return int(info.read_text().split("MemAvailable:")[1].split()[0]) * 1024 if info.exists() else 0


def say(message: str) -> None:
    """Progress, on standard error."""
    print(f"[{time.perf_counter() - STARTED:7.1f} s] {message}", file=sys.stderr, flush=True)


# ---------------------------------------------------------------------------------- the candidates


def worker(arguments: argparse.Namespace) -> None:
    """One candidate in one process: start, first score, throughput, peak memory, scores."""
    import numpy as np
    import torch

    kind, dtype = arguments.worker.split(":")
    work = Path(arguments.work)
    load = load_loop if kind == "loop" else load_ours
    clips = np.load(work / "clips.npy")
    device = kind if kind == "openvino" else arguments.device
    from modeling_empathic.taxonomy import EMOTIONS

    heads = EMOTIONS[: arguments.heads]
    score, encode = load(work, device, dtype, heads)
    loaded_s = time.perf_counter() - STARTED
    score(clips[:1])
    first_s = time.perf_counter() - STARTED
    row: dict[str, Any] = {
        "kind": kind,
        "dtype": dtype,
        "load_s": loaded_s,
        "first_score_s": first_s,
    }
    row["first_score_gb"] = memory_gb("VmHWM")
    if arguments.start_only:
        print(json.dumps(row))
        return
    row["batches"] = {}
    for size in arguments.batch:
        batch = np.resize(clips, (size, clips.shape[1]))
        score(batch)
        seconds, encoder = [], []
        for _ in range(arguments.runs):  # in turns: a machine's speed moves, and they are compared
            seconds.append(timed(score, batch, arguments.device) / size)
            encoder.append(timed(encode, batch, arguments.device) / size)
        row["batches"][size] = {
            "s_per_clip": statistics.median(seconds),
            "spread": [min(seconds), max(seconds)],
            "encoder_s_per_clip": statistics.median(encoder),
        }
    scores = np.concatenate([score(clips[i : i + 4]) for i in range(0, len(clips), 4)])
    np.save(work / f"scores-{kind}-{dtype}.npy", scores)
    row["peak_gb"] = memory_gb("VmHWM")
    row["anonymous_gb"] = memory_gb("RssAnon")  # what is mapped from files, the system may drop
    if arguments.device == "cuda":
        row["gpu_gb"] = torch.cuda.max_memory_allocated() / 1e9
    print(json.dumps(row))


def memory_gb(field: str) -> float:
    """Of this program alone: `ru_maxrss` would start from what its parent had locked."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) * 1024 / 1e9


def timed(function: Step, batch: Any, device: str) -> float:
    """Seconds of one call, the GPU's work included."""
    import torch

    start = time.perf_counter()
    function(batch)
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def mel(extractor: Any, clips: Any, device: str) -> "torch.Tensor":
    """Features, made on the GPU where there is one: for the loop as for us."""
    import torch

    on = {"device": device} if device == "cuda" else {}
    # One after the other, as `score` does it: its own front end takes one clip.
    made = [extractor(clip, sampling_rate=16_000, return_tensors="pt", **on) for clip in clips]
    return torch.cat([torch.as_tensor(one["input_features"]) for one in made]).to(device)


def load_loop(
    work: Path, device: str, name: str, emotions: "Sequence[Emotion]"
) -> tuple[Step, Step]:
    """The public recipe: every head loaded, then called for one clip at a time."""
    import torch
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    from benchmarks.public_release import load_public_head

    dtype = getattr(torch, name)
    extractor = WhisperFeatureExtractor.from_pretrained(work / "whisper")
    whisper = WhisperForConditionalGeneration.from_pretrained(work / "whisper", dtype=dtype)
    encoder = whisper.eval().to(torch.device(device)).get_encoder()
    files = [work / "release" / emotion.file_name for emotion in emotions]
    heads = [load_public_head(file).to(device, dtype) for file in files]

    @torch.no_grad()
    def encode(clips: Any) -> Any:
        return encoder(mel(extractor, clips, device).to(dtype)).last_hidden_state

    def score(clips: Any) -> Any:
        import numpy as np

        states = encode(clips)
        with torch.no_grad():
            return np.array(
                [[head(states[i : i + 1]).item() for head in heads] for i in range(len(states))]
            )

    return score, encode


def load_ours(
    work: Path, device: str, dtype: str, emotions: "Sequence[Emotion]"
) -> tuple[Step, Step]:
    """The same with this project, as `emonet-voice score --device DEVICE` does it."""
    import torch

    from modeling_empathic.scoring.forward import encode_windows, score_windows
    from modeling_empathic.scoring.loading import load_model

    chosen = [emotion.name for emotion in emotions]
    options: dict[str, Any] = {"revision": None, "heads": chosen, "device": device}
    options["dtype"] = "auto" if dtype == "int8" else dtype  # as stored: its encoder is bfloat16
    model, extractor, _ = load_model(str(work / dtype), **options)
    where = str(model.device)

    @torch.inference_mode()
    def encode(clips: Any) -> Any:
        return encode_windows(model, mel(extractor, clips, where))

    def score(clips: Any) -> Any:
        return score_windows(model, mel(extractor, clips, where))

    return score, encode


if __name__ == "__main__":
    main()
