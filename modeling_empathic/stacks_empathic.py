"""All heads of a model computed together (paper section 3.4), and what they learn from."""

from itertools import pairwise

import torch
from torch import nn

from .heads_empathic import HeadLayout
from .int8_empathic import Int8Linear


class StackedLinear(nn.Module):
    """The same layer of every head, each with weights of its own."""

    def __init__(self, n_heads: int, n_in: int, n_out: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_heads, n_out, n_in))
        self.bias = nn.Parameter(torch.empty(n_heads, n_out))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """`(heads, batch, n_in)` to `(heads, batch, n_out)`."""
        # In float32: these layers cost nothing, and a bfloat16 score near 3 would move in steps
        # of 1/64.
        return torch.baddbmm(self.bias.float().unsqueeze(1), hidden, self.weight.float().mT)


class StackedHeads(nn.Module):
    """All heads of one kind as one module: one wide product, then grouped small layers.

    The first layer holds nearly all weights (73.7 of 73.7 million a Small head), so the heads'
    first layers are the rows of a single `nn.Linear`: one product for 40 heads instead of 40.
    """

    def __init__(self, config: HeadLayout, kind: str):
        super().__init__()
        n_heads = len(config.heads_of_kind(kind))
        widths = [config.projection_dim, *config.hidden_dims, 1]
        self.n_heads = n_heads
        self.dropouts = list(config.dropouts)
        linear = Int8Linear if config.is_int8(kind) else nn.Linear
        self.proj = linear(config.head_in_features(kind), n_heads * config.projection_dim)
        self.mlp = nn.ModuleList(
            StackedLinear(n_heads, n_in, n_out) for n_in, n_out in pairwise(widths)
        )

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`(batch, in_features)` to scores `(batch, heads)` and projections `(batch, heads, P)`."""
        # The encoder may be kept in a wider type than the heads, which hold nearly all weights.
        inputs = inputs.to(self.proj.bias.dtype)  # which quantisation leaves alone
        projections = self.proj(inputs).unflatten(-1, (self.n_heads, -1))
        hidden = projections.float().transpose(0, 1)
        for layer, rate in zip(self.mlp, self.dropouts, strict=True):
            hidden = layer(nn.functional.dropout(hidden.relu(), rate, self.training))
        return hidden.squeeze(-1).transpose(0, 1), projections


class HeadStacks(nn.Module):
    """The stacks of all kinds of head, `full` before `pooled`.

    No `nn.ModuleDict`, which PEFT refuses to train beside an adapter (`modules_to_save=["heads"]`).
    """

    def __init__(self, config: HeadLayout):
        super().__init__()
        self.kinds = [kind for kind in ("full", "pooled") if config.heads_of_kind(kind)]
        self.pooling = config.pooling
        stacked = [i for kind in self.kinds for i in config.heads_of_kind(kind)]
        self.order = sorted(range(len(stacked)), key=stacked.__getitem__)
        for kind in self.kinds:
            self.add_module(kind, StackedHeads(config, kind))

    def __getitem__(self, kind: str) -> StackedHeads:
        """The stack of one kind."""
        stack: StackedHeads = self._modules[kind]  # type: ignore[assignment]
        return stack

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encoder states to scores and projections, heads in the order of the configuration."""
        parts = [
            self[kind](states.flatten(1) if kind == "full" else pool(states, self.pooling))
            for kind in self.kinds
        ]
        if len(parts) == 1:
            only: tuple[torch.Tensor, torch.Tensor] = parts[0]
            return only
        scores, projections = zip(*parts, strict=True)
        return torch.cat(scores, 1)[:, self.order], torch.cat(projections, 1)[:, self.order]


def loss_of(logits: torch.Tensor, labels: torch.Tensor, problem_type: str | None) -> torch.Tensor:
    """The loss of one batch.

    Args:
        logits: `(batch, heads)`.
        labels: As in [`EmpathicInsightModel.forward`].
        problem_type: Of the configuration.

    Raises:
        ValueError: Labels of another shape or type than the problem has.

    Example:
        >>> loss_of(torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, torch.nan]]), "regression")
        tensor(1.)
    """
    if problem_type == "single_label_classification":
        if labels.shape != logits.shape[:1] or labels.is_floating_point():
            raise ValueError(
                f"labels have shape {tuple(labels.shape)} and type {labels.dtype}: "
                "single_label_classification takes the position of the right label, as int64 "
                f"of shape {tuple(logits.shape[:1])}"
            )
        return nn.functional.cross_entropy(logits, labels.to(logits.device))
    if labels.shape != logits.shape:
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}, the scores {tuple(logits.shape)} "
            f"(problem_type {problem_type})"
        )
    labels = labels.to(logits)
    known = ~labels.isnan()
    target = labels.nan_to_num()
    errors = (
        nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        if problem_type == "multi_label_classification"
        else (logits - target).abs()  # MAE (paper section 3.4)
    )
    return (errors * known).sum() / known.sum().clamp(min=1)


def probabilities(logits: torch.Tensor, problem_type: str | None) -> torch.Tensor:
    """What a model says of each head: its scores, or probabilities if it was taught classes.

    Args:
        logits: `(windows, heads)`.
        problem_type: Of the configuration.

    Example:
        >>> probabilities(torch.tensor([[0.0, 0.0]]), "single_label_classification")
        tensor([[0.5000, 0.5000]])
    """
    if problem_type == "single_label_classification":
        return logits.softmax(-1)
    return logits.sigmoid() if problem_type == "multi_label_classification" else logits


def pool(states: torch.Tensor, pooling: str = "mean_min_max_std") -> torch.Tensor:
    """Statistics over time, as pooled heads read them.

    Args:
        states: `(batch, time, d_model)` encoder states: all of the window, padding included, or
            NaN where there is no speech (`cut_to_speech`).
        pooling: `"mean_min_max_std"`, which is the public release's, `"mean_std"` or `"mean"`.

    Returns:
        `(batch, 4 * d_model)` or `(batch, 2 * d_model)`; statistics in float32, then back to the
        input's type.

    Example:
        >>> pool(torch.tensor([[[1.0], [3.0], [torch.nan]]]))
        tensor([[2.0000, 1.0000, 3.0000, 1.4142]])
        >>> pool(torch.tensor([[[1.0], [3.0]]]), "mean_std")
        tensor([[2.0000, 1.4142]])
    """
    wide = states.float()
    speech = ~wide[..., :1].isnan()
    count = speech.sum(1)
    held = wide.where(speech, 0.0)
    mean = held.sum(1) / count
    squares = (held - mean.unsqueeze(1)).where(speech, 0.0).square().sum(1)
    of_each = {
        "mean": mean,
        "min": wide.where(speech, torch.inf).amin(1),
        "max": wide.where(speech, -torch.inf).amax(1),
        "std": (squares / (count - 1).clamp(min=1)).sqrt(),
    }
    return torch.cat([of_each[name] for name in pooling.split("_")], dim=-1).to(states.dtype)
