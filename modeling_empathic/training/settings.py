"""What a training run can be told, checked before anything is read."""

import hashlib
import math
from dataclasses import dataclass

from .record import TrainingError

LOSSES = ("mae", "mse", "huber")
SPLITS = ("auto", "speaker", "random")
SHARDS = ("heads", "data")


@dataclass(frozen=True)
class Settings:
    """How heads are trained; the defaults are for a few hundred to a few thousand clips.

    Attributes:
        loss: `"mae"` (the paper's), `"mse"` or `"huber"`, the last quadratic below one point.
            The absolute error of a target that is 0 in more than half of all cases has its
            optimum at 0: for classes as targets (4 or 0) take `"mse"`.
        learning_rate: Of AdamW, at first; over the epochs it falls to 0 as a cosine does. The first
            layer's is smaller, `512 / inputs` of it at most, so that a step moves what it gives out
            by as much in a head of 768,000 inputs as in one of 2,048.
        weight_decay: Of AdamW, times the learning rate. Strong, for a few hundred clips; 0.01 for
            a hundred thousand.
        input_dropout: Of the inputs, in training; `None` for 0.3 on pooled heads, which a few
            hundred clips teach chance as well, and 0 on full ones, as published.
        batch_size: Clips in a step, of all processes together.
        epochs: At most, over the training clips.
        patience: A head stops after this many epochs without a lower validation loss. 0: none
            stops early, and the clips that would say when teach too, a gain where there are few.
        seed: Of initial weights, dropout and batches.
        standardize: Whether heads learn on inputs of mean 0 and deviation 1. The scaling becomes
            part of the first layer's weights, so that a saved head reads plain states.
        heads_per_pass: Heads in memory at a time, in each process; `None` for all.
        shard: With several processes: `"heads"` (each owns some) or `"data"` (each has all, and
            a part of every batch).
        epoch_clips: Clips that make an epoch, after which heads are judged; `None` for all.
        save_every_s: Least seconds between two checkpoints.

    Raises:
        TrainingError: A value that makes no sense.

    Example:
        >>> Settings(loss="rmse")
        Traceback (most recent call last):
        modeling_empathic.training.record.TrainingError: loss 'rmse': choose mae, mse or huber
    """

    loss: str = "mae"
    learning_rate: float = 1e-3
    weight_decay: float = 3.0
    input_dropout: float | None = None
    batch_size: int = 32
    epochs: int = 40
    patience: int = 12
    seed: int = 0
    standardize: bool = True
    heads_per_pass: int | None = None
    shard: str = "heads"
    epoch_clips: int | None = None
    save_every_s: float = 60.0

    def __post_init__(self) -> None:
        for name, valid in (("loss", LOSSES), ("shard", SHARDS)):
            if getattr(self, name) not in valid:
                words = f"{', '.join(valid[:-1])} or {valid[-1]}"
                raise TrainingError(f"{name} {getattr(self, name)!r}: choose {words}")
        counts = ("batch_size", "epochs", "learning_rate")
        for name in counts if self.heads_per_pass is None else (*counts, "heads_per_pass"):
            if not 0 < getattr(self, name) < math.inf:
                raise TrainingError(f"{name} {getattr(self, name)} must be positive and finite")
        if not 0 <= self.weight_decay < math.inf:
            raise TrainingError(f"weight_decay {self.weight_decay} must be 0 or more, and finite")
        if self.patience < 0:
            raise TrainingError(f"patience {self.patience} must be 0 or more")
        if not 0 <= (self.input_dropout or 0) < 1:
            raise TrainingError(f"input_dropout {self.input_dropout} must be from 0 to below 1")


def enough_epochs(n_clips: int, batch_size: int) -> int:
    """Epochs that make 500 steps, at least 40; three fifths of the clips teach in a fold.

    Example:
        >>> enough_epochs(40, 32), enough_epochs(5_000, 32)
        (500, 40)
    """
    return max(40, math.ceil(500 / math.ceil(0.6 * n_clips / batch_size)))


def seed_of(*parts: object) -> int:
    """A seed that depends on these and on nothing else: not on the order of what is drawn.

    Example:
        >>> seed_of(0, "Anger", 7) == seed_of(0, "Anger", 7), seed_of(0, "Awe") == seed_of(1, "Awe")
        (True, False)
    """
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:6], "big")
