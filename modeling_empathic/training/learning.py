"""The loop: batches of states go past heads that each learn for themselves."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from .folds import TEST, TRAIN, VALIDATION
from .heads import HeadSpec, Learner, Scaling, error
from .ranks import Ranks
from .settings import Settings, TrainingError, seed_of
from .states import States, as_inputs, batches

_SCALED_BY = 4096  # clips, which are enough for a mean and a deviation
_LEAST_DEVIATION = 1e-3  # of an input's typical one: what never changes must not become noise


class Learning:
    """Clips, targets and folds of a run, and how batches of them reach the heads.

    Args:
        states: Of the clips.
        folds: `(folds, clips)`, of `TRAIN`, `VALIDATION` and `TEST`.
        targets: Head -> `(clips,)`, NaN where unknown.
        settings: Of the run.
        pooling: Of pooled heads.
        device: Of this process.
        ranks: The processes.
    """

    def __init__(
        self, states: States, folds: np.ndarray, targets: dict[str, np.ndarray],
        settings: Settings, pooling: str, device: torch.device, ranks: Ranks,
    ):  # fmt: skip
        # Without early stopping nobody says when to stop: all that is not tested teaches.
        self._judged_by = VALIDATION if settings.patience else TRAIN
        folds = folds if settings.patience else np.where(folds == VALIDATION, TRAIN, folds)
        self.states, self.folds, self.settings = states, folds, settings
        self.pooling, self.device, self.ranks = pooling, device, ranks
        self.targets = {
            (name, fold, part): torch.from_numpy(
                np.where(folds[fold] == part, values, np.nan).astype(np.float32)
            )
            for name, values in targets.items()
            for fold in range(-1, len(folds) - 1)
            for part in (TRAIN, VALIDATION)
        }
        self.train_rows = np.flatnonzero((folds == TRAIN).any(axis=0))
        self.validation_rows = np.flatnonzero((folds == self._judged_by).any(axis=0))

    def rows_of(self, epoch: int) -> np.ndarray:
        """The clips of an epoch in their order, the same for every head and process."""
        n = len(self.train_rows)
        size = min(self.settings.epoch_clips or n, n)
        of_all = n // size  # epochs that use every clip once
        seed = seed_of(self.settings.seed, "batches", epoch // of_all)
        order = np.random.default_rng(seed).permutation(self.train_rows)
        start = epoch % of_all * size
        return order[start : start + size]

    def whole_batches(
        self, rows: np.ndarray
    ) -> Iterator[tuple[np.ndarray, torch.Tensor, torch.Tensor]]:
        """Batches in every process: rows, states on the device, which were decoded."""
        for batch, states, good in self._parts(rows):
            states = self.ranks.gather(states.to(self.device), len(batch))
            good = self.ranks.gather(good.to(self.device), len(batch))
            yield batch, states, good.cpu()

    def _parts(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, torch.Tensor, torch.Tensor]]:
        size = self.settings.batch_size
        return batches(
            self.states, [rows[i : i + size] for i in range(0, len(rows), size)], self.ranks
        )

    def inputs(
        self, states: torch.Tensor, spec: HeadSpec, scalings: dict[Any, Scaling]
    ) -> torch.Tensor:
        """What a head reads of states, scaled as in its fold."""
        inputs = as_inputs(states, spec.kind, self.pooling).float()
        return scalings[spec.kind, spec.fold].apply(inputs)

    def scalings(self, kinds: set[str]) -> dict[Any, Scaling]:
        """Mean and deviation of inputs by kind and fold, over clips that teach in the fold."""
        seed = seed_of(self.settings.seed, "scaling")
        rows = np.random.default_rng(seed).permutation(self.train_rows)[:_SCALED_BY]
        folds = range(-1, len(self.folds) - 1)
        sums: dict[Any, Any] = {}
        for batch, states, good in self._parts(np.sort(rows)) if self.settings.standardize else ():
            mine = batch[self.ranks.part(len(batch))]
            for kind in kinds:
                wide = _by_width(as_inputs(states, kind, self.pooling).float(), states, kind)
                for fold in folds:
                    taught = torch.from_numpy(self.folds[fold][mine] == TRAIN) & good
                    chosen = wide[taught.to(wide.device)].double().flatten(0, 1)
                    of_three = torch.tensor(len(chosen)), chosen.sum(0), chosen.square().sum(0)
                    before = sums.get((kind, fold), (0, 0, 0))
                    sums[kind, fold] = tuple(
                        a + b.cpu() for a, b in zip(before, of_three, strict=True)
                    )
        made = {}
        for kind in kinds:
            for fold in folds:
                if not self.settings.standardize:
                    made[kind, fold] = Scaling(torch.zeros(1), torch.ones(1))
                else:
                    n, first, second = (
                        self.ranks.sum(part.to(self.device)).cpu() for part in sums[kind, fold]
                    )
                    made[kind, fold] = _scaling(n, first, second)
        return {key: Scaling(*(part.to(self.device) for part in s)) for key, s in made.items()}

    def run(
        self,
        learners: dict[int, Learner],
        scalings: dict[Any, Scaling],
        epoch: int,
        finish: Callable[[int, Learner], None],
        save: Callable[[dict[int, Learner], int], None],
        log: Callable[[dict[str, float], int, int], None],
    ) -> None:
        """Trains until every head of every process has stopped.

        Args:
            learners: This process's heads by number.
            scalings: Of [`scalings`].
            epoch: Epochs that are behind them.
            finish: Called with each head that has stopped.
            save: Called with the others now and then, and how many epochs are behind them.
            log: Called after each epoch with the losses of heads to keep, how many heads learnt in
                it, and how many epochs are behind them.
        """
        sharded = self.settings.shard == "heads"
        saved = time.monotonic()
        live = learners
        while self._any(live):
            self._epoch(live, scalings, epoch, sharded)
            losses = self._validate(live, scalings, sharded)
            epoch += 1
            going = {n: one for n, one in live.items() if one.judge(losses[n])}
            kept = {live[n].spec.name: x for n, x in losses.items() if live[n].spec.fold == -1}
            log(kept, len(live), epoch)
            for number in live.keys() - going.keys():
                finish(number, live[number])
            live = going
            due = time.monotonic() - saved >= self.settings.save_every_s
            if self._agreed(due) and self._any(live):
                save(live, epoch)
                saved = time.monotonic()

    def _any(self, live: dict[int, Learner]) -> bool:
        return bool(self.ranks.sum(torch.tensor(len(live), device=self.device)))

    def _agreed(self, due: bool) -> bool:
        """What the first process thinks: their clocks differ."""
        mine = due and self.ranks.rank == 0
        return bool(self.ranks.sum(torch.tensor(int(mine), device=self.device)))

    def _seen(
        self, rows: np.ndarray, sharded: bool
    ) -> Iterator[tuple[np.ndarray, torch.Tensor, torch.Tensor]]:
        """Batches as heads see them: all of it if heads are shared out, else this process's."""
        if sharded:
            yield from self.whole_batches(rows)
            return
        for batch, states, good in self._parts(rows):
            yield (
                batch, states.to(self.device),
                self.ranks.gather(good.to(self.device), len(batch)).cpu(),
            )  # fmt: skip

    def _by_fold(self, live: dict[int, Learner]) -> list[tuple[Any, list[Learner]]]:
        """Heads that read the same inputs together: these are made once, and not all at a time."""
        groups: dict[Any, list[Learner]] = {}
        for learner in live.values():
            groups.setdefault((learner.spec.kind, learner.spec.fold), []).append(learner)
        return list(groups.items())

    def _epoch(
        self, live: dict[int, Learner], scalings: dict[Any, Scaling], epoch: int, sharded: bool
    ) -> None:
        ranks = None if sharded else self.ranks
        for number, (batch, states, good) in enumerate(self._seen(self.rows_of(epoch), sharded)):
            for _, group in self._by_fold(live):
                inputs = self.inputs(states, group[0].spec, scalings)
                for learner in group:
                    spec = learner.spec
                    targets = self.targets[spec.name, spec.fold, TRAIN][batch].clone()
                    targets[~good] = torch.nan
                    learner.step(inputs, targets.to(self.device), (epoch << 24) + number, ranks)

    def _validate(
        self, live: dict[int, Learner], scalings: dict[Any, Scaling], sharded: bool
    ) -> dict[int, float]:
        sums = {number: torch.zeros(2, dtype=torch.float64) for number in live}
        numbers = {id(learner): number for number, learner in live.items()}
        for batch, states, good in self._seen(self.validation_rows, sharded):
            mine = slice(None) if sharded else self.ranks.part(len(batch))
            for _, group in self._by_fold(live):
                inputs = self.inputs(states, group[0].spec, scalings)
                for learner in group:
                    spec = learner.spec
                    targets = self.targets[spec.name, spec.fold, self._judged_by][batch[mine]]
                    known = ~targets.isnan() & good[mine]
                    with torch.no_grad():
                        scores = learner.head(inputs).cpu()
                    errors = error(scores, targets.nan_to_num(), self.settings.loss)[known]
                    total = sums[numbers[id(learner)]]
                    total += torch.stack([errors.double().sum(), known.double().sum()])
        losses = {}
        for number, total in sums.items():
            # In double precision, which not every device has: summed over processes on the CPU.
            error_sum, n = (total if sharded else self.ranks.sum(total)).tolist()
            if not n:
                raise TrainingError(
                    f"no clip that validates {live[number].spec.name!r} can be decoded"
                )
            losses[number] = error_sum / n
        return losses


def _by_width(inputs: torch.Tensor, states: torch.Tensor, kind: str) -> torch.Tensor:
    """Inputs as `(clips, times, width)`: over time a full head's have one mean each dimension."""
    if kind == "full" and states.dim() == 3:
        return states.float()
    return inputs.unsqueeze(1)


def _scaling(n: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> Scaling:
    mean = first / n
    deviation = (second / n - mean.square()).clamp(min=0).sqrt()
    least = _LEAST_DEVIATION * deviation.median()
    deviation = torch.where(deviation > least, deviation, torch.ones_like(deviation))
    return Scaling(mean.float(), deviation.float())


assert TEST not in (TRAIN, VALIDATION)
