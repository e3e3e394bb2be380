"""The processes of one run: alone, or started by `accelerate launch`."""

import os
from typing import Any

import torch

from .settings import TrainingError


class Ranks:
    """This process and its number among all, and what they tell each other.

    Attributes:
        rank: Number of this process.
        world: How many there are.

    Example:
        >>> ranks = Ranks()
        >>> ranks.rank, ranks.world, ranks.sum(torch.tensor([2.0])).tolist()
        (0, 1, [2.0])
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self.rank, self.world = 0, int(os.environ.get("WORLD_SIZE", "1"))
        self._state: Any = None
        if self.world > 1:
            try:
                from accelerate import PartialState
            except ImportError:
                raise TrainingError(
                    'several processes need accelerate: pip install "emonet-voice[train]"'
                ) from None
            self._state = PartialState(cpu=device is None or device.type == "cpu")
            self.rank = self._state.process_index

    def device(self, asked: torch.device) -> torch.device:
        """The device of this process: the one asked for, or its own of several cards."""
        return self._state.device if self.world > 1 and asked.type == "cuda" else asked

    def part(self, n: int) -> slice:
        """The rows of a batch of `n` that this process works on; the last ones' may be empty."""
        share = -(-n // self.world)
        return slice(min(self.rank * share, n), min((self.rank + 1) * share, n))

    def gather(self, mine: torch.Tensor, n: int) -> torch.Tensor:
        """The `n` rows of all processes, each of which has its [`part`] of them."""
        if self.world == 1:
            return mine
        from accelerate.utils import gather

        share = -(-n // self.world)
        padded = mine.new_zeros(share, *mine.shape[1:])
        padded[: len(mine)] = mine
        return gather(padded)[:n]  # type: ignore[no-any-return]

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, in each of them."""
        if self.world == 1:
            return values
        from accelerate.utils import reduce

        return reduce(values, "sum")  # type: ignore[no-any-return]

    def wait(self) -> None:
        """Until all processes are here."""
        if self._state is not None:
            self._state.wait_for_everyone()
