"""One head and its learning, apart from all others: so its result does not depend on them.

Nothing is drawn from a common source of chance: initial weights depend on seed and name, dropout
on seed, name and step. A head that learns alone, beside 39 others or in another process therefore
ends with the same weights.
"""

import json
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import nn

from ..mapping_empathic import save_tensors
from ..report.files import replacing
from .ranks import Ranks
from .settings import Settings, TrainingError, seed_of

_FULL_RATE_INPUTS = 512  # first layers with more inputs learn in proportion slower
_POOLED_DROPOUT = 0.3


class HeadSpec(NamedTuple):
    """What is to be learnt: a head, in one fold.

    Attributes:
        name: Of the head.
        kind: `full` or `pooled`.
        widths: Inputs, projection, hidden layers, 1.
        dropouts: Before each layer after the projection.
        fold: Number of the fold; -1 for the head that is kept.
    """

    name: str
    kind: str
    widths: tuple[int, ...]
    dropouts: tuple[float, ...]
    fold: int = -1


class ExpertHead(nn.Module):
    """A head by itself, its tensors named as on disk (paper A.2; `StackedHeads` has many).

    Example:
        >>> head = ExpertHead(HeadSpec("Awe", "full", (6, 4, 1), (0.0,)))
        >>> sorted(head.state_dict())
        ['mlp.0.bias', 'mlp.0.weight', 'proj.bias', 'proj.weight']
        >>> head(torch.zeros(3, 6)).shape
        torch.Size([3])
    """

    def __init__(self, spec: HeadSpec):
        super().__init__()
        self.dropouts = spec.dropouts
        with torch.device("meta"):  # torch's own draws would come from a common source
            self.proj = nn.Linear(spec.widths[0], spec.widths[1])
            layers = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise(spec.widths[1:])]
        self.mlp = nn.ModuleList(layers)
        self.to_empty(device="cpu")

    def draw(self, generator: torch.Generator, start: float) -> None:
        """He's initial weights; the last bias is `start`, a first guess of the target."""
        with torch.no_grad():
            for layer in self.modules():
                if not isinstance(layer, nn.Linear):
                    continue
                layer.weight.normal_(0, (2 / layer.in_features) ** 0.5, generator=generator)
                layer.bias.zero_()
                last = layer
            last.bias.fill_(start)

    def forward(
        self,
        inputs: torch.Tensor,
        keep: Callable[[torch.Tensor, float], torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """`(batch, inputs)` to scores `(batch,)`; `keep` is dropout, absent in evaluation."""
        hidden: torch.Tensor = self.proj(inputs)
        for layer, rate in zip(self.mlp, self.dropouts, strict=True):
            hidden = hidden.relu()
            hidden = layer(keep(hidden, rate) if keep and rate else hidden)
        return hidden.squeeze(-1)


class Scaling(NamedTuple):
    """Mean and deviation of a head's inputs, `(inputs,)` or, repeated over time, `(d_model,)`."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def apply(self, inputs: torch.Tensor) -> torch.Tensor:
        """`(batch, inputs)` to mean 0 and deviation 1."""
        times = inputs.shape[-1] // len(self.mean)
        wide = inputs.unflatten(-1, (times, -1))
        scaled: torch.Tensor = (wide - self.mean) / self.deviation
        return scaled.flatten(-2)

    def absorbed(self, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The same head, for inputs that are not scaled.

        Example:
            >>> scaling = Scaling(torch.tensor([1.0]), torch.tensor([2.0]))
            >>> head = {"proj.weight": torch.tensor([[3.0]]), "proj.bias": torch.tensor([0.0])}
            >>> scaling.absorbed(head)
            {'proj.weight': tensor([[1.5000]]), 'proj.bias': tensor([-1.5000])}
        """
        times = tensors["proj.weight"].shape[1] // len(self.mean)
        mean, deviation = self.mean.cpu().repeat(times), self.deviation.cpu().repeat(times)
        weight = tensors["proj.weight"] / deviation
        # In double precision: a full head adds up 768,000 products here.
        bias = tensors["proj.bias"].double() - weight.double() @ mean.double()
        return {**tensors, "proj.weight": weight, "proj.bias": bias.float()}

    def taken_out(self, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The inverse of [`absorbed`]: a stored head, for scaled inputs."""
        times = tensors["proj.weight"].shape[1] // len(self.mean)
        mean, deviation = self.mean.cpu().repeat(times), self.deviation.cpu().repeat(times)
        bias = tensors["proj.bias"].double() + tensors["proj.weight"].double() @ mean.double()
        weight = tensors["proj.weight"] * deviation
        return {**tensors, "proj.weight": weight, "proj.bias": bias.float()}


class Learner:
    """A head, its optimizer, its best weights so far and when it stops.

    Args:
        spec: What is learnt.
        settings: How.
        device: Where.
        start: First guess of the target.
        weights: To begin with, for scaled inputs; by default drawn.
    """

    def __init__(
        self,
        spec: HeadSpec,
        settings: Settings,
        device: torch.device,
        start: float = 0.0,
        weights: dict[str, torch.Tensor] | None = None,
    ):
        self.spec, self.settings = spec, settings
        self.head = ExpertHead(spec)
        seed = (settings.seed, spec.name, spec.fold)
        if weights is None:
            self.head.draw(torch.Generator().manual_seed(seed_of(*seed)), start)
        else:
            self.head.load_state_dict(weights)
        self.head.to(device)
        self._chance = torch.Generator(device)
        self._seed = seed
        self._dropout = settings.input_dropout
        if self._dropout is None:
            self._dropout = _POOLED_DROPOUT if spec.kind == "pooled" else 0.0
        slow = min(1.0, _FULL_RATE_INPUTS / spec.widths[0]) * settings.learning_rate
        self._rates = slow, settings.learning_rate
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [*self.head.proj.parameters()], "lr": slow},
                {"params": [*self.head.mlp.parameters()], "lr": settings.learning_rate},
            ],
            weight_decay=settings.weight_decay,
        )
        self.best: dict[str, torch.Tensor] = {}
        self.best_loss, self.best_epoch, self.epoch = float("inf"), 0, 0
        self.curve: list[float] = []
        self._sum = torch.zeros((), device=device)

    def step(
        self, inputs: torch.Tensor, targets: torch.Tensor, step: int, ranks: Ranks | None = None
    ) -> None:
        """One step on scaled inputs `(rows, inputs)` and targets `(batch,)`, NaN where unknown.

        With `ranks` this process has the inputs of its part of the batch alone, and gradients are
        summed over all.
        """
        known = ~targets.isnan()
        n_known = int(known.sum())
        if not n_known:  # the optimizer's momentum must not move a head that nothing is said of
            return
        n, mine = len(targets), ranks.part(len(targets)) if ranks else slice(None)
        self._chance.manual_seed(seed_of(*self._seed, step))
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, self.epoch / self.settings.epochs)))
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * fall

        def keep(hidden: torch.Tensor, rate: float) -> torch.Tensor:
            # Drawn for the whole batch, whichever part of it is here.
            drawn = torch.rand(n, hidden.shape[1], generator=self._chance, device=hidden.device)[
                mine
            ]
            return hidden * (drawn >= rate) / (1 - rate)

        if self._dropout:
            inputs = keep(inputs, self._dropout)
        scores = self.head(inputs, keep)
        errors = error(scores, targets[mine].nan_to_num(), self.settings.loss) * known[mine]
        loss = errors.sum() / n_known
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if ranks:
            for parameter in self.head.parameters():
                assert parameter.grad is not None
                parameter.grad.copy_(ranks.sum(parameter.grad))
        self.optimizer.step()
        self._sum += loss.detach()

    def judge(self, loss: float) -> bool:
        """Takes note of an epoch's validation loss; whether the head goes on learning.

        Raises:
            TrainingError: The loss is not a number.
        """
        self.epoch += 1
        if not torch.isfinite(self._sum) or not loss < float("inf"):
            raise TrainingError(
                f"the loss of {self.spec.name!r} is not a number after {self.epoch} epochs: "
                f"choose a learning rate below {self.settings.learning_rate:g}"
            )
        self._sum.zero_()
        self.curve.append(loss)
        if loss < self.best_loss or not self.settings.patience:
            self.best_loss, self.best_epoch = loss, self.epoch
            self.best = {k: v.detach().cpu().clone() for k, v in self.head.state_dict().items()}
        late = self.epoch - self.best_epoch >= self.settings.patience
        return not (late and self.settings.patience) and self.epoch < self.settings.epochs

    def save(self, path: Path, step: int) -> None:
        """All that continuing needs, in one file."""
        tensors = {f"head.{k}": v.detach().cpu() for k, v in self.head.state_dict().items()}
        tensors |= {f"best.{key}": value for key, value in self.best.items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{k}": v.cpu().clone() for k, v in state.items()}
        notes = {
            "name": self.spec.name, "fold": self.spec.fold, "step": step, "epoch": self.epoch,
            "best_loss": self.best_loss if self.best else None, "best_epoch": self.best_epoch,
            "curve": self.curve,
        }  # fmt: skip
        write_tensors(path, tensors, notes)

    def load(self, path: Path) -> None:
        """Continues from what [`save`] wrote."""
        tensors, notes = read_tensors(path)
        parts: dict[str, dict[str, torch.Tensor]] = {"head": {}, "best": {}, "optimizer": {}}
        for key, tensor in tensors.items():
            part, _, name = key.partition(".")
            parts[part][name] = tensor
        self.head.load_state_dict(parts["head"])
        self.best = parts["best"]
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, tensor in parts["optimizer"].items():
            number, _, name = key.partition(".")
            state.setdefault(int(number), {})[name] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.epoch, self.best_epoch = notes["epoch"], notes["best_epoch"]
        self.best_loss = float("inf") if notes["best_loss"] is None else notes["best_loss"]
        self.curve = notes["curve"]


def error(scores: torch.Tensor, targets: torch.Tensor, loss: str) -> torch.Tensor:
    """Each clip's error, by one of `settings.LOSSES`.

    Example:
        >>> error(torch.tensor([3.0]), torch.tensor([1.0]), "huber")
        tensor([1.5000])
    """
    if loss == "huber":
        return nn.functional.huber_loss(scores, targets, reduction="none")
    distance = (scores - targets).abs()
    return distance if loss == "mae" else distance.square()


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], notes: dict[str, Any]) -> None:
    """Tensors and what is to be known of them, as one whole file."""
    with replacing(path) as temporary:
        contiguous = {key: value.contiguous() for key, value in tensors.items()}
        save_tensors(contiguous, temporary, {"notes": json.dumps(notes)})


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """What [`write_tensors`] wrote."""
    with safe_open(path, framework="pt") as file:
        notes = json.loads(file.metadata()["notes"])
        return {key: file.get_tensor(key) for key in file.keys()}, notes  # noqa: SIM118


def first_guess(targets: torch.Tensor | Sequence[float], loss: str) -> float:
    """The constant of least error: the median for `mae`, else the mean; 0 where nothing is known.

    Example:
        >>> first_guess([0.0, 0.0, 3.0], "mae"), first_guess([0.0, 0.0, 3.0], "mse")
        (0.0, 1.0)
    """
    values = torch.as_tensor(targets, dtype=torch.float32)
    values = values[~values.isnan()]
    if not len(values):
        return 0.0
    return float(values.median() if loss == "mae" else values.mean())
