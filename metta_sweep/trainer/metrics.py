"""The names of a run's metrics, as its config alone decides them."""

from __future__ import annotations

from collections.abc import Iterator

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
    return frozenset({*names, *(f"{name}_se" for name in names), *_of_learning(config)})


def _of_learning(config: TrainingConfig) -> Iterator[str]:
    yield "train/gradient_norm"
    yield "train/learning_rate"
    if config.trainer.target_kl is not None:
        yield "train/kl"
