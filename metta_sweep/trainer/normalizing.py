"""Running statistics that bring observations and rewards to a scale that networks learn at.

Statistics change between updates only: a batch is played and learned from with the same ones. Several processes of a
run add theirs up, so that all of them hold the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metta_sweep.trainer.team import Team
from metta_sweep.trainer.trajectories import Trajectories

FARTHEST = 10.0
"""Deviations beyond which a normalized number is cut off."""
LEAST_DEVIATION = 1e-4
"""Of a number that is seen: one that hardly changes is not blown up."""


class Moments(nn.Module):
    """Count, mean and squared deviations of all that was seen, in 64 bits (Chan et al., 1983, equations 2.1)."""

    count: Tensor
    mean: Tensor
    squares: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(width, dtype=torch.float64))

    @torch.no_grad()
    def add(self, values: Tensor, team: Team) -> None:
        """Count in what each process of a team saw. values: (n, width), the same n everywhere."""
        values = values.to(self.mean.device, torch.float64)
        count = len(values) * team.size
        mean = team.add(values.sum(0)) / count
        squares = team.add((values - mean).square_().sum(0))
        total = self.count + count
        apart = mean - self.mean
        self.squares += squares + apart.square() * self.count * count / total
        self.mean += apart * count / total
        self.count.copy_(total)

    @property
    def deviation(self) -> Tensor:
        """(width,) standard deviation, once something was seen."""
        return (self.squares / self.count).sqrt()


class SeenSoFar(Moments):
    """Observations of numbers to mean 0 and deviation 1."""

    shift: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.register_buffer("shift", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def add(self, values: Tensor, team: Team) -> None:
        """Count in observations (n, W)."""
        super().add(values, team)
        self.shift.copy_(self.mean)
        self.scale.copy_(1.0 / self.deviation.clamp(min=LEAST_DEVIATION))

    def forward(self, observations: Tensor) -> Tensor:
        """Return (..., W)."""
        return ((observations - self.shift) * self.scale).clamp_(-FARTHEST, FARTHEST)


class RewardScale:
    """Rewards over the deviation of discounted returns (Engstrom et al., 2020, section 3).

    Returns then are about 1, whatever a game pays: the value loss does not drown the policy's.

    Args:
        rows: N.
        gamma: Discount of a step.
    """

    def __init__(self, rows: int, gamma: float) -> None:
        self._gamma = gamma
        self.moments = Moments(1)
        self.returns = torch.zeros(rows, dtype=torch.float64)
        """(N,) discounted sums of the rewards of the episodes being played."""

    def rescale(self, kept: Trajectories, team: Team) -> None:
        """Count in the rewards of trajectories and divide them, in place."""
        returns = torch.empty(kept.rewards.shape, dtype=torch.float64)
        for t, rewards in enumerate(kept.rewards):
            self.returns.mul_(self._gamma).add_(rewards)
            returns[t] = self.returns
            self.returns.masked_fill_(kept.starts[t + 1], 0.0)
        self.moments.add(returns.reshape(-1, 1), team)
        deviation = self.moments.deviation
        kept.rewards.div_(deviation.where(deviation > 0, 1.0).float()).clamp_(-FARTHEST, FARTHEST)
