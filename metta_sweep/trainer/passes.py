"""The ways through a policy: to its outputs while it plays or learns, and back to the gradient of its parameters.

:class:`ByTorch` goes through any policy. For small networks torch's own bookkeeping costs more than their products, so
that :class:`ByHand` goes through those of dense layers, with or without a memory, layer by layer as
:mod:`~metta_sweep.trainer.by_hand` has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from metta_sweep.trainer.by_hand import Layers, Shared
from metta_sweep.trainer.codes import CodeLayer
from metta_sweep.trainer.config import TrainerConfig
from metta_sweep.trainer.encoders import Dense
from metta_sweep.trainer.memory import State
from metta_sweep.trainer.native.kernel import Kernel
from metta_sweep.trainer.parameters import gradient_of
from metta_sweep.trainer.policy import Policy

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
        kernel: Sums codes and goes through a memory; without it torch does both.
    """
    needs_kernel = config.use_lstm or isinstance(policy.encoder, CodeLayer)
    dense = isinstance(policy.encoder, (Dense, CodeLayer)) and not (needs_kernel and kernel is None)
    by_torch = config.compile or config.precision != "float32"
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
    """Through dense layers and memories on the CPU, the first layer on numbers or codes."""

    def __init__(self, policy: Policy, kernel: Kernel | None) -> None:
        self._seen = policy.seen
        self._split = policy.split
        self._log_std = None if policy.heads.log_std is None else Shared.of(policy.heads.log_std)
        self._body = Layers(policy, policy.heads, kernel)
        self._judging = None if policy.critic is None else Layers(policy.critic, policy.critic.head, kernel)
        self._no_starts = torch.empty(0, 0, dtype=torch.bool)

    def step(self, observations: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the outputs and the next state, in memory of their own."""
        if self._no_starts.shape[1] != len(observations):
            self._no_starts = torch.zeros(1, len(observations), dtype=torch.bool)
        outputs = self._through(observations, self._no_starts, state).clone()
        return outputs, self._body.state() + (() if self._judging is None else self._judging.state())

    def outputs(self, batch: Batch) -> Tensor:
        """Return the outputs."""
        return self._through(batch.observations.flatten(0, 1), batch.starts, batch.memory)

    def _through(self, observations: Tensor, starts: Tensor, state: State) -> Tensor:
        if self._seen is not None:
            observations = self._seen(observations)
        mine, others = self._split(state)
        parts = [self._body.forward(observations, starts, mine)]
        if self._log_std is not None:
            count, sums = len(self._log_std.value), parts[0]
            parts = [sums[:, :count], self._log_std.value.expand(len(observations), -1), sums[:, count:]]
        if self._judging is not None:
            parts.append(self._judging.forward(observations, starts, others))
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    def backward(self, by_output: Tensor) -> None:
        """Write the gradient."""
        if self._judging is not None:
            by_output, by_value = by_output[:, :-1], by_output[:, -1:]
            self._judging.backward(by_value)
        self._body.backward(by_output if self._log_std is None else _past(self._log_std, by_output))


def _past(log_std: Shared, by_output: Tensor) -> Tensor:
    """Write the gradient of the deviations, and return the rest."""
    count = len(log_std.value)
    torch.sum(by_output[:, count : 2 * count], 0, out=log_std.gradient)
    return torch.cat((by_output[:, :count], by_output[:, 2 * count :]), -1)
