"""What stage 2 costs: memory by heads a pass, processes and kills, and full size on a GPU.

Part of `stage2.py`; run by itself it is the process that is measured.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

if TYPE_CHECKING:
    pass

SEED = 0


def made_data(work: Path) -> Path:
    """Sixteen clips of noise and targets of all emotions, and a Whisper with random weights."""
    import csv

    import numpy as np
    import soundfile
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    from modeling_empathic.taxonomy import EMOTION_NAMES

    folder = work / "made"
    if (folder / "metadata.csv").exists():
        return folder
    folder.mkdir(exist_ok=True)
    torch.manual_seed(SEED)
    config = WhisperConfig(
        d_model=32, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=32, vocab_size=10,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
        suppress_tokens=None, begin_suppress_tokens=None, init_std=0.3,
    )  # fmt: skip
    WhisperForConditionalGeneration(config).save_pretrained(folder / "whisper")
    WhisperFeatureExtractor().save_pretrained(folder / "whisper")
    rng = np.random.default_rng(SEED)
    rows = []
    for number in range(16):
        soundfile.write(folder / f"{number}.wav", 0.1 * rng.standard_normal(16_000), 16_000)
        targets = dict(zip(EMOTION_NAMES, rng.uniform(0, 4, 40).round(2), strict=True))
        rows.append({"file_name": f"{number}.wav", "speaker": number % 4} | targets)
    with (folder / "metadata.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return folder


def worker(data: str, output: str, per_pass: str) -> None:
    """Trains 40 full heads on the made data, in this process or as one of several."""
    from modeling_empathic.training.base import load_base
    from modeling_empathic.training.labels import read_labels
    from modeling_empathic.training.run import train_heads
    from modeling_empathic.training.settings import Settings

    labelled = read_labels(data)
    base = load_base(Path(data) / "whisper", labelled.scales, kind="full")
    settings = Settings(
        epochs=3, batch_size=8, heads_per_pass=int(per_pass) or None, save_every_s=0
    )
    train_heads(
        base, labelled, Path(output), settings, n_folds=1, cache=Path(data).with_name("made-states")
    )


def start(work: Path, output: Path, per_pass: int, **environment: str) -> "subprocess.Popen[bytes]":
    """A worker in a process of its own."""
    arguments = [str(made_data(work)), str(output), str(per_pass)]
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), *arguments],
        env={**os.environ, **environment},
    )


def memory(work: Path) -> dict[str, Any]:
    """Peak of memory that is not a file's, at four heads a pass and at all forty at once."""
    result: dict[str, Any] = {}
    for name, per_pass in (("4", 4), ("all", 0)):
        peak = 0

        def watch(process: "subprocess.Popen[bytes]") -> None:
            nonlocal peak
            while process.poll() is None:
                try:
                    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                except OSError:
                    return
                peak = max([peak, *(int(x.split()[1]) for x in lines if "RssAnon" in x)])
                time.sleep(0.05)

        output = work / f"memory-{name}"
        started = time.perf_counter()
        process = start(work, output, per_pass)
        thread = threading.Thread(target=watch, args=(process,))
        thread.start()
        assert process.wait() == 0
        thread.join()
        result[name] = {"peak_gb": peak / 1e6, "seconds": time.perf_counter() - started}
    result["largest_difference"] = difference(work / "memory-4", work / "memory-all")
    return result


def same(work: Path) -> dict[str, Any]:
    """Largest difference of any weight: two processes and one, killed and not."""
    alone = start(work, work / "alone", 4)
    assert alone.wait() == 0
    for shard in ("two",):
        ranks = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29533",
                 "ACCELERATE_USE_CPU": "true"}  # fmt: skip
        both = [
            start(work, work / shard, 4, **ranks, RANK=str(rank), LOCAL_RANK=str(rank))
            for rank in range(2)
        ]
        assert [process.wait() for process in both] == [0, 0]
    kills = 0
    while not (work / "killed" / "config.json").exists():
        process = start(work, work / "killed", 4)
        seen = len([*(work / "killed").glob(".training/*.safetensors")])
        while process.poll() is None and kills < 3:
            now = len([*(work / "killed").glob(".training/*.safetensors")])
            if now >= seen + 6:
                process.send_signal(signal.SIGKILL)
                kills += 1
            time.sleep(0.02)
        process.wait()
    return {
        "two_processes": difference(work / "alone", work / "two"),
        "killed": difference(work / "alone", work / "killed"),
        "kills": kills,
    }


def difference(first: Path, second: Path) -> float:
    """The largest difference of a weight in two folders."""
    from safetensors.torch import load_file

    largest = 0.0
    for file in sorted(first.glob("*.safetensors")):
        others = load_file(second / file.name)
        for key, tensor in load_file(file).items():
            largest = max(largest, float((tensor - others[key]).abs().max()))
    return largest


# ------------------------------------------------------------------------------------ full size


def full_size(device: str, n_heads: int = 40, batch: int = 32, steps: int = 20) -> dict[str, Any]:
    """Steps a second of 40 full Small heads with states on the fly, and of the card's bf16 peak."""
    import torch
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    from modeling_empathic.training.heads import HeadSpec, Learner
    from modeling_empathic.training.settings import Settings

    where = torch.device(device)
    small = WhisperConfig(
        d_model=768, encoder_layers=12, encoder_attention_heads=12, encoder_ffn_dim=3072
    )
    encoder: Any = WhisperEncoder(small).eval()
    torch.nn.Module.to(encoder, where, torch.bfloat16)
    n_inputs = 1500 * 768
    widths = (n_inputs, 64, 64, 32, 16, 1)
    learners = [
        Learner(HeadSpec(f"head {n}", "full", widths, (0.0, 0.1, 0.1, 0.1)), Settings(), where)
        for n in range(n_heads)
    ]
    features = torch.randn(batch, 80, 3000, device=where, dtype=torch.bfloat16)
    targets = 4 * torch.rand(n_heads, batch, device=where)
    seconds = []
    for step in range(steps):
        torch.cuda.synchronize()
        started = time.perf_counter()
        with torch.no_grad():
            inputs = encoder(features).last_hidden_state.flatten(1).float()
        for learner, wanted in zip(learners, targets, strict=True):
            learner.step(inputs, wanted, step)
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    a = torch.randn(8192, 8192, device=where, dtype=torch.bfloat16)
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(20):
        a @ a
    torch.cuda.synchronize()
    peak = 20 * 2 * 8192**3 / (time.perf_counter() - started)
    parameters = sum(p.numel() for p in encoder.parameters())
    flops = batch * (2 * parameters * 1500 + 12 * 4 * 1500**2 * 768)
    flops += n_heads * batch * n_inputs * 64 * 2 * 2  # forward, and weights' gradient
    median = sorted(seconds[3:])[len(seconds[3:]) // 2]
    return {
        "steps_a_second": 1 / median, "clips_a_second": batch / median, "batch": batch,
        "heads": n_heads, "peak_gb": torch.cuda.max_memory_allocated() / 1e9,
        "tflops": flops / median / 1e12, "share_of_bf16_peak": flops / median / peak,
    }  # fmt: skip


if __name__ == "__main__":
    worker(*sys.argv[1:])
