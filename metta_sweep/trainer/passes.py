"""The ways through a policy: to its outputs while it plays or learns, and back to the gradient of its parameters.

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

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from metta_sweep.trainer.codes import CodeLayer
from metta_sweep.trainer.config import TrainerConfig
from metta_sweep.trainer.encoders import Dense
from metta_sweep.trainer.memory import State
from metta_sweep.trainer.native.kernel import Kernel
from metta_sweep.trainer.parameters import gradient_of
from metta_sweep.trainer.policy import Policy, Torso

if TYPE_CHECKING:
    from metta_sweep.trainer.ppo import Batch


class Passes(Protocol):
    """All ways."""

    def step(self, observations: Tensor, state: State) -> tuple[Tensor, State]:
        """Do what :meth:`~metta_sweep.trainer.policy.Policy.step` does."""

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
        self.step = policy.step

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
        self._seen = policy.seen
        self._log_std = None if policy.heads.log_std is None else _Shared.of(policy.heads.log_std)
        self._body = _Layers(policy, policy.heads, kernel)
        self._judging = None if policy.critic is None else _Layers(policy.critic, policy.critic.head, kernel)

    def step(self, observations: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the outputs in memory of their own, and the state: there is none."""
        return self._through(observations).clone(), state

    def outputs(self, batch: Batch) -> Tensor:
        """Return the outputs."""
        return self._through(batch.observations.flatten(0, 1))

    def _through(self, observations: Tensor) -> Tensor:
        if self._seen is not None:
            observations = self._seen(observations)
        parts = [self._body.forward(observations)]
        if self._log_std is not None:
            count, sums = len(self._log_std.value), parts[0]
            parts = [sums[:, :count], self._log_std.value.expand(len(observations), -1), sums[:, count:]]
        if self._judging is not None:
            parts.append(self._judging.forward(observations))
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    def backward(self, by_output: Tensor) -> None:
        """Write the gradient."""
        if self._judging is not None:
            by_output, by_value = by_output[:, :-1], by_output[:, -1:]
            self._judging.backward(by_value)
        self._body.backward(by_output if self._log_std is None else _past(self._log_std, by_output))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """A parameter and its gradient, as tensors that torch does not follow."""

    value: Tensor
    gradient: Tensor

    @classmethod
    def of(cls, parameter: Tensor) -> _Shared:
        if parameter.grad is None:
            raise RuntimeError("the parameters have lost their gradient")
        return cls(value=parameter.detach(), gradient=parameter.grad)


def _past(log_std: _Shared, by_output: Tensor) -> Tensor:
    """Write the gradient of the deviations, and return the rest."""
    count = len(log_std.value)
    torch.sum(by_output[:, count : 2 * count], 0, out=log_std.gradient)
    return torch.cat((by_output[:, :count], by_output[:, 2 * count :]), -1)


class _Layers:
    """The layers of a torso and a head on them."""

    def __init__(self, torso: Torso, head: Dense, kernel: Kernel | None) -> None:
        layers = [torso.encoder, *torso.layers, head]
        self._weights = [_Shared.of(layer.weight) for layer in layers]
        self._biases = [_Shared.of(layer.bias) for layer in layers]
        self._tanh = torso.activation == "tanh"
        codes = torso.encoder if isinstance(torso.encoder, CodeLayer) else None
        self._codes = None if codes is None or kernel is None else (kernel, codes.offsets)
        self._seen = torch.empty(0)
        self._made: list[Tensor] = []
        self._back: list[Tensor] = []

    def forward(self, observations: Tensor) -> Tensor:
        """Return the head's sums, in memory that the next call uses again. observations: (n, W)."""
        self._make_room(len(observations))
        x = self._seen = observations
        last = len(self._made) - 1
        for k, (weight, bias, y) in enumerate(zip(self._weights, self._biases, self._made, strict=True)):
            if k == 0 and self._codes is not None:
                kernel, offsets = self._codes
                kernel.sum_codes(x, offsets, weight.value, bias.value, y)
            else:
                torch.addmm(bias.value, x, weight.value.T, out=y)
            if k < last:
                torch.tanh(y, out=y) if self._tanh else torch.relu_(y)
            x = y
        return x

    def backward(self, da: Tensor) -> None:
        """Write the gradients of all layers, given that with respect to the head's sums."""
        for k in range(len(self._made) - 1, 0, -1):
            torch.mm(da.T, self._made[k - 1], out=self._weights[k].gradient)
            torch.sum(da, 0, out=self._biases[k].gradient)
            da = torch.mm(da, self._weights[k].value, out=self._back[k - 1])
            self._unbend(da, self._made[k - 1])
        torch.sum(da, 0, out=self._biases[0].gradient)
        if self._codes is None:
            torch.mm(da.T, self._seen, out=self._weights[0].gradient)
        else:
            kernel, offsets = self._codes
            kernel.add_to_codes(da, self._seen, offsets, self._weights[0].gradient.zero_())

    def _make_room(self, count: int) -> None:
        """Have buffers for so many observations; minibatches are of one size, but for those of several processes."""
        if not self._made or len(self._made[0]) != count:
            self._made = [torch.empty(count, len(bias.value)) for bias in self._biases]
            self._back = [torch.empty_like(made) for made in self._made[:-1]]

    def _unbend(self, dy: Tensor, y: Tensor) -> None:
        """Make dy f'(a) of dy, by y: f' is 1 - y^2 for the tangent; for the rectifier 1 where y is above 0."""
        back = torch.ops.aten
        if self._tanh:
            back.tanh_backward.grad_input(dy, y, grad_input=dy)
        else:
            back.threshold_backward.grad_input(dy, y, 0, grad_input=dy)
