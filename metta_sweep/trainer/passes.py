"""The two ways through a policy while it learns: to its outputs, and back to the gradient of its parameters.

:class:`ByTorch` goes through any policy. For small networks torch's own bookkeeping costs more than their products, so
that for those of dense layers alone back-propagation is written down in :class:`ByHand`: nothing is recorded, a layer
is a product into a buffer that is kept, and its way back is two products into the gradient's own memory.

========  =================================================================
symbol    meaning
========  =================================================================
n         steps of a minibatch
x, a, y   what goes into a layer, its sum, and what comes out
dy, dx    gradients with respect to these
========  =================================================================

y = f(a) with a = x W^T + b; back: da = dy f'(a), dW = da^T x, db = the sum of da, dx = da W.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from metta_sweep.trainer.codes import CodeLayer
from metta_sweep.trainer.config import TrainerConfig
from metta_sweep.trainer.encoders import Dense
from metta_sweep.trainer.native.kernel import Kernel
from metta_sweep.trainer.parameters import gradient_of
from metta_sweep.trainer.policy import Heads, Policy, Torso

if TYPE_CHECKING:
    from metta_sweep.trainer.ppo import Batch


class Passes(Protocol):
    """Both ways."""

    def outputs(self, batch: Batch) -> Tensor:
        """Return the outputs (n, P + 1), step by step of the segments."""

    def backward(self, by_output: Tensor) -> None:
        """Write the gradient of all parameters, given that with respect to the last outputs: (n, P + 1)."""


def passes_of(policy: Policy, parameters: nn.Parameter, config: TrainerConfig, kernel: Kernel | None) -> Passes:
    """Return the faster ways that a policy can go.

    Args:
        policy: Its parameters and their gradients are parts of the vector.
        parameters: All of them.
        config: Whether there is a memory, a compiler, or another precision.
        kernel: Sums codes; without it those are summed by torch.
    """
    dense = isinstance(policy.encoder, Dense) or (isinstance(policy.encoder, CodeLayer) and kernel is not None)
    by_torch = config.use_lstm or config.compile or config.precision != "float32"
    if dense and not by_torch and parameters.device.type == "cpu":
        return ByHand(policy, kernel)
    return ByTorch(policy, parameters)


class ByTorch:
    """Through torch."""

    def __init__(self, policy: Policy, parameters: nn.Parameter) -> None:
        self._policy, self._parameters = policy, parameters
        self._outputs = torch.empty(0)

    def outputs(self, batch: Batch) -> Tensor:
        """Return the outputs."""
        self._outputs = self._policy.unroll(batch.observations, batch.starts, batch.memory)
        return self._outputs.detach().float()

    def backward(self, by_output: Tensor) -> None:
        """Write the gradient."""
        gradient_of(self._parameters).zero_()
        self._outputs.backward(by_output.to(self._outputs.dtype))  # type: ignore[no-untyped-call]  # torch


class ByHand:
    """Through dense layers on the CPU, the first of them on numbers or codes."""

    def __init__(self, policy: Policy, kernel: Kernel | None) -> None:
        self._seen, self._heads, self._critic = policy.seen, policy.heads, policy.critic
        self._body = _Layers(policy, kernel)
        self._judging = None if policy.critic is None else _Layers(policy.critic, kernel)

    @torch.no_grad()
    def outputs(self, batch: Batch) -> Tensor:
        """Return the outputs."""
        observations = batch.observations.flatten(0, 1)
        if self._seen is not None:
            observations = self._seen(observations)
        outputs: Tensor = self._heads(self._body.forward(observations))
        if self._critic is None or self._judging is None:
            return outputs
        return torch.cat((outputs, self._critic.head(self._judging.forward(observations))), -1)

    @torch.no_grad()
    def backward(self, by_output: Tensor) -> None:
        """Write the gradient."""
        if self._critic is not None and self._judging is not None:
            by_output, by_value = by_output[:, :-1], by_output[:, -1:]
            self._judging.backward(self._critic.head, by_value)
        self._body.backward(self._heads, _by_sums(self._heads, by_output))


def _by_sums(heads: Heads, by_output: Tensor) -> Tensor:
    """Return the gradient with respect to what the heads' product makes; deviations are parameters of their own."""
    if heads.log_std is None:
        return by_output
    parts = len(heads.log_std)
    torch.sum(by_output[:, parts : 2 * parts], 0, out=heads.log_std.grad)
    return torch.cat((by_output[:, :parts], by_output[:, 2 * parts :]), -1)


class _Layers:
    """The layers of a torso."""

    def __init__(self, torso: Torso, kernel: Kernel | None) -> None:
        self._layers = [torso.encoder, *torso.layers]
        self._tanh, self._kernel = torso.activation == "tanh", kernel
        self._seen = torch.empty(0)
        self._made: list[Tensor] = []
        self._back: list[Tensor] = []

    def forward(self, observations: Tensor) -> Tensor:
        """Return the features (n, F), in memory that the next call uses again."""
        self._make_room(len(observations))
        x = self._seen = observations
        for layer, y in zip(self._layers, self._made, strict=True):
            if isinstance(layer, CodeLayer) and self._kernel is not None:
                self._kernel.sum_codes(x, layer.offsets, layer.weight, layer.bias, y)
            else:
                torch.addmm(layer.bias, x, layer.weight.T, out=y)
            x = torch.tanh(y, out=y) if self._tanh else torch.relu_(y)
        return x

    def backward(self, head: Dense, by_sums: Tensor) -> None:
        """Write the gradients of the layers and of a head on them, given that with respect to the head's sums."""
        _write(head, self._made[-1], by_sums)
        dy = torch.mm(by_sums, head.weight, out=self._back[-1])
        for k in range(len(self._layers) - 1, -1, -1):
            layer, da = self._layers[k], self._unbend(dy, self._made[k])
            if k:
                _write(layer, self._made[k - 1], da)
                dy = torch.mm(da, layer.weight, out=self._back[k - 1])
            elif isinstance(layer, CodeLayer) and self._kernel is not None:
                torch.sum(da, 0, out=layer.bias.grad)
                self._kernel.add_to_codes(da, self._seen, layer.offsets, _gradient(layer.weight).zero_())
            else:
                _write(layer, self._seen, da)

    def _make_room(self, count: int) -> None:
        """Have buffers for so many observations; minibatches are of one size, but for those of several processes."""
        if not self._made or len(self._made[0]) != count:
            self._made = [torch.empty(count, layer.bias.numel()) for layer in self._layers]
            self._back = [torch.empty_like(made) for made in self._made]

    def _unbend(self, dy: Tensor, y: Tensor) -> Tensor:
        """Return dy f'(a), in place, by y: f' is 1 - y^2 for the tangent; for the rectifier 1 where y is above 0."""
        back = torch.ops.aten
        if self._tanh:
            back.tanh_backward.grad_input(dy, y, grad_input=dy)
        else:
            back.threshold_backward.grad_input(dy, y, 0, grad_input=dy)
        return dy


def _write(layer: nn.Module, x: Tensor, da: Tensor) -> None:
    """Write the gradients of a dense layer."""
    torch.mm(da.T, x, out=_gradient(layer.weight))
    torch.sum(da, 0, out=_gradient(layer.bias))


def _gradient(part: Tensor | nn.Module) -> Tensor:
    if not isinstance(part, Tensor) or part.grad is None:
        raise RuntimeError("a parameter has lost its gradient")
    return part.grad
