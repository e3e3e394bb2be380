"""What heads read of every clip: computed when needed, or once and kept in a folder.

Kept are blocks of clips, a safetensors file each, written whole or not at all: a run that was
killed goes on with the next block. Whisper small's states of one clip are 1,500 * 768 numbers, 2.3
MB in bfloat16; statistics over time are 12 KB.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import safe_open

from ..audio import AudioError, load_audio
from ..modeling_empathic import pool
from ..report.files import read_json, write_json
from .heads import read_tensors, write_tensors
from .ranks import Ranks
from .settings import TrainingError

BLOCK_BYTES = 2**27
_AT_ONCE = 8  # clips encoded together
_OPEN_FILES = 256
_SAID_EACH = 64  # clips encoded between two words of progress
Clip = str | bytes


class States(Protocol):
    """States of clips by their number, and which of them could be decoded."""

    def __len__(self) -> int: ...

    def read(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """States `(rows, ...)`, zeros where a clip could not be decoded, and `(rows,)` whether."""
        ...


def encode(model: Any, features: torch.Tensor, *, pooled: bool) -> torch.Tensor:
    """Encoder states `(batch, positions, d_model)`, or the statistics that pooled heads read."""
    with torch.no_grad():
        states: torch.Tensor = model.encoder(features.to(model.encoder.dtype)).last_hidden_state
        return pool(states.float(), model.config.pooling) if pooled else states


def as_inputs(states: torch.Tensor, kind: str, pooling: str = "mean_min_max_std") -> torch.Tensor:
    """What a head of that kind reads: all states in a row, or their statistics over time.

    Example:
        >>> states = torch.zeros(2, 10, 3)
        >>> as_inputs(states, "full").shape, as_inputs(states, "pooled").shape
        (torch.Size([2, 30]), torch.Size([2, 12]))
    """
    if states.dim() == 2:
        return states
    return states.flatten(1) if kind == "full" else pool(states, pooling)


class FreshStates:
    """States that are computed each time they are read.

    Args:
        clips: Paths, or encoded audio.
        model: An `EmpathicInsightModel`, on its device.
        extractor: Its feature extractor.
        pooled: Whether to give statistics over time alone.
    """

    def __init__(self, clips: Sequence[Clip], model: Any, extractor: Any, *, pooled: bool):
        self.clips, self.model, self.extractor, self.pooled = clips, model, extractor, pooled
        self.failed: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.clips)

    def _features(self, row: int) -> np.ndarray | None:
        """Log-mel features of a clip's first window, as the paper cuts its own (A.2)."""
        try:
            audio = load_audio(self.clips[row])[: self.extractor.n_samples]
        except AudioError as error:
            self.failed[int(row)] = str(error)
            return None
        heard = self.extractor(audio, sampling_rate=16_000, return_tensors="np")
        features: np.ndarray = heard["input_features"][0]
        return features

    def read(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """As [`States.read`]; clips are decoded by two threads."""
        with ThreadPoolExecutor(2) as pool_:
            features = list(pool_.map(self._features, rows))
        good = torch.tensor([one is not None for one in features], dtype=torch.bool)
        device = next(self.model.encoder.parameters()).device
        parts = []
        # One by one on a CPU, as in scoring: as fast, and no clip's states depend on the others.
        at_once = 1 if device.type == "cpu" else _AT_ONCE
        heard = [one for one in features if one is not None]
        for i in range(0, len(heard), at_once):
            batch = torch.from_numpy(np.stack(heard[i : i + at_once])).to(device)
            parts.append(encode(self.model, batch, pooled=self.pooled))
        if not parts:  # the shape alone is needed
            blank = torch.zeros(1, self.extractor.feature_size, self.extractor.nb_max_frames)
            parts.append(encode(self.model, blank.to(device), pooled=self.pooled)[:0])
        found = torch.cat(parts)
        states = found.new_zeros(len(rows), *found.shape[1:])
        states[good.to(states.device)] = found
        return states, good


class CachedStates:
    """States in a folder, made by [`fill_cache`]; statistics are held in memory."""

    def __init__(self, folder: Path, n: int, per_block: int):
        self.folder, self._n, self._per_block = folder, n, per_block
        self._open = lru_cache(_OPEN_FILES)(lambda path: safe_open(path, framework="pt"))
        blocks = range(-(-n // per_block))
        files = [read_tensors(folder / _block(0))] if n else []
        self._all: torch.Tensor | None = None
        if files and files[0][0]["states"].dim() == 2:
            files += [read_tensors(folder / _block(number)) for number in blocks[1:]]
            self._all = torch.cat([tensors["states"] for tensors, _ in files])
        self.failed: dict[int, str] = {}
        for number in blocks:
            notes = read_tensors_notes(folder / _block(number))
            self.failed |= {int(row): reason for row, reason in notes["failed"].items()}
        self._good = torch.ones(n, dtype=torch.bool)
        self._good[list(self.failed)] = False

    def __len__(self) -> int:
        return self._n

    def read(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """As [`States.read`]."""
        chosen = torch.from_numpy(np.asarray(rows, dtype=np.int64))
        if self._all is not None:
            return self._all[chosen], self._good[chosen]
        states = [self._row(*divmod(int(row), self._per_block)) for row in rows]
        return torch.stack(states), self._good[chosen]

    def _row(self, block: int, row: int) -> torch.Tensor:
        file = self._open(self.folder / _block(block))
        states: torch.Tensor = file.get_slice("states")[row]  # type: ignore[no-untyped-call]
        return states


def fill_cache(
    folder: Path,
    fresh: FreshStates,
    key: dict[str, Any],
    ranks: Ranks,
    advance: Callable[[int], None] = lambda n: None,
) -> CachedStates:
    """Encodes what a folder does not have yet, each process its share of the blocks.

    Args:
        folder: Made if absent.
        fresh: All clips.
        key: What the states depend on, encoder and data; a folder of another key is refused.
        ranks: The processes of this run.
        advance: Called with the number of clips that have come to be there.

    Raises:
        TrainingError: The folder holds other states.
    """
    if ranks.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        _check_key(folder, key)
    ranks.wait()
    n, size = len(fresh), bytes_a_clip(fresh.model, pooled=fresh.pooled)
    per_block = max(1, min(1024, BLOCK_BYTES // size))
    for number in range(ranks.rank, -(-n // per_block), ranks.world):
        rows = np.arange(number * per_block, min((number + 1) * per_block, n))
        if not (folder / _block(number)).exists():
            parts = []
            for i in range(0, len(rows), _SAID_EACH):
                parts.append(fresh.read(rows[i : i + _SAID_EACH]))
                advance(len(parts[-1][1]))
            states, good = (torch.cat(part) for part in zip(*parts, strict=True))
            failed = {int(row): fresh.failed[int(row)] for row in rows[~good.numpy()]}
            # Statistics are few and keep their precision; of states bfloat16 is half of the disk.
            stored = states.cpu().float() if states.dim() == 2 else states.cpu().bfloat16()
            write_tensors(folder / _block(number), {"states": stored}, {"failed": failed})
        else:
            advance(len(rows))
    ranks.wait()
    return CachedStates(folder, n, per_block)


def _check_key(folder: Path, key: dict[str, Any]) -> None:
    file = folder / "states.json"
    if not file.exists():
        # A hidden one is what a run left that was killed while it wrote that file.
        if any(not path.name.startswith(".") for path in folder.iterdir()):
            raise TrainingError(f"cache {folder}: a folder with other files; choose an empty one")
        write_json(file, key)
    elif (other := read_json(file)) != json.loads(json.dumps(key)):
        differing = [name for name in key if other.get(name) != key[name]]
        raise TrainingError(
            f"cache {folder} holds states of another {' and '.join(differing)}: choose another "
            "folder, or remove it"
        )


def bytes_a_clip(model: Any, *, pooled: bool) -> int:
    """What a clip takes in a cache.

    Example:
        >>> from types import SimpleNamespace as Namespace
        >>> small = Namespace(d_model=768, max_source_positions=1500)
        >>> config = Namespace(encoder=small, head_in_features=lambda kind: 4 * 768)
        >>> model = Namespace(config=config)
        >>> bytes_a_clip(model, pooled=False), bytes_a_clip(model, pooled=True)
        (2304000, 12288)
    """
    if pooled:
        return 4 * int(model.config.head_in_features("pooled"))
    encoder = model.config.encoder
    return int(2 * encoder.d_model * encoder.max_source_positions)


def read_tensors_notes(path: Path) -> dict[str, Any]:
    """The notes of a file of [`write_tensors`], without its tensors."""
    with safe_open(path, framework="pt") as file:
        notes: dict[str, Any] = json.loads(file.metadata()["notes"])
        return notes


def batches(
    states: States, rows: Sequence[np.ndarray], ranks: Ranks
) -> Iterator[tuple[np.ndarray, torch.Tensor, torch.Tensor]]:
    """Reads batches, the next one while this one is worked on; each process its part.

    Yields:
        The rows of the whole batch, states of this process's part, and which were decoded of it.
    """
    with ThreadPoolExecutor(1) as reader:
        waiting = None
        for batch in rows:
            mine = batch[ranks.part(len(batch))]
            coming = reader.submit(states.read, mine if len(mine) else batch[:1]), batch, len(mine)
            if waiting:
                yield _taken(waiting)
            waiting = coming
        if waiting:
            yield _taken(waiting)


def _taken(waiting: Any) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    future, batch, n_mine = waiting
    states, good = future.result()
    return batch, states[:n_mine], good[:n_mine]


def _block(number: int) -> str:
    return f"states-{number:05d}.safetensors"
