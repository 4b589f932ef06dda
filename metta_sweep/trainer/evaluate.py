"""Evaluation: the same episodes for every policy."""

from __future__ import annotations

import math

import numpy as np
import torch

from metta_sweep.envs.make import make_env
from metta_sweep.envs.vec_env import Doubles, Episodes, Ints, Step
from metta_sweep.trainer.config import TrainingConfig
from metta_sweep.trainer.policy import Policy, choose, draw_clocks, forget
from metta_sweep.trainer.simulations import Simulation, simulations


def evaluate(policy: Policy, config: TrainingConfig, device: torch.device) -> dict[str, float]:
    """Return the mean of every statistic over a fixed set of episodes, and its standard error as ``NAME_se``.

    With named simulations each has its own, as ``sim.SIMULATION.NAME``, and the overall ones are the weighted means of
    what all simulations have.
    """
    suite = simulations(config.sim, config.env)
    played = [play(policy, each, device, deterministic=config.sim.deterministic) for each in suite]
    if not config.sim.simulations:
        return played[0]
    metrics = _overall(played, [each.weight for each in suite])
    for each, own in zip(suite, played, strict=True):
        metrics |= {f"sim.{each.name}.{name}": value for name, value in own.items()}
    return metrics


def _overall(played: list[dict[str, float]], weights: list[float]) -> dict[str, float]:
    """Return weighted means; errors of independent means add as squares."""
    names = [name for name in played[0] if all(name in own for own in played)]
    overall: dict[str, float] = {}
    for name in names:
        parts = [weight * own[name] for weight, own in zip(weights, played, strict=True)]
        overall[name] = math.hypot(*parts) if name.endswith("_se") else math.fsum(parts)
    return overall


@torch.no_grad()
def play(policy: Policy, simulation: Simulation, device: torch.device, *, deterministic: bool) -> dict[str, float]:
    """Return the means and standard errors of one simulation.

    Every environment plays the same number of episodes: taking the first to finish would favour short ones.
    The agents of one environment count as one observation of the mean.
    """
    agents = simulation.env.num_agents
    env = make_env(simulation.env, rows=simulation.num_envs * agents)
    out = Step.empty(env.spec)
    env.reset(simulation.seed, out.observations)
    generator = torch.Generator(device).manual_seed(simulation.seed)
    memory, played = policy.initial_state(env.spec.rows), np.zeros(env.spec.rows, np.int64)
    kept: list[Episodes] = []
    while played.min() < simulation.episodes:
        outputs, state = policy.step(torch.from_numpy(out.observations).to(device), memory)
        clocks = None if deterministic else draw_clocks(1, env.spec.rows, env.spec.num_actions, generator)[0]
        env.step(choose(outputs, clocks).cpu().numpy(), out)
        memory = forget(state, torch.from_numpy(out.terminals | out.truncations))
        if out.terminals.any() or out.truncations.any():
            kept.append(_counted(env.drain(), played, simulation.episodes))
    env.close()
    return _summary(kept, agents)


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
