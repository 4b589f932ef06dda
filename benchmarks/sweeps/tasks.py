"""What is trained, the eight parameters that are searched, and the training time that a sweep has."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from benchmarks.trainer.workloads import shipped
from metta_sweep.space import SearchSpace
from metta_sweep.trainer.config import TrainingConfig, parse

EVALUATIONS = 5
"""Reports of a run, at equal shares of its length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One training task, searched around the shipped settings."""

    name: str
    """In file names."""
    title: str
    """For people."""
    overrides: tuple[str, ...]
    """Hydra overrides of the shipped configs."""
    parameters: Mapping[str, Mapping[str, Any]]
    """The search space as a sweep file has it; each ``mean`` is the shipped setting."""
    budget_s: float
    """CPU-seconds of training and evaluation that a sweep has."""
    digits: int = 3
    """Of a reward that are told."""
    fresh_episodes: int = 320
    """Episodes, which no search sees, that a deployed policy is valued by."""

    @property
    def space(self) -> SearchSpace:
        """Return where is searched."""
        return SearchSpace.parse(self.parameters)

    @property
    def center(self) -> dict[str, Any]:
        """Return the shipped settings: every contender's first point."""
        return {name: each["mean"] for name, each in self.parameters.items()}

    def sample(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return a random point."""
        space = self.space
        return space.decode(space.sample(1, rng)[0])

    def config(self, params: Mapping[str, Any], seed: int) -> TrainingConfig:
        """Return the config of a run."""
        config = deepcopy(_composed(self.overrides)) | {"device": "cpu", "seed": seed}
        for name, value in params.items():
            group, key = name.split(".")
            config[group][key] = value
        return parse(config)


@cache
def _composed(overrides: tuple[str, ...]) -> dict[str, Any]:
    """Return what Hydra makes of the shipped configs; the same for every run of a task."""
    return shipped(*overrides)


RANGES: Mapping[str, Mapping[str, Any]] = {
    "trainer.learning_rate": {"distribution": "log_normal", "min": 1e-4, "max": 0.1, "mean": 0.003},
    "trainer.minibatch_size": {"distribution": "uniform_pow2", "min": 128, "max": 4096, "mean": 512},
    "trainer.num_steps": {"distribution": "uniform_pow2", "min": 8, "max": 128, "mean": 32},
    "trainer.update_epochs": {"distribution": "int_uniform", "min": 1, "max": 8, "mean": 4},
    "trainer.gamma": {"distribution": "logit_normal", "min": 0.8, "max": 0.999, "mean": 0.99},
    "trainer.gae_lambda": {"distribution": "logit_normal", "min": 0.5, "max": 0.995, "mean": 0.95},
    "trainer.entropy_coef": {"distribution": "log_normal", "min": 1e-4, "max": 0.2, "mean": 0.01},
    "trainer.clip_coef": {"distribution": "log_normal", "min": 0.05, "max": 0.5, "mean": 0.2},
}
"""Wide ranges around the shipped settings of PPO, as somebody would write them who knows little of the task."""
AROUND_GYMNASIUM = {
    "trainer.learning_rate": 0.001,
    "trainer.minibatch_size": 128,
    "trainer.num_steps": 128,
    "trainer.entropy_coef": 0.001,
}
"""Where the shipped settings of gymnasium are others; their entropy bonus of nothing is small here."""
UPDATES = ("trainer.batch_size=4096", "agent.hidden_size=64", "sim.episodes=1")
SHORT = ("trainer.total_timesteps=50000", *UPDATES)
"""Runs of two CPU-seconds, so that a sweep has twenty to fifty of them."""
TASKS = {
    task.name: task
    for task in (
        Task(
            name="altar",
            title="altar game",
            overrides=("env=altar", *SHORT),
            parameters=RANGES,
            budget_s=60.0,
        ),
        Task(
            name="altar_1m",
            title="altar game, 1M steps",
            overrides=("env=altar", "trainer.total_timesteps=1000000", *UPDATES),
            parameters=RANGES,
            budget_s=600.0,
        ),
        Task(
            name="pong",
            title="Pong",
            overrides=("env=pong", *SHORT),
            parameters=RANGES,
            budget_s=120.0,
        ),
        Task(
            name="acrobot",
            title="Acrobot-v1",
            overrides=(
                "env=gymnasium",
                "env.id=Acrobot-v1",
                "trainer.total_timesteps=20480",
                "trainer.batch_size=1024",
                "agent.hidden_size=64",
                "sim.num_envs=16",
                "sim.episodes=1",
            ),
            parameters={
                name: each
                | {"mean": AROUND_GYMNASIUM.get(name, each["mean"])}
                | ({"min": 32, "max": 1024} if name == "trainer.minibatch_size" else {})
                for name, each in RANGES.items()
            },
            budget_s=120.0,
            digits=1,
            fresh_episodes=128,
        ),
        *(
            Task(
                name=name,
                title=f"cogeval {name}",
                overrides=("env=cogeval", f"env.tasks=[{name}]", "trainer=ppo", *SHORT),
                parameters=RANGES,
                budget_s=60.0,
            )
            for name in ("rooms", "patience")
        ),
    )
}
"""The tasks by name, in the order in which they are run."""
