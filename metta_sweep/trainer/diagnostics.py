"""How the learning goes, for a person: what an update left behind, and what training episodes gave.

Measured after an update, with one more look at its batch; nothing of it takes part in learning. As that look costs
time, only :data:`LINES` updates of a run are measured, and those that are followed by an evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from metta_sweep.envs.vec_env import Episodes
from metta_sweep.trainer import losses
from metta_sweep.trainer.config import TrainerConfig
from metta_sweep.trainer.intervals import Interval
from metta_sweep.trainer.policy import Policy
from metta_sweep.trainer.ppo import Batch
from metta_sweep.trainer.team import Team

LINES = 50
"""About how many updates of a run are measured."""


def measured(update: int, num_updates: int) -> bool:
    """Say whether an update is one of those that are measured."""
    every = max(1, num_updates // LINES)
    return Interval(every=every, batch_size=1, num_updates=num_updates).due(update)


@torch.no_grad()
def diagnose(policy: Policy, batch: Batch, config: TrainerConfig, team: Team) -> dict[str, float]:
    """Return what a policy that has learned from a batch makes of it.

    ``policy_loss`` and ``value_loss`` are those of equation 9 of Schulman et al. (2017), unweighted; ``kl`` (nats) and
    ``clip_fraction`` say how far the policy moved; ``entropy`` (nats) how much it leaves to chance, and
    ``entropy_share`` the same as a share of the most that there can be (of numbers there is no most, and no share);
    ``explained_variance`` is that of the returns by the values that were expected when the batch was played.
    """
    count = batch.values.numel() * team.size
    gains = losses.normalized(batch.advantages.flatten().clone(), count, team)
    if not config.normalize_advantage:
        gains = batch.advantages.flatten()
    segments, size = batch.values.shape[1], max(1, config.minibatch_size // len(batch.values))
    total = torch.zeros(5, dtype=torch.float64)
    for first in range(0, segments, size):
        part = torch.arange(first, min(first + size, segments), device=batch.actions.device)
        total += _sums(policy, batch.shuffled(part), _of(gains, batch, part), config)
    policy_loss, value_loss, entropy, kl, clipped = (team.add(total) / count).tolist()
    found = {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy, "kl": kl}
    found["clip_fraction"] = clipped
    if policy.family.most_entropy is not None:
        found["entropy_share"] = entropy / policy.family.most_entropy
    explained = _explained_variance(batch, count, team)
    return found if explained is None else found | {"explained_variance": explained}


def _of(gains: Tensor, batch: Batch, segments: Tensor) -> Tensor:
    return gains.view_as(batch.values).index_select(1, segments).flatten()


def _sums(policy: Policy, batch: Batch, gains: Tensor, config: TrainerConfig) -> Tensor:
    """Return the sums over a batch of what :func:`diagnose` returns the means of."""
    outputs = policy.unroll(batch.observations, batch.starts, batch.memory).double()
    chosen = policy.family.of(outputs[:, :-1])
    ratio = (chosen.log_probs(batch.actions.flatten(0, 1)) - batch.log_probs.flatten()).exp()
    near = ratio.clamp(1.0 - config.clip_coef, 1.0 + config.clip_coef)
    returns = (batch.advantages + batch.values).flatten()
    each = (
        -torch.minimum(ratio * gains, near * gains),
        (outputs[:, -1] - returns).square() / 2.0,
        chosen.entropy(),
        ratio - 1.0 - ratio.log(),
        (ratio != near).double(),
    )
    return torch.stack([one.sum() for one in each]).cpu()


def _explained_variance(batch: Batch, count: int, team: Team) -> float | None:
    """Return 1 - Var(R - V) / Var(R); None where the returns do not vary: there is nothing to explain."""
    returns, left = (batch.advantages + batch.values).double().flatten(), batch.advantages.double().flatten()
    spread, unexplained = (_variance(values, count, team) for values in (returns, left))
    return None if spread < 1e-12 else 1.0 - unexplained / spread


def _variance(values: Tensor, count: int, team: Team) -> float:
    mean = team.add(values.sum()) / count
    return float(team.add((values - mean).square().sum()) / count)


class TrainingEpisodes:
    """Counts the episodes that training plays, from one measurement to the next."""

    def __init__(self) -> None:
        self.sums = torch.zeros(3, dtype=torch.float64)
        """Episodes, their returns, their lengths."""
        self.means: dict[str, float] = {}
        """Of the last measurement in which an episode ended."""

    def add(self, episodes: Episodes) -> None:
        """Count episodes that ended."""
        returns, lengths = (float(episodes.stats[name].sum()) for name in ("reward", "episode_length"))
        self.sums += torch.tensor((len(episodes.rows), returns, lengths), dtype=torch.float64)

    def measure(self, team: Team) -> dict[str, float]:
        """Return the means over all processes and begin anew; the last known ones where no episode ended."""
        ended, returns, lengths = team.add(self.sums.clone()).tolist()
        if ended:
            self.means = {"episode_return": returns / ended, "episode_length": lengths / ended}
        self.sums.zero_()
        return self.means

    def state(self) -> dict[str, object]:
        """Return what the next measurement depends on."""
        return {"sums": self.sums, "means": self.means}

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on from :meth:`state`."""
        sums, means = state["sums"], state["means"]
        if isinstance(sums, Tensor) and isinstance(means, dict):
            self.sums.copy_(sums)
            self.means = means
