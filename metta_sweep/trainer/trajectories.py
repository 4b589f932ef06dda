"""Playing: trajectories of every row, and the advantages of their steps.

Shapes: T steps, N rows, W places of an observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metta_sweep.envs.vec_env import EnvSpec, Observations, Step, Truncated, VecEnv
from metta_sweep.trainer.policy import Policy, State, decide


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectories:
    """What T steps of N rows left behind; the arrays are reused from update to update.

    Tensors on the CPU; environments write into them through numpy.
    """

    observations: Tensor
    """(T + 1, N, W)"""
    starts: Tensor
    """(T + 1, N) an episode starts with this observation."""
    actions: Tensor
    """(T, N)"""
    log_probs: Tensor
    """(T, N) of the actions, when they were drawn."""
    values: Tensor
    """(T, N) of the observations, then."""
    next_values: Tensor
    """(T, N) of what followed each step; of the cut episode's last observation where a time limit cut."""
    rewards: Tensor
    """(T, N)"""
    terminals: Tensor
    """(T, N)"""
    truncations: Tensor
    """(T, N)"""

    @classmethod
    def empty(cls, spec: EnvSpec, steps: int) -> Trajectories:
        """Return zeroed arrays."""
        shape = (steps, spec.rows)
        observations = np.zeros((steps + 1, spec.rows, spec.width), spec.dtype)
        return cls(
            observations=torch.from_numpy(observations),
            starts=torch.ones((steps + 1, spec.rows), dtype=torch.bool),
            actions=torch.zeros(shape, dtype=torch.int64),
            terminals=torch.zeros(shape, dtype=torch.bool),
            truncations=torch.zeros(shape, dtype=torch.bool),
            **{name: torch.zeros(shape) for name in ("log_probs", "values", "next_values", "rewards")},
        )

    def step(self, t: int) -> Step:
        """Return where an environment writes step t."""
        return Step(
            observations=self.observations[t + 1].numpy(),
            rewards=self.rewards[t].numpy(),
            terminals=self.terminals[t].numpy(),
            truncations=self.truncations[t].numpy(),
        )


class Player:
    """Plays an environment with a policy; owns where every row stands."""

    def __init__(self, env: VecEnv, policy: Policy, *, steps: int, device: torch.device) -> None:
        self.env, self._policy, self._device = env, policy, device
        self.trajectories = Trajectories.empty(env.spec, steps)
        self._steps = [self.trajectories.step(t) for t in range(steps)]
        self.memory: State = policy.initial_state(env.spec.rows)

    @property
    def first_observations(self) -> Observations:
        """Where a fresh or restored environment writes its observations: (N, W)."""
        view: Observations = self.trajectories.observations[-1].numpy()
        return view

    def collect(self, generator: torch.Generator) -> Trajectories:
        """Play on for T steps."""
        kept = self.trajectories
        kept.observations[0] = kept.observations[-1]
        kept.starts[0] = kept.starts[-1]
        for t, out in enumerate(self._steps):
            decision = decide(self._policy, self._on_device(kept.observations[t]), self.memory, generator)
            actions = decision.actions.cpu()
            kept.actions[t], kept.log_probs[t], kept.values[t] = actions, decision.log_probs, decision.values
            if t:
                self._follow(t - 1, decision.values)
            truncated = self.env.step(actions.numpy(), out)
            self._bootstrap(t, truncated, decision.state)
            torch.logical_or(kept.terminals[t], kept.truncations[t], out=kept.starts[t + 1])
            self.memory = forget(decision.state, kept.starts[t + 1])
        with torch.no_grad():
            _, values, _ = self._policy.step(self._on_device(kept.observations[-1]), self.memory)
        self._follow(len(self._steps) - 1, values.float())
        return kept

    def _on_device(self, observations: Tensor) -> Tensor:
        return observations.to(self._device, non_blocking=True)

    def _follow(self, t: int, values: Tensor) -> None:
        """Note the value of what followed step t, but for cut episodes, which know theirs."""
        following = self.trajectories.next_values[t]
        torch.where(self.trajectories.truncations[t], following, values.cpu(), out=following)

    @torch.no_grad()
    def _bootstrap(self, t: int, truncated: Truncated | None, state: State) -> None:
        """Note the values of the last observations of episodes that a time limit cut at step t."""
        if truncated is None:
            return
        rows = torch.from_numpy(truncated.rows)
        memory = tuple(part[rows.to(part.device)] for part in state)
        last = self._on_device(torch.from_numpy(truncated.observations))
        _, values, _ = self._policy.step(last, memory)
        self.trajectories.next_values[t, rows] = values.float().cpu()


def forget(state: State, starts: Tensor) -> State:
    """Return the memory with the rows that start an episode at zero."""
    return tuple(part.masked_fill(starts.to(part.device).unsqueeze(-1), 0.0) for part in state)


def advantages(kept: Trajectories, *, gamma: float, gae_lambda: float) -> Tensor:
    """Generalized advantage estimation (Schulman et al., 2016, equations 11 and 16) as (T, N).

    delta_t = r_t + gamma V(s_t+1) - V(s_t), without the middle term at a terminal;
    A_t = delta_t + gamma lambda A_t+1, without the second term wherever an episode ends.
    """
    following = np.where(kept.terminals.numpy(), 0.0, kept.next_values.numpy())
    result: np.ndarray[Any, Any] = kept.rewards.numpy() + gamma * following - kept.values.numpy()
    carry = np.where(kept.starts[1:].numpy(), 0.0, gamma * gae_lambda)
    for t in range(len(result) - 2, -1, -1):
        result[t] += carry[t] * result[t + 1]
    return torch.from_numpy(result.astype(np.float32))
