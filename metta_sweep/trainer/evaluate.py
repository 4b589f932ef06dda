"""Evaluation: the same episodes for every policy."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from metta_sweep.envs.config import EXTRAS
from metta_sweep.envs.make import make_env
from metta_sweep.envs.vec_env import Doubles, Episodes, Ints, Step, VecEnv
from metta_sweep.trainer.config import TrainingConfig
from metta_sweep.trainer.policy import Policy, forget
from metta_sweep.trainer.simulations import Simulation, simulations


class Evaluator:
    """Plays the simulations of a config, again and again.

    Environments that come with an extra step in as many workers as training's do, and are kept from one evaluation to
    the next: making them can take longer than playing them. Their episodes depend on neither.

    Args:
        config: What is played.
        device: Where the policy computes.
    """

    def __init__(self, config: TrainingConfig, device: torch.device) -> None:
        self._config, self._device = config, device
        self._suite = simulations(config.sim, config.env)
        self._kept: dict[str, VecEnv] = {}

    def evaluate(self, policy: Policy) -> dict[str, float]:
        """Return the mean of every statistic over a fixed set of episodes, and its standard error as ``NAME_se``.

        With named simulations each has its own, as ``sim.SIMULATION.NAME``, and the overall ones are the weighted means
        of what all simulations have.
        """
        played = [self._play(policy, each) for each in self._suite]
        if not self._config.sim.simulations:
            return played[0]
        metrics = _overall(played, [each.weight for each in self._suite])
        for each, own in zip(self._suite, played, strict=True):
            metrics |= {f"sim.{each.name}.{name}": value for name, value in own.items()}
        return metrics

    def close(self) -> None:
        """Close the environments that were kept."""
        for env in self._kept.values():
            env.close()
        self._kept.clear()

    def _play(self, policy: Policy, simulation: Simulation) -> dict[str, float]:
        env = self._kept.get(simulation.name) or make_simulated(simulation, self._config.trainer.num_workers)
        if simulation.env.name in EXTRAS:
            self._kept[simulation.name] = env
        metrics = play(policy, simulation, env, self._device, deterministic=self._config.sim.deterministic)
        if simulation.name not in self._kept:
            env.close()
        return metrics


def evaluate(policy: Policy, config: TrainingConfig, device: torch.device) -> dict[str, float]:
    """Evaluate once; see :meth:`Evaluator.evaluate`."""
    evaluator = Evaluator(config, device)
    try:
        return evaluator.evaluate(policy)
    finally:
        evaluator.close()


def make_simulated(simulation: Simulation, workers: int = 1) -> VecEnv:
    """Return the environments of a simulation, in as many of so many workers as they can be shared out to."""
    share = next(count for count in range(workers, 0, -1) if simulation.num_envs % count == 0)
    return make_env(simulation.env, rows=simulation.num_envs * simulation.env.num_agents, workers=share)


def _overall(played: list[dict[str, float]], weights: list[float]) -> dict[str, float]:
    """Return weighted means; errors of independent means add as squares."""
    names = [name for name in played[0] if all(name in own for own in played)]
    overall: dict[str, float] = {}
    for name in names:
        parts = [weight * own[name] for weight, own in zip(weights, played, strict=True)]
        overall[name] = math.hypot(*parts) if name.endswith("_se") else math.fsum(parts)
    return overall


class Stage:
    """A simulation while it is played: the environments from their first step, and a policy's memory of them.

    Args:
        policy: Decides.
        simulation: What is played.
        device: Where the policy computes.
        deterministic: Take the likeliest action instead of drawing one.
        env: The simulation's environments, where they are at hand; they are reset.
    """

    def __init__(
        self,
        policy: Policy,
        simulation: Simulation,
        device: torch.device,
        *,
        deterministic: bool,
        env: VecEnv | None = None,
    ) -> None:
        self.env = env or make_simulated(simulation)
        self.out = Step.empty(self.env.spec)
        """What the last step gave."""
        self._policy, self._device, self._deterministic = policy, device, deterministic
        self._generator = torch.Generator(device).manual_seed(simulation.seed)
        self._memory = policy.initial_state(self.env.spec.rows)
        self.env.reset(simulation.seed, self.out.observations)

    @torch.no_grad()
    def decide(self) -> tuple[Tensor, Tensor]:
        """Return the policy's outputs (rows, P + 1) for what is seen now, and the actions that it takes."""
        family, seen = self._policy.family, torch.from_numpy(self.out.observations).to(self._device)
        outputs, self._memory = self._policy.step(seen, self._memory)
        chance = None if self._deterministic else family.chance(1, len(seen), self._generator)[0]
        return outputs, family.choose(outputs[..., :-1], chance)

    def act(self, actions: Tensor) -> bool:
        """Play one step; return whether any episode ended with it."""
        self.env.step(self._policy.family.for_env(actions.cpu()), self.out)
        ended = self.out.terminals | self.out.truncations
        self._memory = forget(self._memory, torch.from_numpy(ended))
        return bool(ended.any())


def play(
    policy: Policy, simulation: Simulation, env: VecEnv, device: torch.device, *, deterministic: bool
) -> dict[str, float]:
    """Return the means and standard errors of one simulation.

    Every environment plays the same number of episodes: taking the first to finish would favour short ones.
    The agents of one environment count as one observation of the mean.
    """
    stage = Stage(policy, simulation, device, deterministic=deterministic, env=env)
    played = np.zeros(stage.env.spec.rows, np.int64)
    kept: list[Episodes] = []
    while played.min() < simulation.episodes:
        _, actions = stage.decide()
        if stage.act(actions):
            kept.append(_counted(stage.env.drain(), played, simulation.episodes))
    return _summary(kept, simulation.env.num_agents)


def _counted(episodes: Episodes, played: Ints, limit: int) -> Episodes:
    """Return the episodes that still count, and count them; a row ends at most one episode a step."""
    counts = played[episodes.rows] < limit
    played[episodes.rows] += 1
    return Episodes(rows=episodes.rows[counts], stats={name: of[counts] for name, of in episodes.stats.items()})


def _summary(kept: list[Episodes], agents: int) -> dict[str, float]:
    rows = np.concatenate([episodes.rows for episodes in kept])
    order = np.argsort(rows, kind="stable").reshape(-1, agents, len(rows) // len(np.unique(rows)))
    metrics: dict[str, float] = {}
    for name in kept[0].stats:
        values: Doubles = np.concatenate([episodes.stats[name] for episodes in kept])[order].mean(1).reshape(-1)
        metrics[name] = float(values.mean())
        metrics[f"{name}_se"] = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0
    return metrics
