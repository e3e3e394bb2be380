"""The heads' first layers in whole numbers of eight bits, with a scale for each unit.

They are nearly all of the weights, and a product of one or a few clips takes as long as reading
them from memory: half the bytes of bfloat16 are half the time. What they multiply stays as it is.

This file ships to the Hub as remote code: it is flat.
"""

import torch
from torch import nn

from .heads_empathic import HeadError

_ROWS = 64  # units that are widened at once where there is no product of its own: a Small head


class Int8Linear(nn.Module):
    """A linear layer whose weights are int8, each row times its own scale; not for training.

    Args:
        n_in: Inputs.
        n_out: Units.
    """

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        weight = torch.zeros(n_out, n_in, dtype=torch.int8)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.scale = nn.Parameter(torch.ones(n_out), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(n_out), requires_grad=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """`(batch, n_in)` to `(batch, n_out)`, in the type of the inputs."""
        product: torch.Tensor
        packed = getattr(torch, "_weight_int8pack_mm", None)
        if packed and inputs.device.type == "cpu" and not inputs.requires_grad:
            # In bfloat16 whatever the inputs are: of float32 it is ten times slower
            # (`benchmarks/README.md`, int8).
            half = inputs.to(torch.bfloat16).contiguous()
            product = packed(half, self.weight, self.scale.to(half.dtype)).to(inputs.dtype)
        else:
            product = torch.cat(
                [inputs @ rows.to(inputs.dtype).T for rows in self.weight.split(_ROWS)], dim=-1
            ) * self.scale.to(inputs.dtype)
        return product + self.bias.to(inputs.dtype)


def quantized(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows as int8 and their scales, so that `weight` is nearly `int8 * scale[:, None]`.

    Symmetric, -127 to 127. Scales have the eight significant bits of a bfloat16: so a model in
    that type has them as they are.

    Args:
        weight: `(units, inputs)`, of any float type.

    Returns:
        `(units, inputs)` int8 and `(units,)` float32.

    Raises:
        HeadError: A value that is not finite.

    Example:
        >>> quantized(torch.tensor([[1.0, -0.5, 0.0]]))
        (tensor([[126, -63,   0]], dtype=torch.int8), tensor([0.0079]))
    """
    largest = weight.float().abs().amax(1)
    if not largest.isfinite().all():
        raise HeadError("weights that are not finite cannot be quantised")
    scale = _upwards(largest / 127).clamp(min=torch.finfo(torch.float32).tiny)
    rows = torch.empty(weight.shape, dtype=torch.int8)
    for row, (values, by) in enumerate(zip(weight, scale, strict=True)):  # little memory at a time
        rows[row] = (values.float() / by).round().clamp(-127, 127)
    return rows, scale


def _upwards(values: torch.Tensor) -> torch.Tensor:
    """The next bfloat16 that is not smaller, as float32; of what is not negative."""
    near = values.bfloat16()
    above = torch.where(near.float() < values, (near.view(torch.int16) + 1).view(near.dtype), near)
    return above.float()
