"""The first layer on observations of codes: a sum of one row of weights for each place that shows something.

It is the product of the one-hot observation with a matrix, computed without either: only places whose code is not 0
take part, which on a grid is about one in five. The transpose of such a sum is one too (for each code, over the
observations that show it), so that forward and backward are the same fast operation, ``embedding_bag``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


class CodeLayer(nn.Module):
    """Linear layer on one-hot codes; code 0 of every place has the weight 0."""

    offsets: Tensor

    def __init__(self, code_sizes: tuple[int, ...], features: int, generator: torch.Generator) -> None:
        super().__init__()
        sizes = torch.tensor(code_sizes)
        self.register_buffer("offsets", torch.cumsum(sizes, 0) - sizes, persistent=False)
        deviation = (2.0 / len(code_sizes)) ** 0.5
        self.weight = nn.Parameter(torch.randn(int(sizes.sum()), features, generator=generator) * deviation)
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, observations: Tensor) -> Tensor:
        """Return (n, features). observations: (n, places) uint8."""
        row, place = observations.nonzero(as_tuple=True)
        code = self.offsets[place] + observations[row, place]
        ends = torch.count_nonzero(observations, dim=1).cumsum(0)
        total: Tensor = _SumOfRows.apply(self.weight, code, row, functional.pad(ends, (1, 0)))  # type: ignore[no-untyped-call]  # torch
        return total + self.bias


class _SumOfRows(torch.autograd.Function):
    """out[n] = sum of weight[code] over the codes of observation n."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, code: Tensor, row: Tensor, starts: Tensor) -> Tensor:
        ctx.save_for_backward(code, row)
        ctx.codes = len(weight)
        return _bag_sum(weight, code, starts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Gradient of weight[c]: the sum of those of out[n] over the observations n that show c."""
        code, row = ctx.saved_tensors
        by_code = torch.argsort(code.to(torch.int16) if ctx.codes < 2**15 else code, stable=True)
        ends = torch.bincount(code, minlength=ctx.codes).cumsum(0)
        return _bag_sum(gradients[0], row[by_code], functional.pad(ends, (1, 0))), None, None, None


def _bag_sum(table: Tensor, index: Tensor, starts: Tensor) -> Tensor:
    return functional.embedding_bag(index, table, starts, mode="sum", include_last_offset=True)
