"""What a GPU does: clips a second by batch, memory, shares of its peaks, and end to end from FLAC.

    python benchmarks/gpu.py                         # on a GPU: five minutes, 25 GB of its memory
    python benchmarks/gpu.py --device cpu --heads 2 --batch 1 --clips 4 --runs 1   # does it run?

Whisper small's encoder with 40 Small and with 40 Large heads, random weights of the released
shapes: time and memory do not depend on the values. *Peak* is what this card reaches itself, in a
large product and in copying memory, in the same run. A batch that does not fit is said, not left
out. Written to `results/gpu.json` only where there is a GPU.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
CLIP_S = 10.36  # mean duration in Bench (paper Table 3)
BENCH_CLIPS, BIG_S, WINDOW_S = 12_600, 4_752 * 3_600, 30
HEADS = {"small": {"projection_dim": 64, "hidden_dims": [64, 32, 16]},
         "large": {"projection_dim": 128, "hidden_dims": [128, 64, 32]}}  # fmt: skip
PARTS = ("features", "encoder", "heads")


def main() -> None:
    """Command line of `gpu.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--batch", type=int, action="append", help="default 1, 16, 64, 256")
    parser.add_argument("--heads", type=int, default=40, help="fewer to see whether it runs")
    parser.add_argument("--clips", type=int, default=2_000, help="FLAC files, end to end")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="torch.compile's encoder, beside it")
    arguments = parser.parse_args()
    from benchmarks.report import TABLES, machine, write_report

    results: dict[str, Any] = {"script": "gpu", "machine": machine(), "runs": arguments.runs}
    results |= {"heads": arguments.heads, "rates": rates(arguments.device), "models": {}}
    for name, sizes in HEADS.items():
        results["models"][name] = measure(name, sizes, arguments)
        if arguments.device == "cuda":
            write_report(results, HERE / "results" / "gpu.json")  # what is measured is kept
    if arguments.device == "cpu":
        print(TABLES["gpu"](results))


def measure(name: str, sizes: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything of one model."""
    import torch

    model, extractor = made(sizes, arguments.heads, arguments.device)
    compiled = torch.compile(model.encoder, mode="reduce-overhead") if arguments.compile else None
    n_heads = sum(value.numel() for key, value in model.named_parameters() if "encoder" not in key)
    result: dict[str, Any] = {"head_weights": n_heads, "dtype": str(model.dtype)[6:], "batches": {}}
    with torch.inference_mode():
        for size in arguments.batch or (1, 16, 64, 256):
            result["batches"][size] = by_parts(
                model, size, arguments.runs, arguments.device, compiled
            )
            say(name, size, result["batches"][size])
        result["loud_and_long"] = extremes(model)
    with tempfile.TemporaryDirectory(prefix="emonet-voice-gpu-") as folder:
        result["end_to_end"] = end_to_end(model, extractor, Path(folder), arguments.clips)
    say(name, result["end_to_end"])
    return result


def made(sizes: dict[str, Any], n_heads: int, device: str) -> tuple[Any, Any]:
    """A model with random weights, made on the device, and its feature extractor."""
    import torch

    from benchmarks.full_size import INNER, LAYERS, MEL_BINS, POSITIONS, WIDTH
    from modeling_empathic import EmpathicInsightConfig, EmpathicInsightModel
    from modeling_empathic.frontend_empathic import front_end
    from modeling_empathic.taxonomy import HEAD_NAMES

    encoder = {"d_model": WIDTH, "encoder_layers": LAYERS, "encoder_ffn_dim": INNER,
               "encoder_attention_heads": WIDTH // 64, "max_source_positions": POSITIONS,
               "num_mel_bins": MEL_BINS}  # fmt: skip
    dropouts = [0.0] * (len(sizes["hidden_dims"]) + 1)
    config = EmpathicInsightConfig(
        encoder_config=encoder, heads=list(HEAD_NAMES[:n_heads]), dropouts=dropouts, **sizes
    )
    torch.manual_seed(0)
    with torch.device(device):
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float16 if device == "cuda" else torch.float32)
        try:
            model = EmpathicInsightModel(config)
        finally:
            torch.set_default_dtype(before)
    return model.eval().requires_grad_(False), front_end(config)


def by_parts(model: Any, size: int, runs: int, device: str, compiled: Any = None) -> dict[str, Any]:
    """Seconds of each part of a batch; `{"out_of_memory": True}` where it does not fit."""
    import torch

    from modeling_empathic.scoring.devices import is_out_of_memory
    from modeling_empathic.scoring.forward import encode_windows, score_windows
    from modeling_empathic.scoring.log_mel import LogMel

    rng = torch.Generator().manual_seed(size)
    clips = [(torch.randn(int(CLIP_S * 16_000), generator=rng) * 0.1).numpy() for _ in range(size)]
    log_mel = LogMel(model.config.encoder.num_mel_bins, WINDOW_S, device)
    try:
        with peak(device) as memory:
            features = log_mel.of(clips)
            states = encode_windows(model, features)
            ways: dict[str, Callable[[], Any]] = {
                "features": lambda: log_mel.of(clips),
                "encoder": lambda: encode_windows(model, features),
                "heads": lambda: model(encoder_states=states).logits,
                "all": lambda: score_windows(model, log_mel.of(clips)),
            }
            if compiled is not None:
                ways["compiled encoder"] = lambda: compiled(features.to(model.encoder.dtype))
            return {part: seconds(way, runs, device) for part, way in ways.items()} | {
                "memory_gb": memory()
            }
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return {"out_of_memory": True}


def extremes(model: Any) -> dict[str, bool]:
    """Whether scores are finite in this type: silence, full scale, and far beyond it."""
    import numpy as np
    import torch

    from modeling_empathic.scoring.forward import score_windows
    from modeling_empathic.scoring.log_mel import LogMel

    log_mel = LogMel(model.config.encoder.num_mel_bins, WINDOW_S, model.device)
    n = WINDOW_S * 16_000
    noise = np.random.default_rng(0).uniform(-1, 1, n).astype(np.float32)
    square = np.sign(np.sin(np.arange(n) * 0.2)).astype(np.float32)
    sounds = {"silence": 0 * noise, "full-scale noise": noise, "square wave": square,
              "1,000 times full scale": 1_000 * noise}  # fmt: skip
    finite = {}
    for name, sound in sounds.items():
        scores = score_windows(model, log_mel.of([sound]))
        finite[name] = bool(torch.from_numpy(scores).isfinite().all())
    return finite


def end_to_end(model: Any, extractor: Any, folder: Path, n_clips: int) -> dict[str, Any]:
    """Clips a second from FLAC files on disk to rows, as `emonet-voice score` does it."""
    import os

    import numpy as np
    import soundfile

    from modeling_empathic.scoring.clips import score_files
    from modeling_empathic.scoring.profiling import Profile

    rng = np.random.default_rng(0)
    one = rng.uniform(-0.3, 0.3, int(CLIP_S * 16_000))
    files = []
    for number in range(n_clips):
        file = folder / f"{number:05d}.flac"
        soundfile.write(file, np.roll(one, 37 * number), 16_000, subtype="PCM_16")
        files.append(file)
    on_card = model.device.type == "cuda"
    found = []
    for threads in sorted({1, 4, min(16 if on_card else 8, os.cpu_count() or 1)}):
        options: dict[str, Any] = {"batch_size": 32 if on_card else 8, "workers": threads}
        for _ in score_files(files[: options["batch_size"]], model, extractor, **options):
            pass
        with Profile() as profile:
            n_scored = sum(row["outcome"] == "scored"
                           for row in score_files(files, model, extractor, **options))  # fmt: skip
        found.append({"threads": threads, "scored": n_scored, "seconds": profile.wall_s,
                      "stages": profile.rows(n_clips, threads)})  # fmt: skip
        say(found[-1] | {"stages": None})
    return {"clips": n_clips, "clip_s": CLIP_S, "runs": found}


def rates(device: str) -> dict[str, float]:
    """What this machine reaches: operations a second in a large product, bytes a second copied."""
    import torch

    on_card = device == "cuda"
    n, dtype = (8_192, torch.float16) if on_card else (1_024, torch.float32)
    with torch.inference_mode(), torch.device(device):
        left, right = (torch.randn(n, n, dtype=dtype) for _ in range(2))
        product = seconds(lambda: left @ right, 10, device)["low"]
        source = torch.ones(2**30 if on_card else 2**26, dtype=torch.float32)
        target = torch.empty_like(source)
        copy = seconds(lambda: target.copy_(source), 10, device)["low"]
    return {"flops": 2 * n**3 / product, "bytes": 2 * source.nbytes / copy}


def seconds(way: Callable[[], Any], runs: int, device: str) -> dict[str, float]:
    """Median, shortest and longest of several runs, after two to warm up."""
    import torch

    times = []
    for run in range(runs + 2):
        started = time.perf_counter()
        way()
        if device == "cuda":
            torch.cuda.synchronize()
        if run >= 2:
            times.append(time.perf_counter() - started)
    return {"median": statistics.median(times), "low": min(times), "high": max(times)}


@contextmanager
def peak(device: str) -> "Iterator[Callable[[], float | None]]":
    """Gives the most memory of the card that was taken since, in GB, weights included."""
    import torch

    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    yield lambda: torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else None


def say(*words: Any) -> None:
    """Progress."""
    print(*words, file=sys.stderr, flush=True)


def gpu_table(results: dict[str, Any]) -> str:
    """Tables of one run of `gpu.py`."""
    from benchmarks.report import describe
    from benchmarks.roofline import work

    needs, reached = work(), results["rates"]
    lines = [
        "| heads | batch | clips a second, median [range] | features | encoder | heads "
        "| of peak | of bandwidth | memory |",
        "|:--|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, model in results["models"].items():
        width = 2 if model["dtype"] in ("float16", "bfloat16") else 4
        for size, row in model["batches"].items():
            start = f"| {results['heads']} {name.title()} | {size} |"
            if "out_of_memory" in row:
                lines.append(f"{start} out of memory | | | | | | |")
                continue
            low, high = (int(size) / row["all"][of] for of in ("high", "low"))
            middle = int(size) / row["all"]["median"]
            flops = int(size) * needs["encoder_flops"] / row["encoder"]["median"]
            read = width * model["head_weights"] / row["heads"]["median"]
            memory = f"{row['memory_gb']:.1f} GB" if row["memory_gb"] else "–"
            parts = " | ".join(f"{1000 * row[part]['median'] / int(size):.2f} ms"
                               for part in PARTS)  # fmt: skip
            lines.append(
                f"{start} {middle:.1f} [{low:.1f}–{high:.1f}] | {parts} "
                f"| {flops / reached['flops']:.0%} | {read / reached['bytes']:.0%} | {memory} |"
            )
    rows = [(name, size, row) for name, model in results["models"].items()
            for size, row in model["batches"].items() if "compiled encoder" in row]  # fmt: skip
    if rows:
        lines += ["", "| encoder, with CUDA graphs (`torch.compile`) | a clip | times faster |",
                  "|:--|--:|--:|"]  # fmt: skip
        for name, size, row in rows:
            own, graphs = row["encoder"]["median"], row["compiled encoder"]["median"]
            a_clip = 1000 * graphs / int(size)
            lines.append(f"| {name.title()}, batch {size} | {a_clip:.2f} ms | {own / graphs:.2f} |")
    lines += ["", "| from FLAC | threads | clips a second | of them waiting for clips | Bench "
              "| Big |", "|:--|--:|--:|--:|--:|--:|"]  # fmt: skip
    for name, model in results["models"].items():
        for run in model["end_to_end"]["runs"]:
            rate = run["scored"] / run["seconds"]
            wait = next((s["share"] for s in run["stages"] if s["stage"] == "wait"), 0.0)
            lines.append(
                f"| {name.title()} | {run['threads']} | {rate:.1f} | {wait:.0%} "
                f"| {BENCH_CLIPS / rate / 60:.1f} min | {BIG_S / WINDOW_S / rate / 3600:.1f} h |"
            )
    bad = [f"{name}: {sound}" for name, model in results["models"].items()
           for sound, finite in model["loud_and_long"].items() if not finite]  # fmt: skip
    loud = f"Not finite: {', '.join(bad)}." if bad else (
        "Silence, full-scale noise, a square wave and noise 1,000 times too loud, 30 s each: all "
        "scores are finite."
    )  # fmt: skip
    clips = next(iter(results["models"].values()))["end_to_end"]["clips"]
    note = (
        f"{results['runs']} runs a timing, parts in milliseconds a clip, samples in memory to "
        f"scores. Reached by the machine itself: {reached['flops'] / 1e12:.3g} TFLOP/s in a large "
        f"product, {reached['bytes'] / 1e9:.0f} GB/s copied; of peak: the encoder's operations, of "
        f"bandwidth: the heads' weights. End to end: {clips:,} files of {CLIP_S} s; Big in "
        f"windows of {WINDOW_S} s. {loud}"
    )
    return "\n".join([f"{describe(results['machine'])} {note}", "", *lines])


if __name__ == "__main__":
    main()
