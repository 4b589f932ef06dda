"""A memory of the episode: long short-term memory (Hochreiter and Schmidhuber, 1997; forget gates: Gers et al., 2000).

Back-propagation through time is written down: torch would keep some fifteen small nodes a step and go back through
each. Here a step back is a product with the recurrent weights and a few elementwise operations, and the gradient of
these weights is a single product over all steps.

========  =================================================================
symbol    meaning
========  =================================================================
H, N      steps of a segment, rows
i f g o   input gate, forget gate, candidate, output gate (N, size) each
c, h      cell and output
m         0 where an episode starts, and the memory with it; else 1
a         what the gates are before their sigmoid or tangent
========  =================================================================

c_t = f c' + i g and h_t = o tanh(c_t), with a_t = W x_t + R h', c' = m_t c_t-1 and h' = m_t h_t-1.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from metta_sweep.trainer.encoders import Dense

State: TypeAlias = tuple[Tensor, ...]
"""Each (N, features); empty for a policy without memory."""


class Memory(nn.Module):
    """Long short-term memory that is emptied where episodes start."""

    def __init__(self, inputs: int, size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.size = size
        self.inputs = Dense(inputs, ((4 * size, 1.0),), generator)
        self.inputs.bias.data[size : 2 * size] = 1.0  # a fresh memory keeps what it has (Jozefowicz et al., 2015)
        self.recurrent = nn.Parameter(nn.init.orthogonal_(torch.empty(4 * size, size), 1.0, generator=generator))

    def forward(self, x: Tensor, starts: Tensor | None, state: State) -> tuple[Tensor, State]:
        """Return (H, N, size) and the last state; gradients do not reach the state before the first step.

        Args:
            x: (H, N, inputs).
            starts: (H, N) where an episode starts, and the state with it; None: nowhere.
            state: Before the first step.
        """
        driven, (h, c) = self.inputs(x), state
        going_on = None if starts is None else (~starts).unsqueeze(-1).to(h.dtype)
        if driven.dtype != h.dtype or torch.compiler.is_compiling():
            return self._by_torch(driven, going_on, h, c)
        outputs: Tensor
        outputs, cell = _ThroughTime.apply(driven, self.recurrent, going_on, h, c)  # type: ignore[no-untyped-call]  # torch
        return outputs, (outputs[-1], cell)

    def _by_torch(self, driven: Tensor, going_on: Tensor | None, h: Tensor, c: Tensor) -> tuple[Tensor, State]:
        """Do the same and leave the way back to torch: for products of 16 bits, and to be compiled."""
        steps = []
        for t in range(len(driven)):
            if going_on is not None:
                h, c = h * going_on[t], c * going_on[t]
            i, f, g, o = (driven[t] + h @ self.recurrent.T).to(c.dtype).chunk(4, dim=-1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            steps.append(h)
        return torch.stack(steps), (h, c)


class _ThroughTime(torch.autograd.Function):
    """The recurrence and its way back."""

    @staticmethod
    def forward(
        ctx: Any, driven: Tensor, recurrent: Tensor, going_on: Tensor | None, h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor]:
        steps, rows, size = len(driven), *h.shape
        gates, before = torch.empty_like(driven), driven.new_empty(steps, 2, rows, size)
        outputs, bent = driven.new_empty(steps, rows, size), driven.new_empty(steps, rows, size)
        for t in range(steps):
            if going_on is not None:
                h, c = h * going_on[t], c * going_on[t]
            before[t, 0], before[t, 1] = h, c
            i, f, g, o = torch.addmm(driven[t], h, recurrent.T, out=gates[t]).chunk(4, dim=-1)
            gates[t, :, : 2 * size].sigmoid_()
            g.tanh_()
            o.sigmoid_()
            c = torch.addcmul(f * c, i, g)
            torch.tanh(c, out=bent[t])
            h = torch.mul(o, bent[t], out=outputs[t])
        ctx.save_for_backward(recurrent, gates, before, bent)
        ctx.going_on = going_on
        ctx.mark_non_differentiable(c)
        return outputs, c

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        """From d L / d h of every step to those of what drove the gates, and of the recurrent weights.

        With dh the whole of d L / d h_t: dc = dh o (1 - tanh(c)^2) + what came back from c_t+1;
        da = (dc g i (1 - i), dc c' f (1 - f), dc i (1 - g^2), dh tanh(c) o (1 - o));
        back go m da R to h_t-1 and m dc f to c_t-1.
        """
        recurrent, gates, before, bent = ctx.saved_tensors
        by_output, going_on, size = gradients[0], ctx.going_on, gates.shape[-1] // 4
        # how each gate follows what is before it: s (1 - s) for a sigmoid, 1 - s^2 for the tangent
        slopes = gates * (1.0 - gates)
        candidate = gates[..., 2 * size : 3 * size]
        slopes[..., 2 * size : 3 * size] = 1.0 - candidate.square()
        by_gates = torch.empty_like(gates)
        by_cell_of_h = gates[..., 3 * size :] * (1.0 - bent.square())
        dh, dc = torch.zeros_like(bent[0]), torch.zeros_like(bent[0])
        for t in range(len(gates) - 1, -1, -1):
            i, f, g, _ = gates[t].chunk(4, dim=-1)
            dh = dh + by_output[t]
            dc = torch.addcmul(dc, dh, by_cell_of_h[t])
            to_i, to_f, to_g, to_o = by_gates[t].chunk(4, dim=-1)
            torch.mul(dc, g, out=to_i)
            torch.mul(dc, before[t, 1], out=to_f)
            torch.mul(dc, i, out=to_g)
            torch.mul(dh, bent[t], out=to_o)
            by_gates[t] *= slopes[t]
            dh, dc = by_gates[t] @ recurrent, dc * f
            if going_on is not None:
                dh, dc = dh * going_on[t], dc * going_on[t]
        by_recurrent = by_gates.flatten(0, 1).T @ before[:, 0].flatten(0, 1)
        return by_gates, by_recurrent, None, None, None
