"""The names of a run's metrics, as its config alone decides them."""

from __future__ import annotations

from metta_sweep.envs.statistics import statistics
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
