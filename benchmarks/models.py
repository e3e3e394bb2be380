"""Clips a second and memory of the models with short names, and how long their conversion takes.

    python benchmarks/models.py               # six minutes of a quiet machine
    python benchmarks/models.py --collect     # speeds from other scripts' results, where they are

Each model scores the 40 emotions of the same made clips in a program of its own, as
`emonet-voice score` does it, in the type that a conversion stores. Small and Large have random
weights of the released shapes: time and memory do not depend on the values. Plus has Small's heads.
The figures are in the table of `emonet-voice models` and of the project's README.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
CLIP_S = 10.36  # mean duration in Bench (paper Table 3)
ENCODER = 88_154_112  # parameters of Whisper small's encoder
CONVERTED = 4  # heads whose conversion is timed


def main() -> None:
    """Command line of `models.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--collect", action="store_true", help="take speeds from results/, measure the rest"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="measure these again")
    parser.add_argument("--work", help="folder to keep the made models in, for another run")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        model, clips = arguments.worker
        worker(model, clips, arguments.runs)
        return
    work = Path(arguments.work or tempfile.mkdtemp(prefix="emonet-voice-models-"))
    try:
        results = measure(
            work, arguments.clips, arguments.runs, collect=arguments.collect, only=arguments.only
        )
    finally:
        if not arguments.work:
            shutil.rmtree(work, ignore_errors=True)
    from benchmarks.report import write_report

    write_report(results, HERE / "results" / "models.json")


def measure(
    work: Path, n_clips: int, runs: int, *, collect: bool, only: list[str] | None
) -> dict[str, Any]:
    """Makes models and clips, times a conversion, then every model in turn (or `only` some)."""
    from benchmarks.public_release import SIZES, write_release, write_whisper
    from benchmarks.report import machine
    from emonet_voice.hub.convert import convert
    from modeling_empathic.scoring.short_names import NANO
    from modeling_empathic.taxonomy import EMOTIONS

    load = round(os.getloadavg()[0], 1)
    work.mkdir(exist_ok=True)
    write_whisper(work / "whisper")
    write_clips(work / "clips", n_clips)
    stems = [emotion.stem for emotion in EMOTIONS[:CONVERTED]]
    write_release(work / "release", stems)
    seconds = []
    for _ in range(runs):
        shutil.rmtree(work / "converted", ignore_errors=True)
        started = time.perf_counter()
        convert(work / "release", work / "converted", work / "whisper", dtype="mixed", heads=stems)
        seconds.append(time.perf_counter() - started)
    pickles = sum(file.stat().st_size for file in (work / "release").iterdir())
    results: dict[str, Any] = {
        "script": "models",
        "machine": machine(),
        "clips": n_clips,
        "clip_s": CLIP_S,
        "runs": runs,
        "load_before": load,
        "conversion": {
            "gb": round(pickles / 1e9, 3),
            "median_s": round(median(seconds), 2),
            "spread_s": [round(min(seconds), 2), round(max(seconds), 2)],
        },
        "models": {},
    }
    known = collected() if collect else {}
    names = only or (("nano",) if collect else ("nano", *SIZES))
    if only:
        before = json.loads((HERE / "results" / "models.json").read_text())
        results["models"] = before["models"]
    for name in names:
        folder = NANO if name == "nano" else work / name
        if not folder.exists():
            write_model(folder, work / "whisper", name)
        command = [sys.executable, __file__, "--worker", str(folder), str(work / "clips")]
        done = subprocess.run(
            [*command, "--runs", str(runs)], check=True, stdout=subprocess.PIPE, text=True
        )
        results["models"][name] = json.loads(done.stdout.splitlines()[-1])
    for name, row in known.items():
        results["models"][name] = results["models"].get(name, {}) | row
    return results


def collected() -> dict[str, dict[str, Any]]:
    """What `nano_speed.py` and `score_vs_loop.py` measured, and on what clips."""
    from benchmarks.public_release import SIZES, STATES

    nano = json.loads((HERE / "results" / "nano_speed.json").read_text())
    loop = json.loads((HERE / "results" / "score_vs_loop-cpu.json").read_text())
    took = nano["rows"]["as `score` does"]
    small = next(r for r in loop["rows"] if (r["kind"], r["dtype"]) == ("ours", "mixed"))
    batch = small["batches"]["4"]
    width, hidden = SIZES["small"]
    layers = sum((a + 1) * b for a, b in pairwise((STATES, width, *hidden, 1)))
    return {
        "nano": {
            "clips_per_s": round(1000 / took["median_ms"], 3),
            "spread": [round(1000 / ms, 3) for ms in reversed(took["quartiles_ms"])],
            "from": "nano_speed",
            "clips": f"clips of {nano['seconds']:g} s, one core, {nano['machine']['date']}",
        },
        "small": {
            "dtype": "mixed",
            "clips_per_s": round(1 / batch["s_per_clip"], 3),
            "spread": [round(1 / s, 3) for s in reversed(batch["spread"])],
            "peak_gb": round(small["peak_gb"], 2),
            "weights_gb": round((2 * layers * loop["heads"] + 4 * ENCODER) / 1e9, 3),
            "from": "score_vs_loop-cpu",
            "clips": f"clips of {CLIP_S} s, {loop['machine']['date']}",
        },
    }


def write_model(folder: Path, whisper: Path, size: str) -> None:
    """The 40 emotions at full size, stored as a conversion does, without pickles on the way."""
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor

    from benchmarks.public_release import SIZES
    from emonet_voice.hub.convert import _encoder
    from modeling_empathic.configuration_empathic import EmpathicInsightConfig
    from modeling_empathic.saving_empathic import write_checkpoint, write_config
    from modeling_empathic.taxonomy import EMOTION_NAMES

    width, hidden = SIZES[size]
    encoder = WhisperConfig.from_pretrained(whisper)
    config = EmpathicInsightConfig(
        encoder_config=encoder.to_dict(),
        heads=[{"name": name} for name in EMOTION_NAMES],
        projection_dim=width,
        hidden_dims=list(hidden),
    )

    def heads() -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
        for name in EMOTION_NAMES:
            shapes = config.head_shapes("full").items()
            yield name, {k: torch.randn(s, dtype=torch.bfloat16) * 0.001 for k, s in shapes}

    writing = folder.with_name(f"{folder.name}.writing")
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir()
    write_checkpoint(writing, config, _encoder(whisper, encoder, torch.float32, {}), heads())
    write_config(writing, config, torch.bfloat16, torch.float32)
    WhisperFeatureExtractor().save_pretrained(writing)
    writing.rename(folder)


def write_clips(folder: Path, count: int) -> None:
    """Noise at the length of Bench's clips."""
    import numpy as np
    import soundfile

    folder.mkdir(exist_ok=True)
    for number in range(count):
        noise = np.random.default_rng(number).normal(0, 0.05, round(CLIP_S * 16_000))
        soundfile.write(folder / f"{number}.wav", noise, 16_000)


def worker(model: str, clips: str, runs: int) -> None:
    """One model in one process: clips a second, from files to scores, and peak memory."""
    from modeling_empathic.scoring.clips import DEFAULT_BATCH_SIZE, find_audio, score_groups
    from modeling_empathic.scoring.loading import load_model

    loaded, extractor, provenance = load_model(
        model, revision=None, heads=[], device="cpu", dtype="auto"
    )
    paths = find_audio([clips])

    def run() -> float:
        started = time.perf_counter()
        groups = score_groups(paths, loaded, extractor, batch_size=DEFAULT_BATCH_SIZE, workers=2)
        rows = [row for group in groups for clip in group for row in clip]
        assert all(row["outcome"] == "scored" for row in rows), rows
        return len(paths) / (time.perf_counter() - started)

    run()
    rates = [run() for _ in range(runs)]
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    weights = sum(file.stat().st_size for file in Path(model).glob("*.safetensors"))
    row = {
        "dtype": provenance["dtype"],
        "clips_per_s": round(median(rates), 3),
        "spread": [round(min(rates), 3), round(max(rates), 3)],
        "peak_gb": round(peak / 1e9, 2),
        "weights_gb": round(weights / 1e9, 3),
    }
    print(json.dumps(row))


def models_table(results: dict[str, Any]) -> str:
    """Table of one run of `models.py`."""
    from benchmarks.report import describe

    lines = [
        "| model | type | weights | clips a second, median [range] | peak memory |",
        "|---|---|---|---|---|",
    ]
    for name, row in results["models"].items():
        low, high = row["spread"]
        lines.append(
            f"| {name} | {row['dtype']} | {row['weights_gb']:.3g} GB | {row['clips_per_s']:.3g} "
            f"[{low:.3g}–{high:.3g}] | {row['peak_gb']:.3g} GB |"
        )
    conversion = results["conversion"]
    low, high = conversion["spread_s"]
    taken = [
        f"{name}'s from {row['from']} ({row['clips']})"
        for name, row in results["models"].items()
        if "from" in row
    ]
    note = (
        f"40 emotions, {results['clips']} clips of {results['clip_s']} s, {results['runs']} runs"
        f"{'; speeds: ' if taken else ''}{', '.join(taken)}. "
        f"Converting {conversion['gb']:.3g} GB of pickles to `mixed` took "
        f"{conversion['median_s']:.3g} s [{low:.3g}–{high:.3g}]. Load before the run: "
        f"{results['load_before']}."
    )
    return "\n".join([f"{describe(results['machine'])} {note}", "", *lines])


if __name__ == "__main__":
    main()
