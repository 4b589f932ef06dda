"""Trajectories of every row, and the advantages of their steps.

Shapes: T steps, N rows, W places of an observation, P parameters of a distribution, D parts of an action.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from metta_sweep.envs.vec_env import Doubles, EnvSpec, Step
from metta_sweep.trainer.distributions import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectories:
    """What T steps of N rows left behind; the arrays are reused from update to update.

    Environments write their part through numpy, on the CPU; the outputs stay where the network is.
    """

    family: Family
    """What the policy's outputs mean."""
    observations: Tensor
    """(T + 1, N, W)"""
    starts: Tensor
    """(T + 1, N) an episode starts with this observation."""
    actions: Tensor
    """(T, N), or (T, N, D) where an action has parts."""
    outputs: Tensor
    """(T, N, P + 1) of the policy: the parameters of its distributions, and the value."""
    next_values: Tensor
    """(T, N) of what followed each step; of the cut episode's last observation where a time limit cut."""
    rewards: Tensor
    """(T, N)"""
    terminals: Tensor
    """(T, N)"""
    truncations: Tensor
    """(T, N)"""

    @classmethod
    def empty(cls, spec: EnvSpec, family: Family, steps: int, device: torch.device) -> Trajectories:
        """Return zeroed arrays."""
        shape = (steps, spec.rows)
        observations = np.zeros((steps + 1, spec.rows, spec.width), spec.dtype)
        return cls(
            observations=torch.from_numpy(observations),
            starts=torch.ones((steps + 1, spec.rows), dtype=torch.bool),
            actions=torch.zeros((*shape, *family.shape), dtype=family.dtype),
            outputs=torch.zeros((*shape, family.width + 1), device=device),
            family=family,
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
        return self.family.of(self.outputs[..., :-1]).log_probs(self.actions.to(self.outputs.device))

    def step(self, t: int) -> Step:
        """Return where an environment writes step t."""
        return Step(
            observations=self.observations[t + 1].numpy(),
            rewards=self.rewards[t].numpy(),
            terminals=self.terminals[t].numpy(),
            truncations=self.truncations[t].numpy(),
        )


def advantages(kept: Trajectories, *, gamma: float, gae_lambda: float) -> Tensor:
    """Generalized advantage estimation (Schulman et al., 2016, equations 11 and 16) as (T, N).

    delta_t = r_t + gamma V(s_t+1) - V(s_t), without the middle term at a terminal;
    A_t = delta_t + gamma lambda A_t+1, without the second term wherever an episode ends.
    """
    deltas = _errors(kept, kept.values.cpu().numpy(), kept.next_values.numpy(), gamma)
    return _summed(deltas, np.where(kept.starts[1:].numpy(), 0.0, gamma * gae_lambda))


def vtrace(
    kept: Trajectories,
    values: Tensor,
    ratios: Tensor,
    *,
    gamma: float,
    gae_lambda: float,
    rho_clip: float,
    c_clip: float,
) -> Tensor:
    """V-trace (Espeholt et al., 2018, equation 1, with the lambda of remark 2) as (T, N): v_t - V(s_t).

    A_t = rho_t delta_t + gamma c_t A_t+1, with rho_t = min(rho_clip, ratio) and c_t = lambda min(c_clip, ratio). It is
    the policy's advantage too, as in PufferLib 3; with ratios of 1 it is that of :func:`advantages`.

    Args:
        kept: What was played.
        values: (T, N) of the observations, by the policy as it is now. What follows the last step, and episodes that
            were cut, keeps the value that it had.
        ratios: (T, N) pi(a|s) now over what it was when the actions were drawn.
        gamma: Discount of a step.
        gae_lambda: Decay.
        rho_clip: Largest rho.
        c_clip: Largest c over lambda.
    """
    now, ratio = values.cpu().numpy(), ratios.cpu().numpy()
    following = kept.next_values.numpy().copy()
    following[:-1] = np.where(kept.truncations[:-1].numpy(), following[:-1], now[1:])
    deltas = np.minimum(rho_clip, ratio) * _errors(kept, now, following, gamma)
    carry = gamma * gae_lambda * np.minimum(c_clip, ratio)
    return _summed(deltas, np.where(kept.starts[1:].numpy(), 0.0, carry))


def _errors(kept: Trajectories, values: Doubles, following: Doubles, gamma: float) -> Doubles:
    """delta_t = r_t + gamma V(s_t+1) - V(s_t), without the middle term at a terminal."""
    errors: Doubles = kept.rewards.numpy() + gamma * np.where(kept.terminals.numpy(), 0.0, following) - values
    return errors


def _summed(deltas: Doubles, carry: Doubles) -> Tensor:
    """A_t = delta_t + carry_t A_t+1."""
    for t in range(len(deltas) - 2, -1, -1):
        deltas[t] += carry[t] * deltas[t + 1]
    return torch.from_numpy(deltas.astype(np.float32))
