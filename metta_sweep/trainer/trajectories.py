"""Playing: trajectories of every row, and the advantages of their steps.

Shapes: T steps, N rows, W places of an observation, A actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metta_sweep.envs.vec_env import EnvSpec, Observations, Step, VecEnv
from metta_sweep.trainer.policy import Policy, State, choose, draw_clocks, forget
from metta_sweep.trainer.team import Team


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectories:
    """What T steps of N rows left behind; the arrays are reused from update to update.

    Environments write their part through numpy, on the CPU; the outputs stay where the network is.
    """

    observations: Tensor
    """(T + 1, N, W)"""
    starts: Tensor
    """(T + 1, N) an episode starts with this observation."""
    actions: Tensor
    """(T, N)"""
    outputs: Tensor
    """(T, N, A + 1) of the policy, logits and value."""
    next_values: Tensor
    """(T, N) of what followed each step; of the cut episode's last observation where a time limit cut."""
    rewards: Tensor
    """(T, N)"""
    terminals: Tensor
    """(T, N)"""
    truncations: Tensor
    """(T, N)"""

    @classmethod
    def empty(cls, spec: EnvSpec, steps: int, device: torch.device) -> Trajectories:
        """Return zeroed arrays."""
        shape = (steps, spec.rows)
        observations = np.zeros((steps + 1, spec.rows, spec.width), spec.dtype)
        return cls(
            observations=torch.from_numpy(observations),
            starts=torch.ones((steps + 1, spec.rows), dtype=torch.bool),
            actions=torch.zeros(shape, dtype=torch.int64),
            outputs=torch.zeros((*shape, spec.num_actions + 1), device=device),
            next_values=torch.zeros(shape),
            rewards=torch.zeros(shape),
            terminals=torch.zeros(shape, dtype=torch.bool),
            truncations=torch.zeros(shape, dtype=torch.bool),
        )

    @property
    def values(self) -> Tensor:
        """(T, N) values of the observations, as the policy saw them then."""
        return self.outputs[..., -1]

    def log_probs(self) -> Tensor:
        """Return (T, N) log probabilities of the actions, when they were drawn."""
        every = torch.log_softmax(self.outputs[..., :-1], dim=-1)
        return every.gather(-1, self.actions.to(every.device).unsqueeze(-1)).squeeze(-1)

    def step(self, t: int) -> Step:
        """Return where an environment writes step t."""
        return Step(
            observations=self.observations[t + 1].numpy(),
            rewards=self.rewards[t].numpy(),
            terminals=self.terminals[t].numpy(),
            truncations=self.truncations[t].numpy(),
        )


_ALONE = Team()


class Player:
    """Plays an environment with a policy; owns where every row stands.

    Args:
        env: Its first observations are written by whoever resets it, into :attr:`first_observations`.
        policy: Decides.
        steps: T.
        device: Where the policy computes.
        team: Who plays the other rows.
    """

    def __init__(self, env: VecEnv, policy: Policy, *, steps: int, device: torch.device, team: Team = _ALONE) -> None:
        self.env, self._policy, self._device, self._team = env, policy, device, team
        self.trajectories = Trajectories.empty(env.spec, steps, device)
        self._steps = [self.trajectories.step(t) for t in range(steps)]
        self.memory: State = policy.initial_state(env.spec.rows)
        self.memories: list[State] = []
        """Memory before each of the T steps of the last trajectories."""

    @property
    def first_observations(self) -> Observations:
        """Where a fresh or restored environment writes its observations: (N, W)."""
        view: Observations = self.trajectories.observations[-1].numpy()
        return view

    @torch.no_grad()
    def collect(self, generator: torch.Generator) -> Trajectories:
        """Play on for T steps."""
        kept, spec = self.trajectories, self.env.spec
        kept.observations[0], kept.starts[0] = kept.observations[-1], kept.starts[-1]
        everywhere = spec.rows * self._team.size
        held = self._team.share(everywhere)
        clocks = draw_clocks(len(self._steps), everywhere, spec.num_actions, generator)[:, held.start : held.stop]
        cuts = []
        self.memories.clear()
        for t, out in enumerate(self._steps):
            self.memories.append(self.memory)
            outputs, state = self._policy.step(self._on_device(kept.observations[t]), self.memory)
            actions = choose(outputs, clocks[t]).cpu()
            kept.outputs[t], kept.actions[t] = outputs, actions
            truncated = self.env.step(actions.numpy(), out)
            if truncated is not None:
                rows = torch.from_numpy(truncated.rows)
                cuts.append((t, rows, self._values(torch.from_numpy(truncated.observations), _of(state, rows))))
            torch.logical_or(kept.terminals[t], kept.truncations[t], out=kept.starts[t + 1])
            self.memory = forget(state, kept.starts[t + 1])
        kept.next_values[:-1] = kept.values[1:]
        kept.next_values[-1] = self._values(kept.observations[-1], self.memory)
        for t, rows, values in cuts:
            kept.next_values[t, rows] = values
        return kept

    def _values(self, observations: Tensor, state: State) -> Tensor:
        return self._policy.step(self._on_device(observations), state)[0][:, -1].float().cpu()

    def _on_device(self, observations: Tensor) -> Tensor:
        return observations.to(self._device, non_blocking=True)


def _of(state: State, rows: Tensor) -> State:
    return tuple(part[rows.to(part.device)] for part in state)


def advantages(kept: Trajectories, *, gamma: float, gae_lambda: float) -> Tensor:
    """Generalized advantage estimation (Schulman et al., 2016, equations 11 and 16) as (T, N).

    delta_t = r_t + gamma V(s_t+1) - V(s_t), without the middle term at a terminal;
    A_t = delta_t + gamma lambda A_t+1, without the second term wherever an episode ends.
    """
    following = np.where(kept.terminals.numpy(), 0.0, kept.next_values.numpy())
    result: np.ndarray[Any, Any] = kept.rewards.numpy() + gamma * following - kept.values.cpu().numpy()
    carry = np.where(kept.starts[1:].numpy(), 0.0, gamma * gae_lambda)
    for t in range(len(result) - 2, -1, -1):
        result[t] += carry[t] * result[t + 1]
    return torch.from_numpy(result.astype(np.float32))
