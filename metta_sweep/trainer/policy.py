"""The network: observations to a distribution over actions and a value.

A policy is stepped while trajectories are collected and unrolled over whole segments while it learns. ``State`` is
what it carries from step to step: nothing for the feed-forward torso.

Shapes: H steps of a segment, N segments (or rows), W places of an observation, A actions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from metta_sweep.envs.vec_env import EnvSpec
from metta_sweep.trainer.codes import CodeLayer
from metta_sweep.trainer.config import TrainingConfig

State: TypeAlias = tuple[Tensor, ...]
"""Each (N, features); empty for a policy without memory."""

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}


class Dense(nn.Module):
    """Linear layer with orthogonal weights of a given gain (Saxe et al., 2014) and no bias at the start."""

    def __init__(self, inputs: int, outputs: int, gain: float, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(outputs, inputs), gain, generator=generator))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., outputs)."""
        return functional.linear(x, self.weight, self.bias)


class Policy(nn.Module):
    """Torso, policy head and value head."""

    def __init__(self, config: TrainingConfig, spec: EnvSpec, generator: torch.Generator) -> None:
        super().__init__()
        size, gain = config.agent.hidden_size, math.sqrt(2.0)
        self._activation = _ACTIVATIONS[config.agent.activation]
        self.encoder = (
            Dense(spec.width, size, gain, generator)
            if spec.code_sizes is None
            else CodeLayer(spec.code_sizes, size, generator)
        )
        self.layers = nn.ModuleList(Dense(size, size, gain, generator) for _ in range(config.agent.num_layers - 1))
        self.actor = Dense(size, spec.num_actions, 0.01, generator)
        self.critic = Dense(size, 1, 1.0, generator)

    def initial_state(self, rows: int) -> State:
        """Return the memory of agents at the start of an episode."""
        del rows
        return ()

    def step(self, observations: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Return logits (N, A), values (N,) and the next state. observations: (N, W)."""
        features = self._features(observations)
        return self.actor(features), self.critic(features).squeeze(-1), state

    def unroll(self, observations: Tensor, starts: Tensor, state: State) -> tuple[Tensor, Tensor]:
        """Return logits (H * N, A) and values (H * N,) of segments, step by step.

        Args:
            observations: (H, N, W).
            starts: (H, N) whether an episode starts with this observation.
            state: Memory before the first step.
        """
        del starts
        logits, values, _ = self.step(observations.flatten(0, 1), state)
        return logits, values

    def _features(self, observations: Tensor) -> Tensor:
        features = self._activation(self.encoder(observations))
        for layer in self.layers:
            features = self._activation(layer(features))
        return features


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a policy does in one step."""

    actions: Tensor
    """(N,) int64"""
    log_probs: Tensor
    """(N,) log probability of each action."""
    values: Tensor
    """(N,)"""
    state: State
    """The memory for the next step."""


@torch.no_grad()
def decide(
    policy: Policy, observations: Tensor, state: State, generator: torch.Generator, *, deterministic: bool = False
) -> Decision:
    """Draw actions, or take the likeliest; observations: (N, W).

    The draw is a race of exponential clocks with the probabilities as rates: argmax of p / Exp(1).
    """
    logits, values, state = policy.step(observations, state)
    log_probs = torch.log_softmax(logits.float(), dim=-1)
    if deterministic:
        actions = log_probs.argmax(-1)
    else:
        clocks = torch.empty_like(log_probs).exponential_(generator=generator)
        actions = (log_probs - clocks.log_()).argmax(-1)
    chosen = log_probs.gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    return Decision(actions=actions, log_probs=chosen, values=values.float(), state=state)
