"""Layers whose way back is written down: nothing is recorded, and every result lies in memory that is kept.

A layer's parameters and their gradients are parts of two vectors; its way back writes the latter. What a layer returns
is used again by its next call.

========  =================================================================
symbol    meaning
========  =================================================================
n         observations; H * N of them where there is a memory
x, a, y   what goes into a layer, its sum, and what comes out
dy, dx    gradients with respect to these
========  =================================================================

y = f(a) with a = x W^T + b; back: da = dy f'(a), dW = da^T x, db = the sum of da, dx = da W. A memory is in the
notation of :mod:`~metta_sweep.trainer.memory`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from metta_sweep.trainer.codes import CodeLayer
from metta_sweep.trainer.encoders import Dense
from metta_sweep.trainer.memory import Memory, State
from metta_sweep.trainer.native.kernel import Kernel
from metta_sweep.trainer.policy import Torso


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A parameter and its gradient, as tensors that torch does not follow."""

    value: Tensor
    gradient: Tensor

    @classmethod
    def of(cls, parameter: Tensor | nn.Module) -> Shared:
        """Return both.

        Args:
            parameter: What a module has under a parameter's name.

        Raises:
            RuntimeError: It is no parameter, or has no gradient to write to.
        """
        if not isinstance(parameter, Tensor) or parameter.grad is None:
            raise RuntimeError("need a parameter that has a gradient")
        return cls(value=parameter.detach(), gradient=parameter.grad)


class Bend:
    """What follows a layer: f, in place.

    Args:
        activation: Its name.
        kernel: Has a faster tangent, if there is one.
    """

    def __init__(self, activation: str, kernel: Kernel | None) -> None:
        self._tanh, self._kernel = activation == "tanh", kernel

    def forward(self, a: Tensor) -> None:
        """Make f(a) of a."""
        if not self._tanh:
            torch.relu_(a)
        elif self._kernel is None:
            torch.tanh(a, out=a)
        else:
            self._kernel.tanh(a)

    def backward(self, dy: Tensor, y: Tensor) -> None:
        """Make dy f'(a) of dy, by y: f' is 1 - y^2 for the tangent; for the rectifier 1 where y is above 0."""
        back = torch.ops.aten
        if self._tanh:
            back.tanh_backward.grad_input(dy, y, grad_input=dy)
        else:
            back.threshold_backward.grad_input(dy, y, 0, grad_input=dy)


class Product:
    """A dense layer.

    Args:
        layer: Has its weight and its bias.
        bend: What follows it, if anything does.
    """

    def __init__(self, layer: nn.Module, bend: Bend | None) -> None:
        self._weight, self._bias, self._bend = Shared.of(layer.weight), Shared.of(layer.bias), bend
        self._x = self._y = self._dx = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        """Return y: (n, outputs). x: (n, inputs)."""
        if self._y.shape != (len(x), len(self._bias.value)):
            self._y, self._dx = x.new_empty(len(x), len(self._bias.value)), torch.empty_like(x)
        self._x = x
        torch.addmm(self._bias.value, x, self._weight.value.T, out=self._y)
        if self._bend is not None:
            self._bend.forward(self._y)
        return self._y

    def backward(self, dy: Tensor) -> Tensor:
        """Write the gradients; return dx. dy is used up."""
        self.end(dy)
        return torch.mm(dy, self._weight.value, out=self._dx)

    def end(self, dy: Tensor) -> None:
        """Write the gradients of a layer with none before it."""
        if self._bend is not None:
            self._bend.backward(dy, self._y)
        torch.mm(dy.T, self._x, out=self._weight.gradient)
        torch.sum(dy, 0, out=self._bias.gradient)


class Codes:
    """The layer on observations of codes."""

    def __init__(self, layer: CodeLayer, bend: Bend | None, kernel: Kernel) -> None:
        self._weight, self._bias, self._bend = Shared.of(layer.weight), Shared.of(layer.bias), bend
        self._offsets, self._kernel = layer.offsets, kernel
        self._x = self._y = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        """Return y: (n, outputs). x: (n, places) uint8."""
        if self._y.shape != (len(x), len(self._bias.value)):
            self._y = self._bias.value.new_empty(len(x), len(self._bias.value))
        self._x = x
        self._kernel.sum_codes(x, self._offsets, self._weight.value, self._bias.value, self._y)
        if self._bend is not None:
            self._bend.forward(self._y)
        return self._y

    def end(self, dy: Tensor) -> None:
        """Write the gradients. dy is used up."""
        if self._bend is not None:
            self._bend.backward(dy, self._y)
        torch.sum(dy, 0, out=self._bias.gradient)
        self._kernel.add_to_codes(dy, self._x, self._offsets, self._weight.gradient.zero_())


class Recurrence:
    """A memory: a product for what drives the gates of all steps, then step by step."""

    def __init__(self, memory: Memory, kernel: Kernel) -> None:
        self.size, self._kernel = memory.size, kernel
        self._drive, self._recurrent = Product(memory.inputs, None), Shared.of(memory.recurrent)
        self._starts = torch.empty(0, 0, dtype=torch.bool)
        self._gates = self._h = self._c = self._bent = self._y = torch.empty(0, 0, 0)
        self._by_gates = self._dh = self._dc = self._last_c = torch.empty(0)

    def forward(self, x: Tensor, starts: Tensor, state: State) -> Tensor:
        """Return y: (H * N, size).

        Args:
            x: (H * N, inputs), step by step.
            starts: (H, N) where an episode starts, and the state with it.
            state: Before the first step: (N, size) each.
        """
        self._gates = self._drive.forward(x).view(*starts.shape, len(self._recurrent.value))
        self._starts = starts.contiguous()
        self._make_room(*starts.shape)
        going_on = (~starts).unsqueeze(-1).to(x.dtype)
        h, c = state
        for t, gates in enumerate(self._gates):
            torch.mul(h, going_on[t], out=self._h[t])
            torch.mul(c, going_on[t], out=self._c[t])
            gates.addmm_(self._h[t], self._recurrent.value.T)
            h, c = self._y[t], self._last_c
            self._kernel.remember(gates, self._c[t], c, self._bent[t], h)
        return self._y.view(-1, self.size)

    @property
    def state(self) -> State:
        """After the last step, in memory of its own."""
        return self._y[-1].clone(), self._last_c.clone()

    def backward(self, dy: Tensor) -> Tensor:
        """Write the gradients; return dx. Nothing goes back beyond the first step. dy: (H * N, size)."""
        self._dh.zero_()
        self._dc.zero_()
        by_outputs, starts = dy.view_as(self._y), torch.zeros_like(self._starts[0])
        for t in range(len(self._y) - 1, -1, -1):
            kept = self._gates[t], self._c[t], self._bent[t]
            self._kernel.recall(*kept, by_outputs[t], self._dh, starts, self._dc, self._by_gates[t])
            torch.mm(self._by_gates[t], self._recurrent.value, out=self._dh)
            starts = self._starts[t]
        by_gates = self._by_gates.flatten(0, 1)
        torch.mm(by_gates.T, self._h.flatten(0, 1), out=self._recurrent.gradient)
        return self._drive.backward(by_gates)

    def _make_room(self, steps: int, rows: int) -> None:
        shape = steps, rows, self.size
        if self._y.shape != shape:
            self._h, self._c, self._bent, self._y = (torch.empty(shape) for _ in range(4))
            self._by_gates = torch.empty_like(self._gates)
            self._dh, self._dc, self._last_c = (torch.empty(rows, self.size) for _ in range(3))


class Layers:
    """The layers of a torso and a head on them.

    Args:
        torso: Of dense layers, the first of them on numbers or codes, and a memory if there is one.
        head: The last one.
        kernel: Sums codes and goes through a memory; without it there are none.
    """

    def __init__(self, torso: Torso, head: Dense, kernel: Kernel | None) -> None:
        bend = Bend(torso.activation, kernel)
        self._first: Codes | Product
        if isinstance(torso.encoder, CodeLayer) and kernel is not None:
            self._first = Codes(torso.encoder, bend, kernel)
        else:
            self._first = Product(torso.encoder, bend)
        self._others = [Product(layer, bend) for layer in torso.layers]
        self.memory = None if torso.memory is None or kernel is None else Recurrence(torso.memory, kernel)
        """What remembers, if anything does."""
        self._head = Product(head, None)

    def forward(self, observations: Tensor, starts: Tensor, state: State) -> Tensor:
        """Return the head's sums, in memory that the next call uses again.

        Args:
            observations: (H * N, W), step by step.
            starts: (H, N) whether an episode starts with an observation.
            state: Memory before the first step.
        """
        x = self._first.forward(observations)
        for layer in self._others:
            x = layer.forward(x)
        if self.memory is not None:
            x = self.memory.forward(x, starts, state)
        return self._head.forward(x)

    def backward(self, dy: Tensor) -> None:
        """Write the gradients of all layers, given that with respect to the head's sums."""
        dy = self._head.backward(dy)
        if self.memory is not None:
            dy = self.memory.backward(dy)
        for layer in reversed(self._others):
            dy = layer.backward(dy)
        self._first.end(dy)

    def state(self) -> State:
        """Return what is remembered after the last step."""
        return () if self.memory is None else self.memory.state
