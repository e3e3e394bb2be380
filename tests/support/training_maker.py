"""A folder of labelled clips, and runs on it that take a second."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

CLASSES = ("anger", "awe", "pain", "pride")
HERTZ = {"anger": 800, "awe": 400, "pain": 200, "pride": 100}


def make_clips(folder: Path, *, speakers: int = 4, takes: int = 2, scores: bool = False) -> Path:
    """Tones whose pitch is the class, in noise; `metadata.csv` has `label` or a column a head."""
    folder.mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    rng = np.random.default_rng(0)
    time_s = np.arange(8000) / 16_000
    for speaker in range(speakers):
        for take in range(takes):
            for word in CLASSES:
                name = f"{speaker}-{take}-{word}.wav"
                tone = 0.3 * np.sin(2 * np.pi * HERTZ[word] * (1 + 0.02 * speaker) * time_s)
                soundfile.write(folder / name, tone + 0.01 * rng.standard_normal(8000), 16_000)
                row = {"file_name": name, "speaker": f"s{speaker}"}
                labels = {w: 4.0 * (w == word) for w in CLASSES} if scores else {"label": word}
                rows.append(row | labels)
    write_table(folder, rows)
    return folder


def write_table(folder: Path, rows: list[dict[str, Any]]) -> None:
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def read_table(folder: Path) -> list[dict[str, Any]]:
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def train(
    data: Path, whisper: Path, output: Path, *, kind: str = "pooled", **arguments: Any
) -> Any:
    """A run on a tiny Whisper; what is no argument of `train_heads` is a setting."""
    from modeling_empathic.training.base import load_base
    from modeling_empathic.training.labels import read_labels
    from modeling_empathic.training.run import train_heads
    from modeling_empathic.training.settings import Settings

    of_run = {"cache": None, "n_folds": 1, "split": "auto", "from_scratch": False}
    given = {key: arguments.pop(key, default) for key, default in of_run.items()}
    calls = {key: arguments.pop(key) for key in ("log", "progress") if key in arguments}
    labelled = read_labels(data, known=arguments.pop("known", ()))
    base = load_base(whisper, labelled.scales, kind=kind)
    defaults = {"loss": "mse", "epochs": 3, "batch_size": 8, "save_every_s": 0.0}
    settings = Settings(**(defaults | arguments))
    return train_heads(base, labelled, output, settings, **given, **calls)


def weights(folder: Path) -> dict[str, Any]:
    """Tensors of a model folder by name, of all its files."""
    from safetensors.torch import load_file

    return {
        k: v for file in sorted(folder.glob("*.safetensors")) for k, v in load_file(file).items()
    }
