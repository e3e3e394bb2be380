"""A model and a feature extractor that take no time, for the tests of scoring."""

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import torch

Samples = npt.NDArray[np.float32]
HEADS = ("Anger", "Pleasure/Ecstasy", "Awe")


class FakeExtractor:
    """Loudness of ten pieces of the window, as `(4, 10)` features."""

    feature_size, n_samples = 4, 480_000

    def __call__(
        self, samples: Samples, sampling_rate: int, return_tensors: str
    ) -> dict[str, Samples]:
        assert (sampling_rate, return_tensors) == (16_000, "np")
        loudness = [np.abs(piece).mean() for piece in np.array_split(samples, 10)]
        return {"input_features": np.tile(np.asarray(loudness, np.float32), (1, 4, 1))}


class FakeEncoder:
    """States that are the features themselves."""

    dtype = torch.float32

    def __call__(self, features: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=features)


class FakeModel:
    """Scores that depend on the clip and, as floats on real hardware do, on the batch's size."""

    device, dtype = torch.device("cpu"), torch.float32
    choice = SimpleNamespace(why="")

    def __init__(
        self,
        heads: tuple[str, ...] = HEADS,
        stop_at: int | None = None,
        block_at: int | None = None,
    ) -> None:
        specs = [{"name": name, "scale": [0.0, 4.0], "group": "emotion"} for name in heads]
        self.config = SimpleNamespace(
            head_names=list(heads), heads=specs, problem_type="regression"
        )
        self.batches: list[int] = []
        self.stop_at, self.block_at = stop_at, block_at
        self.encoder = FakeEncoder()

    def __call__(self, encoder_states: torch.Tensor) -> SimpleNamespace:
        features = encoder_states
        self.batches.append(len(features))
        if len(self.batches) == self.stop_at:
            raise KeyboardInterrupt
        if len(self.batches) == self.block_at:
            threading.Event().wait()  # until the process is killed
        loudness = features.mean((1, 2))[:, None] + 1e-4 * len(features)
        return SimpleNamespace(logits=loudness * torch.arange(1, 1 + len(self.config.heads)))


def fake_loader(**options: Any) -> Callable[..., tuple[FakeModel, FakeExtractor, Any]]:
    """A stand-in for `scoring.loading.load_model` that gives a `FakeModel` of these options."""
    from modeling_empathic.scoring.loading import describe

    def load_model(
        model: str | None, *, heads: Sequence[str], **_: Any
    ) -> tuple[FakeModel, FakeExtractor, Any]:
        fake = FakeModel(**{"heads": tuple(heads) or HEADS, **options})
        return fake, FakeExtractor(), describe(fake, FakeExtractor(), model or "fake", "1")

    return load_model


def write_clip(path: Path, seconds: float = 0.5, seed: int = 0) -> Path:
    """Writes noise as 16 kHz audio, louder or softer by seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed)
    samples = noise.standard_normal(round(seconds * 16_000)) * noise.uniform(0.02, 0.2)
    soundfile.write(path, samples, 16_000)
    return path


def write_clips(folder: Path, names: Iterable[str]) -> Path:
    """A short noise of its own for each name."""
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).uniform(-0.1, 0.1, 800)
        soundfile.write(path, noise, 16_000)
    return folder


def write_parquet(file: Path, clips: Sequence[str | None], row_group_size: int = 100) -> None:
    """Clips as `datasets` writes them; None for a row without bytes."""
    import pyarrow as pa
    from pyarrow import parquet

    audio = [
        {"bytes": Path(clip).read_bytes() if clip else None, "path": clip or "gone.wav"}
        for clip in clips
    ]
    table = pa.table({"clip": [str(clip) for clip in clips], "audio": audio})
    parquet.write_table(table, file, row_group_size=row_group_size)


def write_tar(file: Path, clips: Sequence[str]) -> None:
    """Clips as WebDataset has them, with a JSON beside each."""
    import io
    import tarfile

    with tarfile.open(file, "w") as archive:
        for clip in clips:
            archive.add(clip)
            beside = tarfile.TarInfo(str(Path(clip).with_suffix(".json")))
            beside.size = 2
            archive.addfile(beside, io.BytesIO(b"{}"))
