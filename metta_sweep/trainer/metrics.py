"""The names of a run's metrics, as its config alone decides them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from metta_sweep.envs.statistics import statistics
from metta_sweep.result import GOAL_VARIABLE, METRIC_VARIABLE
from metta_sweep.trainer.config import TrainingConfig
from metta_sweep.trainer.simulations import simulations


def metric_names(config: TrainingConfig) -> frozenset[str]:
    """Return every name that an evaluation of a valid config reports."""
    suite = simulations(config.sim, config.env)
    own = {each.name: statistics(each.env) for each in suite}
    first, *others = own.values()
    names = {name for name in first if all(name in other for other in others)}
    names |= {f"sim.{simulation}.{name}" for simulation, stats in own.items() if simulation for name in stats}
    return frozenset({*names, *(f"{name}_se" for name in names), *OF_LEARNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """What makes one evaluation of a run better than another."""

    metric: str = "reward"
    """Name of the metric."""
    minimize: bool = False
    """A smaller one is better."""

    @classmethod
    def of_sweep(cls, config: TrainingConfig, environment: Mapping[str, str]) -> Judge:
        """Return the judgement of the sweep that a run belongs to; by its reward where there is no sweep.

        A metric that is not measured at evaluations (``cost_s``, or one that a reader computes) cannot choose among
        them: the reward does.
        """
        metric = environment.get(METRIC_VARIABLE, "reward")
        if metric not in metric_names(config):
            return cls()
        return cls(metric=metric, minimize=environment.get(GOAL_VARIABLE) == "minimize")

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the metric of an evaluation, made larger-is-better; minus infinity where it has none."""
        if self.metric not in metrics:
            return -math.inf
        return -metrics[self.metric] if self.minimize else metrics[self.metric]


OF_LEARNING = tuple(
    f"train/{name}"
    for name in (
        "gradient_norm",
        "learning_rate",
        "policy_loss",
        "value_loss",
        "entropy",
        "entropy_share",
        "kl",
        "clip_fraction",
        "explained_variance",
        "episode_return",
        "episode_length",
    )
)
"""What is measured of the training itself."""
