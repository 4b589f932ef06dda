"""The first layer on observations of codes: a sum of one row of weights for each place that shows something.

It is the product of the one-hot observation with a matrix, computed without either: only places whose code is not 0
take part, which on a grid is about one in five. The transpose of such a sum is one too (for each code, over the
observations that show it), so that forward and backward are the same fast operation, ``embedding_bag``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from metta_sweep.trainer.native.kernel import Kernel


class CodeLayer(nn.Module):
    """Linear layer on one-hot codes; code 0 of every place has the weight 0."""

    offsets: Tensor

    def __init__(
        self,
        code_sizes: tuple[int, ...],
        features: int,
        generator: torch.Generator,
        kernel: Kernel | None = None,
    ) -> None:
        super().__init__()
        self._kernel = kernel
        sizes = torch.tensor(code_sizes, dtype=torch.int32)
        self.register_buffer("offsets", torch.cumsum(sizes, 0, dtype=torch.int32) - sizes, persistent=False)
        deviation = (2.0 / len(code_sizes)) ** 0.5
        self.weight = nn.Parameter(torch.randn(int(sizes.sum()), features, generator=generator) * deviation)
        self.bias = nn.Parameter(torch.zeros(features))
        self._tiled = self.offsets.numpy()

    def forward(self, observations: Tensor) -> Tensor:
        """Return (n, features). observations: (n, places) uint8."""
        if observations.is_cuda:
            return self._padded_sum(observations) + self.bias
        if self._kernel is not None:
            return self._compiled_sum(self._kernel, observations.contiguous())
        rows, starts = self._shown(observations)
        if not torch.is_grad_enabled():
            return _bag_sum(self.weight, rows, starts) + self.bias
        total: Tensor = _SumOfRows.apply(self.weight, rows, starts)  # type: ignore[no-untyped-call]  # torch
        return total + self.bias

    def _compiled_sum(self, kernel: Kernel, observations: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return kernel.sum_codes(observations, self.offsets, self.weight, self.bias)
        total: Tensor = _Compiled.apply(self.bias, self.weight, observations, self.offsets, kernel)  # type: ignore[no-untyped-call]  # torch
        return total

    def _shown(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows of weights that take part, and where each observation's begin; numpy is faster at this."""
        codes = observations.numpy()
        count, places = codes.shape
        if len(self._tiled) < codes.size:
            self._tiled = np.tile(self.offsets.numpy(), count)
        at = np.flatnonzero(codes != 0)
        rows = self._tiled.take(at) + codes.reshape(-1).take(at)
        starts = np.searchsorted(at, np.arange(0, codes.size, places)).astype(np.int32)
        return torch.from_numpy(rows), torch.from_numpy(starts)

    def _padded_sum(self, observations: Tensor) -> Tensor:
        """Do the same on a GPU, where skipping is dearer than summing: row 0 is never used and pads."""
        rows = torch.where(observations == 0, 0, self.offsets + observations)
        return functional.embedding_bag(rows, self.weight, mode="sum", padding_idx=0)


class _SumOfRows(torch.autograd.Function):
    """out[n] = sum of weight[row] over the rows of observation n."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, rows: Tensor, starts: Tensor) -> Tensor:
        ctx.save_for_backward(rows, starts)
        ctx.count = len(weight)
        return _bag_sum(weight, rows, starts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Gradient of weight[row]: the sum of those of out[n] over the observations n that have it."""
        rows, starts = (saved.numpy() for saved in ctx.saved_tensors)
        shown = np.append(starts[1:], len(rows)) - starts
        observation = np.repeat(np.arange(len(starts), dtype=np.int32), shown)
        by_row = np.argsort(rows.astype(np.int16) if ctx.count < 2**15 else rows, kind="stable")
        counts = np.bincount(rows, minlength=ctx.count)
        begins = (np.cumsum(counts) - counts).astype(np.int32)
        total = _bag_sum(gradients[0], torch.from_numpy(observation[by_row]), torch.from_numpy(begins))
        return total, None, None


class _Compiled(torch.autograd.Function):
    """The sum, bias included, by the kernel.

    The gradient of the weight is added where it belongs: as a tensor of its own it would be as large as the weight, of
    which a minibatch shows a small part.
    """

    @staticmethod
    def forward(ctx: Any, bias: Tensor, weight: Tensor, codes: Tensor, offsets: Tensor, kernel: Kernel) -> Tensor:
        ctx.weight, ctx.codes, ctx.offsets, ctx.kernel = weight, codes, offsets, kernel
        return kernel.sum_codes(codes, offsets, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        """Add to the gradient of the weight; return that of the bias."""
        by_out = gradients[0].contiguous()
        if ctx.weight.grad is None:
            ctx.weight.grad = torch.zeros_like(ctx.weight)
        ctx.kernel.add_to_codes(by_out, ctx.codes, ctx.offsets, ctx.weight.grad)
        return by_out.sum(0), None, None, None, None


def _bag_sum(table: Tensor, rows: Tensor, starts: Tensor) -> Tensor:
    summed: Tensor = torch.embedding_bag(table, rows, starts, mode=0)[0]
    return summed
